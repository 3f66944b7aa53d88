"""Personal columns of the tables about stays, veiled on the way in and plain on the way out.

Names of stays and persons (``ipt_no``, ``mdtrt_id`` ...) are looked up and joined by the database and read back, so
they become tokens: the same for the same text, opened with the key alone. Facts and rows are sealed like bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, SelectBase
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from gateway.protect.guard import version_of
from gateway.store._keys import sealing_of

NAMES: Final = frozenset({"ipt_no", "mdtrt_id", "psn_no", "setl_id", "stay_key", "name", "reason"})
"""Columns and parameters that hold one."""
LISTS: Final = frozenset({"ipt_nos", "mdtrt_ids", "names", "setl_ids"})
"""Parameters that hold several."""
FENCED: Final = "content"
"""Digest of the rows: compared, never read."""
SEALED: Final = "packed"
PLACE: Final = "stays:packed"


class Veiled:
    """A connection as the code about stays sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sealing = sealing_of(connection)

    def execute(self, statement: Any, values: Any = None) -> Any:
        """As ``Connection.execute``."""
        given = [self.veiled(row) for row in values] if isinstance(values, list) else self.veiled(values or {})
        result = self._connection.execute(statement, given)
        if not isinstance(statement, SelectBase):
            return result
        names = list(result.keys())
        rows = [tuple(map(self._plain, names, row)) for row in result.all()]
        return IteratorResult(SimpleResultMetaData(names), iter(rows))

    def veiled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they stand in the tables."""
        return {name: self._veil(name, value) for name, value in values.items()}

    def _veil(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in NAMES:
            return self._sealing.token(value)
        if name in LISTS:
            return [self._sealing.token(one) for one in value]
        if name == FENCED:
            return self._sealing.fence(value)
        return self._sealing.seal(PLACE, value) if name == SEALED else value

    def _plain(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in NAMES:
            return self._sealing.untoken(value)
        return self._sealing.open(PLACE, value, version_of(value)) if name == SEALED else value
