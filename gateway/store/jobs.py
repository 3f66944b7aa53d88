"""Who runs a job, and how every run went.

A slot belongs to one registration of a node (``node``, ``epoch``; ``gateway/exchange/nodes.py``), for as long as that
registration is in force: no lease runs out, and no clocks are compared. A run holds the slot of its job; the slot
``LEADER`` says who keeps the timetable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection

from gateway.exchange import entries
from gateway.exchange.ports import Registration
from gateway.store import job_statements as sql
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.stays import packed, unpacked

LEADER: Final = "-leader"
RUNS_KEPT: Final = 5000
"""Of each job; the oldest are dropped with each new one."""
_ITEMS_MAX: Final = 2**31 - 1


class RunOutcome(StrEnum):
    """How a run ended."""

    RUNNING = sql.RUNNING
    DONE = "done"
    PARTIAL = "partial"
    """It went to its end; some items are left for a person."""
    FAILED = "failed"
    STOPPED = "stopped"
    """The gateway was stopped; what is left is done by the next run."""
    LOST = "lost"
    """Its process died or was taken for dead."""
    MISSED = "missed"
    """It was due while nobody ran jobs, and is too late now."""
    SKIPPED = "skipped"
    """It was due while the one before was still running."""


GOOD: Final = (RunOutcome.DONE, RunOutcome.PARTIAL)
TELLING: Final = (*GOOD, RunOutcome.FAILED, RunOutcome.LOST, RunOutcome.MISSED)
"""Outcomes that say whether a job works."""
BY_SCHEDULE: Final = "schedule"
BY_PERSON: Final = "person"


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run."""

    id: int
    job: str
    node: str
    begun_by: str
    operator: str
    started_at: datetime
    finished_at: datetime | None
    outcome: RunOutcome
    done: int
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run leaves behind."""

    outcome: RunOutcome
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has the slot of its job."""

    id: int
    job: str
    term: int
    registration: Registration


@dataclass(frozen=True, slots=True)
class Slot:
    """Who has a slot; nobody when ``node`` is empty."""

    name: str
    node: str
    since: datetime
    """When it was first known here."""


class SqlJobs:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # --------------------------------------------------------------- leading

    def lead(self, registration: Registration, now: datetime) -> int | None:
        """Become the one who keeps the timetable; the term, or None while another who lives has it."""
        slot = self._backend.read(lambda connection: _slot(connection, LEADER))
        if slot is not None and slot.held:
            return None
        return self._backend.write(lambda connection: _take(connection, LEADER, registration, now))

    def leads(self, term: int) -> bool:
        """Whether who became the leader with this term still is."""
        which = {"wanted": LEADER, "of_term": term}
        return self._backend.read(lambda connection: connection.execute(sql.HOLDS_SLOT, which).scalar()) is not None

    def resign(self, term: int) -> None:
        """Give the timetable to whoever wants it."""
        self._backend.write(lambda connection: connection.execute(sql.FREE_SLOT, {"of_slot": LEADER, "of_term": term}))

    def slots(self) -> dict[str, Slot]:
        """Every slot by name, the leader's among them."""
        found = self._backend.read(lambda connection: connection.execute(sql.SLOTS).all())
        return {
            row.slot: Slot(row.slot, (row.node or "") if row.held else "", entries.from_ms(row.since)) for row in found
        }

    def announce(self, jobs: Sequence[str], now: datetime) -> None:
        """Keep since when these jobs are on the timetable: what never ran is silent from then on."""

        def job(connection: Connection) -> None:
            known = {row.slot for row in connection.execute(sql.SLOTS)}
            for name in jobs:
                if name not in known:
                    connection.execute(sql.INSERT_SLOT, _new_slot(name, now))

        self._backend.write(job)

    def sweep(self, now: datetime) -> list[str]:
        """Runs whose process is no more are lost; the jobs that had one."""
        abandoned = self._backend.read(lambda connection: connection.execute(sql.ABANDONED).all())
        if not abandoned:
            return []

        def job(connection: Connection) -> list[str]:
            lost = []
            for slot, term in connection.execute(sql.ABANDONED).all():
                connection.execute(sql.FREE_SLOT, {"of_slot": slot, "of_term": term})
                lost += [slot] if _lose(connection, slot, term + 1, now) else []
            return lost

        return self._backend.write(job)

    # --------------------------------------------------------------- running

    def begin(
        self, job: str, registration: Registration, now: datetime, *, begun_by: str, operator: str = ""
    ) -> Begun | None:
        """Begin a run; None while another of this job runs on any node, or this node is taken for dead."""
        values = _run_row(job, registration.name, now, begun_by, operator, RunOutcome.RUNNING)

        def work(connection: Connection) -> Begun | None:
            term = _take(connection, job, registration, now)
            if term is None:
                return None
            _lose(connection, job, term, now)
            number = Veiled(connection).execute(sql.INSERT_RUN, {**values, "term": term}).inserted_primary_key[0]
            connection.execute(sql.DROP_RUNS, {"of_job": job, "below": number - RUNS_KEPT})
            return Begun(number, job, term, registration)

        return self._backend.write(work)

    def advance(self, begun: Begun, done: int, total: int) -> bool:
        """Keep how far a run is; False when it is no longer ours."""
        values = {"of_id": begun.id, "new_done": min(done, _ITEMS_MAX), "new_total": min(total, _ITEMS_MAX)}
        return (
            self.holds(begun)
            and self._backend.write(lambda connection: connection.execute(sql.ADVANCE_RUN, values).rowcount) == 1
        )

    def holds(self, begun: Begun) -> bool:
        """Whether the slot of the job is still ours."""
        which = {"wanted": begun.job, "of_term": begun.term}
        return self._backend.read(lambda connection: connection.execute(sql.HOLDS_SLOT, which).scalar()) is not None

    def finish(self, begun: Begun, ended: Ended, now: datetime) -> bool:
        """Keep how a run ended and free its slot; False when it was lost meanwhile, then that stands."""
        values = {
            "of_id": begun.id,
            "new_outcome": ended.outcome.value,
            "new_finished_at": entries.to_ms(now),
        }
        content = {"packed": _packed(ended)}

        def work(connection: Connection) -> bool:
            sealed = {"new_packed": Veiled(connection).veiled(content)["packed"]}
            finished = connection.execute(sql.FINISH_RUN, values | sealed).rowcount == 1
            connection.execute(sql.FREE_SLOT, {"of_slot": begun.job, "of_term": begun.term})
            return finished

        return self._backend.write(work)

    def note(self, job: str, node: str, outcome: RunOutcome, due: datetime, text: str) -> None:
        """Keep that a run was due and did not take place.

        Args:
            due: when.
            text: why, for staff.
        """
        values = _run_row(job, node, due, BY_SCHEDULE, "", outcome)
        values |= {"term": 0, "finished_at": values["started_at"], "packed": _packed(Ended(outcome, error=text))}
        self._backend.write(lambda connection: Veiled(connection).execute(sql.INSERT_RUN, values))

    # --------------------------------------------------------------- looking

    def get(self, number: int) -> JobRun | None:
        """One run."""
        found = self._runs(sql.RUN, {"number": number})
        return found[0] if found else None

    def history(self, job: str = "", *, limit: int = 100, before_id: int | None = None) -> list[JobRun]:
        """Runs, newest first; of one job, or of all."""
        which: dict[str, Any] = {"count": entries.check_limit(limit), "before_id": before_id or 2**62}
        return self._runs(sql.RUNS_OF_JOB if job else sql.RUNS, which | ({"wanted": job} if job else {}))

    def newest(self, job: str, outcomes: Sequence[RunOutcome]) -> JobRun | None:
        """The newest run of a job that has one of these outcomes."""
        which = {"wanted": job, "outcomes": [one.value for one in outcomes], "count": 1}
        return next(iter(self._runs(sql.RUNS_OF_JOB_THAT, which)), None)

    def last_scheduled(self, job: str) -> datetime | None:
        """When the timetable last had this job begin, or noted that it could not."""
        found = self._runs(sql.SCHEDULED_RUNS, {"wanted": job, "begun": BY_SCHEDULE, "count": 1})
        return found[0].started_at if found else None

    def _runs(self, statement: Any, which: Mapping[str, Any]) -> list[JobRun]:
        rows = self._backend.read(lambda connection: Veiled(connection).execute(statement, dict(which)).all())
        return [_job_run(row) for row in rows]


