"""``python -m bench.console``: every list page of the console over a large journal, and the plans of its statements."""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from bench.console.pages import Address, pages
from bench.console.standing import PATIENTS, console
from bench.search import ground
from bench.search.fill import fill
from bench.search.rows import Past
from gateway.protect import Cipher, KeyFile, new_file

LIMIT_MS: Final = 300.0
_WIDTH: Final = 140
Statement = tuple[str, Any]
"""Text and values as the driver gets them."""


def main() -> None:
    """Build or take up again, measure, tell; exit 1 when a page is too slow."""
    asked = _arguments()
    shown = Console(width=None if sys.stdout.isatty() else _WIDTH)
    with ground.folder(asked.folder) as folder, ground.server(folder) as server:
        key_file = folder / "keys.toml"
        keys = KeyFile(key_file) if key_file.exists() else new_file(key_file, Cipher.AES)
        past, url = Past(asked.rows), ground.database(server, f"rows_{asked.rows}")
        fill(url, keys, past)
        load = os.getloadavg()
        with console(url, keys, folder, past) as client, psycopg.connect(url, autocommit=True) as beside:
            beside.execute("ANALYZE")
            times, asked_of_store = measure(client, pages(past, PATIENTS), asked.rounds)
            plans = {name: [_plan(beside, one) for one in some] for name, some in asked_of_store.items()}
    _tell(shown, times, plans)
    shown.print(
        f"{asked.rows:,} exchanges, {PATIENTS:,} patients, {asked.rounds} rounds after one to warm up; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load before {load[0]:.1f}"
    )
    asked.plans.parent.mkdir(parents=True, exist_ok=True)
    asked.plans.write_text(_report(plans), encoding="utf-8")
    shown.print(f"plans: {asked.plans}")
    slow = [name for name, those in times.items() if statistics.median(those) > LIMIT_MS]
    for name in slow:
        shown.print(f"above {LIMIT_MS:.0f} ms: {name}")
    sys.exit(bool(slow))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="exchanges (default 200,000)")
    parser.add_argument("--folder", type=Path, help="where the data stay for the next run, as of bench.search")
    parser.add_argument("--rounds", type=int, default=20, help="times that each page is asked for")
    parser.add_argument("--plans", type=Path, default=Path("var/console-plans.txt"), help="where the plans are written")
    return parser.parse_args()


def measure(
    client: TestClient, those: Mapping[str, Address], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[Statement]]]:
    """Milliseconds of each page, in turn, from the request to the last byte in this process; what it asked the store.

    A first round warms up, and is where the statements are noted.
    """
    times: dict[str, list[float]] = {name: [] for name in those}
    asked: dict[str, list[Statement]] = {}
    with _noting() as noted:
        for name, address in those.items():
            noted.clear()
            _get(client, address, 0)
            asked[name] = list(noted)
    for number in range(1, rounds + 1):
        for name, address in those.items():
            started = time.perf_counter()
            _get(client, address, number)
            times[name].append((time.perf_counter() - started) * 1000)
    return times, asked


def _get(client: TestClient, address: Callable[[int], str], number: int) -> None:
    answer = client.get(address(number))
    assert answer.status_code in (200, 303, 404), (address(number), answer.status_code)


@contextmanager
def _noting() -> Iterator[list[Statement]]:
    seen: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _plan(beside: psycopg.Connection[Any], asked: Statement) -> str:
    statement, values = asked
    text = statement.replace(" FOR UPDATE", "")
    lines = beside.execute(f"EXPLAIN (ANALYZE, BUFFERS) {text}", values)  # type: ignore[arg-type]
    return "\n".join([statement, *(f"    {row[0]}" for row in lines)])


def _store_ms(plans: list[str]) -> float:
    found = re.findall(r"(?:Planning|Execution) Time: ([\d.]+) ms", "\n".join(plans))
    return sum(map(float, found))


def _tell(shown: Console, times: Mapping[str, list[float]], plans: Mapping[str, list[str]]) -> None:
    table = Table(title="a page, ms", title_justify="left")
    for column in ("", "median", "max", "statements", "their plans, ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, those in times.items():
        figures = (f"{value:.0f}" for value in (statistics.median(those), max(those)))
        table.add_row(name, *figures, str(len(plans[name])), f"{_store_ms(plans[name]):.1f}")
    shown.print(table)


def _report(plans: Mapping[str, list[str]]) -> str:
    return "\n".join(f"## {name}\n\n" + "\n\n".join(those) + "\n" for name, those in plans.items())


if __name__ == "__main__":
    main()
