"""Tables and statements are the same on every database; migrations lead to them."""

from __future__ import annotations

import importlib
import io
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Dialect, Executable, create_engine, make_url, text
from sqlalchemy.dialects import mssql, oracle, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

import gateway.store
from gateway.exchange.ports import JournalUnavailable, Query, State
from gateway.store import StoreError, open_store, statements
from gateway.store._migrate import head, migrations_config
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


def _built() -> list[Executable]:
    """Every statement that a module of the store builds."""
    found: list[Executable] = []
    for module in pkgutil.walk_packages(gateway.store.__path__, "gateway.store."):
        if ".migrations" not in module.name:
            values = vars(importlib.import_module(module.name)).values()
            found += [value for value in values if isinstance(value, Executable)]
    return found


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_table_and_statement_compiles(dialect: Dialect) -> None:
    built = _built()
    assert len(built) >= 50
    tables = [CreateTable(table) for table in metadata.sorted_tables]
    indexes = [CreateIndex(index) for table in metadata.sorted_tables for index in table.indexes]
    searches = [statements.search(query) for query in (Query(), EVERYTHING)]
    for statement in [*built, *tables, *indexes, *searches]:
        assert str(statement.compile(dialect=dialect))


@pytest.mark.parametrize("name", ["oracle", "mssql", "postgresql"])
def test_every_migration_compiles(name: str) -> None:
    written = io.StringIO()
    config = migrations_config()
    config.attributes["offline"] = {"dialect_name": name, "output_buffer": written}
    command.upgrade(config, "head", sql=True)
    script = written.getvalue()
    for table in metadata.sorted_tables:
        assert re.search(rf"CREATE TABLE {table.name}\b", script), table.name
    assert [word for word in re.findall(r"\w+", script) if len(word) > 30 and not word.startswith("0x")] == []


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
    assert store.check() == [f"数据库结构版本为 空，程序需要 {head()}：请运行 yibao db upgrade"]
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
        connection.execute(text("UPDATE store_mark SET mark = '9999' WHERE name = 'compatible_from'"))
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
