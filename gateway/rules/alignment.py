"""ET-01: 入院时间 becomes 入科时间 by 2403, and nothing is settled before it has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from gateway.faults import (
    CHANGE_BEFORE_WARD,
    CHANGE_NOT_WARD,
    DISCHARGE_EARLY_FEES,
    SETTLE_NOT_ALIGNED,
    WARD_AFTER_DISCHARGE,
    WARD_BEFORE_REGISTRATION,
    WARD_IN_EARLIER_STAY,
    WARD_IN_FUTURE,
    Refused,
)
from gateway.rules import emergency
from gateway.rules.case import Case, listed
from gateway.rules.message import text
from gateway.rules.policy import Policy
from gateway.rules.stay import FeeRow, Moment, Stay
from gateway.rules.times import ahead_s, minute_of, shown

RULE = "ET-01"


def change(case: Case) -> None:
    """2403: carries ``t_ward``, whatever else it changes."""
    ward = case.stay.times.t_ward
    if ward is None:
        _before_ward_in(case)
        return
    not_in_future(case, ward)
    _begntime(case, ward)
    before_end(ward, text(case.form, "endtime"), day_of_death(case), case.stay.times.t_dsc)
    _after_earlier_stays(case.stay, ward)
    _reason(case, ward)
    _early_fees(case)


def settlement(case: Case) -> None:
    """2303, 2304, interim or final: only while aligned (ET01-06)."""
    times = case.stay.times
    if times.t_ward:
        not_in_future(case, times.t_ward)
    if case.stay.alignment != "aligned":
        raise Refused(SETTLE_NOT_ALIGNED, compared(case.stay))
    case.evidence[RULE] = compared(case.stay)
    if early := early_fees(case.stay, case.policy):
        case.warnings.append(f"存在早于入科时间的已上传费用：{fee_texts(early)}")


def compared(stay: Stay) -> str:
    """The two values, for every text that speaks of alignment."""
    times = stay.times
    ins = times.t_ins.minute if times.t_ins else None
    return f"医保入院时间 {shown(ins)} {'=' if stay.alignment == 'aligned' else '≠'} 入科时间 {shown_ward(stay)}"


def shown_ward(stay: Stay) -> str:
    """入科时间 as staff read it."""
    return shown(stay.times.t_ward.minute if stay.times.t_ward else None)


def not_in_future(case: Case, ward: Moment) -> None:
    """C6: whatever uses a time ahead of the clock is refused beyond the limit (ET01-03), else remarked."""
    ahead = ahead_s(ward, case.now)
    if ahead > case.policy.future_limit_s:
        raise Refused(WARD_IN_FUTURE, f"入科时间 {ward.raw}，当前时间 {case.now:%Y-%m-%d %H:%M:%S}")
    if ahead > 0:
        case.warnings.append(f"入科时间 {ward.raw} 超前网关时钟 {ahead:.0f} 秒，请核对时钟")


def before_end(ward: Moment, endtime: str, died: date | None, known: Moment | None = None) -> None:
    """ET01-04: the ward-in comes before the discharge, and not after the day of death."""
    ends = [end for end in (minute_of(endtime), known.minute if known else None) if end]
    if (end := min(ends, default=None)) and ward.minute >= end:
        raise Refused(WARD_AFTER_DISCHARGE, f"入科时间 {shown(ward.minute)}，出院时间 {shown(end)}")
    if died and ward.minute.date() > died:
        raise Refused(WARD_AFTER_DISCHARGE, f"入科时间 {shown(ward.minute)}，死亡日期 {died}")


def _dead(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) and value else None
    except ValueError:
        return None


def day_of_death(case: Case) -> date | None:
    """``die_date`` of the message, else what is known of the stay."""
    return _dead(case.form.get("die_date")) or case.stay.died


def _before_ward_in(case: Case) -> None:
    """Nobody is in a ward yet: other fields may change, the time stays (ET01-02)."""
    ins, wanted = case.stay.times.t_ins, minute_of(case.form.get("begntime"))
    if ins and not case.form.get("begntime"):
        _put(case, f"{ins.instant:%Y-%m-%d %H:%M:%S}", "患者尚未入科，沿用医保入院时间")
    elif ins is None or wanted != ins.minute:
        raise Refused(
            CHANGE_BEFORE_WARD, f"医保入院时间 {shown(ins.minute if ins else None)}，当前拟上传 {_wanted(case)}"
        )


def _begntime(case: Case, ward: Moment) -> None:
    wanted = minute_of(case.form.get("begntime"))
    if wanted == ward.minute:
        case.amend(RULE, "begntime", ward.text)  # seconds are cut without a word: it is the same minute (C5)
        return
    registered = case.stay.times.t_reg
    old = not case.form.get("begntime") or (registered is not None and wanted == registered.minute)
    if not (old and case.stay.alignment == "aligned"):
        raise Refused(CHANGE_NOT_WARD, f"入科时间 {shown(ward.minute)}，当前拟上传 {_wanted(case)}")
    _put(case, ward.text, "入院时间已改为入科时间")


def _put(case: Case, time: str, why: str) -> None:
    case.warnings.append(f"{why}：{time}（原为 {_wanted(case)}）")
    case.amend(RULE, "begntime", time)


def _wanted(case: Case) -> str:
    return text(case.form, "begntime") or "空"


def _after_earlier_stays(stay: Stay, ward: Moment) -> None:
    """ET01-05: the patient cannot be in this ward while in another stay."""
    registered = stay.times.t_reg.minute if stay.times.t_reg else ward.minute
    for other in stay.earlier:
        began, ended = other.begntime, other.endtime
        earlier = began is None or began.minute <= max(registered, ward.minute)
        if ended and earlier and ward.minute < ended.minute:
            raise Refused(
                WARD_IN_EARLIER_STAY,
                f"入科时间 {shown(ward.minute)}，上次住院 {other.ipt_no or other.mdtrt_id} 出院时间 {shown(ended.minute)}",
            )


def _reason(case: Case, ward: Moment) -> None:
    """ET01-07: ward first, registration later (green channel) needs a reason, and may be limited."""
    registered = case.stay.times.t_reg
    if registered is None or ward.minute >= registered.minute:
        return
    detail = f"入科时间 {shown(ward.minute)}，入院登记时间 {shown(registered.minute)}"
    hours = case.policy.ward_before_registration_h_max
    if hours is not None and registered.minute - ward.minute > timedelta(hours=hours):
        raise Refused(WARD_BEFORE_REGISTRATION, f"{detail}，相差超过 {hours} 小时")
    reason = case.stay.ward_in.reason if case.stay.ward_in else ""
    if not reason:
        raise Refused(WARD_BEFORE_REGISTRATION, detail)
    case.evidence["ET01-07"] = f"{detail}，原因：{reason}"


# ------------------------------------------------------------------ fees left before the ward-in


def early_fees(stay: Stay, policy: Policy) -> list[FeeRow]:
    """Uploaded rows in force that occurred before ``t_ward`` and do not belong to the emergency set of ET-10."""
    if stay.times.t_ward is None:
        return []
    ward = stay.times.t_ward.minute
    early = {fee.feedetl_sn for fee in stay.fees if fee.occurred and fee.occurred.minute < ward}
    if not early:
        return []
    emergency_rows = {text(row, "feedetl_sn") for row in emergency.window(stay, policy).rows_in}
    return [fee for fee in stay.fees if fee.feedetl_sn in early and not _is_emergency(fee, emergency_rows)]


def _is_emergency(fee: FeeRow, rows: set[str]) -> bool:
    return fee.feedetl_sn in rows or fee.init_feedetl_sn in rows


def fee_texts(fees: Sequence[FeeRow]) -> str:
    """``feedetl_sn`` and time of some rows."""
    return listed([f"{fee.feedetl_sn}({shown(fee.occurred.minute if fee.occurred else None)})" for fee in fees])


def _early_fees(case: Case) -> None:
    early = early_fees(case.stay, case.policy)
    if not early:
        return
    detail = f"入科时间 {shown_ward(case.stay)}，{fee_texts(early)}"
    if case.policy.early_fees_in_change == "refuse":
        raise Refused(DISCHARGE_EARLY_FEES, detail)
    case.warnings.append(f"已上传费用早于入科时间，请纳入急诊急救、更正时间或撤销重传，否则不能办理出院：{detail}")


def late_fees(stay: Stay, end: datetime) -> list[FeeRow]:
    """Uploaded rows after the discharge time (ET-07: a changed ``t_dsc`` re-checks the fees)."""
    return [fee for fee in stay.fees if fee.occurred and fee.occurred.minute > end]
