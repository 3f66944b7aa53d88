"""The tables of retention: archives, whose bytes lie where, and where the operator log begins.

What each is for: ``docs/operating/retention.md``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, PrimaryKeyConstraint, Table, Unicode

from gateway.exchange.entries import WIDTH
from gateway.store.tables import RowId, metadata

WRITING, WRITTEN, REMOVED = "writing", "written", "removed"

# a file of the archive folder: "writing" until it was read back, "written", "removed" at the end of its time
archive = Table(
    "archive",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("name", Unicode(64), nullable=False, unique=True),
    Column("state", Unicode(16), nullable=False),
    Column("node", Unicode(WIDTH["node"])),
    Column("made_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("bytes_written", BigInteger),
    Column("sha256", Unicode(64)),
    Column("key_version", Integer),
)

# whose bytes are not in exchange_body any more; without an archive they are gone for good
archived_body = Table(
    "archived_body",
    metadata,
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_archived_body"), nullable=False),
    Column("archive_id", RowId, ForeignKey("archive.id", name="fk_archived_body_in")),
    PrimaryKeyConstraint("exchange_id", name="pk_archived_body"),
    Index("ix_archived_body_archive", "archive_id"),
)

# the first row of the operator log that is kept, and the digest of the row before it
operator_log_anchor = Table(
    "operator_log_anchor",
    metadata,
    Column("name", Unicode(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("before_hash", Unicode(64)),
    Column("mac", Unicode(64)),
    Column("key_version", Integer),
    PrimaryKeyConstraint("name", name="pk_operator_log_anchor"),
)
