"""Alerts; what the table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Unicode

from gateway.store.tables import RowId, metadata, text_column

MARK_WIDTH = 200
TOLD_WIDTH = 400

alert = Table(
    "alert",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("rule", Unicode(40), nullable=False),
    Column("subject", Unicode(80)),
    text_column("node"),
    Column("mark", Unicode(MARK_WIDTH), nullable=False),
    Column("kind", Unicode(16), nullable=False),
    Column("told", Unicode(TOLD_WIDTH), nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Index("ux_alert_mark", "mark", unique=True),
    Index("ix_alert_cleared", "cleared_at", "id"),
)
