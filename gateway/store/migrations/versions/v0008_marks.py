"""What is known of the store as a whole. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

compatible_from = "0008"


def upgrade() -> None:
    op.create_table(
        "store_mark",
        sa.Column("name", sa.Unicode(40), nullable=False),
        sa.Column("mark", sa.Unicode(255), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_mark"),
    )
