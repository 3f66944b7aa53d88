"""``python -m bench.durable``: CPU and throughput of complete durable exchanges beside a floor, alternating.

The gateway as it is installed (``yibao serve``: contract, rules, duplicates, write-ahead on SQLite or on a PostgreSQL of this
run, signed HTTP, outcome, log line, the answer written) and the floor (``bench/durable/floor.py``) are processes of their own, and so is the platform, which
answers at once. Both get the same envelopes from the same number of callers; every call is about a visit of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.messages import Case, fees, small
from bench.parts import Parts
from bench.peers.peer import Peer, serving
from tests.servers import free_ports

GATEWAY: Final = "yibao serve"
FLOOR: Final = "floor"
_VISIT: Final = re.compile(rb"<(psn_no|ipt_no|mdtrt_id)>[^<]*<")
CALLS: Final = {"small": 400, "500 rows": 24}
_CONFIG: Final = """\
production = false
[institution]
code = "H32010000001"
name = "演示医院"
area = "320100"
[platform]
province = "jiangsu"
url = "http://127.0.0.1:{platform}"
infno_in_url = true
signing = "api-headers"
api_access_key = "bench"
api_secret_key = "bench"
[listen.exchange]
address = "127.0.0.1:{port}"
[store]
url = "{store}"
[console]
enabled = false
[jobs]
enabled = false
[log]
file = "{folder}/yibao.log"
[[clients]]
name = "bench"
open = true
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """One sample: milliseconds of CPU of the server per call, calls a second."""

    cpu_ms: float
    per_s: float


Samples = Mapping[str, Mapping[str, list[Spent]]]
"""Subject -> message -> one sample for each round."""


class Callers:
    """Connections with a caller each. Every envelope is about a visit of its own, so that nobody waits for another."""

    def __init__(self, peer: Peer, callers: int) -> None:
        self._peer = peer
        self._callers = callers
        self._numbers = count(1)

    def run(self, case: Case, calls: int) -> Spent:
        """``calls`` calls in all."""
        share = max(1, calls // self._callers)
        cases = [[self._renewed(case) for _ in range(share)] for _ in range(self._callers)]
        cpu, begun = self._peer.cpu_s(), time.perf_counter()
        self._peer.ask_each(cases)
        seconds = time.perf_counter() - begun
        made = share * self._callers
        return Spent((self._peer.cpu_s() - cpu) * 1000 / made, made / seconds)

    def _renewed(self, case: Case) -> Case:
        number = b"%012d" % next(self._numbers)
        return replace(case, soap=_VISIT.sub(rb"<\1>V" + number + b"<", case.soap))


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new store: a file, or a database of a server that lives as long as this. Its CPU counts as nobody's."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/yibao.db"
        return
    from tests.pg import PgServer

    # the server opens every folder above its data to all users, and socket paths must be short
    with tempfile.TemporaryDirectory(prefix="yb-pg-") as place:
        server = PgServer(Path(place))
        try:
            yield server.fresh()
        finally:
            server.close()


@contextmanager
def started(folder: Path, store: str) -> Iterator[dict[str, Peer]]:
    """The platform, the gateway and the floor."""
    platform, port = free_ports(2)
    config = folder / "gateway.toml"
    config.write_text(_CONFIG.format(platform=platform, port=port, folder=folder, store=store), encoding="utf-8")
    granian = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"]
    commands = {
        GATEWAY: ["gateway.cli", "serve", "--config", str(config)],
        FLOOR: [*granian, "--no-ws", "--log-level", "critical", "--factory", "bench.durable.floor:application"],
    }
    os.environ |= {"YIBAO_BENCH_FLOOR": str(folder / "floor.db"), "YIBAO_BENCH_PLATFORM": str(platform)}
    with ExitStack() as running:

        def serve(name: str, arguments: Sequence[str], at: int) -> Peer:
            command = [sys.executable, "-m", *arguments]
            return running.enter_context(serving(name, command, folder, at))

        serve("platform", ["bench.durable.platform", "{port}"], platform)
        yield {name: serve(name, command, port if name == GATEWAY else 0) for name, command in commands.items()}


def measure(rounds: int, threads: int, kind: str, progress: Callable[[], object]) -> Samples:
    """Alternating; a first round warms up and is not counted."""
    interface = Parts().interface
    cases = [small(interface), fees(interface)]
    with (
        tempfile.TemporaryDirectory(prefix="yibao-bench-") as place,
        store_of(kind, Path(place)) as store,
        started(Path(place), store) as peers,
    ):
        callers = {name: Callers(peer, threads) for name, peer in peers.items()}
        samples: dict[str, dict[str, list[Spent]]] = {name: {case.name: [] for case in cases} for name in peers}
        for number in range(rounds + 1):
            for case in cases:
                for name, those in callers.items():
                    spent = those.run(case, CALLS[case.name])
                    if number:
                        samples[name][case.name].append(spent)
                    progress()
    return samples


def table(samples: Samples, how: str) -> Table:
    """Medians of the rounds, ratios within a round."""
    shown = Table(title=f"complete durable exchanges, {how}; ratios to the floor, least and greatest of the rounds")
    for column in ("", "message", "CPU, ms", "CPU to floor", "a second", "throughput to floor"):
        shown.add_column(column)
    for name, by_case in samples.items():
        for case, mine in by_case.items():
            floor = samples[FLOOR][case]
            cpu = [own.cpu_ms / other.cpu_ms for own, other in zip(mine, floor, strict=True)]
            speed = [own.per_s / other.per_s for own, other in zip(mine, floor, strict=True)]
            middle = statistics.median
            shown.add_row(
                name,
                case,
                f"{middle([one.cpu_ms for one in mine]):.2f}",
                f"{middle(cpu):.2f} ({min(cpu):.2f} - {max(cpu):.2f})",
                f"{middle([one.per_s for one in mine]):.0f}",
                f"{middle(speed):.2f} ({min(speed):.2f} - {max(speed):.2f})",
            )
    return shown


def main() -> None:
    """Measure once and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.durable", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with console.status("measuring"):
        samples = measure(asked.rounds, asked.callers, asked.store, lambda: None)
    console.print(table(samples, f"{asked.store}, {asked.callers} callers"))


if __name__ == "__main__":
    main()
