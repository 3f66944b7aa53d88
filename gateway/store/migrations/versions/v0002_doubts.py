"""Doubts and duplicates: business keys, what is in force, evidence, whether a reply was written. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STATES_BEFORE = ("RECEIVED", "REFUSED", "INTENDED", "CONFIRMED", "DECLINED", "NOT_SENT", "IN_DOUBT")
STATES = (*STATES_BEFORE, "NOT_DONE", "REVERSED", "ESCALATED")


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _widen_states()
    op.add_column("exchange", sa.Column("business_key", sa.Unicode(128)))
    op.add_column("exchange", sa.Column("undone_by", _row_id()))
    op.add_column("exchange", sa.Column("tries", sa.Integer))
    op.add_column("exchange", sa.Column("next_try_at", sa.BigInteger))
    op.add_column("exchange", sa.Column("reply", sa.Unicode(16)))
    op.create_index("ix_exchange_effective", "exchange", ["infno", "business_key", "content_hash", "id"])
    op.create_index("ix_exchange_undone", "exchange", ["undone_by"])
    # nobody knows of the replies of the past; a list of all of them would hide the first real one
    op.execute("UPDATE exchange SET reply = 'written' WHERE state = 'CONFIRMED'")
    _create_parts()


def _widen_states() -> None:
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint("ck_exchange_state", "exchange", type_="check")
        op.create_check_constraint("ck_exchange_state", "exchange", f"state IN {STATES}")
        return
    # SQLite cannot change a constraint, and copying a table that others refer to would break their references;
    # this is the way its manual names for constraints (lang_altertable, section 7)
    version = op.get_bind().exec_driver_sql("PRAGMA schema_version").scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    op.get_bind().exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'exchange'",
        (str(STATES_BEFORE), str(STATES)),
    )
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")


def _create_parts() -> None:
    op.create_table(
        "busy",
        sa.Column("business_key", sa.Unicode(128), nullable=False),
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_busy"), nullable=False),
        sa.PrimaryKeyConstraint("business_key", name="pk_busy"),
    )
    op.create_index("ix_busy_exchange", "busy", ["exchange_id"])
    op.create_table(
        "proof",
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_proof"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("detail", sa.UnicodeText),
        sa.Column("infno", sa.Unicode(16)),
        sa.Column("msgid", sa.Unicode(40)),
        sa.Column("request", sa.LargeBinary),
        sa.Column("answer", sa.LargeBinary),
        sa.PrimaryKeyConstraint("exchange_id", "seq", name="pk_proof"),
    )
