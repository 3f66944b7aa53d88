"""How much of a stay's fees is read: all of it at first and from time to time, else what the HIS has changed since.

Where reading ended stands with the stay itself (``FeeWork.place``) and moves only after the stay's turn is over: a run may end
anywhere. A row that was left for a reason that only a change of the row, of the stay or of the platform's rows can take away is
left again without being read. All of it is read where anything else was left, the stay is not what it was, or it was last read
whole too long ago: rows that a HIS deletes, or changes without changing ``changed_at``, are found then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.stays.hospital import HisMisconfigured, HospitalRecords, Page, Point, WrongRow
from gateway.stays.hospital_rows import is_void
from gateway.store.fees import FeeWork
from jobs import watermark
from jobs.fee_rows import LASTING, Left, Row


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a stay.

    Args:
        void: ``feedetl_sn`` of rows that the HIS has voided.
        carried: left before, and not read again.
        whole: every row of the stay is among them, so a number that is not has gone.
        place: where the next turn goes on, once this one is over; JSON values.
    """

    rows: Sequence[Row]
    wrong: Sequence[WrongRow]
    void: frozenset[str]
    whole: bool
    place: Mapping[str, Any]
    carried: tuple[Left, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether there is anything to compare with the platform."""
        return self.whole or bool(self.rows or self.wrong or self.void)


class FeeReader:
    """Reads the fees of stays.

    Args:
        overlap_s: seconds that reading begins before where it ended.
        whole_every: at least so often a stay is read whole.
        clock: aware, Asia/Shanghai.
    """

    def __init__(self, clock: Callable[[], datetime], overlap_s: float, whole_every: timedelta) -> None:
        self._clock = clock
        self._overlap_s = overlap_s
        self._whole_every = whole_every

    def read(self, records: HospitalRecords, ipt_no: str, before: FeeWork | None, stands: str) -> Reading:
        """The rows of a stay that may have to go.

        Args:
            before: how the stay stood after its last turn; None where all of it is wanted.
            stands: how it stands now (:func:`jobs.fee_rows.standing`).

        Raises:
            HisError: the HIS cannot be read.
        """
        place = before.place if before is not None else {}
        since = self._since(before, stands)
        page = self._page(records, ipt_no, since)
        whole = since is None or page is None
        found = page if page is not None else records.of_stay("fees", ipt_no)
        read = {str(row["feedetl_sn"]) for row in found.rows}
        carried = () if whole or before is None else _left(before)
        return Reading(
            rows=[row for row in found.rows if not is_void(row)],
            wrong=found.wrong,
            void=frozenset(str(row["feedetl_sn"]) for row in found.rows if is_void(row)),
            whole=whole,
            carried=tuple(one for one in carried if one.feedetl_sn not in read),
            place={
                "mark": _moved({} if whole else place, found),
                "whole_at": self._clock().isoformat() if whole else place["whole_at"],
            },
        )

    def _page(self, records: HospitalRecords, ipt_no: str, since: Point | None) -> Page | None:
        """None where the HIS cannot be asked like that any more, since its ``changed_at`` has another form."""
        try:
            return records.of_stay("fees", ipt_no, since=since)
        except HisMisconfigured:
            if since is None:
                raise
            return None

    def _since(self, before: FeeWork | None, stands: str) -> Point | None:
        if before is None or before.waiting or before.note or not _may_be_carried(before):
            return None
        place = before.place
        if not place.get("mark") or place.get("stands") != stands:
            return None
        if self._clock() - datetime.fromisoformat(place["whole_at"]) >= self._whole_every:
            return None
        mark = watermark.read(place["mark"])
        now = watermark.moment_like(mark, self._clock())
        # a change that the HIS has dated in the future must not hide those that come before it
        return watermark.back(mark if now is None else watermark.earlier(mark, now), self._overlap_s)


def _may_be_carried(before: FeeWork) -> bool:
    rules = {wrong["rule"] for one in before.left for wrong in one["wrong"]}
    return before.bad == len(before.left) and rules <= LASTING


def _left(before: FeeWork) -> tuple[Left, ...]:
    return tuple(Left.kept(before.ipt_no, before.mdtrt_id, one) for one in before.left)


def _moved(place: Mapping[str, Any], found: Page) -> list[str] | None:
    """The newest change that was seen; never back, unless its form is another."""
    before = watermark.read(place["mark"]) if place.get("mark") else None
    if found.mark is None:
        return watermark.written(before) if before is not None else None
    at = found.mark.changed_at
    if before is not None and watermark.alike(at, before) and watermark.not_before(before, at):
        at = before
    return watermark.written(at)
