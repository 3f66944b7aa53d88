"""The indexes that those of 0015 stand in for. A program of before finds the same without them, later."""

from gateway.store.migrations.steps import drop_index

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for name in ("state", "infno", "client", "code", "undone"):
        drop_index(f"ix_exchange_{name}", "exchange")
