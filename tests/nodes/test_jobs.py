"""Two real gateways on one PostgreSQL: one keeps the timetable; it is killed, and the other goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from gateway.exchange.ports import NodeState
from gateway.store.jobs import LEADER, RunOutcome
from tests.commands.helpers import yibao
from tests.kills.house import Gateway
from tests.kills.test_kills import Stay
from tests.nodes.two import Two, two, until
from tests.pg import PgServer

BY_ITSELF = {
    "YIBAO_JOBS__ENABLED": "true",
    "YIBAO_JOBS__ALIGNMENT__WHEN": "every 1s",
    "YIBAO_JOBS__ALIGNMENT__GRACE_S": "30",
}
WARD_IN = "2026-02-20 11:40:00"


def admitted(gateway: Gateway, number: int) -> Stay:
    """A stay whose 入科时间 is hours after what the insurance was told."""
    stay = Stay(number)
    for infno in ("1101", "2401", "WardIn"):
        message = stay.message(infno)
        if infno == "WardIn":
            message["event_time"] = WARD_IN
        answer = gateway.final(infno, message, f"{stay.ipt_no}-{infno}")
        assert str(answer["infcode"]) == "0", answer
        stay.learn(infno, answer.get("output"))
    return stay


def aligned(place: Two, *stays: Stay) -> bool:
    begun = {one["mdtrt_id"]: one["begntime"] for one in place.ledger()["stays"]}
    return all(begun[stay.mdtrt_id] == WARD_IN for stay in stays)


def leader(place: Two) -> str:
    slot = place.store.jobs.slots().get(LEADER)
    return slot.node if slot else ""


@pytest.mark.timeout(180)
def test_the_timetable_outlives_the_node_that_keeps_it(tmp_path: Path, pg_server: PgServer) -> None:
    with two(tmp_path, pg_server.fresh()) as place, place.houses["b"].gateway(environ=BY_ITSELF) as other:
        with place.houses["a"].gateway(environ=BY_ITSELF):
            until(lambda: leader(place) == "b", "nobody keeps the timetable")
            first = admitted(other, 1)
            until(lambda: aligned(place, first), "the ward-in is not told to the platform")
            _killed_while_it_keeps_the_timetable(place, other)
            until(lambda: leader(place) == "a", "the timetable died with its node")
            assert place.row("b").state is NodeState.DEAD
            second = admitted(Gateway(None, place.houses["a"].port), 2)  # type: ignore[arg-type]  # no process of ours
            until(lambda: aligned(place, first, second), "nothing runs any more")
            listed = json.loads(yibao("jobs", "list", "--json", "--config", place.houses["a"].config).out)
            assert (listed["leader"], listed["jobs"][0]["alert"]) == ("a", "")
        until(lambda: leader(place) == "", "who ends gives the timetable back")
        runs = place.store.jobs.history("alignment", limit=1000)
        assert {run.node for run in runs} == {"a", "b"}
        assert not [run for run in runs if run.outcome is RunOutcome.RUNNING]
        # a run that was killed, or ended with the gateway, had no time to count
        uncounted = [run for run in runs if run.outcome in (RunOutcome.LOST, RunOutcome.STOPPED)]
        assert 2 - len(uncounted) <= sum(run.counts.get("已办理", 0) for run in runs) <= 2
        sent = [infno for infno in place.ledger()["executed"].values() if infno == "2403"]
        assert len(sent) == 2, "each stay once, whoever ran"
        times = [run.started_at for run in runs]
        assert times == sorted(times, reverse=True)


def _killed_while_it_keeps_the_timetable(place: Two, gateway: Gateway) -> None:
    os.kill(place.row("b").facts.pid, signal.SIGKILL)
    gateway.wait_until_dead()
