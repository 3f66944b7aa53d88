"""Steps of a migration that a serving gateway does not wait for (docs/inside/migrations.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import context, op
from sqlalchemy import text

INDEX_LOCK_TIMEOUT = "60s"
"""While an index is built beside the traffic nobody waits behind its own waiting."""
PARTIAL = ("postgresql", "sqlite", "mssql")
BROKEN = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False, where: str = "") -> None:
    """An index on a table in use; its migration has no other steps than such, since it cannot be taken back with others.

    On PostgreSQL it is built beside the traffic; one that a broken attempt has built is left as it is, one that it has
    begun is built anew.

    Args:
        name: at most 30 characters.
        table: the table.
        columns: in their order.
        unique: of all rows that are there already.
        where: only of rows that meet this, on databases that have such indexes (all but Oracle).
    """
    only: dict[str, Any] = {f"{vendor}_where": text(where) for vendor in PARTIAL} if where else {}
    found = op.get_context()
    # a restore loads a store that nobody uses, in one transaction
    if found.dialect.name != "postgresql" or context.config.attributes.get("within"):
        op.create_index(name, table, list(columns), unique=unique, **only)
        return
    with found.autocommit_block():
        op.execute(f"SET lock_timeout = '{INDEX_LOCK_TIMEOUT}'")
        if not found.as_sql and op.get_bind().execute(text(BROKEN), {"name": name}).scalar():
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(
            name, table, list(columns), unique=unique, postgresql_concurrently=True, if_not_exists=True, **only
        )


def drop_index(name: str, table: str) -> None:
    """Take away an index that the program no longer looks for; as :func:`create_index`, beside the traffic."""
    found = op.get_context()
    if found.dialect.name != "postgresql" or context.config.attributes.get("within"):
        op.drop_index(name, table_name=table)
        return
    with found.autocommit_block():
        op.execute(f"SET lock_timeout = '{INDEX_LOCK_TIMEOUT}'")
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
