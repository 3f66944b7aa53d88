"""Catalogs by version: what each table is for, and how a version comes into force at once: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Unicode,
    UnicodeText,
    UniqueConstraint,
)

from gateway.contract.catalogs import CODE_MAX, KEY_MAX, NAME_MAX, PINYIN_MAX, VERSION_MAX
from gateway.store.tables import SMALL_BYTES, RowId, metadata, where


def _prefixed(width: int) -> Unicode:
    """Text that is looked for by its beginning: compared by code points, so that a beginning is a range."""
    return Unicode(width).with_variant(Unicode(width, collation="C"), "postgresql")


catalog = Table(
    "catalog",
    metadata,
    Column("infno", Unicode(16), nullable=False),
    Column("name", Unicode(60), nullable=False),
    Column("version_id", RowId),
    Column("checked_at", BigInteger),
    Column("told", UnicodeText),
    Column("failed", Integer, nullable=False),
    PrimaryKeyConstraint("infno", name="pk_catalog"),
)

catalog_version = Table(
    "catalog_version",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("infno", Unicode(16), nullable=False),
    Column("state", Unicode(16), nullable=False),
    Column("based_on", Unicode(VERSION_MAX), nullable=False),
    Column("ver", Unicode(VERSION_MAX), nullable=False),
    Column("whole", Integer, nullable=False),
    Column("sha256", Unicode(64), nullable=False),
    Column("exchange_id", BigInteger),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("lines_total", Integer, nullable=False),
    Column("lines_done", Integer, nullable=False),
    Column("rows_added", Integer, nullable=False),
    Column("rows_changed", Integer, nullable=False),
    Column("rows_withdrawn", Integer, nullable=False),
    Column("rows_same", Integer, nullable=False),
    Column("rows_total", Integer),
    Column("columns_told", UnicodeText, nullable=False),
    Column("notes", UnicodeText),
    Index("ix_catalog_version_infno", "infno", "id"),
)

catalog_row = Table(
    "catalog_row",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("infno", Unicode(16), nullable=False),
    Column("row_key", Unicode(KEY_MAX), nullable=False),
    Column("from_version", BigInteger, nullable=False),
    Column("until_version", BigInteger),
    Column("change_kind", Unicode(1), nullable=False),
    Column("code", _prefixed(CODE_MAX), nullable=False),
    Column("name", _prefixed(NAME_MAX)),
    Column("pinyin", _prefixed(PINYIN_MAX)),
    Column("begins", Unicode(10)),
    Column("ends", Unicode(10)),
    Column("valid", Integer, nullable=False),
    Column("digest", Unicode(32), nullable=False),
    Column("packed", LargeBinary, nullable=False),
    UniqueConstraint("infno", "row_key", "from_version", name="uq_catalog_row"),
    Index("ix_catalog_row_code", "infno", "code"),
    Index("ix_catalog_row_name", "infno", "name"),
    Index("ix_catalog_row_from", "from_version", "change_kind", "id"),
    Index("ix_catalog_row_until", "until_version"),
    info={SMALL_BYTES: True},
)
Index(
    "ix_catalog_row_pinyin",
    catalog_row.c.infno,
    catalog_row.c.pinyin,
    **where(catalog_row.c.pinyin.is_not(None)),
)
