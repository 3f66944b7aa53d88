"""The queue of callbacks (``gateway.exchange.callbacks.CallbackQueue``)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from gateway.exchange import entries
from gateway.exchange.callbacks import Waiting
from gateway.store._backend import Backend
from gateway.store.callback_tables import callback

_BY_FINGERPRINT = select(callback).where(callback.c.fingerprint == bindparam("wanted"))
_INSERT = insert(callback)
_WAITING = select(callback).where(callback.c.taken_at.is_(None)).order_by(callback.c.id).limit(bindparam("count"))
_COUNT = select(func.count()).select_from(callback).where(callback.c.taken_at.is_(None))
_TAKE = (
    update(callback)
    .where(callback.c.id == bindparam("of_id"), callback.c.taken_at.is_(None))
    .values(taken_at=bindparam("new_taken_at"), taken_by=bindparam("new_taken_by"))
)
_KNOWN = select(callback.c.id).where(callback.c.id == bindparam("of_id"))


class SqlCallbacks:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(self, fingerprint: str) -> Waiting | None:
        """The callback of this content, taken or not."""
        return self._backend.read(lambda connection: _found(connection, fingerprint))

    def add(self, fingerprint: str, infno: str, exchange_id: int, now: datetime) -> Waiting:
        """Put a callback in the queue once; the one that is there, when there is."""
        row = {
            "fingerprint": fingerprint,
            "infno": infno,
            "exchange_id": exchange_id,
            "received_at": entries.to_ms(now),
        }

        def job(connection: Connection) -> Waiting:
            before = _found(connection, fingerprint)
            if before is not None:
                return before
            connection.execute(_INSERT, row)
            after = _found(connection, fingerprint)
            assert after is not None
            return after

        return self._backend.write(job)

    def waiting(self, limit: int) -> list[Waiting]:
        """The oldest that nobody has taken."""
        which = {"count": entries.check_limit(limit)}
        return self._backend.read(lambda connection: [_waiting(row) for row in connection.execute(_WAITING, which)])

    def count(self) -> int:
        """How many nobody has taken."""
        return self._backend.read(lambda connection: int(connection.execute(_COUNT).scalar_one()))

    def take(self, number: int, client: str, now: datetime) -> bool:
        """Say that the HIS has it, once and for all; whether there is such a callback."""
        values = {"of_id": number, "new_taken_at": entries.to_ms(now), "new_taken_by": client[:30]}

        def job(connection: Connection) -> bool:
            connection.execute(_TAKE, values)
            return connection.execute(_KNOWN, {"of_id": number}).first() is not None

        return self._backend.write(job)


def _found(connection: Connection, fingerprint: str) -> Waiting | None:
    row = connection.execute(_BY_FINGERPRINT, {"wanted": fingerprint}).first()
    return None if row is None else _waiting(row)


def _waiting(row: Any) -> Waiting:
    return Waiting(row.id, row.infno, row.exchange_id, entries.from_ms(row.received_at))
