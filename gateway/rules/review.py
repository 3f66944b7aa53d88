"""医保审核 of one stay: what the rules would find wrong with its records, all of it at once (ET-05).

Nothing is refused here; each finding has the code of the rule that refuses for it where one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.faults import (
    DIAGNOSES_INCOMPLETE,
    DISCHARGE_EARLY_FEES,
    DISCHARGE_NO_WARD,
    DISCHARGE_NOT_ALIGNED,
    OPERATION_CODE_MISSING,
    OPERATION_MAIN,
    VISIT_UNRESOLVED,
    VOUCHER_TIME_DIFFERS,
)
from gateway.rules.alignment import compared, early_fees, fee_texts, late_fees
from gateway.rules.completeness import MAIN, completeness, is_blank
from gateway.rules.message import text
from gateway.rules.policy import Policy
from gateway.rules.stay import EpisodeTime, Stay
from gateway.rules.times import shown

TIMES, CLOSING, SURPLUS = "时间", "办结", "诊断"
"""What stands for a code where no rule refuses."""
TOPICS: Final = {
    VISIT_UNRESOLVED.code: "结果未明",
    DISCHARGE_NO_WARD.code: "没有入科",
    DISCHARGE_NOT_ALIGNED.code: "未变更入院时间",
    VOUCHER_TIME_DIFFERS.code: "结算的入院时间不同",
    OPERATION_MAIN.code: "主手术",
    OPERATION_CODE_MISSING.code: "手术没有编码",
    DIAGNOSES_INCOMPLETE.code: "诊断上传不全",
    DISCHARGE_EARLY_FEES.code: "费用早于入科",
}
"""What the findings of each code are about, for a list of them."""
_UNSETTLED: Final = frozenset({"none", "pre_settled", "interim"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should look at.

    Args:
        code: of the rule (``ET03-01``), else a word for its kind.
    """

    code: str
    text: str


def findings(stay: Stay, policy: Policy) -> tuple[Finding, ...]:
    """Everything that is wrong with a stay now; nothing for one whose admission was cancelled."""
    if stay.presence == "cancelled":
        return ()
    found = (_unknown(stay), _times(stay), _operations(stay), _diagnoses(stay), _fees(stay, policy), _closing(stay))
    return tuple(one for part in found for one in part)


def _unknown(stay: Stay) -> Iterator[Finding]:
    for one in stay.unknown:
        yield Finding(VISIT_UNRESOLVED.code, f"{one.infno} 结果未明（交易日志 {one.exchange_id}）")


def _times(stay: Stay) -> Iterator[Finding]:
    times = stay.times
    if times.t_ward is None:
        yield Finding(DISCHARGE_NO_WARD.code, "没有入科时间")
    elif stay.alignment == "differs":
        yield Finding(DISCHARGE_NOT_ALIGNED.code, compared(stay))
    if stay.presence == "discharged" and times.t_wout is None:
        yield Finding(TIMES, "已出院，没有出科时间")
    yield from _order(times)
    for settled in stay.settlements:
        if settled.t_set and times.t_ward and settled.t_set.minute != times.t_ward.minute:
            said = f"结算 {settled.setl_id} 的入院时间 {shown(settled.t_set.minute)} ≠ 入科时间 {shown(times.t_ward.minute)}"
            yield Finding(VOUCHER_TIME_DIFFERS.code, said)


def _order(times: EpisodeTime) -> Iterator[Finding]:
    named = (("入科时间", times.t_ward), ("出科时间", times.t_wout), ("出院时间", times.t_dsc))
    known = [(label, one.minute) for label, one in named if one is not None]
    for (label, first), (other, second) in pairwise(known):
        if second < first:
            yield Finding(TIMES, f"{other} {shown(second)} 早于{label} {shown(first)}")


def _operations(stay: Stay) -> Iterator[Finding]:
    rows = [row for row in (stay.operations.rows if stay.operations else ()) if not is_blank(row)]
    mains = sum(text(row, "oprn_oprt_type") == MAIN for row in rows)
    if rows and mains != 1:
        yield Finding(OPERATION_MAIN.code, f"手术 {len(rows)} 台，主手术 {mains} 台")
    if uncoded := sum(not text(row, "oprn_oprt_code") for row in rows):
        yield Finding(OPERATION_CODE_MISSING.code, f"{uncoded} 台手术没有医保编码")


def _diagnoses(stay: Stay) -> Iterator[Finding]:
    found = completeness(stay)
    if found.problems:
        yield Finding(DIAGNOSES_INCOMPLETE.code, "；".join(found.problems))
    for one in found.surplus:
        yield Finding(SURPLUS, f"平台多余诊断：{one}")


def _fees(stay: Stay, policy: Policy) -> Iterator[Finding]:
    if early := early_fees(stay, policy):
        yield Finding(DISCHARGE_EARLY_FEES.code, f"早于入科时间的费用 {len(early)} 行：{fee_texts(early)}")
    ended = stay.times.t_dsc
    if ended and (late := late_fees(stay, ended.minute)):
        yield Finding(TIMES, f"晚于出院时间的费用 {len(late)} 行：{fee_texts(late)}")


def _closing(stay: Stay) -> Iterator[Finding]:
    if stay.presence != "discharged":
        return
    if stay.settlement in _UNSETTLED:
        yield Finding(CLOSING, "已出院，未结算")
    elif stay.settlement == "settled":
        yield Finding(CLOSING, "已结算，清单未上传")
