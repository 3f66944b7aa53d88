"""Oracle, through oracledb in its thin mode. What was tried on a living one: ``docs/operating/databases/oracle.md``."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from gateway.store._server import CONNECT_S_MAX, WAIT_S_MAX, ServerBackend, Vendor

log = structlog.get_logger(__name__)

_TRY_AGAIN = frozenset({60, 8177})
"""Deadlock and serialization failure."""
_RESOURCE_BUSY = frozenset({54, 30006})


def oracle(url: URL, *, node: str, pool_size: int, read_only: bool) -> ServerBackend:
    """An Oracle database, 12.2 or later.

    Args:
        url: ``oracle+oracledb://user:password@host:1521/?service_name=...``; ``oracle+cx_oracle://`` is served alike.
        node: name of this node, shown in ``v$session``.
        pool_size: connections at most.
        read_only: refuse writes.
    """
    if url.get_driver_name() != "oracledb":
        log.warning("driver_replaced", given=url.drivername, used="oracle+oracledb")
    engine = create_engine(
        url.set(drivername="oracle+oracledb"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_S_MAX,
        connect_args={"tcp_connect_timeout": CONNECT_S_MAX, "expire_time": 1},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.call_timeout = WAIT_S_MAX * 1000
        connection.module = "yibao"
        connection.client_identifier = node

    return ServerBackend(engine, VENDOR, read_only=read_only)


def _code(error: DBAPIError) -> int:
    found = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return int(getattr(found, "code", 0) or 0)


def _begin_snapshot(connection: Connection) -> None:
    _begin_long(connection)
    connection.execute(text("SET TRANSACTION READ ONLY"))


def _begin_long(connection: Connection) -> None:
    raw: Any = connection.connection.driver_connection
    raw.call_timeout = 0


VENDOR = Vendor(
    again=lambda error: _code(error) in _TRY_AGAIN,
    waited_for_lock=lambda error: _code(error) in _RESOURCE_BUSY,
    begin_snapshot=_begin_snapshot,
    begin_long=_begin_long,
)
