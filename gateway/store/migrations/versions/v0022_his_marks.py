"""How far the HIS was read. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "his_mark",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("subject", sa.Unicode(40), nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("subject", name="uq_his_mark"),
    )


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
