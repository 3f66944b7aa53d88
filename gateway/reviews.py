"""医保审核 (ET-05): operations with their codes, 入科时间, 出科时间 and the difference, for a page of stays at once.

The times are the rows of ``episode_time``, the operations the newest record of the hospital: a number of statements that
does not grow with the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from gateway.rules.policy import Policy
from gateway.rules.stay import EpisodeTime
from gateway.rules.times import difference_hours, difference_text, moment, stay_days
from gateway.stays.discharge import OperationRow, operation_rows
from gateway.store.stay_feed import Episode, EpisodeQuery, StayFeed
from gateway.store.stays import SqlStays

SCANNED_MAX: Final = 20_000
"""Stays looked through for a filter by hours, which is no column."""
_TIMES: Final = ("t_reg", "t_ward", "t_wout", "t_dsc", "t_ins", "t_set")
_DIFFERING: Final = ("t_ward", "t_wout", "t_dsc")
"""Those of which the difference is made."""


@dataclass(frozen=True, slots=True)
class Review:
    """One stay as 医保审核 lists it."""

    episode: Episode
    operations: tuple[OperationRow, ...]
    difference: str
    """出科 − 入科 as ``6天4小时12分``; running and marked 在科 before the ward-out, ``—`` where a time is missing."""
    hours: Decimal | None
    """The same in hours."""
    days: int | None
    """住院天数."""

    @property
    def mains(self) -> tuple[OperationRow, ...]:
        """One, or several where the record is wrong (ET03-01): what is wrong is shown, not chosen from."""
        return tuple(one for one in self.operations if one.main)

    @property
    def others(self) -> tuple[OperationRow, ...]:
        return tuple(one for one in self.operations if not one.main)

    def as_json(self) -> dict[str, Any]:
        """Plain values under the names of the audit page (ET-05)."""
        one = self.episode
        return {
            "ipt_no": one.ipt_no,
            "mdtrt_id": one.mdtrt_id,
            "psn_no": one.psn_no,
            "ward_code": one.ward_code,
            "ward_name": one.ward_name,
            "main_operation": [{"code": row.code, "name": row.name} for row in self.mains],
            "other_operation": [{"code": row.code, "name": row.name} for row in self.others],
            "ward_in_time": one.t_ward,
            "ward_out_time": one.t_wout,
            "difference": self.difference,
            "difference_hours": None if self.hours is None else str(self.hours),
            "stay_days": self.days,
            "begntime": one.t_ins,
            "presence": one.presence,
            "alignment": one.alignment,
            "settlement": one.settlement,
        }


def times_of(one: Any, names: Sequence[str] = _TIMES) -> EpisodeTime:
    """The times of a row of the list (:class:`Episode`, or as it stands in the table) as the rules calculate with them."""
    return EpisodeTime(**{name: moment(getattr(one, name) or "", "episode_time") for name in names})


class Reviews:
    """Reads the list.

    Args:
        feed: rows of stays.
        records: where the hospital's records of operations are.
        policy: what a same-day stay counts.
        clock: for those still in a ward, aware.
    """

    def __init__(self, feed: StayFeed, records: SqlStays, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._feed = feed
        self._records = records
        self._policy = policy
        self._clock = clock

    def page(
        self, query: EpisodeQuery, hours_from: Decimal | None = None, hours_to: Decimal | None = None
    ) -> list[Review]:
        """Stays of ``query``, of them those whose difference lies in ``[hours_from, hours_to]``."""
        if hours_from is None and hours_to is None:
            return self._with_operations(self._feed.episodes(query))
        now = self._clock()

        def wanted(row: Any) -> bool:
            return _within(difference_hours(times_of(row, _DIFFERING), now), hours_from, hours_to)

        return self._with_operations(self._feed.episodes_that(query, wanted, SCANNED_MAX))

    def _with_operations(self, episodes: Sequence[Episode]) -> list[Review]:
        told = self._records.operations([one.ipt_no for one in episodes if one.ipt_no])
        return list(self._reviews(episodes, {ipt_no: operation_rows(rows) for ipt_no, rows in told.items()}))

    def _reviews(
        self, episodes: Sequence[Episode], operations: dict[str, tuple[OperationRow, ...]]
    ) -> Iterator[Review]:
        now, days_min = self._clock(), self._policy.days_min
        for one in episodes:
            times = times_of(one)
            yield Review(
                one,
                operations.get(one.ipt_no, ()),
                difference_text(times, now),
                difference_hours(times, now),
                stay_days(times, days_min),
            )


def _within(hours: Decimal | None, least: Decimal | None, most: Decimal | None) -> bool:
    return hours is not None and (least is None or hours >= least) and (most is None or hours <= most)
