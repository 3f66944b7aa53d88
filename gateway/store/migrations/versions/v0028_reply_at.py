"""When the reply to the HIS had been handed over, or broke. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("exchange", sa.Column("reply_at", sa.BigInteger))
