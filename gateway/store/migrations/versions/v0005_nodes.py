"""Nodes: who sends on this store, and under which of its epochs an exchange was begun. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("exchange", sa.Column("epoch", sa.BigInteger))
    op.create_table(
        "node",
        sa.Column("name", sa.Unicode(32), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Unicode(128)),
        sa.Column("place", sa.Unicode(128)),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Unicode(32)),
        sa.Column("silence_ms", sa.BigInteger, nullable=False),
        sa.CheckConstraint("state IN ('running', 'ended', 'dead')", name="ck_node_state"),
        sa.PrimaryKeyConstraint("name", name="pk_node"),
    )
