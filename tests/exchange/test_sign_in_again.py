"""A sign-in that has ended on the platform is renewed once, and only where the refusal says that nothing was done."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.ports import JournalUnavailable, Query, State
from gateway.exchange.sign_in import LOOK_EVERY, SignIns, at_a_workstation
from gateway.simulator import Simulator
from tests.exchange.kit import CERTNO, CLIENT, STATION, Hospital, StandsStill
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


def test_a_twin_that_is_told_of_the_refusal_signs_in_itself(hospital: Hospital) -> None:
    """Told to both as the last word, it would hide what the first does with its new sign-in."""
    assert asked(hospital).infcode == "0"
    hospital.psn_no = str(asked(hospital).output["baseinfo"]["psn_no"])
    mdtrt_id = hospital.charged()
    hospital.simulator._ledger.sign_ins.clear()
    settlement = hospital.settlement(mdtrt_id)
    # without an address the first cannot sign in
    refused: list[Reply] = []
    still = StandsStill(lambda: refused.append(hospital.call("2304", settlement, "R-1")))
    twin = Hospital(beside=hospital, gate=still)
    station = replace(CLIENT, workstation={**CLIENT.workstation, **STATION})
    reply = twin.call("2304", settlement, "R-1", client=station)
    assert [one.code for one in refused] == ["GW-3000"]
    assert (reply.infcode, reply.repeated) == ("0", False)
    assert len(hospital.seen("settlements", mdtrt_id=mdtrt_id)) == 1


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


# ------------------------------------------------------------------- two nodes


@pytest.fixture
def nodes() -> tuple[Hospital, Hospital]:
    """Two nodes on one journal, at a platform where a new sign-in ends the operator's number before."""
    first = Hospital()
    strict = Simulator(Path("mappings").resolve(), seed=7, clock=first.clock, require_sign_in=True, one_sign_in=True)
    first.simulator = first.line.simulator = strict
    return first, Hospital(beside=first)


def test_what_one_node_signs_in_the_other_uses(nodes: tuple[Hospital, Hospital]) -> None:
    first, second = nodes
    first.clock.pass_(LOOK_EVERY.total_seconds())
    assert asked(first).infcode == "0"
    before = len(first.line.sent)
    assert asked(second).infcode == "0"
    assert [one.infno for one in first.line.sent[before:]] == ["1101"], (
        "the number was there when it was first asked for"
    )


def test_a_number_that_the_other_node_has_ended_is_replaced_without_a_9001(nodes: tuple[Hospital, Hospital]) -> None:
    first, second = nodes
    for node in nodes:
        assert asked(node).infcode == "0"
    first.done("9001", {"signIn": {"opter_no": "0001", **STATION}})
    before = len(first.line.sent)
    assert asked(second).infcode == "0"
    assert [one.infno for one in first.line.sent[before:]] == ["1101", "1101"], "refused, read back, sent again"
    for _ in range(3):
        assert {asked(node).infcode for node in nodes} == {"0"}
    assert first.line.count("9001") == 2, "nodes do not take the number from each other"


def test_of_two_nodes_that_sign_in_at_the_same_moment_the_earlier_takes_the_number_of_the_later(
    nodes: tuple[Hospital, Hospital],
) -> None:
    first, second = nodes
    before = len(first.line.sent)

    def at_the_same_moment(request: Any) -> None:
        if request.infno == "1101" and first.line.count("9001") == 1:
            first.line.meanwhile = None
            second.done("9001", {"signIn": {"opter_no": "0001", **STATION}})

    first.line.meanwhile = at_the_same_moment
    assert asked(first).infcode == "0"
    assert [one.infno for one in first.line.sent[before:]] == ["1101", "9001", "1101", "9001", "1101"]
    for _ in range(2):
        assert {asked(node).infcode for node in nodes} == {"0"}
    assert first.line.count("9001") == 2, "and there it ends"


def test_after_some_seconds_not_even_a_refusal_is_needed(nodes: tuple[Hospital, Hospital]) -> None:
    first, second = nodes
    for node in nodes:
        assert asked(node).infcode == "0"
    first.done("9001", {"signIn": {"opter_no": "0001", **STATION}})
    first.clock.pass_(LOOK_EVERY.total_seconds())
    before = len(first.line.sent)
    assert asked(second).infcode == "0"
    assert len(first.line.sent) == before + 1


