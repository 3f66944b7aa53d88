"""The indexes that those of 0017 stand in for. A program of before finds the same without them, later."""

from gateway.store.migrations.steps import drop_index

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    for name in ("state", "infno", "client", "code", "undone"):
        drop_index(f"ix_exchange_{name}", "exchange")
    drop_index("ix_exchange_key_value", "exchange_key")
