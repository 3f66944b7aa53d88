"""The indexes that those of 0030 stand in for. A program of before finds the same by the new ones."""

from gateway.store.migrations.steps import drop_index

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    for name in ("state", "client", "code"):
        drop_index(f"ix_exchange_{name}_time", "exchange")
