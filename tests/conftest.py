"""Fixtures for every test: one PostgreSQL per session, however many folders ask for it."""

from __future__ import annotations

import pytest
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
