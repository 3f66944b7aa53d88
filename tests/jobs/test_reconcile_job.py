"""The job compares yesterday, and looks again at days that are not settled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.store.jobs import RunOutcome
from jobs.job import Job
from jobs.reconcile import Reconciling
from jobs.runner import Runner
from tests.running import House, house

WITHIN_S = 60


@pytest.fixture
def served(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def ran(served: House, **given: str) -> Any:
    gateway = served.gateway
    job = Job("reconcile", Reconciling(gateway.reconciliation, clock.now).work, ("day",))
    runner = Runner([job], gateway.store.jobs, gateway.membership.current, clock.now)
    if given:
        runner.start("reconcile", "王医保", given)
        assert runner.idle(WITHIN_S)
    else:
        runner.run_scheduled("reconcile")
    return gateway.store.jobs.history("reconcile")[0]


def test_an_even_day_leaves_nothing(served: House) -> None:
    run = ran(served)
    assert (run.outcome, run.counts["差异"], run.counts["核对天数"]) == (RunOutcome.DONE, 0, 1)
    yesterday = (clock.now() - timedelta(days=1)).date().isoformat()
    assert run.detail["days"] == [{"day": yesterday, "open": 0, "whole": True}]


def test_what_could_not_be_compared_is_left_and_looked_at_again(served: House) -> None:
    assert served.simulator is not None
    served.simulator.add_fault({"infno": "3201", "kind": "refuse", "times": 1})
    first = ran(served)
    assert (first.outcome, first.detail["days"][0]["whole"]) == (RunOutcome.PARTIAL, False)
    again = ran(served)
    assert (again.outcome, again.counts["核对天数"]) == (RunOutcome.DONE, 1), "the day of before is yesterday"


def test_a_person_may_name_the_day(served: House) -> None:
    day = (clock.now() - timedelta(days=9)).date().isoformat()
    run = ran(served, day=day)
    assert (run.outcome, run.detail["days"]) == (RunOutcome.DONE, [{"day": day, "open": 0, "whole": True}])
    tomorrow = (clock.now() + timedelta(days=1)).date().isoformat()
    for wrong, said in ((tomorrow, "还没有到"), ("yesterday", "day 应为日期")):
        run = ran(served, day=wrong)
        assert (run.outcome, said in run.error) == (RunOutcome.FAILED, True)
