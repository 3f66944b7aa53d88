"""A HIS in memory, for tests of what reads one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.stays.hospital import (
    CHANGED_AT,
    IPT_NO,
    ROW_ID,
    HisMisconfigured,
    HisUnavailable,
    Mark,
    Page,
    Point,
    SubjectName,
)
from gateway.stays.hospital_rows import page_of, page_of_stay


class MemoryHospital:
    """Holds rows by subject, each with ``row_id`` and ``changed_at``; a subject that is absent is not supplied.

    Args:
        rows: subject -> rows as a driver would give them.
    """

    def __init__(self, rows: Mapping[SubjectName, Sequence[Mapping[str, Any]]]) -> None:
        self.rows: dict[SubjectName, list[dict[str, Any]]] = {name: [*map(dict, given)] for name, given in rows.items()}
        self.down = False
        """While true the HIS does not answer."""

    def subjects(self) -> tuple[SubjectName, ...]:
        return tuple(self.rows)

    def changed(
        self, subject: SubjectName, *, since: Point | None = None, after: Mark | None = None, rows_max: int = 500
    ) -> Page:
        given = [row for row in self._of(subject) if row[CHANGED_AT] is not None]
        found = sorted(given, key=lambda row: (row[CHANGED_AT], row[ROW_ID]))
        if after is not None:
            found = [row for row in found if (row[CHANGED_AT], row[ROW_ID]) > (after.changed_at, after.row_id)]
        elif since is not None:
            found = [row for row in found if row[CHANGED_AT] >= since]
        return page_of(subject, found[:rows_max], charset="gb18030", last=len(found) < rows_max)

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        found = [row for row in self._of(subject) if str(row.get(IPT_NO, "")).strip() == ipt_no]
        if since is not None:
            found = [row for row in found if row[CHANGED_AT] is None or row[CHANGED_AT] >= since]
        return page_of_stay(subject, found, charset="gb18030", since=since)

    def _of(self, subject: SubjectName) -> list[dict[str, Any]]:
        if self.down:
            raise HisUnavailable("HIS 没有答复")
        if subject not in self.rows:
            raise HisMisconfigured(f"没有 {subject}.sql")
        return self.rows[subject]
