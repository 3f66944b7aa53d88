"""The story: one stay settled, one stay settled and taken back, one outpatient visit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.demo.client import _messages as messages
from gateway.demo.client._desk import (
    SUCCESS,
    Desk,
    Expectation,
    StoryBroken,
    adds_up_to,
    amounts,
    as_reckoned,
    refusal,
    refused,
    same_as,
    success_and,
)
from gateway.demo.client._messages import Insured, Message, Times
from gateway.demo.client._people import CHEN, HUANG, LIN, VISIT_ITEMS, WARD_ITEMS, Patient
from gateway.demo.client._wire import Answer, LineBroken, RawGbk, Services, Text, Typed, Way

STAY_ROWS = 120
SECOND_STAY_ROWS = 30


@dataclass(frozen=True)
class Ways:
    """How the calls go out: a hospital has old and new programs side by side."""

    typed_signin: Way
    typed_person: Way
    typed_stay: Way
    typed_visit: Way
    xml: Way
    json: Way
    gbk: Way

    @classmethod
    def of(cls, services: Services) -> Ways:
        """Those of a hospital that calls ``services``."""
        return cls(
            typed_signin=Typed(services, "signin"),
            typed_person=Typed(services, "person"),
            typed_stay=Typed(services, "inpatient"),
            typed_visit=Typed(services, "outpatient"),
            xml=Text(services, "xml"),
            json=Text(services, "json"),
            gbk=RawGbk(services, "inpatient"),
        )


def tell(desk: Desk, now: datetime) -> bool:
    """Everything, in order; whether each step went as expected.

    Args:
        now: Asia/Shanghai; the stays lie in the days before it.
    """
    ways = Ways.of(desk.services)
    chapters: list[Callable[[], None]] = [
        lambda: _sign_in(desk, ways),
        lambda: _settled_stay(desk, ways, now),
        lambda: _withdrawn_stay(desk, ways, now),
        lambda: _visit(desk, ways, now),
    ]
    return all_told(chapters)


def all_told(chapters: Iterable[Callable[[], None]]) -> bool:
    """One chapter after the other; whether none broke."""
    told = [_told(chapter) for chapter in chapters]
    return all(told)


def _told(chapter: Callable[[], None]) -> bool:
    """A chapter that breaks does not keep the next patient waiting."""
    try:
        chapter()
    except StoryBroken:
        return False  # its step has said why
    except LineBroken as broken:
        sys.stderr.write(f"{broken}\n")
        return False
    return True


def _sign_in(desk: Desk, ways: Ways) -> None:
    desk.call(ways.typed_signin, "signin", "9001", messages.sign_in(), patient="—")


def identified(desk: Desk, way: Way, patient: Patient) -> Insured:
    """1101"""
    answer = desk.call(way, "person", "1101", messages.person(patient), patient=patient.name)
    return Insured(
        patient,
        answer.value("baseinfo", "psn_no"),
        answer.value("insuinfo", "insutype"),
        answer.value("insuinfo", "insuplc_admdvs"),
    )


# ------------------------------------------------------------------ stays


@dataclass(frozen=True)
class Inpatient:
    """One stay at the desk: whose it is, its numbers and its times."""

    desk: Desk
    who: Insured
    ipt_no: str
    times: Times
    mdtrt_id: str = ""

    def call(
        self, way: Way, infno: str, message: Message, expect: Expectation = SUCCESS, request_id: str = ""
    ) -> Answer:
        return self.desk.call(
            way, "inpatient", infno, message, insured=self.who, expect=expect, request_id=request_id
        )  # fmt: skip

    def admitted(self, way: Way, request_id: str = "") -> Inpatient:
        """2401"""
        message = messages.admission(self.who, self.ipt_no, self.times)
        answer = self.call(way, "2401", message, request_id=request_id)
        return Inpatient(self.desk, self.who, self.ipt_no, self.times, answer.value("result", "mdtrt_id"))

    def told(self, operation: str, arguments: Message, expect: Expectation = SUCCESS) -> Answer:
        """Something the hospital tells or asks the gateway itself."""
        return self.desk.tell(operation, arguments, self.who, expect)

    def in_ward(self) -> None:
        """The ward receives the patient, the coder records the diagnoses."""
        arrived = messages.ward_event(self.ipt_no, self.who, f"{self.ipt_no}-1", self.times.ward_in)
        self.told("WardIn", arrived)
        self.told("Diagnoses", messages.record(self.ipt_no, self.who, self.times.ward_in))

    def aligned(self, way: Way) -> None:
        """2403: the insurance's time of admission becomes the time of ward-in."""
        self.call(way, "2403", messages.change(self.who, self.mdtrt_id, self.ipt_no, self.times))

    def charged(self, way: Way, count: int) -> Decimal:
        """2301; what the rows come to."""
        rows = messages.stay_fees(self.who, self.mdtrt_id, self.ipt_no, self.times, WARD_ITEMS, count)
        total = messages.total(rows)
        self.call(way, "2301", {"feedetail": rows}, expect=every_row(count, total))
        return total

    def discharged(self, way: Way, expect: Expectation = SUCCESS) -> None:
        """2402"""
        self.call(way, "2402", messages.discharge(self.who, self.mdtrt_id, self.times), expect)

    def recalled(self) -> None:
        """Back in the ward for a moment, and out again: no new 入科."""
        left = self.times.discharged
        self.told("Recall", messages.recall(self.ipt_no, self.who, f"{self.ipt_no}-2", left))
        self.told("WardOut", messages.ward_event(self.ipt_no, self.who, f"{self.ipt_no}-3", left))

    def vouchers(self) -> None:
        """What the patient takes home, with one and the same time of admission on every sheet."""
        for kind in ("receipt", "fee_list", "discharge_slip", "list_head"):
            self.told("Voucher", messages.voucher(self.ipt_no, kind), _admitted_at(self.times.ward_in))

    def undone(self, way: Way, infno: str) -> None:
        """2405, 2404"""
        self.call(way, infno, messages.undo(self.who, self.mdtrt_id))


