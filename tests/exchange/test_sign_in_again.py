"""A sign-in that has ended on the platform is renewed once, and only where the refusal says that nothing was done."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.call import Call
from gateway.exchange.ports import Query, State
from gateway.simulator import Simulator
from tests.exchange.kit import CERTNO, CLIENT, STATION, Hospital
from tests.simulation import messages


@pytest.fixture
def hospital() -> Hospital:
    """A platform that asks for a sign-in, from here on."""
    found = Hospital()
    strict = Simulator(Path("mappings").resolve(), seed=7, clock=found.clock, require_sign_in=True)
    found.simulator = found.line.simulator = strict
    return found


def asked(hospital: Hospital, **head: str) -> Any:
    return hospital.exchange.handle(Call(CLIENT, "1101", messages.person(CERTNO), b"{}", "json", {**STATION, **head}))


def test_who_is_not_signed_in_is_signed_in_and_the_call_goes_through(hospital: Hospital) -> None:
    reply = asked(hospital)
    assert reply.infcode == "0"
    assert [request.infno for request in hospital.line.sent[-3:]] == ["1101", "9001", "1101"]
    first, second = hospital.line.sent[-3], hospital.line.sent[-1]
    assert first.msgid != second.msgid, "a new attempt has a number of its own"
    assert [row.state for row in hospital.journal.search(Query(infno="1101", limit=2))] == [
        State.CONFIRMED,
        State.DECLINED,
    ]
    before = len(hospital.line.sent)
    assert asked(hospital).infcode == "0"
    assert len(hospital.line.sent) == before + 1, "the number is used from now on"


def test_money_too_and_only_once(hospital: Hospital) -> None:
    assert asked(hospital).infcode == "0"
    hospital.psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    mdtrt_id = hospital.charged()
    hospital.simulator._ledger.sign_ins.clear()
    before = len(hospital.line.sent)
    station = replace(CLIENT, workstation={**CLIENT.workstation, **STATION})
    reply = hospital.call("2304", hospital.settlement(mdtrt_id), "R-1", client=station)
    assert reply.infcode == "0"
    assert [request.infno for request in hospital.line.sent[before:]] == ["2304", "9001", "2304"]
    assert len(hospital.seen("settlements", mdtrt_id=mdtrt_id)) == 1
    again = hospital.call("2304", hospital.settlement(mdtrt_id), "R-1", client=station)
    assert (again.msgid, again.repeated) == (reply.msgid, True)


def test_a_platform_that_refuses_the_new_number_too_is_not_asked_a_third_time(hospital: Hospital) -> None:
    hospital.line.meanwhile = lambda _: hospital.simulator._ledger.sign_ins.clear()
    before = len(hospital.line.sent)
    reply = asked(hospital)
    assert (reply.code, "请先签到" in reply.err_msg) == ("GW-3000", True)
    assert [request.infno for request in hospital.line.sent[before:]] == ["1101", "9001", "1101"]


def test_what_cannot_sign_in_is_told_the_first_refusal(hospital: Hospital) -> None:
    before = len(hospital.line.sent)
    reply = hospital.call("1101", messages.person(CERTNO))
    assert (reply.code, "请先签到" in reply.err_msg) == ("GW-3000", True)
    assert [request.infno for request in hospital.line.sent[before:]] == ["1101"], "no MAC, no 9001"
    reply = asked(hospital, sign_no="OF-THE-CALLER")
    assert reply.code == "GW-3000"
    assert hospital.line.count("9001") == 0, "a number that the caller gave is the caller's"


def test_another_refusal_signs_nobody_in(hospital: Hospital) -> None:
    assert asked(hospital).infcode == "0"
    before = hospital.line.count("9001")
    psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    assert hospital.call("2402", messages.discharge(psn_no, "no-such-stay")).code == "GW-3000"
    assert hospital.line.count("9001") == before


def test_many_at_once_sign_in_once(hospital: Hospital) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: asked(hospital), range(8)))
    assert {reply.infcode for reply in replies} == {"0"}
    assert hospital.line.count("9001") == 1


@pytest.mark.parametrize("done", [True, False])
def test_a_repeat_that_is_turned_away_tells_nothing_of_the_first(hospital: Hospital, done: bool) -> None:
    """The upload may have been taken; the sign-in is renewed and the same message sent with the new number."""
    assert asked(hospital).infcode == "0"
    hospital.psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    mdtrt_id = hospital.admit()
    entry = hospital.doubtful("2301", hospital.fees(mdtrt_id), "lose-reply" if done else "lose-request")
    hospital.simulator._ledger.sign_ins.clear()
    hospital.run()
    assert hospital.entry(entry.id).state is State.CONFIRMED
    (stay,) = hospital.seen("stays", mdtrt_id=mdtrt_id)
    assert stay["fees"]["count"] == 3
    assert hospital.line.count("9001") == 2
    first, *again = [json.loads(one.body) for one in hospital.line.sent if one.infno == "2301"]
    assert {one["msgid"] for one in again} == {first["msgid"]}
    assert [one["input"] for one in again] == [first["input"]] * len(again)
    assert again[-1]["sign_no"] != first["sign_no"]


def test_a_reversal_that_is_turned_away_is_sent_with_the_new_number(hospital: Hospital) -> None:
    assert asked(hospital).infcode == "0"
    hospital.psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    mdtrt_id = hospital.charged()
    entry = hospital.doubtful("2304", hospital.settlement(mdtrt_id), "lose-reply")
    hospital.simulator._ledger.sign_ins.clear()
    hospital.run()
    assert hospital.entry(entry.id).state is State.REVERSED
    assert [one["state"] for one in hospital.seen("settlements", mdtrt_id=mdtrt_id)] == ["reversed"]


def test_without_a_sign_in_a_doubt_stays_a_doubt(hospital: Hospital) -> None:
    assert asked(hospital).infcode == "0"
    hospital.psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    mdtrt_id = hospital.admit()
    entry = hospital.doubtful("2301", hospital.fees(mdtrt_id), "lose-reply")
    hospital.line.meanwhile = lambda _: hospital.simulator._ledger.sign_ins.clear()
    hospital.run()
    assert hospital.entry(entry.id).state is State.IN_DOUBT, "nobody has proven anything"
