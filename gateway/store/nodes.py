"""Who sends on this store: ``gateway.exchange.ports.NodeRegistry`` on any backend."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update

from gateway.exchange import entries
from gateway.exchange.ports import Node, NodeFacts, NodeState, Outcome, Registration
from gateway.store import statements as sql
from gateway.store._backend import Backend
from gateway.store.journal import column


class SqlNodes:
    """The registry in a table. Arguments, results and errors are those of the port."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def alone(self) -> bool:
        return self._backend.alone

    def nodes(self) -> list[Node]:
        def job(connection: Connection) -> list[Node]:
            held = {row.node: row.rows_counted for row in connection.execute(sql.NODES_OPEN)}
            return [_node(row, held.get(row.name, 0)) for row in connection.execute(sql.NODES)]

        return self._backend.read(job)

    def claim(
        self, name: str, before: Node | None, facts: NodeFacts, now: datetime, outcome: Outcome
    ) -> tuple[Registration, int] | None:
        mine = Registration(entries.identity(name, "node"), before.registration.epoch + 1 if before else 1)
        row = _row(mine.epoch, facts, now)

        def job(connection: Connection) -> tuple[Registration, int] | None:
            if not self._taken(connection, mine.name, before, row):
                return None
            if self.alone:
                connection.execute(sql.END_OTHERS, {"of_name": mine.name, "new_state": NodeState.DEAD.value})
                return mine, connection.execute(sql.DOUBT_ALL, _doubtful(outcome)).rowcount
            return mine, _doubt_left(connection, mine.name, mine.epoch, outcome)

        return self._backend.write(job)

    @staticmethod
    def _taken(connection: Connection, name: str, before: Node | None, row: dict[str, Any]) -> bool:
        if before is None:
            if any(one.name == name for one in connection.execute(sql.NODES)):
                return False
            # of two that insert at once the primary key lets one through; the other is run again and finds it
            connection.execute(sql.INSERT_NODE, {"name": name, **row})
            return True
        seen = {"of_name": name, "of_epoch": before.registration.epoch, "of_beat": before.beat}
        changed = {f"new_{key}": value for key, value in row.items()}
        return connection.execute(sql.CLAIM_NODE, {**seen, **changed}).rowcount == 1

    def beat(self, registration: Registration, now: datetime) -> bool:
        values = {**_of(registration), "new_heartbeat_at": entries.to_ms(now)}
        return self._backend.write(lambda connection: connection.execute(sql.BEAT, values).rowcount) == 1

    def holds(self, registration: Registration) -> bool:
        which = _of(registration)
        return self._backend.read(lambda connection: connection.execute(sql.HOLDS, which).scalar()) is not None

    def declare_dead(self, node: Node, outcome: Outcome) -> int | None:
        seen = {**_of(node.registration), "of_beat": node.beat, "new_state": NodeState.DEAD.value}
        return self._end(sql.DECLARE_DEAD, seen, node.registration, outcome)

    def leave(self, registration: Registration, outcome: Outcome) -> int:
        values = {**_of(registration), "new_state": NodeState.ENDED.value}
        return self._end(sql.LEAVE, values, registration, outcome) or 0

    def _end(
        self, statement: Update, values: dict[str, Any], registration: Registration, outcome: Outcome
    ) -> int | None:
        def job(connection: Connection) -> int | None:
            if connection.execute(statement, values).rowcount != 1:
                return None
            return _doubt_left(connection, registration.name, registration.epoch + 1, outcome)

        return self._backend.write(job)

    def sweep(self, outcome: Outcome) -> int:
        # a look costs no write, and there is hardly ever anything
        if self._backend.read(lambda connection: connection.execute(sql.ORPHANS).first()) is None:
            return 0
        values = _doubtful(outcome)
        return self._backend.write(lambda connection: connection.execute(sql.DOUBT_ORPHANS, values).rowcount)


def _of(registration: Registration) -> dict[str, Any]:
    return {"of_name": entries.identity(registration.name, "node"), "of_epoch": registration.epoch}


def _doubtful(outcome: Outcome) -> dict[str, Any]:
    return {f"new_{name}": column(value) for name, value in entries.ended(outcome).items()}


def _doubt_left(connection: Connection, name: str, before_epoch: int, outcome: Outcome) -> int:
    where = {"of_node": name, "before_epoch": before_epoch}
    return connection.execute(sql.DOUBT_LEFT, {**_doubtful(outcome), **where}).rowcount


def _row(epoch: int, facts: NodeFacts, now: datetime) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "beat": 0,
        "state": NodeState.RUNNING.value,
        "started_at": entries.to_ms(now),
        "heartbeat_at": entries.to_ms(now),
        "address": entries.short(facts.address, "address") or None,
        "place": entries.identity_or_none(facts.place, "place"),
        "pid": facts.pid,
        "version": entries.short(facts.version, "version") or None,
        "silence_ms": int(facts.silence_s * 1000),
    }


def _node(row: Row[Any], held: int) -> Node:
    facts = NodeFacts(row.address or "", row.place or "", row.pid, row.version or "", row.silence_ms / 1000)
    return Node(
        registration=Registration(row.name, row.epoch),
        state=NodeState(row.state),
        beat=row.beat,
        started_at=entries.from_ms(row.started_at),
        heartbeat_at=entries.from_ms(row.heartbeat_at),
        facts=facts,
        open=held,
    )
