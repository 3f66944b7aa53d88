"""What people remarked about a stay under review (ET-05); what the table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, Table

from gateway.store.stay_tables import token_column
from gateway.store.tables import RowId, metadata, text_column

review_remark = Table(
    "review_remark",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no"),
    token_column("mdtrt_id"),
    text_column("operator", nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Index("ix_review_remark_mdtrt", "mdtrt_id", "id"),
    Index("ix_review_remark_ipt", "ipt_no", "id"),
)
