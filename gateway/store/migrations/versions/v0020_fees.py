"""How the upload of fees stands per stay. Only adds; a row of the list without figures was written by the program before."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
TOKEN_WIDTH = 400


def upgrade() -> None:
    op.add_column("episode_time", sa.Column("fees_count", sa.Integer))
    op.add_column("episode_time", sa.Column("fees_sum", sa.Unicode(40)))
    op.create_table(
        "fee_work",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("mdtrt_id", sa.Unicode(TOKEN_WIDTH), nullable=False),
        sa.Column("ipt_no", sa.Unicode(TOKEN_WIDTH)),
        sa.Column("wish", sa.Unicode(16)),
        sa.Column("wished_at", sa.BigInteger),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
        sa.Column("looked_at", sa.BigInteger),
        sa.Column("packed", sa.LargeBinary),
    )
    op.create_index("ux_fee_work_mdtrt", "fee_work", ["mdtrt_id"], unique=True)
    op.create_index("ix_fee_work_wish", "fee_work", ["wish", "id"])


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
