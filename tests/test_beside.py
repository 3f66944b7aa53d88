"""A process beside ours: it gets its token, comes back when it dies, and ends with us."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from gateway.beside import Beside

CHILD = """
import os, sys
token = sys.stdin.readline().strip()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {token}\\n")
sys.stdin.read()  # until whoever started us is gone
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} alone\\n")
"""
S_MAX = 30


def deaths(logged: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Not what threads of other tests still say."""
    return [entry for entry in logged if entry["event"] == "beside_died"]


def lines(file: Path, count: int) -> list[list[str]]:
    """The first ``count`` lines, once they are there."""
    deadline = time.monotonic() + S_MAX
    while time.monotonic() < deadline:
        found = file.read_text().splitlines() if file.exists() else []
        if len(found) >= count:
            return [line.split() for line in found]
        time.sleep(0.02)
    raise AssertionError(f"{file} did not get {count} lines")


def test_it_comes_back_with_the_same_token_and_ends_with_us(tmp_path: Path) -> None:
    told = tmp_path / "told"
    beside = Beside("child", [sys.executable, "-c", CHILD, str(told)], "token-1", pause_s=0.05)
    with capture_logs() as logged:
        beside.start()
        (first,) = lines(told, 1)
        os.kill(int(first[0]), signal.SIGKILL)
        second = lines(told, 2)[1]
        beside.close()
    assert first[1] == second[1] == "token-1"
    assert first[0] != second[0]
    assert [entry["code"] for entry in deaths(logged)] == [-9]
    try:
        os.kill(int(second[0]), 0)
    except ProcessLookupError:
        pass
    else:
        raise AssertionError("the child is still there")


def test_a_child_that_cannot_live_is_not_started_without_end(tmp_path: Path) -> None:
    beside = Beside("child", [sys.executable, "-c", "raise SystemExit(3)"], "", pause_s=0.4)
    begun = time.monotonic()
    with capture_logs() as logged:
        beside.start()
        while len(deaths(logged)) < 2 and time.monotonic() - begun < S_MAX:
            time.sleep(0.02)
        beside.close()
    pauses = [entry["again_in_s"] for entry in deaths(logged)]
    assert pauses == [0.8, 1.6][: len(pauses)]
    assert len(pauses) == 2


def test_what_never_began_can_be_closed() -> None:
    Beside("child", ["no-such-program"], "").close()
