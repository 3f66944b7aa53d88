"""Who runs jobs and how every run went; what each table is for: ``docs/inside/store.md``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Unicode

from gateway.store.tables import RowId, metadata, text_column

SLOT_WIDTH = 40

job_slot = Table(
    "job_slot",
    metadata,
    Column("slot", Unicode(SLOT_WIDTH), nullable=False),
    text_column("node"),
    Column("epoch", BigInteger),
    Column("term", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("slot", name="pk_job_slot"),
)

job_run = Table(
    "job_run",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("job", Unicode(SLOT_WIDTH), nullable=False),
    Column("term", BigInteger, nullable=False),
    text_column("node"),
    Column("begun_by", Unicode(16), nullable=False),
    text_column("operator"),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", Unicode(16), nullable=False),
    Column("items_done", Integer, nullable=False),
    Column("items_total", Integer, nullable=False),
    Column("packed", LargeBinary),
    Index("ix_job_run_job", "job", "id"),
    Index("ix_job_run_outcome", "outcome", "id"),
)
