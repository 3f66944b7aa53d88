"""A catalog (13xx) and how a record of it is read by position: pure; the facts are ``mappings/catalogs.yaml``.

A file carries no column names, so a record that has lost or gained a column in its middle still looks like a record. What
must look a certain way (the flag of validity, dates, times of the record, its key) is therefore checked in every record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from gateway.contract.model import Field

KEY_MAX: Final = 120
CODE_MAX: Final = 100
NAME_MAX: Final = 200
PINYIN_MAX: Final = 60
VERSION_MAX: Final = 60
VALID: Final = {"1": True, "0": False}
"""``vali_flag``."""
_STAMPS: Final = ("crte_time", "updt_time")
"""Written by machines in every province, unlike the dates on certificates (长期)."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """One catalog as a province gives it.

    Args:
        infno: the transaction that asks for it.
        name: for staff.
        kind: a file to be fetched with 9102, or pages of a query.
        columns: in the order of the file, or of the query's ``data`` node.
        columns_min: a file may leave out so many of the last ones.
        key: columns that name a record over all versions.
        codes, names, pinyin, begin, end, valid, version: columns by their meaning; of ``codes`` and ``names`` the first that
            is not empty counts, an empty text is a meaning the catalog does not have.
        ask: what a query is asked with beside time and page.
        page_size: records of one page of a query.
        count_told: whether ``data_cnt`` of the answer is the number of records.
        no_news: patterns of refusals that mean that there is nothing newer.
        first_version: what is asked with when nothing is held.
        confidence, doubts: facts about the table, kept for the reader.
    """

    infno: str
    name: str
    kind: Literal["file", "query"]
    columns: tuple[Field, ...]
    columns_min: int
    key: tuple[str, ...]
    codes: tuple[str, ...]
    names: tuple[str, ...]
    valid: str
    pinyin: str = ""
    begin: str = ""
    end: str = ""
    version: str = ""
    ask: Mapping[str, str] = field(default_factory=dict)
    page_size: int = 200
    count_told: bool = True
    no_news: tuple[str, ...] = ()
    first_version: str = "0"
    confidence: str = "high"
    doubts: tuple[str, ...] = ()

    def nothing_newer(self, refusal: str) -> bool:
        """Whether a refusal only says that there is nothing newer."""
        return any(re.search(pattern, refusal) for pattern in self.no_news)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a catalog. ``begins`` and ``ends`` are ``yyyy-MM-dd``, empty when open; ``version`` as printed."""

    key: str
    code: str
    name: str
    pinyin: str
    begins: str
    ends: str
    valid: bool
    version: str
    values: tuple[str, ...]
    """Every column of the layout, in its order; what the file leaves out is empty."""


class RecordWrong(Exception):
    """A record that cannot be what the layout says; the text (Chinese) names column and value."""


