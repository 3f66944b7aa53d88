"""The seeded simulation as a test. ``YIBAO_SIMULATED`` says how many exchanges, ``YIBAO_SIMULATION_SEED`` from which seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import runner
from tests.simulation.runner import Failure, Summary, world_name
from tests.simulation.world import Result

EXCHANGES = int(os.environ.get("YIBAO_SIMULATED", "20000"))
PARTS = 4
"""The exchanges come in parts, each from a seed of its own, so that several workers share them."""
SEED = int(os.environ.get("YIBAO_SIMULATION_SEED", "1"))
SLOWEST_PER_S = 25
"""Exchanges a second on a machine that does much else."""


@pytest.mark.timeout(120 + EXCHANGES / SLOWEST_PER_S)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_settlement_is_lost_doubled_or_left_unknown(part: int) -> None:
    summary = runner.run(SEED + part, EXCHANGES // PARTS)
    assert summary.failure is None, told(summary.failure)
    assert summary.exchanges >= EXCHANGES // PARTS
    sent = {kind for kind, count in summary.faults.items() if count}
    assert {"late-request", "lose-reply", "garbage", "crash", "store-down", "platform-restart", "clock-step"} <= sent
    assert {"CONFIRMED", "DECLINED", "NOT_SENT", "NOT_DONE", "REVERSED"} <= set(summary.states)


@pytest.mark.timeout(300)
def test_a_world_is_the_same_every_time_and_everywhere() -> None:
    """In this process after other worlds, and in a new one that hashes its strings in another way."""
    name = world_name(4711, 3)
    here = runner.one_world(name)
    assert isinstance(here, Result), here
    again = runner.one_world(name)
    assert isinstance(again, Result)
    assert again.story_hash == here.story_hash
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--world", name],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert here.story_hash[:16] in elsewhere.stdout


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "run.json"
    first = runner.run(5, 1, resume=kept)
    both = runner.run(5, first.exchanges + 1, resume=kept)
    assert (first.worlds, both.worlds) == (1, 2)
    assert Summary.load(kept, 5).exchanges == both.exchanges
    with pytest.raises(SystemExit, match="belongs to seed 5"):
        runner.run(6, 1, resume=kept)


def told(failure: Failure | None) -> str:
    """Why and how, and how to see it again."""
    if failure is None:
        return ""
    story = "\n".join(failure.story.splitlines()[-runner.STORY_LINES_SHOWN :])
    return f"{story}\n{failure.error}\nreplay: python -m tests.simulation --world {failure.world}"
