"""Whether an emergency visit is settled as outpatient, as the journal knows it (ET-10: never counted twice)."""

from __future__ import annotations

from typing import Final

from gateway.exchange.ports import Exchange, Journal, Query, State
from gateway.exchange.states import OPEN
from gateway.rules.stay import EmergencyVisit

SETTLE: Final = "2207"
REVOKE: Final = "2208"
LOOKED_AT_MAX: Final = 1000
NOT_KNOWN: Final = "结果未明"
"""Stands for the ``setl_id`` of a settlement nobody knows the end of: it counts as made."""


class OutpatientSettlements:
    """What the hospital told of a visit, put right by 2207 and 2208 that went through the gateway.

    Args:
        journal: where they stand.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def of(self, visit: EmergencyVisit) -> str:
        """The ``setl_id`` in force, empty where there is none."""
        rows = self._rows("mdtrt_id", visit.mdtrt_id)
        in_force = [row for row in rows if row.infno[:4] == SETTLE and _counts(row)]
        if in_force:
            return dict(in_force[0].keys).get("setl_id", NOT_KNOWN)
        return "" if self._revoked(visit.setl_id) else visit.setl_id

    def _revoked(self, setl_id: str) -> bool:
        return any(
            (row.infno[:4] == REVOKE and row.in_force) or (row.infno[:4] == SETTLE and row.undone_by is not None)
            for row in self._rows("setl_id", setl_id)
        )

    def _rows(self, kind: str, value: str) -> list[Exchange]:
        if not value:
            return []
        states = (State.CONFIRMED, *OPEN)
        return self._journal.search(Query(keys=[(kind, value)], states=states, limit=LOOKED_AT_MAX))


def _counts(row: Exchange) -> bool:
    return row.in_force or row.state in OPEN
