"""Waiting for another exchange: looks at the journal now and then, for so many seconds in all."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.exchange.ports import Exchange, Journal, State

FIRST_PAUSE_S = 0.02
PAUSE_S_MAX = 0.5
GROWTH = 1.5


class Patience:
    """What one caller has left to wait. The clock is not asked: it may be stepped.

    Args:
        wait: pauses for so many seconds.
        limit_s: seconds in all.
    """

    def __init__(self, wait: Callable[[float], None], limit_s: float) -> None:
        self._wait = wait
        self._left_s = limit_s
        self._pause_s = FIRST_PAUSE_S

    def watch(self, journal: Journal, entry: Exchange, while_in: Collection[State]) -> Exchange:
        """``entry`` as soon as it is in none of these states, or as it is when the patience is used up."""
        while entry.state in while_in and self._left_s > 0:
            pause_s = min(self._pause_s, self._left_s)
            self._wait(pause_s)
            self._left_s -= pause_s
            self._pause_s = min(self._pause_s * GROWTH, PAUSE_S_MAX)
            entry = journal.get(entry.id) or entry
        return entry
