"""Statements of retention (``retention.py``)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, exists, func, insert, or_, select, update

from gateway.exchange.ports import State
from gateway.exchange.states import FREE
from gateway.store.retention_tables import REMOVED, WRITING, WRITTEN, archive, archived_body
from gateway.store.stay_tables import stay_backfill
from gateway.store.tables import exchange, exchange_body, exchange_key

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_CLOSED = exchange.c.state.in_(sorted(state.value for state in FREE | {State.CONFIRMED}))
_READ = exchange.c.safety == "read"
_KEPT_LONG = or_(exchange.c.safety.is_(None), exchange.c.safety != "read")

FIRST_WITH_BODY = select(func.min(exchange_body.c.exchange_id))
_DUE = (
    select(exchange)
    .where(exchange.c.id >= bindparam("low"), exchange.c.id < bindparam("high"), _CLOSED)
    .where(exchange.c.received_at < bindparam("before"))
    .where(func.coalesce(exchange.c.finished_at, exchange.c.received_at) < bindparam("before"))
    .where(exists().where(exchange_body.c.exchange_id == exchange.c.id))
    .order_by(exchange.c.id)
)
DUE_READS = _DUE.where(_READ)
DUE_LONG = _DUE.where(_KEPT_LONG)
STILL_DUE = select(exchange).where(exchange.c.id.in_(_IDS), _CLOSED).order_by(exchange.c.id).with_for_update()
BODIES_OF = select(exchange_body).where(exchange_body.c.exchange_id.in_(_IDS)).order_by(exchange_body.c.kind)
SIZES_OF = select(exchange_body.c.exchange_id, exchange_body.c.kind, exchange_body.c.raw_size).where(
    exchange_body.c.exchange_id.in_(_IDS)
)
LAST_EXCHANGE = select(func.max(exchange.c.id))
STRIP = (
    update(exchange)
    .where(exchange.c.id == bindparam("of_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("sealed", "key_version", "business_key", "content_hash", "err_msg", "warn_msg")
        }
    )
)
DROP_BODIES = delete(exchange_body).where(exchange_body.c.exchange_id.in_(_IDS))
DROP_KEYS = delete(exchange_key).where(exchange_key.c.exchange_id.in_(_IDS))
POINT = insert(archived_body)

OPEN_ARCHIVE = insert(archive)
ARCHIVES = select(archive).where(archive.c.state == bindparam("of_state")).order_by(archive.c.id)
ARCHIVE_NAMES = select(archive.c.name)
CLOSE_ARCHIVE = (
    update(archive)
    .where(archive.c.id == bindparam("of_id"), archive.c.state == WRITING)
    .values(state=WRITTEN, bytes_written=bindparam("new_bytes"), sha256=bindparam("new_sha256"))
)
FORGET_ARCHIVE = delete(archive).where(archive.c.id == bindparam("of_id"), archive.c.state == WRITING)
EXPIRE_ARCHIVE = (
    update(archive).where(archive.c.id == bindparam("of_id"), archive.c.state == WRITTEN).values(state=REMOVED)
)
IN_ARCHIVE = select(exchange).where(
    exchange.c.id.in_(select(archived_body.c.exchange_id).where(archived_body.c.archive_id == bindparam("of_archive")))
)
STAYS_UNFILLED = select(stay_backfill.c.below)
