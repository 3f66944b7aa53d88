"""ET-02: discharge waits for the ward-in and for its acknowledged change; ET07-06: nobody is discharged twice."""

from __future__ import annotations

from gateway.faults import (
    DISCHARGE_CANCELLED,
    DISCHARGE_CHANGE_UNKNOWN,
    DISCHARGE_EARLY_FEES,
    DISCHARGE_NO_WARD,
    DISCHARGE_NOT_ALIGNED,
    DISCHARGE_REPEATED,
    DISCHARGE_UNDO_UNKNOWN,
    DISCHARGE_WARD_CORRECTED,
    Refused,
)
from gateway.rules.alignment import (
    before_end,
    compared,
    day_of_death,
    early_fees,
    fee_texts,
    late_fees,
    not_in_future,
    shown_ward,
)
from gateway.rules.case import Case
from gateway.rules.message import text
from gateway.rules.stay import Stay
from gateway.rules.times import ahead_s, minute_of, moment, shown

RULE = "ET-02"


def discharge(case: Case) -> None:
    """2402. An identical repeat is answered from the journal before any rule is asked."""
    _presence(case)
    if unknown(case.stay, "2403"):
        raise Refused(DISCHARGE_CHANGE_UNKNOWN, compared(case.stay))
    ward = case.stay.times.t_ward
    if ward is None:
        raise Refused(DISCHARGE_NO_WARD)
    not_in_future(case, ward)
    _aligned(case)
    before_end(ward, text(case.form, "endtime"), day_of_death(case))
    _fees(case)


def unknown(stay: Stay, *numbers: str) -> list[str]:
    """Those of these transactions that nobody knows the end of."""
    return [one.infno for one in stay.unknown if one.infno[:4] in numbers]


def missing(case: Case) -> Refused | None:
    """What a discharge is refused for now, whatever its end time; for screens that show what is still missing."""
    try:
        discharge(case)
    except Refused as refusal:
        return refusal
    return None


def _presence(case: Case) -> None:
    if case.stay.presence == "cancelled":
        raise Refused(DISCHARGE_CANCELLED, f"就诊ID {case.stay.mdtrt_id}")
    if case.stay.presence != "discharged":
        return
    if unknown(case.stay, "2405"):
        raise Refused(DISCHARGE_UNDO_UNKNOWN)
    known = case.stay.times.t_dsc
    wanted = text(case.form, "endtime")
    before = f"已按出院时间 {shown(known.minute if known else None)} 办理"
    raise Refused(DISCHARGE_REPEATED, f"{before}，当前拟上传 {wanted}" if wanted else before)


def _aligned(case: Case) -> None:
    stay = case.stay
    if stay.alignment != "aligned":
        if _corrected_since(stay):
            raise Refused(DISCHARGE_WARD_CORRECTED, f"{compared(stay)}，禁止出院办理")
        raise Refused(DISCHARGE_NOT_ALIGNED, f"{compared(stay)}，禁止出院办理")
    if stay.changed_to is None and case.policy.require_2403_call:
        raise Refused(DISCHARGE_NOT_ALIGNED, f"{compared(stay)}，但没有办理过入院信息变更，禁止出院办理")
    origin = stay.times.t_ins.origin if stay.times.t_ins else ""
    case.evidence[RULE] = f"{compared(stay)}（医保入院时间来自 {origin}）"


def _corrected_since(stay: Stay) -> bool:
    """The change was right when it was made; the ward-in was corrected after it (ET02-04)."""
    before, changed = stay.ward_at_change, stay.changed_to
    return (
        before is not None
        and changed is not None
        and before.minute == changed.minute
        and stay.times.t_ins is not None
        and stay.times.t_ins.minute == changed.minute
    )


def _fees(case: Case) -> None:
    """What ET-01 left: fees before the ward-in; and fees after the discharge are pointed out (ET-07)."""
    if early := early_fees(case.stay, case.policy):
        detail = f"入科时间 {shown_ward(case.stay)}，{fee_texts(early)}"
        if case.policy.early_fees_in_discharge == "refuse":
            raise Refused(DISCHARGE_EARLY_FEES, detail)
        case.warnings.append(f"存在早于入科时间的已上传费用：{detail}")
    end = minute_of(text(case.form, "endtime"))
    if end and (late := late_fees(case.stay, end)):
        case.warnings.append(f"存在晚于出院时间 {shown(end)} 的已上传费用：{fee_texts(late)}")
    told = moment(text(case.form, "endtime"), "2402")
    if told and ahead_s(told, case.now) > 0:
        case.warnings.append(f"出院时间 {told.raw} 晚于当前时间 {case.now:%Y-%m-%d %H:%M:%S}")
