"""Every doubt is settled with proof: by query, by an identical repeat, by 2601, or by a person."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway import mappings
from gateway.contract.interface import Interface
from gateway.exchange.call import Client
from gateway.exchange.ports import Bodies, Exchange, Intent, JournalUnavailable, Outcome, ProofKind, Query, State
from gateway.exchange.receipts import Receipts
from gateway.faults import Unreadable
from tests.exchange.kit import SETTLE_S, Hospital
from tests.simulation import messages
from tests.stays.listing import DIAGNOSIS, TOLD

Step = tuple[str, Mapping[str, Any]]


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def visit(hospital: Hospital) -> str:
    return str(hospital.done("2201", messages.registration(hospital.psn_no, "M1"))["data"]["mdtrt_id"])


def seen(hospital: Hospital) -> str:
    mdtrt_id = visit(hospital)
    hospital.done("2203", messages.visit(hospital.psn_no, mdtrt_id))
    return mdtrt_id


def batch(hospital: Hospital, mdtrt_id: str) -> Mapping[str, Any]:
    rows = [messages.fee(hospital.psn_no, mdtrt_id, f"G{n}", 500, chrg_bchno="B1", rx_circ_flag="0") for n in range(2)]
    return {"feedetail": rows}


def billed(hospital: Hospital) -> str:
    mdtrt_id = seen(hospital)
    hospital.done("2204", batch(hospital, mdtrt_id))
    return mdtrt_id


def visit_settlement(hospital: Hospital, mdtrt_id: str) -> Mapping[str, Any]:
    asked = messages.visit_settlement(
        hospital.psn_no, mdtrt_id, "B1", messages.total(batch(hospital, mdtrt_id)["feedetail"])
    )
    return messages.with_trial(asked, hospital.done("2206", asked)["setlinfo"])


def settled(hospital: Hospital, ipt_no: str = "Z1") -> tuple[str, str]:
    stay = hospital.charged(ipt_no)
    return stay, hospital.done("2304", hospital.settlement(stay))["setlinfo"]["setl_id"]


def revocation(hospital: Hospital) -> Step:
    stay, setl_id = settled(hospital)
    return "2305", hospital.undo(stay, setl_id=setl_id)


def visit_revocation(hospital: Hospital) -> Step:
    mdtrt_id = billed(hospital)
    setl_id = hospital.done("2207", visit_settlement(hospital, mdtrt_id))["setlinfo"]["setl_id"]
    return "2208", hospital.undo(mdtrt_id, setl_id=setl_id)


def discharge_undone(hospital: Hospital) -> Step:
    stay = hospital.admit()
    hospital.done("2402", hospital.discharge(stay))
    return "2405", hospital.undo(stay)


def listed(hospital: Hospital, ipt_no: str = "Z1") -> tuple[str, str]:
    """A settled stay whose list is uploaded and not submitted: the stay, its settlement."""
    stay, setl_id = settled(hospital, ipt_no)
    message = {**LIST, "setlinfo": LIST["setlinfo"] | {"mdtrt_id": stay, "setl_id": setl_id, "psn_no": hospital.psn_no}}
    hospital.done("4101A", message)
    return stay, setl_id


def moved(hospital: Hospital, setl_ids: Sequence[str], status: str = "1") -> Mapping[str, Any]:
    rows = [{"psn_no": hospital.psn_no, "setl_id": setl_id, "stas_type": status} for setl_id in setl_ids]
    return {"data": {"stastinfo": rows}}


def attribute(hospital: Hospital) -> Mapping[str, Any]:
    told = {"psn_cert_type": "01", "certno": "440899198507241014", "psn_name": "周文博", "ipt_otp_no": "Z1"}
    kind = {"ipt_psn_sp_flag_type": "01", "ipt_psn_sp_flag": "1"}
    return {"data": {"mdtrt_id": hospital.admit(), "psn_no": hospital.psn_no, **told, **kind}}


LIST: Mapping[str, Any] = {
    "setlinfo": TOLD | {"setl_begn_date": "2026-02-20", "setl_end_date": "2026-03-01"},
    "diseinfo": [DIAGNOSIS],
}
STEPS: dict[str, Callable[[Hospital], Step]] = {
    "2201": lambda h: ("2201", messages.registration(h.psn_no, "M1")),
    "2202": lambda h: ("2202", h.undo(visit(h), ipt_otp_no="M1")),
    "2203": lambda h: ("2203", messages.visit(h.psn_no, visit(h))),
    "2204": lambda h: ("2204", batch(h, seen(h))),
    "2205": lambda h: ("2205", h.undo(billed(h), chrg_bchno="0000")),
    "2207": lambda h: ("2207", visit_settlement(h, billed(h))),
    "2208": visit_revocation,
    "2301": lambda h: ("2301", h.fees(h.admit())),
    "2302": lambda h: ("2302", messages.remove_fees(h.psn_no, h.charged(), ["F1"])),
    "2304": lambda h: ("2304", h.settlement(h.charged())),
    "2305": revocation,
    "2401": lambda h: ("2401", messages.admission(h.psn_no, "Z1")),
    "2402": lambda h: ("2402", h.discharge(h.admit())),
    "2403": lambda h: ("2403", messages.change(h.psn_no, h.admit(), "Z1", "2026-02-20 09:30:00")),
    "2404": lambda h: ("2404", h.undo(h.admit())),
    "2405": discharge_undone,
    "4102": lambda h: ("4102", moved(h, [listed(h)[1]])),
}
DONE = dict.fromkeys(STEPS, State.CONFIRMED) | {"2207": State.REVERSED, "2304": State.REVERSED}
"""What becomes of what the platform has done."""
LOST = dict.fromkeys(STEPS, State.CONFIRMED) | dict.fromkeys(("2207", "2208", "2304", "2305", "2401"), State.NOT_DONE)
"""What becomes of what the platform has never seen: money is closed, the rest is sent once more."""
LATE = DONE | {"2207": State.REVERSED, "2304": State.REVERSED}
"""What becomes of what the platform executes within the settle time."""


def in_force(hospital: Hospital, entry: Exchange) -> bool:
    """Whether the platform holds the effect of this very request."""
    ledger = hospital.simulator.ledger()
    reversed_ = {row["omsgid"] for row in ledger["reversals"] if not row["refusal"]}
    return entry.msgid in ledger["executed"] and entry.msgid not in reversed_


def check(hospital: Hospital, before: Exchange, expected: State) -> Exchange:
    entry = hospital.entry(before.id)
    trail = [proof.detail for proof in hospital.journal.proofs(entry.id)]
    assert entry.state is expected, trail
    assert in_force(hospital, entry) is (expected is State.CONFIRMED)
    assert hospital.journal.proofs(entry.id)[-1].kind is ProofKind.DECISION
    assert hospital.journal.find_busy(entry.business_key) is None
    return entry


@pytest.mark.parametrize("fault", ["lose-reply", "garbage"])
@pytest.mark.parametrize("infno", STEPS)
def test_a_lost_reply(hospital: Hospital, infno: str, fault: str) -> None:
    doubt = hospital.doubtful(*STEPS[infno](hospital), fault)
    hospital.run()
    check(hospital, doubt, DONE[infno])


@pytest.mark.parametrize("infno", STEPS)
def test_a_lost_request(hospital: Hospital, infno: str) -> None:
    doubt = hospital.doubtful(*STEPS[infno](hospital), "lose-request")
    hospital.run()
    check(hospital, doubt, LOST[infno])


@pytest.mark.parametrize("seconds", [3, 60, SETTLE_S - 10])
@pytest.mark.parametrize("infno", STEPS)
def test_a_late_request(hospital: Hospital, infno: str, seconds: float) -> None:
    doubt = hospital.doubtful(*STEPS[infno](hospital), "late-request")
    hospital.run(seconds, every=1)
    hospital.line.deliver()
    hospital.run()
    check(hospital, doubt, LATE[infno])


@pytest.mark.parametrize("infno", STEPS)
def test_the_platform_is_bad_for_a_while(hospital: Hospital, infno: str) -> None:
    for asked in ("5201", "5202", "5203", "2407", "2601", "4103"):
        hospital.line.faults[asked] = ["unreachable", "lose-request", "garbage", "lose-reply"]
    doubt = hospital.doubtful(*STEPS[infno](hospital), "lose-reply")
    hospital.line.faults[infno] = ["lose-reply", "unreachable", "lose-request"]
    hospital.run(3600)
    check(hospital, doubt, DONE[infno])


def test_no_negative_answer_counts_before_the_settle_time(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.doubtful("2304", hospital.settlement(stay), "lose-request")
    hospital.run(SETTLE_S - 10)
    assert hospital.line.count("2601") == 0
    hospital.run(400)
    assert hospital.line.count("2601") == 1


def test_a_clock_step_does_not_shorten_the_settle_time(hospital: Hospital) -> None:
    stay = hospital.charged()
    doubt = hospital.doubtful("2304", hospital.settlement(stay), "late-request")
    hospital.run(20)
    hospital.clock.step(3600)
    hospital.run(20)
    assert hospital.line.count("2601") == 0
    hospital.clock.step(-7200)
    hospital.line.deliver()
    hospital.run()
    check(hospital, doubt, State.REVERSED)


def test_a_repeat_is_the_same_msgid_and_bytes(hospital: Hospital) -> None:
    stay = hospital.admit()
    hospital.doubtful("2402", hospital.discharge(stay), "lose-request")
    hospital.run()
    first, second = (request for request in hospital.line.sent if request.infno == "2402")
    assert first == second


def test_a_reversal_in_doubt_is_repeated_for_the_same_omsgid(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.line.faults["2601"] = ["lose-reply", "lose-reply"]
    doubt = hospital.doubtful("2304", hospital.settlement(stay), "lose-reply")
    hospital.run(3000)
    check(hospital, doubt, State.REVERSED)
    sent = [request for request in hospital.line.sent if request.infno == "2601"]
    assert len(sent) == 3
    assert sent[0] == sent[1] == sent[2]


def test_the_hospitals_own_reversal_in_doubt(hospital: Hospital) -> None:
    stay = hospital.charged()
    settlement = hospital.call("2304", hospital.settlement(stay))
    doubt = hospital.doubtful("2601", messages.reversal(hospital.psn_no, settlement.msgid, "2304"), "lose-reply")
    assert hospital.call("2402", hospital.discharge(stay)).code == "GW-1425"
    hospital.run()
    assert hospital.entry(doubt.id).state is State.CONFIRMED
    assert settlement.exchange_id is not None
    assert hospital.entry(settlement.exchange_id).undone_by == doubt.id
    assert not hospital.call("2304", hospital.settlement(stay)).repeated


def test_the_hospital_hears_the_output_rebuilt_and_why(hospital: Hospital) -> None:
    message = messages.admission(hospital.psn_no, "Z1")
    hospital.doubtful("2401", message, "lose-reply", "R1")
    hospital.run(10)
    reply = hospital.call("2401", message, "R1")
    [stay] = hospital.seen("stays")
    assert (reply.infcode, reply.code, reply.output) == ("0", "", {"result": {"mdtrt_id": stay["mdtrt_id"]}})
    assert "核实" in reply.warn_msg
    assert hospital.done("2301", hospital.fees(stay["mdtrt_id"]))
    assert hospital.line.count("2401") == 1


def test_after_a_reversal_the_same_request_is_a_new_attempt(hospital: Hospital) -> None:
    stay = hospital.charged()
    doubt = hospital.doubtful("2304", hospital.settlement(stay), "lose-reply", "R1")
    hospital.run()
    reply = hospital.call("2304", hospital.settlement(stay), "R1")
    assert reply.infcode == "0"
    assert reply.msgid != doubt.msgid
    assert [row["state"] for row in hospital.seen("settlements")] == ["reversed", "settled"]


def test_a_stay_that_was_there_before_proves_nothing(hospital: Hospital) -> None:
    hospital.admit("Z1")
    other = messages.admission(hospital.psn_no, "Z1")
    other["mdtrtinfo"] = other["mdtrtinfo"] | {"adm_bed": "0999"}
    doubt = hospital.doubtful("2401", other, "lose-reply")
    hospital.run()
    check(hospital, doubt, State.NOT_DONE)
    assert [row["state"] for row in hospital.seen("stays")] == ["in_hospital"]


def test_where_2601_is_not_allowed_a_person_is_called() -> None:
    hospital = Hospital(interface=without_reversal())
    stay = hospital.charged()
    doubt = hospital.doubtful("2304", hospital.settlement(stay), "lose-reply", "R1")
    hospital.run()
    entry = hospital.entry(doubt.id)
    assert (entry.state, entry.code) == (State.ESCALATED, "GW-4120")
    assert hospital.line.count("2601") == 0
    reply = hospital.call("2304", hospital.settlement(stay), "R1")
    assert (reply.code, reply.retry) == ("GW-4120", "no")
    assert hospital.call("2402", hospital.discharge(stay)).code == "GW-1425"


def without_reversal() -> Interface:
    contract = mappings.load("national")
    changed = {i: replace(t, reversible_by_2601=False) for i, t in contract.transactions.items()}
    return Interface(replace(contract, transactions=changed))


def test_tries_are_bounded(hospital: Hospital) -> None:
    hospital.line.faults["5201"] = ["lose-request"] * 100
    doubt = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-reply")
    hospital.run(6 * 3600, every=60)
    assert hospital.entry(doubt.id).state is State.ESCALATED
    asked = [proof for proof in hospital.journal.proofs(doubt.id) if proof.kind is ProofKind.QUERY]
    settled = [proof for proof in asked if (proof.at - doubt.received_at).total_seconds() >= SETTLE_S]
    assert len(settled) == 12
    gaps = [(b.at - a.at).total_seconds() for a, b in itertools.pairwise(asked)]
    assert gaps == sorted(gaps)


def test_what_breaks_at_one_doubt_keeps_no_other_one_waiting(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours, which nobody can foresee: it is met wherever the exchange is read."""
    broken = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-reply")
    other = hospital.doubtful("2402", hospital.discharge(hospital.admit("Z2")), "lose-reply")
    bodies = hospital.journal.bodies

    def breaks(exchange_id: int) -> Bodies | None:
        if exchange_id == broken.id:
            raise RuntimeError("a defect")
        return bodies(exchange_id)

    monkeypatch.setattr(hospital.journal, "bodies", breaks)
    hospital.run()
    assert hospital.entry(other.id).state is State.CONFIRMED
    assert hospital.entry(broken.id).state is State.IN_DOUBT
    hospital.run(6 * 3600, every=60)
    assert hospital.entry(broken.id).state is State.ESCALATED
    assert "doubt_step_broken" in hospital.journal.proofs(broken.id)[-1].detail


