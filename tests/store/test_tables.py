"""Tables and statements are the same on every database; migrations lead to them."""

from __future__ import annotations

import ast
import importlib
import io
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
    Executable,
    Table,
    bindparam,
    create_engine,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import mssql, oracle, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

import gateway.store
from gateway.exchange.ports import JournalUnavailable, Query, State
from gateway.store import StoreError, open_store, statements
from gateway.store._migrate import head, migrations_config
from gateway.store.stay_feed import EpisodeQuery, _counted, _selected
from gateway.store.tables import metadata
from tests.store.samples import NOW, intent

DIALECTS = [module.dialect() for module in (oracle, mssql, postgresql, sqlite)]
EVERY_TABLE = "of any table: _of_any"
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


STAYS = [
    EpisodeQuery(),
    EpisodeQuery(("registered",), ("differs",), ("settled",), "Z1", "M1", "P1", "W1", "2026", "2027", "2026", "2027", "waiting",
                 emergency=True, order="t_set", descending=False, skip=5),
    *(EpisodeQuery(fees=kind) for kind in ("bad", "chosen")),
]  # fmt: skip
FOR_A_CALL = {
    "statements.py _start": [statements.search(query) for query in (Query(), EVERYTHING)],
    "statements.py operator_log_page": [statements.operator_log_page("王工", "E1", ("console.body",), 1, 9, 9, 50)],
    "stay_feed.py _selected": [_selected(query)[0] for query in STAYS],
    "stay_feed.py _counted": [_counted(query)[0] for query in STAYS],
}
"""Statements that a function builds anew for each call, by file and function, each as its widest and its narrowest."""
ELSEWHERE = {
    "catalog_statements.py _beginning": "called where the module is read: BY_BEGINNING",
    "stay_statements.py _any": "called where the module is read: KEPT, LINKS_AND_KEPT",
    "_bulk.py insert_many": EVERY_TABLE,
    "_veil_past.py _veil_table": EVERY_TABLE,
    "_veil_past.py _reseal": EVERY_TABLE,
    "_veil_past.py _update": EVERY_TABLE,
    "backup.py _copy": EVERY_TABLE,
    "backup.py _copy_table": EVERY_TABLE,
    "restore.py _must_be_empty": EVERY_TABLE,
    "restore.py _empty": EVERY_TABLE,
    "restore.py _load": EVERY_TABLE,
    "restore.py _numbered": "said to one database each",
}
"""Functions whose statements are compiled otherwise, and how."""
VENDORS = ("_mssql.py", "_oracle.py", "_postgres.py", "_sqlite.py")
"""What these build is for their own database alone."""
_BUILDERS = ("select", "insert", "update", "delete", "text", "union", "union_all", "merge", "values")


def _built() -> list[Executable]:
    """Every statement that a module of the store builds, in whatever it is kept."""
    found: list[Executable] = []
    for module in pkgutil.walk_packages(gateway.store.__path__, "gateway.store."):
        if ".migrations" not in module.name:
            for value in vars(importlib.import_module(module.name)).values():
                found += _in(value)
    return found


def _in(value: object) -> Iterator[Executable]:
    if isinstance(value, Executable):
        yield value
    elif isinstance(value, Mapping):
        yield from (found for one in value.values() for found in _in(one))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (found for one in value for found in _in(one))


def _of_any(table: Table) -> list[Executable]:
    values: dict[str, BindParameter[Any]] = {name: bindparam(f"v_{name}") for name in table.columns.keys()}  # noqa: SIM118 - of a collection, not a dict
    return [
        table.select().order_by(*table.primary_key),
        select(func.count()).select_from(table),
        table.insert().values(values),
        table.update().values(values),
        table.delete(),
    ]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_table_and_statement_compiles(dialect: Dialect) -> None:
    built = _built()
    assert len(built) >= 150
    tables = [CreateTable(table) for table in metadata.sorted_tables]
    indexes = [CreateIndex(index) for table in metadata.sorted_tables for index in table.indexes]
    whole = [statement for table in metadata.sorted_tables for statement in _of_any(table)]
    for_a_call = [statement for found in FOR_A_CALL.values() for statement in found]
    everything: list[Any] = [*built, *tables, *indexes, *whole, *for_a_call]
    for statement in everything:
        assert str(statement.compile(dialect=dialect))


def test_no_function_builds_a_statement_that_is_compiled_nowhere() -> None:
    """A new one is built where its module is read, or has an example in ``FOR_A_CALL``."""
    folder = Path(gateway.store.__path__[0])
    found = {
        f"{path.name} {function}"
        for path in folder.glob("*.py")
        if path.name not in VENDORS
        for function in _building(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == FOR_A_CALL.keys() | ELSEWHERE.keys()


def _building(module: ast.Module) -> Iterator[str]:
    names = {
        one.asname or one.name
        for node in module.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for one in node.names
        if one.name in _BUILDERS
    }
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and any(_builds(call, names) for call in ast.walk(node)):
            yield node.name


def _builds(call: ast.AST, names: set[str]) -> bool:
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names


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