def _admitted_at(ward_in: datetime) -> Expectation:
    """The minute of the ward-in, as vouchers print it."""
    expected = f"{ward_in:%Y-%m-%d %H:%M}"

    def problem(answer: Answer) -> str:
        printed = str(answer.output.get("admitted", ""))
        return "" if printed == expected else f"入科时间 {expected}，凭证上的入院时间 {printed or '空白'}"

    return success_and("印出入科时间", problem)


def every_row(count: int, total: Decimal) -> Expectation:
    def problem(answer: Answer) -> str:
        rows = answer.rows("result")
        told = sum((Decimal(str(row["det_item_fee_sumamt"])) for row in rows), Decimal(0))
        return "" if (len(rows), told) == (count, total) else f"上传 {count} 条 {total}，应答 {len(rows)} 条 {told}"

    return success_and(f"{count} 条逐条分割", problem)


def _settled_stay(desk: Desk, ways: Ways, now: datetime) -> None:
    """From admission to a settlement that is asked for twice and made once, with everything that is refused on the way."""
    who = identified(desk, ways.typed_person, LIN)
    stay = Inpatient(desk, who, f"ZY{desk.run}1", Times.before(now)).admitted(ways.typed_stay)
    stay.discharged(ways.typed_stay, refused("ET02-02"))
    stay.in_ward()
    stay.discharged(ways.json, refused("ET02-01"))
    stay.aligned(ways.typed_stay)
    total = stay.charged(ways.typed_stay, STAY_ROWS)
    settlement = messages.stay_settlement(who, stay.mdtrt_id, total)
    trial = stay.call(ways.xml, "2303", settlement, adds_up_to(total))
    stay.discharged(ways.xml)
    stay.told("FeeChangeAllowed", messages.asked(stay.ipt_no), refused("ET07-02"))
    late = messages.stay_fees(who, stay.mdtrt_id, f"{stay.ipt_no}L", stay.times, WARD_ITEMS, 1)
    stay.call(ways.xml, "2301", {"feedetail": late}, refused("ET07-02"))
    stay.undone(ways.typed_stay, "2405")
    stay.recalled()
    stay.discharged(ways.typed_stay)
    request_id = desk.request_id()
    settled = stay.call(ways.typed_stay, "2304", settlement, as_reckoned(trial), request_id)
    stay.call(ways.typed_stay, "2304", settlement, same_as(settled), request_id)
    stay.vouchers()


