"""Sending again on a person's word: once, as a new exchange, and nobody is told something false afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.exchange.again import RESENDABLE, Resends
from gateway.exchange.call import Call, Client, Reply, Resend
from gateway.exchange.ports import Outcome, ProofKind, Resent, ResentAlready, State
from tests.exchange.kit import CLIENT, INTERFACE, Hospital
from tests.simulation import messages

OTHER = Client("lis", ("1*",))


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def unsent(hospital: Hospital, infno: str, message: Mapping[str, Any], request_id: str = "") -> int:
    """Number of an exchange that never left."""
    hospital.line.faults.setdefault(infno, []).append("unreachable")
    reply = hospital.call(infno, message, request_id)
    assert reply.code == "GW-4001"
    assert reply.exchange_id is not None
    return reply.exchange_id


def again(hospital: Hospital, original: int, infno: str, message: Mapping[str, Any], request_id: str = "") -> Reply:
    head = {"request_id": request_id} if request_id else {}
    raw = json.dumps(message, ensure_ascii=False, default=str).encode()
    resend = Resend(original, "李主任（li）", "线路已恢复")
    return hospital.exchange.handle(Call(CLIENT, infno, message, raw, "json", head, resend=resend))


def why_not(hospital: Hospital, exchange_id: int) -> str:
    return Resends(hospital.journal, {"his": CLIENT}).why_not(hospital.entry(exchange_id), INTERFACE)


def outcome(hospital: Hospital, request_id: str) -> tuple[str, str]:
    reply = hospital.exchange.outcome(CLIENT, request_id=request_id)
    assert reply is not None
    return reply.state, reply.msgid


@pytest.mark.parametrize("request_id", ["R1", ""])
def test_what_never_left_is_done_once_and_the_his_is_told_so(hospital: Hospital, request_id: str) -> None:
    message = hospital.discharge(hospital.admit())
    first = unsent(hospital, "2402", message, request_id)
    assert why_not(hospital, first) == ""
    reply = again(hospital, first, "2402", message, request_id)
    assert (reply.infcode, reply.repeated) == ("0", False)
    assert reply.exchange_id not in (None, first)
    assert hospital.entry(first).state is State.NOT_SENT  # the original stays what it was
    assert hospital.journal.resends(first) == Resent(None, reply.exchange_id)
    assert hospital.journal.resends(reply.exchange_id or 0) == Resent(first, None)
    (note,) = hospital.journal.proofs(reply.exchange_id or 0)
    assert (note.kind, note.detail) == (ProofKind.OPERATOR, f"李主任（li） 再次发送编号 {first}：线路已恢复")
    assert "已再次发送" in why_not(hospital, first)
    assert "已经办成" in why_not(hospital, reply.exchange_id or 0)
    # the HIS, which has heard of nothing, asks and repeats
    if request_id:
        assert outcome(hospital, request_id) == ("CONFIRMED", reply.msgid)
    repeat = hospital.call("2402", message, request_id)
    assert (repeat.repeated, repeat.msgid) == (True, reply.msgid)
    assert hospital.line.count("2402") == 1
    # and so does a second click that came through
    assert again(hospital, first, "2402", message, request_id).repeated
    assert hospital.states("2402") == [State.NOT_SENT, State.CONFIRMED]


def test_what_is_refused_again_is_linked_and_not_sent_a_third_time(hospital: Hospital) -> None:
    wrong = {"dscginfo": {"mdtrt_id": "M1"}}
    first = hospital.call("2402", wrong, "R1").exchange_id or 0
    assert hospital.entry(first).state is State.REFUSED
    assert why_not(hospital, first) == ""
    reply = again(hospital, first, "2402", wrong, "R1")
    assert reply.code == "GW-1101"
    assert hospital.journal.resends(first).again == reply.exchange_id
    with pytest.raises(ResentAlready) as raised:
        again(hospital, first, "2402", wrong, "R1")
    assert raised.value.again == reply.exchange_id
    assert outcome(hospital, "R1")[0] == "REFUSED"
    assert len(hospital.states("2402")) == 2
    # the attempt that failed may be sent again in its turn
    assert why_not(hospital, reply.exchange_id or 0) == ""


def test_what_the_his_did_itself_under_another_number_is_not_done_twice(hospital: Hospital) -> None:
    message = hospital.discharge(hospital.admit())
    first = unsent(hospital, "2402", message, "R1")
    done = hospital.call("2402", message, "R2")
    assert "另有 2402" in why_not(hospital, first)
    reply = again(hospital, first, "2402", message, "R1")
    assert (reply.repeated, reply.exchange_id) == (True, done.exchange_id)
    assert hospital.line.count("2402") == 1
    assert hospital.journal.resends(first) == Resent()
    assert outcome(hospital, "R1")[0] == "NOT_SENT"  # which is what became of R1 itself


def test_what_was_changed_since_is_not_changed_back(hospital: Hospital) -> None:
    stay = hospital.admit()
    old = messages.change(hospital.psn_no, stay, "Z1", "2026-02-20 09:12:00")
    first = unsent(hospital, "2403", old, "R1")
    hospital.done("2403", messages.change(hospital.psn_no, stay, "Z1", "2026-02-20 10:00:00"), "R2")
    assert "另有 2403" in why_not(hospital, first)
    reply = again(hospital, first, "2403", old, "R1")
    assert reply.code == "GW-1428"
    assert hospital.line.count("2403") == 1
    assert outcome(hospital, "R1")[0] == "REFUSED"


def test_a_number_that_went_to_another_is_not_taken_back(hospital: Hospital) -> None:
    message = hospital.discharge(hospital.admit())
    first = unsent(hospital, "2402", message, "R1")
    second = unsent(hospital, "2402", message, "R1")
    assert f"编号 {second}" in why_not(hospital, first)
    assert why_not(hospital, second) == ""


def test_rows_are_compared_one_by_one(hospital: Hospital) -> None:
    stay = hospital.admit()
    rows = [hospital.fee(stay, number) for number in range(4)]
    first = unsent(hospital, "2301", {"feedetail": rows[:2]}, "R1")
    hospital.done("2301", {"feedetail": rows[2:]}, "R2")
    assert why_not(hospital, first) == ""
    hospital.done("2301", {"feedetail": rows[1:2]}, "R3")
    assert "另有 2301" in why_not(hospital, first)
    assert again(hospital, first, "2301", {"feedetail": rows[:2]}, "R1").code == "GW-1428"
    assert hospital.line.count("2301") == 2


def test_money_is_never_sent_again_whatever_became_of_it(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = unsent(hospital, "2304", hospital.settlement(stay))
    assert "结算类" in why_not(hospital, first)
    refused = hospital.call("2304", {"data": {}}).exchange_id or 0
    assert hospital.entry(refused).safety == "read"  # a refusal was never sent, so it has no class of its own
    assert "结算类" in why_not(hospital, refused)
    doubt = hospital.doubtful("2304", hospital.settlement(stay), "lose-reply")
    assert "结果未知" in why_not(hospital, doubt.id)


def test_a_doubt_that_came_of_it_is_told_to_who_asks_for_the_original(hospital: Hospital) -> None:
    message = hospital.discharge(hospital.admit())
    first = unsent(hospital, "2402", message, "R1")
    hospital.line.faults["2402"] = ["lose-reply"]
    assert again(hospital, first, "2402", message, "R1").code == "GW-4101"
    assert outcome(hospital, "R1")[0] == "IN_DOUBT"
    assert hospital.call("2402", message, "R1").code == "GW-4101"
    hospital.run()
    assert outcome(hospital, "R1")[0] == "CONFIRMED"
    assert hospital.line.count("2402") == 1


@pytest.mark.parametrize("state", [state for state in State if state not in RESENDABLE])
def test_every_other_state_has_its_reason(hospital: Hospital, state: State) -> None:
    first = unsent(hospital, "2402", hospital.discharge(hospital.admit()))
    row = replace(hospital.entry(first), state=state)
    assert Resends(hospital.journal, {"his": CLIENT}).why_not(row, INTERFACE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"infno": "9001"}, "签到"), ({"infno": "9101"}, "文件"), ({"infno": "2503A"}, "不是本省接口"),
        ({"channel": "console"}, "网关自己"), ({"client": "gone"}, "没有客户端"), ({"client": "lis"}, "未获授权"),
        ({"id": 999}, "没有院内的报文"),
    ],
)  # fmt: skip
def test_what_else_stands_against_it(hospital: Hospital, changes: dict[str, Any], why: str) -> None:
    first = unsent(hospital, "2402", hospital.discharge(hospital.admit()))
    row = replace(hospital.entry(first), **changes)
    assert why in Resends(hospital.journal, {"his": CLIENT, "lis": OTHER}).why_not(row, INTERFACE)


# ------------------------------------------------------------------- killed


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "boundary", ["before_intent", "after_intent", "before_send", "after_send", "before_outcome", "after_outcome"]
)
def test_killed_anywhere_it_is_done_once_or_not_at_all(boundary: str) -> None:
    armed: list[str] = []

    def reached(name: str, infno: str) -> None:
        if (name, infno) in [(one, "2402") for one in armed]:
            raise Killed

    hospital = Hospital(reached=reached)
    message = hospital.discharge(hospital.admit())
    first = unsent(hospital, "2402", message, "R1")
    armed.append(boundary)
    with pytest.raises(Killed):
        again(hospital, first, "2402", message, "R1")
    armed.clear()
    number = hospital.journal.resends(first).again
    if boundary == "before_intent":
        assert number is None
        assert outcome(hospital, "R1")[0] == "NOT_SENT"
        assert why_not(hospital, first) == ""  # nothing happened, so the person may ask for it anew
        return
    assert number is not None
    assert f"编号 {number}" in why_not(hospital, first)
    if hospital.entry(number).state is State.INTENDED:  # as the next life of the node finds it
        hospital.journal.finish(number, Outcome(State.IN_DOUBT, hospital.clock()))
    hospital.run()
    told = outcome(hospital, "R1")[0]
    assert told in ("CONFIRMED", "NOT_DONE")
    assert (told == "CONFIRMED") == (hospital.line.count("2402") == 1)
    assert hospital.call("2402", message, "R1").infcode == "0"
    assert hospital.line.count("2402") == 1


def test_what_is_tried_once_more_sends_the_first_attempt_again() -> None:
    call = Call(CLIENT, "2402", {}, b"", "json", resend=Resend(7, "李", "原因"))
    assert call.after(Reply("-1", exchange_id=9)).resend == Resend(9, "李", "原因")
    assert call.after(Reply("-1")) is call
    assert replace(call, resend=None).after(Reply("-1", exchange_id=9)).resend is None
