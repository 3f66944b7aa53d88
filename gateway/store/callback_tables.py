"""What the platform told by calling, and what the HIS has taken of it. What was said stands in the journal."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Unicode

from gateway.store.tables import RowId, metadata, text_column

callback = Table(
    "callback",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("fingerprint", Unicode(64), nullable=False),
    text_column("infno", nullable=False),
    Column("exchange_id", RowId, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("taken_at", BigInteger),
    Column("taken_by", Unicode(30)),
)
Index("ux_callback_fingerprint", callback.c.fingerprint, unique=True)
Index("ix_callback_taken", callback.c.taken_at, callback.c.id)
