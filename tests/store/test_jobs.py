"""Slots belong to who lives, runs are told once, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.exchange.ports import NodeFacts, Outcome, Registration, State
from gateway.store import Store, open_store
from gateway.store.jobs import BY_PERSON, BY_SCHEDULE, LEADER, Ended, RunOutcome
from tests.sqlite import new_sqlite
from tests.store.samples import NOW

DOUBT = Outcome(State.IN_DOUBT, NOW)


@pytest.fixture
def make(tmp_path: Path, pg_url: str) -> Iterator[Callable[[str], Store]]:
    with ExitStack() as stack:

        def opened(backend: str) -> Store:
            url = pg_url if backend == "postgresql" else new_sqlite(tmp_path / "jobs.db")
            store = open_store(url, node="n")
            stack.callback(store.close)
            store.upgrade()
            return store

        yield opened


def registered(store: Store, name: str) -> Registration:
    before = next((node for node in store.nodes.nodes() if node.registration.name == name), None)
    claimed = store.nodes.claim(name, before, NodeFacts(), NOW, DOUBT)
    assert claimed is not None
    return claimed[0]


def dead(store: Store, name: str) -> None:
    node = next(node for node in store.nodes.nodes() if node.registration.name == name)
    assert store.nodes.declare_dead(node, DOUBT) is not None


def test_one_leads_until_it_is_dead_and_never_again_by_its_old_term(make: Callable[[str], Store]) -> None:
    jobs = (store := make("postgresql")).jobs
    a, b = registered(store, "a"), registered(store, "b")
    first = jobs.lead(a, NOW)
    assert first is not None
    assert jobs.lead(b, NOW) is None
    assert jobs.lead(a, NOW) is None, "who has it already does not take it twice"
    assert jobs.slots()[LEADER].node == "a"
    dead(store, "a")
    assert not jobs.leads(first)
    assert jobs.slots()[LEADER].node == ""
    assert jobs.lead(a, NOW) is None, "a registration that is no longer in force takes nothing"
    second = jobs.lead(b, NOW)
    assert second is not None
    assert second > first
    jobs.resign(first)
    assert jobs.leads(second), "an old term frees nothing"
    jobs.resign(second)
    assert jobs.lead(registered(store, "a"), NOW) is not None


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_run_is_alone_and_told_once(make: Callable[[str], Store], backend: str) -> None:
    jobs = (store := make(backend)).jobs
    here = registered(store, "a")
    begun = jobs.begin("alignment", here, NOW, begun_by=BY_PERSON, operator="李护士")
    assert begun is not None
    assert jobs.begin("alignment", here, NOW, begun_by=BY_SCHEDULE) is None
    assert jobs.begin("backup", here, NOW, begun_by=BY_SCHEDULE) is not None, "another job is not in its way"
    assert jobs.advance(begun, 3, 7)
    running = jobs.get(begun.id)
    assert running is not None
    assert (running.outcome, running.done, running.total, running.operator) == (RunOutcome.RUNNING, 3, 7, "李护士")
    end = NOW + timedelta(seconds=5)
    assert jobs.finish(begun, Ended(RunOutcome.PARTIAL, {"已办理": 2}, detail={"left": ["M1"]}), end)
    assert not jobs.finish(begun, Ended(RunOutcome.DONE), end), "an end is an end"
    assert not jobs.advance(begun, 4, 7)
    told = jobs.get(begun.id)
    assert told is not None
    assert (told.outcome, told.counts, told.detail) == (RunOutcome.PARTIAL, {"已办理": 2}, {"left": ["M1"]})
    assert told.finished_at == end
    assert jobs.last_scheduled("alignment") is None, "a person's run is none of the timetable"
    again = jobs.begin("alignment", here, end, begun_by=BY_SCHEDULE)
    assert again is not None
    assert jobs.last_scheduled("alignment") == end
    assert [run.id for run in jobs.history("alignment")] == [again.id, begun.id]
    assert [run.id for run in jobs.history("alignment", before_id=again.id)] == [begun.id]


def test_what_the_dead_left_is_lost_and_cannot_end_any_more(make: Callable[[str], Store]) -> None:
    jobs = (store := make("postgresql")).jobs
    a, b = registered(store, "a"), registered(store, "b")
    begun = jobs.begin("alignment", a, NOW, begun_by=BY_SCHEDULE)
    swept = jobs.begin("backup", a, NOW, begun_by=BY_SCHEDULE)
    assert begun is not None
    assert swept is not None
    assert jobs.sweep(NOW) == []
    dead(store, "a")
    assert not jobs.holds(begun)
    after = jobs.begin("alignment", b, NOW, begun_by=BY_SCHEDULE)
    assert after is not None, "the living take over without waiting for a sweep"
    assert jobs.sweep(NOW) == ["backup"]
    assert not jobs.finish(begun, Ended(RunOutcome.DONE), NOW)
    assert jobs.holds(after), "who was taken over frees nothing"
    outcomes = {run.id: run.outcome for run in jobs.history()}
    assert outcomes == {
        begun.id: RunOutcome.LOST,
        swept.id: RunOutcome.LOST,
        after.id: RunOutcome.RUNNING,
    }


def test_what_did_not_take_place_is_kept_too(make: Callable[[str], Store]) -> None:
    jobs = make("sqlite").jobs
    jobs.announce(["backup"], NOW)
    jobs.announce(["backup"], NOW + timedelta(days=1))
    assert jobs.slots()["backup"].since == NOW
    jobs.note("backup", "a", RunOutcome.MISSED, NOW, "到时网关没有运行")
    run = jobs.newest("backup", (RunOutcome.MISSED,))
    assert run is not None
    assert (run.error, run.started_at, run.finished_at) == ("到时网关没有运行", NOW, NOW)
    assert jobs.last_scheduled("backup") == NOW
