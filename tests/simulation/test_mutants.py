"""The simulation can see: without one of its safeguards the gateway fails within seconds, the same way every time."""

from __future__ import annotations

import pytest

from tests.simulation import mutants, runner
from tests.simulation.runner import Failure


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_the_simulation_notices(name: str) -> None:
    verdict = mutants.hunt(name)
    assert verdict.failure is not None, f"{verdict.worlds} worlds and no failure"


@pytest.mark.timeout(300)
def test_a_failing_world_replays_exactly() -> None:
    found = mutants.hunt("dedup-key").failure
    assert found is not None
    with mutants.MUTANTS["dedup-key"].mutate():
        again = runner.one_world(found.world)
    assert isinstance(again, Failure)
    assert again.story == found.story
    assert again.error.splitlines()[0] == found.error.splitlines()[0]
