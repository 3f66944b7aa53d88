"""Which fee rows of a stay go to the platform now, and why the others do not: a comparison, nothing is sent here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.contract.model import Problem
from gateway.exchange.call import Reply
from gateway.faults import CONTENT_WRONG
from gateway.rules.stay import FeeRow, Stay
from gateway.rules.times import moment
from gateway.stays.desk import Judged
from gateway.stays.facts import ALL_FEES, base
from gateway.stays.hospital import WrongRow

UPLOAD: Final = "2301"
REMOVAL: Final = "2302"
NODE: Final = "feedetail"
REFUND: Final = "refund"
_SHOWN: Final = ("fee_ocur_time", "medins_list_codg", "medins_list_name", "cnt", "pric", "det_item_fee_sumamt")
"""What of a row lets a person find it in the HIS."""
_COMPARED: Final = {
    "cnt": "数量",
    "det_item_fee_sumamt": "金额",
    "fee_ocur_time": "时间",
    "med_list_codg": "医疗目录编码",
    "medins_list_codg": "院内项目编码",
}
"""What of a row is compared with the same row at the platform."""
LASTING: Final = frozenset({"before_ward", "changed", "gone", "taken_back", REFUND})
"""Reasons that stand until the row, the stay or the platform's rows are others."""
_REASON_CHARS_MAX: Final = 300
_VALUE_CHARS_MAX: Final = 100

NATIONAL: Final = "med_list_codg"

Row = Mapping[str, Any]
CodeOf = Callable[[str], tuple[str, str]]
"""Local item -> its national code, or an empty one and why."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing wrong with a row.

    Args:
        field: its name in the national table; empty where it is the row as a whole.
        rule: of the contract (``Problem.rule``), or ``platform``, ``his``, ``before_ward``, ``changed``, ``gone``, ``twice``,
            ``taken_back``, ``refund``, ``unmapped``.
    """

    rule: str
    text: str
    field: str = ""
    label: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """A row that was not uploaded, and why; ``feedetl_sn`` is empty where it is the whole stay."""

    ipt_no: str
    mdtrt_id: str
    feedetl_sn: str
    code: str
    reason: str
    wrong: tuple[Wrong, ...] = ()
    row: tuple[tuple[str, str], ...] = ()

    def told(self) -> dict[str, str]:
        """Where, which row, which code and why, as a run's details have it."""
        texts = {"ipt_no": self.ipt_no, "mdtrt_id": self.mdtrt_id, "feedetl_sn": self.feedetl_sn}
        return {name: value for name, value in {**texts, "code": self.code, "reason": self.reason}.items() if value}

    @classmethod
    def kept(cls, ipt_no: str, mdtrt_id: str, one: Mapping[str, Any]) -> Left:
        """What :meth:`explained` gave."""
        wrong = tuple(Wrong(**each) for each in one["wrong"])
        return cls(ipt_no, mdtrt_id, one["feedetl_sn"], one["code"], one["reason"], wrong, tuple(one["row"].items()))

    def explained(self) -> dict[str, Any]:
        """The same with field, value and rule, and what lets a person find the row."""
        found = [{name: getattr(one, name) for name in Wrong.__slots__} for one in self.wrong]
        return {"feedetl_sn": self.feedetl_sn, "code": self.code, "reason": self.reason, "wrong": found,
                "row": dict(self.row)}  # fmt: skip


def row_left(row: Row, stay: Stay, code: str, wrong: Sequence[Wrong]) -> Left:
    """A row that stays behind for these reasons."""
    reason = "；".join(one.text for one in wrong)[:_REASON_CHARS_MAX]
    number = str(row.get("feedetl_sn", ""))
    return Left(stay.ipt_no, stay.mdtrt_id, number, code, reason, tuple(wrong), _excerpt(row))


def row_unread(one: WrongRow, ipt_no: str) -> Left:
    """A row of the HIS that cannot be used at all."""
    wrong = tuple(Wrong("his", text) for text in one.problems)
    return Left(ipt_no, "", one.row_id, "", "；".join(one.problems)[:_REASON_CHARS_MAX], wrong)


def _excerpt(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(row[name])[:_VALUE_CHARS_MAX]) for name in _SHOWN if row.get(name) not in (None, ""))


