"""Facts about the store as a whole, one row each in ``store_mark``."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.store.tables import store_mark

COMPATIBLE_FROM = "compatible_from"
"""The oldest version of the tables whose program may serve these."""

MARK = select(store_mark.c.mark).where(store_mark.c.name == bindparam("wanted"))
CHANGE_MARK = update(store_mark).where(store_mark.c.name == bindparam("of_name")).values(mark=bindparam("new_mark"))
INSERT_MARK = insert(store_mark)
DELETE_MARK = delete(store_mark).where(store_mark.c.name == bindparam("of_name"))


def read_mark(connection: Connection, name: str) -> str | None:
    """The mark, or None where it was never set."""
    return connection.execute(MARK, {"wanted": name}).scalar()


def set_mark(connection: Connection, name: str, mark: str) -> None:
    """Set or replace a mark; empty removes it, since Oracle knows no empty text."""
    if not mark:
        connection.execute(DELETE_MARK, {"of_name": name})
    elif connection.execute(CHANGE_MARK, {"of_name": name, "new_mark": mark}).rowcount == 0:
        connection.execute(INSERT_MARK, {"name": name, "mark": mark})
