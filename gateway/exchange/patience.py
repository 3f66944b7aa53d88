"""Waiting for another exchange: looks at the journal now and then, for so many seconds in all."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.exchange.ports import Exchange, Journal, State

FIRST_PAUSE_S = 0.02
PAUSE_S_MAX = 0.5
GROWTH = 1.5
SHORTEST_ANSWER_S = 0.1


class Patience:
    """What one caller has left to wait. The wall clock is not asked: it may be stepped.

    Args:
        wait: pauses for so many seconds.
        limit_s: seconds in all.
        spare_s: seconds that the call can spare now, besides.
    """

    def __init__(
        self, wait: Callable[[float], None], limit_s: float, spare_s: Callable[[], float] = lambda: math.inf
    ) -> None:
        self._wait = wait
        self._spare_s = spare_s
        self._left_s = limit_s
        self._pause_s = FIRST_PAUSE_S

    def watch(self, journal: Journal, entry: Exchange, while_in: Collection[State]) -> Exchange:
        """``entry`` as soon as it is in none of these states, or as it is when the patience is used up."""
        while entry.state in while_in and (left_s := min(self._left_s, self._spare_s())) > 0:
            pause_s = min(self._pause_s, left_s)
            self._wait(pause_s)
            self._left_s -= pause_s
            self._pause_s = min(self._pause_s * GROWTH, PAUSE_S_MAX)
            entry = journal.get(entry.id) or entry
        return entry


@dataclass(frozen=True, slots=True)
class Times:
    """How long the parts of a call may take, in seconds.

    Args:
        call_s: in all, where the client says nothing else.
        turn_wait_s: waiting for a turn on the way to the platform.
        connect_s: until the connection stands.
        answer_s: from the first byte sent to the last byte of the answer.
    """

    call_s: float = math.inf
    turn_wait_s: float = 10.0
    connect_s: float = 5.0
    answer_s: float = 60.0


TIMES = Times()


class Allowance:
    """The time of one call, counted from now. Waiting always leaves what sending and its answer may take.

    Args:
        monotonic: seconds that no clock step changes.
        times: of the parts.
        call_s: in all, where this client has its own.
    """

    def __init__(self, monotonic: Callable[[], float], times: Times, call_s: float | None) -> None:
        self._monotonic = monotonic
        self._times = times
        self._end = monotonic() + (call_s or times.call_s)

    def left_s(self) -> float:
        """Until the caller gives up."""
        return self._end - self._monotonic()

    def spare_s(self) -> float:
        """What may be spent on waiting, before sending."""
        return max(self.left_s() - self._times.connect_s - self._times.answer_s, 0.0)

    def turn_wait_s(self) -> float:
        """What may be spent on waiting for a turn."""
        return min(self._times.turn_wait_s, self.spare_s())

    def answer_s(self) -> float | None:
        """For a query, which may be cut short; None while there is time for all of it."""
        left_s = self.left_s() - self._times.connect_s
        return None if left_s >= self._times.answer_s else max(left_s, SHORTEST_ANSWER_S)
