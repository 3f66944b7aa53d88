"""Personal columns of the tables about stays, veiled on the way in and plain on the way out.

Names of stays and persons (``ipt_no``, ``mdtrt_id`` ...) are looked up and joined by the database and read back, so
they become tokens: the same for the same text, opened with the key alone. Facts and rows are sealed like bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, SelectBase
from sqlalchemy.engine.result import SimpleResultMetaData

from gateway.protect.guard import version_of
from gateway.store._connection import Fetched
from gateway.store._keys import sealing_of

Choose = Callable[[Sequence[Any]], Sequence[Any]]
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
        self._plain = self._sealing.data_version is None
        """Without keys names stand as they are; what is sealed all the same must be noticed."""

    def execute(self, statement: Any, values: Any = None, choose: Choose | None = None) -> Any:
        """As ``Connection.execute``.

        Args:
            choose: of the rows as they stand in the tables those that are wanted; no other is opened.
        """
        given = [self.veiled(row) for row in values] if isinstance(values, list) else self.veiled(values or {})
        result = self._connection.execute(statement, given)
        if not isinstance(statement, SelectBase):
            return result
        names = list(result.keys())
        hidden = [place for place, name in enumerate(names) if name == SEALED or (name in NAMES and not self._plain)]
        if not hidden and choose is None:
            return result
        found = result.all() if choose is None else choose(result.all())
        return Fetched(SimpleResultMetaData(names), [self._shown(row, names, hidden) for row in found])

    def veiled(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values as they stand in the tables."""
        return values if self._plain else {name: self._veil(name, value) for name, value in values.items()}

    def _shown(self, row: Iterable[Any], names: Sequence[str], hidden: Sequence[int]) -> tuple[Any, ...]:
        shown = list(row)
        for place in hidden:
            shown[place] = self._opened(names[place], shown[place])
        return tuple(shown)

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

    def _opened(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in NAMES:
            return self._sealing.untoken(value)
        return self._sealing.open(PLACE, value, version_of(value)) if name == SEALED else value
