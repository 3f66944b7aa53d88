"""``python -m tests.simulation --seed S --n N``: prints progress and a summary; exit 1 and the story when a world fails."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.simulation import runner
from tests.simulation.runner import Failure, Summary


def main() -> int:
    wanted = _arguments()
    if wanted.world:
        outcome = runner.one_world(wanted.world)
        if isinstance(outcome, Failure):
            return _failed(outcome, whole=True)
        say(f"world {wanted.world}: {outcome.exchanges} exchanges, story {outcome.story_hash[:16]}")
        return 0
    summary = runner.run(wanted.seed, wanted.n, jobs=wanted.jobs, resume=wanted.resume, progress=_progress)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    say("\n".join(summary.lines()))
    return _failed(summary.failure, whole=False) if summary.failure else 0


def say(text: str) -> None:
    """A line on standard output, at once: a long run is watched."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=20_000, help="exchanges, at least")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--resume", type=Path, help="file to keep the summary in and to go on from")
    parser.add_argument("--world", help="replay one world (SEED/INDEX) and print its whole story if it fails")
    return parser.parse_args()


def _progress(summary: Summary) -> None:
    every = 1 if sys.stderr.isatty() else 50
    if summary.worlds % every == 0:
        end = "\r" if sys.stderr.isatty() else "\n"
        sys.stderr.write(summary.lines()[0] + end)
        sys.stderr.flush()


def _failed(failure: Failure, *, whole: bool) -> int:
    lines = failure.story.splitlines()
    shown = lines if whole else lines[:1] + lines[1:][-runner.STORY_LINES_SHOWN :]
    say("\n".join(shown))
    say(f"\nFAILED {failure.error}\nreplay: python -m tests.simulation --world {failure.world}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
