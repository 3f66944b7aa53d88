"""Cases that no line of a detail tells: a total that stays uneven, a settlement without types; and when a case is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.reconcile.compare import UNKNOWN, Amounts, Difference, Kind, Line
from gateway.store.recon import Case, NewCase, Part

Group = tuple[str, str]
"""``setl_optins`` and ``clr_type``: what one 3202 is about."""

_ANY: Final = ""
"""Insurance type of a line that only the platform has: it may be in any total of its group."""
_TOTAL: Final = "total"


@dataclass(frozen=True, slots=True)
class Detail:
    """What one 3202 has brought.

    Args:
        cases: its differences.
        insutypes: whose totals these differences make uneven.
    """

    part: Part
    cases: Sequence[NewCase] = ()
    insutypes: frozenset[str] = frozenset()

    @property
    def group(self) -> Group:
        return self.part.setl_optins, self.part.clr_type

    def explains(self, total: Part) -> bool:
        """Whether one of the differences may be why this total is uneven; one that failed tells nothing."""
        return self.part.state == "failed" or not self.insutypes.isdisjoint({total.insutype, _ANY})


def insutypes_of(found: Iterable[Difference], lines: Iterable[Line]) -> frozenset[str]:
    """Insurance types of the lines that differ."""
    known = {line.exchange_id: line.insutype for line in lines}
    return frozenset(known.get(one.exchange_id or 0, _ANY) for one in found)


def unexplained(totals_: Iterable[Part], details: Iterable[Detail]) -> Iterator[NewCase]:
    """A case for every total that the platform calls uneven while no line of its detail says why."""
    by_group = {one.group: one for one in details}
    for part in totals_:
        detail = by_group.get((part.setl_optins, part.clr_type))
        if part.state != "uneven" or detail is None or detail.explains(part):
            continue
        cause = f"险种 {part.insutype} 的总账（3201）不平，明细账（3202）却没有它的差异；平台说明：{part.told or '无'}"
        yield _case(Kind.TOTAL, part.setl_optins, part.clr_type, "", part.exchange_id, f"{_TOTAL}|{part.insutype}",
                    {"cause": cause, "insutype": part.insutype, "ours": _sums(part)})  # fmt: skip


def untyped(lines: Iterable[Line]) -> Iterator[NewCase]:
    """A case for every line that no total can hold, since nobody has told its insurance or clearing type."""
    for line in lines:
        missing = [name for name, told in (("险种", line.insutype), ("清算类别", line.clr_type)) if told == UNKNOWN]
        if not missing:
            continue
        cause = f"已成交而不知道{'、'.join(missing)}，不能列入总账；请按编号查看日志中的答复，向经办机构核对这一笔"
        about = {"setl_id": line.setl_id, "psn_no": line.psn_no, "mdtrt_id": line.mdtrt_id, "refund": line.refund}
        yield _case(Kind.NO_TYPE, line.setl_optins, line.clr_type, line.msgid, line.exchange_id,
                    f"untyped|{line.exchange_id}", {"cause": cause, **about, "ours": shown(line.amounts)})  # fmt: skip


def asked_again(cases: Iterable[Case]) -> set[tuple[str, str, str]]:
    """Totals that are asked for although nothing is in them here any more: their cases are open."""
    return {(one.setl_optins, _insutype(one), one.clr_type) for one in cases if one.kind == Kind.TOTAL}


@dataclass(frozen=True, slots=True)
class Over:
    """Whether a case that a run has not found again is over: only what it could compare says so."""

    totals: Mapping[tuple[str, str, str], str]
    """State of each total that was asked for."""
    details: Mapping[Group, str]

    def __call__(self, case: Case) -> bool:
        group = case.setl_optins, case.clr_type
        if case.kind == Kind.NO_TYPE:  # the journal alone tells
            return True
        if case.kind == Kind.TOTAL:
            state = self.totals.get((case.setl_optins, _insutype(case), case.clr_type), "failed")
            return state == "even" or (state == "uneven" and self.details.get(group) == "uneven")
        if group in self.details:
            return self.details[group] != "failed"
        states = [state for (optins, _, clr_type), state in self.totals.items() if (optins, clr_type) == group]
        return bool(states) and set(states) == {"even"}


def over(totals_: Iterable[Part], details: Iterable[Detail]) -> Over:
    """What a run has compared."""
    return Over(
        {(one.setl_optins, one.insutype, one.clr_type): one.state for one in totals_},
        {one.group: one.part.state for one in details},
    )


def shown(amounts: Amounts | None) -> dict[str, str] | None:
    """Amounts as a case keeps them."""
    return None if amounts is None else {name: f"{amount:.2f}" for name, amount in amounts._asdict().items()}


def _case(
    kind: Kind, setl_optins: str, clr_type: str, msgid: str, exchange_id: int | None, key: str, told: Mapping[str, Any]
) -> NewCase:
    content = {"setl_id": "", "psn_no": "", "mdtrt_id": "", "refund": False, "theirs": None, **told}
    return NewCase(kind.value, setl_optins, clr_type, msgid, exchange_id, key, content)


def _insutype(case: Case) -> str:
    return str(case.content.get("insutype") or "")


def _sums(part: Part) -> dict[str, str]:
    cents = zip(Amounts._fields, (part.medfee_cents, part.fund_cents, part.acct_cents), strict=True)
    return {name: f"{Decimal(amount) / 100:.2f}" for name, amount in cents}
