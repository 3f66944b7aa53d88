"""Fixtures for every test: one PostgreSQL per session, however many folders ask for it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
import structlog
from hypothesis import settings

from gateway import mappings
from gateway.contract.model import Contract
from gateway.mappings import documents
from tests.pg import pg_server, pg_url

__all__ = ["pg_server", "pg_url"]

# how long an example takes says more about the machine than about the code; pytest-timeout bounds a hang
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def _once_for_each_version(build: Callable[[Any, str], Contract]) -> Callable[[Any, str], Contract]:
    """Hundreds of gateways are built from the same files; what a contract is follows from their bytes, its version."""
    built: dict[str, Contract] = {}

    def build_contract(found: Any, version: str) -> Contract:
        if version not in built:
            built[version] = build(found, version)
        return built[version]

    return build_contract


_LOGS = structlog.get_config() | {
    "logger_factory": structlog.PrintLoggerFactory(sys.__stderr__),
    "processors": [
        *structlog.get_config()["processors"][:-1],
        # with rich on the path, structlog would paint every local of every frame: seconds for one traceback
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ],
}
"""To the standard error of the run itself: gateways of shared fixtures work on in their threads, and nothing they log may
get into the output of a command under test."""

documents.parse_yaml = lru_cache(maxsize=1024)(documents.parse_yaml)
mappings.build_contract = _once_for_each_version(mappings.build_contract)

_LONG = ("tests/simulation/", "tests/kills/", "tests/demo/")
"""Begun first, so that of several workers (make test) none is left with minutes of work when the others have ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end; no collection of garbage needs to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_are_left_as_they_were() -> Iterator[None]:
    """Whoever captures or configures logs leaves them so; the next test finds them as the first did."""
    structlog.configure(**_LOGS)
    yield
    structlog.configure(**_LOGS)
