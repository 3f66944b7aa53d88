"""What a 2302 of a stay would take back: the rows, their sum, and why it may not be (ET-07). Nothing is sent here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.contract.model import Transaction
from gateway.rules.case import listed
from gateway.rules.stay import FeeRow, Stay
from gateway.stays.facts import ALL_FEES

ROWS_MAX: Final = 100
"""Rows that are named in one 2302; more are taken back in several, or all at once."""


@dataclass(frozen=True, slots=True)
class FeeUndo:
    """Rows that somebody chose, or every unsettled one.

    Args:
        rows: those the gateway knows of; of a stay taken over from before there may be more at the platform.
        whole: every unsettled row (``0000``); these may be uploaded again by themselves, others may not.
        problems: why it cannot be sent as chosen, each a sentence; empty when it can.
    """

    rows: tuple[FeeRow, ...]
    whole: bool
    problems: tuple[str, ...]

    @property
    def amount(self) -> Decimal:
        """In yuan."""
        return sum((row.amount for row in self.rows), Decimal(0))

    @property
    def told(self) -> list[list[str]]:
        """What a person is shown of it, as plain values."""
        return [[row.feedetl_sn, f"{row.cnt:f}", f"{row.amount:f}"] for row in self.rows]

    def message(self, stay: Stay, transaction: Transaction) -> dict[str, Any]:
        """The 2302."""
        node = transaction.input.nodes[0].name
        numbers = [ALL_FEES] if self.whole else [row.feedetl_sn for row in self.rows]
        rows = [{"feedetl_sn": sn, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no} for sn in numbers]
        return {node: rows}


def unsettled(stay: Stay) -> list[FeeRow]:
    """Rows in force that no settlement has taken."""
    return [row for row in stay.fees if not row.settled_by]


def fee_undo(stay: Stay, numbers: Collection[str]) -> FeeUndo:
    """What taking back ``numbers`` comes to; ``0000`` alone means every unsettled row."""
    chosen = set(numbers)
    if chosen == {ALL_FEES}:
        rows = tuple(unsettled(stay))
        nothing = not rows and not stay.adopted
        return FeeUndo(rows, True, ("没有未结算的费用可撤销",) if nothing else ())
    rows = tuple(row for row in stay.fees if row.feedetl_sn in chosen)
    return FeeUndo(rows, False, tuple(_problems(stay, rows, chosen)))


def _problems(stay: Stay, rows: Sequence[FeeRow], chosen: set[str]) -> Iterator[str]:
    if not chosen:
        yield "没有选择费用行"
    if len(chosen) > ROWS_MAX:
        yield f"一次最多撤销 {ROWS_MAX} 行，选了 {len(chosen)} 行：请分几次，或撤销全部未结算的费用"
    if gone := sorted(chosen - {row.feedetl_sn for row in rows}):
        yield f"平台上没有这些行，或已撤销：{listed(gone)}"
    if settled := [row.feedetl_sn for row in rows if row.settled_by]:
        yield f"已结算的行不能撤销，请先撤销结算（2305）：{listed(settled)}"
    behind = [row for row in stay.fees if row.init_feedetl_sn in chosen and row.feedetl_sn not in chosen]
    if behind:
        texts = [f"{row.feedetl_sn}（退 {row.init_feedetl_sn}）" for row in behind]
        yield f"退费行要与它所退的行一起撤销，请一并选中：{listed(texts)}"
