"""``python -m bench.search``: build a large journal on PostgreSQL, ask everything warm and cold while others write."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.search import ground
from bench.search.ask import Times, ask, plans, writing
from bench.search.fill import fill
from bench.search.questions import Ask, questions
from bench.search.rows import Past
from gateway.protect import Cipher, KeyFile, new_file
from tests.pg import PgServer

LIMIT_MS: Final = 100.0
_WIDTH: Final = 160


def main() -> None:
    """Build or take up again, measure, tell; exit 1 when a search is too slow."""
    asked = _arguments()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    with ground.folder(asked.folder) as folder, ground.server(folder) as server:
        key_file = folder / "keys.toml"
        keys = KeyFile(key_file) if key_file.exists() else new_file(key_file, Cipher.AES)
        past, url = Past(asked.rows), ground.database(server, f"rows_{asked.rows}")
        with Progress(console=console) as progress:
            task = progress.add_task("building", total=asked.rows)
            fill(url, keys, past, lambda done: progress.update(task, completed=done))
        load = os.getloadavg()
        those = questions(past)
        warm, cold = _measure(asked, server, url, key_file, those, console)
        found = plans(url, keys, those)
        _tell(console, warm, cold, found)
        _surroundings(console, url, asked, load)
        asked.plans.parent.mkdir(parents=True, exist_ok=True)
        asked.plans.write_text(_report(found), encoding="utf-8")
        console.print(f"plans: {asked.plans}")
    slow = _slow(warm, cold)
    for name, shown in slow.items():
        console.print(f"above {LIMIT_MS:.0f} ms: {name}: {shown}")
    sys.exit(bool(slow))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="exchanges (default 10,000,000: some 20 GB)")
    parser.add_argument(
        "--folder", type=Path, help="where the data stay for the next run (default: a temporary folder)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="warm rounds; one in five as many cold ones")
    parser.add_argument("--rate", type=int, default=200, help="exchanges a second that are written meanwhile")
    parser.add_argument("--plans", type=Path, default=Path("var/search-plans.txt"), help="where the plans are written")
    return parser.parse_args()


def _measure(
    asked: argparse.Namespace,
    server: PgServer,
    url: str,
    key_file: Path,
    those: Mapping[str, Ask],
    console: Console,
) -> tuple[Times, Times]:
    warm, cold, keys = Times(), Times(), KeyFile(key_file)
    cold_rounds = max(1, asked.rounds // 5)
    with Progress(console=console) as progress:
        task = progress.add_task("measuring", total=len(those) * (asked.rounds + 1 + cold_rounds))

        def told() -> None:
            progress.advance(task)

        for number in range(cold_rounds):
            _make_cold(server)
            with writing(url, key_file, asked.rate, cold):
                ask(url, keys, those, range(1000 + number, 1001 + number), cold, told)
        with writing(url, key_file, asked.rate, warm):
            ask(url, keys, those, range(1), Times(), told)
            ask(url, keys, those, range(1, asked.rounds + 1), warm, told)
    return warm, cold


def _make_cold(server: PgServer) -> None:
    """Stop the server and ask the system to forget its files; nothing else of the machine is touched."""
    server.stop()
    os.sync()
    for path in server.data.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
    server.start()


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _figures(times: Times, name: str) -> tuple[float, float, float]:
    values = times.of[name]
    return _percentile(values, 0.5), _percentile(values, 0.95), max(values)


def _slow(warm: Times, cold: Times) -> dict[str, str]:
    found = {
        (name, how): _figures(times, name)[1] for how, times in (("warm", warm), ("cold", cold)) for name in times.of
    }
    return {f"{name}, {how}": f"p95 {p95:.0f} ms" for (name, how), p95 in found.items() if p95 > LIMIT_MS}


def _pages(plan: str) -> int:
    """Pages of 8 KB that the whole statement touches: the first line that counts them is that of the outermost step.

    Unlike a time it says the same on a busy machine.
    """
    line = next((line for line in plan.splitlines() if "Buffers: shared" in line), "")
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", line))


def _server_ms(plan: str) -> float:
    """What the server itself needed, planned and fetched, without the wait for a processor of whoever asked."""
    return sum(float(found) for found in re.findall(r"(?:Planning|Execution) Time: ([\d.]+) ms", plan))


def _tell(console: Console, warm: Times, cold: Times, found: Mapping[str, str]) -> None:
    table = Table(title="a search and its page of 50, ms", title_justify="left")
    for column in ("", "warm median", "p95", "max", "cold median", "p95", "max", "pages", "server"):
        table.add_column(column, justify="right" if column else "left")
    for name in warm.of:
        figures = (f"{value:.1f}" for times in (warm, cold) for value in _figures(times, name))
        table.add_row(name, *figures, f"{_pages(found[name]):,}", f"{_server_ms(found[name]):.1f}")
    console.print(table)
    for how, times in (("warm", warm), ("cold", cold)):
        console.print(
            f"{how}: {times.written:,} exchanges written beside, {times.written / times.seconds:.0f} a second"
        )


def _surroundings(console: Console, url: str, asked: argparse.Namespace, load: tuple[float, float, float]) -> None:
    sizes = "SELECT pg_size_pretty(pg_database_size(current_database())), current_setting('server_version'), "
    counted = "count(*), (SELECT count(*) FROM exchange_key), (SELECT count(*) FROM exchange_body) FROM exchange"
    with psycopg.connect(url) as connection:
        row = connection.execute(f"{sizes}{counted}").fetchone()
    assert row is not None
    size, version, exchanges, keys, bodies = row
    console.print(
        f"{exchanges:,} exchanges, {keys:,} keys, {bodies:,} bodies, {size}; PostgreSQL {version}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load before {load[0]:.1f}, {asked.rounds} rounds"
    )


def _report(found: Mapping[str, str]) -> str:
    return "\n".join(f"## {name}\n\n{plan}\n" for name, plan in found.items())


if __name__ == "__main__":
    main()
