"""Data at rest: sealed columns, versions of keys per row, and which versions are in use. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for table in ("exchange", "proof"):
        op.add_column(table, sa.Column("sealed", sa.LargeBinary))
    for table in ("exchange", "exchange_body", "proof"):
        op.add_column(table, sa.Column("key_version", sa.Integer))
    op.add_column("exchange_key", sa.Column("hash_version", sa.Integer))
    op.create_table(
        "store_key",
        sa.Column("purpose", sa.Unicode(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Unicode(16)),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "version", name="pk_store_key"),
    )
    op.create_table(
        "resealing",
        sa.Column("name", sa.Unicode(16), nullable=False),
        sa.Column("data_version", sa.Integer, nullable=False),
        sa.Column("hash_version", sa.Integer, nullable=False),
        sa.Column("done_below", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_resealing"),
    )
