"""The next version of the tables, as a test has it: a column and a table more."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

import gateway.store.migrations

revision = "9001"
down_revision = max(path.name[1:5] for path in Path(gateway.store.migrations.__path__[0]).glob("versions/v*.py"))


def upgrade() -> None:
    op.add_column("exchange", sa.Column("next_note", sa.Unicode(40)))
    op.create_table(
        "next_table",
        sa.Column("exchange_id", sa.BigInteger, sa.ForeignKey("exchange.id", name="fk_next_table"), nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", name="pk_next_table"),
    )
