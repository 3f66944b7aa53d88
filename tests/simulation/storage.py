"""The production store with failures at its edges: every write can be lost, doubled by a lost acknowledgement, or be the last.

A crash inside a write is thrown into the running transaction, so that the store's own rollback discards it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.exchange.ports import JournalUnavailable
from gateway.store import open_store
from gateway.store._backend import Backend, Job, T
from gateway.store._sqlite import SqliteBackend
from tests.simulation.schedule import Killed

if TYPE_CHECKING:
    from tests.simulation.world import Node

QUIET = frozenset({"next_msgids", "search", "bodies", "get", "ready", "count_by_state", "holds"})
"""Called under a lock of the gateway, or only read: nobody else gets a turn there."""


class Files:
    """A folder in memory where there is one, and in it an empty, migrated database to copy for each world."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="yibao-simulation-", dir=memory if memory.is_dir() else None))
        self._template = self._folder / "template.db"
        store = open_store(f"sqlite:///{self._template}", node="template")
        store.upgrade()
        store.close()
        self._count = 0

    @contextmanager
    def backend(self) -> Iterator[tuple[SqliteBackend, Path]]:
        """A new store, gone with all its files at the end of the block."""
        self._count += 1
        path = self._folder / f"{self._count}.db"
        shutil.copy(self._template, path)
        backend = SqliteBackend(path, node="simulation", pool_size=2, read_only=False)
        try:
            yield backend, path
        finally:
            backend.close()
            for left in self._folder.glob(f"{self._count}.db*"):
                left.unlink()

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)


class NodeBackend:
    """The store as one node reaches it (``gateway.store._backend.Backend``)."""

    alone = False

    def __init__(self, backend: Backend, node: Node) -> None:
        self._backend = backend
        self._node = node

    def write(self, job: Job[T]) -> T:
        node = self._node
        node.check_alive()
        fate = node.world.fate_of_write(node)
        if fate == "crash-before":
            node.crash("before a write")
            raise Killed
        if fate == "fails":
            raise JournalUnavailable("simulated: the store fails")
        if fate == "crash-inside":
            node.crash("inside a write, before its commit")
            return self._backend.write(_dying(job))
        result = self._backend.write(job)
        if fate == "crash-after":
            node.crash("after a commit")
            raise Killed
        if fate == "acknowledgement-lost":
            node.world.tell(node.name, "a commit whose acknowledgement is lost")
            raise JournalUnavailable("simulated: the connection broke during the commit")
        return result

    def read(self, job: Job[T]) -> T:
        self._node.check_alive()
        if self._node.world.store_is_down:
            raise JournalUnavailable("simulated: the store is down")
        return self._backend.read(job)

    def room(self) -> bool:
        return True

    def check(self) -> list[str]:
        return []

    def close(self) -> None:
        """The store outlives the node."""


def _dying(job: Job[T]) -> Job[T]:
    def run(connection: Connection) -> T:
        job(connection)
        raise Killed

    return run


class TurnTaking:
    """A journal that lets others run before and after each of its calls, as a real one does by taking its time."""

    def __init__(self, journal: Any, node: Node) -> None:
        self._journal = journal
        self._node = node

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)
        if name in QUIET or not callable(method):
            return method
        world, node = self._node.world, self._node

        def call(*args: Any, **named: Any) -> Any:
            if name == "intend" and world.chance(world.weather.stopped_at_intent):
                world.stop(node)
            world.pause(node)
            result = method(*args, **named)
            node.check_alive()
            world.pause(node)
            return result

        # found by the instance from now on
        setattr(self, name, call)
        return call
