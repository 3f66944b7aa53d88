"""Statements of the work that brings rows to the keys in use (``resealing.py``)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, func, insert, select, update

from gateway.protect.guard import FENCE_MARK
from gateway.store.tables import busy, exchange, exchange_body, exchange_key, proof, resealing

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)

NEXT_IDS = (
    select(exchange.c.id).where(exchange.c.id > bindparam("after")).order_by(exchange.c.id).limit(bindparam("count"))
)
LAST_EXCHANGE = select(func.max(exchange.c.id))
LOCK_EXCHANGES = (
    select(exchange).where(exchange.c.id.in_(_IDS)).order_by(exchange.c.id).with_for_update(skip_locked=True)
)
KEYS = select(exchange_key).where(exchange_key.c.exchange_id.in_(_IDS))
DROP_KEYS = delete(exchange_key).where(exchange_key.c.exchange_id == bindparam("of_id"))
SEAL_EXCHANGE = (
    update(exchange)
    .where(exchange.c.id == bindparam("of_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("sealed", "key_version", "business_key", "content_hash", "err_msg", "warn_msg")
        }
    )
)
OLDER_BODIES = select(exchange_body).where(
    exchange_body.c.exchange_id.in_(_IDS), func.coalesce(exchange_body.c.key_version, 0) != bindparam("data_version")
)
SEAL_BODY = (
    update(exchange_body)
    .where(exchange_body.c.exchange_id == bindparam("of_id"), exchange_body.c.kind == bindparam("of_kind"))
    .values(packed=bindparam("new_packed"), key_version=bindparam("new_key_version"))
)
OLDER_PROOFS = select(proof).where(
    proof.c.exchange_id.in_(_IDS), func.coalesce(proof.c.key_version, 0) != bindparam("data_version")
)
SEAL_PROOF = (
    update(proof)
    .where(proof.c.exchange_id == bindparam("of_id"), proof.c.seq == bindparam("of_seq"))
    .values(
        {name: bindparam(f"new_{name}") for name in ("detail", "sealed", "request", "answer", "key_version")},
    )
)
PLAIN_BUSY = select(busy.c.business_key).where(busy.c.business_key.not_like(f"{FENCE_MARK}%"))
FENCE_BUSY = update(busy).where(busy.c.business_key == bindparam("of_key")).values(business_key=bindparam("new_key"))

STATE = select(resealing).where(resealing.c.name == bindparam("of_name"))
LOCK_STATE = STATE.with_for_update()
INSERT_STATE = insert(resealing)
BEGIN = (
    update(resealing)
    .where(resealing.c.name == bindparam("of_name"))
    .values({name: bindparam(f"new_{name}") for name in ("data_version", "hash_version", "done_below", "changed")})
)
MOVE = (
    update(resealing)
    .where(resealing.c.name == bindparam("of_name"), resealing.c.done_below == bindparam("was_below"))
    .values(done_below=bindparam("new_done_below"), changed=bindparam("new_changed"))
)
