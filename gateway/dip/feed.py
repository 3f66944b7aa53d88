"""The feed for the DIP system: ``GET /api/v1/dip/events?after=``, from the journal, with a cursor (ET-09).

Nothing is lost and the order is kept, because what is read are the numbered changes of ``store/stay_feed.py``; an event
that is read again has the same ``event_id``. Whoever reads keeps ``next`` once it has done with a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.dip.events import DipEvent, Step, events
from gateway.rules.policy import Policy
from gateway.stays.history import History
from gateway.stays.ports import StayRecords, StayRef
from gateway.store.stay_feed import Change, StayFeed

PAGE: Final = 100
PAGE_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a cursor, the cursor to go on with, and whether there is more already."""

    events: tuple[DipEvent, ...]
    next: int
    more: bool


class DipFeed:
    """Reads the feed.

    Args:
        feed: the numbered changes.
        records: histories.
        policy: switches of the rules.
    """

    def __init__(self, feed: StayFeed, records: StayRecords, policy: Policy) -> None:
        self._feed = feed
        self._records = records
        self._policy = policy

    def page(self, after: int, limit: int = PAGE) -> Page:
        """What the next ``limit`` changes mean; a change may mean nothing, or two things."""
        changes = self._feed.changes(after, limit)
        found: dict[int, list[DipEvent]] = {}
        for of in _by_stay(changes):
            history = self._records.known(of[0].ref).history
            steps = self._steps(history, of[0].ref)
            for event in events(history, steps, {one.seq_no for one in of}, self._policy):
                found.setdefault(event.seq_no, []).append(event)
        told = [event for change in changes for event in found.get(change.seq_no, ())]
        return Page(tuple(told), changes[-1].seq_no if changes else after, len(changes) == limit)

    def _steps(self, history: History, ref: StayRef) -> list[Step]:
        ipt_nos = sorted({one for one in (history.ipt_no, ref.ipt_no) if one})
        changes = self._feed.changes_of(ipt_nos, history.mdtrt_id or ref.mdtrt_id)
        return [Step(one.seq_no, one.kind, one.serial, one.at) for one in changes]


def _by_stay(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes of the same names together: one history serves them all."""
    found: dict[StayRef, list[Change]] = {}
    for change in changes:
        found.setdefault(change.ref, []).append(change)
    return list(found.values())
