"""One writing thread with group commit: many jobs, one transaction, one fsync.

While a commit waits for the disk, new jobs queue up; the next transaction takes them all. Each job runs behind its own
savepoint, so one that fails takes nothing of the others with it. Nobody hears anything before the commit: an answer
may rest on what another job of the same group has written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.exchange.ports import JournalUnavailable
from gateway.store._backend import Job, T
from gateway.store._connection import Connection

QUEUE_MAX = 1024
GROUP_MAX = 64
WAIT_S_MAX = 30.0


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Task:
    """A job, and the lock that is let go once it has ended: a ``Future`` costs several times as much."""

    job: Callable[[sqlalchemy.Connection], Any]
    ended: threading.Lock = field(default_factory=_locked)
    result: Any = None
    error: BaseException | None = None


class GroupWriter:
    """Runs jobs of many threads on one SQLite connection at a time.

    Args:
        engine: of one file; its driver begins no transaction by itself.
        queue_max: jobs waiting at most; a job beyond them waits for room.
        wait_s: longest time a job waits to be begun, in seconds; then it is withdrawn and nothing was written.
    """

    def __init__(self, engine: Engine, *, queue_max: int = QUEUE_MAX, wait_s: float = WAIT_S_MAX) -> None:
        self._engine = engine
        self._queue_max = queue_max
        self._wait_s = wait_s
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._connection: Connection | None = None
        """Of the thread alone."""
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    def run(self, job: Job[T]) -> T:
        """What ``job`` returns, after its effect is durable.

        Raises:
            JournalUnavailable: the database failed, or the writer is closed or has no room; nothing was written.
        """
        task = _Task(job)
        self._put(task)
        if not task.ended.acquire(timeout=self._wait_s):
            if self._withdrawn(task):
                raise JournalUnavailable(f"the journal has not begun this write within {self._wait_s:g} s")
            # once begun it will end with an answer that must not be lost
            task.ended.acquire()
        error, result = task.error, task.result
        try:
            if error is not None:
                raise error
        finally:
            del error, task  # else the traceback would hold what holds the traceback
        return cast("T", result)

    def close(self) -> None:
        """Take no more jobs, run those accepted, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _put(self, task: _Task) -> None:
        with self._changed:
            if not (self._has_room() or self._changed.wait_for(self._has_room, self._wait_s)):
                raise JournalUnavailable(f"{self._queue_max} writes are already waiting")
            if self._closing:
                raise JournalUnavailable("the journal is closed")
            self._tasks.append(task)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._closing or len(self._tasks) < self._queue_max

    def _withdrawn(self, task: _Task) -> bool:
        """Whether the job had not begun; it never will."""
        with self._changed:
            if task not in self._tasks:
                return False
            self._tasks.remove(task)
            self._changed.notify_all()
            return True

    def _work(self) -> None:
        while group := self._take():
            self._run_group(group)
            for task in group:
                task.ended.release()
        self._let_go()

    def _take(self) -> list[_Task]:
        """The next jobs; empty only at the end."""
        with self._changed:
            while not (self._tasks or self._closing):
                self._changed.wait()
            group = [self._tasks.popleft() for _ in range(min(GROUP_MAX, len(self._tasks)))]
            self._changed.notify_all()
            return group

    def _run_group(self, group: Sequence[_Task]) -> None:
        try:
            # kept from group to group: taking it from the pool and giving it back costs as much as several statements
            connection = self._connection = self._connection or Connection(self._engine)
            with connection.begin():
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                # the driver begins transactions late and lets savepoints slip, so it is told itself when
                raw.execute("BEGIN IMMEDIATE")
                for task in group:
                    _run_one(connection, raw, task)
        except BaseException as error:
            _fail_all(group, error)
            self._let_go()

    def _let_go(self) -> None:
        """Back to the pool, which brings it to its first state; the next group takes one anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()


def _run_one(connection: sqlalchemy.Connection, raw: sqlite3.Connection, task: _Task) -> None:
    """Run one job behind a savepoint. Raises when the whole transaction is lost with it."""
    raw.execute("SAVEPOINT job")
    try:
        task.result = task.job(connection)
    except BaseException as error:
        task.error = unavailable(error) if isinstance(error, SQLAlchemyError) else error
        # a full disk or a broken file makes SQLite roll back everything by itself; committing then would say yes to nothing
        if not raw.in_transaction:
            raise
        raw.execute("ROLLBACK TO job")
    raw.execute("RELEASE job")


def _fail_all(group: Sequence[_Task], error: BaseException) -> None:
    for task in group:
        task.error = unavailable(error)


def unavailable(error: BaseException) -> JournalUnavailable:
    """``error`` of the database as the port names it, without statement and parameters: they are personal data."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    fault = JournalUnavailable(f"{type(cause).__name__}: {cause}")
    fault.__cause__ = cause
    return fault
