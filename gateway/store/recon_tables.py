"""Reconciliation: how each part of a day came out, and every difference; what each table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Unicode, UniqueConstraint

from gateway.store.tables import RowId, metadata, text_column

recon_day = Table(
    "recon_day",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("day", Unicode(10), nullable=False),
    Column("kind", Unicode(16), nullable=False),
    Column("setl_optins", Unicode(16), nullable=False),
    Column("insutype", Unicode(16), nullable=False),
    Column("clr_type", Unicode(16), nullable=False),
    text_column("state", nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("medfee_cents", BigInteger, nullable=False),
    Column("fund_cents", BigInteger, nullable=False),
    Column("acct_cents", BigInteger, nullable=False),
    Column("cash_cents", BigInteger, nullable=False),
    # in plain, of before `packed` was there; nothing is written into it any more
    Column("told", Unicode(400)),
    Column("exchange_id", BigInteger),
    Column("checked_at", BigInteger, nullable=False),
    Column("packed", LargeBinary),
    UniqueConstraint("day", "kind", "setl_optins", "insutype", "clr_type", name="uq_recon_day"),
)

recon_case = Table(
    "recon_case",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("day", Unicode(10), nullable=False),
    text_column("kind", nullable=False),
    text_column("state", nullable=False),
    Column("setl_optins", Unicode(16), nullable=False),
    Column("clr_type", Unicode(16), nullable=False),
    text_column("msgid"),
    Column("exchange_id", BigInteger),
    Column("packed", LargeBinary, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Index("ix_recon_case_day", "day", "state"),
    Index("ix_recon_case_state", "state", "day"),
)
