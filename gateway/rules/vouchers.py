"""ET-08, ET-11, ET-12: one 入院时间 for everything on paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from gateway.faults import ELIGIBILITY_NO_WARD, VOUCHER_NOT_SETTLED, VOUCHER_TIME_DIFFERS, WARD_IN_FUTURE, Refused
from gateway.rules.policy import Policy
from gateway.rules.stay import Moment, Settled, Stay
from gateway.rules.times import ahead_s, shown

VoucherKind = Literal["receipt", "fee_list", "discharge_slip", "eligibility", "list_head"]
KINDS: Final[tuple[VoucherKind, ...]] = ("receipt", "fee_list", "discharge_slip", "eligibility", "list_head")
_FROM_SETTLEMENT: Final = frozenset({"receipt", "list_head"})
"""Vouchers whose content is a settlement; the others may be printed before one, with the aligned time."""


@dataclass(frozen=True, slots=True)
class VoucherTime:
    """The 入院时间 a new voucher prints. A reprint prints its own snapshot and asks nothing."""

    admitted: Moment
    text: str
    """At the precision of the policy: the same string on every voucher."""
    setl_id: str = ""
    remark: str = ""


def voucher_time(kind: VoucherKind, stay: Stay, policy: Policy, now: datetime, setl_id: str = "") -> VoucherTime:
    """What a new voucher prints as 入院时间.

    Args:
        setl_id: the settlement it is about; default the last in force.

    Raises:
        Refused: ET12-01, ET08-01, ET08-02; ET01-03 for a ward-in ahead of the clock.
    """
    if kind == "eligibility":
        return _printed(_ward(stay, policy, now), policy)
    settled = _settlement(stay, setl_id)
    if settled is None and (kind in _FROM_SETTLEMENT or setl_id):
        raise Refused(VOUCHER_NOT_SETTLED, f"结算ID {setl_id}" if setl_id else "")
    admitted = settled.t_set if settled else stay.times.t_ins
    if settled and admitted and _before_go_live(stay, settled, policy):
        return _printed(admitted, policy, settled.setl_id, "上线前出院，按结算时的入院时间打印")
    ward = stay.times.t_ward
    if admitted is None or ward is None or admitted.minute != ward.minute:
        told = shown(admitted.minute if admitted else None)
        raise Refused(VOUCHER_TIME_DIFFERS, f"凭证入院时间 {told}，入科时间 {shown(ward.minute if ward else None)}")
    return _printed(admitted, policy, settled.setl_id if settled else "")


def differs_from_ward(stay: Stay, policy: Policy) -> list[Settled]:
    """Settlements made before go-live whose time is not ``t_ward``, for the migration report (ET-11)."""
    ward = stay.times.t_ward
    return [
        settled
        for settled in stay.settlements
        if _before_go_live(stay, settled, policy)
        and (ward is None or settled.t_set is None or settled.t_set.minute != ward.minute)
    ]


def eligibility_void(printed: datetime, stay: Stay) -> bool:
    """Whether a 资格确认单 printed with this minute must be marked 作废: ``t_ward`` has changed since (ET-12)."""
    return stay.times.t_ward is None or stay.times.t_ward.minute != printed


def paper_text(time: Moment, policy: Policy) -> str:
    """As every voucher prints it: to the minute or to the day, the same everywhere (ET-08)."""
    return time.minute.strftime("%Y-%m-%d" if policy.paper_precision == "day" else "%Y-%m-%d %H:%M")


def _printed(admitted: Moment, policy: Policy, setl_id: str = "", remark: str = "") -> VoucherTime:
    return VoucherTime(admitted, paper_text(admitted, policy), setl_id, remark)


def _ward(stay: Stay, policy: Policy, now: datetime) -> Moment:
    ward = stay.times.t_ward
    if ward is None:
        raise Refused(ELIGIBILITY_NO_WARD)
    if ahead_s(ward, now) > policy.future_limit_s:
        raise Refused(WARD_IN_FUTURE, f"入科时间 {ward.raw}，当前时间 {now:%Y-%m-%d %H:%M:%S}")
    return ward


def _settlement(stay: Stay, setl_id: str) -> Settled | None:
    if setl_id:
        return next((settled for settled in stay.settlements if settled.setl_id == setl_id), None)
    return stay.settlements[-1] if stay.settlements else None


def _before_go_live(stay: Stay, settled: Settled, policy: Policy) -> bool:
    if policy.go_live is None:
        return False
    discharged = stay.times.t_dsc.minute if stay.times.t_dsc else settled.at
    return discharged < policy.go_live
