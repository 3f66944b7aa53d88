"""Names of patients for the lists of staff, out of what the platform has told: kept nowhere a second time.

The journal holds a name beside the number of the person where one exchange brought both (1101, 5201), sealed like all its
keys. Which exchange that is, the index of the keys says for a whole page in one statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from gateway.store import statements as sql
from gateway.store._backend import Backend
from gateway.store._keys import sealing_of
from gateway.store.journal import read_page
from gateway.store.tables import exchange_key

TOLD_BY: Final = ("1101", "5201")
"""Transactions whose answer names the person that it is about."""
_AT_ONCE: Final = 200
_NEWEST = (
    select(exchange_key.c.value, func.max(exchange_key.c.exchange_id).label("exchange_id"))
    .where(
        exchange_key.c.kind == "psn_no",
        exchange_key.c.value.in_(bindparam("numbers", expanding=True)),
        exchange_key.c.infno.in_(TOLD_BY),
    )
    .group_by(exchange_key.c.value, exchange_key.c.infno)
)


class PatientNames:
    """Looks names up by ``psn_no``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def of(self, psn_nos: Sequence[str]) -> Mapping[str, str]:
        """The newest name known of each; who has none is left out. Raises ``JournalUnavailable``."""
        wanted = sorted({number for number in psn_nos if number})
        found: dict[str, str] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            found |= self._backend.read(partial(_names, numbers=wanted[first : first + _AT_ONCE]))
        return found


def _names(connection: Connection, numbers: Sequence[str]) -> dict[str, str]:
    sealing = sealing_of(connection)
    forms = {form: number for number in numbers for form in sealing.searched("psn_no", number)}
    told = connection.execute(_NEWEST, {"numbers": list(forms)}).all()
    ids: dict[str, list[int]] = defaultdict(list)
    for row in told:
        ids[forms[row.value]].append(row.exchange_id)
    every = sorted({one for some in ids.values() for one in some})
    named = {row.id: _named(row.keys) for row in (read_page(connection, sql.ROWS, {"ids": every}) if every else ())}
    newest = {number: [named[one] for one in sorted(some) if named[one]] for number, some in ids.items()}
    return {number: names[-1] for number, names in newest.items() if names}


def _named(keys: Sequence[tuple[str, str]]) -> str:
    """The name in an exchange that is about one person; empty where it names several, or none."""
    names = [value for kind, value in keys if kind == "psn_name"]
    persons = {value for kind, value in keys if kind == "psn_no"}
    return names[0] if len(names) == 1 and len(persons) == 1 else ""
