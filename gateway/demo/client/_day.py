"""A day in the hospital, for people who look at the console: a dozen stays in different states, visits, and what goes wrong.

Nothing is compared afterwards; the story is there for that. The platform's bad moments are not this program's business:
it only sees that an answer is missing, and does what a HIS should do then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count, cycle
from typing import Final

from gateway.demo.client import _messages as messages
from gateway.demo.client._desk import SUCCESS, Desk, Expectation, adds_up_to, refusal, refused
from gateway.demo.client._messages import Insured, Times
from gateway.demo.client._people import CHRONIC, INPATIENTS, OUTPATIENTS, VISIT_ITEMS, Patient
from gateway.demo.client._story import Inpatient, Ways, all_told, every_row, identified
from gateway.demo.client._wire import Answer, Way

ROWS: Final = 45
UNKNOWN: Final = ("GW-4101", "GW-4102")
ASK_AGAIN_EVERY_S: Final = 1.0
ASK_AGAIN_MAX: Final = 30
LATER_VISITS: Final = 40
LATER_EVERY_S: Final = 15.0


def live(desk: Desk, now: datetime) -> bool:
    """The day so far, in order; whether each step went as expected.

    Args:
        now: Asia/Shanghai; everything lies before it.
    """
    day = _Day(desk, Ways.of(desk.services), now)
    return all_told(day.chapters())


def go_on(desk: Desk, now: Callable[[], datetime]) -> None:
    """A visit now and then for some minutes, so that whoever looks sees the day go on."""
    for _, patient in zip(range(LATER_VISITS), cycle(OUTPATIENTS), strict=False):
        time.sleep(LATER_EVERY_S)
        day = _Day(desk, Ways.of(desk.services), now())
        all_told([partial(day.visit, patient)])


def _still_unknown() -> Expectation:
    def problem(answer: Answer) -> str:
        return "" if answer.infcode == "0" or answer.code in UNKNOWN else f"{answer.code} {answer.err_msg}"

    return Expectation("已有结果，或仍在核实", problem)


@dataclass
class _Day:
    desk: Desk
    ways: Ways
    now: datetime

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._ways_in = cycle((self.ways.typed_stay, self.ways.xml, self.ways.json))

    def chapters(self) -> Iterator[Callable[[], None]]:
        """Who comes, and what becomes of them."""
        people = iter(INPATIENTS)
        visitors = iter(OUTPATIENTS)
        yield self._filing_that_nothing_proves
        yield partial(self._settled_after_a_doubt, next(people))
        yield partial(self._visit_that_hears_nothing, next(visitors))
        for hours in (30, 20):
            yield partial(self._aligned, next(people), hours)
        yield partial(self.visit, next(visitors))
        for hours in (9, 5, 2):
            yield partial(self._differs, next(people), hours)
        yield partial(self._refused_at_the_door, next(people))
        yield partial(self.visit, next(visitors))
        for minutes in (50, 15):
            yield partial(self._waits, next(people), minutes)
        yield partial(self._discharged, next(people))
        yield partial(self._recalled, next(people))
        yield partial(self._with_emergency_fees, next(people))
        yield partial(self._withdrawn, next(people))
        yield partial(self._settled, next(people))
        yield partial(self._refused_visit, next(visitors))

    # -------------------------------------------------------------- stays

    def _admitted(self, patient: Patient, ward_in: datetime, discharged: datetime | None = None) -> Inpatient:
        """Registered forty minutes before the ward receives the patient."""
        who = identified(self.desk, self.ways.typed_person, patient)
        times = Times(ward_in - timedelta(minutes=40), ward_in, discharged or self.now)
        number = f"ZY{self.desk.run}{next(self._numbers):02d}"
        return Inpatient(self.desk, who, number, times).admitted(next(self._ways_in))

    def _in_ward(self, patient: Patient, hours: float, until: datetime | None = None) -> Inpatient:
        stay = self._admitted(patient, self._ago(hours), until)
        stay.in_ward()
        return stay

    def _ago(self, hours: float) -> datetime:
        return (self.now - timedelta(hours=hours)).replace(second=0)

    def _charged(self, stay: Inpatient) -> Inpatient:
        stay.aligned(next(self._ways_in))
        stay.charged(self.ways.xml, ROWS)
        return stay

    def _aligned(self, patient: Patient, hours: float) -> None:
        self._charged(self._in_ward(patient, hours))

    def _differs(self, patient: Patient, hours: float) -> None:
        """In the ward, and the insurance still has the time of registration."""
        self._in_ward(patient, hours)

    def _refused_at_the_door(self, patient: Patient) -> None:
        """Wants to leave before the times agree."""
        stay = self._in_ward(patient, 28)
        stay.discharged(self.ways.typed_stay, refused("ET02-01"))

    def _waits(self, patient: Patient, minutes: int) -> None:
        """Registered, and nobody has received the patient yet."""
        self._admitted(patient, self.now + timedelta(minutes=40 - minutes))

    def _discharged(self, patient: Patient) -> None:
        """Has left, and is not settled yet."""
        left = self._ago(1)
        stay = self._charged(self._in_ward(patient, 52, left))
        stay.told("WardOut", messages.ward_event(stay.ipt_no, stay.who, f"{stay.ipt_no}-2", left))
        stay.discharged(self.ways.gbk)

    def _recalled(self, patient: Patient) -> None:
        """Left the ward, and was called back."""
        left = self._ago(3)
        stay = self._charged(self._in_ward(patient, 40, left))
        stay.told("WardOut", messages.ward_event(stay.ipt_no, stay.who, f"{stay.ipt_no}-2", left))
        back = messages.recall(stay.ipt_no, stay.who, f"{stay.ipt_no}-3", left + timedelta(hours=1))
        stay.told("Recall", back)

    def _with_emergency_fees(self, patient: Patient) -> None:
        """Came through the emergency room: its fees wait for somebody's word."""
        stay = self._in_ward(patient, 6)
        stay.told("EmergencyFees", messages.emergency_fees(stay.ipt_no, stay.who, stay.times, VISIT_ITEMS))
        stay.told("EmergencyFeesExtract", messages.asked(stay.ipt_no))

    def _withdrawn(self, patient: Patient) -> None:
        """Registered by mistake."""
        self._admitted(patient, self._ago(4)).undone(self.ways.typed_stay, "2404")

    def _settled_after_a_doubt(self, patient: Patient) -> None:
        """The platform's answer to the settlement is lost; the same call is made until there is one.

        The postal code of its list is short of a digit.
        """
        stay, settlement = self._ready_to_settle(patient, 76)
        self._until_known(
            lambda request_id, expect: stay.call(self.ways.typed_stay, "2304", settlement, expect, request_id)
        )
        self._listed(stay, "52400")

    def _settled(self, patient: Patient) -> None:
        """The last to be settled: the list of this one is uploaded."""
        stay, settlement = self._ready_to_settle(patient, 60)
        stay.call(self.ways.typed_stay, "2304", settlement)
        self._listed(stay, "524000")

    def _ready_to_settle(self, patient: Patient, hours: float) -> tuple[Inpatient, messages.Message]:
        """The stay, and the 2304 of it."""
        left = self._ago(2)
        stay = self._in_ward(patient, hours, left)
        stay.aligned(self.ways.typed_stay)
        total = stay.charged(self.ways.xml, ROWS)
        stay.told("WardOut", messages.ward_event(stay.ipt_no, stay.who, f"{stay.ipt_no}-2", left))
        stay.discharged(self.ways.typed_stay)
        return stay, messages.stay_settlement(stay.who, stay.mdtrt_id, total)

    @staticmethod
    def _listed(stay: Inpatient, poscode: str) -> None:
        stay.told("Operations", messages.operations(stay.ipt_no, stay.who, stay.times))
        stay.told("SettlementList", messages.settlement_list(stay.ipt_no, stay.who, poscode))
        stay.told("Voucher", messages.voucher(stay.ipt_no, "receipt"))

    def _until_known(self, ask: Callable[[str, Expectation], Answer]) -> None:
        request_id = self.desk.request_id()
        for _ in range(ASK_AGAIN_MAX):
            if ask(request_id, _still_unknown()).infcode == "0":
                return
            time.sleep(ASK_AGAIN_EVERY_S)
        ask(request_id, SUCCESS)

    # -------------------------------------------------------------- visits

    def visit(self, patient: Patient) -> None:
        """Registration to settlement."""
        self._visited(patient)

    def _visited(self, patient: Patient) -> tuple[Insured, Answer]:
        """Whose visit, and what was settled."""
        who = identified(self.desk, self.ways.xml, patient)
        number = f"{self.desk.run}{self.desk.steps:03d}"
        came, seen, charged = (self.now - timedelta(minutes=ago) for ago in (40, 25, 10))
        answer = self._call(self.ways.typed_visit, "2201", who, messages.registration(who, f"MZ{number}", came))
        mdtrt_id = answer.value("data", "mdtrt_id")
        self._call(self.ways.typed_visit, "2203", who, messages.visit(who, mdtrt_id, seen))
        rows = messages.visit_fees(who, mdtrt_id, f"SF{number}", charged, VISIT_ITEMS)
        total = messages.total(rows)
        self._call(self.ways.xml, "2204", who, {"feedetail": rows}, every_row(len(rows), total))
        reckoning = messages.visit_settlement(who, mdtrt_id, f"SF{number}", total)
        trial = self._call(self.ways.json, "2206", who, reckoning, adds_up_to(total))
        parts = {name: trial.value("setlinfo", name) for name in messages.TRIAL_AMOUNTS}
        settlement = messages.visit_settlement(who, mdtrt_id, f"SF{number}", total, **parts)
        return who, self._call(self.ways.typed_visit, "2207", who, settlement)

    def _visit_that_hears_nothing(self, patient: Patient) -> None:
        """The answer to the cancelling of a settlement is lost, and nobody asks again: the console says so."""
        who, settled = self._visited(patient)
        numbers = {name: settled.value("setlinfo", name) for name in ("mdtrt_id", "setl_id")}
        withdrawal = messages.undo(who, numbers["mdtrt_id"], setl_id=numbers["setl_id"])
        self._call(self.ways.typed_visit, "2208", who, withdrawal, _still_unknown())

    def _filing_that_nothing_proves(self) -> None:
        """The answer to a filing is lost, and no query tells of it: after the settle time it is for a person."""
        who = identified(self.desk, self.ways.xml, CHRONIC)
        self.desk.call(
            self.ways.xml, "filing", "2503", messages.filing(who, self.now), insured=who, expect=_still_unknown()
        )

    def _refused_visit(self, patient: Patient) -> None:
        """A registration without the doctor."""
        who = identified(self.desk, self.ways.json, patient)
        message = messages.registration(who, f"MZ{self.desk.run}9", self.now - timedelta(minutes=5))
        del message["data"]["atddr_no"]
        self._call(self.ways.json, "2201", who, message, refusal("GW-1101", "atddr_no"))

    def _call(
        self, way: Way, infno: str, who: Insured, message: messages.Message, expect: Expectation = SUCCESS
    ) -> Answer:
        return self.desk.call(way, "outpatient", infno, message, insured=who, expect=expect)
