"""Emergency fees that belong to the stay (ET-10): one function for the doctor's station and the insurance office."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from gateway.faults import EMERGENCY_CUT_MOVED, EMERGENCY_NO_WARD, EMERGENCY_SETTLED, Refused
from gateway.rules.case import Case, listed
from gateway.rules.message import Row, text
from gateway.rules.policy import Policy
from gateway.rules.stay import EmergencyVisit, Stay
from gateway.rules.times import SHANGHAI, minute_of, shown

NO_TIME: Final = datetime.max.replace(tzinfo=SHANGHAI)
"""A row without a readable time is never within the window."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """Fees of ``[start, cut)`` of the emergency visit that ended in this admission."""

    cut: datetime
    start: datetime | None
    visit: EmergencyVisit | None
    rows_in: tuple[Row, ...]
    rows_out: tuple[Row, ...]
    uploaded: frozenset[str]
    """``feedetl_sn`` of those that 2301 has uploaded already."""

    @property
    def total_in(self) -> Decimal:
        return _total(self.rows_in)

    @property
    def total_out(self) -> Decimal:
        return _total(self.rows_out)


def extract(stay: Stay, policy: Policy) -> Extraction:
    """The set of ET-10.

    Raises:
        Refused: ET10-01 without a ward-in; ET10-02 when ``t_ward`` moved since the approval; ET10-03 while the visit is
            settled as outpatient.
    """
    if stay.times.t_ward is None:
        raise Refused(EMERGENCY_NO_WARD)
    cut = stay.times.t_ward.minute
    if stay.approval and stay.approval.cut != cut:
        raise Refused(EMERGENCY_CUT_MOVED, f"审核时的入科时间 {shown(stay.approval.cut)}，现为 {shown(cut)}")
    found = window(stay, policy)
    if found.visit and found.visit.setl_id:
        raise Refused(EMERGENCY_SETTLED, f"急诊就诊 {found.visit.ipt_otp_no}，结算ID {found.visit.setl_id}")
    return found


def window(stay: Stay, policy: Policy) -> Extraction:
    """The same set without asking whether it may be taken over; needs a ward-in."""
    assert stay.times.t_ward is not None
    cut = stay.times.t_ward.minute
    visit = admitting_visit(stay.emergency, cut)
    if visit is None:
        return Extraction(cut, None, None, (), (), frozenset())
    start = _start(visit, cut, policy)
    end = cut if policy.emergency_observation or visit.observation is None else min(cut, visit.observation.minute)
    rows = {text(row, "feedetl_sn"): row for row in visit.rows}
    inside = {number for number in rows if start <= _occurred(number, rows) < end}
    return Extraction(
        cut=cut,
        start=start,
        visit=visit,
        rows_in=tuple(row for number, row in rows.items() if number in inside),
        rows_out=tuple(row for number, row in rows.items() if number not in inside),
        uploaded=frozenset(rows) & {fee.feedetl_sn for fee in stay.fees},
    )


def admitting_visit(visits: Sequence[EmergencyVisit], cut: datetime) -> EmergencyVisit | None:
    """Of several emergency visits the one that ended in this admission: the last that began before the ward-in."""
    before = [visit for visit in visits if visit.begntime and visit.begntime.minute < cut]
    return max(before, key=lambda visit: visit.begntime.instant if visit.begntime else cut, default=None)


def _start(visit: EmergencyVisit, cut: datetime, policy: Policy) -> datetime:
    assert visit.begntime is not None
    if policy.emergency_look_back_h is None:
        return visit.begntime.minute
    return max(visit.begntime.minute, cut - timedelta(hours=policy.emergency_look_back_h))


def _occurred(number: str, rows: Mapping[str, Row]) -> datetime:
    """When the fee occurred; a refund counts where its original row does, however often that was refunded itself."""
    seen: set[str] = set()
    while (original := text(rows[number], "init_feedetl_sn")) in rows and original not in seen:
        seen.add(number)
        number = original
    return minute_of(text(rows[number], "fee_ocur_time")) or NO_TIME


def _total(rows: Sequence[Row]) -> Decimal:
    return sum((_amount(row) for row in rows), Decimal(0))


def _amount(row: Row) -> Decimal:
    try:
        return Decimal(text(row, "det_item_fee_sumamt") or "0")
    except InvalidOperation:
        return Decimal(0)


def not_settled_before(case: Case) -> None:
    """2301: a row of an emergency visit that is settled as outpatient must not be counted twice (ET10-03)."""
    settled = {text(row, "feedetl_sn"): visit for visit in case.stay.emergency if visit.setl_id for row in visit.rows}
    numbers = [text(row, "feedetl_sn") for row in case.own_rows("feedetail")]
    if twice := [number for number in numbers if number in settled]:
        visit = settled[twice[0]]
        raise Refused(EMERGENCY_SETTLED, f"急诊就诊 {visit.ipt_otp_no}，结算ID {visit.setl_id}，费用 {listed(twice)}")
