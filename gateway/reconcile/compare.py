"""The journal's lines beside what the platform's detail result (3202) says of them. Pure.

A settlement is one line; its cancelling (2103, 2208, 2305) is a second, negative line of the same ``setl_id`` on the day of
the cancelling (transactions/3202.yaml, rules). What 2601 has reversed never was.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

ZERO: Final = Decimal("0.00")
RESULT_WIDTHS: Final = (7, 10)
"""Columns of a line of the result: those after ``memo`` are a later addition (directory_files.yaml)."""
_MORE_HERE: Final = ("2", "99", "000102")
"""``stmt_rslt`` of the result file by which a platform says that only the institution has the line (codes.yaml)."""


UNKNOWN: Final = "-"
"""Stands for an insurance or clearing type that no message tells."""


class Kind(enum.StrEnum):
    """The suggested cause of a difference."""

    IN_DOUBT = "in_doubt"
    REVOKED = "revoked_one_side"
    AMOUNT = "amount_differs"
    ONLY_THERE = "only_there"
    ONLY_HERE = "only_here"
    TOTAL = "total_uneven"
    NO_TYPE = "no_type"


KINDS: Final = {
    Kind.IN_DOUBT: "结果未明",
    Kind.REVOKED: "一方撤销",
    Kind.AMOUNT: "金额不一致",
    Kind.ONLY_THERE: "平台多",
    Kind.ONLY_HERE: "本方多",
    Kind.TOTAL: "总账不平",
    Kind.NO_TYPE: "类别不明",
}
"""What staff read; a kind is its text, so text finds it too."""


class Amounts(NamedTuple):
    """Yuan, two decimals."""

    medfee_sumamt: Decimal = ZERO
    fund_pay_sumamt: Decimal = ZERO
    acct_pay: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Line:
    """One line of our side; of a refund every amount is what the settlement had, negative."""

    exchange_id: int
    infno: str
    msgid: str
    setl_id: str
    mdtrt_id: str
    psn_no: str
    day: str
    setl_optins: str
    insutype: str
    clr_type: str
    amounts: Amounts
    cash: Decimal
    refund: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The uploaded line (directory_files.yaml, 3202_upload)."""
        money = (f"{amount:.2f}" for amount in self.amounts)
        return (self.setl_id, self.mdtrt_id, self.psn_no, *money, "1" if self.refund else "0")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the platform's result; ``amounts`` None where it tells none."""

    psn_no: str
    mdtrt_id: str
    setl_id: str
    msgid: str
    stmt_rslt: str
    refund: bool
    memo: str
    amounts: Amounts | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal knows of a msgid that the platform names."""

    exchange_id: int
    infno: str
    state: str
    open: bool
    """Its end is not known yet, or only a person can tell it."""
    in_force: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference with its suggested cause; ``cause`` is Chinese."""

    kind: Kind
    cause: str
    setl_id: str
    msgid: str
    psn_no: str
    mdtrt_id: str
    refund: bool
    exchange_id: int | None
    ours: Amounts | None
    theirs: Amounts | None

    @property
    def key(self) -> tuple[str, bool]:
        """By which it is the same difference when it is looked for again."""
        return (self.setl_id or self.msgid, self.refund)


def read_told(columns: Sequence[str]) -> Told:
    """A line of the result file. Raises ValueError (Chinese) when its amounts are none."""
    psn_no, mdtrt_id, setl_id, msgid, stmt_rslt, refund, memo = columns[:7]
    money = columns[7:10]
    amounts = Amounts(*map(yuan, money)) if len(money) == len(Amounts._fields) and any(money) else None
    return Told(psn_no, mdtrt_id, setl_id, msgid, stmt_rslt.strip(), refund.strip() == "1", memo, amounts)


def yuan(text: object) -> Decimal:
    """An amount as printed; empty is 0. Raises ValueError (Chinese) for what is none."""
    try:
        value = Decimal(str(text).strip() or "0")
    except InvalidOperation:
        raise ValueError(f"金额无法识别：{str(text)[:40]!r}") from None
    if not value.is_finite() or abs(value) >= Decimal("1e14"):
        raise ValueError(f"金额无法识别：{str(text)[:40]!r}")
    return value.quantize(ZERO)


