"""What a voucher says, before anybody draws it: the same values for the page, the PDF and the hospital's own forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from gateway.rules.vouchers import VoucherKind

TITLES: Final[Mapping[VoucherKind, str]] = {
    "receipt": "出院结算收据",
    "fee_list": "费用明细清单",
    "discharge_slip": "出院凭条",
    "eligibility": "住院资格确认单",
    "list_head": "结算清单首部",
}
ADMITTED: Final = "admitted"
"""Name of the item that every voucher has: 入院时间."""
Paper = Literal["A4", "A5"]
PAPERS: Final[Mapping[VoucherKind, Paper]] = {
    "receipt": "A5",
    "fee_list": "A4",
    "discharge_slip": "A5",
    "eligibility": "A5",
    "list_head": "A4",
}
"""A5 lies across, so that two make an A4."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value with the name it stands under; ``name`` is the national field where there is one."""

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """Items that stand together; ``label`` may be empty."""

    label: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """``width`` is relative to the other columns."""

    name: str
    label: str
    width: int = 10
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    label: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A voucher as it is kept: it never changes once printed."""

    kind: VoucherKind
    title: str
    hospital: str
    groups: tuple[Group, ...]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for group in self.groups for item in group.items)

    def value(self, name: str) -> str:
        """The value of an item; empty when the voucher has none of that name."""
        return next((item.value for item in self.items if item.name == name), "")

    def as_json(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Print:
    """A sheet as one print shows it.

    ``number`` is the voucher's, the same for every print of it; ``count`` says which print of it this is.
    """

    sheet: Sheet
    number: int
    count: int
    printed_at: str
    operator: str
    first_printed_at: str
    marks: tuple[str, ...] = ()
    """``重打``, ``作废`` ...: large on the paper."""
    remarks: tuple[str, ...] = ()
    """Why; small on the paper."""
    warnings: tuple[str, ...] = ()
    """For whoever prints: what the paper will not show as it should."""


def sheet_of(told: Mapping[str, Any]) -> Sheet:
    """What :meth:`Sheet.as_json` gave."""
    return Sheet(
        kind=told["kind"],
        title=told["title"],
        hospital=told["hospital"],
        groups=tuple(Group(group["label"], _items(group["items"])) for group in told["groups"]),
        tables=tuple(
            Table(
                table["name"],
                table["label"],
                tuple(Column(**column) for column in table["columns"]),
                tuple(tuple(row) for row in table["rows"]),
            )
            for table in told["tables"]
        ),
        notes=tuple(told["notes"]),
        signatures=tuple(told["signatures"]),
    )


def _items(told: Iterable[Mapping[str, str]]) -> tuple[Item, ...]:
    return tuple(Item(**item) for item in told)
