"""Fill an empty store with the rows of :mod:`bench.search.rows`, sealed and hashed as the program does it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, create_engine, func, make_url, select, text

from bench.search.rows import Past, infno
from gateway.protect import Guard, InUse, KeySource
from gateway.store import _sealed as protection
from gateway.store import open_store
from gateway.store.tables import exchange, exchange_body, exchange_key, request_key

BATCH: Final = 5_000
BODY_EVERY: Final = 100
_BODY_BYTES: Final = (2_000, 60_000)
_TEMPLATES: Final = 64
_EXCHANGE: Final = tuple(column.name for column in exchange.columns)
_BODY: Final = ("exchange_id", "kind", "packed", "raw_size", "charset", "key_version")
_KEY: Final = ("exchange_id", "kind", "value", "hash_version", "received_at", "infno")
_REQUEST: Final = ("client", "request_id", "exchange_id")
_INDEXES: Final = sorted((*exchange.indexes, *exchange_key.indexes), key=lambda index: str(index.name))


def guard_of(keys: KeySource) -> Guard:
    """The keys of a new store."""
    return Guard(keys.read(), InUse(data=1, hash=1, searched=(1,)))


def fill(url: str, keys: KeySource, past: Past, told: Callable[[int], object] = lambda _done: None) -> None:
    """Bring the store at ``url`` to the rows of ``past``; what is there already stays.

    Args:
        told: how many rows there are, after each batch.
    """
    store = open_store(url, node="bench", keys=keys)
    store.upgrade()
    store.close()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            _fill(connection, guard_of(keys), past, told)
    finally:
        engine.dispose()


def _fill(connection: Connection, guard: Guard, past: Past, told: Callable[[int], object]) -> None:
    done = connection.execute(select(func.coalesce(func.max(exchange.c.id), 0))).scalar_one()
    if done >= past.rows:
        return
    # foreign keys are right by construction; checked row by row they cost more than the rows
    for setting in ("session_replication_role = replica", "synchronous_commit = off", "maintenance_work_mem = '512MB'"):
        connection.execute(text(f"SET {setting}"))
    for index in _INDEXES:
        index.drop(connection, checkfirst=True)
    connection.commit()
    maker = _Maker(guard, past)
    while done < past.rows:
        numbers = range(done + 1, min(done + BATCH, past.rows) + 1)
        with _driver(connection).transaction():
            for table, columns, rows in maker.tables(numbers):
                _copy(connection, table, columns, rows)
        done = numbers[-1]
        told(done)
    for index in _INDEXES:
        index.create(connection, checkfirst=True)
    connection.execute(text("SELECT setval(pg_get_serial_sequence('exchange', 'id'), :last)"), {"last": done})
    connection.commit()
    connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with _driver(connection).cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    """What COPY is done with; SQLAlchemy does not know of it, and its ``commit`` would end nothing."""
    driver: Any = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


class _Maker:
    """Makes the rows of all tables for a range of numbers."""

    def __init__(self, guard: Guard, past: Past) -> None:
        self._guard, self._past = guard, past
        # visits come in blocks of six thousand rows, so what is hashed once is needed again soon
        self._hashed = lru_cache(1 << 16)(guard.hashed)
        self._templates = _templates()

    def tables(self, numbers: range) -> Iterator[tuple[str, tuple[str, ...], Iterable[tuple[Any, ...]]]]:
        made = [self._exchange(number) for number in numbers]
        yield exchange.name, _EXCHANGE, (tuple(row[name] for name in _EXCHANGE) for row in made)
        yield exchange_key.name, _KEY, self._keys(numbers)
        yield exchange_body.name, _BODY, (self._body(n) for n in numbers if n % BODY_EVERY == 0)
        yield request_key.name, _REQUEST, (
            (row["client"], row["request_id"], row["id"]) for row in made if row["request_id"]
        )  # fmt: skip

    def _exchange(self, number: int) -> dict[str, Any]:
        row = self._past.row(number)
        sealed = protection.sealed_columns(self._guard, row, sorted(self._past.keys(number)))
        return dict.fromkeys(_EXCHANGE) | row | sealed

    def _keys(self, numbers: range) -> Iterator[tuple[Any, ...]]:
        for number in numbers:
            of = self._guard.hash_version, self._past.received_ms(number), infno(number)
            for kind, value in self._past.keys(number):
                yield number, kind, self._hashed(kind, value), *of

    def _body(self, number: int) -> tuple[Any, ...]:
        size, packed = self._templates[number // BODY_EVERY % _TEMPLATES]
        row = {"kind": "caller_request", "packed": packed, "raw_size": size, "charset": "utf-8"}
        sealed = protection.sealed_body(self._guard, number, row)
        return tuple(sealed[name] for name in _BODY)


def _templates() -> list[tuple[int, bytes]]:
    """Bodies whose packed bytes are 2 to 60 KB: half the size of the text, as digits pack."""
    chance, (least, most) = random.Random(1), _BODY_BYTES
    texts = [chance.randbytes(least + (most - least) * n // (_TEMPLATES - 1)).hex().encode() for n in range(_TEMPLATES)]
    return [(len(body), protection.packed(body)) for body in texts]
