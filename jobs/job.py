"""What a job is, what it is given while it runs, and what it leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from gateway.contract.interface import Interface
from gateway.exchange.call import Reply
from gateway.exchange.ports import Registration
from gateway.exchange.sign_in import sign_in_ended
from gateway.faults import PLATFORM_DECLINED
from gateway.store.jobs import Begun, SqlJobs

ADVANCE_EVERY_S: Final = 1.0
"""Progress is for people: one write a second is enough."""
_UNSENT: Final = ("GW-40", "GW-5")


class JobFailed(Exception):
    """A run cannot go on; the Chinese text says why and what to do."""


class RunLost(Exception):
    """Others have taken this process for dead: the run is no longer ours."""


class Stopped(Exception):
    """The gateway is being stopped; the next run goes on from here."""


def nothing_goes(reply: Reply, interface: Interface) -> bool:
    """Whether nothing was done for reasons that are not in the message, so that whatever else is sent now fares the same."""
    if reply.code.startswith(_UNSENT):
        return True
    return reply.code == PLATFORM_DECLINED.code and sign_in_ended(reply.err_msg, interface)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run that went to its end tells.

    Args:
        counts: how many of what, by a short Chinese name.
        left: how many items wait for a person; the run is ``partial`` then.
        detail: JSON values for whoever looks closer.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)


class Run:
    """One run, as the job sees it.

    Args:
        given: what a person gave with the order to run; empty on schedule.
        stopping: set when the gateway ends.
    """

    def __init__(self, begun: Begun, store: SqlJobs, given: Mapping[str, Any], stopping: threading.Event) -> None:
        self.given = given
        self._begun = begun
        self._store = store
        self._stopping = stopping
        self._told_at = float("-inf")

    @property
    def registration(self) -> Registration:
        """Under what its exchanges are begun: once others have taken the run over, nothing of it leaves."""
        return self._begun.registration

    def go_on(self) -> None:
        """Raises ``Stopped`` when the gateway ends: nothing new is begun then."""
        if self._stopping.is_set():
            raise Stopped

    def advance(self, done: int, total: int) -> None:
        """Between two items: tell how far it is, and whether to go on.

        Raises:
            Stopped: the gateway ends.
            RunLost: the run is no longer ours.
        """
        self.go_on()
        now = time.monotonic()
        if now - self._told_at >= ADVANCE_EVERY_S or done == total:
            self._told_at = now
            if not self._store.advance(self._begun, done, total):
                raise RunLost


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name in the configuration.

    Args:
        work: does one run; raises what is above, ``HisError``, ``GatewayFault`` or ``JournalUnavailable``.
        takes: what a person may give with the order to run.
    """

    name: str
    work: Callable[[Run], Result]
    takes: tuple[str, ...] = ()


def day_given(given: Mapping[str, Any], today: date) -> date | None:
    """The ``day`` that a person gave; None when there is none.

    Raises:
        JobFailed: it is no day, or one to come.
    """
    if "day" not in given:
        return None
    try:
        day = date.fromisoformat(str(given["day"]))
    except ValueError:
        raise JobFailed(f"day 应为日期，如 {today}，收到 {str(given['day'])[:20]!r}") from None
    if day > today:
        raise JobFailed(f"{day} 还没有到")
    return day
