"""The operator log by time, for 审计 over days that are long past; only adds."""

from gateway.store.migrations.steps import create_index

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    create_index("ix_operator_log_at", "operator_log", ["at", "seq"])
