"""``python -m bench.share``: what the gateway itself adds to calls that wait for the platform, alone and beside a month report.

Many callers, each with one call on its way at any time, to a platform that takes some seconds. Told is the time of the calls less the
platform's: half of them, 99 of 100, the worst. In every other stretch one client reads the month of the audit page (ET-05) again
and again, over a list of stays as long as a large hospital's month; exit 1 when that moves the 99 of 100 by more than
a tenth, or when they are above 50 ms. Both mean something only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.durable.__main__ import store_of
from bench.waiting import CONFIG, SlowPlatform, ask, listening, running
from gateway.episodes import READER, Episodes
from gateway.rules.policy import Policy
from gateway.store import open_store
from gateway.store.stay_feed import Episode
from tests.servers import free_ports
from tests.simulation import messages

P99_MS_MAX: Final = 50
RISE_MAX: Final = 1.10
_REPORT: Final = "/api/v1/stays/review?ward_from=2026-10-01&ward_before=2026-11-01&hours_from=1&limit=5000"


@dataclass
class Stretch:
    """What was seen in the stretches of one kind: milliseconds that the gateway added, months read, answers that were none."""

    own_ms: list[float] = field(default_factory=list)
    reports: int = 0
    refused: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        ranks = statistics.quantiles(self.own_ms, n=100, method="inclusive")
        shown = {"calls": len(self.own_ms), "p50_ms": ranks[49], "p99_ms": ranks[98], "max_ms": max(self.own_ms)}
        return {name: round(value, 1) for name, value in shown.items()} | {
            "reports": self.reports,
            "refused": self.refused[:3],
        }

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.own_ms, n=100, method="inclusive")[98]


def with_stays(url: str, count: int) -> None:
    """A store whose list of stays has ``count`` rows of one month."""
    store = open_store(url, node="bench")
    store.upgrade()
    days = (f"2026-10-{1 + number % 28:02}" for number in range(count))
    rows = [
        Episode(
            f"ZY{n:07}", f"M{n:07}", f"P{n:07}", "left", "same", "settled", t_ward=f"{day} 10:05", t_wout=f"{day} 18:30"
        )
        for n, day in enumerate(days)
    ]
    store.stay_feed.begin(READER, 0, Episodes(store.stay_feed, store.journal.stays, Policy()).mark, rows)
    store.close()


async def stretch(port: int, seconds: float, callers: int, delay_s: float, seen: Stretch, first: int) -> int:
    """Everybody calls until the time is over; the number of the next call."""
    until, number = time.monotonic() + seconds, first

    async def caller(turn: int) -> None:
        nonlocal number
        await asyncio.sleep(delay_s * turn / callers)  # as callers come, not all at one moment
        while time.monotonic() < until:
            number += 1
            code, took_ms = await ask(port, "2401", messages.admission(f"P{number}", f"ZY{number:06d}"))
            seen.own_ms.append(took_ms - delay_s * 1000)
            if code != "0":
                seen.refused.append(code)

    await asyncio.gather(*(caller(turn) for turn in range(callers)))
    return number


async def reports(port: int, seen: Stretch) -> None:
    """The month, read again and again by a client of its own."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        writer.write(b"GET %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n" % _REPORT.encode())
        answer = await reader.read()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:300].decode(errors="replace"))
        seen.reports += 1


async def measure(asked: argparse.Namespace, folder: Path, store: str) -> dict[str, Stretch]:
    """Alternating stretches; a first one warms up."""
    platform = SlowPlatform(asked.delay)
    server = await asyncio.start_server(platform.serve, "127.0.0.1", 0, backlog=1024)
    (port,) = free_ports(1)
    config = folder / "gateway.toml"
    threads = asked.callers * 5 // 4
    to = server.sockets[0].getsockname()[1]
    config.write_text(
        CONFIG.format(platform=to, port=port, folder=folder, store=store, threads=threads), encoding="utf-8"
    )
    found = {"alone": Stretch(), "beside a report": Stretch()}
    with running(config, folder) as process:
        await listening(port, process)
        number = await stretch(port, asked.delay, asked.callers, asked.delay, Stretch(), 0)
        for _ in range(asked.rounds):
            number = await stretch(port, asked.seconds, asked.callers, asked.delay, found["alone"], number)
            reading = asyncio.ensure_future(reports(port, found["beside a report"]))
            number = await stretch(port, asked.seconds, asked.callers, asked.delay, found["beside a report"], number)
            if reading.done():
                reading.result()
            reading.cancel()
    server.close()
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Run once and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.share", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--callers", type=int, default=80)
    parser.add_argument("--delay", type=float, default=3.0, help="seconds the platform takes")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a stretch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stays", type=int, default=3000, help="in the month")
    asked = parser.parse_args(given)
    with tempfile.TemporaryDirectory(prefix="yibao-bench-") as place, store_of(asked.store, Path(place)) as store:
        with_stays(store, asked.stays)
        found = asyncio.run(measure(asked, Path(place), store))
    Console().print({name: seen.told() for name, seen in found.items()} | {"load": os.getloadavg()[0]})
    alone, beside = (found[name].p99_ms for name in ("alone", "beside a report"))
    refused = any(seen.refused for seen in found.values())
    return 0 if alone <= P99_MS_MAX and beside <= alone * RISE_MAX and not refused else 1


if __name__ == "__main__":
    sys.exit(main())
