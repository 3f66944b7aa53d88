"""How far each subject of the HIS was read, and which of its rows wait for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.exchange import entries
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.his_tables import his_mark
from gateway.store.stays import packed, unpacked

_FIND = select(his_mark.c.id, his_mark.c.packed).where(his_mark.c.subject == bindparam("wanted"))
_INSERT = insert(his_mark)
_UPDATE = (
    update(his_mark)
    .where(his_mark.c.subject == bindparam("wanted"))
    .values(packed=bindparam("new_packed"), kept_at=bindparam("new_kept_at"))
)


class SqlHisMarks:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(self, subject: str) -> Mapping[str, Any]:
        """What was kept last, JSON values; empty before the first time."""
        found = self._backend.read(
            lambda connection: Veiled(connection).execute(_FIND, {"wanted": subject}).one_or_none()
        )
        return unpacked(found.packed) if found is not None else {}

    def keep(self, subject: str, content: Mapping[str, Any], now: datetime) -> None:
        """Keep it durably in place of what was there.

        Args:
            content: JSON values; sealed like records of stays, since rows name patients.
        """
        row = {"subject": subject, "kept_at": entries.to_ms(now), "packed": packed(content)}

        def job(connection: Connection) -> None:
            veiled = Veiled(connection)
            sealed = veiled.veiled(row)
            values = {"wanted": subject, "new_packed": sealed["packed"], "new_kept_at": row["kept_at"]}
            if connection.execute(_UPDATE, values).rowcount == 0:
                connection.execute(_INSERT, sealed)

        self._backend.write(job)
