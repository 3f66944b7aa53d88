"""Fixtures for every test: one PostgreSQL per session, however many folders ask for it."""

from __future__ import annotations

from tests.pg import pg_server, pg_url

__all__ = ["pg_server", "pg_url"]
