"""The job that tells how the settling of doubts stands, over a real gateway whose resolver the test holds still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gateway import clock
from gateway.exchange.ports import Outcome, State
from gateway.store.jobs import JobRun, RunOutcome
from jobs.doubts import SILENT_S_MAX, Doubts
from jobs.job import Job
from jobs.runner import Runner
from jobs.standing import standings
from tests.console.kit import written
from tests.running import House, house


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("doubts")) as found:
        found.gateway.loop.close()
        yield found


def ran(running: House, silent_s: float = 0.0, ahead: timedelta = timedelta(0)) -> JobRun:
    gateway = running.gateway
    work = Doubts(gateway.store.journal, gateway.store.jobs, lambda: silent_s, lambda: clock.now() + ahead).work
    Runner([Job("doubts", work)], gateway.store.jobs, gateway.membership.current, clock.now).run_scheduled("doubts")
    return gateway.store.jobs.history("doubts")[0]


def doubtful(running: House, **more: Any) -> int:
    return written(running.gateway.store.journal, State.IN_DOUBT, infno="2304", **more).id


def test_it_counts_what_is_open_due_late_settled_and_waits_for_a_person(running: House) -> None:
    journal = running.gateway.store.journal
    before = ran(running)
    assert before.counts.keys() >= {"结果未知", "到期待核实", "逾期", "上次以来了结"}

    def more(run: JobRun) -> dict[str, int]:
        found = {name: count - before.counts.get(name, 0) for name, count in run.counts.items()}
        return {name: count for name, count in found.items() if count}

    first, later, person = (doubtful(running, busy_keys=(name,)) for name in "abc")
    assert journal.postpone(later, 0, clock.now() + timedelta(hours=1))
    run = ran(running)
    assert more(run) == {"结果未知": 3, "到期待核实": 2}
    assert run.outcome is RunOutcome.DONE
    assert set(run.detail["open"]) >= {first, later, person}
    late = set(ran(running, ahead=timedelta(minutes=6)).detail["late"])
    assert (late & {first, later, person}) == {first, person}
    now = clock.now()
    journal.resolve(first, Outcome(State.NOT_DONE, now))
    journal.resolve(person, Outcome(State.ESCALATED, now))
    run = ran(running)
    assert more(run) == {"结果未知": 1, "上次以来了结": 1, "待人工": 1}
    assert run.outcome is RunOutcome.PARTIAL, "a person is waited for"
    assert ran(running).counts["上次以来了结"] == 0, "each once"


def test_it_fails_and_is_on_alert_when_nobody_is_at_it(running: House) -> None:
    gateway = running.gateway
    assert ran(running, SILENT_S_MAX).outcome in (RunOutcome.DONE, RunOutcome.PARTIAL)
    run = ran(running, SILENT_S_MAX + 60, -timedelta(days=1))
    assert (run.outcome, "停顿 11 分钟" in run.error, "没有逾期" in run.error) == (RunOutcome.FAILED, True, True)
    doubtful(running, busy_keys=("d",))
    count = len(gateway.store.journal.doubts(clock.now() + timedelta(hours=2)))
    run = ran(running, SILENT_S_MAX + 60, timedelta(hours=2))
    assert f"{count} 笔结果未知的交易无人核实" in run.error
    (stands,) = [
        one for one in standings(gateway.settings.jobs.times, gateway.store.jobs, clock.now()) if one.name == "doubts"
    ]
    assert (stands.alert, stands.text) == ("failed", run.error)


def test_the_resolver_shows_itself_in_every_turn_and_before_every_step(running: House) -> None:
    resolver = running.gateway.resolver
    seconds = [100.0]
    before, resolver._monotonic = resolver._monotonic, lambda: seconds[0]
    resolver._shown_at = 0.0
    try:
        assert resolver.silent_s == 100.0
        resolver.run_due()
        assert resolver.silent_s == 0.0
        seconds[0] = 130.0
        assert resolver.silent_s == 30.0
        assert running.gateway.runner._jobs["doubts"].work.__self__._silent_s() == 30.0  # type: ignore[attr-defined]
    finally:
        resolver._monotonic = before
