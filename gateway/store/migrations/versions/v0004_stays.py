"""Stays: events and records of the hospital, facts of exchanges, adoptions, versions. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number() -> sa.Column[int]:
    return sa.Column("id", _row_id(), sa.Identity(), primary_key=True)


def upgrade() -> None:
    _create_facts()
    _create_events()
    _create_records()
    _create_versions()
    _remember_the_past()


def _create_facts() -> None:
    op.create_table(
        "stay_fact",
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_stay_fact"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("mdtrt_id", sa.Unicode(64)),
        sa.Column("ipt_no", sa.Unicode(64)),
        sa.Column("psn_no", sa.Unicode(64)),
        sa.Column("setl_id", sa.Unicode(64)),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", "seq", name="pk_stay_fact"),
    )
    for name in ("mdtrt_id", "ipt_no", "psn_no", "setl_id"):
        op.create_index(f"ix_stay_fact_{name.partition('_')[0]}", "stay_fact", [name, "exchange_id"])


def _create_events() -> None:
    op.create_table(
        "ward_event",
        _number(),
        sa.Column("ipt_no", sa.Unicode(64), nullable=False),
        sa.Column("mdtrt_id", sa.Unicode(64)),
        sa.Column("event_id", sa.Unicode(128), nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("ward_code", sa.Unicode(64)),
        sa.Column("ward_name", sa.Unicode(200)),
        sa.Column("event_time", sa.Unicode(64)),
        sa.Column("recorded_time", sa.Unicode(64)),
        sa.Column("reason", sa.UnicodeText),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("client", sa.Unicode(64)),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_ward_event_ipt", "ward_event", ["ipt_no", "event_id", "id"])
    op.create_index("ix_ward_event_mdtrt", "ward_event", ["mdtrt_id", "id"])


def _create_records() -> None:
    op.create_table(
        "hospital_record",
        _number(),
        sa.Column("ipt_no", sa.Unicode(64), nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Unicode(64), nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("client", sa.Unicode(64)),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_hospital_record_ipt", "hospital_record", ["ipt_no", "kind", "version", "id"])
    op.create_table(
        "adoption",
        _number(),
        sa.Column("ipt_no", sa.Unicode(64)),
        sa.Column("mdtrt_id", sa.Unicode(64)),
        sa.Column("psn_no", sa.Unicode(64)),
        sa.Column("source", sa.Unicode(16), nullable=False),
        sa.Column("infno", sa.Unicode(16)),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_adoption_ipt", "adoption", ["ipt_no", "id"])
    op.create_index("ix_adoption_mdtrt", "adoption", ["mdtrt_id", "id"])
    op.create_index("ix_adoption_psn", "adoption", ["psn_no", "id"])
    op.create_table(
        "fee_approval",
        _number(),
        sa.Column("ipt_no", sa.Unicode(64), nullable=False),
        sa.Column("cut", sa.Unicode(64), nullable=False),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_fee_approval_ipt", "fee_approval", ["ipt_no", "id"])


def _create_versions() -> None:
    op.create_table(
        "stay_version",
        sa.Column("stay_key", sa.Unicode(80), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("stay_key", name="pk_stay_version"),
    )
    op.create_table(
        "stay_backfill",
        sa.Column("below", _row_id(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("below", name="pk_stay_backfill"),
    )


def _remember_the_past() -> None:
    """Exchanges below this number have no facts yet; the gateway fills them in when it starts."""
    op.execute("INSERT INTO stay_backfill (below) SELECT MAX(id) + 1 FROM exchange HAVING COUNT(*) > 0")
