"""The turns in which doubts are settled, every second for as long as the process serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import Clock, Journal, JournalUnavailable
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.resolver import Resolver

log = structlog.get_logger(__name__)

EVERY_S = 1.0
UNTOLD_EVERY = 30
"""Turns between looks at the work list of replies that reached nobody."""
UNTOLD_AFTER = timedelta(seconds=20)
"""A reply that is not marked by then was lost with its process or its connection."""
UNTOLD_SINCE = timedelta(days=7)


class WorkList:
    """Confirmed money whose reply reached nobody and was not asked for again; each is an alert once.

    Args:
        clock: the time now, aware.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._alerted: set[int] = set()

    def entries(self) -> list[Entry]:
        """The list as it stands. Raises ``JournalUnavailable``."""
        now = self._clock()
        return self._journal.untold(now - UNTOLD_SINCE, now - UNTOLD_AFTER, 1000)

    def alert(self) -> None:
        """Log what is new on it."""
        found = self.entries()
        for entry in found:
            if entry.id not in self._alerted:
                log.error("money_untold", exchange=entry.id, msgid=entry.msgid, infno=entry.infno, reply=entry.reply)
        self._alerted = {entry.id for entry in found}


class ResolverTurn:
    """What the thread of the resolver does every second: unrecorded outcomes, the probe, what is due, the work list.

    Args:
        prober: asks whether the platform is back, when that is due.
    """

    def __init__(
        self,
        exchange: Exchange,
        resolver: Resolver,
        work_list: WorkList,
        prober: Callable[[], object] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._resolver = resolver
        self._work_list = work_list
        self._prober = prober
        self._turns = 0

    def take(self) -> None:
        """One turn; without a store it is left out."""
        self._turns += 1
        try:
            self._exchange.settle_unrecorded()
            self._prober()
            self._resolver.run_due()
            if self._turns % UNTOLD_EVERY == 1:
                self._work_list.alert()
        except JournalUnavailable:
            log.warning("resolver_without_journal")
