"""``python -m tests.day``: a recorded day at its full size; prints how far it is, then figures. Exit 0 only when all holds."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from tests.day.day import SMALL, WHOLE, Day, Size, day, keys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stays", type=int, default=WHOLE.stays)
    parser.add_argument("--visits", type=int, default=WHOLE.visits)
    parser.add_argument("--small", action="store_true", help="the size that the tests run")
    parser.add_argument("--folder", type=Path, help="keep everything there; else it is removed")
    given = parser.parse_args()
    size = SMALL if given.small else Size(given.stays, given.visits, WHOLE.fees, each=WHOLE.each, desks=WHOLE.desks)
    begun = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - begun:7.1f} s  {text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder, day(given.folder or Path(folder), size, given.seed, say) as today:
        _run(today)
    say("all of it holds")
    return 0


def _run(today: Day) -> None:
    today.passes()
    today.say("three books are compared")
    today.is_even()
    assert today.reconciled() == [], "cases are open although nothing was planted"
    told = today.told()
    total = sum((money[0] for money, _ in told.values()), Decimal(0))
    calls, faults = today.hospital.calls, today.hospital.faults
    today.say(f"even: {len(told)} settlements, {total} yuan, {calls} calls, {faults} faults")
    made = today.planted()
    found = keys(today.reconciled())
    assert found == made.expected, f"not found {made.expected - found}; not planted {found - made.expected}"
    today.say(f"{len(found)} differences planted, {len(found)} cases: {sorted(kind for kind, _, _ in found)}")
    today.repaired(made)
    assert today.rechecked() == []
    today.is_even()
    assert today.reconciled() == [], "a new comparison, the next day's among them, opens something"
    today.say("repaired and compared again: no open case, the next day is empty")


if __name__ == "__main__":
    sys.exit(main())