def test_a_message_in_force_that_cannot_be_read_is_left_out(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-reply")
    admission = hospital.journal.search(Query(infno="2401"))[0]
    bodies = hospital.journal.bodies

    def unreadable(exchange_id: int) -> Bodies | None:
        found = bodies(exchange_id)
        return replace(found, platform_request=b"\0") if found and exchange_id == admission.id else found

    monkeypatch.setattr(hospital.journal, "bodies", unreadable)
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)


def test_a_platform_that_cannot_be_reached_is_waited_for(hospital: Hospital) -> None:
    hospital.line.faults["5201"] = ["unreachable"] * 30
    doubt = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-reply")
    hospital.run(12 * 3600, every=60)
    check(hospital, doubt, State.CONFIRMED)


def test_a_late_answer_is_evidence_for_its_own_exchange(hospital: Hospital) -> None:
    stay = hospital.charged()

    def taken_over(_: object) -> None:
        [row] = hospital.journal.search(Query(states=(State.INTENDED,)))
        hospital.journal.finish(row.id, Outcome(State.IN_DOUBT, hospital.clock.now))

    hospital.line.meanwhile = taken_over
    reply = hospital.call("2304", hospital.settlement(stay))
    hospital.line.meanwhile = None
    assert reply.code == "GW-4101"
    assert reply.exchange_id is not None
    hospital.run(10)
    entry = hospital.entry(reply.exchange_id)
    assert entry.state is State.CONFIRMED
    again = hospital.call("2304", hospital.settlement(stay))
    assert again.output["setlinfo"]["setl_id"] == hospital.seen("settlements")[0]["setl_id"]
    assert hospital.line.count("2304") == 1


