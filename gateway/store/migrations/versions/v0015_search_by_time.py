"""Lists of a state, transaction, client or code in the order of time; what most rows leave empty is not in an index."""

from gateway.store.migrations.steps import create_index

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for name in ("state", "infno", "client"):
        create_index(f"ix_exchange_{name}_time", "exchange", [name, "received_at"])
    create_index("ix_exchange_code_time", "exchange", ["code", "received_at"], where="code IS NOT NULL")
    create_index("ix_exchange_undone_by", "exchange", ["undone_by"], where="undone_by IS NOT NULL")
