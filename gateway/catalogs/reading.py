"""A catalog's file looked through before anything of it is imported, then read in batches; memory does not grow with it."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from gateway.contract.catalogs import Catalog, Record, RecordReader, RecordWrong, version_order
from gateway.files.layout import NULL
from gateway.files.unpack import FileWrong, texts

OtherColumns = Literal["report", "refuse"]
WRONG_TOLD_MAX: Final = 5
TELL_EVERY: Final = 5000


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a file may have that is not as it should be.

    Args:
        wrong_rows_max: so many records may be left out; one more and the whole file is.
        other_columns: whether more or fewer columns at the end are told of, or keep the file out.
    """

    wrong_rows_max: int = 0
    other_columns: OtherColumns = "report"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file holds.

    Args:
        lines: records that can be used.
        left_out: records that cannot.
        version: the highest that a record names; empty when there is no record.
        notes: what staff should know, in sentences.
        keys: hashes of the keys, sorted: eight bytes a record.
    """

    lines: int
    left_out: int
    version: str
    notes: tuple[str, ...]
    keys: array[int] = field(repr=False)

    def names(self, key: str) -> bool:
        """Whether the file has a record with this key."""
        wanted = _hash(key)
        at = bisect_left(self.keys, wanted)
        return at < len(self.keys) and self.keys[at] == wanted


class CatalogFile:
    """The file of a catalog: a ZIP with one text, or the text itself.

    Args:
        path: where it lies.
        catalog: whose records it has.
        tolerance: what it may have that is not as it should be.
    """

    def __init__(self, path: Path, catalog: Catalog, tolerance: Tolerance) -> None:
        self._path = path
        self._catalog = catalog
        self._tolerance = tolerance

    def survey(self, told: Callable[[int], None] = lambda _: None) -> Survey:
        """Look at every record.

        Args:
            told: is told how many have been looked at.

        Raises:
            FileWrong: damaged, other columns, or more wrong records than are put up with; the text names the first of them.
        """
        reader = RecordReader(self._catalog)
        look = _Look(self._catalog, self._tolerance)
        for number, line, columns in self._split():
            if number % TELL_EVERY == 0:
                told(number)
            wrong = look.width_problem(line, len(columns))
            if not wrong:
                try:
                    look.take(reader.read(columns))
                except RecordWrong as error:
                    wrong = f"第 {line} 行 {error}"
            if wrong:
                look.leave_out(wrong)
        return look.result(reader)

    def records(self, after: int = 0) -> Iterator[Record]:
        """Usable records in the order of the file, without the first ``after`` of them."""
        reader = RecordReader(self._catalog)
        width, usable = 0, 0
        for _, _, columns in self._split():
            width = width or len(columns)
            if len(columns) != width:
                continue
            try:
                record = reader.read(columns)
            except RecordWrong:
                continue
            usable += 1
            if usable > after:
                yield record

    def _split(self) -> Iterator[tuple[int, int, list[str]]]:
        """Number of the record, number of its line, its columns; ``null`` is empty."""
        number = 0
        for _, lines in texts(self._path):
            for line, text in enumerate(lines, 1):
                if text and not text.isspace():
                    number += 1
                    yield number, line, ["" if column == NULL else column for column in text.split("\t")]


class _Look:
    """What has been seen of a file so far."""

    def __init__(self, catalog: Catalog, tolerance: Tolerance) -> None:
        self._catalog = catalog
        self._tolerance = tolerance
        self._width = 0
        self._wrong: list[str] = []
        self._left_out = 0
        self._newest: tuple[tuple[int, int, str], ...] = ()
        self._version = ""
        self._keys = array("Q")

    def width_problem(self, line: int, width: int) -> str:
        """The first record says how many columns the file has; raises :class:`FileWrong` where that cannot be."""
        if not self._width:
            self._width = width
            self._must_fit(width)
        if width == self._width:
            return ""
        return f"第 {line} 行有 {width} 列，而文件首行有 {self._width} 列；可能字段内有分隔符或换行"

    def take(self, record: Record) -> None:
        self._keys.append(_hash(record.key))
        if record.version and record.version != self._version:
            order = version_order(record.version)
            if order > self._newest:
                self._newest, self._version = order, record.version

    def leave_out(self, wrong: str) -> None:
        self._left_out += 1
        if self._left_out <= WRONG_TOLD_MAX:
            self._wrong.append(wrong)

    def result(self, reader: RecordReader) -> Survey:
        if self._left_out > self._tolerance.wrong_rows_max:
            more = f"……共 {self._left_out} 行" if self._left_out > len(self._wrong) else ""
            raise FileWrong(
                f"有 {self._left_out} 行不能用（容许 {self._tolerance.wrong_rows_max} 行），没有导入："
                + "；".join(self._wrong)
                + more
            )
        keys = array("Q", sorted(self._keys))
        return Survey(len(keys), self._left_out, self._version, tuple(self._notes(reader)), keys)

    def _must_fit(self, width: int) -> None:
        known, least = len(self._catalog.columns), self._catalog.columns_min
        surplus = width - known
        if width < least or (surplus and self._tolerance.other_columns == "refuse"):
            wanted = f"{known} 列" if least == known or surplus > 0 else f"{least} 到 {known} 列"
            raise FileWrong(
                f"文件每行 {width} 列，应为 {wanted}，没有导入：列序与所知不同，"
                f"请核对后写入 mappings/provinces/<省>/catalogs.yaml 的 {self._catalog.infno} columns"
            )

    def _notes(self, reader: RecordReader) -> Iterator[str]:
        known = len(self._catalog.columns)
        if self._width > known:
            yield f"文件每行 {self._width} 列，比所知的 {known} 列多 {self._width - known} 列：末尾多出的没有保存"
        elif 0 < self._width < known:
            missing = "、".join(column.label for column in self._catalog.columns[self._width :])
            yield f"文件每行 {self._width} 列，比所知的 {known} 列少 {known - self._width} 列：按没有末尾的 {missing} 处理"
        if self._left_out:
            yield f"略去 {self._left_out} 行：" + "；".join(self._wrong)
        for at, count in sorted(reader.loose_hits.items()):
            yield f"{reader.column(at)}应为日期，{count} 行不是，照原文保存"


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