def test_two_resolvers_take_turns(hospital: Hospital) -> None:
    doubt = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-request")
    assert [entry.id for entry in hospital.resolver.due()] == [doubt.id]
    hospital.resolver.step(doubt.id)
    assert hospital.resolver.due() == []
    assert not hospital.journal.postpone(doubt.id, 0, hospital.clock.now)


# ------------------------------------------------------------- the operator


def escalated(hospital: Hospital) -> Exchange:
    hospital.interface = without_reversal()
    doubt = hospital.doubtful("2304", hospital.settlement(hospital.charged()), "lose-reply", "R1")
    hospital.run()
    return hospital.entry(doubt.id)


@pytest.mark.parametrize("state", [State.CONFIRMED, State.NOT_DONE, State.REVERSED])
def test_a_named_person_settles_it(hospital: Hospital, state: State) -> None:
    doubt = escalated(hospital)
    output = {"setlinfo": {"setl_id": "S-by-hand"}} if state is State.CONFIRMED else None
    entry = hospital.resolver.by_operator(doubt.id, state, "王工", "平台页面核对", output)
    assert entry.state is state
    last = hospital.journal.proofs(doubt.id)[-1]
    assert last.kind is ProofKind.OPERATOR
    assert "王工" in last.detail
    assert "平台页面核对" in last.detail
    assert hospital.journal.find_busy(doubt.business_key) is None
    if state is State.CONFIRMED:
        assert ("setl_id", "S-by-hand") in entry.keys