def not_now(stay: Stay, *, told: bool) -> str:
    """Why nothing of a stay is uploaded now; empty when it may be.

    Args:
        told: a person gave the rows.
    """
    if not stay.mdtrt_id or stay.presence == "cancelled":
        return "没有医保入院登记"
    if open_ones := [one for one in stay.unknown if base(one.infno) in (UPLOAD, REMOVAL)]:
        return f"{open_ones[0].infno} 结果未明（交易日志 {open_ones[0].exchange_id}），核实之前不上传"
    if stay.adopted and not told:
        return "启用网关之前的住院，此前上传过哪些费用网关不知道，请由人工上传（--with）"
    return ""


def sorted_out(
    rows: Sequence[Row], judged: Judged, code_of: CodeOf, *, told: bool = False
) -> tuple[list[Row], list[Left]]:
    """Rows to upload, a refund behind what it refunds; and those that are left, with the reason.

    Args:
        code_of: asked for the national code of rows that have none.
        told: a person gave the rows: what was taken back goes again, since a person says so.
    """
    stay = judged.stay
    taken_back = {} if told else _taken_back(judged)
    compared = _Compared(judged, frozenset(str(row["feedetl_sn"]) for row in rows), taken_back)
    unfit: list[Left] = []
    for row in sorted(rows, key=_order):
        number = str(row["feedetl_sn"])
        wrong = compared.wrong(number, row)
        if wrong is None and number not in compared.uploaded:
            row, wrong = _mapped(row, code_of)
        if wrong is not None:
            unfit.append(row_left(row, stay, "", [wrong]))
        elif number not in compared.uploaded:
            compared.fit[number] = row
    return list(compared.fit.values()), unfit


def _mapped(row: Row, code_of: CodeOf) -> tuple[Row, Wrong | None]:
    """A row with its national code, from the dictionary of items where the HIS does not give it with the row."""
    if row.get(NATIONAL):
        return row, None
    code, reason = code_of(str(row.get("medins_list_codg", "")))
    if code:
        return {**row, NATIONAL: code}, None
    return row, Wrong("unmapped", reason, NATIONAL, "医疗目录编码", str(row.get("medins_list_codg", "")))


def gone(judged: Judged, numbers: Collection[str], void: Collection[str], *, whole: bool) -> list[Left]:
    """Rows that the platform has, and the HIS has voided or no longer has.

    Settled ones cannot be taken back any more, and emergency fees come from the emergency visit (ET-10), not from the stay.

    Args:
        numbers: those of the HIS's rows that are in force.
        void: those of rows that it has voided.
        whole: ``numbers`` are all there are.
    """
    stay = judged.stay
    elsewhere = {str(row.get("feedetl_sn", "")) for visit in stay.emergency for row in visit.rows}
    found = []
    for fee in stay.fees:
        number = fee.feedetl_sn
        missing = number in void or (whole and number not in elsewhere)
        if missing and not fee.settled_by and number not in numbers:
            text = f"HIS 中已作废或删除，平台上仍有（数量 {fee.cnt:f}、金额 {fee.amount:f}）；请先撤销（2302）"
            row = {"feedetl_sn": number, "fee_ocur_time": fee.occurred.text if fee.occurred else "",
                   "cnt": f"{fee.cnt:f}", "det_item_fee_sumamt": f"{fee.amount:f}"}  # fmt: skip
            found.append(row_left(row, stay, "", [Wrong("gone", text, "feedetl_sn", "费用明细流水号", number)]))
    return found


def standing(count: int | None, total: Decimal | str, ward_in: str) -> str:
    """What of a stay decides about its rows beside the HIS: what the platform has (yuan), and 入科时间."""
    return f"{count}/{Decimal(total or 0):.2f} {ward_in}"


class _Compared:
    """Rows of one stay beside what the platform has of it."""

    def __init__(self, judged: Judged, numbers: frozenset[str], taken_back: Mapping[str, Row]) -> None:
        stay = judged.stay
        self.uploaded = {fee.feedetl_sn: fee for fee in stay.fees}
        self.fit: dict[str, Row] = {}
        self._numbers = numbers
        self._taken_back = taken_back
        self._ward = stay.times.t_ward.minute if stay.times.t_ward else None

    def wrong(self, number: str, row: Row) -> Wrong | None:
        """Why a row may not go; None when it may, or is there already."""
        if number in self.uploaded:
            return _changed(row, self.uploaded[number])
        if number in self.fit:
            return Wrong("twice", "费用明细流水号重复", "feedetl_sn", "费用明细流水号", number)
        if number in self._taken_back and not _corrected(row, self._taken_back[number]):
            text = "已按流水号撤销（2302），HIS 中没有改动，不再自动上传"
            return Wrong("taken_back", text, "feedetl_sn", "费用明细流水号", number)
        return self._early(row) or self._orphaned(row)

    def _early(self, row: Row) -> Wrong | None:
        told = str(row.get("fee_ocur_time", ""))
        occurred = moment(told, "fee")
        if self._ward is None or occurred is None or occurred.minute >= self._ward:
            return None
        text = "费用发生时间早于入科时间，请人工核对后处理"
        return Wrong("before_ward", text, "fee_ocur_time", "费用发生时间", told)

    def _orphaned(self, row: Row) -> Wrong | None:
        original = str(row.get("init_feedetl_sn") or "")
        if not original or original in self.fit or original in self.uploaded:
            return None
        known = original in self._numbers
        text = "所退的行没有上传" if known else "所退的行不在费用清单中，也没有上传"
        return Wrong(REFUND, text, "init_feedetl_sn", "原费用流水号", original)


