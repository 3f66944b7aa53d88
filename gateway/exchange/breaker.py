"""Whether one platform address is worth calling, per safety class. Pure: the time is an argument, in seconds that only grow.

    CLOSED --(too many bad results)--> OPEN --(pause over, a read answered well)--> HALF_OPEN --(one good call)--> CLOSED
                                        ^--------------------(bad)-------------------'

Bad is: not reached, no trustworthy answer, an answer slower than ``slow_s``. A refusal by the platform is a good result:
it answered. For the class ``read`` the probing read is the one good call. What is on its way when the breaker opens is
left alone: its answer is taken like any other.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

CLASSES = ("read", "repeatable", "state", "money")


class Condition(enum.StrEnum):
    """Of one class at one address."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens and how long it stays so.

    Args:
        bad_min: bad results within ``window_s`` that open it, if they are also ``bad_share`` of all there.
        bad_share: 0 to 1.
        window_s: results older than this are forgotten.
        slow_s: an answer that took longer is bad.
        pause_s: from opening to the first probe; doubled by each bad probe up to ``pause_s_max``.
        pause_s_max: longest pause.
    """

    bad_min: int = 5
    bad_share: float = 0.5
    window_s: float = 60
    slow_s: float = 20
    pause_s: float = 10
    pause_s_max: float = 120


RESULTS_MAX = 100
"""Results remembered per class."""


@dataclass(slots=True)
class _Class:
    """What is known of one class."""

    condition: Condition = Condition.CLOSED
    results: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=RESULTS_MAX))
    since: float = 0.0
    """When it took up its condition: results of what was sent before say nothing about it."""
    due: float = 0.0
    """When a probe may be made."""
    pause_s: float = 0.0
    trial: bool = False
    """Whether the one call that decides is on its way."""


@dataclass(slots=True, eq=False)
class Flight:
    """One request on its way."""

    safety: str
    sent: float
    counted: bool = False
    """Whether it has been taken for slow while it was still on its way."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send; to be given back when the call is over, however it ended."""

    safety: str
    trial: bool = False


class Breaker:
    """One platform address.

    Args:
        policy: when it opens.
    """

    def __init__(self, policy: BreakerPolicy = BreakerPolicy()) -> None:
        self._policy = policy
        self._classes = {name: _Class() for name in CLASSES}
        self._flying: dict[Flight, None] = {}
        """In the order they were sent."""

    # ------------------------------------------------------------- asking

    def conditions(self) -> Mapping[str, Condition]:
        """As they stand, by class."""
        return {name: one.condition for name, one in self._classes.items()}

    def blocked(self, safety: str, now: float) -> float:
        """0, or the seconds after which asking again is worth while."""
        self.look(now)
        one = self._classes[safety]
        if one.condition is Condition.CLOSED:
            return 0.0
        wait_s = max(one.due - now, 0.0)
        may_try = one.condition is Condition.HALF_OPEN or (safety == "read" and not wait_s)
        return 0.0 if may_try and not one.trial else max(wait_s, 1.0)

    def ask(self, safety: str, now: float) -> Permit | float:
        """Leave to send, or the seconds of :meth:`blocked`."""
        wait_s = self.blocked(safety, now)
        if wait_s:
            return wait_s
        one = self._classes[safety]
        if one.condition is Condition.CLOSED:
            return Permit(safety)
        one.trial = True
        one.condition = Condition.HALF_OPEN
        return Permit(safety, trial=True)

    def leave(self, permit: Permit) -> None:
        """The call is over. A trial that brought no result leaves its place to another."""
        if permit.trial:
            self._classes[permit.safety].trial = False

    def probe_due(self, now: float) -> bool:
        """Whether a read would help now: something is open, its pause is over, and nobody is probing."""
        reads = self._classes["read"]
        return not reads.trial and any(
            one.condition is Condition.OPEN and now >= one.due for one in self._classes.values()
        )

    # ------------------------------------------------------------- hearing

    def sent(self, safety: str, now: float) -> Flight:
        """The first byte is about to leave."""
        flight = Flight(safety, now)
        self._flying[flight] = None
        return flight

    def heard(self, flight: Flight, now: float, *, answered: bool | None) -> None:
        """A request is over.

        Args:
            flight: from :meth:`sent`.
            now: when its result came.
            answered: false when it was not reached or gave no whole answer; None when that says nothing about it.
        """
        del self._flying[flight]
        if answered is None:
            return
        good = answered and now - flight.sent <= self._policy.slow_s
        if not flight.counted:
            self._result(flight, now, good=good)
        if good and flight.safety == "read":
            self._half_open(flight, now)

    def look(self, now: float) -> None:
        """Who has waited for longer than ``slow_s`` is a bad result already; the answer is still waited for."""
        for flight in list(self._flying):
            if now - flight.sent <= self._policy.slow_s:
                break
            if not flight.counted:
                flight.counted = True
                self._result(flight, now, good=False)

    def _result(self, flight: Flight, now: float, *, good: bool) -> None:
        one = self._classes[flight.safety]
        if one.condition is Condition.CLOSED:
            self._count(one, now, good=good)
        elif flight.sent >= one.since:
            self._decide(one, now, good=good)

    def _count(self, one: _Class, now: float, *, good: bool) -> None:
        policy = self._policy
        one.results.append((now, good))
        while one.results[0][0] < now - policy.window_s:
            one.results.popleft()
        bad = sum(not was_good for _, was_good in one.results)
        if bad >= policy.bad_min and bad >= policy.bad_share * len(one.results):
            one.pause_s = policy.pause_s
            self._open(one, now)

    def _decide(self, one: _Class, now: float, *, good: bool) -> None:
        """A result of what was sent while it was not closed: a trial, or what the resolver had to send."""
        if good:
            one.condition, one.since = Condition.CLOSED, now
            one.results.clear()
        elif one.condition is Condition.HALF_OPEN or now >= one.due:
            one.pause_s = min(one.pause_s * 2, self._policy.pause_s_max)
            self._open(one, now)

    def _open(self, one: _Class, now: float) -> None:
        one.condition, one.since, one.due = Condition.OPEN, now, now + one.pause_s
        one.results.clear()

    def _half_open(self, read: Flight, now: float) -> None:
        """A read was answered well: whatever has paused long enough gets its trial."""
        for name, one in self._classes.items():
            if name != "read" and one.condition is Condition.OPEN and now >= one.due and read.sent >= one.since:
                one.condition, one.since = Condition.HALF_OPEN, now
