"""``python -m bench``: measure, print a table or JSON."""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench import facade, journal, report, steps
from bench.messages import Case, fees, small
from bench.parts import Parts
from gateway import logs


@dataclass(frozen=True, slots=True)
class _Effort:
    """Calls per sample, chosen so that a sample lasts some tens of milliseconds."""

    calls: int
    step_calls: int
    exchanges: int


_WIDTH = 140
"""Columns when the output goes to a file, so that no figure is broken."""
_SMALL = _Effort(calls=40, step_calls=150, exchanges=320)
_LARGE = _Effort(calls=1, step_calls=2, exchanges=16)


def main() -> None:
    """Measure once and tell."""
    asked = _arguments()
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = _WIDTH
    with tempfile.TemporaryDirectory(prefix="yibao-bench-", dir=asked.folder) as folder:
        # written as in production, since every exchange pays for its line
        logs.configure("INFO", "json", Path(folder) / "bench.log")
        started = time.monotonic()
        # no refreshing thread: its work would be counted as that of whoever is being measured
        with Progress(console=console, transient=True, auto_refresh=False) as progress:
            task = progress.add_task("measuring", total=None)

            def advance() -> None:
                progress.update(task, advance=1, refresh=True)

            result = _measure(asked.rounds, Path(folder), advance)
        result["seconds"] = round(time.monotonic() - started, 1)
    if asked.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        report.show(result, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    parser.add_argument("--rounds", type=_rounds, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--folder", type=_folder, help="where the journal files go: the disk whose fsync counts")
    return parser.parse_args()


def _rounds(text: str) -> int:
    rounds = int(text)
    if not 1 <= rounds <= 100:
        raise argparse.ArgumentTypeError("1 to 100")
    return rounds


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"no folder {text}")
    return Path(text)


def _measure(rounds: int, folder: Path, progress: Callable[[], object]) -> dict[str, Any]:
    parts = Parts()
    parts.warm()
    gc.freeze()  # tables and libraries stay for good: looking through them before every sample would take half the run
    cases: list[tuple[Case, _Effort]] = [(small(parts.interface), _SMALL), (fees(parts.interface), _LARGE)]
    return {
        **report.surroundings(folder, rounds, [case for case, _ in cases]),
        "facade": {
            case.name: report.facade(facade.measure(parts, case, effort.calls, rounds, progress))
            for case, effort in cases
        },
        "steps": {
            case.name: report.steps(steps.measure(parts, case, effort.step_calls, rounds, progress))
            for case, effort in cases
        },
        "journal": {
            case.name: report.journal(journal.measure(parts, case, effort.exchanges, rounds, folder, progress))
            for case, effort in cases
        },
        "growth": report.growth(facade.measure_growth(parts, rounds, progress)),
    }


if __name__ == "__main__":
    main()
