"""Statements rendered once say the same as SQLAlchemy, and fail as SQLAlchemy fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    StaticPool,
    Table,
    Unicode,
    create_engine,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.store import _connection, statements
from gateway.store._connection import Connection
from gateway.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    url = "sqlite://"
    if request.param == "postgresql":
        url = request.getfixturevalue("pg_url").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, poolclass=StaticPool if url == "sqlite://" else None)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


ROW = {"infno": "2401", "state": "CONFIRMED", "received_at": 1, "elapsed_ms": 2, "msgid": "M1", "err_msg": "错:x'\"%s"}


def _both(engine: Engine, statement: Any, values: Any) -> list[list[Any]]:
    """The rows by the driver and by SQLAlchemy."""
    with Connection(engine) as quick, quick.begin():
        mine = quick.execute(statement, values).all()
    with engine.begin() as plain:
        return [[tuple(row) for row in mine], [tuple(row) for row in plain.execute(statement, values).all()]]


def test_what_is_written_by_the_driver_is_read_alike(engine: Engine) -> None:
    with Connection(engine) as quick, quick.begin():
        inserted = quick.execute(statements.INSERT_EXCHANGE, ROW).inserted_primary_key
        assert inserted is not None
        number = inserted[0]
        keys = [{"exchange_id": number, "kind": "psn_no", "value": value} for value in ("a", "b")]
        assert quick.execute(statements.INSERT_KEY, keys).rowcount == 2
    mine, plain = _both(engine, statements.GET, {"exchange_id": number})
    assert mine == plain
    assert len(mine) == 2
    with Connection(engine) as quick:
        first = quick.execute(statements.GET, {"exchange_id": number}).all()[0]
    assert (first._mapping["err_msg"], first.kind) == (ROW["err_msg"], "psn_no")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_lists_of_any_length(engine: Engine, count: int) -> None:
    with Connection(engine) as quick, quick.begin():
        numbers = [
            quick.execute(statements.INSERT_EXCHANGE, {**ROW, "msgid": f"M{n}"}).inserted_primary_key[0]  # type: ignore[index]
            for n in range(2)
        ]
        quick.execute(
            statements.INSERT_KEY, [{"exchange_id": number, "kind": "psn_no", "value": "p"} for number in numbers]
        )
    mine, plain = _both(engine, statements.KEYS_OF, {"ids": numbers[:count]})
    assert mine == plain
    assert len(mine) == count


@pytest.mark.parametrize("count", [1, 8, 9])
def test_rows_of_any_number(engine: Engine, count: int) -> None:
    with Connection(engine) as quick, quick.begin():
        inserted = quick.execute(statements.INSERT_EXCHANGE, ROW).inserted_primary_key
        assert inserted is not None
        rows = [{"exchange_id": inserted[0], "kind": "psn_no", "value": f"v{n}"} for n in range(count)]
        assert quick.execute(statements.INSERT_KEY, rows).rowcount == count
    mine, plain = _both(engine, statements.KEYS_OF, {"ids": [inserted[0]]})
    assert mine == plain
    assert {row[2] for row in mine} == {f"v{n}" for n in range(count)}


def test_a_row_that_is_there_already_is_an_integrity_error_without_its_values(engine: Engine) -> None:
    with Connection(engine) as quick, quick.begin():
        quick.execute(statements.INSERT_HIGH, {"institution": "H1", "next_slot": 1})
    with pytest.raises(IntegrityError) as raised, Connection(engine) as quick, quick.begin():
        quick.execute(statements.INSERT_HIGH, {"institution": "H1", "next_slot": 987654321})
    assert "987654321" not in str(raised.value)


def test_a_connection_that_is_gone_leaves_the_pool(pg_url: str) -> None:
    engine = create_engine(pg_url.replace("postgresql://", "postgresql+psycopg://"))
    metadata.create_all(engine)
    with Connection(engine) as quick, engine.connect() as other:
        mine = quick.execute(statements.BUSY_HOLDER, {"keys": ["k"]}).all()
        pid = quick.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(OperationalError) as raised:
            quick.execute(statements.BUSY_HOLDER, {"keys": ["k"]})
        assert raised.value.connection_invalidated
        assert quick.invalidated
    assert mine == []
    engine.dispose()


def test_every_constant_of_the_journal_is_rendered(engine: Engine) -> None:
    """None of them falls back to SQLAlchemy unnoticed."""
    for statement in statements.CONSTANT:
        binds = statement.compile().binds  # type: ignore[attr-defined]
        given = {name: [1] if bound.expanding else 1 for name, bound in binds.items() if bound.required}
        assert _connection._rendered(engine.dialect, statement, given) is not None


def test_what_needs_a_conversion_is_left_to_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Table(
        "times", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime), Column("t", Unicode(9))
    )
    write, read = insert(times), select(times.c.at)
    monkeypatch.setattr(_connection, "CONSTANT", frozenset({write, read}))
    engine = create_engine("sqlite://", poolclass=StaticPool)
    times.metadata.create_all(engine)
    at = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  the type under test knows no zone
    with Connection(engine) as quick, quick.begin():
        quick.execute(write, {"id": 1, "at": at, "t": "x"})
        assert quick.execute(read).scalar() == at
    engine.dispose()
