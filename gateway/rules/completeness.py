"""ET-03: diagnoses go up whole and in order, operations as many as the transaction carries; nothing clinical is added."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.faults import (
    DIAGNOSES_INCOMPLETE,
    DIAGNOSES_TOO_MANY,
    OPERATION_CODE_MISSING,
    OPERATION_MAIN,
    OPERATIONS_INCOMPLETE,
    Refused,
)
from gateway.rules.case import Case, listed
from gateway.rules.message import Row, text
from gateway.rules.stay import Stay

RULE: Final = "ET-03"
DIAGNOSES_MAX: Final = 99
"""``diag_srt_no`` has two digits."""
MAIN: Final = "1"
_NOTHING: Final = frozenset({"", "无", "-", "—", "--", "/", "\\", "无手术", "NULL", "null"})
"""What some systems write where there is no operation; the field must be absent instead (ET-03 edge)."""
_SEVERAL: Final = re.compile(r"[,，;；、|]+")
_INVALID: Final = "0"

Result = Literal["完整", "不完整", "未核对"]


@dataclass(frozen=True, slots=True)
class Completeness:
    """Comparison of the hospital's record, the bytes sent, and what 5202 shows."""

    result: Result
    told: int | None
    """Diagnoses in the hospital's record; None without a record, and then the result is never 完整."""
    sent: int | None
    shown: int | None
    """Diagnoses 5202 shows; None before it was asked."""
    problems: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    """平台多余诊断: shown by the platform, no longer in what was sent."""


def completeness(stay: Stay) -> Completeness:
    """How the last acknowledged upload of diagnoses compares (vectors 34, 35)."""
    told = valid(stay.diagnoses.rows) if stay.diagnoses else None
    sent = ordered(stay.uploaded.rows) if stay.uploaded else None
    shown = ordered(stay.uploaded.read_back) if stay.uploaded and stay.uploaded.read_back is not None else None
    extra = surplus(sent or [], shown or [])
    problems = [
        *(difference("院内记录", told, "上传", sent) if told is not None and sent is not None else ()),
        *(_lost(sent, shown, extra) if sent is not None and shown is not None else ()),
    ]
    checked = told is not None and sent is not None and shown is not None
    result: Result = "不完整" if problems else "完整" if checked else "未核对"
    return Completeness(result, _count(told), _count(sent), _count(shown), tuple(problems), tuple(_named(extra)))


def _count(rows: Sequence[Row] | None) -> int | None:
    return None if rows is None else len(rows)


def verified(stay: Stay) -> Refused | None:
    """ET03-02 where the platform shows less than was sent, or something else was sent than was told."""
    found = completeness(stay)
    return Refused(DIAGNOSES_INCOMPLETE, "；".join(found.problems)) if found.problems else None


def valid(rows: Sequence[Row]) -> list[Row]:
    """Diagnoses of a record that count, in their order; a row marked invalid does not."""
    return ordered([row for row in rows if text(row, "vali_flag") != _INVALID])


def ordered(rows: Sequence[Row]) -> list[Row]:
    """By ``diag_srt_no`` where every row has one, else as they stand (4101A has none)."""
    if any(not text(row, "diag_srt_no").isdecimal() for row in rows):
        return list(rows)
    return sorted(rows, key=lambda row: int(text(row, "diag_srt_no")))


def difference(name: str, expected: Sequence[Row], other: str, found: Sequence[Row]) -> list[str]:
    """What differs in count, code or order, and whether there is exactly one main diagnosis."""
    wanted, have = _codes(expected), _codes(found)
    problems = []
    if len(wanted) != len(have):
        problems.append(f"应传 {len(wanted)} 条，实传 {len(have)} 条")
    if Counter(wanted) != Counter(have):
        lacking, more = Counter(wanted) - Counter(have), Counter(have) - Counter(wanted)
        if lacking:
            problems.append(f"{other}缺少 {listed(sorted(lacking.elements()))}")
        if more:
            problems.append(f"{name}没有 {listed(sorted(more.elements()))}")
    elif wanted != have:
        problems.append(f"顺序不同：{name} {listed(wanted)}，{other} {listed(have)}")
    mains = sum(text(row, "maindiag_flag") == MAIN for row in found if not _traditional(row))
    if have and mains != 1 and not all(_traditional(row) for row in found):
        problems.append(f"主诊断应恰好一个，现有 {mains} 个")
    return problems


