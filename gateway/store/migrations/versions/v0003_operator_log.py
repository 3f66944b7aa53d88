"""What operators did and looked at: a chain of rows that the database itself keeps from being changed. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SQLITE = """
CREATE TRIGGER tr_operator_log_{what} BEFORE {what} ON operator_log
BEGIN SELECT RAISE(ABORT, 'operator_log is append-only'); END
"""
POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION operator_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'operator_log is append-only'; END $$
""",
    """
CREATE TRIGGER tr_operator_log BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_log
FOR EACH STATEMENT EXECUTE FUNCTION operator_log_is_append_only()
""",
)


def upgrade() -> None:
    op.create_table(
        "operator_log",
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("operator", sa.Unicode(64), nullable=False),
        sa.Column("act", sa.Unicode(64), nullable=False),
        sa.Column("subject", sa.Unicode(200)),
        sa.Column("detail", sa.UnicodeText),
        sa.Column("key_version", sa.Integer),
        sa.Column("hash", sa.Unicode(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_operator_log"),
    )
    op.create_index("ix_operator_log_operator", "operator_log", ["operator", "seq"])
    op.create_index("ix_operator_log_subject", "operator_log", ["subject", "seq"])
    head = op.create_table(
        "operator_log_head",
        sa.Column("name", sa.Unicode(16), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Unicode(64)),
        sa.PrimaryKeyConstraint("name", name="pk_operator_log_head"),
    )
    op.bulk_insert(head, [{"name": "head", "seq": 0, "hash": None}])
    if op.get_context().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(what=what))
    elif op.get_context().dialect.name == "postgresql":
        for statement in POSTGRESQL:
            op.execute(statement)
