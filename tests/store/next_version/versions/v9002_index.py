"""An index on a table in use."""

from gateway.store.migrations.steps import create_index

revision = "9002"
down_revision = "9001"


def upgrade() -> None:
    create_index("ix_exchange_next", "exchange", ["next_note", "id"])
