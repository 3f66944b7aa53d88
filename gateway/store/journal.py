"""The journal in tables: ``gateway.exchange.ports.Journal`` on any backend."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from gateway.exchange import entries
from gateway.exchange.ports import (
    Bodies,
    Exchange,
    Intent,
    JournalUnavailable,
    MsgidBlock,
    Outcome,
    Query,
    RequestIdTaken,
    State,
)
from gateway.store import statements as sql
from gateway.store._backend import Backend
from gateway.store.tables import exchange

_COLUMNS = tuple(column.name for column in exchange.columns if column.name != "id")
_TIMES = ("received_at", "finished_at")
_NONE_AS_IT_IS = frozenset({"msgid", "request_id", "finished_at"})
PACK_LEVEL = 3
"""zlib: on fee rows as small as the default level within a tenth, at half its time."""


class SqlJournal:
    """The durable record in tables. Arguments, results and errors are those of the port."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        held = {"client": entries.identity(client, "client"), "request_id": entries.identity(request_id, "request_id")}
        return self._backend.read(lambda connection: _one(connection.execute(sql.FIND_REQUEST, held).all()))

    def intend(self, intent: Intent) -> Exchange:
        row = entries.intended(intent)
        bodies = [
            _packed("caller_request", intent.caller_request, intent.caller_charset),
            _packed("platform_request", intent.platform_request),
        ]

        def job(connection: Connection) -> Exchange:
            held_by = None
            if row.request_id:
                held_by = _holder(connection, row)
                if held_by is not None and held_by.state not in entries.FREE:
                    raise RequestIdTaken(held_by)
            written = _insert(connection, row, bodies)
            _take_request(connection, written, held_by)
            return written

        return self._backend.write(job)

    def finish(self, exchange_id: int, outcome: Outcome) -> Exchange:
        body = _packed("platform_answer", outcome.platform_answer)

        def job(connection: Connection) -> Exchange:
            before = entries.check_edge(_get(connection, exchange_id), exchange_id, outcome.state)
            keys = entries.key_pairs(before.keys, outcome.keys)
            after = replace(before, **entries.ended(outcome), keys=keys)
            _move(connection, before, after)
            _insert_bodies(connection, exchange_id, [body])
            _insert_keys(connection, exchange_id, sorted(set(keys) - set(before.keys)))
            return after

        return self._backend.write(job)

    def doubt_abandoned(self, node: str, outcome: Outcome) -> int:
        changed = {f"new_{name}": _column(value) for name, value in entries.ended(outcome).items()}
        where = {"of_node": entries.identity(node, "node"), "state_before": State.INTENDED.value}
        return self._backend.write(
            lambda connection: connection.execute(sql.DOUBT_ABANDONED, {**changed, **where}).rowcount
        )

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        row = entries.recorded(intent, outcome)
        bodies = [
            _packed("caller_request", intent.caller_request, intent.caller_charset),
            _packed("platform_request", intent.platform_request),
            _packed("platform_answer", outcome.platform_answer),
        ]

        def job(connection: Connection) -> Exchange:
            written = _insert(connection, row, bodies)
            if row.request_id:
                held_by = _holder(connection, row)
                if held_by is None or held_by.state in entries.FREE:
                    _take_request(connection, written, held_by)
            return written

        return self._backend.write(job)

    def get(self, exchange_id: int) -> Exchange | None:
        return self._backend.read(lambda connection: _get(connection, exchange_id))

    def bodies(self, exchange_id: int) -> Bodies | None:
        which = {"exchange_id": exchange_id}
        found: Sequence[Any] = self._backend.read(lambda connection: connection.execute(sql.BODIES, which).all())
        return _bodies(exchange_id, found) if found else None

    def search(self, query: Query) -> list[Exchange]:
        statement = sql.search(query)

        def job(connection: Connection) -> list[Exchange]:
            page = connection.execute(statement).all()
            keys: dict[int, list[tuple[str, str]]] = {row.id: [] for row in page}
            for key in connection.execute(sql.KEYS_OF, {"ids": list(keys)}) if page else ():
                keys[key.exchange_id].append((key.kind, key.value))
            return [_exchange(row._mapping, keys[row.id]) for row in page]

        return self._backend.read(job)

    def count_by_state(self, since: datetime) -> Mapping[str, int]:
        after = {"since": entries.to_ms(since)}
        found = self._backend.read(lambda connection: connection.execute(sql.COUNT_BY_STATE, after).all())
        return {row.state: row.rows_counted for row in found}

    def next_msgids(self, institution: str, now: datetime, count: int) -> MsgidBlock:
        earliest = entries.check_block(now, count)
        of = entries.identity(institution, "institution")

        def job(connection: Connection) -> MsgidBlock:
            stored = connection.execute(sql.LOCK_HIGH, {"institution": of}).scalar()
            first = max(earliest, stored or 0)
            _raise_high(connection, of, stored, first + count)
            return MsgidBlock(institution, first, first + count)

        return self._backend.write(job)

    def ready(self) -> bool:
        try:
            self._backend.write(lambda connection: connection.execute(sql.TOUCH).rowcount)
        except JournalUnavailable:
            return False
        return self._backend.room()


def _get(connection: Connection, exchange_id: int) -> Exchange | None:
    return _one(connection.execute(sql.GET, {"exchange_id": exchange_id}).all())


