"""Tables and statements are the same on every database; migrations lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ClauseElement, Connection, Dialect, create_engine, make_url, text
from sqlalchemy.dialects import mssql, oracle, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.exchange.ports import JournalUnavailable, Query, State
from gateway.store import StoreError, open_store, statements, stay_statements
from gateway.store.tables import metadata
from tests.store.samples import NOW, intent

DIALECTS = [module.dialect() for module in (oracle, mssql, postgresql, sqlite)]
EVERYTHING = Query(
    keys=[("psn_no", "P1"), ("mdtrt_id", "M1")],
    msgid="m",
    request_id="r",
    infno="2304",
    client="his",
    states=[State.CONFIRMED, State.IN_DOUBT],
    code="GW-4101",
    since=NOW,
    until=NOW,
    before_id=7,
)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_table_and_statement_compiles(dialect: Dialect) -> None:
    named = {**vars(statements), **vars(stay_statements)}
    built = [value for name, value in named.items() if name.isupper() and isinstance(value, ClauseElement)]
    assert len(built) >= 30
    tables = [CreateTable(table) for table in metadata.sorted_tables]
    indexes = [CreateIndex(index) for table in metadata.sorted_tables for index in table.indexes]
    searches = [statements.search(query) for query in (Query(), EVERYTHING)]
    for statement in [*built, *tables, *indexes, *searches]:
        assert str(statement.compile(dialect=dialect))


def test_names_fit_oracle() -> None:
    for table in metadata.sorted_tables:
        names = [table.name, *table.columns.keys()]
        names += [str(index.name) for index in table.indexes]
        names += [str(constraint.name) for constraint in table.constraints if constraint.name]
        assert [name for name in names if len(name) > 30] == []


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path / 'j.db'}" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    store = open_store(url, node="n1")
    assert store.check() == ["数据库结构版本为 空，程序需要 0007：请运行 yibao db upgrade"]
    assert not store.journal.ready()
    with pytest.raises(JournalUnavailable):
        store.journal.intend(intent())
    store.upgrade()
    store.upgrade()
    assert store.check() == []
    engine = create_engine(make_url(url).set(drivername={"sqlite": "sqlite"}.get(request.param, "postgresql+psycopg")))
    with engine.connect() as connection:
        yield connection
        connection.rollback()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.commit()
    engine.dispose()
    assert "9999" in store.check()[0]
    with pytest.raises(StoreError, match="比程序新"):
        store.upgrade()
    store.close()


def test_migrations_lead_to_the_tables(migrated: Connection) -> None:
    context = MigrationContext.configure(migrated, opts={"compare_type": True})
    assert compare_metadata(context, metadata) == []


def test_the_database_knows_the_states(migrated: Connection) -> None:
    insert = "INSERT INTO exchange (infno, state, received_at, elapsed_ms) VALUES ('1', :state, 0, 0)"
    for state in State:
        migrated.execute(text(insert), {"state": state.value})
    with pytest.raises(IntegrityError):
        migrated.execute(text(insert), {"state": "PERHAPS"})
