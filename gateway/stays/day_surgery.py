"""The 日间手术病种目录 (1311) that a change of category is judged by (ET-13), from a file that the hospital names.

Without such a file it is judged by the catalogue that was downloaded (``gateway/catalogs/day_surgery.py``).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from gateway.files.layout import rows
from gateway.files.unpack import FileWrong
from gateway.rules.case import DayOperation

log = structlog.get_logger(__name__)

COLUMNS: Final = (15,)
_ENTRY, _NAME, _VALID, _OPERATION_NAME, _OPERATION = 1, 2, 3, 13, 14
"""Places of 日间手术病种目录代码, 日间手术病种名称, 有效标志, 手术操作名称, 手术操作代码 in a row (directory_files.yaml, 1311)."""
_BETWEEN: Final = re.compile(r"[\s,;|、，；]+")
"""An entry may name several operations in one row, or have a row for each."""

Catalogue = Mapping[str, DayOperation]


class DaySurgeryFile:
    """The catalogue in a file, read again whenever the file has changed.

    A file that cannot be used any more leaves the last good one in force: a change of category is judged by what was
    published, not let through.

    Args:
        path: of the file as 1311 gives it: ZIP or text, a record per line, TAB between 15 columns.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._read: Catalogue | None = None

    def __call__(self) -> Catalogue | None:
        """The catalogue in force by ``dise_codg``; None where there has never been a usable one (未核对)."""
        with self._lock:
            try:
                found = self._path.stat()
                if (found.st_mtime_ns, found.st_size) != self._seen:
                    self._seen = (found.st_mtime_ns, found.st_size)
                    self._read = read_catalogue(self._path)
                    log.info("day_surgery_read", path=str(self._path), entries=len(self._read))
            except (OSError, FileWrong) as error:
                log.error("day_surgery_unreadable", path=str(self._path), reason=str(error), in_force=bool(self._read))  # noqa: TRY400 - the reason says all
            return self._read


def read_catalogue(path: Path) -> Catalogue:
    """Entries that are valid, each with the operations it allows.

    Raises:
        FileWrong: no records, or not in the layout of 1311.
        OSError: the file cannot be read.
    """
    found = gathered(
        (row[_ENTRY], row[_NAME], row[_OPERATION], row[_OPERATION_NAME])
        for row in rows(path, COLUMNS)
        if row[_VALID].strip() != "0"
    )
    if not found:
        raise FileWrong(f"{path.name} 中没有有效的日间手术病种")
    return found


def gathered(records: Iterable[tuple[str, str, str, str]]) -> dict[str, DayOperation]:
    """Entries by code: one may stand in several records, each with operations of its own.

    Args:
        records: code and name of the disease, codes of operations, their names; valid ones only.
    """
    found: dict[str, DayOperation] = {}
    for code, name, operations, operation_names in records:
        if not (entry := code.strip()):
            continue
        before = found.get(entry, DayOperation(entry, frozenset()))
        names = [*before.operation_names, *filter(None, [operation_names.strip()])]
        found[entry] = DayOperation(
            entry,
            before.operations.union(filter(None, _BETWEEN.split(operations))),
            before.dise_name or name.strip(),
            tuple(dict.fromkeys(names)),
        )
    return found
