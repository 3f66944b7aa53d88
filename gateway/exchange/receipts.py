"""What became of replies, kept in the journal: confirmed money that nobody heard of is on a work list."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Final

import structlog

from gateway.exchange.call import Reply
from gateway.exchange.entries import BROKEN, WRITTEN
from gateway.exchange.ports import Clock, Journal, JournalUnavailable

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.1
"""Between two writes. A process that dies before one leaves replies on the work list that may have been heard: whoever
works on the list asks, so that errs to the safe side."""
KEPT_MAX: Final = 10_000
"""Marks that wait for a journal that is down; the oldest are given up."""


class Receipts:
    """Takes up what servers say of replies, and writes it in few commits, in nobody's time.

    Args:
        clock: the time now, aware; asked when a reply has gone, not when that is written.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, str, datetime]] = []

    def told(self, reply: Reply, *, written: bool) -> None:
        """Take up whether a reply went out whole.

        Args:
            written: the last byte was handed to the caller's connection.
        """
        if reply.receipt is None:
            return
        if not written:
            log.error("reply_broken", exchange=reply.receipt, msgid=reply.msgid)
        with self._lock:
            self._waiting.append((reply.receipt, WRITTEN if written else BROKEN, self._clock()))

    def keep(self) -> None:
        """Write what was taken up; what the journal refuses waits for the next time."""
        with self._lock:
            marks, self._waiting = self._waiting, []
        if not marks:
            return
        try:
            self._journal.mark_replies(marks)
        except JournalUnavailable:
            log.exception("replies_not_marked", replies=len(marks), first=marks[0][0])
            with self._lock:
                self._waiting = [*marks, *self._waiting][-KEPT_MAX:]
