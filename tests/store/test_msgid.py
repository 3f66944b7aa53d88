"""No msgid twice: over threads, restarts, nodes, and whatever the clock does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.ports import JournalUnavailable
from gateway.store import open_store
from tests.store.samples import INSTITUTION

START = datetime(2026, 11, 21, 23, 59, 59, 500000, tzinfo=SHANGHAI)


class Clock:
    """A clock that goes where it is told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_the_form() -> None:
    sequence = MsgidSequence(MemoryJournal(), INSTITUTION, Clock())
    assert sequence.next() == f"{INSTITUTION}202611212359590000"
    assert sequence.next() == f"{INSTITUTION}202611212359590001"


def test_the_second_is_the_one_in_china_whatever_zone_the_clock_is_in() -> None:
    clock = Clock()
    clock.now = datetime.fromisoformat("2026-11-21T16:00:00+00:00")
    assert MsgidSequence(MemoryJournal(), INSTITUTION, clock).next() == f"{INSTITUTION}202611220000000000"


@pytest.mark.parametrize(
    "institution", ["", "H4408030001", "H440803000188", "H4408030001 ", "医疗机构编号医疗机构编号"]
)
def test_an_institution_has_twelve_letters_or_digits(institution: str) -> None:
    with pytest.raises(ValueError, match="12 位"):
        MsgidSequence(MemoryJournal(), institution, Clock())


def test_a_block_costs_one_reservation() -> None:
    asked: list[int] = []

    class Counting(MemoryJournal):
        def next_msgids(self, institution: str, now: datetime, count: int):  # type: ignore[no-untyped-def]
            asked.append(count)
            return super().next_msgids(institution, now, count)

    sequence = MsgidSequence(Counting(), INSTITUTION, Clock(), block=100)
    for _ in range(250):
        sequence.next()
    assert asked == [100, 100, 100]


def test_a_block_is_dropped_when_its_second_is_long_gone() -> None:
    clock = Clock()
    sequence = MsgidSequence(MemoryJournal(), INSTITUTION, clock)
    sequence.next()
    clock.now += timedelta(seconds=60)
    assert sequence.next() == f"{INSTITUTION}202611212359590001"
    clock.now += timedelta(seconds=1)
    assert sequence.next() == f"{INSTITUTION}202611220001000000"


def test_overflow_runs_ahead_and_says_so() -> None:
    clock = Clock()
    sequence = MsgidSequence(MemoryJournal(), INSTITUTION, clock, block=10_000)
    assert sequence.ahead_s == 0
    numbers = [sequence.next() for _ in range(25_000)]
    assert numbers[-1] == f"{INSTITUTION}202611220000014999"
    assert numbers == sorted(set(numbers))
    assert sequence.ahead_s == 2
    clock.now -= timedelta(hours=1)
    assert sequence.ahead_s == 3602
    assert sequence.next() > numbers[-1]


def test_far_ahead_of_the_clock_is_an_alert_once() -> None:
    clock = Clock()
    sequence = MsgidSequence(MemoryJournal(), INSTITUTION, clock, block=1)
    with capture_logs() as logs:
        for step_s in (0, -60, -1, 0, 0, 90, 0, -90):
            clock.now += timedelta(seconds=step_s)
            sequence.next()
    told = [(line["event"], line["log_level"]) for line in logs]
    far, near = ("msgid_runs_ahead", "error"), ("msgid_near_the_clock", "info")
    assert told == [far, near, far]


def test_without_the_journal_there_is_no_number() -> None:
    journal = MemoryJournal()
    sequence = MsgidSequence(journal, INSTITUTION, Clock(), block=2)
    first = [sequence.next(), sequence.next()]
    journal.available = False
    with pytest.raises(JournalUnavailable):
        sequence.next()
    journal.available = True
    assert sequence.next() > first[1]


STEP = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 30)),
    st.tuples(st.just("clock"), st.integers(-5000, 5000), st.just(0)),
    st.tuples(st.just("restart"), st.integers(0, 2), st.just(0)),
)


@given(steps=st.lists(STEP, max_size=40), block=st.integers(1, 40))
@settings(deadline=None)
def test_never_twice_and_never_below_what_was_reserved(steps: list[tuple[str, int, int]], block: int) -> None:
    journal, clock = MemoryJournal(), Clock()
    nodes = [MsgidSequence(journal, INSTITUTION, clock, block) for _ in range(3)]
    seen: list[str] = []
    for kind, which, times in steps:
        if kind == "take":
            taken = [nodes[which].next() for _ in range(times)]
            assert taken == sorted(taken)
            seen += taken
        elif kind == "clock":
            clock.now += timedelta(seconds=which)
        else:
            nodes[which] = MsgidSequence(journal, INSTITUTION, clock, block)
            fresh = nodes[which].next()
            assert all(fresh > number for number in seen)
            seen.append(fresh)
    assert len(seen) == len(set(seen))


def test_threads_on_a_file_reopened_by_turns(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path / 'j.db'}", Clock()
    numbers: list[str] = []
    for step in (0, -3600, 5):
        clock.now += timedelta(seconds=step)
        store = open_store(url, node="n1")
        store.upgrade()
        numbers += _take(MsgidSequence(store.journal, INSTITUTION, clock, block=7).next)
        store.close()
    assert len(set(numbers)) == len(numbers) == 3 * 400


def test_nodes_on_one_postgresql(pg_url: str) -> None:
    clock = Clock()
    stores = [open_store(pg_url, node=f"n{number}") for number in range(2)]
    stores[0].upgrade()
    sequences = [MsgidSequence(store.journal, INSTITUTION, clock, block=5) for store in stores]
    with ThreadPoolExecutor(2) as pool:
        numbers = [number for taken in pool.map(_take, [sequence.next for sequence in sequences]) for number in taken]
    for store in stores:
        store.close()
    assert len(set(numbers)) == len(numbers) == 800


def _take(number: Callable[[], str]) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: number(), range(400)))
