"""The 日间手术病种目录 (1311) as it was downloaded: by it a change of category is judged where no file is named (ET-13)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Final

from gateway.stays.day_surgery import Catalogue, DaySurgeryFile, gathered
from gateway.store.catalogs import Entry, SqlCatalogs

INFNO: Final = "1311"
ENTRIES_MAX: Final = 100_000
"""Records looked at; the catalogue has some hundreds."""


class DaySurgeryDownloaded:
    """The version in force, read once for each version and day.

    Args:
        catalogs: where it is held.
        clock: an entry counts on the days it is valid, aware.
    """

    def __init__(self, catalogs: SqlCatalogs, clock: Callable[[], datetime]) -> None:
        self._catalogs = catalogs
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[int, date] | None = None
        self._read: Catalogue | None = None

    def __call__(self) -> Catalogue | None:
        """By ``dise_codg``; None where nothing valid has been downloaded (未核对). Raises ``JournalUnavailable``."""
        held = self._catalogs.one(INFNO)
        if held is None or held.version is None:
            return None
        today = self._clock().date()
        with self._lock:
            if self._seen != (held.version.id, today):
                found = self._catalogs.search(INFNO, "", today, limit=ENTRIES_MAX, version=held.version)
                self._read = gathered(map(_record, found)) or None
                self._seen = (held.version.id, today)
            return self._read


def _record(entry: Entry) -> tuple[str, str, str, str]:
    values = entry.values
    return entry.code, entry.name, values.get("qua_oprn_oprt_code", ""), values.get("qua_oprn_oprt_name", "")


def day_surgery(
    file: Path | None, catalogs: SqlCatalogs, clock: Callable[[], datetime]
) -> Callable[[], Catalogue | None]:
    """Where the catalogue comes from: the file that the hospital names (``rules.day_surgery``), else the download."""
    return DaySurgeryFile(file) if file is not None else DaySurgeryDownloaded(catalogs, clock)
