"""The timetable: kept by exactly one node, which has each job begin when it is due (design, "Stack": jobs).

Every node that takes part looks every few seconds. Who finds nobody living at it takes the slot ``LEADER`` and starts
APScheduler; who finds that it has lost the slot stops its own. What was due meanwhile is made up for once, within
``grace_s``, else noted as missed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from gateway import clock
from gateway.exchange.ports import JournalUnavailable, Registration
from gateway.settings import JobTimes
from gateway.store.jobs import RunOutcome, SqlJobs
from jobs.runner import Runner
from jobs.standing import due_after, standings, trigger_of

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
ALERTS_EVERY: Final = 15
"""Looks between two looks at how the jobs stand."""
AT_ONCE: Final = 4
"""Different jobs that may run side by side."""


class Timetable:
    """Keeps the timetable while this node is the one to do so.

    Args:
        every: times by name; those that are not enabled never fall due.
        node: under what this process is registered now.
        look_every_s: seconds between two looks at who keeps the timetable.
    """

    def __init__(
        self,
        runner: Runner,
        every: Mapping[str, JobTimes],
        store: SqlJobs,
        node: Callable[[], Registration],
        clock: Callable[[], datetime],
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._runner = runner
        self._every = {name: times for name, times in every.items() if name in runner.names}
        self._store = store
        self._node = node
        self._clock = clock
        self._look_every_s = look_every_s
        self._term: int | None = None
        self._scheduler: BackgroundScheduler | None = None
        self._alerts: dict[str, str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timetable", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes at once."""
        self._thread.start()

    def close(self) -> None:
        """Begin nothing more, let every run end after its item, and leave the timetable to another node."""
        self._end.set()
        self._runner.close()
        if self._thread.is_alive():
            self._thread.join()
        self._step_down()
        if self._term is not None:
            try:
                self._store.resign(self._term)
            except JournalUnavailable:
                log.warning("timetable_left_unsaid")

    @property
    def leading(self) -> bool:
        """Whether this node keeps the timetable."""
        return self._scheduler is not None

    # ---------------------------------------------------------------- looking

    def _run(self) -> None:
        looks = 0
        while not self._end.is_set():
            try:
                self.look()
                if looks % ALERTS_EVERY == 0:
                    self._tell_alerts()
                looks += 1
            except JournalUnavailable as error:
                log.warning("timetable_waits_for_the_store", reason=str(error))
            except Exception:  # without this thread nothing would run any more
                log.exception("timetable_failed")
            self._end.wait(self._look_every_s)

    def look(self) -> None:
        """One look: take the timetable, keep it, or let it go. Raises ``JournalUnavailable``."""
        if self._term is not None and not self._store.leads(self._term):
            log.error("timetable_lost", term=self._term)
            self._step_down()
            self._term = None
        now = self._clock()
        if self._term is None:
            self._term = self._store.lead(self._node(), now)
            if self._term is not None:
                self._lead(now)
        if self._term is not None:
            for name in self._store.sweep(now):
                log.error("job_lost", job=name)

    def _tell_alerts(self) -> None:
        """Every change is told once, by every node: one that has no leader must not be silent about it."""
        found = {
            one.name: f"{one.alert}: {one.text}"
            for one in standings(self._every, self._store, self._clock())
            if one.alert
        }
        for name, text in found.items():
            if self._alerts.get(name) != text:
                log.error("job_alert", job=name, alert=text)
        for name in self._alerts.keys() - found.keys():
            log.info("job_alert_over", job=name)
        self._alerts = found

    # ---------------------------------------------------------------- leading

    def _lead(self, now: datetime) -> None:
        enabled = {name: times for name, times in self._every.items() if times.enabled}
        self._store.announce([*enabled], now)
        scheduler = BackgroundScheduler(
            timezone=clock.SHANGHAI,
            executors={"default": ThreadPoolExecutor(AT_ONCE)},
            job_defaults={"coalesce": True, "max_instances": 1},
        )
        scheduler.add_listener(self._not_run, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        slots = self._store.slots()
        for name, times in enabled.items():
            scheduler.add_job(
                self._runner.run_scheduled,
                trigger_of(times),
                args=(name,),
                id=name,
                misfire_grace_time=max(1, int(times.grace_s)),
                next_run_time=due_after(times, self._store.last_scheduled(name), slots[name].since),
            )
        scheduler.start()
        self._scheduler = scheduler
        log.info("timetable_kept_here", term=self._term, jobs=[*enabled])

    def _step_down(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def _not_run(self, event: Any) -> None:
        missed = isinstance(event, JobExecutionEvent)
        assert missed or isinstance(event, JobSubmissionEvent)
        due = event.scheduled_run_time if missed else event.scheduled_run_times[-1]
        outcome = RunOutcome.MISSED if missed else RunOutcome.SKIPPED
        text = "到时网关没有运行，已过补办时限" if missed else "上一次仍在运行，本次略过"
        try:
            self._runner.note(event.job_id, outcome, due, text)
        except JournalUnavailable as error:
            log.warning("job_without_store", job=event.job_id, reason=str(error))
