"""The queue of what the platform told by calling. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "callback",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("fingerprint", sa.Unicode(64), nullable=False),
        sa.Column("infno", sa.Unicode(16), nullable=False),
        sa.Column("exchange_id", _row_id(), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.BigInteger),
        sa.Column("taken_by", sa.Unicode(30)),
    )
    op.create_index("ux_callback_fingerprint", "callback", ["fingerprint"], unique=True)
    op.create_index("ix_callback_taken", "callback", ["taken_at", "id"])


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
