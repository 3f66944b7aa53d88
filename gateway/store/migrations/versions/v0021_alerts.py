"""Alerts: raised once, cleared once. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("rule", sa.Unicode(40), nullable=False),
        sa.Column("subject", sa.Unicode(80)),
        sa.Column("node", sa.Unicode(32)),
        sa.Column("mark", sa.Unicode(200), nullable=False),
        sa.Column("kind", sa.Unicode(16), nullable=False),
        sa.Column("told", sa.Unicode(400), nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("cleared_at", sa.BigInteger),
    )
    op.create_index("ux_alert_mark", "alert", ["mark"], unique=True)
    op.create_index("ix_alert_cleared", "alert", ["cleared_at", "id"])


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
