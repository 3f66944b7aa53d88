"""After which exchange something was adopted: what was confirmed later is newer. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("adoption", sa.Column("after_exchange", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
