"""PostgreSQL, through psycopg."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL, Connection, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError

from gateway.store._connection import Connection as QuickConnection
from gateway.store._server import CONNECT_S_MAX, WAIT_S_MAX, ServerBackend, Vendor

APPLICATION = "yibao"
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
UPGRADE_LOCK = 0x79696261
"""Any fixed number: the key under which those who change tables take turns."""
MIGRATION_LOCK_TIMEOUT = "1s"
"""Every call behind a waiting ALTER TABLE waits as long, so a migration gives up soon and tries again."""
_TRY_AGAIN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: PostgreSQL asks for the whole transaction once more."""
_LOCK_NOT_AVAILABLE = "55P03"


def postgres(url: URL, *, node: str, pool_size: int, read_only: bool) -> ServerBackend:
    """A PostgreSQL database.

    Args:
        url: where it is.
        node: name of this node, shown in ``pg_stat_activity``.
        pool_size: connections at most.
        read_only: refuse writes.
    """
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_S_MAX,
        connect_args={
            "options": SESSION,
            "connect_timeout": CONNECT_S_MAX,
            "application_name": f"{APPLICATION} {node}"[:63],
            # a dead server is noticed while waiting, not after the system's two hours
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": WAIT_S_MAX * 1000,
        },
    )
    return ServerBackend(engine, VENDOR, read_only=read_only)


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _begin_long(connection: Connection) -> None:
    for setting in (
        f"lock_timeout = '{MIGRATION_LOCK_TIMEOUT}'",
        "statement_timeout = 0",
        "idle_in_transaction_session_timeout = 0",
    ):
        connection.execute(text(f"SET {setting}"))
    connection.commit()


def _begin_snapshot(connection: Connection) -> None:
    for setting in ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0"):
        connection.execute(text(f"SET LOCAL {setting}"))


def _asking(function: str) -> Callable[[Connection], bool]:
    """One of PostgreSQL's functions on advisory locks, for our key."""
    question = select(getattr(func, function)(UPGRADE_LOCK))
    return lambda connection: bool(connection.execute(question).scalar())


def _unlock(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_unlock(UPGRADE_LOCK)))


def _others(connection: Connection) -> list[str]:
    question = text(
        "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name LIKE :pattern ORDER BY 1"
    )
    return list(connection.execute(question, {"pattern": f"{APPLICATION} %"}).scalars().all())


VENDOR = Vendor(
    again=lambda error: _state(error) in _TRY_AGAIN,
    waited_for_lock=lambda error: _state(error) == _LOCK_NOT_AVAILABLE,
    snapshot=(("isolation_level", "REPEATABLE READ"), ("postgresql_readonly", True)),
    begin_snapshot=_begin_snapshot,
    begin_long=_begin_long,
    lock=_asking("pg_try_advisory_lock"),
    lock_shared=_asking("pg_try_advisory_xact_lock_shared"),
    unlock=_unlock,
    others=_others,
    connection=QuickConnection,
)
