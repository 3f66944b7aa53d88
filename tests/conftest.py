"""Fixtures for every test: one PostgreSQL per session, however many folders ask for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.pg import pg_server, pg_url

__all__ = ["pg_server", "pg_url"]

# how long an example takes says more about the machine than about the code; pytest-timeout bounds a hang
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LONG = ("tests/simulation/", "tests/kills/", "tests/demo/")
"""Begun first, so that of several workers (make test) none is left with minutes of work when the others have ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


@pytest.fixture(autouse=True)
def _logs_are_left_as_they_were() -> Iterator[None]:
    """Whoever captures logs leaves them set up, with standard output as their place; the next test finds nothing set up."""
    before = structlog.is_configured()
    yield
    if not before:
        structlog.reset_defaults()
