"""The seam between the journal and a database: run a job in a write transaction, or on a reading connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Job = Callable[[Connection], T]
"""Work inside one transaction. It may be run again from the start, so it touches nothing but its connection."""


def one_at_a_time(connection: Connection) -> bool:
    """Whether a writing transaction has the database to itself: nothing of others comes between two of its statements."""
    return connection.dialect.name == "sqlite"


class StoreError(Exception):
    """The store cannot be opened or brought up to date; the text is for staff."""


class Backend(Protocol):
    """A database. Every failure of it comes out as ``JournalUnavailable``; what the job itself raises comes out as it is."""

    alone: bool
    """Whether it admits one writing process only."""

    def write(self, job: Job[T]) -> T:
        """Run ``job`` in a transaction of its own effect; returns only after it is durable."""
        ...

    def read(self, job: Job[T]) -> T:
        """Run ``job`` on a connection of its own that changes nothing."""
        ...

    def snapshot(self, job: Job[T]) -> T:
        """Run ``job`` on a connection that sees one unchanging moment for as long as it takes. Writers go on.

        Raises:
            StoreError: there is no connection, or the tables are being changed.
        """
        ...

    def migrate(self, job: Job[None]) -> None:
        """Run ``job`` while nobody else changes tables; it makes its own transactions where the database allows it.

        Raises:
            StoreError: there is no connection, or somebody else changes tables for too long.
        """
        ...

    def rewrite(self, job: Job[T]) -> T:
        """Run ``job`` in one transaction without time limits while nobody else uses the store.

        Raises:
            StoreError: there is no connection, or somebody else uses the store.
        """
        ...

    def room(self) -> bool:
        """Whether there is space for more, as far as this machine can tell."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the database itself, in sentences for staff."""
        ...

    def close(self) -> None:
        """Finish what was accepted, then let everything go."""
        ...
