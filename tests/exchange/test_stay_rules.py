"""The rules on the way of an exchange: races, doubts, what is asked of the platform and what is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.contract.jsontext import loads
from gateway.exchange.call import Reply
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.ports import Outcome, Query, State
from gateway.exchange.stay_rules import StayRules, stay_facts
from gateway.rules.case import DayOperation
from gateway.rules.completeness import completeness
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay
from gateway.stays.desk import StayDesk
from gateway.stays.ports import StayRef, Told
from tests.exchange.kit import Hospital
from tests.simulation import messages

DEFAULTS = Policy()
REGISTERED, WARD_IN, CORRECTED = "2026-02-20 09:12:00", "2026-02-20 10:05:00", "2026-02-20 10:20:00"


class Ward(Hospital):
    """A hospital whose gateway knows the rules, with one stay."""

    def __init__(
        self,
        *,
        policy: Policy = DEFAULTS,
        unanswered: str = "refuse",
        catalogue: dict[str, DayOperation] | None = None,
        **options: Any,
    ) -> None:
        journal = MemoryJournal()
        self.at: dict[str, Any] = {}
        desk = StayDesk(journal.stays, policy, lambda: self.clock())
        rules = StayRules(
            desk, journal, lambda: self.clock(), verify_unanswered=unanswered, day_surgery=lambda: catalogue
        )
        super().__init__(journal, rules=rules, reached=self._reached, **options)
        self.desk = desk
        self.mdtrt_id = self.admit()

    def _reached(self, boundary: str, infno: str) -> None:
        if act := self.at.pop(f"{boundary}:{infno}", None):
            act()

    def ward_in(self, at: str = WARD_IN, event_id: str = "E1") -> None:
        self.clock.pass_(60)
        self.desk.tell("ward_in", messages.ward_event("Z1", event_id, at), "his")

    def change(self, begntime: str = WARD_IN) -> dict[str, Any]:
        return messages.change(self.psn_no, self.mdtrt_id, "Z1", begntime)

    def aligned(self) -> Ward:
        self.ward_in()
        self.done("2403", self.change())
        return self

    def leave(self) -> Reply:
        return self.call("2402", self.discharge(self.mdtrt_id))

    @property
    def stay(self) -> Stay:
        return self.desk.judged(StayRef(mdtrt_id=self.mdtrt_id)).stay

    def episode(self) -> Any:
        return self.simulator._ledger.episodes[self.mdtrt_id]


def test_vector_11_a_doubtful_change_holds_the_discharge_until_it_is_proven() -> None:
    ward = Ward()
    ward.ward_in()
    ward.doubtful("2403", ward.change(), "lose-reply")
    refused = ward.leave()
    assert (refused.code, ward.line.count("2402")) == ("ET02-03", 0)
    ward.run()
    assert ward.stay.times.t_ins is not None
    assert (ward.stay.times.t_ins.text, ward.stay.alignment) == (WARD_IN, "aligned")
    assert ward.leave().infcode == "0"


def test_a_change_that_was_not_done_leaves_the_stay_as_it_was() -> None:
    ward = Ward()
    ward.ward_in()
    ward.doubtful("2403", ward.change(), "lose-request")
    ward.run()
    # the repeat under the old msgid has done it by now, or nothing has; the ledger and the stay say the same
    assert ward.stay.times.t_ins is not None
    assert ward.stay.times.t_ins.text == ward.episode().begntime


def test_vector_25_a_doubtful_revocation_holds_the_recall() -> None:
    ward = Ward().aligned()
    ward.done("2402", ward.discharge(ward.mdtrt_id))
    ward.doubtful("2405", ward.undo(ward.mdtrt_id), "lose-reply")
    refusal = ward.desk.recall_allowed(StayRef("Z1")).refusal
    assert refusal is not None
    assert refusal.fault.code == "ET07-04"
    ward.run()
    assert ward.desk.recall_allowed(StayRef("Z1")).refusal is None
    assert ward.stay.presence == "in_ward"


def test_a_person_who_settles_a_doubt_brings_the_facts() -> None:
    ward = Ward()
    ward.ward_in()
    entry = ward.doubtful("2403", ward.change(), "lose-reply")
    ward.journal.resolve(entry.id, Outcome(State.ESCALATED, ward.clock()))
    ward.resolver.by_operator(entry.id, State.CONFIRMED, "王值班", "平台页面已变更")
    assert ward.stay.alignment == "aligned"


def test_a_ward_in_told_between_judging_and_sending_is_judged_again() -> None:
    ward = Ward().aligned()
    ward.at["before_intent:2402"] = lambda: ward.ward_in(CORRECTED)
    refused = ward.leave()
    assert (refused.code, ward.line.count("2402")) == ("ET02-04", 0)
    assert ward.states("2402") == [State.REFUSED]


def test_what_is_told_after_the_intent_changes_nothing_of_it() -> None:
    ward = Ward().aligned()
    ward.at["after_intent:2402"] = lambda: ward.ward_in(CORRECTED)
    assert ward.leave().infcode == "0"
    assert ward.stay.alignment == "differs"


def test_a_discharge_that_begins_while_a_recall_is_judged_is_seen() -> None:
    ward = Ward().aligned()
    records, told = ward.desk.records, {"ipt_no": "Z1", "event_id": "R1", "event_time": "2026-03-02 09:00:00"}
    tell = records.tell

    def meanwhile(*given: Any) -> Told:
        records.tell = tell  # type: ignore[method-assign]
        assert ward.leave().infcode == "0"
        return tell(*given)

    records.tell = meanwhile  # type: ignore[method-assign]
    answered = ward.desk.recall(told, "his")
    assert answered.refusal is not None
    assert answered.refusal.fault.code == "ET07-01"
    assert [one.kind for one in ward.desk.judged(StayRef("Z1")).history.events] == ["ward_in"]
    ward.done("2405", ward.undo(ward.mdtrt_id))
    assert ward.desk.recall(told, "his").refusal is None


def test_a_change_to_day_surgery_is_judged_by_the_catalogue_there_is() -> None:
    fields = {
        "med_type": "28",
        "dise_codg": "D1",
        "dise_name": "胆囊结石",
        "oprn_oprt_code": "51.2300",
        "oprn_oprt_name": "术",
    }
    said = []
    for catalogue in (
        None,
        {"D1": DayOperation("D1", frozenset({"51.2300"}))},
        {"D1": DayOperation("D1", frozenset())},
    ):
        ward = Ward(catalogue=catalogue).aligned()
        message = ward.change()
        reply = ward.call("2403", {**message, "adminfo": {**message["adminfo"], **fields}})
        (evidence,) = ward.journal.proofs(reply.exchange_id or 0)
        said.append(
            (reply.code, "主手术未核对" in reply.warn_msg, "51.2300 未核对" in evidence.detail, ward.line.count("2403"))
        )
    assert said == [("", True, True, 2), ("", False, False, 2), ("ET13-02", False, False, 1)]


def test_a_change_made_elsewhere_is_found_before_the_discharge() -> None:
    ward = Ward().aligned()
    ward.episode().begntime = REGISTERED  # the old front end sent a 2403 of its own
    refused = ward.leave()
    assert (refused.code, ward.line.count("2402"), ward.line.count("5201")) == ("ET02-01", 0, 1)
    assert Ward(policy=Policy(verify_before_discharge=False)).aligned().leave().infcode == "0"


@pytest.mark.parametrize("fault", ["unreachable", "lose-reply"])
def test_a_platform_that_does_not_tell(fault: str) -> None:
    ward = Ward().aligned()
    ward.line.faults["5201"] = [fault] * (2 if fault == "lose-reply" else 1)  # a lost answer is asked for twice
    refused = ward.leave()
    assert (refused.code, refused.retry, ward.line.count("2402")) == ("GW-4002", "yes", 0)
    assert ward.leave().infcode == "0"
    lenient = Ward(unanswered="warn").aligned()
    lenient.line.faults["5201"] = [fault] * 2
    told = lenient.leave()
    assert told.infcode == "0"
    assert "5201" in told.warn_msg


def three_diagnoses(message: dict[str, Any]) -> dict[str, Any]:
    first = message["diseinfo"][0]
    more = [("E11.900", "2型糖尿病"), ("I10.x00", "高血压病")]
    rows = [
        first | {"diag_srt_no": str(number), "diag_code": code, "diag_name": name, "maindiag_flag": "0"}
        for number, (code, name) in enumerate(more, 2)
    ]
    return message | {"diseinfo": [first, *rows]}


def test_vector_34_a_row_that_the_platform_lost_is_found() -> None:
    ward = Ward()
    ward.ward_in()
    change = three_diagnoses(ward.change())
    told = {"ipt_no": "Z1", "version": 1, "rows": change["diseinfo"]}
    ward.desk.keep("diagnoses", told, "his")
    ward.line.meanwhile = lambda request: (
        ward.episode().diagnoses.pop(("1", "3"), None) if request.infno == "5202" else None
    )
    ward.done("2403", change)
    ward.line.meanwhile = None
    found = completeness(ward.stay)
    assert (found.result, found.told, found.sent, found.shown) == ("不完整", 3, 3, 2)
    ward.done("2403", three_diagnoses(ward.change()) | {"adminfo": ward.change()["adminfo"] | {"adm_bed": "9"}})
    assert completeness(ward.stay).result == "完整"


def test_what_cannot_be_read_back_is_unchecked_and_no_reason_to_fail() -> None:
    ward = Ward()
    ward.ward_in()
    ward.line.faults["5202"] = ["unreachable"]
    ward.done("2403", ward.change())
    assert completeness(ward.stay).shown is None


def test_a_stay_registered_elsewhere_is_taken_over_when_it_is_first_met() -> None:
    ward, elsewhere = Ward(), Ward()
    elsewhere.line.simulator = ward.simulator
    mdtrt_id, psn_no = elsewhere.admit("Z2"), elsewhere.psn_no
    refused = ward.call("2402", messages.discharge(psn_no, mdtrt_id))
    assert refused.code == "ET02-02"
    stay = ward.desk.judged(StayRef(mdtrt_id=mdtrt_id)).stay
    assert stay.adopted
    assert stay.times.t_ins is not None
    assert (stay.times.t_ins.text, stay.times.t_ins.origin, stay.ipt_no) == (REGISTERED, "query", "Z2")
    ward.line.faults["5201"] = ["unreachable"]
    unknown = ward.call("2402", messages.discharge(psn_no, "9" * 26))
    assert (unknown.code, unknown.retry) == ("GW-4002", "yes")


def test_the_same_discharge_from_many_desks_is_sent_once() -> None:
    """Vector 55, as far as one stay goes; the bench has a thousand."""
    ward = Ward().aligned()
    ward.exchange._wait = lambda _: None
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: ward.leave(), range(24)))
    assert {(one.infcode, one.code) for one in told} - {("-1", "GW-1423"), ("-1", "GW-4102")} == {("0", "")}
    assert ward.line.count("2402") == 1


def test_a_discharge_waits_for_the_change_before_it() -> None:
    ward = Ward()
    ward.ward_in()
    told: list[Reply] = []

    def meanwhile(request: Any) -> None:
        if request.infno == "2403":
            ward.line.meanwhile = None
            with ThreadPoolExecutor(1) as pool:
                ward.waits = []
                told.append(pool.submit(ward.leave).result())

    ward.line.meanwhile = meanwhile
    ward.done("2403", ward.change())
    assert told[0].code == "GW-1423"  # it waited for its turn, not: refused for what was just being put right
    assert ward.leave().infcode == "0"


def test_a_reversed_admission_is_judged_like_a_cancelled_one() -> None:
    ward = Ward()
    ward.done("2301", ward.fees(ward.mdtrt_id))
    entry = ward.journal.search(Query(infno="2401", limit=1))[0]
    refused = ward.call("2601", messages.reversal(ward.psn_no, entry.msgid or "", "2401"))
    assert (refused.code, ward.line.count("2601")) == ("ET07-07", 0)


def test_each_list_status_belongs_to_its_settlement() -> None:
    rows = [{"psn_no": "P", "setl_id": setl_id, "stas_type": "1"} for setl_id in ("S1", "S2")]
    facts = stay_facts("4102", {"data": {"stastinfo": rows}}, {})
    assert [(one.setl_id, one.facts) for one in facts] == [
        ("S1", {"list_status": {"S1": "1"}}),
        ("S2", {"list_status": {"S2": "1"}}),
    ]


def test_queries_of_the_gateway_itself_are_in_the_journal() -> None:
    ward = Ward().aligned()
    ward.done("2402", ward.discharge(ward.mdtrt_id))
    rows = ward.journal.search(Query(client="gateway"))
    assert {row.infno for row in rows} == {"5201", "5202"}
    bodies = ward.journal.bodies(rows[0].id)
    assert bodies is not None
    assert loads(bodies.platform_request or b"")["opter"] == "0001"
