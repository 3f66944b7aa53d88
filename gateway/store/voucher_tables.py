"""Vouchers as they were printed; what each table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from gateway.store.stay_tables import token_column
from gateway.store.tables import RowId, metadata, text_column

voucher = Table(
    "voucher",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("stay_key", nullable=False),
    Column("seq", Integer, nullable=False),
    text_column("kind", nullable=False),
    token_column("ipt_no"),
    token_column("mdtrt_id"),
    token_column("setl_id"),
    Column("admitted", text_column("event_time").type, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    UniqueConstraint("stay_key", "seq", name="uq_voucher_about"),
    Index("ix_voucher_ipt", "ipt_no", "id"),
    Index("ix_voucher_mdtrt", "mdtrt_id", "id"),
)

voucher_print = Table(
    "voucher_print",
    metadata,
    Column("voucher_id", RowId, ForeignKey("voucher.id", name="fk_voucher_print"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("printed_at", BigInteger, nullable=False),
    text_column("operator"),
    text_column("client"),
    text_column("channel"),
    PrimaryKeyConstraint("voucher_id", "seq", name="pk_voucher_print"),
)

voucher_void = Table(
    "voucher_void",
    metadata,
    Column("voucher_id", RowId, ForeignKey("voucher.id", name="fk_voucher_void"), nullable=False),
    Column("voided_at", BigInteger, nullable=False),
    Column("why", text_column("operator").type, nullable=False),
    PrimaryKeyConstraint("voucher_id", name="pk_voucher_void"),
)
