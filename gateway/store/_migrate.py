"""Bringing the tables up to date: alembic, driven from here, with migrations that travel in the package.

The rules that let two versions of the program serve one store: ``docs/inside/migrations.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Connection, column, inspect, select, table

from gateway.store._backend import StoreError
from gateway.store.marks import COMPATIBLE_FROM, read_mark, set_mark
from gateway.store.tables import store_mark

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

log = structlog.get_logger(__name__)

_PRESENT: Final = table("alembic_version", column("version_num"))
PRESENT: Final = select(_PRESENT)
HOME = Path(__file__).with_name("migrations")
VERSIONS = [HOME / "versions"]
"""Folders with migrations; a test adds the next version here."""


def migrate(connection: Connection, to: str = "head") -> None:
    """Run every missing migration up to ``to``; nothing where newer tables may be served as they are.

    Where ``connection`` is in a transaction all run in it, else each in its own, so that none holds its locks for long.

    Raises:
        StoreError: the tables are newer than the program, and one of their changes shuts it out.
    """
    within = connection.in_transaction()
    present = revision(connection)
    newer = present is not None and present.isdigit() and present > head()
    if newer and (reason := shut_out(connection, present)):
        raise StoreError(reason)
    if not within:
        # looking has begun one, and alembic would take it for the caller's
        connection.rollback()
    if newer:
        log.warning("store_is_newer", present=present, program=head())
    elif present != head() or to != "head":
        from alembic import command  # a store that is up to date, as at nearly every start, needs nothing of it
        from alembic.util import CommandError

        config = migrations_config()
        config.attributes |= {"connection": connection, "within": within}
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise StoreError(f"数据库结构版本 {present} 不是本程序的：{error}") from error


def revision(connection: Connection) -> str | None:
    """The version of the tables as they are; None where there are none."""
    if not inspect(connection).has_table(_PRESENT.name):
        return None
    found: str | None = connection.execute(PRESENT).scalar()
    return found


def shut_out(connection: Connection, present: str | None) -> str:
    """Why this program may not serve tables of version ``present``, for staff; empty when it may."""
    if present == head():
        return ""
    if present is None or not present.isdigit() or present < head():
        return f"数据库结构版本为 {present or '空'}，程序需要 {head()}：请运行 yibao db upgrade"
    known = inspect(connection).has_table(store_mark.name)
    oldest = read_mark(connection, COMPATIBLE_FROM) if known else None
    if oldest is not None and head() >= oldest:
        return ""
    return f"数据库结构版本 {present} 比程序新（程序为 {head()}，至少要 {oldest or present}），请升级程序"


@cache
def head() -> str:
    """The version of the tables that this program needs: that of the newest file, ``v0042_...``."""
    return max(path.name[1:5] for folder in VERSIONS for path in folder.glob("v[0-9]*_*.py"))


def _applied(*, ctx: MigrationContext, step: Any, **_: Any) -> None:
    """In the transaction of each step: from which program on the tables may be served."""
    oldest = getattr(step.up_revision.module, COMPATIBLE_FROM, None)
    if oldest is not None and not ctx.as_sql:
        assert ctx.connection is not None
        set_mark(ctx.connection, COMPATIBLE_FROM, oldest)


def migrations_config() -> Config:
    """How alembic finds the migrations; :func:`migrate` adds the connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _written(HOME))
    config.set_main_option("version_locations", "\n".join(map(_written, VERSIONS)))
    config.attributes["applied"] = _applied
    return config


def _written(path: Path) -> str:
    # "%" of a path would start an interpolation
    return str(path).replace("%", "%%")
