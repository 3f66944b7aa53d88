"""ET-13: 普通住院 may become 日间手术 before discharge and settlement; nothing else may change its kind of care."""

from __future__ import annotations

from datetime import timedelta

from gateway.faults import (
    CATEGORY_DISCHARGED,
    CATEGORY_FIELDS,
    CATEGORY_NOT_LISTED,
    CATEGORY_PATH,
    CATEGORY_SETTLED,
    Refused,
)
from gateway.rules.case import Case
from gateway.rules.message import text

RULE = "ET-13"
_FIELDS = ("dise_codg", "dise_name", "oprn_oprt_code", "oprn_oprt_name")


def category(case: Case) -> None:
    """2403 whose ``med_type`` differs from the acknowledged one."""
    before, after = case.stay.med_type, text(case.form, "med_type")
    if not before or not after or before == after:
        return
    if case.stay.settlements:
        raise Refused(CATEGORY_SETTLED, f"结算ID {case.stay.settlements[-1].setl_id}")
    if case.stay.presence == "discharged":
        raise Refused(CATEGORY_DISCHARGED)
    to_day_surgery = before in case.table.ordinary and after in case.table.day_surgery
    compared = ""
    if to_day_surgery:
        compared = _day_surgery(case)
    elif not _allowed(case, before, after):
        raise Refused(CATEGORY_PATH, f"医疗类别 {before} → {after}")
    case.evidence[RULE] = f"医疗类别 {before} → {after}{compared}"


def _allowed(case: Case, before: str, after: str) -> bool:
    back = before in case.table.day_surgery and after in case.table.ordinary and case.policy.reverse_category_change
    return back or (before, after) in case.policy.category_changes


def _day_surgery(case: Case) -> str:
    """What was compared, for the evidence."""
    if lacking := [name for name in _FIELDS if not text(case.form, name)]:
        raise Refused(CATEGORY_FIELDS, f"缺少 {'、'.join(lacking)}")
    entry, operation = text(case.form, "dise_codg"), text(case.form, "oprn_oprt_code")
    if case.day_surgery is None:
        case.warnings.append("没有日间手术病种目录（1311），主手术未核对")
    elif entry not in case.day_surgery or operation not in case.day_surgery[entry].operations:
        raise Refused(CATEGORY_NOT_LISTED, f"病种 {entry}，主手术 {operation}")
    ward = case.stay.times.t_ward
    hours = case.policy.day_surgery_warn_h
    if ward and case.now - ward.minute > timedelta(hours=hours):
        case.warnings.append(f"入科已超过 {hours} 小时，请核对是否符合日间手术")
    checked = "未核对" if case.day_surgery is None else "在目录（1311）之内"
    return f"，病种 {entry}，主手术 {operation} {checked}"
