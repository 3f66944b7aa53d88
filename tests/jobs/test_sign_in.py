"""Operators are signed in once a day, by a real gateway at the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.exchange.ports import Query
from gateway.exchange.sign_in import SignIns
from gateway.store.jobs import RunOutcome
from jobs.job import Job
from jobs.runner import Runner
from jobs.sign_in import SignInDesk
from tests.running import House, house

OPERATORS = [
    {"opter": "0001", "opter_name": "甲", "opter_type": "1", "mac": "00-00-00-00-00-01", "ip": "10.0.0.1"},
    {"opter": "0002", "opter_name": "乙", "opter_type": "1", "mac": "00-00-00-00-00-02", "ip": "10.0.0.2"},
    {"opter": "0001", "opter_name": "甲", "opter_type": "1", "mac": "00-00-00-00-00-09", "ip": "10.0.0.9"},
    {"opter": "0003", "opter_name": "没有网卡地址", "mac": "", "ip": ""},
]


@dataclass
class Day:
    """A runner of both jobs whose clock the test moves."""

    house: House
    now: datetime

    def run(self, job: str) -> Any:
        gateway = self.house.gateway
        desk = SignInDesk(gateway.exchange, gateway.exchange._sending._sign_ins, OPERATORS, lambda: self.now)
        jobs = [Job("sign_in", desk.sign_in), Job("sign_out", desk.sign_out)]
        Runner(jobs, gateway.store.jobs, gateway.exchange._sending._node, lambda: self.now).run_scheduled(job)
        return gateway.store.jobs.history(job)[0]

    def sent(self, infno: str) -> list[str]:
        return [row.opter for row in self.house.gateway.store.journal.search(Query(infno=infno, limit=100))]


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    with house(tmp_path) as found:
        yield Day(found, clock.now())


def test_each_operator_once_a_day_and_again_the_next(day: Day) -> None:
    first = day.run("sign_in")
    assert (first.outcome, first.counts) == (RunOutcome.DONE, {"已签到": 2, "无需签到": 0})
    assert day.sent("9001") == ["0002", "0001"]
    assert day.run("sign_in").counts == {"已签到": 0, "无需签到": 2}
    day.now += timedelta(days=1)
    assert day.run("sign_in").counts["已签到"] == 2


def test_a_new_leader_knows_whom_the_one_before_has_signed_in(day: Day) -> None:
    journal = day.house.gateway.store.journal
    other = SignIns(journal)
    assert other.own("0001", day.now) is None
    day.run("sign_in")
    desk = SignInDesk(day.house.gateway.exchange, other, OPERATORS, lambda: day.now)
    assert desk.sign_in(None).counts == {"已签到": 0, "无需签到": 2}  # type: ignore[arg-type]  # a run is for who is signed in
    assert len(day.sent("9001")) == 2


def test_a_sign_out_ends_it_and_what_is_not_done_is_told(day: Day) -> None:
    day.run("sign_in")
    assert day.run("sign_out").counts == {"已签退": 2}
    assert day.run("sign_out").counts == {"已签退": 0}
    assert sorted(day.sent("9002")) == ["0001", "0002"]
    assert day.house.simulator is not None
    day.house.simulator.add_fault({"infno": "9001", "kind": "refuse"})
    failed = day.run("sign_in")
    assert (failed.outcome, "0001" in failed.error) == (RunOutcome.FAILED, True)
    assert day.run("sign_in").counts == {"已签到": 1, "无需签到": 1}, "who was refused is tried again, nobody else"