@pytest.mark.parametrize(("operator", "reason"), [("", "看过"), ("王工", " "), ("  ", "")])
def test_nobody_settles_it_without_name_and_reason(hospital: Hospital, operator: str, reason: str) -> None:
    doubt = escalated(hospital)
    with pytest.raises(ValueError, match="操作人与理由"):
        hospital.resolver.by_operator(doubt.id, State.NOT_DONE, operator, reason)


def test_a_person_may_not_touch_what_is_still_being_settled(hospital: Hospital) -> None:
    doubt = hospital.doubtful("2304", hospital.settlement(hospital.charged()), "lose-reply")
    with pytest.raises(ValueError, match="不在待人工核对之列"):
        hospital.resolver.by_operator(doubt.id, State.CONFIRMED, "王工", "看过")


@pytest.mark.parametrize("state", [State.DECLINED, State.NOT_SENT, State.ESCALATED, State.INTENDED])
def test_a_person_may_not_say_anything_else(hospital: Hospital, state: State) -> None:
    doubt = escalated(hospital)
    with pytest.raises(ValueError, match="不能定为"):
        hospital.resolver.by_operator(doubt.id, state, "王工", "看过")


# -------------------------------------------------- replies that reach nobody


def test_money_that_nobody_heard_of_is_on_the_work_list(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.clock.pass_(1)
    since = hospital.clock.now
    reply = hospital.call("2304", hospital.settlement(stay), "R1")
    assert reply.receipt == reply.exchange_id
    heard = Receipts(hospital.journal, hospital.clock)
    heard.told(reply, written=False)
    heard.keep()
    hospital.clock.pass_(60)
    soon = hospital.clock.now
    assert [row.id for row in hospital.journal.untold(since, soon)] == [reply.exchange_id]
    again = hospital.call("2304", hospital.settlement(stay), "R1")
    heard.told(again, written=True)
    heard.keep()
    assert hospital.journal.untold(since, soon) == []
    heard.told(again, written=False)
    heard.keep()
    assert hospital.journal.untold(since, soon) == []


def test_only_money_needs_a_receipt(hospital: Hospital) -> None:
    stay = hospital.admit()
    assert hospital.call("2301", hospital.fees(stay)).receipt is None
    assert hospital.call("2304", {"data": {}}).receipt is None


def test_what_the_store_refused_is_recorded_later(hospital: Hospital) -> None:
    stay = hospital.charged()

    def store_down(_: object) -> None:
        hospital.journal.available = False  # type: ignore[attr-defined]

    hospital.line.meanwhile = store_down
    reply = hospital.call("2304", hospital.settlement(stay))
    assert reply.code == "GW-4101"
    assert hospital.exchange.settle_unrecorded() == 1
    hospital.journal.available = True  # type: ignore[attr-defined]
    assert hospital.exchange.settle_unrecorded() == 0
    hospital.line.meanwhile = None
    assert hospital.states("2304") == [State.CONFIRMED]
    assert hospital.call("2304", hospital.settlement(stay)).repeated


def test_a_repeat_that_is_refused_for_good_is_declined_after_the_settle_time(hospital: Hospital) -> None:
    stay = hospital.admit()
    rows = hospital.fees(stay)
    rows["feedetail"][0]["det_item_fee_sumamt"] = "999999.00"
    doubt = hospital.doubtful("2301", rows, "lose-reply", "R1")
    hospital.run(SETTLE_S - 30)
    assert hospital.entry(doubt.id).state is State.IN_DOUBT
    hospital.run(400)
    entry = hospital.entry(doubt.id)
    assert (entry.state, entry.code) == (State.DECLINED, "GW-3000")
    assert "金额不符" in entry.err_msg
    rows["feedetail"][0]["det_item_fee_sumamt"] = rows["feedetail"][0]["pric"]
    assert hospital.done("2301", rows, "R1")


def test_an_intent_whose_commit_got_no_answer_is_withdrawn(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    stay = hospital.charged()
    intend = hospital.journal.intend

    def written_but_unheard(intent: Intent) -> Exchange:
        intend(intent)
        raise JournalUnavailable("connection lost during commit")

    monkeypatch.setattr(hospital.journal, "intend", written_but_unheard)
    reply = hospital.call("2304", hospital.settlement(stay))
    monkeypatch.undo()
    assert (reply.code, reply.retry) == ("GW-5001", "yes")
    assert hospital.states("2304") == [State.INTENDED]
    hospital.exchange.settle_unrecorded()
    assert hospital.states("2304") == [State.NOT_SENT]
    assert hospital.call("2304", hospital.settlement(stay)).infcode == "0"
    assert hospital.line.count("2304") == 1


def test_a_batch_over_several_visits_holds_them_all(hospital: Hospital) -> None:
    first, second = hospital.admit("Z1"), hospital.admit("Z2")
    rows = [hospital.fee(first, n) for n in range(70)] + [hospital.fee(second, 100)]
    hospital.doubtful("2301", {"feedetail": rows}, "lose-reply")
    for stay in (first, second):
        assert hospital.call("2402", hospital.discharge(stay)).code == "GW-1425"


def test_json_of_the_proof_is_the_platforms_own(hospital: Hospital) -> None:
    doubt = hospital.doubtful("2402", hospital.discharge(hospital.admit()), "lose-request")
    hospital.run()
    bodies = hospital.journal.bodies(doubt.id)
    assert bodies is not None
    assert bodies.proof_answer is not None
    assert json.loads(bodies.proof_answer)["infcode"] == 0


def test_a_stranger_may_not_ask_for_what_it_may_not_call(hospital: Hospital) -> None:
    with pytest.raises(Unreadable, match="未获授权"):
        hospital.exchange.outcome(Client("lis", ("1101",)), mdtrt_id="M", infno="2304")


@pytest.mark.parametrize("fault", ["lose-reply", "lose-request"])
def test_an_attribute_of_a_stay_is_proven_by_2407_and_its_number_rebuilt(hospital: Hospital, fault: str) -> None:
    message = attribute(hospital)
    doubt = hospital.doubtful("2406", message, fault, "R1")
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)
    told = hospital.done("2406", message, "R1")
    assert (
        told["data"]["ipt_psn_sp_flag_detl_id"] == hospital.simulator._ledger.attributes[0]["ipt_psn_sp_flag_detl_id"]
    )


# -------------------------------------------------------- settlement lists (4102)


def submitted(hospital: Hospital, status: str = "3") -> str:
    """A list that was submitted, and what the insurer made of it."""
    _, setl_id = listed(hospital)
    hospital.done("4102", moved(hospital, [setl_id]))
    hospital.simulator.review({"setl_id": setl_id, "stas_type": status, "chk_cont": "诊断有误"})
    return setl_id


def review(hospital: Hospital, setl_id: str, status: str) -> None:
    hospital.simulator.review({"setl_id": setl_id, "stas_type": status, "chk_cont": ""})


@pytest.mark.parametrize("fault", ["lose-reply", "lose-request"])
def test_a_list_taken_back_is_proven_by_4103(hospital: Hospital, fault: str) -> None:
    setl_id = submitted(hospital)
    doubt = hospital.doubtful("4102", moved(hospital, [setl_id], "0"), fault)
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)
    assert hospital.simulator.lists()[setl_id]["stas_type"] == "0"
    assert hospital.line.count("4103") > 0


