"""The gate before the platform: opening hours, breaker, and a fair turn for every client.

``Exchange`` passes it before the intent is written, so that who is turned away costs nothing. Everything that is sent,
also by the resolver, goes through :class:`WatchedPlatform`, which tells the breaker how it went.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from gateway.exchange.breaker import Breaker, Condition, Flight, Permit
from gateway.exchange.limits import FairQueue, Shares
from gateway.exchange.ports import (
    NoAnswer,
    NoPath,
    NotMine,
    NotSent,
    PlatformAnswer,
    PlatformRequest,
    Prepared,
    Rejected,
    SettlementPlatform,
)
from gateway.faults import BREAKER_OPEN, CLIENT_LIMIT, PLATFORM_CLOSED, Refused
from gateway.hours import Closing, closed_until

log = structlog.get_logger(__name__)

PROBE = "gateway-probe"
"""The client in whose name the gateway asks whether the platform is back; it needs no turn."""
HELD_OVER = 16
"""Turns over which the time that one is held is averaged."""


class TurnLost(Refused):
    """Waited for a turn in vain: nothing was sent (NOT_SENT)."""


class Signal(Protocol):
    """What a waiting call is woken by; ``threading.Event`` is one."""

    def set(self) -> None: ...

    def wait(self, timeout: float, /) -> bool: ...


class Gate(Protocol):
    """What ``Exchange`` passes before it sends."""

    def enter(self, client: str, safety: str, wait_s: float) -> AbstractContextManager[None]:
        """Hold a turn while inside.

        Args:
            client: name of the caller.
            safety: class of the transaction.
            wait_s: how long a turn may be waited for.

        Raises:
            Refused: GW-4005, GW-4004.
            TurnLost: GW-4003.
        """
        ...


class OpenGate:
    """Lets everything pass: for who sends one call at a time, and for tests of other things."""

    def enter(self, client: str, safety: str, wait_s: float) -> AbstractContextManager[None]:
        del client, safety, wait_s
        return nullcontext()


OPEN_GATE = OpenGate()


@dataclass(frozen=True, slots=True)
class GateStatus:
    """How the gate stands, for metrics and ``/readyz``."""

    conditions: Mapping[str, Condition]
    sending: int
    waiting: int
    closed_until: datetime | None


class PlatformGate:
    """The gate of one platform address.

    Args:
        address: of the platform, for the log.
        breaker: of this address.
        turns: places on the way to the platform.
        closings: when it is closed.
        clock: aware wall clock, for the opening hours.
        monotonic: seconds that no clock step changes.
        signal: makes what a waiting call sleeps on.
        limited: told client and code of every call that is turned away.
    """

    def __init__(
        self,
        address: str,
        breaker: Breaker,
        turns: FairQueue,
        closings: Sequence[Closing],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        signal: Callable[[], Signal] = threading.Event,
        limited: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        self._address = address
        self._breaker = breaker
        self._turns = turns
        self._closings = closings
        self._clock = clock
        self._monotonic = monotonic
        self._signal = signal
        self._limited = limited
        self._lock = threading.Lock()
        self._held_s = 0.0
        """How long a turn is held, of late."""

    # ------------------------------------------------------------- passing

    @contextmanager
    def enter(self, client: str, safety: str, wait_s: float) -> Iterator[None]:
        """See :meth:`Gate.enter`."""
        self._check_hours(client)
        if client == PROBE:
            with self._permitted(client, safety):
                yield
            return
        self._check_breaker(client, safety)
        with self._turn(client, wait_s), self._permitted(client, safety):
            yield

    def _check_hours(self, client: str) -> None:
        now = self._clock()
        opens = closed_until(self._closings, now)
        if opens is not None:
            text = f"平台停止服务至 {opens:%Y-%m-%d %H:%M}"
            raise self._turned_away(Refused(PLATFORM_CLOSED, text), client, (opens - now).total_seconds())

    def _check_breaker(self, client: str, safety: str) -> None:
        """Before the turn: who cannot be sent shall not wait for one."""
        with self._watching():
            wait_s = self._breaker.blocked(safety, self._monotonic())
        if wait_s:
            raise self._blocked(client, wait_s)

    @contextmanager
    def _permitted(self, client: str, safety: str) -> Iterator[None]:
        with self._watching():
            asked = self._breaker.ask(safety, self._monotonic())
        if not isinstance(asked, Permit):
            raise self._blocked(client, asked)
        try:
            yield
        finally:
            with self._lock:
                self._breaker.leave(asked)

    @contextmanager
    def _turn(self, client: str, wait_s: float) -> Iterator[None]:
        signal = self._signal()
        with self._lock:
            turn = self._turns.arrive(client, signal.set)
        try:
            if not turn.has_place:
                signal.wait(wait_s)
            if not turn.has_place:
                text = f"等了 {wait_s:.0f} 秒仍未轮到，通道被占满"
                raise self._turned_away(TurnLost(CLIENT_LIMIT, text), client, self._held_s)
            since = self._monotonic()
            yield
            self._held_s += (self._monotonic() - since - self._held_s) / HELD_OVER
        finally:
            with self._lock:
                self._turns.leave(turn)

    def _blocked(self, client: str, wait_s: float) -> Refused:
        text = f"约 {math.ceil(wait_s)} 秒后再试"
        return self._turned_away(Refused(BREAKER_OPEN, text), client, wait_s)

    def _turned_away(self, refusal: Refused, client: str, after_s: float) -> Refused:
        self._limited(client, refusal.fault.code)
        refusal.retry_after_s = max(1, math.ceil(after_s))
        return refusal

    # ------------------------------------------------------------ watching

    def closed_until(self) -> datetime | None:
        """When the platform opens, or None when it is open."""
        return closed_until(self._closings, self._clock())

    def probe_due(self) -> bool:
        """Whether a read of our own would help now."""
        with self._lock:
            return self._breaker.probe_due(self._monotonic())

    def status(self) -> GateStatus:
        """How it stands."""
        with self._watching():
            self._breaker.look(self._monotonic())
            conditions = self._breaker.conditions()
            return GateStatus(conditions, self._turns.shares.all_held, self._turns.waiting, self.closed_until())

    def sent(self, safety: str) -> Flight:
        """A request is about to leave."""
        with self._lock:
            return self._breaker.sent(safety, self._monotonic())

    def heard(self, flight: Flight, *, answered: bool | None) -> None:
        """How it went."""
        with self._watching():
            self._breaker.heard(flight, self._monotonic(), answered=answered)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Hold the lock, and say once what has changed meanwhile."""
        with self._lock:
            before = self._breaker.conditions()
            yield
            after = self._breaker.conditions()
        for safety, condition in after.items():
            if condition is not before[safety]:
                tell = log.error if condition is Condition.OPEN else log.warning
                tell("breaker", address=self._address, safety=safety, was=before[safety].value, now=condition.value)


