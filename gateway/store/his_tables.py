"""How far the HIS was read; what the table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, LargeBinary, Table, Unicode, UniqueConstraint

from gateway.store.tables import RowId, metadata

his_mark = Table(
    "his_mark",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("subject", Unicode(40), nullable=False),
    Column("kept_at", BigInteger, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    UniqueConstraint("subject", name="uq_his_mark"),
)