def _traditional(row: Row) -> bool:
    """中医 diagnoses count as diagnoses, but 主病 and 主证 carry main flags of their own."""
    return text(row, "diag_type") in ("2", "3", "4")


def surplus(sent: Sequence[Row], shown: Sequence[Row]) -> list[Row]:
    """Rows the platform shows beyond those sent: it keys by ``diag_srt_no`` and cannot delete."""
    numbers = {text(row, "diag_srt_no") for row in sent}
    return [row for row in shown if text(row, "diag_srt_no") not in numbers] if numbers != {""} else []


def _lost(sent: Sequence[Row], shown: Sequence[Row], extra: Sequence[Row]) -> list[str]:
    rest = [row for row in shown if row not in extra]
    found = difference("上传", sent, "平台", rest)
    return [problem.replace("实传", "平台显示") for problem in found]


def _codes(rows: Sequence[Row]) -> list[str]:
    return [text(row, "diag_code") for row in rows]


def _named(rows: Sequence[Row]) -> list[str]:
    return [f"{text(row, 'diag_srt_no')} {text(row, 'diag_code')} {text(row, 'diag_name')}" for row in rows]


# ------------------------------------------------------------------ diagnoses of a transaction


def diagnoses(case: Case) -> None:
    """2401, 2402, 2403, 4101: what is sent is what the hospital told (ET03-02, ET03-04)."""
    sent = case.own_rows("diseinfo")
    record = case.stay.diagnoses
    if max(len(sent), len(record.rows) if record else 0) > DIAGNOSES_MAX:
        raise Refused(DIAGNOSES_TOO_MANY, f"院内 {len(record.rows) if record else 0} 条，上传 {len(sent)} 条")
    if record is None:
        _unchecked(case, len(sent))
        return
    told = valid(record.rows)
    if problems := difference("院内记录", told, "上传", ordered(sent)):
        raise Refused(DIAGNOSES_INCOMPLETE, f"{'；'.join(problems)}（院内记录版本 {record.version}）")
    case.evidence[f"{RULE} 诊断"] = (
        f"院内记录版本 {record.version} 共 {len(told)} 条，上传 {len(sent)} 条，编码与顺序一致"
    )
    _number_anew(case, sent)
    _surplus(case)


def _unchecked(case: Case, sent: int) -> None:
    if case.policy.require_record:
        raise Refused(DIAGNOSES_INCOMPLETE, f"未核对：HIS 没有告知诊断记录，实传 {sent} 条")
    case.evidence[f"{RULE} 诊断"] = f"未核对：HIS 没有告知诊断记录，上传 {sent} 条"
    if case.infno[:4] == "2402":
        _surplus(case)


def _number_anew(case: Case, sent: Sequence[Row]) -> None:
    """After a removal the remaining ones are 1 to n; only where the whole list is known to be there."""
    rows = ordered(sent)
    if any("diag_srt_no" not in row for row in rows) or case.infno[:4] not in ("2402", "2403"):
        return
    if [int(text(row, "diag_srt_no")) for row in rows] != list(range(1, len(rows) + 1)):
        renumbered: list[Row] = [{**row, "diag_srt_no": number} for number, row in enumerate(rows, start=1)]
        case.amend_rows(RULE, "diseinfo", renumbered, "diag_srt_no")
        case.warnings.append(f"诊断排序号已按顺序重排为 1 至 {len(rows)}")


def _surplus(case: Case) -> None:
    """2402 while 5202 still shows what was removed: never filled, but told."""
    found = completeness(case.stay).surplus
    if not found or case.infno[:4] != "2402":
        return
    detail = f"平台多余诊断：{listed(list(found))}"
    if case.policy.surplus_diagnosis == "refuse":
        raise Refused(DIAGNOSES_INCOMPLETE, detail)
    case.warnings.append(detail)