def _holder(connection: Connection, row: Exchange) -> Exchange | None:
    """The exchange that holds the request_id of ``row``, its key locked until the end of the transaction."""
    held = {"client": row.client, "request_id": row.request_id}
    exchange_id = connection.execute(sql.LOCK_REQUEST_KEY, held).scalar()
    return None if exchange_id is None else _get(connection, exchange_id)


def _take_request(connection: Connection, row: Exchange, held_by: Exchange | None) -> None:
    """Make ``row`` the holder of its request_id after ``held_by``. The primary key or the compare-and-set decides races."""
    if row.request_id is None:
        return
    if held_by is None:
        values = {"client": row.client, "request_id": row.request_id, "exchange_id": row.id}
        connection.execute(sql.INSERT_REQUEST_KEY, values)
        return
    passed = connection.execute(
        sql.PASS_REQUEST_KEY,
        {"key_client": row.client, "key_request_id": row.request_id, "held_by": held_by.id, "taken_by": row.id},
    )
    if passed.rowcount != 1:
        raise JournalUnavailable("another exchange took this request_id at the same moment")


def _insert(connection: Connection, row: Exchange, bodies: Iterable[dict[str, Any] | None]) -> Exchange:
    values = {name: _column(getattr(row, name)) for name in _COLUMNS}
    inserted = connection.execute(sql.INSERT_EXCHANGE, values).inserted_primary_key
    assert inserted is not None
    written = replace(row, id=inserted[0])
    _insert_bodies(connection, written.id, bodies)
    _insert_keys(connection, written.id, row.keys)
    return written


def _insert_bodies(connection: Connection, exchange_id: int, bodies: Iterable[dict[str, Any] | None]) -> None:
    given = [{**body, "exchange_id": exchange_id} for body in bodies if body is not None]
    if given:
        connection.execute(sql.INSERT_BODY, given)


def _insert_keys(connection: Connection, exchange_id: int, keys: Sequence[tuple[str, str]]) -> None:
    if keys:
        connection.execute(
            sql.INSERT_KEY, [{"exchange_id": exchange_id, "kind": kind, "value": value} for kind, value in keys]
        )


def _move(connection: Connection, before: Exchange, after: Exchange) -> None:
    changed: dict[str, Any] = {
        f"new_{name}": _column(getattr(after, name))
        for name in ("state", "finished_at", "infcode", "inf_refmsgid", "err_msg", "warn_msg", "code", "elapsed_ms")
    }
    where = {"exchange_id": before.id, "state_before": before.state.value}
    if connection.execute(sql.FINISH, {**changed, **where}).rowcount != 1:
        raise ValueError(f"exchange {before.id} was finished by another at the same moment")


def _raise_high(connection: Connection, institution: str, seen: int | None, raised: int) -> None:
    if seen is None:
        connection.execute(sql.INSERT_HIGH, {"institution": institution, "next_slot": raised})
        return
    values = {"of_institution": institution, "seen": seen, "raised": raised}
    if connection.execute(sql.RAISE_HIGH, values).rowcount != 1:
        raise JournalUnavailable("another node reserved numbers at the same moment")


def _column(value: Any) -> Any:
    if isinstance(value, State):
        return value.value
    if isinstance(value, datetime):
        return entries.to_ms(value)
    return None if value == "" else value


def _one(found: Sequence[Row[Any]]) -> Exchange | None:
    if not found:
        return None
    keys = [(row.kind, row.value) for row in found if row.kind is not None]
    return _exchange(found[0]._mapping, keys)


def _exchange(row: Mapping[Any, Any], keys: Iterable[tuple[str, str]]) -> Exchange:
    values = {name: _value(name, row[name]) for name in _COLUMNS}
    return Exchange(id=row["id"], **values, keys=tuple(sorted(keys)))


def _value(name: str, stored: Any) -> Any:
    if name == "state":
        return State(stored)
    if stored is None:
        return None if name in _NONE_AS_IT_IS else ""
    return entries.from_ms(stored) if name in _TIMES else stored


def _packed(kind: str, body: bytes | None, charset: str | None = None) -> dict[str, Any] | None:
    """A row of ``exchange_body`` still without exchange, or None for no bytes. Packed here, by the caller's thread, not the writer's."""
    if body is None:
        return None
    return {
        "kind": kind,
        "packed": zlib.compress(body, PACK_LEVEL),
        "raw_size": len(body),
        "charset": entries.short(charset, "charset") if charset else None,
    }


def _bodies(exchange_id: int, found: Sequence[Any]) -> Bodies:
    by_kind = {row.kind: row for row in found if row.kind is not None}
    caller = by_kind.get("caller_request")
    return Bodies(
        caller_request=_unpacked(exchange_id, caller),
        caller_charset=(caller.charset or "") if caller is not None else "",
        platform_request=_unpacked(exchange_id, by_kind.get("platform_request")),
        platform_answer=_unpacked(exchange_id, by_kind.get("platform_answer")),
    )


def _unpacked(exchange_id: int, row: Any) -> bytes | None:
    if row is None:
        return None
    try:
        body = zlib.decompress(row.packed)
    except zlib.error as error:
        raise JournalUnavailable(f"the bytes of exchange {exchange_id} ({row.kind}) are damaged") from error
    if len(body) != row.raw_size:
        raise JournalUnavailable(f"the bytes of exchange {exchange_id} ({row.kind}) are incomplete")
    return body
