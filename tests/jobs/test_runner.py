"""One run: alone, kept with its outcome, ended in order; the timetable and what it makes up for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import clock
from gateway.exchange.ports import NodeFacts, Outcome, Registration, State
from gateway.faults import CONTENT_WRONG, Refused
from gateway.settings import JobTimes
from gateway.stays.hospital import HisUnavailable
from gateway.store import Store, open_store
from gateway.store.jobs import Ended, JobRun, RunOutcome
from jobs.job import Job, JobFailed, Result, Run
from jobs.runner import Runner, Unknown
from jobs.standing import due_after, leader, standings
from jobs.timetable import Timetable
from tests.sqlite import new_sqlite

WITHIN_S = 20.0
START = datetime(2026, 11, 20, 8, 0, tzinfo=clock.SHANGHAI)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Place:
    """A store with one registered node, and a job that does what the test says."""

    store: Store
    registration: Registration
    clock: Clock = field(default_factory=Clock)
    work: Callable[[Run], Result] = lambda _: Result()
    ended: threading.Event = field(default_factory=threading.Event)

    def runner(self) -> Runner:
        def work(run: Run) -> Result:
            try:
                return self.work(run)
            finally:
                self.ended.set()

        return Runner([Job("alignment", work)], self.store.jobs, lambda: self.registration, self.clock)

    def last(self) -> JobRun:
        return self.store.jobs.history("alignment")[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    store = open_store(new_sqlite(tmp_path / "jobs.db"), node="a")
    store.upgrade()
    claimed = store.nodes.claim("a", None, NodeFacts(), START, Outcome(State.IN_DOUBT, START))
    assert claimed is not None
    yield Place(store, claimed[0])
    store.close()


@pytest.mark.parametrize(
    ("raised", "outcome", "text"),
    [
        (JobFailed("备份目录写不进去"), RunOutcome.FAILED, "备份目录写不进去"),
        (HisUnavailable("HIS 没有答复"), RunOutcome.FAILED, "HIS 没有答复"),
        (Refused(CONTENT_WRONG, "x"), RunOutcome.FAILED, CONTENT_WRONG.title),
        (ZeroDivisionError("secret of a person"), RunOutcome.FAILED, "程序内部错误 ZeroDivisionError"),
    ],
)
def test_whatever_breaks_is_kept_in_words_and_frees_the_slot(
    place: Place, raised: Exception, outcome: RunOutcome, text: str
) -> None:
    def work(_: Run) -> Result:
        raise raised

    place.work = work
    runner = place.runner()
    runner.run_scheduled("alignment")
    assert place.last().outcome is outcome
    assert text in place.last().error
    assert "secret" not in place.last().error
    place.work = lambda _: Result({"已办理": 3}, left=1)
    runner.run_scheduled("alignment")
    assert (place.last().outcome, place.last().counts) == (RunOutcome.PARTIAL, {"已办理": 3, "待人工": 1})


def test_a_second_run_is_skipped_and_a_person_is_told(place: Place) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def work(run: Run) -> Result:
        run.advance(1, 2)
        inside.set()
        assert go_on.wait(WITHIN_S)
        return Result()

    place.work = work
    runner = place.runner()
    number = runner.start("alignment", "王医保", {})
    assert inside.wait(WITHIN_S)
    assert runner.start("alignment", "李护士", {}) is None
    runner.run_scheduled("alignment")
    assert place.last().outcome is RunOutcome.SKIPPED
    (found,) = [run for run in place.store.jobs.history() if run.id == number]
    assert (found.outcome, found.done, found.total) == (RunOutcome.RUNNING, 1, 2)
    with pytest.raises(Unknown, match="alignment"):
        runner.start("no-such-job", "王医保", {})
    go_on.set()
    runner.close()
    assert place.store.jobs.newest("alignment", (RunOutcome.DONE,)) is not None


def test_the_end_of_the_gateway_ends_a_run_after_its_item(place: Place) -> None:
    inside, hold = threading.Event(), threading.Event()
    done: list[int] = []

    def work(run: Run) -> Result:
        for number in range(3):
            run.advance(number, 3)
            inside.set()
            assert hold.wait(WITHIN_S)
            done.append(number)
        return Result()

    place.work = work
    runner = place.runner()
    runner.start("alignment", "王医保", {})
    assert inside.wait(WITHIN_S)
    closing = threading.Thread(target=runner.close)
    closing.start()
    while not runner._stopping.is_set():
        closing.join(0.01)
    hold.set()
    closing.join(WITHIN_S)
    assert place.last().outcome is RunOutcome.STOPPED
    assert done == [0]


def test_what_a_job_takes_no_notice_of_is_refused(place: Place) -> None:
    """Whoever gives a day to a job that knows none would take what it does for that day."""
    runner = place.runner()
    with pytest.raises(Unknown, match="alignment 不接受 day；它不接受任何内容"):
        runner.start("alignment", "王医保", {"day": "2026-11-21"})
    jobs = [Job("alignment", lambda _: Result(), ("since", "day"))]
    runner = Runner(jobs, place.store.jobs, lambda: place.registration, place.clock)
    with pytest.raises(Unknown, match="不接受 days；可以给 since、day"):
        runner.start("alignment", "王医保", {"days": 1, "day": "2026-11-21"})
    assert place.store.jobs.history("alignment") == []


def test_the_end_of_the_gateway_waits_for_a_run_that_is_just_being_begun_and_lets_none_begin(place: Place) -> None:
    inside, hold = threading.Event(), threading.Event()

    def node() -> Registration:
        inside.set()
        assert hold.wait(WITHIN_S)
        return place.registration

    runner = Runner([Job("alignment", lambda _: Result())], place.store.jobs, node, place.clock)
    beginning = threading.Thread(target=runner.run_scheduled, args=("alignment",))
    beginning.start()
    assert inside.wait(WITHIN_S)
    closing = threading.Thread(target=runner.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    hold.set()
    closing.join(WITHIN_S)
    assert place.last().outcome is RunOutcome.DONE
    runner.run_scheduled("alignment")
    assert runner.start("alignment", "王医保", {}) is None
    assert len(place.store.jobs.history("alignment")) == 1
    beginning.join(WITHIN_S)


def test_a_run_that_others_have_taken_over_ends_without_a_word(place: Place) -> None:
    def work(run: Run) -> Result:
        (node,) = place.store.nodes.nodes()
        place.store.nodes.declare_dead(node, Outcome(State.IN_DOUBT, START))
        place.store.jobs.sweep(START)
        run.advance(1, 2)
        raise AssertionError("it went on")

    place.work = work
    place.runner().run_scheduled("alignment")
    assert place.last().outcome is RunOutcome.LOST


# ------------------------------------------------------------------ timetable

WHEN = JobTimes(when="0 2 * * *", grace_s=3600, silent_after_s=90_000)


def timetable(place: Place, times: JobTimes) -> Timetable:
    return Timetable(place.runner(), {"alignment": times}, place.store.jobs, lambda: place.registration, place.clock)


def until(true: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(int(WITHIN_S / 0.02)):
        if true():
            return
        waited.wait(0.02)
    raise AssertionError("it did not come")


@pytest.mark.parametrize(("late", "runs"), [(timedelta(minutes=30), True), (timedelta(hours=2), False)])
def test_what_was_missed_is_made_up_for_once_or_noted(place: Place, late: timedelta, runs: bool) -> None:
    """The store knows that it last ran days ago; APScheduler looks at the real clock, so that is what is late here."""
    due = clock.now() - late
    times = JobTimes(when=f"{due.minute} {due.hour} * * *", grace_s=3600, silent_after_s=90_000)
    begun = place.store.jobs.begin("alignment", place.registration, due - timedelta(days=5), begun_by="schedule")
    assert begun is not None
    place.store.jobs.finish(begun, Ended(RunOutcome.DONE), due - timedelta(days=5))
    place.clock.now = clock.now()
    table = timetable(place, times)
    table.look()
    assert table.leading
    try:
        until(lambda: len(place.store.jobs.history("alignment")) > 1 and place.last().outcome is not RunOutcome.RUNNING)
    finally:
        table.close()
    first, second = place.store.jobs.history("alignment")
    assert first.outcome is (RunOutcome.DONE if runs else RunOutcome.MISSED)
    assert second.id == begun.id, "days that were missed are one run"
    assert leader(place.store.jobs) == "", "who ends leaves it to others"


def test_an_interval_runs_again_and_again(place: Place) -> None:
    place.clock.now = clock.now()
    table = timetable(place, JobTimes(when="every 1s", silent_after_s=60))
    table.look()
    try:
        until(lambda: len(place.store.jobs.history("alignment")) >= 2)
    finally:
        table.close()
    assert {run.outcome for run in place.store.jobs.history("alignment")} <= {RunOutcome.DONE, RunOutcome.STOPPED}


def test_who_has_lost_the_timetable_stops_and_takes_it_anew_under_its_new_life(place: Place) -> None:
    table = timetable(place, WHEN)
    table.look()
    (node,) = place.store.nodes.nodes()
    doubt = Outcome(State.IN_DOUBT, START)
    place.store.nodes.declare_dead(node, doubt)
    table.look()
    assert not table.leading
    claimed = place.store.nodes.claim("a", place.store.nodes.nodes()[0], NodeFacts(), START, doubt)
    assert claimed is not None
    place.registration = claimed[0]
    table.look()
    assert table.leading
    table.close()


def test_failure_and_silence_are_alerts_until_it_does_well_again(place: Place) -> None:
    every = {"alignment": JobTimes(when="every 1h", silent_after_s=7200)}
    jobs = place.store.jobs

    def standing():  # type: ignore[no-untyped-def]
        return standings(every, jobs, place.clock())[0]

    assert (standing().alert, standing().next_at) == ("", None), "what is on no timetable is not silent"
    jobs.announce(["alignment"], START)
    assert standing().next_at == START + timedelta(hours=1)
    place.clock.now = START + timedelta(hours=2, seconds=1)
    assert standing().alert == "silent", "it never ran"

    def fails(_: Run) -> Result:
        raise JobFailed("平台不通")

    place.work = fails
    runner = place.runner()
    runner.run_scheduled("alignment")
    assert (standing().alert, "平台不通" in standing().text) == ("silent", True)
    place.work = lambda _: Result()
    runner.run_scheduled("alignment")
    assert standing().alert == ""
    place.work = fails
    runner.run_scheduled("alignment")
    assert (standing().alert, standing().text) == ("failed", "平台不通")
    disabled = {"alignment": JobTimes(enabled=False)}
    assert standings(disabled, jobs, place.clock())[0].alert == ""


# --------------------------------------------------------------------- times


@given(
    st.sampled_from(["every 5m", "every 90s", "every 2h", "0 2 * * *", "*/7 6-22 * * mon-fri", "30 3 1 * *"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - given its zone below
)
def test_what_is_due_next_is_later_and_the_same_wherever_it_is_asked(when: str, last: datetime) -> None:
    times = JobTimes(when=when)
    aware = last.replace(tzinfo=clock.SHANGHAI)
    found = due_after(times, aware, START)
    assert found >= aware
    assert found == due_after(times, aware, START + timedelta(days=3))
    if times.every_s is None:
        assert found.second == 0


@pytest.mark.parametrize(
    "when",
    ["", "every", "every 0s", "every 5", "every 5d", "0 2 * *", "0 2 * * 1", "61 2 * * *", "a b c d e", "@daily"],
)
def test_a_time_that_means_nothing_is_refused_in_words(when: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        JobTimes(when=when)