def _withdrawn_stay(desk: Desk, ways: Ways, now: datetime) -> None:
    """A slip at the desk, then a whole stay, then everything taken back step by step."""
    who = identified(desk, ways.json, CHEN)
    stay = Inpatient(desk, who, f"ZY{desk.run}2", Times.before(now))
    message = messages.admission(who, stay.ipt_no, stay.times)
    del message["mdtrtinfo"]["adm_bed"]
    request_id = desk.request_id()
    stay.call(ways.typed_stay, "2401", message, refusal("GW-1101", "adm_bed"), request_id)
    stay = stay.admitted(ways.typed_stay, request_id)
    stay.in_ward()
    stay.aligned(ways.json)
    total = stay.charged(ways.xml, SECOND_STAY_ROWS)
    settlement = messages.stay_settlement(who, stay.mdtrt_id, total)
    trial = stay.call(ways.typed_stay, "2303", settlement, adds_up_to(total))
    stay.discharged(ways.gbk)
    settled = stay.call(ways.xml, "2304", settlement, as_reckoned(trial))
    withdrawal = messages.undo(who, stay.mdtrt_id, setl_id=settled.value("setlinfo", "setl_id"))
    stay.call(ways.typed_stay, "2305", withdrawal, _takes_back(settled))
    stay.undone(ways.xml, "2405")
    stay.call(ways.typed_stay, "2302", messages.remove_fees(who, stay.mdtrt_id))
    stay.undone(ways.typed_stay, "2404")


def _takes_back(settled: Answer) -> Expectation:
    """A cancelling answers the amounts of what it cancels; their sign is not fixed by the tables."""

    def problem(answer: Answer) -> str:
        gone = {name: abs(value) for name, value in amounts(answer).items()}
        return "" if gone == amounts(settled) else f"撤销金额 {gone} 与结算 {amounts(settled)} 不同"

    return success_and("金额与原结算相同", problem)


# ------------------------------------------------------------------ the visit


def _visit(desk: Desk, ways: Ways, now: datetime) -> None:
    who = identified(desk, ways.xml, HUANG)
    came, seen, charged = (now - timedelta(minutes=ago) for ago in (50, 35, 20))

    def call(way: Way, infno: str, message: Message, expect: Expectation = SUCCESS) -> Answer:
        return desk.call(way, "outpatient", infno, message, insured=who, expect=expect)

    answer = call(ways.typed_visit, "2201", messages.registration(who, f"MZ{desk.run}3", came))
    mdtrt_id = answer.value("data", "mdtrt_id")
    call(ways.typed_visit, "2203", messages.visit(who, mdtrt_id, seen))
    batch = f"SF{desk.run}3"
    rows = messages.visit_fees(who, mdtrt_id, batch, charged, VISIT_ITEMS)
    total = messages.total(rows)
    call(ways.xml, "2204", {"feedetail": rows}, every_row(len(rows), total))
    reckoning = messages.visit_settlement(who, mdtrt_id, batch, total)
    trial = call(ways.json, "2206", reckoning, adds_up_to(total))
    reckoned = {name: trial.value("setlinfo", name) for name in messages.TRIAL_AMOUNTS}
    settlement = messages.visit_settlement(who, mdtrt_id, batch, total, **reckoned)
    settled = call(ways.typed_visit, "2207", settlement, as_reckoned(trial))
    withdrawal = messages.undo(who, mdtrt_id, setl_id=settled.value("setlinfo", "setl_id"))
    call(ways.typed_visit, "2208", withdrawal, _takes_back(settled))
