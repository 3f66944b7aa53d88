"""The ground that the benches of large stores stand on: a folder, a PostgreSQL server in it, a database."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.pg import PgServer


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    """Where the data stay; a temporary folder when none is given."""
    place = given or Path(tempfile.mkdtemp(prefix="yb-search-"))
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield place.resolve()
    finally:
        if given is None:
            shutil.rmtree(place)


@contextmanager
def server(place: Path) -> Iterator[PgServer]:
    """PostgreSQL with its data in ``place``, until the end of the block."""
    running = PgServer(place)
    try:
        yield running
    finally:
        running.stop()
        running.forget()


def database(running: PgServer, name: str) -> str:
    """The URL of a database, made when it is not there."""
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchall():
            connection.execute(f'CREATE DATABASE "{name}"')
    return running.url(name)
