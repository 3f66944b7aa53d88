"""Lists of a state, client or code say the transaction too, so that rows of others are not opened; only adds."""

from gateway.store.migrations.steps import create_index

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    for name in ("state", "client"):
        create_index(f"ix_exchange_{name}_infno", "exchange", [name, "received_at", "id", "infno"])
    create_index("ix_exchange_code_infno", "exchange", ["code", "received_at", "id", "infno"], where="code IS NOT NULL")
