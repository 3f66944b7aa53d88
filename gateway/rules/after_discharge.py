"""ET-07: after discharge or settlement nothing moves until 2305 and 2405 are acknowledged."""

from __future__ import annotations

from gateway.faults import (
    CANCEL_WITH_FEES,
    DISCHARGE_UNDO_UNKNOWN,
    FEES_AFTER_DISCHARGE,
    LIST_SUBMITTED,
    RECALL_DISCHARGED,
    SETTLED_IN_FORCE,
    VISIT_UNRESOLVED,
    Fault,
    Refused,
)
from gateway.rules.alignment import fee_texts
from gateway.rules.case import Case, listed
from gateway.rules.discharge import unknown
from gateway.rules.message import text
from gateway.rules.stay import Settled, Stay
from gateway.rules.times import shown

_SUBMITTED = frozenset({"1", "2"})
"""``stas_type`` 已提交, 审核通过: the hospital can no longer take the list back (4102)."""
_MOVES_PRESENCE = ("2304", "2305", "2402", "2404")
"""Transactions whose unknown outcome leaves open whether fees may change or the patient may be recalled."""


def recall_allowed(stay: Stay) -> Refused | None:
    """Whether the patient may be taken back into a ward: ET07-01, ET07-03, ET07-04, or GW-1425 while in doubt."""
    return _closed(stay, RECALL_DISCHARGED)


def fee_change_allowed(stay: Stay) -> Refused | None:
    """Whether a charge, refund or edit may be made: ET07-02, ET07-04, or GW-1425 while in doubt."""
    refusal = _closed(stay, FEES_AFTER_DISCHARGE)
    if refusal and refusal.fault is SETTLED_IN_FORCE:
        return Refused(FEES_AFTER_DISCHARGE, refusal.detail)
    return refusal


def _closed(stay: Stay, discharged: Fault) -> Refused | None:
    if unknown(stay, "2405"):
        return Refused(DISCHARGE_UNDO_UNKNOWN)
    if open_ones := unknown(stay, *_MOVES_PRESENCE):
        return Refused(VISIT_UNRESOLVED, f"结果未明的交易：{'、'.join(open_ones)}")
    if final := final_settlements(stay):
        return Refused(SETTLED_IN_FORCE, _settlement_texts(final))
    if stay.presence == "discharged":
        return Refused(discharged, _discharge_text(stay))
    return None


def final_settlements(stay: Stay) -> list[Settled]:
    """Settlements in force that end the stay; an interim one does not."""
    return [settled for settled in stay.settlements if not settled.interim]


def fee_change(case: Case) -> None:
    """2301, 2302 (ET07-02)."""
    if unknown(case.stay, "2405"):
        raise Refused(DISCHARGE_UNDO_UNKNOWN)
    if final := final_settlements(case.stay):
        raise Refused(FEES_AFTER_DISCHARGE, f"{_settlement_texts(final)}，请先撤销结算(2305)再撤销出院(2405)")
    if case.stay.presence == "discharged":
        raise Refused(FEES_AFTER_DISCHARGE, _discharge_text(case.stay))


def cancel_discharge(case: Case) -> None:
    """2405 waits for 2305 (ET07-03)."""
    if final := final_settlements(case.stay):
        raise Refused(SETTLED_IN_FORCE, _settlement_texts(final))


def cancel_settlement(case: Case) -> None:
    """2305: not while its list is submitted or approved (ET07-05)."""
    _refuse_listed(case, [s for s in case.stay.settlements if s.setl_id == text(case.form, "setl_id")])


def cancel_admission(case: Case) -> None:
    """2404: not while fees or a settlement are in force (ET07-07)."""
    if case.stay.settlements:
        raise Refused(CANCEL_WITH_FEES, _settlement_texts(list(case.stay.settlements)))
    if case.stay.fees:
        raise Refused(CANCEL_WITH_FEES, f"费用 {len(case.stay.fees)} 条：{fee_texts(case.stay.fees)}")


def reversal(case: Case) -> None:
    """2601 of a 2401 or 2304 is guarded as the 2404 or 2305 that would do the same."""
    original = text(case.form, "oinfno")[:4]
    if original == "2401":
        cancel_admission(case)
    elif original == "2304":
        _refuse_listed(case, list(case.stay.settlements[-1:]))


def _refuse_listed(case: Case, settlements: list[Settled]) -> None:
    if case.policy.listed_settlement == "allow":
        return
    if submitted := [settled for settled in settlements if settled.list_status in _SUBMITTED]:
        status = {"1": "已提交", "2": "审核通过"}[submitted[0].list_status]
        raise Refused(LIST_SUBMITTED, f"结算ID {submitted[0].setl_id}，清单状态 {status}")


def _settlement_texts(settlements: list[Settled]) -> str:
    return listed([f"结算ID {settled.setl_id}（{shown(settled.at)}）" for settled in settlements])


def _discharge_text(stay: Stay) -> str:
    known = stay.times.t_dsc
    return f"出院时间 {shown(known.minute if known else None)}"