# ------------------------------------------------------------------ operations of a transaction


def operations(case: Case) -> None:
    """The main operation where one can be carried, all of them with the main one first where several can."""
    record = [row for row in case.stay.operations.rows if not is_blank(row)] if case.stay.operations else None
    if record:
        _one_main(record)
    if case.table.operations_of(case.infno) == "multi":
        _all(case, record)
    else:
        _main_only(case, record)


def is_blank(row: Row) -> bool:
    """A placeholder row of a system that writes 无 where there is no operation."""
    return text(row, "oprn_oprt_code") in _NOTHING and text(row, "oprn_oprt_name") in _NOTHING


def _one_main(rows: Sequence[Row]) -> Row:
    """The coder's flag decides, never the first row. Raises ``Refused`` ET03-01, ET03-03."""
    mains = [row for row in rows if text(row, "oprn_oprt_type") == MAIN]
    if len(mains) != 1:
        raise Refused(OPERATION_MAIN, f"手术 {len(rows)} 台，主手术标识 {len(mains)} 个：{listed(_names(rows))}")
    if uncoded := [row for row in rows if text(row, "oprn_oprt_code") in _NOTHING]:
        raise Refused(OPERATION_CODE_MISSING, listed(_names(uncoded)))
    return mains[0]


def _names(rows: Sequence[Row]) -> list[str]:
    return [f"{text(row, 'oprn_oprt_code')} {text(row, 'oprn_oprt_name')}".strip() for row in rows]


def _main_only(case: Case, record: Sequence[Row] | None) -> None:
    given = text(case.form, "oprn_oprt_code")
    if given in _NOTHING:
        _take_out(case, record)
        return
    codes = [code for code in _SEVERAL.split(given) if code]
    if record is None:
        if len(codes) > 1:
            raise Refused(
                OPERATION_MAIN, f"一次只能带一台手术，报文有 {len(codes)} 台：{listed(codes)}，而 HIS 没有告知手术记录"
            )
        return
    main = next((row for row in record if text(row, "oprn_oprt_type") == MAIN), None)
    known = {text(row, "oprn_oprt_code") for row in record}
    if main is None or not known.issuperset(codes):
        case.warnings.append(f"报文的手术 {listed(codes)} 不在院内手术记录中，请核对")
        return
    _reduce(case, main, codes)


def _reduce(case: Case, main: Row, codes: Sequence[str]) -> None:
    code, name = text(main, "oprn_oprt_code"), text(main, "oprn_oprt_name")
    if list(codes) == [code] and not _SEVERAL.search(text(case.form, "oprn_oprt_name")):
        return
    case.warnings.append(f"手术已减为主手术 {code} {name}（原为 {listed(list(codes))}）")
    case.amend(RULE, "oprn_oprt_code", code)
    case.amend(RULE, "oprn_oprt_name", name or None)


def _take_out(case: Case, record: Sequence[Row] | None) -> None:
    """No operation: the fields are absent, never 无 or ``-``. One that was told is not added, but missed."""
    for name in ("oprn_oprt_code", "oprn_oprt_name"):
        if name in case.form and text(case.form, name) in _NOTHING:
            case.amend(RULE, name, None)
    if record:
        case.warnings.append(f"院内记录有手术 {listed(_names(record))}，报文没有带主手术")


def _all(case: Case, record: Sequence[Row] | None) -> None:
    sent = [row for row in case.rows("oprninfo") if not is_blank(row)]
    if sent:
        _one_main(sent)
    if record is not None:
        lacking = Counter(text(row, "oprn_oprt_code") for row in record)
        lacking -= Counter(text(row, "oprn_oprt_code") for row in sent)
        if lacking:
            detail = f"应传 {len(record)} 台，实传 {len(sent)} 台，缺少 {listed(sorted(lacking.elements()))}"
            raise Refused(OPERATIONS_INCOMPLETE, detail)
    main_first = sorted(sent, key=lambda row: text(row, "oprn_oprt_type") != MAIN)
    case.amend_rows(RULE, "oprninfo", main_first, "oprn_oprt_code")