def test_a_list_that_was_passed_meanwhile_had_been_submitted(hospital: Hospital) -> None:
    _, setl_id = listed(hospital)
    doubt = hospital.doubtful("4102", moved(hospital, [setl_id]), "lose-reply")
    review(hospital, setl_id, "2")
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)
    assert hospital.line.count("4102") == 1, "nothing is sent again"


@pytest.mark.parametrize("fault", ["lose-reply", "lose-request"])
def test_a_returned_list_tells_nothing_of_its_second_submission(hospital: Hospital, fault: str) -> None:
    setl_id = submitted(hospital)
    doubt = hospital.doubtful("4102", moved(hospital, [setl_id]), fault, "R2")
    if fault == "lose-reply":
        review(hospital, setl_id, "3")
    hospital.run()
    entry = hospital.entry(doubt.id)
    assert (entry.state, hospital.line.count("4102")) == (State.ESCALATED, 2)
    assert "审核不通过" in entry.err_msg, "the person reads why"


def two_lists(hospital: Hospital) -> Mapping[str, Any]:
    """One 4102 that submits the lists of two persons."""
    rows = [*moved(hospital, [listed(hospital)[1]])["data"]["stastinfo"]]
    hospital.psn_no = str(hospital.done("1101", messages.person("440899199003151022"))["baseinfo"]["psn_no"])
    return {"data": {"stastinfo": [*rows, *moved(hospital, [listed(hospital, "Z2")[1]])["data"]["stastinfo"]]}}


