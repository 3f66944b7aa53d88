"""Every implementation of the port ``StayRecords`` behaves like this, in the commits of its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from gateway.exchange.ports import Exchange, Journal, Proof, ProofKind, Query, State
from gateway.rules.policy import Policy
from gateway.stays.desk import StayDesk
from gateway.stays.history import Adopted, Approved, Record, WardEvent
from gateway.stays.ports import Adoption, StayChanged, StayFact, StayRef
from tests.store.samples import LATER, NOW, intent, outcome, refusal

IPT, M1 = StayRef(ipt_no="Z1"), StayRef(mdtrt_id="M1")
ADMITTED = StayFact("M1", "Z1", "P1", facts={"begntime": "2026-03-01 08:10:00"})


def ward_in(event_id: str = "E1", at: str = "2026-03-01 10:05:40", **more: Any) -> WardEvent:
    return WardEvent(event_id, "ward_in", NOW, event_time=at, ward_code="W1", operator="护士", **more)


def confirmed(
    journal: Journal,
    infno: str,
    *facts: StayFact,
    told: Sequence[StayFact] = (),
    state: State = State.CONFIRMED,
    **more: Any,
) -> Exchange:
    row = journal.intend(intent(infno=infno, stay=facts, keys=(("mdtrt_id", facts[0].mdtrt_id),), **more))
    return journal.finish(row.id, outcome(state, stay=told))


def test_nothing_is_known_of_a_stay_nobody_told_of(journal: Journal) -> None:
    known = journal.stays.known(IPT)
    assert (known.history.ipt_no, known.history.mdtrt_id, known.history.events) == ("Z1", "", ())
    assert known.versions == {"ipt:Z1": 0}
    assert journal.stays.known(StayRef(setl_id="S1")).history.mdtrt_id == ""


def test_events_are_kept_whole_and_once(journal: Journal) -> None:
    first = ward_in(ward_name="内一科", recorded_time="2026-03-01 10:30:00", reason="绿色通道")
    assert journal.stays.tell("Z1", "", first, "his") == "new"
    assert journal.stays.tell("Z1", "", first, "his") == "same"
    corrected = ward_in(at="2026-03-01 10:20:00")
    assert journal.stays.tell("Z1", "", corrected, "his") == "corrected"
    assert journal.stays.tell("Z1", "", first, "his") == "corrected"  # back to what it was
    void = WardEvent("E1", "ward_in_void", NOW, operator="护士")
    assert journal.stays.tell("Z1", "", void, "his") == "new"
    assert journal.stays.tell("Z2", "", first, "his") == "new"  # an event_id counts within its stay
    events = journal.stays.known(IPT).history.events
    assert [(one.kind, one.event_time) for one in events] == [
        ("ward_in", "2026-03-01 10:05:40"),
        ("ward_in", "2026-03-01 10:20:00"),
        ("ward_in", "2026-03-01 10:05:40"),
        ("ward_in_void", ""),
    ]
    assert (events[0].ward_name, events[0].recorded_time, events[0].reason) == (
        "内一科",
        "2026-03-01 10:30:00",
        "绿色通道",
    )
    assert [one.serial for one in events] == sorted({one.serial for one in events})
    assert events[0].received_at == NOW


def test_the_same_event_told_at_once_is_kept_once(journal: Journal) -> None:
    barrier = Barrier(8)

    def tell(_: int) -> str:
        barrier.wait()
        return journal.stays.tell("Z1", "M1", ward_in(), "his")

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(tell, range(8)))
    assert sorted(told) == ["new", *["same"] * 7]
    assert len(journal.stays.known(IPT).history.events) == 1


def test_records_are_kept_whole_each_version(journal: Journal) -> None:
    rows: tuple[Mapping[str, Any], ...] = ({"diag_code": "I10", "diag_srt_no": "1"}, {"diag_code": "E11"})
    record = Record("diagnoses", 1, NOW, rows, "编码员")
    assert journal.stays.keep("Z1", record, "his") == "new"
    assert journal.stays.keep("Z1", record, "his") == "same"
    assert journal.stays.keep("Z1", Record("diagnoses", 1, NOW, rows[:1]), "his") == "corrected"
    visit = {"ipt_otp_no": "MZ1", "begntime": "2026-03-01 07:00:00"}
    assert journal.stays.keep("Z1", Record("emergency_fees", 3, NOW, (), visit=visit), "his") == "new"
    kept = journal.stays.known(IPT).history.records
    assert [(one.kind, one.version, one.rows, dict(one.visit)) for one in kept] == [
        ("diagnoses", 1, rows, {}),
        ("diagnoses", 1, rows[:1], {}),
        ("emergency_fees", 3, (), visit),
    ]
    assert (kept[0].operator, kept[0].received_at) == ("编码员", NOW)
    assert [one.serial for one in kept] == sorted({one.serial for one in kept}), "order of receipt, no two alike"


def test_adoptions_and_approvals(journal: Journal) -> None:
    adopted = Adopted("query", NOW, "5201", {"begntime": "2026-03-01 08:10:00"}, after=7)
    journal.stays.adopt(StayRef("Z1", "M1"), "P1", adopted)
    journal.stays.approve("Z1", Approved("2026-03-01 10:05:00", NOW, "医保办"), {})
    for ref in (IPT, M1):
        history = journal.stays.known(ref).history
        assert (history.ipt_no, history.mdtrt_id, history.psn_no) == ("Z1", "M1", "P1")
        assert history.adoptions == (adopted,)
        assert history.approvals == (Approved("2026-03-01 10:05:00", NOW, "医保办", serial=1),)


def test_what_a_query_tells_is_adopted_with_its_record(journal: Journal) -> None:
    adopted = [
        Adopted("query", NOW, "5201", {"begntime": f"2026-03-0{day} 08:10:00"}, after=after)
        for day, after in ((1, 7), (4, 0))
    ]
    told = [Adoption(StayRef("Z1", "M1"), "P1", adopted[0]), Adoption(StayRef("Z2", "M2"), "P1", adopted[1])]
    before = journal.stays.known(M1).versions
    journal.record(intent(infno="5201", safety="read"), outcome(adopts=told))
    for ref, one in ((IPT, adopted[0]), (M1, adopted[0]), (StayRef(mdtrt_id="M2"), adopted[1])):
        known = journal.stays.known(ref)
        assert known.history.adoptions == (one,)
        assert known.history.psn_no == "P1"
    (earlier,) = journal.stays.known(M1).history.earlier_stays
    assert (earlier.mdtrt_id, earlier.begntime) == ("M2", "2026-03-04 08:10:00")
    # whoever judged by what was known before judges again
    with pytest.raises(StayChanged):
        journal.intend(intent(stay=(StayFact("M1", "Z1", "P1"),), stay_versions=before))


def test_facts_count_from_the_confirmation_on(journal: Journal) -> None:
    row = journal.intend(intent(infno="2401", stay=(StayFact("", "Z1", "P1"),)))
    (open_one,) = journal.stays.known(IPT).history.exchanges
    assert (open_one.exchange_id, open_one.state, open_one.facts) == (row.id, "INTENDED", {})
    journal.finish(row.id, outcome(stay=(ADMITTED,)))
    for ref in (IPT, M1):
        known = journal.stays.known(ref)
        (done,) = known.history.exchanges
        assert (done.infno, done.state, done.facts) == ("2401", "CONFIRMED", ADMITTED.facts)
        assert (done.finished_at, done.operator) == (LATER, "0001")
        assert (known.history.ipt_no, known.history.mdtrt_id, known.history.psn_no) == ("Z1", "M1", "P1")
        assert set(known.versions) == {"ipt:Z1", "mdtrt:M1"}


def test_what_came_to_nothing_is_no_history(journal: Journal) -> None:
    for state in (State.DECLINED, State.NOT_SENT):
        confirmed(journal, "2403", StayFact("M1", "Z1", "P1"), state=state)
    journal.record(intent(infno="2402", stay=(StayFact("M1"),)), refusal())
    assert journal.stays.known(M1).history.exchanges == ()


def test_a_doubt_settled_brings_its_facts(journal: Journal) -> None:
    facts = {"begntime": "2026-03-01 10:05:00"}
    row = journal.intend(intent(infno="2403", stay=(StayFact("M1", "Z1", "P1", facts=facts),)))
    journal.finish(row.id, outcome(State.IN_DOUBT, platform_answer=None))
    (doubt,) = journal.stays.known(M1).history.exchanges
    assert (doubt.state, doubt.facts) == ("IN_DOUBT", {})
    before = journal.stays.known(M1).versions
    journal.resolve(row.id, outcome(platform_answer=None))
    known = journal.stays.known(M1)
    assert (known.history.exchanges[0].state, known.history.exchanges[0].facts) == ("CONFIRMED", facts)
    assert all(known.versions[name] > version for name, version in before.items())
    other = journal.intend(intent(infno="2401", stay=(StayFact("", "Z9", "P1"),)))
    journal.finish(other.id, outcome(State.IN_DOUBT, platform_answer=None))
    journal.resolve(other.id, outcome(platform_answer=None, stay=(StayFact("M9", "Z9", "P1"),)))
    assert journal.stays.known(StayRef(ipt_no="Z9")).history.mdtrt_id == "M9"


def test_a_read_recorded_at_once_brings_its_facts(journal: Journal) -> None:
    row = journal.record(
        intent(infno="2303", stay=(StayFact("M1", psn_no="P1", facts={"medfee_sumamt": "10"}),)), outcome()
    )
    (done,) = journal.stays.known(M1).history.exchanges
    assert (done.exchange_id, done.facts) == (row.id, {"medfee_sumamt": "10"})


def test_what_was_undone_says_so(journal: Journal) -> None:
    first = confirmed(journal, "2402", StayFact("M1", psn_no="P1"))
    before = journal.stays.known(M1).versions["mdtrt:M1"]
    row = journal.intend(intent(infno="2405", stay=(StayFact("M1", psn_no="P1"),), keys=(("mdtrt_id", "M1"),)))
    journal.finish(row.id, outcome(ends=("2402",)))
    known = journal.stays.known(M1)
    assert [(one.infno, one.undone_by) for one in known.history.exchanges] == [("2402", row.id), ("2405", None)]
    assert known.versions["mdtrt:M1"] > before
    assert first.id == known.history.exchanges[0].exchange_id


def test_a_reversal_without_facts_of_its_own_changes_the_stay(journal: Journal) -> None:
    settled = confirmed(journal, "2304", StayFact("M1", psn_no="P1", setl_id="S1"))
    before = journal.stays.known(M1).versions
    row = journal.intend(intent(infno="2601"))
    journal.finish(row.id, outcome(ends_msgid=settled.msgid))
    known = journal.stays.known(M1)
    assert known.history.exchanges[0].undone_by == row.id
    assert known.versions["mdtrt:M1"] > before["mdtrt:M1"]


def test_an_upload_for_two_visits_counts_for_both(journal: Journal) -> None:
    row = confirmed(
        journal, "2301", StayFact("M1", psn_no="P1", facts={"n": "1"}), StayFact("M2", psn_no="P2", facts={"n": "2"})
    )
    for mdtrt_id, number in (("M1", "1"), ("M2", "2")):
        (done,) = journal.stays.known(StayRef(mdtrt_id=mdtrt_id)).history.exchanges
        assert (done.exchange_id, done.facts) == (row.id, {"n": number})


def test_found_by_a_settlement_also_what_names_nothing_else(journal: Journal) -> None:
    confirmed(journal, "2304", StayFact("M1", psn_no="P1"), told=(StayFact("M1", psn_no="P1", setl_id="S1"),))
    listed = confirmed(journal, "4102", StayFact(setl_id="S1", psn_no="P1", facts={"stas_type": "1"}))
    for ref in (M1, StayRef(setl_id="S1")):
        history = journal.stays.known(ref).history
        assert [one.infno for one in history.exchanges] == ["2304", "4102"]
        assert history.exchanges[1].exchange_id == listed.id
        assert history.mdtrt_id == "M1"


def test_a_registration_made_anew_keeps_what_the_ward_told(journal: Journal) -> None:
    journal.stays.tell("Z1", "", ward_in(), "his")
    confirmed(journal, "2401", StayFact("", "Z1", "P1"), told=(ADMITTED,))
    journal.stays.tell("Z1", "M1", ward_in("E2"), "his")
    gone = journal.intend(intent(infno="2404", stay=(StayFact("M1", psn_no="P1"),), keys=(("mdtrt_id", "M1"),)))
    journal.finish(gone.id, outcome(ends=("2401",)))
    again = journal.intend(intent(infno="2401", stay=(StayFact("", "Z1", "P1"),), keys=(("mdtrt_id", "M2"),)))
    journal.finish(again.id, outcome(stay=(StayFact("M2", "Z1", "P1"),)))
    now = journal.stays.known(IPT).history
    assert (now.mdtrt_id, [one.infno for one in now.exchanges]) == ("M2", ["2401"])
    assert [one.event_id for one in now.events] == ["E1"]  # E2 was told of the registration that is gone
    then = journal.stays.known(M1).history
    assert [one.infno for one in then.exchanges] == ["2401", "2404"]
    assert [one.event_id for one in then.events] == ["E1", "E2"]


def test_other_stays_of_the_person(journal: Journal) -> None:
    confirmed(journal, "2401", StayFact("", "Z1", "P1"), told=(ADMITTED,))
    begun = StayFact("M0", "Z0", "P1", facts={"begntime": "2026-02-01 09:00:00"})
    confirmed(journal, "2401", begun)
    confirmed(journal, "2402", StayFact("M0", psn_no="P1", facts={"endtime": "2026-02-05 11:00:00"}))
    (earlier,) = journal.stays.known(M1).history.earlier_stays
    assert (earlier.mdtrt_id, earlier.ipt_no) == ("M0", "Z0")
    assert (earlier.begntime, earlier.endtime) == ("2026-02-01 09:00:00", "2026-02-05 11:00:00")


def test_a_discharge_that_was_seen_and_taken_back_ends_no_other_stay(journal: Journal) -> None:
    confirmed(journal, "2401", StayFact("", "Z1", "P1"), told=(ADMITTED,))
    begun = StayFact("M0", "Z0", "P1", facts={"begntime": "2026-02-01 09:00:00"})
    confirmed(journal, "2401", begun)
    left = confirmed(journal, "2402", StayFact("M0", psn_no="P1", facts={"endtime": "2026-03-05 11:00:00"}))

    def seen(after: int, in_hospital: str, **more: str) -> None:
        facts = {"begntime": "2026-02-01 09:00:00", "in_hospital": in_hospital, **more}
        journal.stays.adopt(StayRef("Z0", "M0"), "P1", Adopted("query", NOW, "5201", facts, after=after))

    def ends() -> list[str]:
        return [one.endtime for one in journal.stays.known(M1).history.earlier_stays]

    seen(left.id, "0", endtime="2026-03-05 11:00:00")
    assert ends() == ["2026-03-05 11:00:00"]
    back = journal.intend(intent(infno="2405", stay=(StayFact("M0", psn_no="P1"),), keys=(("mdtrt_id", "M0"),)))
    journal.finish(back.id, outcome(ends=("2402",)))
    assert ends() == [""]
    # asked after that: discharged past the gateway, and back again
    seen(back.id, "0", endtime="2026-03-06 11:00:00")
    assert ends() == ["2026-03-06 11:00:00"]
    seen(back.id, "1")
    assert ends() == [""]
    gone = journal.intend(intent(infno="2404", stay=(StayFact("M0", psn_no="P1"),), keys=(("mdtrt_id", "M0"),)))
    journal.finish(gone.id, outcome(ends=("2401",)))
    assert ends() == []


def test_an_intent_by_an_older_version_is_refused(journal: Journal) -> None:
    """The race of a discharge with a ward-in told between judging and sending."""
    for ref in (IPT, StayRef("Z1", "M1")):
        judged = journal.stays.known(StayRef("Z1", "M1")).versions
        journal.stays.tell(ref.ipt_no, ref.mdtrt_id, ward_in(f"E{ref}{ref.mdtrt_id}"), "his")
        with pytest.raises(StayChanged):
            journal.intend(intent(infno="2402", stay=(StayFact("M1"),), stay_versions=judged, request_id="R1"))
    assert journal.search(Query(infno="2402")) == []
    judged = journal.stays.known(StayRef("Z1", "M1")).versions
    assert journal.intend(intent(infno="2402", stay_versions=judged, request_id="R1")).state is State.INTENDED


def test_either_the_ward_in_or_the_intent_is_first(journal: Journal) -> None:
    """Told and intended at the same moment: never an intent by a version that had passed when it was written."""
    for turn in range(6):
        ref = StayRef(f"Z{turn}", f"M{turn}")
        judged = journal.stays.known(ref).versions
        barrier = Barrier(2)

        def discharge(
            ref: StayRef = ref, judged: Mapping[str, int] = judged, barrier: Barrier = barrier
        ) -> Exchange | None:
            barrier.wait()
            try:
                return journal.intend(intent(infno="2402", stay_versions=judged, stay=(StayFact(ref.mdtrt_id),)))
            except StayChanged:
                return None

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(discharge)
            barrier.wait()
            journal.stays.tell(ref.ipt_no, ref.mdtrt_id, ward_in(), "his")
            row = done.result()
        exchanges = journal.stays.known(ref).history.exchanges
        assert [one.exchange_id for one in exchanges] == ([row.id] if row else [])


def test_an_event_or_approval_by_an_older_version_is_refused(journal: Journal) -> None:
    """A recall judged before a discharge began, and an approval of fees that were told anew since."""
    recall, approved = WardEvent("R1", "recall", NOW, "2026-03-02 09:00:00"), Approved("2026-03-01 10:05:00", NOW, "甲")
    judged = journal.stays.known(StayRef("Z1", "M1")).versions
    journal.intend(intent(infno="2402", stay=(StayFact("M1"),), stay_versions=judged, keys=(("mdtrt_id", "M1"),)))
    with pytest.raises(StayChanged):
        journal.stays.tell("Z1", "M1", recall, "his", judged)
    with pytest.raises(StayChanged):
        journal.stays.approve("Z1", approved, judged)
    known = journal.stays.known(StayRef("Z1", "M1"))
    assert (known.history.events, known.history.approvals) == ((), ())
    assert [one.infno for one in known.history.exchanges] == ["2402"]
    assert journal.stays.tell("Z1", "M1", recall, "his", known.versions) == "new"


def test_an_exchange_that_no_rule_guards_changes_the_version_too(journal: Journal) -> None:
    judged = journal.stays.known(M1).versions
    journal.intend(intent(infno="2305", stay=(StayFact("M1"),)))
    with pytest.raises(StayChanged):
        journal.stays.tell("Z1", "M1", ward_in(), "his", judged)


def test_either_the_recall_or_the_discharge_is_first(journal: Journal) -> None:
    """Both judged by the same facts at the same moment: one is kept, the other is to be judged again."""
    for turn in range(6):
        ref = StayRef(f"Z{turn}", f"M{turn}")
        judged = journal.stays.known(ref).versions
        barrier = Barrier(3)

        def begin(ref: StayRef = ref, judged: Mapping[str, int] = judged, barrier: Barrier = barrier) -> bool:
            barrier.wait()
            try:
                journal.intend(intent(infno="2402", stay_versions=judged, stay=(StayFact(ref.mdtrt_id),)))
            except StayChanged:
                return False
            return True

        def recall(
            number: int, ref: StayRef = ref, judged: Mapping[str, int] = judged, barrier: Barrier = barrier
        ) -> bool:
            barrier.wait()
            event = WardEvent(f"R{number}", "recall", NOW, "2026-03-02 09:00:00")
            try:
                journal.stays.tell(ref.ipt_no, ref.mdtrt_id, event, "his", judged)
            except StayChanged:
                return False
            return True

        with ThreadPoolExecutor(3) as pool:
            tried = [pool.submit(begin), pool.submit(recall, 1), pool.submit(recall, 2)]
            assert sum(one.result() for one in tried) == 1
        history = journal.stays.known(ref).history
        assert len(history.events) + len(history.exchanges) == 1


def test_recalls_at_once_are_each_judged_and_kept_once(journal: Journal) -> None:
    """The HIS asks twice, two desks ask for two: all are told yes, and what is kept is one event each."""
    desk = StayDesk(journal.stays, Policy(), lambda: NOW)
    confirmed(journal, "2401", StayFact("", "Z1", "P1"), told=(ADMITTED,))
    told = [{"ipt_no": "Z1", "event_id": f"R{number % 2}", "event_time": "2026-03-02 09:00:00"} for number in range(6)]
    with ThreadPoolExecutor(len(told)) as pool:
        answers = list(pool.map(lambda one: desk.recall(one, "his"), told))
    assert [one.refusal for one in answers] == [None] * len(told)
    assert sorted(one.event_id for one in journal.stays.known(IPT).history.events) == ["R0", "R1"]


def test_evidence_of_the_rules_is_kept_with_intent_and_refusal(journal: Journal) -> None:
    evidence = (Proof(ProofKind.RULES, NOW, "医保入院时间 2026-03-01 08:10:00 ≠ 入科时间 2026-03-01 10:05:00"),)
    for row in (
        journal.intend(intent(infno="2403", evidence=evidence)),
        journal.record(intent(infno="2402", evidence=evidence), refusal()),
    ):
        assert journal.proofs(row.id) == list(evidence)
