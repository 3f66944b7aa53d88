"""Lists of a state, transaction, client, code or key with their times; what most rows leave empty is not in an index."""

from gateway.store.migrations.steps import create_index

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    for name in ("state", "infno", "client"):
        create_index(f"ix_exchange_{name}_time", "exchange", [name, "received_at"])
    create_index("ix_exchange_code_time", "exchange", ["code", "received_at"], where="code IS NOT NULL")
    create_index("ix_exchange_undone_by", "exchange", ["undone_by"], where="undone_by IS NOT NULL")
    create_index("ix_exchange_key_found", "exchange_key", ["kind", "value", "exchange_id", "received_at", "infno"])