@pytest.mark.parametrize("fault", ["lose-reply", "lose-request"])
def test_several_lists_are_asked_for_one_by_one(hospital: Hospital, fault: str) -> None:
    message = two_lists(hospital)
    doubt = hospital.doubtful("4102", message, fault)
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)
    kept = hospital.simulator.lists()
    assert [kept[row["setl_id"]]["stas_type"] for row in message["data"]["stastinfo"]] == ["1", "1"]


def test_of_several_lists_a_part_is_for_a_person(hospital: Hospital) -> None:
    message = two_lists(hospital)
    doubt = hospital.doubtful("4102", message, "lose-request")
    hospital.simulator._ledger.lists[message["data"]["stastinfo"][1]["setl_id"]].status = "1"
    hospital.run()
    assert (hospital.entry(doubt.id).state, hospital.line.count("4102")) == (State.ESCALATED, 1)


@pytest.mark.parametrize("infno", ["4101A", "2305"])
def test_a_list_in_doubt_holds_its_visit(hospital: Hospital, infno: str) -> None:
    """4102 names no visit, yet its settlement does: neither the list nor the settlement changes beneath a repeat of it."""
    stay, setl_id = listed(hospital)
    for _ in range(3):
        hospital.done("4103", {"data": {"psn_no": hospital.psn_no, "setl_id": setl_id}})
    doubt = hospital.doubtful("4102", moved(hospital, [setl_id]), "late-request")
    assert doubt.business_key == f"mdtrt_id:{stay}"
    other = LIST["setlinfo"] | {"mdtrt_id": stay, "setl_id": setl_id, "psn_no": hospital.psn_no, "bill_no": "2"}
    message = {**LIST, "setlinfo": other} if infno == "4101A" else hospital.undo(stay, setl_id=setl_id)
    assert hospital.call(infno, message).code == "GW-1425"
    hospital.line.deliver()
    hospital.run()
    check(hospital, doubt, State.CONFIRMED)


def test_a_list_of_a_settlement_nobody_knows_holds_itself(hospital: Hospital) -> None:
    doubt = hospital.doubtful("4102", moved(hospital, ["S-unknown"]), "lose-reply")
    assert doubt.business_key == "setl_id:S-unknown"
    hospital.run(3600 * 4)
    assert hospital.entry(doubt.id).state is not State.CONFIRMED
