"""Alerts: one row from the moment it is raised to the moment it is cleared, whichever node sees it.

``mark`` names what an open alert is about and is unique, so of two nodes that find the same at once one raises it; a
cleared one carries its number behind its mark and makes room for the next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.exchange import entries
from gateway.exchange.ports import NodeState
from gateway.store._backend import Backend
from gateway.store.alert_tables import MARK_WIDTH, TOLD_WIDTH, alert
from gateway.store.tables import node

Kind = Literal["bad", "warn"]
OPEN = select(alert).where(alert.c.cleared_at.is_(None)).order_by(alert.c.id)
CLEARED = (
    select(alert).where(alert.c.cleared_at.is_not(None)).order_by(alert.c.cleared_at.desc(), alert.c.id.desc())
).limit(bindparam("count"))
INSERT = insert(alert)
TELL = (
    update(alert)
    .where(alert.c.id == bindparam("of_id"), alert.c.cleared_at.is_(None))
    .values(told=bindparam("new_told"), kind=bindparam("new_kind"))
)
CLEAR = (
    update(alert)
    .where(alert.c.id == bindparam("of_id"), alert.c.cleared_at.is_(None))
    .values(cleared_at=bindparam("new_cleared_at"), mark=bindparam("new_mark"))
)
LIVING = select(node.c.name).where(node.c.state == NodeState.RUNNING.value)
_NUMBER_CHARS: Final = 24


@dataclass(frozen=True, slots=True)
class Found:
    """Something that somebody should look at.

    Args:
        rule: of the list in ``gateway/alerts/rules.py``.
        subject: which of several (a transaction, a job, a certificate); empty where there is one.
        node: whose finding it is alone (its disk, its line); empty where every node finds the same.
        told: a sentence for staff, without personal data.
        keeps: it is not bad enough to be raised, and too bad to be cleared.
        step: how far it has come, where each step is raised anew and clears the one before.
    """

    rule: str
    kind: Kind
    told: str
    subject: str = ""
    node: str = ""
    keeps: bool = False
    step: str = ""

    @property
    def mark(self) -> str:
        """What it is about."""
        about = f"{self.rule}|{self.subject}|{self.node}"
        return (f"{about}|{self.step}" if self.step else about)[: MARK_WIDTH - _NUMBER_CHARS]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, open while ``cleared_at`` is None."""

    id: int
    rule: str
    subject: str
    node: str
    kind: Kind
    told: str
    raised_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What this look has changed."""

    raised: Sequence[Alert]
    cleared: Sequence[Alert]


class SqlAlerts:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def open(self) -> list[Alert]:
        """Oldest first."""
        return [_alert(row) for row in self._backend.read(lambda connection: connection.execute(OPEN).all())]

    def cleared(self, limit: int) -> list[Alert]:
        """Newest first."""
        which = {"count": limit}
        return [_alert(row) for row in self._backend.read(lambda connection: connection.execute(CLEARED, which).all())]

    def settle(self, found: Sequence[Found], judged: Collection[str], mine: str, now: datetime) -> Settled:
        """Raise what is new, clear what is over; nothing is written where nothing changes.

        Args:
            judged: rules that could be looked at; alerts of others stay as they are.
            mine: the node that looks; alerts of another that lives are its own.
        """
        by_mark, mine = {one.mark: one for one in found}, entries.short(mine, "node")
        if not self._backend.read(lambda connection: _changes(connection, by_mark, judged, mine)):
            return Settled((), ())
        return self._backend.write(lambda connection: _settle(connection, by_mark, judged, mine, now))


def _changes(connection: Connection, found: dict[str, Found], judged: Collection[str], mine: str) -> bool:
    rows = {row.mark: row for row in connection.execute(OPEN)}
    new = any(mark not in rows and not one.keeps for mark, one in found.items())
    told = any(_differs(rows[mark], one) for mark, one in found.items() if mark in rows)
    return new or told or bool(_over(connection, list(rows.values()), found, judged, mine))


def _settle(
    connection: Connection, found: dict[str, Found], judged: Collection[str], mine: str, now: datetime
) -> Settled:
    rows = {row.mark: row for row in connection.execute(OPEN)}
    for mark, one in found.items():
        if mark in rows and _differs(rows[mark], one):
            values = {"of_id": rows[mark].id, "new_told": one.told[:TOLD_WIDTH], "new_kind": one.kind}
            connection.execute(TELL, values)
    cleared = []
    for row in _over(connection, list(rows.values()), found, judged, mine):
        values = {"of_id": row.id, "new_cleared_at": entries.to_ms(now), "new_mark": f"{row.mark}#{row.id}"}
        if connection.execute(CLEAR, values).rowcount == 1:
            cleared.append(_alert(row))
    new = [one for mark, one in found.items() if mark not in rows and not one.keeps]
    return Settled([_raised(connection, one, now) for one in new], cleared)


def _raised(connection: Connection, one: Found, now: datetime) -> Alert:
    row = {
        "rule": one.rule,
        "subject": one.subject[:80] or None,
        "node": entries.short(one.node, "node") or None,
        "mark": one.mark,
        "kind": one.kind,
        "told": entries.plain(one.told)[:TOLD_WIDTH],
        "raised_at": entries.to_ms(now),
        "cleared_at": None,
    }
    made: Any = connection.execute(INSERT, row).inserted_primary_key
    return Alert(made[0], one.rule, one.subject, one.node, one.kind, one.told, now)


def _over(
    connection: Connection, rows: Sequence[Any], found: dict[str, Found], judged: Collection[str], mine: str
) -> list[Any]:
    gone = [row for row in rows if row.mark not in found]
    others = {row.node for row in gone if row.node and row.node != mine}
    living = set(connection.execute(LIVING).scalars()) if others else set()
    return [
        row
        for row in gone
        if (row.rule in judged and row.node in (None, mine)) or (row.node in others and row.node not in living)
    ]


def _differs(row: Any, one: Found) -> bool:
    """A number in the sentence that moves is no news, unless it has become worse or the sentence is another."""
    return row.kind != one.kind and not one.keeps


def _alert(row: Any) -> Alert:
    cleared = None if row.cleared_at is None else entries.from_ms(row.cleared_at)
    raised = entries.from_ms(row.raised_at)
    return Alert(row.id, row.rule, row.subject or "", row.node or "", row.kind, row.told, raised, cleared)
