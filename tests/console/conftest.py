from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.store import open_store
from tests.console.kit import Bench, bench
from tests.running import House, house
from tests.sqlite import new_sqlite


@pytest.fixture(scope="session")
def gateway_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("console")) as found:
        yield found


@pytest.fixture(scope="session")
def shared(gateway_house: House) -> Bench:
    """For tests that only look, or leave nothing behind that another looks at."""
    return bench(gateway_house)


@pytest.fixture
def own(gateway_house: House, tmp_path: Path) -> Iterator[Bench]:
    """With a store of its own."""
    store = open_store(new_sqlite(tmp_path / "own.db"), node="own")
    store.upgrade()
    yield bench(gateway_house, store)
    store.close()


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What a page asks of the store, not what the gateway does by itself meanwhile."""
    said: list[str] = []

    def heard(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.current_thread().name.startswith("AnyIO"):
            said.append(statement)

    event.listen(Engine, "before_cursor_execute", heard)
    yield said
    event.remove(Engine, "before_cursor_execute", heard)
