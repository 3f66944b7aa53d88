"""Remarks of people about a stay under review. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
TOKEN_WIDTH = 400


def upgrade() -> None:
    op.create_table(
        "review_remark",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("ipt_no", sa.Unicode(TOKEN_WIDTH)),
        sa.Column("mdtrt_id", sa.Unicode(TOKEN_WIDTH)),
        sa.Column("operator", sa.Unicode(200), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_review_remark_mdtrt", "review_remark", ["mdtrt_id", "id"])
    op.create_index("ix_review_remark_ipt", "review_remark", ["ipt_no", "id"])


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
