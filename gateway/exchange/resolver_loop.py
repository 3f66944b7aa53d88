"""The thread that settles doubts: wakes every second for as long as the process serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from gateway.exchange.exchange import Clock, Exchange
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.ports import Journal, JournalUnavailable
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


class ResolverLoop:
    """Runs resolver, unrecorded outcomes and work list in a thread of the exchange process.

    Args:
        prober: asks whether the platform is back, when that is due.
        every_s: seconds between two turns.
    """

    def __init__(
        self,
        exchange: Exchange,
        resolver: Resolver,
        work_list: WorkList,
        prober: Callable[[], object] = lambda: None,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._exchange = exchange
        self._resolver = resolver
        self._work_list = work_list
        self._prober = prober
        self._every_s = every_s
        self._turns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)

    def start(self) -> None:
        """Begin; the first turn comes at once."""
        self._thread.start()

    def close(self) -> None:
        """End after the step that runs now; the platform's read timeout bounds how long that takes."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def turn(self) -> None:
        """One turn; whatever breaks in it, the next comes."""
        try:
            self._exchange.settle_unrecorded()
            self._prober()
            self._resolver.run_due()
            if self._turns % UNTOLD_EVERY == 0:
                self._work_list.alert()
        except JournalUnavailable:
            log.warning("resolver_without_journal")
        except Exception:  # a doubt that breaks the loop would leave all others unsettled
            log.exception("resolver_failed")
        self._turns += 1

    def _run(self) -> None:
        while not self._stop.is_set():
            self.turn()
            self._stop.wait(self._every_s)