def _order(row: Row) -> tuple[bool, str, str]:
    return bool(row.get("init_feedetl_sn")), str(row.get("fee_ocur_time", "")), str(row["feedetl_sn"])


def _changed(row: Row, uploaded: FeeRow) -> Wrong | None:
    there = {
        "fee_ocur_time": uploaded.occurred.text if uploaded.occurred else "",
        "medins_list_codg": uploaded.item,
        "med_list_codg": uploaded.national,
        "cnt": f"{uploaded.cnt:f}",
        "det_item_fee_sumamt": f"{uploaded.amount:f}",
    }
    differing = _differing(row, there)
    if not differing:
        return None
    now = "、".join(f"{_COMPARED[name]} {row[name]!s:.{_VALUE_CHARS_MAX}}" for name in differing)
    then = "、".join(f"{there[name]:.{_VALUE_CHARS_MAX}}" for name in differing)
    text = f"HIS 中已改为{now}，平台上仍是 {then}；请先撤销（2302）再上传"
    first = differing[0]
    return Wrong("changed", text[:_REASON_CHARS_MAX], first, _COMPARED[first], str(row[first])[:_VALUE_CHARS_MAX])


def _taken_back(judged: Judged) -> dict[str, Row]:
    """Rows that a person has taken back by their numbers, each as it was uploaded last (empty where that is not known).

    ``0000`` means to begin anew, so it takes nothing back for good.
    """
    uploaded: dict[str, Row] = {}
    found: dict[str, Row] = {}
    for one in sorted(judged.history.exchanges, key=lambda one: one.exchange_id):
        if base(one.infno) == UPLOAD:
            uploaded |= {str(row.get("feedetl_sn", "")): row for row in one.facts.get("fees", ())}
        elif base(one.infno) == REMOVAL:
            numbers = (number for number in one.facts.get("removed", ()) if number != ALL_FEES)
            found |= {number: uploaded.get(number, {}) for number in numbers}
    return found


def _corrected(row: Row, taken_back: Row) -> bool:
    """Whether the HIS has changed a row since it was taken back: what was wrong with it is mended, so it goes again."""
    return bool(taken_back) and bool(_differing(row, taken_back))


def _differing(row: Row, other: Row) -> list[str]:
    """Fields of :data:`_COMPARED` that both have and that say something else."""
    pairs = ((name, _said(row, name), _said(other, name)) for name in _COMPARED)
    return [name for name, one, another in pairs if None not in (one, another) and one != another]


def _said(row: Row, name: str) -> Any:
    """A value to compare: numbers as numbers, times by the minute; None where there is none."""
    told = str(row.get(name) or "").strip()
    if name == "fee_ocur_time":
        occurred = moment(told, "fee")
        return occurred and occurred.minute
    if name in ("cnt", "det_item_fee_sumamt"):
        try:
            return Decimal(told)
        except ArithmeticError:
            return None
    return told or None


def rows_named(reply: Reply, count: int) -> dict[int, list[Wrong]]:
    """Rows that the gateway's own check names, from 0, with what is wrong; the platform names none."""
    if reply.code != CONTENT_WRONG.code:
        return {}
    found: dict[int, list[Wrong]] = defaultdict(list)
    for problem in reply.problems:
        if problem.node == NODE and problem.row.isdigit() and 1 <= int(problem.row) <= count:
            found[int(problem.row) - 1].append(_of_contract(problem))
    return dict(found)


def _of_contract(problem: Problem) -> Wrong:
    return Wrong(problem.rule, problem.text, problem.field, problem.label, problem.value[:_VALUE_CHARS_MAX])
