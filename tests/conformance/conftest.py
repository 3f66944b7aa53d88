"""The journals that the conformance suite runs over.

Oracle and SQL Server take part where ``YIBAO_TEST_ORACLE_URL`` or ``YIBAO_TEST_MSSQL_URL`` names an empty database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Dialect, event
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.engine import Engine
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql import ClauseElement, Executable

from gateway.exchange.fakes import MemoryJournal, MemoryNodes
from gateway.exchange.ports import Journal
from gateway.protect import Cipher
from gateway.store import Store, open_store
from gateway.store.tables import metadata
from tests.pg import PgServer
from tests.protect.keys import MemoryKeys
from tests.sqlite import new_sqlite

GIVEN = {
    name: os.environ[variable]
    for name, variable in (("oracle", "YIBAO_TEST_ORACLE_URL"), ("mssql", "YIBAO_TEST_MSSQL_URL"))
    if os.environ.get(variable)
}
"""Databases that only some machines have."""
KEPT = ("operator_log", "operator_log_head", "store_key")
"""The first two cannot be emptied, the third says which keys the open store works with; no test of this suite writes to them."""


@pytest.fixture(scope="session")
def pg_store(pg_server: PgServer) -> Iterator[tuple[str, Store]]:
    url = pg_server.fresh()
    store = open_store(url, node="test", keys=MemoryKeys())
    store.upgrade()
    yield url, store
    store.close()


@pytest.fixture(scope="session")
def given_stores() -> Iterator[dict[str, Store]]:
    stores = {name: open_store(url, node="test") for name, url in GIVEN.items()}
    for store in stores.values():
        store.upgrade()
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture(scope="session")
def others_compile() -> Iterator[None]:
    """Whatever the suite makes the store execute is SQL for Oracle and SQL Server too, not only what has a name."""
    dialects: list[Dialect] = [oracle.dialect(), mssql.dialect()]
    seen: set[object] = set()

    def compile_it(connection: Connection, statement: object, *_: object) -> None:
        # migrations make their tables anew for each store, and tests/store compiles those
        if connection.dialect.name != "sqlite" or not isinstance(statement, Executable | ClauseElement):
            return
        if isinstance(statement, ExecutableDDLElement) or (known := statement._generate_cache_key()) is None:
            return
        if known.key not in seen:
            seen.add(known.key)
            for dialect in dialects:
                assert str(statement.compile(dialect=dialect))

    event.listen(Engine, "before_execute", compile_it)
    yield
    event.remove(Engine, "before_execute", compile_it)


class MemoryStore:
    """Journal and registry in memory, as :class:`gateway.store.Store` holds them."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.nodes = MemoryNodes(self.journal)


@pytest.fixture(params=["memory", "sqlite", "sqlite-plain", "postgresql", *GIVEN])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store | MemoryStore]:
    """An empty store."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param.startswith("sqlite"):
        keys = MemoryKeys(Cipher.SM4) if request.param == "sqlite" else None
        store = open_store(new_sqlite(tmp_path / "journal.db"), node="test", keys=keys)
        store.upgrade()
        request.getfixturevalue("others_compile")
        yield store
        store.close()
    elif request.param == "postgresql":
        url, store = request.getfixturevalue("pg_store")
        # a new database for each test would take ten times as long
        with psycopg.connect(url) as connection:
            connection.execute(f"TRUNCATE {', '.join(name for name in metadata.tables if name not in KEPT)}")
        yield store
    else:
        store = request.getfixturevalue("given_stores")[request.param]
        for table in reversed([table for table in metadata.sorted_tables if table.name not in KEPT]):
            store._backend.write(lambda connection, table=table: connection.execute(table.delete()).rowcount)
        yield store


@pytest.fixture
def journal(opened: Store | MemoryStore) -> Journal:
    """Its journal."""
    return opened.journal