def test_a_sign_out_on_the_other_node_ends_the_number(nodes: tuple[Hospital, Hospital]) -> None:
    first, second = nodes
    for node in nodes:
        assert asked(node).infcode == "0"
    number = json.loads(first.line.sent[-1].body)["sign_no"]
    first.done("9002", {"signOut": {"sign_no": number, "opter_no": "0001"}})
    first.clock.pass_(LOOK_EVERY.total_seconds())
    assert asked(second).infcode == "0"
    refused = [one for one in first.line.sent if one.infno == "1101"][-2]
    assert json.loads(refused.body)["sign_no"] != number


def test_calls_do_not_read_the_journal_for_it(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(hospital).infcode == "0"
    journal, reads = hospital.journal, []
    search = journal.search
    monkeypatch.setattr(journal, "search", lambda query: reads.append(query.infno) or search(query))
    for _ in range(5):
        assert asked(hospital).infcode == "0"
    assert not {"9001", "9002"} & set(reads)
    hospital.clock.pass_(LOOK_EVERY.total_seconds())
    for _ in range(5):
        assert asked(hospital).infcode == "0"
    assert (reads.count("9001"), reads.count("9002")) == (1, 1)


def test_a_journal_that_cannot_be_read_again_leaves_the_number_as_it_was(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(hospital).infcode == "0"
    sign_ins = hospital.exchange._sending._sign_ins
    number = sign_ins.number("0001", hospital.clock.now)

    def down(_query: Query) -> Any:
        raise JournalUnavailable

    monkeypatch.setattr(hospital.journal, "search", down)
    hospital.clock.pass_(LOOK_EVERY.total_seconds())
    assert sign_ins.number("0001", hospital.clock.now) == number
    with pytest.raises(JournalUnavailable):
        SignIns(hospital.journal).number("0001", hospital.clock.now)


def test_a_journal_that_fails_in_the_midst_leaves_the_platforms_answer(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(hospital).infcode == "0"
    hospital.simulator._ledger.sign_ins.clear()
    search = hospital.journal.search

    def down(query: Query) -> Any:
        if query.infno == "9001":
            raise JournalUnavailable
        return search(query)

    monkeypatch.setattr(hospital.journal, "search", down)
    reply = asked(hospital)
    assert (reply.code, "请先签到" in reply.err_msg) == ("GW-3000", True)
    monkeypatch.setattr(hospital.journal, "search", search)
    assert asked(hospital).infcode == "0", "the next call renews it"


# -------------------------------------------------------------- at whose workstation


def station_of(opter: str) -> dict[str, str]:
    known = {"opter": "0001", "opter_name": "操作员", "mac": "00-00-00-00-00-01", "ip": "10.0.0.1"}
    own = {"opter": "0009", "opter_name": "网关", "mac": "00-00-00-00-00-09", "ip": "10.0.0.9"}
    return known if opter == "0001" else own


@pytest.mark.parametrize(("opter", "mac"), [("0001", "00-00-00-00-00-01"), ("fee_upload", "00-00-00-00-00-09")])
def test_who_has_no_workstation_signs_in_at_the_one_that_is_kept_for_him_or_at_ours(opter: str, mac: str) -> None:
    hospital = Hospital(station_of=station_of)
    strict = Simulator(Path("mappings").resolve(), seed=7, clock=hospital.clock, require_sign_in=True)
    hospital.simulator = hospital.line.simulator = strict
    station = {"opter": opter, "opter_name": "网关", "opter_type": "2", "mac": "", "ip": "10.9.9.9"}
    client = Client("fee_upload", workstation=station)
    reply = hospital.call("1101", messages.person(CERTNO), client=client)
    assert reply.infcode == "0"
    (sign_in,) = [json.loads(one.body)["input"]["signIn"] for one in hospital.line.sent if one.infno == "9001"]
    assert (sign_in["opter_no"], sign_in["mac"]) == (opter, mac)
    assert sign_in["ip"] == station_of(opter)["ip"], "card and address are of one machine"


def test_a_workstation_of_the_caller_comes_first(hospital: Hospital) -> None:
    head = at_a_workstation({"opter": "0001", **STATION}, {"opter": "0007", "sign_no": "1"}, station_of)
    assert head == {"opter": "0007", **STATION}
    assert at_a_workstation({}, {}, station_of) == station_of("")
