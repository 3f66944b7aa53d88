"""How the upload of fees stands per stay; what the table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Unicode

from gateway.store.stay_tables import token_column
from gateway.store.tables import RowId, metadata, where

fee_work = Table(
    "fee_work",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("mdtrt_id", nullable=False),
    token_column("ipt_no"),
    Column("wish", Unicode(16)),
    Column("wished_at", BigInteger),
    Column("waiting", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("looked_at", BigInteger),
    Column("packed", LargeBinary),
    Index("ux_fee_work_mdtrt", "mdtrt_id", unique=True),
    Index("ix_fee_work_wish", "wish", "id"),
)
Index("ix_fee_work_bad", fee_work.c.bad, **where(fee_work.c.bad > 0))
