"""``python -m tests.simulation.mutants``: takes one safeguard away at a time and expects the simulation to notice.

A simulation that finds nothing may be blind. Each mutant is the production code without one of the ideas it rests on;
if a mutant survives, the simulation has lost its eye for that idea.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from gateway.exchange import entries
from gateway.exchange.call import Reply
from gateway.exchange.ports import Exchange as Row
from gateway.exchange.ports import Intent, Outcome, PlatformRequest, State
from gateway.exchange.replies import refusal_reply
from gateway.exchange.resolver import Resolver
from gateway.exchange.sending import Sending
from gateway.exchange.stay_rules import Ruling, StayRules
from gateway.exchange.twins import Twins
from gateway.faults import NOT_REACHED, Refused
from gateway.stays.ports import StayFact
from gateway.store import journal
from gateway.store.journal import SqlJournal
from tests.simulation import runner, world
from tests.simulation.runner import Failure
from tests.simulation.weather import Weather, only

SECONDS_MAX = 120.0
"""Some ten seconds do on an idle machine."""
SEED = 77


@contextmanager
def no_write_ahead() -> Iterator[None]:
    """The intent is made durable only when the outcome is written, as a journal kept afterwards would."""
    held: dict[int, Intent] = {}
    intend, finish = SqlJournal.intend, SqlJournal.finish

    def later(self: SqlJournal, intent: Intent) -> Any:
        number = -1 - len(held)
        held[number] = intent
        return replace(entries.intended(intent), id=number)

    def now(self: SqlJournal, exchange_id: int, outcome: Any, begun: Any = None) -> Any:
        del begun
        return finish(self, intend(self, held[exchange_id]).id if exchange_id in held else exchange_id, outcome)

    with patch.object(SqlJournal, "intend", later), patch.object(SqlJournal, "finish", now):
        yield


def no_busy_row() -> AbstractContextManager[Any]:
    """Exchanges about one visit run side by side."""
    return patch.object(entries, "busy_keys", lambda intent: ())


def no_settle_time() -> AbstractContextManager[Any]:
    """A negative answer counts at once."""
    return patch.object(world, "SETTLE_TIME_S", 0.0)


@contextmanager
def no_dedup_key() -> Iterator[None]:
    """Every request is a new one."""
    intend = SqlJournal.intend

    def forgetful(self: SqlJournal, intent: Intent) -> Any:
        return intend(self, replace(intent, request_id=None, once=False))

    with patch.object(Twins, "holder", lambda self, case: None), patch.object(SqlJournal, "intend", forgetful):
        yield


def undone_answers_again() -> AbstractContextManager[Any]:
    """What was undone stays in force: the confirmed answer of a revoked settlement is given again."""
    return patch.object(journal, "_end_others", lambda connection, row, outcome: [])


def blind_retry() -> AbstractContextManager[Any]:
    """A request without an answer counts as not sent, so that the next attempt gets a new msgid."""

    def not_sent(self: Sending, entry: Row, answer: object, error: Exception, started: object) -> Reply:
        self._journal.finish(entry.id, Outcome(State.NOT_SENT, self._clock(), code=NOT_REACHED.code))
        return refusal_reply(Refused(NOT_REACHED), entry)

    return patch.object(Sending, "_in_doubt", not_sent)


@contextmanager
def wakes_up_unaware() -> Iterator[None]:
    """What stood still goes on as if nobody had been told anything about the same request meanwhile."""
    intend = SqlJournal.intend

    def forgetful(self: SqlJournal, intent: Intent) -> Any:
        return intend(self, replace(intent, seen=None))

    with patch.object(SqlJournal, "intend", forgetful):
        yield


def never_asks_whether_it_lives() -> AbstractContextManager[Any]:
    """A node that was paused past its takeover goes on sending what it had begun."""
    return patch.object(PlatformRequest, "check_mine", lambda self: None)


def no_rules() -> AbstractContextManager[Any]:
    """Nothing stands between a discharge and the platform but the platform."""

    def passes(self: StayRules, transaction: object, message: object, *_: object) -> Ruling:
        return Ruling(message)

    return patch.object(StayRules, "rule", passes)


def no_facts_of_doubts() -> AbstractContextManager[Any]:
    """What the resolver confirms tells nothing of the stay."""
    return patch.object(Resolver, "_facts_told", lambda self, entry, outcome, interface: (StayFact("M0"),))


@dataclass(frozen=True)
class Mutant:
    """A safeguard taken away, and the weather in which it is needed (None: whatever the seeds bring)."""

    mutate: Callable[[], AbstractContextManager[Any]]
    weather: Weather | None = None


LATE: Final = Weather(line=0.3, weights=only("late-request", "lose-reply"), fence_closes=False)
LOSSY: Final = Weather(line=0.2, weights=only("lose-request", "lose-reply", "reset", "reset-after"), twin=0.2)
SLOW: Final = Weather(line=0.3, weights=only("lose-reply", "late-reply", "delay"))
PAUSED: Final = Weather(stopped_at_send=0.05, crash_every_s=2000.0)
STANDING: Final = Weather(line=0.5, weights=only("refuse"), stopped_at_intent=0.05)
MUTANTS: Final[Mapping[str, Mutant]] = {
    "write-ahead": Mutant(no_write_ahead),
    "busy-row": Mutant(no_busy_row, SLOW),
    "settle-time": Mutant(no_settle_time, LATE),
    "dedup-key": Mutant(no_dedup_key),
    "undone-by": Mutant(undone_answers_again),
    "blind-retry": Mutant(blind_retry, LOSSY),
    "seen": Mutant(wakes_up_unaware, STANDING),
    "still-mine": Mutant(never_asks_whether_it_lives, PAUSED),
    "rules": Mutant(no_rules),
    "proven-facts": Mutant(no_facts_of_doubts, LOSSY),
}


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    name: str
    failure: Failure | None
    worlds: int
    seconds: float

    def __str__(self) -> str:
        found = self.failure.error.splitlines()[0] if self.failure else "SURVIVED"
        return f"{self.name:12} {self.seconds:5.1f} s, world {self.worlds:3}: {found}"


def hunt(name: str, seconds_max: float = SECONDS_MAX) -> Verdict:
    """Run worlds on the mutated code until one fails or the time is over."""
    started = time.monotonic()
    mutant = MUTANTS[name]
    with mutant.mutate():
        summary = runner.run(SEED, sys.maxsize, seconds_max=seconds_max, weather=mutant.weather)
    return Verdict(name, summary.failure, summary.worlds, time.monotonic() - started)


def main() -> int:
    """Every mutant in turn."""
    survived = 0
    for name in MUTANTS:
        verdict = hunt(name)
        survived += verdict.failure is None
        sys.stdout.write(f"{verdict}\n")
        sys.stdout.flush()
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