class RecordReader:
    """Reads records of one catalog.

    Args:
        catalog: whose records.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._width = len(catalog.columns)
        self._place = place = {column.name: at for at, column in enumerate(catalog.columns)}
        self._key = [place[name] for name in catalog.key]
        self._codes = [place[name] for name in catalog.codes]
        self._names = [place[name] for name in catalog.names]
        self._times = [place[name] for name in dict.fromkeys((catalog.begin, catalog.end, *_STAMPS)) if name in place]
        self._loose = [
            at for at, one in enumerate(catalog.columns) if one.type in ("date", "datetime") and at not in self._times
        ]
        self.loose_hits: dict[int, int] = {}
        """Place of a column that should hold dates -> how many records hold something else there."""

    def read(self, columns: Sequence[str]) -> Record:
        """A record by position; empty columns are empty text. Raises :class:`RecordWrong`."""
        catalog, values = self._catalog, tuple(columns[: self._width])
        if len(values) < self._width:
            values += ("",) * (self._width - len(values))
        for at in self._times:
            if values[at] and day_of(values[at]) is None:
                raise self._wrong(at, values[at], "应为日期")
        self._look_loosely(values)
        record = Record(
            key=self._joined(values),
            code=self._bounded(values, self._codes, CODE_MAX),
            name=next((text for at in self._names if (text := values[at])), ""),
            pinyin=values[self._place[catalog.pinyin]].upper() if catalog.pinyin else "",
            begins=self._day(values, catalog.begin),
            ends=self._day(values, catalog.end),
            valid=self._valid(values),
            version=self._version(values),
            values=values,
        )
        # no database keeps it in a text
        if any("\0" in text for text in (record.key, record.code, record.name, record.pinyin, record.version)):
            raise RecordWrong("键、编码、名称或版本中有空字符（NUL）")
        return record

    def column(self, at: int) -> str:
        """The column at a place, for staff."""
        column = self._catalog.columns[at]
        return f"第 {at + 1} 列 {column.name}（{column.label}）"

    def _look_loosely(self, values: Sequence[str]) -> None:
        for at in self._loose:
            if values[at] and day_of(values[at]) is None:
                self.loose_hits[at] = self.loose_hits.get(at, 0) + 1

    def _joined(self, values: Sequence[str]) -> str:
        parts = [values[at] for at in self._key]
        for at, part in zip(self._key, parts, strict=True):
            if not part:
                raise self._wrong(at, part, "是键，不能为空")
        key = "|".join(parts)
        if len(key) > KEY_MAX:
            raise self._wrong(self._key[0], key, f"是键，不能超过 {KEY_MAX} 个字符")
        return key

    def _bounded(self, values: Sequence[str], places: Sequence[int], most: int) -> str:
        at = next((place for place in places if values[place]), None)
        if at is None:
            raise self._wrong(places[0], "", "不能为空")
        if len(values[at]) > most:
            raise self._wrong(at, values[at], f"不能超过 {most} 个字符")
        return values[at]

    def _version(self, values: Sequence[str]) -> str:
        """What is asked with next: of a query the day of the newest change, in whichever form it is printed."""
        if not self._catalog.version:
            return ""
        text = self._bounded(values, [self._place[self._catalog.version]], VERSION_MAX)
        return (day_of(text) or "") if self._catalog.kind == "query" else text

    def _valid(self, values: Sequence[str]) -> bool:
        at = self._place[self._catalog.valid]
        try:
            return VALID[values[at]]
        except KeyError:
            raise self._wrong(at, values[at], "应为 1 或 0") from None

    def _day(self, values: Sequence[str], name: str) -> str:
        return (day_of(values[self._place[name]]) or "") if name else ""

    def _wrong(self, at: int, value: str, why: str) -> RecordWrong:
        return RecordWrong(f"{self.column(at)}{why}，现为 {value[:40]!r}；可能错列")


# ------------------------------------------------------------------ times and versions

_MONTHS: Final = {
    name: at
    for at, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_PLAIN: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T]\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?)?")
_CLOSE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\d{6})?")
_JAVA: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) \d\d:\d\d:\d\d \S{3,5} (\d{4})")
_EPOCH_MS: Final = re.compile(r"-?\d{12,13}")
_SHANGHAI_S: Final = 8 * 3600


@lru_cache(maxsize=16384)  # a catalog of half a million records has some thousand days
def day_of(text: str) -> str | None:
    """The day of a time as platforms print it, ``yyyy-MM-dd``; None when it is no time.

    Args:
        text: ``yyyy-MM-dd`` with or without a time, ``yyyyMMdd`` with or without ``HHmmss``, Java's ``Date.toString()``,
            milliseconds since 1970 (transport facts, section 11).
    """
    if found := _PLAIN.fullmatch(text):
        return _day(*map(int, found.groups()))
    if found := _JAVA.fullmatch(text):
        return _day(int(found[3]), _MONTHS.get(found[1], 0), int(found[2]))
    if (found := _CLOSE.fullmatch(text)) and (day := _day(*map(int, found.groups()))):
        return day
    if _EPOCH_MS.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1000 + _SHANGHAI_S, UTC).strftime("%Y-%m-%d")
    return None


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return datetime(year, month, day, tzinfo=UTC).strftime("%Y-%m-%d")
    except ValueError:
        return None


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """By which versions are compared: runs of digits as numbers (``F001_20210322_A`` < ``F001_20211105_A``)."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part[0].isdecimal() else (0, 0, part) for part in parts)
