"""The hospital's own dictionary of what it charges, for the national code of a local item where the fee row has none.

Read when the first row asks, and after that only what has changed; it is kept in memory alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.stays.hospital import HisError, HospitalRecords, Mark, Point
from jobs import watermark

ITEMS_MAX: Final = 200_000
"""A large hospital has some 50,000; more means that a statement joins wrongly."""
ROWS_PER_PAGE: Final = 500
OVERLAP_S: Final = 600


@dataclass(frozen=True, slots=True)
class Item:
    """One local item."""

    name: str
    med_list_codg: str


class ItemBook:
    """Looks items up. Used by one run at a time.

    Args:
        records: the HIS's own records; None where there is no way to them.
    """

    def __init__(self, records: Callable[[], HospitalRecords | None]) -> None:
        self._records = records
        self._items: dict[str, Item] = {}
        self._mark: Point | None = None
        self._asked = False
        self._problem = ""

    def begin(self) -> None:
        """A run begins: the first question reads what has changed since."""
        self._asked = False

    def code_of(self, local: str) -> tuple[str, str]:
        """National code of a local item; where there is none, an empty one and why."""
        self._refresh()
        item = self._items.get(local)
        if item is not None and item.med_list_codg:
            return item.med_list_codg, ""
        if item is not None:
            return "", f"院内项目 {local}（{item.name}）在项目字典中没有对照国家编码"
        if self._problem:
            return "", f"费用行没有国家编码（med_list_codg），{self._problem}"
        return "", f"费用行没有国家编码（med_list_codg），院内项目 {local} 也不在项目字典中"

    def _refresh(self) -> None:
        if self._asked:
            return
        self._asked, self._problem = True, ""
        records = self._records()
        if records is None or "items" not in records.subjects():
            self._problem = "也没有可查的项目字典（items）"
            return
        try:
            self._read(records)
        except HisError as error:
            self._problem = f"项目字典也读不出来：{error}"

    def _read(self, records: HospitalRecords) -> None:
        since = None if self._mark is None else watermark.back(self._mark, OVERLAP_S)
        after: Mark | None = None
        while True:
            page = records.changed("items", since=since, after=after, rows_max=ROWS_PER_PAGE)
            for row in page.rows:
                found = Item(str(row["medins_list_name"]), str(row.get("med_list_codg", "")))
                self._items[str(row["medins_list_codg"])] = found
            if page.mark is not None:
                self._mark = page.mark.changed_at
            if len(self._items) > ITEMS_MAX:
                self._problem = f"项目字典超过 {ITEMS_MAX} 项，没有读完"
                return
            if page.last or page.mark is None:
                return
            after = page.mark
