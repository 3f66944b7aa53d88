"""The list of stays with their times: one row per stay, kept up to date from ``derive`` and never a second truth.

The rows are what :func:`gateway.stays.derive.derive` said when the stay last changed; they can be thrown away and made
anew (:meth:`Episodes.rebuild`). No gate reads them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Final

import structlog

from gateway.exchange.ports import JournalUnavailable
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay
from gateway.stays.derive import CONFIRMED, derive
from gateway.stays.ports import StayRecords, StayRef
from gateway.store.stay_feed import Episode, EpisodeQuery, StayFeed

log = structlog.get_logger(__name__)

READER: Final = "episode_time"
CHANGES_AT_ONCE: Final = 500
TURN_S: Final = 2.0
TIMES: Final = ("t_reg", "t_ward", "t_wout", "t_dsc", "t_ins", "t_set")


class Episodes:
    """Keeps and reads the list.

    Args:
        feed: changes and rows.
        records: histories.
        policy: the rows hold for these switches; with others they are made anew.
    """

    def __init__(self, feed: StayFeed, records: StayRecords, policy: Policy) -> None:
        self._feed = feed
        self._records = records
        self._policy = policy
        self.mark = hashlib.sha256(repr(sorted(policy.not_wards)).encode()).hexdigest()
        """Of rows made with these switches."""
        self._lock = threading.Lock()

    def stays(self, query: EpisodeQuery | None = None) -> list[Episode]:
        """Stays as they are now, in a number of statements that does not grow with the list."""
        self.catch_up()
        return self._feed.episodes(query or EpisodeQuery())

    def turn(self) -> None:
        """Take up changes in the background, so that a list never waits for many of them."""
        try:
            self.catch_up()
        except JournalUnavailable as error:
            log.warning("episodes_wait_for_the_store", reason=str(error))

    def catch_up(self) -> None:
        """Take up every change there is."""
        with self._lock:
            while self._step():
                pass

    def rebuild(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
        """Throw the rows away and make them anew from the histories; how many there are."""
        with self._lock:
            return self._rebuild(progress)

    def _step(self) -> bool:
        """Whether there may be more."""
        come = self._feed.reader(READER)
        if come is None or come[1] != self.mark:
            self._rebuild()
            return True
        changes = self._feed.changes(come[0], CHANGES_AT_ONCE)
        if not changes:
            return False
        rows = self._rows(dict.fromkeys(change.ref for change in changes))
        taken = self._feed.refresh(READER, come[0], changes[-1].seq_no, rows)
        return len(changes) == CHANGES_AT_ONCE or not taken

    def _rebuild(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
        begun_at = self._feed.last_number()
        refs = self._feed.every_stay()
        rows: dict[str, Episode] = {}
        for done, ref in enumerate(refs, 1):
            rows |= {one.key: one for one in self._of(ref)}
            progress(done, len(refs))
        registered = {one.ipt_no for one in rows.values() if one.mdtrt_id}
        kept = [one for one in rows.values() if one.mdtrt_id or one.ipt_no not in registered]
        self._feed.begin(READER, begun_at, self.mark, kept)
        log.info("episodes_rebuilt", stays=len(kept))
        return len(kept)

    def _rows(self, refs: Collection[StayRef]) -> list[Episode]:
        """Of several changes of one stay the last counts: it is derived once, however often it was told of."""
        siblings = self._feed.of_same_numbers({ref.ipt_no for ref in refs if ref.ipt_no})
        wanted: dict[StayRef, StayRef] = {}
        for ref in refs:
            for one in (ref, *(StayRef(ref.ipt_no, mdtrt_id) for mdtrt_id in siblings.get(ref.ipt_no, ()))):
                stay = StayRef(mdtrt_id=one.mdtrt_id) if one.mdtrt_id else one
                wanted.pop(stay, None)  # to the end
                wanted[stay] = one
        found: dict[str, Episode] = {}
        for one in wanted.values():
            found |= {row.key: row for row in self._of(one)}
        return list(found.values())

    def _of(self, ref: StayRef) -> list[Episode]:
        history = self._records.known(ref).history
        if not (history.events or history.adoptions or any(one.state == CONFIRMED for one in history.exchanges)):
            return []  # nothing but exchanges that are still open
        return [episode(derive(history, self._policy))]


def episode(stay: Stay) -> Episode:
    """The row of a stay."""
    times = {name: moment.text for name in TIMES if (moment := getattr(stay.times, name)) is not None}
    return Episode(
        ipt_no=stay.ipt_no,
        mdtrt_id=stay.mdtrt_id,
        psn_no=stay.psn_no,
        presence=stay.presence,
        alignment=stay.alignment,
        settlement=stay.settlement,
        setl_id=stay.settlements[-1].setl_id if stay.settlements else "",
        ward_code=stay.ward_in.ward_code if stay.ward_in else "",
        ward_name=stay.ward_in.ward_name if stay.ward_in else "",
        fees_count=len(stay.fees),
        fees_sum=f"{sum((fee.amount for fee in stay.fees), Decimal(0)):.2f}",
        **times,
    )
