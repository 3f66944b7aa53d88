"""Steps of a migration that a serving gateway does not wait for (docs/inside/migrations.md)."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import context, op
from sqlalchemy import text

INDEX_LOCK_TIMEOUT = "60s"
"""While an index is built beside the traffic nobody waits behind its own waiting."""
BROKEN = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """An index on a table in use; the only step of its migration, since it cannot be taken back with others.

    On PostgreSQL it is built beside the traffic, and one that a broken attempt has left is built anew.

    Args:
        name: at most 30 characters.
        table: the table.
        columns: in their order.
        unique: of all rows that are there already.
    """
    found = op.get_context()
    # a restore loads a store that nobody uses, in one transaction
    if found.dialect.name != "postgresql" or context.config.attributes.get("within"):
        op.create_index(name, table, list(columns), unique=unique)
        return
    with found.autocommit_block():
        op.execute(f"SET lock_timeout = '{INDEX_LOCK_TIMEOUT}'")
        if not found.as_sql and op.get_bind().execute(text(BROKEN), {"name": name}).scalar():
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(name, table, list(columns), unique=unique, postgresql_concurrently=True, if_not_exists=True)
