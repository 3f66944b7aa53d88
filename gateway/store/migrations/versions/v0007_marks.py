"""What is known of the store as a whole. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

compatible_from = "0007"


def upgrade() -> None:
    op.create_table(
        "store_mark",
        sa.Column("name", sa.Unicode(40), nullable=False),
        sa.Column("mark", sa.Unicode(255), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_mark"),
    )
