"""Virtual time: threads that take turns. Exactly one runs at any moment, and who is next is decided by time and order alone.

A task is a thread, because the code under test is written for threads. It keeps the turn until it sleeps, waits for a
box or ends; then the scheduler takes the next event from its heap. Nothing here reads a real clock.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any, NoReturn


class Killed(BaseException):
    """Thrown inside a task whose process has died. No ``except Exception`` of the code under test may survive it."""


class Stuck(AssertionError):
    """Tasks are waiting and nothing will ever wake them."""


class Owner:
    """What tasks belong to: a process. Once dead, its tasks end at their next turn."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: dict[Task, None] = {}


class Task:
    """One thread of control."""

    __slots__ = ("_gate", "body", "ended", "error", "name", "owner", "token")

    def __init__(self, name: str, owner: Owner | None, body: Callable[[], None]) -> None:
        self.name = name
        self.owner = owner
        self.body = body
        self.token = 0
        """Raised at every turn, so that an older wake-up finds nobody."""
        self.ended = False
        self.error: BaseException | None = None
        self._gate: _Worker | None = None

    @property
    def doomed(self) -> bool:
        return self.owner is not None and not self.owner.alive


class Box:
    """Holds one value for the task that waits for it; the first value counts."""

    __slots__ = ("_schedule", "_waiting", "filled", "value")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._waiting: tuple[Task, int] | None = None
        self.filled = False
        self.value: Any = None

    def put(self, value: Any) -> bool:
        """Fill the box; False when it was full."""
        if self.filled:
            return False
        self.filled, self.value = True, value
        if self._waiting is not None:
            self._schedule.wake(*self._waiting)
        return True

    def wait(self, timeout_s: float) -> bool:
        """Until the box is full, or the virtual time is over; whether it is full."""
        if not self.filled:
            task = self._schedule.current
            assert task is not None
            self._waiting = (task, task.token + 1)
            self._schedule.sleep(timeout_s)
            self._waiting = None
        return self.filled


class Schedule:
    """The heap of events and the turn."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.current: Task | None = None
        self.failure: Exception | None = None
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._turn = _closed_gate()
        self._idle: list[_Worker] = []
        self._live: dict[Task, None] = {}

    def at(self, delay_s: float, event: Callable[[], object]) -> None:
        """Run ``event`` after ``delay_s`` virtual seconds; it must not sleep."""
        heapq.heappush(self._heap, (self.now_s + max(0.0, delay_s), next(self._order), event))

    def spawn(self, name: str, body: Callable[[], None], owner: Owner | None = None, delay_s: float = 0.0) -> Task:
        """A new task that starts after ``delay_s``."""
        task = Task(name, owner, body)
        if owner is not None:
            owner.tasks[task] = None
        self._live[task] = None
        self.at(delay_s, lambda: self._give_turn(task, 0))
        return task

    def sleep(self, seconds: float) -> None:
        """Let others run for ``seconds`` of virtual time. Raises Killed when the own process died meanwhile."""
        task = self.current
        assert task is not None, "only a task can sleep"
        if task.doomed:
            raise Killed
        token = task.token + 1
        task.token = token
        self.at(seconds, lambda: self._give_turn(task, token))
        worker = task._gate
        assert worker is not None
        self.current = None
        self._turn.release()
        worker.go.acquire()
        if task.doomed:
            raise Killed

    def wake(self, task: Task, token: int) -> None:
        """Let a sleeping task run now, if it still sleeps as it did."""
        self.at(0.0, lambda: self._give_turn(task, token))

    def kill(self, owner: Owner) -> None:
        """The process is gone: its tasks are thrown out, one after the other, before anything else of theirs happens."""
        owner.alive = False
        for task in list(owner.tasks):
            self.wake(task, task.token)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Take event after event until nothing is left or ``until`` says so. Raises what a task raised."""
        while self._heap and not until():
            when, _, event = heapq.heappop(self._heap)
            self.now_s = max(self.now_s, when)
            event()
            if self.failure is not None:
                raise self.failure

    def fail(self, error: Exception) -> NoReturn:
        """End the run with ``error`` and the calling task at once, past every handler of the code under test."""
        self.failure = self.failure or error
        raise Killed

    @property
    def waiting(self) -> list[Task]:
        """Tasks that have not ended."""
        return list(self._live)

    def close(self) -> None:
        """Throw out whoever is left and end the threads."""
        for task in list(self._live):
            task.owner = _DEAD
            self._give_turn(task, task.token)
        for worker in self._idle:
            worker.task = None
            worker.go.release()
            worker.thread.join()

    def _give_turn(self, task: Task, token: int) -> None:
        if task.ended or task.token != token:
            return
        task.token += 1
        worker = task._gate
        if worker is None:
            if task.doomed:
                self._end(task)
                return
            worker = self._idle.pop() if self._idle else _Worker(self)
            task._gate, worker.task = worker, task
        self.current = task
        worker.go.release()
        self._turn.acquire()
        self.current = None
        if task.ended:
            self._end(task)
            self._idle.append(worker)
            if task.error is not None:
                raise task.error

    def _end(self, task: Task) -> None:
        task.ended = True
        self._live.pop(task, None)
        if task.owner is not None:
            task.owner.tasks.pop(task, None)


_DEAD = Owner("closed")
_DEAD.alive = False


def _closed_gate() -> threading.Lock:
    """A lock used as a gate: ``acquire`` waits until another thread opens it by ``release``."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class _Worker:
    """A thread that runs one task after the other: starting one for each would cost more than what it runs."""

    def __init__(self, schedule: Schedule) -> None:
        self.go = _closed_gate()
        self.task: Task | None = None
        self._schedule = schedule
        self.thread = threading.Thread(target=self._work, name="simulated", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while True:
            self.go.acquire()
            task = self.task
            if task is None:
                return
            try:
                task.body()
            except Killed:
                pass
            except BaseException as error:
                task.error = error
            task.ended = True
            self._schedule._turn.release()
