"""``python -m bench.peers``: CPU per request of the façade beside its peers, alternating, as one table with ratios."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.messages import Case, fees, small
from bench.parts import Parts
from bench.peers import gsoap
from bench.peers.peer import NotHere, Peer, serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OURS = "yibao façade, all checks"
C_SERVER = "gSOAP (C)"
NPM_SOAP = "soap@1"
Samples = dict[str, dict[str, list[float]]]
"""Peer -> message -> milliseconds of CPU per request, one for each round."""


def _granian(factory: str) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", "1", "--no-ws", "--log-level", "critical", "--factory", f"bench.peers.applications:{factory}"),
    ]


def _java(folder: Path) -> list[str]:
    if shutil.which("javac") is None:
        raise NotHere("javac is not installed (a JDK)")
    subprocess.run(["javac", "-d", str(folder), str(HERE / "StaxServer.java")], check=True, timeout=120)
    return ["java", "-cp", str(folder), "StaxServer", "{port}"]


def _node(folder: Path) -> list[str]:
    if shutil.which("npm") is None:
        raise NotHere("npm is not installed")
    done = subprocess.run(
        ["npm", "install", "--silent", NPM_SOAP], cwd=folder, capture_output=True, timeout=180, check=False
    )
    if done.returncode:
        raise NotHere(f"npm install {NPM_SOAP} failed")
    shutil.copy(HERE / "node_server.js", folder)
    return ["node", str(folder / "node_server.js"), "{port}", str(ROOT / "wsdl" / "inpatient.wsdl")]


def main() -> None:
    """Build what can be built here, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    parser.add_argument("--callers", type=int, default=16, help="connections at once (default 16)")
    asked = parser.parse_args()
    interface = Parts().interface
    calls = {"small": 960, "500 rows": 16}
    cases = [small(interface), fees(interface)]
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="yibao-peers-") as place, ExitStack() as running:
        peers, missing = _started(cases, Path(place), running)
        samples: Samples = {peer.name: {case.name: [] for case in cases} for peer in peers}
        for number in range(asked.rounds + 1):
            for case in cases:
                for peer in peers:
                    spent = _cpu_ms(peer, case, calls[case.name], asked.callers)
                    if number:  # the first round warms up
                        samples[peer.name][case.name].append(spent)
    console.print(_table(samples, cases))
    for name, reason in missing.items():
        console.print(f"not run: {name}: {reason}")


def _started(cases: Sequence[Case], place: Path, running: ExitStack) -> tuple[list[Peer], dict[str, str]]:
    builders: dict[str, Callable[[Path], list[str]]] = {
        OURS: lambda _: _granian("facade"),
        C_SERVER: lambda folder: [*gsoap.build(cases, folder), "{port}"],
        "Java StAX by hand": _java,
        "Node soap": _node,
        "spyne typed": lambda _: _granian("spyne_typed"),
    }
    peers: list[Peer] = []
    missing: dict[str, str] = {}
    for number, (name, build) in enumerate(builders.items()):
        folder = place / str(number)
        folder.mkdir()
        try:
            peer = running.enter_context(serving(name, build(folder), folder))
            for case in cases:
                peer.ask(case)
            peers.append(peer)
        except (NotHere, RuntimeError, OSError, subprocess.SubprocessError) as reason:
            missing[name] = str(reason)
    return peers, missing


def _cpu_ms(peer: Peer, case: Case, calls: int, callers: int) -> float:
    """CPU of one of ``calls`` calls that ``callers`` make at once, each over a connection of its own."""
    before = peer.cpu_s()
    share = calls // callers
    peer.ask(case, callers, share)
    return (peer.cpu_s() - before) * 1000 / (share * callers)


def _table(samples: Samples, cases: Sequence[Case]) -> Table:
    table = Table(title="CPU of the server per request; speed = CPU of the peer / CPU of the façade")
    table.add_column("server")
    for case in cases:
        table.add_column(f"{case.name}, ms")
        table.add_column("façade's speed against it")
    for name, by_case in samples.items():
        row = [name]
        for case in cases:
            mine, ours = by_case[case.name], samples.get(OURS, {}).get(case.name, [])
            ratios = [theirs / own for theirs, own in zip(mine, ours, strict=False) if own]
            row += [f"{statistics.median(mine):.3f}", f"{statistics.median(ratios):.2f}" if ratios else "-"]
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
