"""A call that stood still while the same was asked for again elsewhere: what was told there is told here, nothing is sent."""

from __future__ import annotations

import pytest

from gateway.exchange.patience import Times
from gateway.exchange.ports import Intent, Outcome, State
from tests.exchange.kit import CODE, Hospital, StandsStill
from tests.simulation import messages


@pytest.fixture
def quick() -> Hospital:
    """The node on which everything goes on."""
    return Hospital()


WITH_AND_WITHOUT = pytest.mark.parametrize("request_id", ["R1", ""])


@WITH_AND_WITHOUT
def test_declined_meanwhile_is_its_answer(quick: Hospital, request_id: str) -> None:
    stay = quick.charged()
    two = quick.settlement(stay, 2)
    still = Hospital(beside=quick, gate=StandsStill(lambda: quick.call("2304", two, request_id)))
    reply = still.call("2304", two, request_id)
    assert (reply.code, reply.repeated) == ("GW-3000", True)
    assert quick.line.count("2304") == 1
    assert quick.states("2304") == [State.DECLINED]
    # asked again after that it is a new attempt, as ever
    quick.done("2302", messages.remove_fees(quick.psn_no, stay, ["F2"]))
    assert quick.call("2304", two, request_id).infcode == "0"


@WITH_AND_WITHOUT
def test_done_and_undone_meanwhile_is_not_done_again(quick: Hospital, request_id: str) -> None:
    stay = quick.charged()

    def meanwhile() -> None:
        done = quick.done("2304", quick.settlement(stay), request_id)
        quick.done("2305", quick.undo(stay, setl_id=done["setlinfo"]["setl_id"]))

    still = Hospital(beside=quick, gate=StandsStill(meanwhile))
    reply = still.call("2304", quick.settlement(stay), request_id)
    assert (reply.code, reply.retry) == ("GW-4102", "same")
    assert [row["state"] for row in quick.seen("settlements")] == ["revoked"]


@WITH_AND_WITHOUT
def test_done_meanwhile_is_its_answer(quick: Hospital, request_id: str) -> None:
    stay = quick.charged()
    told = []
    still = Hospital(
        beside=quick,
        gate=StandsStill(lambda: told.append(quick.call("2304", quick.settlement(stay), request_id))),
    )
    reply = still.call("2304", quick.settlement(stay), request_id)
    assert (reply.infcode, reply.repeated, reply.msgid) == ("0", True, told[0].msgid)
    assert quick.line.count("2304") == 1


@WITH_AND_WITHOUT
def test_not_reached_meanwhile_lets_it_go_on(quick: Hospital, request_id: str) -> None:
    stay = quick.charged()
    quick.line.faults["2304"] = ["unreachable"]
    still = Hospital(beside=quick, gate=StandsStill(lambda: quick.call("2304", quick.settlement(stay), request_id)))
    assert still.call("2304", quick.settlement(stay), request_id).infcode == "0"
    assert quick.states("2304") == [State.NOT_SENT, State.CONFIRMED]


@pytest.mark.parametrize(("code", "sent"), [("ET02-02", 0), ("GW-4003", 1)])
def test_refused_by_a_rule_meanwhile_is_its_answer(quick: Hospital, code: str, sent: int) -> None:
    stay = quick.charged()

    def meanwhile() -> None:
        refused = Intent("2402", "state", "his", "json", CODE, quick.clock(), "", b"{}", "", request_id="R1")
        outcome = Outcome(State.REFUSED, quick.clock(), infcode="-1", err_msg="尚未入科", code=code)
        quick.journal.record(refused, outcome)

    still = Hospital(beside=quick, gate=StandsStill(meanwhile))
    reply = still.call("2402", quick.discharge(stay), "R1")
    assert quick.line.count("2402") == sent
    assert reply.code == ("" if sent else code)


def test_after_its_time_nothing_is_sent(quick: Hospital) -> None:
    """A process that stood still before it looked for twins at all."""
    stay = quick.charged()
    late = Hospital(
        beside=quick,
        gate=StandsStill(lambda: quick.clock.pass_(31)),
        times=Times(call_s=30, answer_s=10),
        monotonic=quick.clock.monotonic,
    )
    reply = late.call("2304", quick.settlement(stay), "R1")
    assert (reply.code, reply.retry) == ("GW-4003", "yes")
    assert quick.states("2304") == [State.NOT_SENT]
    assert quick.line.count("2304") == 0
    assert late.call("2304", quick.settlement(stay), "R1").infcode == "0"