class WatchedPlatform:
    """A platform each of whose results the gate hears of; while it is closed nothing is sent.

    Args:
        platform: the way to the province.
        gate: of its address.
        safety_of: class of a transaction as it is numbered on the wire.
    """

    def __init__(self, platform: SettlementPlatform, gate: PlatformGate, safety_of: Callable[[str], str]) -> None:
        self._platform = platform
        self._gate = gate
        self._safety_of = safety_of

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """See ``SettlementPlatform``; the line has no part in it."""
        return self._platform.prepare(request)

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Send once; raises what the platform raises."""
        opens = self._gate.closed_until()
        if opens is not None:
            raise NotSent(f"平台停止服务至 {opens:%Y-%m-%d %H:%M}")
        flight = self._gate.sent(self._safety_of(request.infno))
        answered: bool | None = None
        try:
            answer = self._platform.send(request)
            answered = True
        except (NotSent, NoAnswer) as error:
            answered = None if isinstance(error, NotMine | NoPath) else isinstance(error, Rejected)
            raise
        finally:
            self._gate.heard(flight, answered=answered)
        return answer

    def reachable(self, timeout_s: float) -> bool:
        """Whether a connection can be made now."""
        return self._platform.reachable(timeout_s)

    def close(self) -> None:
        """Close pooled connections."""
        self._platform.close()


class CallsInHand:
    """Keeps each client to its share of the calls in hand, so that none can take every thread.

    Args:
        shares: of ``limits.calls_max``.
        limited: as of the gate.
    """

    def __init__(self, shares: Shares, limited: Callable[[str, str], None] = lambda _, __: None) -> None:
        self._shares = shares
        self._limited = limited
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """Calls in hand now, of all clients."""
        with self._lock:
            return self._shares.all_held

    def hold(self, client: str) -> AbstractContextManager[None]:
        """One of the client's calls, from now on until what comes back is left.

        Raises:
            Refused: GW-4003; nothing was waited for.
        """
        with self._lock:
            taken, held = self._shares.take(client), self._shares.held(client)
        if not taken:
            self._limited(client, CLIENT_LIMIT.code)
            refusal = Refused(CLIENT_LIMIT, f"客户端 {client} 同时进行的调用已达上限（{held}）")
            refusal.retry_after_s = 1
            raise refusal
        return _Held(self._give_back, client)

    def _give_back(self, client: str) -> None:
        with self._lock:
            self._shares.give_back(client)


class _Held:
    """A place until it is left; a generator would do the same at three times the cost."""

    __slots__ = ("_client", "_give_back")

    def __init__(self, give_back: Callable[[str], None], client: str) -> None:
        self._give_back = give_back
        self._client = client

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, *_: object) -> None:
        self._give_back(self._client)
