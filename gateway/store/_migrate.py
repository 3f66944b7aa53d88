"""Bringing the tables up to date: alembic, driven from here, with migrations that travel in the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from gateway.store._backend import StoreError

UPGRADE_LOCK = 0x79696261
"""Any fixed number: the key under which the nodes on one PostgreSQL queue up to migrate."""


def migrate(connection: Connection) -> None:
    """Run every missing migration in the transaction of ``connection``. Raises StoreError when the tables are newer than the program."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"数据库结构版本 {revision(connection)} 比程序新，请升级程序：{error}") from error


def revision(connection: Connection) -> str | None:
    """The version of the tables as they are; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The version of the tables that this program needs."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def _config() -> Config:
    config = Config()
    # "%" of a path would start an interpolation
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
