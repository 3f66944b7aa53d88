"""The journals that the conformance suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.exchange.fakes import MemoryJournal, MemoryNodes
from gateway.exchange.ports import Journal
from gateway.protect import Cipher
from gateway.store import Store, open_store
from gateway.store.tables import metadata
from tests.pg import PgServer
from tests.protect.keys import MemoryKeys

KEPT = ("operator_log", "operator_log_head", "store_key")
"""The first two cannot be emptied, the third says which keys the open store works with; no test of this suite writes to them."""


@pytest.fixture(scope="session")
def pg_store(pg_server: PgServer) -> Iterator[tuple[str, Store]]:
    url = pg_server.fresh()
    store = open_store(url, node="test", keys=MemoryKeys())
    store.upgrade()
    yield url, store
    store.close()


class MemoryStore:
    """Journal and registry in memory, as :class:`gateway.store.Store` holds them."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.nodes = MemoryNodes(self.journal)


@pytest.fixture(params=["memory", "sqlite", "sqlite-plain", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store | MemoryStore]:
    """An empty store."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param.startswith("sqlite"):
        keys = MemoryKeys(Cipher.SM4) if request.param == "sqlite" else None
        store = open_store(f"sqlite:///{tmp_path / 'journal.db'}", node="test", keys=keys)
        store.upgrade()
        yield store
        store.close()
    else:
        url, store = request.getfixturevalue("pg_store")
        # a new database for each test would take ten times as long
        with psycopg.connect(url) as connection:
            connection.execute(f"TRUNCATE {', '.join(name for name in metadata.tables if name not in KEPT)}")
        yield store


@pytest.fixture
def journal(opened: Store | MemoryStore) -> Journal:
    """Its journal."""
    return opened.journal
