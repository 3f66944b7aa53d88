"""SQL Server, through pymssql (the extra ``mssql``). What was tried on a living one: ``docs/operating/databases/sqlserver.md``."""

from __future__ import annotations

import re

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from gateway.store._backend import StoreError
from gateway.store._server import CONNECT_S_MAX, WAIT_S_MAX, ServerBackend, Vendor

_TRY_AGAIN = frozenset({1205, 3960})
"""Deadlock victim, update conflict under snapshot isolation."""
_LOCK_TIMEOUT = 1222
LOCK_NAME = "yibao"


def mssql(url: URL, *, node: str, pool_size: int, read_only: bool) -> ServerBackend:
    """A SQL Server database, 2016 or later, with ALLOW_SNAPSHOT_ISOLATION on.

    Args:
        url: ``mssql+pymssql://user:password@host:1433/database``.
        node: name of this node, shown in ``sys.dm_exec_sessions``.
        pool_size: connections at most.
        read_only: refuse writes.

    Raises:
        StoreError: pymssql is not installed.
    """
    try:
        engine = create_engine(
            url.set(drivername="mssql+pymssql"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=WAIT_S_MAX,
            connect_args={"login_timeout": CONNECT_S_MAX, "timeout": WAIT_S_MAX, "appname": f"yibao {node}"[:128]},
        )
    except ModuleNotFoundError as error:
        raise StoreError("SQL Server 需要驱动 pymssql，请安装：pip install 'yibao-gateway[mssql]'") from error
    return ServerBackend(engine, VENDOR, read_only=read_only)


def _code(error: DBAPIError) -> int:
    """The number of the server's error; pymssql gives it as the first argument, or inside a tuple, or inside the text."""
    found = re.search(r"\d+", str(error.orig.args[0])) if error.orig is not None and error.orig.args else None
    return int(found[0]) if found else 0


def _lock(connection: Connection) -> bool:
    taken = connection.execute(
        text(
            "DECLARE @got int; EXEC @got = sp_getapplock @Resource = :name, @LockMode = 'Exclusive',"
            " @LockOwner = 'Session', @LockTimeout = 0; SELECT @got"
        ),
        {"name": LOCK_NAME},
    ).scalar()
    return isinstance(taken, int) and taken >= 0


def _unlock(connection: Connection) -> None:
    connection.execute(text("EXEC sp_releaseapplock @Resource = :name, @LockOwner = 'Session'"), {"name": LOCK_NAME})


def _begin_long(connection: Connection) -> None:
    connection.execute(text("SET LOCK_TIMEOUT 1000"))


def _others(connection: Connection) -> list[str]:
    question = text(
        "SELECT DISTINCT program_name FROM sys.dm_exec_sessions WHERE database_id = DB_ID()"
        " AND session_id <> @@SPID AND program_name LIKE 'yibao %' ORDER BY 1"
    )
    return list(connection.execute(question).scalars().all())


VENDOR = Vendor(
    again=lambda error: _code(error) in _TRY_AGAIN,
    waited_for_lock=lambda error: _code(error) == _LOCK_TIMEOUT,
    snapshot=(("isolation_level", "SNAPSHOT"),),
    begin_long=_begin_long,
    lock=_lock,
    unlock=_unlock,
    others=_others,
)