def _slot(connection: Connection, name: str) -> Any:
    return connection.execute(sql.SLOT, {"wanted": name}).one_or_none()


def _new_slot(name: str, now: datetime) -> dict[str, Any]:
    return {"slot": name, "node": None, "epoch": None, "term": 0, "since": entries.to_ms(now)}


def _take(connection: Connection, name: str, registration: Registration, now: datetime) -> int | None:
    slot = _slot(connection, name)
    if slot is None:
        # of two that insert at once the primary key lets one through; the other is run again and finds it
        connection.execute(sql.INSERT_SLOT, _new_slot(name, now))
    term = 0 if slot is None else slot.term
    values = {
        "of_slot": name,
        "of_term": term,
        "my_name": registration.name,
        "my_epoch": registration.epoch,
        "new_node": registration.name,
        "new_epoch": registration.epoch,
    }
    return term + 1 if connection.execute(sql.TAKE_SLOT, values).rowcount == 1 else None


def _lose(connection: Connection, job: str, term: int, now: datetime) -> int:
    """What runs of an earlier term still say they run was left by a process that is no more."""
    values = {"of_job": job, "of_term": term, "new_outcome": RunOutcome.LOST.value}
    return connection.execute(sql.LOSE_RUNS, {**values, "new_finished_at": entries.to_ms(now)}).rowcount


def _run_row(
    job: str, node: str, started_at: datetime, begun_by: str, operator: str, outcome: RunOutcome
) -> dict[str, Any]:
    return {
        "job": job,
        "node": entries.short(node, "node") or None,
        "begun_by": begun_by,
        "operator": entries.short(operator, "operator") or None,
        "started_at": entries.to_ms(started_at),
        "finished_at": None,
        "outcome": outcome.value,
        "items_done": 0,
        "items_total": 0,
        "packed": None,
    }


def _packed(ended: Ended) -> bytes:
    return packed({"counts": dict(ended.counts), "error": entries.plain(ended.error), "detail": dict(ended.detail)})


def _job_run(row: Any) -> JobRun:
    kept: dict[str, Any] = unpacked(row.packed) if row.packed is not None else {}
    return JobRun(
        id=row.id,
        job=row.job,
        node=row.node or "",
        begun_by=row.begun_by,
        operator=row.operator or "",
        started_at=entries.from_ms(row.started_at),
        finished_at=None if row.finished_at is None else entries.from_ms(row.finished_at),
        outcome=RunOutcome(row.outcome),
        done=row.items_done,
        total=row.items_total,
        counts=kept.get("counts", {}),
        error=kept.get("error", ""),
        detail=kept.get("detail", {}),
    )
