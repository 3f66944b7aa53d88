"""ET-09: the settlement drives, the settlement list and the DIP system follow."""

from __future__ import annotations

from typing import Final

from gateway.faults import LIST_STATE, LIST_TIME_DIFFERS, Refused
from gateway.rules.case import Case
from gateway.rules.message import text
from gateway.rules.times import minute_of, shown

RULE = "ET-09"
STATES: Final = {"0": "未提交", "1": "已提交", "2": "审核通过", "3": "审核不通过"}
"""``stas_type`` of a settlement list (4102)."""
_MOVES: Final = frozenset({("0", "1"), ("3", "0"), ("3", "1")})
"""What an institution may do (4102.yaml)."""


def editable(case: Case) -> None:
    """4101, 4101A: only a list that is not submitted can be uploaded anew (GW-1427)."""
    setl_id = text(case.form, "setl_id")
    status = next((one.list_status for one in case.stay.settlements if one.setl_id == setl_id), "")
    if status not in ("", "0"):
        raise Refused(LIST_STATE, f"结算ID {setl_id} 的清单{STATES.get(status, status)}，不能重新上传")


def status_change(case: Case) -> None:
    """4102: 0 to 1, 3 to 0 or 1 (GW-1427); a list that the gateway knows nothing of passes, 未核对."""
    known = {one.setl_id: one for one in case.stay.settlements}
    for row in case.rows("stastinfo"):
        setl_id, wanted = text(row, "setl_id"), text(row, "stas_type")
        settled = known.get(setl_id)
        if settled is None:
            continue
        before = settled.list_status or ("0" if settled.listed else "")
        if before and before != wanted and (before, wanted) not in _MOVES:
            names = STATES.get(before, before), STATES.get(wanted, wanted)
            raise Refused(LIST_STATE, f"结算ID {setl_id} 的清单{names[0]}，不能改为{names[1]}")


def settlement_list(case: Case) -> None:
    """4101, 4101A: its times are those of the settlement (ET09-01)."""
    setl_id = text(case.form, "setl_id")
    settled = next((one for one in case.stay.settlements if one.setl_id == setl_id), None)
    if settled is None or settled.t_set is None:
        case.evidence[RULE] = f"未核对：网关没有结算 {setl_id} 的入院时间"
        return
    _same(case, "adm_time", "入院时间", settled.t_set.text)
    if case.stay.times.t_dsc:
        _same(case, "dscg_time", "出院时间", case.stay.times.t_dsc.text)
    _first_ward(case)


def _same(case: Case, name: str, label: str, expected: str) -> None:
    """To the minute where the field has it, to the day where it has only that."""
    given = text(case.form, name)
    if not given:
        case.warnings.append(f"结算清单没有带{label}（{name}），结算时为 {expected}")
        return
    found, wanted = minute_of(given), minute_of(expected)
    if found != wanted if found else given[:10] != expected[:10]:
        raise Refused(LIST_TIME_DIFFERS, f"清单{label} {given}，结算{label} {shown(wanted)}")
    case.evidence[f"{RULE} {name}"] = f"清单 {given} = 结算 {expected}"


def _first_ward(case: Case) -> None:
    """入院科别 is the ward of ``t_ward``; compared only where the list speaks in the hospital's ward codes."""
    wards, given = case.stay.wards, text(case.form, "adm_dept_code")
    if given in wards[1:] and given != wards[0]:
        case.warnings.append(f"结算清单入院科室 {given} 是转入科室，入科科室为 {wards[0]}")
