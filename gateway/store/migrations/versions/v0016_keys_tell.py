"""A key tells when its exchange was received and of which transaction it is. Only adds; what is there stays empty."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("exchange_key", sa.Column("received_at", sa.BigInteger))
    op.add_column("exchange_key", sa.Column("infno", sa.Unicode(16)))
