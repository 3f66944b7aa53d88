"""The journal on PostgreSQL: several processes and nodes write it, the database decides their races.

Every write is a transaction of its own; PostgreSQL groups their commits by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from gateway.exchange.ports import JournalUnavailable
from gateway.store._backend import Job, T
from gateway.store._connection import Connection
from gateway.store._writer import unavailable

ATTEMPTS_MAX = 5
WAIT_S_MAX = 30
CONNECT_S_MAX = 5
SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        # an acknowledged intent is on the disk, whatever the server's default
        "synchronous_commit=on",
        "lock_timeout=10s",
        "statement_timeout=30s",
        # a paused process must not keep others from its rows
        "idle_in_transaction_session_timeout=60s",
    )
)
_TRY_AGAIN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: PostgreSQL asks for the whole transaction once more."""


class PostgresBackend:
    """A PostgreSQL database.

    Args:
        url: where it is; the driver is psycopg.
        node: name of this node, shown in ``pg_stat_activity``.
        pool_size: connections at most.
        read_only: refuse writes.
    """

    alone = False

    def __init__(self, url: URL, *, node: str, pool_size: int, read_only: bool) -> None:
        self._engine = _engine(url, node, pool_size)
        # a single SELECT needs no BEGIN and ROLLBACK around it
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._read_only = read_only

    def write(self, job: Job[T]) -> T:
        if self._read_only:
            raise JournalUnavailable("the journal is open for reading only")
        return _repeating(lambda: self._transaction(job))

    def read(self, job: Job[T]) -> T:
        return _repeating(lambda: self._select(job))

    def room(self) -> bool:
        return True

    def check(self) -> list[str]:
        return []

    def close(self) -> None:
        self._engine.dispose()

    def _transaction(self, job: Job[T]) -> T:
        with Connection(self._engine) as connection:
            transaction = connection.begin()
            try:
                result = job(connection)
            except DBAPIError as error:
                raise _again_or_not(error) from None
            # from here on nobody can tell whether it happened, so it is not run again
            transaction.commit()
            return result

    def _select(self, job: Job[T]) -> T:
        with Connection(self._reading) as connection:
            try:
                return job(connection)
            except DBAPIError as error:
                raise _again_or_not(error) from None


class _AgainError(Exception):
    """The transaction took no effect and may end otherwise when run once more."""

    def __init__(self, cause: DBAPIError) -> None:
        self.cause = cause


def _again_or_not(error: DBAPIError) -> Exception:
    """A lost race, a deadlock, or a pooled connection that a restart of the server has cut: once more."""
    state = getattr(error.orig, "sqlstate", None)
    again = isinstance(error, IntegrityError) or error.connection_invalidated or state in _TRY_AGAIN
    return _AgainError(error) if again else error


def _repeating(once: Callable[[], T]) -> T:
    try:
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return once()
            except _AgainError:
                continue
        return once()
    except _AgainError as error:
        raise unavailable(error.cause) from None
    except SQLAlchemyError as error:
        raise unavailable(error) from None


def _engine(url: URL, node: str, pool_size: int) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_S_MAX,
        connect_args={
            "options": SESSION,
            "connect_timeout": CONNECT_S_MAX,
            "application_name": f"yibao {node}"[:63],
            # a dead server is noticed while waiting, not after the system's two hours
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": WAIT_S_MAX * 1000,
        },
    )
