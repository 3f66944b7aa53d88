"""What the console counts from: the journal's rows without bodies, each read once and by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.exchange.entries import to_ms
from gateway.exchange.ports import State
from gateway.store import statements as sql
from gateway.store._backend import Backend


@dataclass(frozen=True, slots=True)
class Figure:
    """One exchange as the statistics see it; times in milliseconds since 1970 UTC."""

    id: int
    infno: str
    state: State
    received_ms: int
    finished_ms: int | None
    elapsed_ms: int
    """Spent waiting for the platform."""


class Figures:
    """Reads rows in the order of their numbers: a walk along the primary key, however long the journal is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def first_since(self, since: datetime) -> int | None:
        """Number of the first row received since then."""
        which = {"since": to_ms(since)}
        found: int | None = self._backend.read(lambda connection: connection.execute(sql.FIRST_SINCE, which).scalar())
        return found

    def after(self, exchange_id: int, count: int) -> list[Figure]:
        """The next ``count`` rows after this number."""
        which = {"after_id": exchange_id, "count": count}
        rows: Sequence[Any] = self._backend.read(
            lambda connection: connection.execute(sql.EXCHANGE_FIGURES, which).all()
        )
        return [_figure(row) for row in rows]

    def of(self, ids: Sequence[int]) -> list[Figure]:
        """These rows as they are now."""
        if not ids:
            return []
        which = {"ids": list(ids)}
        rows: Sequence[Any] = self._backend.read(
            lambda connection: connection.execute(sql.EXCHANGE_FIGURES_OF, which).all()
        )
        return [_figure(row) for row in rows]


def _figure(row: Any) -> Figure:
    return Figure(row.id, row.infno or "", State(row.state), row.received_at, row.finished_at, row.elapsed_ms)
