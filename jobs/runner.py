"""Runs a job once: alone among all nodes, with its history, whatever comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from gateway.exchange.ports import JournalUnavailable, Registration
from gateway.faults import GatewayFault
from gateway.stays.hospital import HisError
from gateway.store import StoreError
from gateway.store.jobs import BY_PERSON, BY_SCHEDULE, Begun, Ended, RunOutcome, SqlJobs
from jobs.job import Job, JobFailed, Result, Run, RunLost, Stopped

log = structlog.get_logger(__name__)

CLOSE_S_MAX: Final = 20.0
"""How long the end of the gateway waits for a run to come to the end of its item."""


class Unknown(Exception):
    """There is no such job here, or it takes nothing of the kind; the text names what there is."""


class Runner:
    """Runs jobs on this node.

    Args:
        store: slots and history.
        node: under what this process begins exchanges now.
        clock: the gateway's clock, aware.
    """

    def __init__(
        self, jobs: Iterable[Job], store: SqlJobs, node: Callable[[], Registration], clock: Callable[[], datetime]
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._store = store
        self._node = node
        self._clock = clock
        self._stopping = threading.Event()
        self._going = 0
        self._ended_one = threading.Condition()

    @property
    def names(self) -> tuple[str, ...]:
        """The jobs of this gateway."""
        return tuple(self._jobs)

    def run_scheduled(self, name: str) -> None:
        """Run a job because it is due; what cannot begin because the one before still runs is noted."""
        if not self._enter():
            return  # the gateway ends
        try:
            begun = self._begun(name, BY_SCHEDULE, "")
            if begun is None:
                self.note(name, RunOutcome.SKIPPED, self._clock(), "上一次仍在运行，本次略过")
            else:
                self._run(begun, {})
        except JournalUnavailable as error:
            log.warning("job_without_store", job=name, reason=str(error))
        finally:
            self._leave()

    def start(self, name: str, operator: str, given: Mapping[str, Any]) -> int | None:
        """Begin a run for a person and go on with it in a thread; its number, None while another goes on or all ends.

        Raises:
            Unknown: no such job, or it does not take what was given.
            JournalUnavailable: the store cannot be written.
        """
        self._must_take(name, given)
        if not self._enter():
            return None
        begun = None
        try:
            begun = self._begun(name, BY_PERSON, operator)
            if begun is None:
                return None
            threading.Thread(target=self._run_apart, args=(begun, given), name=f"job-{name}", daemon=True).start()
            return begun.id
        finally:
            if begun is None:
                self._leave()

    def _must_take(self, name: str, given: Mapping[str, Any]) -> None:
        """What a job would not look at is refused: it would do something else than was asked."""
        job = self._jobs.get(name)
        if job and (more := sorted(given.keys() - set(job.takes))):
            takes = f"可以给 {'、'.join(job.takes)}" if job.takes else "它不接受任何内容"
            raise Unknown(f"作业 {name} 不接受 {'、'.join(more)[:100]}；{takes}")

    def note(self, name: str, outcome: RunOutcome, due: datetime, text: str) -> None:
        """Keep and tell that a run that was due did not take place."""
        log.error("job_not_run", job=name, outcome=outcome.value, due=due.isoformat())
        self._store.note(name, self._node().name, outcome, due, text)

    def close(self) -> None:
        """Begin nothing more, let every run end after its item, and wait until they have."""
        with self._ended_one:
            self._stopping.set()
        if not self.idle(CLOSE_S_MAX):
            log.warning("jobs_still_running", runs=self._going)

    def idle(self, within_s: float) -> bool:
        """Wait until nothing runs here, or for so long; whether nothing does."""
        with self._ended_one:
            return self._ended_one.wait_for(lambda: self._going == 0, within_s)

    # ------------------------------------------------------------------ one run

    def _enter(self) -> bool:
        """Count a run before it is begun, so that whoever closes waits for it; False once the gateway ends."""
        with self._ended_one:
            if self._stopping.is_set():
                return False
            self._going += 1
            return True

    def _leave(self) -> None:
        with self._ended_one:
            self._going -= 1
            self._ended_one.notify_all()

    def _begun(self, name: str, begun_by: str, operator: str) -> Begun | None:
        if name not in self._jobs:
            raise Unknown(f"没有名为 {name[:40]} 的作业；可用：{'、'.join(self._jobs)}")
        return self._store.begin(name, self._node(), self._clock(), begun_by=begun_by, operator=operator)

    def _run_apart(self, begun: Begun, given: Mapping[str, Any]) -> None:
        try:
            self._run(begun, given)
        except JournalUnavailable as error:
            log.warning("job_without_store", job=begun.job, reason=str(error))
        finally:
            self._leave()

    def _run(self, begun: Begun, given: Mapping[str, Any]) -> None:
        log.info("job_begun", job=begun.job, run=begun.id)
        try:
            ended = self._ended(begun, Run(begun, self._store, given, self._stopping))
        except RunLost:
            log.warning("job_lost", job=begun.job, run=begun.id)
            return
        if not self._store.finish(begun, ended, self._clock()):
            log.error("job_lost", job=begun.job, run=begun.id)
            return
        told = log.error if ended.outcome is RunOutcome.FAILED else log.info
        told("job_ended", job=begun.job, run=begun.id, outcome=ended.outcome.value, error=ended.error)

    def _ended(self, begun: Begun, run: Run) -> Ended:
        try:
            result = self._jobs[begun.job].work(run)
        except Stopped:
            return Ended(RunOutcome.STOPPED, error="网关停止，余下的由下一次继续")
        except RunLost:
            raise
        except (JobFailed, HisError, GatewayFault, StoreError) as error:
            return Ended(RunOutcome.FAILED, error=str(error))
        except JournalUnavailable as error:
            return Ended(RunOutcome.FAILED, error=f"网关存储无法读写：{error}")
        except Exception as error:  # whatever breaks in one job must not end the others, nor leave its slot taken
            log.exception("job_broken", job=begun.job, run=begun.id)
            return Ended(RunOutcome.FAILED, error=f"程序内部错误 {type(error).__name__}，详见日志 job_broken")
        return _of(result)


def _of(result: Result) -> Ended:
    outcome = RunOutcome.PARTIAL if result.left else RunOutcome.DONE
    counts = {**result.counts, **({"待人工": result.left} if result.left else {})}
    return Ended(outcome, counts, detail=result.detail)
