"""Which exchange was sent again by which. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "resend",
        sa.Column("original_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_resend_original"), nullable=False),
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_resend"), nullable=False),
        sa.PrimaryKeyConstraint("original_id", name="pk_resend"),
    )
    op.create_index("ux_resend_exchange", "resend", ["exchange_id"], unique=True)


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
