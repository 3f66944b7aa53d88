"""Counts and durations per minute and transaction, counted from the journal as it grows.

Each row is read once, by its number; the rows that are still open are looked at again until they have ended. Nothing is
kept: a console that starts anew counts the last day again from the journal, in small steps.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.exchange.entries import to_ms
from gateway.exchange.ports import JournalUnavailable, State
from gateway.store.figures import Figure, Figures

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(hours=24)
EVERY_S: Final = 2.0
ROWS_AT_ONCE: Final = 2000
OPEN_MAX: Final = 5000
LATE: Final = 200
"""Numbers behind the newest that are looked at again: a slower writer may commit a smaller number later (PostgreSQL)."""
MINUTE_MS: Final = 60_000
BOUNDS_MS: Final = (
    5,
    10,
    20,
    30,
    50,
    75,
    100,
    150,
    200,
    300,
    500,
    750,
    1000,
    1500,
    2000,
    3000,
    5000,
    10_000,
    30_000,
    60_000,
)
"""Upper bounds of the classes that durations are counted in."""
FAILED: Final = frozenset(
    {State.DECLINED, State.NOT_SENT, State.IN_DOUBT, State.ESCALATED, State.NOT_DONE, State.REFUSED}
)

CATALOGS: Final = "13"
"""How the numbers of the catalogs begin."""


@dataclass(slots=True)
class Tally:
    """What happened in some time."""

    count: int = 0
    failed: int = 0
    total_ms: int = 0
    longest_ms: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    states: dict[State, int] = field(default_factory=lambda: defaultdict(int))
    no_news: int = 0
    """Declined questions for catalogs: "nothing newer" is said by a refusal, and one is asked for each catalog every night."""

    def add(self, figure: Figure) -> None:
        """Count one exchange that has ended."""
        self.count += 1
        no_news = figure.state is State.DECLINED and (figure.infno or "").startswith(CATALOGS)
        self.no_news += no_news
        self.failed += figure.state in FAILED and not no_news
        self.states[figure.state] += 1
        spent = max((figure.finished_ms or figure.received_ms) - figure.received_ms, 0)
        self.total_ms += spent
        self.longest_ms = max(self.longest_ms, spent)
        self.durations[bisect_left(BOUNDS_MS, spent)] += 1

    def merge(self, other: Tally) -> None:
        """Add another's counts."""
        self.count += other.count
        self.failed += other.failed
        self.no_news += other.no_news
        self.total_ms += other.total_ms
        self.longest_ms = max(self.longest_ms, other.longest_ms)
        self.durations = [mine + theirs for mine, theirs in zip(self.durations, other.durations, strict=True)]
        for state, number in other.states.items():
            self.states[state] += number

    @property
    def failed_share(self) -> float:
        return self.failed / self.count if self.count else 0.0

    @property
    def mean_ms(self) -> float | None:
        return self.total_ms / self.count if self.count else None

    def quantile_ms(self, share: float) -> int | None:
        """The upper bound of the class in which this share of the exchanges lies (0.95: of 95 in 100)."""
        wanted, seen = share * self.count, 0
        for bound, number in zip((*BOUNDS_MS, self.longest_ms), self.durations, strict=True):
            seen += number
            if number and seen >= wanted:
                return min(bound, self.longest_ms)
        return None


class FigureBook:
    """The figures of the last hours.

    Args:
        source: rows of the journal.
        clock: the time now, aware.
        kept: how far back it counts.
    """

    def __init__(self, source: Figures, clock: Callable[[], datetime], kept: timedelta = KEPT) -> None:
        self._kept = kept
        self._source = source
        self._clock = clock
        self._minutes: dict[int, dict[str, Tally]] = {}
        self._open: set[int] = set()
        self._recent: dict[int, None] = {}
        self._last: int | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        """Count in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop counting."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def catch_up(self) -> None:
        """Count what is new. Raises ``JournalUnavailable``."""
        if self._last is None:
            first = self._source.first_since(self._clock() - self._kept)
            if first is None:
                return
            self._last = first - 1
        while True:
            rows = self._source.after(max(self._last - LATE, 0), ROWS_AT_ONCE)
            self._take(rows)
            if len(rows) < ROWS_AT_ONCE or self._stop.is_set():
                break
        self._take(self._source.of(sorted(self._open)[:ROWS_AT_ONCE]), again=True)
        self._forget()

    def of_window(self, window: timedelta) -> Mapping[str, Tally]:
        """Per transaction, over the last ``window``."""
        since = to_ms(self._clock() - window) // MINUTE_MS
        found: dict[str, Tally] = defaultdict(Tally)
        with self._lock:
            for minute, tallies in self._minutes.items():
                if minute >= since:
                    for infno, tally in tallies.items():
                        found[infno].merge(tally)
        return dict(found)

    def series(self, window: timedelta, points: int, infno: str = "") -> list[tuple[datetime, Tally]]:
        """The last ``window`` in ``points`` equal parts, oldest first: of one transaction, or of all together."""
        now = self._clock()
        step = max(int(window.total_seconds() // 60 // points), 1)
        last = to_ms(now) // MINUTE_MS
        first = last - step * points + 1
        parts = [Tally() for _ in range(points)]
        with self._lock:
            for minute, tallies in self._minutes.items():
                if first <= minute <= last:
                    for name, tally in tallies.items():
                        if infno in ("", name):
                            parts[(minute - first) // step].merge(tally)
        begin = now - timedelta(minutes=last - first)
        return [(begin + timedelta(minutes=step * number), part) for number, part in enumerate(parts)]

    @property
    def open_count(self) -> int:
        """Exchanges that have not ended, as far as was seen."""
        return len(self._open)

    def _take(self, rows: Iterable[Figure], *, again: bool = False) -> None:
        with self._lock:
            for row in rows:
                if not again and (row.id in self._recent or row.id in self._open):
                    continue
                if row.state in (State.INTENDED, State.RECEIVED):
                    if len(self._open) < OPEN_MAX:
                        self._open.add(row.id)
                else:
                    self._open.discard(row.id)
                    self._minutes.setdefault(row.received_ms // MINUTE_MS, defaultdict(Tally))[row.infno].add(row)
                    self._recent[row.id] = None
                if not again:
                    self._last = max(self._last or 0, row.id)
            for old in [number for number in self._recent if number < (self._last or 0) - LATE]:
                del self._recent[old]

    def _forget(self) -> None:
        before = to_ms(self._clock() - self._kept) // MINUTE_MS
        with self._lock:
            for minute in [minute for minute in self._minutes if minute < before]:
                del self._minutes[minute]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.catch_up()
            except JournalUnavailable:
                log.warning("figures_without_journal")
            self._stop.wait(EVERY_S)
