"""``python -m gateway.demo [--keep [--no-day]] [--config FILE]``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.demo import run


def main() -> int:
    """Run the demo; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo", description=run.__doc__)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--no-day", action="store_true")
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    return run(given.keep, given.config, day=not given.no_day)


if __name__ == "__main__":
    sys.exit(main())