def totals(lines: Iterable[Line]) -> tuple[Amounts, Decimal, int]:
    """Sums, cash, and how many lines there are."""
    kept = list(lines)
    sums = (sum((line.amounts[place] for line in kept), ZERO) for place in range(3))
    return Amounts(*sums), sum((line.cash for line in kept), ZERO), len(kept)


def differences(lines: Sequence[Line], told: Iterable[Told], known: Mapping[str, Known]) -> list[Difference]:
    """Every difference once, in the order of the result.

    Args:
        lines: what was uploaded.
        told: the result's lines; those that agree may be missing.
        known: msgid -> what the journal knows; for those of ``told``.
    """
    by_id = {(line.setl_id, line.refund): line for line in lines}
    by_msgid = {line.msgid: line for line in lines}
    found: dict[tuple[str, bool], Difference] = {}
    for one in told:
        line = by_id.get((one.setl_id, one.refund)) or by_msgid.get(one.msgid)
        difference = _uneven(line, one) if line else _unmatched(one, known.get(one.msgid), by_id)
        if difference is not None:
            found.setdefault(difference.key, difference)
    return list(found.values())


def _uneven(line: Line, one: Told) -> Difference | None:
    """What is wrong with a line that both name. Decided from the amounts; the codes differ by province."""
    if one.amounts is not None and one.amounts != line.amounts and _is_there(one):
        return _ours(line, Kind.AMOUNT, "金额不一致：" + "，".join(_unlike(line.amounts, one.amounts)), one)
    if not one.stmt_rslt.strip("0"):
        return None
    if _is_there(one):
        return _ours(line, Kind.AMOUNT, "平台称数据不一致；请核对人员、就诊与金额", one)
    if line.refund:
        return _ours(line, Kind.REVOKED, "本方已撤销结算，平台没有撤销", one)
    return _ours(line, Kind.ONLY_HERE, "本方已成交，平台没有这笔结算", one)


def _is_there(one: Told) -> bool:
    return one.stmt_rslt not in _MORE_HERE


def _unlike(ours: Amounts, theirs: Amounts) -> Iterator[str]:
    labels = ("医疗费总额", "基金支付总额", "个人账户")
    for label, mine, other in zip(labels, ours, theirs, strict=True):
        if mine != other:
            yield f"{label}本方 {mine}、平台 {other}"


def _unmatched(one: Told, known: Known | None, lines: Mapping[tuple[str, bool], Line]) -> Difference | None:
    """A line that only the platform has."""
    if not one.stmt_rslt.strip("0"):
        return None
    if known is not None and known.open:
        return _theirs(one, Kind.IN_DOUBT, f"本方结果未明（{known.state}），平台已办理", known)
    if one.refund:
        return _theirs(one, Kind.REVOKED, "平台已撤销结算，本方没有撤销", known)
    if known is None:
        there = (one.setl_id, not one.refund) in lines
        return _theirs(one, Kind.ONLY_THERE, "平台有此结算，日志中没有" + ("（另有同号的退费）" if there else ""), None)
    if known.in_force:
        text = "本方有此笔，但不在这一天、这一清算类别的账中；请核对结算时间与清算类别"
        return _theirs(one, Kind.AMOUNT, text, known)
    return _theirs(one, Kind.REVOKED, f"本方已冲正或没有办成（{known.state}），平台仍有这笔结算", known)


def _ours(line: Line, kind: Kind, cause: str, one: Told) -> Difference:
    return Difference(
        kind, cause, line.setl_id, line.msgid, line.psn_no, line.mdtrt_id, line.refund, line.exchange_id,
        line.amounts, one.amounts if kind is Kind.AMOUNT else None,
    )  # fmt: skip


def _theirs(one: Told, kind: Kind, cause: str, known: Known | None) -> Difference:
    exchange_id = known.exchange_id if known else None
    return Difference(
        kind, cause, one.setl_id, one.msgid, one.psn_no, one.mdtrt_id, one.refund, exchange_id, None, one.amounts
    )
