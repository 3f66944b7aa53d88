"""What the first page counts, and the operator log by act; only adds."""

from gateway.store.migrations.steps import create_index

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    create_index("ix_fee_work_bad", "fee_work", ["bad"], where="bad > 0")
    create_index("ix_operator_log_act", "operator_log", ["act", "seq"])
