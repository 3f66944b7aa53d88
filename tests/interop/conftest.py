from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.conftest import both
from tests.console.kit import Bench, bench
from tests.console.lively import lively, with_his
from tests.interop.browsing import browser, served
from tests.running import house

__all__ = ["both"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    """A lively day where the HIS's own records can be read, and the address of its console."""
    with house(tmp_path_factory.mktemp("console")) as found:
        made = with_his(bench(found))
        lively(made)
        with served(made) as base:
            yield made, base
