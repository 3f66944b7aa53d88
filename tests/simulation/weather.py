"""What goes wrong in one simulated world, and how often: drawn from its seed, so that every mixture comes up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

LINE: Final[Mapping[str, float]] = {
    "not-reached": 2,
    "refuse": 2,
    "lose-request": 3,
    "late-request": 4,
    "lose-reply": 5,
    "late-reply": 2,
    "duplicate-reply": 1,
    "garbage": 2,
    "wrong-charset": 1,
    "empty-success": 1,
    "truncated": 1,
    "http-500": 1,
    "http-500-after": 1,
    "reset": 2,
    "reset-after": 2,
    "delay": 3,
}
"""Faults of the line and the platform, with their relative weights."""
LINE_OF: Final = tuple(LINE)


@dataclass(frozen=True)
class Weather:
    """Probabilities are per event of their kind, intervals in virtual seconds (0 = never)."""

    line: float = 0.0
    weights: tuple[float, ...] = field(default=tuple(LINE.values()))
    crash_at_write: float = 0.0
    """The node dies before, inside or after a durable write."""
    crash_at_send: float = 0.0
    """The node dies before or after sending."""
    lost_acknowledgement: float = 0.0
    """A commit succeeds and the store says it did not."""
    store_fails: float = 0.0
    """A single call of the store fails, nothing is written."""
    crash_every_s: float = 0.0
    stopped_every_s: float = 0.0
    """SIGSTOP and, a while later, SIGCONT."""
    stopped_at_send: float = 0.0
    """The same between the intent and the first byte, where it matters most."""
    stopped_at_intent: float = 0.0
    """The same before the intent, when everything has been judged."""
    store_down_every_s: float = 0.0
    platform_down_every_s: float = 0.0
    clock_step_every_s: float = 0.0
    clock_step_s_max: float = 0.0
    socket_gone: float = 0.0
    """The HIS does not wait for the reply."""
    twin: float = 0.0
    """The HIS sends the same request twice at once."""
    without_request_id: float = 0.5
    fence_closes: bool = True
    """Whether a 2601 for a request that the platform has never seen keeps that request out when it comes late.

    Where it does not, nothing but the settle time protects from a late request.
    """
    reversible: bool = True
    """Whether the province lets anything be reversed by 2601; where it does not, a person has the last word about money."""
    seen_gone: bool = False
    """Whether a process that starts again sees that the one before is gone; else silence alone tells."""
    sign_in: bool = False
    """Whether the platform wants every operator signed in, and forgets who is when it restarts."""
    gives_up: float = 0.0
    """The HIS never asks again about a call whose answer it did not get."""


CALM: Final = Weather()


def only(*kinds: str) -> tuple[float, ...]:
    """Weights by which nothing but these faults happens on the line."""
    return tuple(weight if kind in kinds else 0.0 for kind, weight in LINE.items())


def draw(rng: Random) -> Weather:
    """A mixture for one world; each ingredient is missing in half of them."""

    def some(most: float) -> float:
        return rng.uniform(most / 10, most) if rng.random() < 0.5 else 0.0

    def every(least_s: float) -> float:
        return rng.uniform(least_s, 10 * least_s) if rng.random() < 0.5 else 0.0

    weights = tuple(weight * rng.choice((0, 1, 1, 3)) for weight in LINE.values())
    return Weather(
        line=rng.choice((0.0, 0.02, 0.1, 0.3)),
        weights=weights if any(weights) else tuple(LINE.values()),
        crash_at_write=some(0.02),
        crash_at_send=some(0.02),
        lost_acknowledgement=some(0.01),
        store_fails=some(0.02),
        crash_every_s=every(200),
        stopped_every_s=every(300),
        stopped_at_send=some(0.01),
        store_down_every_s=every(300),
        platform_down_every_s=every(300),
        clock_step_every_s=every(200),
        clock_step_s_max=rng.choice((2.0, 60.0, 3600.0)),
        socket_gone=some(0.1),
        twin=some(0.2),
        without_request_id=rng.choice((0.0, 0.5, 1.0)),
        fence_closes=rng.random() < 0.5,
        reversible=rng.random() < 0.85,
        gives_up=some(0.05),
        seen_gone=rng.random() < 0.5,
        sign_in=rng.random() < 0.3,
        stopped_at_intent=some(0.01),
    )
