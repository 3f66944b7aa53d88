"""Reconciliation with the platform: parts of a day and cases. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "recon_day",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("day", sa.Unicode(10), nullable=False),
        sa.Column("kind", sa.Unicode(16), nullable=False),
        sa.Column("setl_optins", sa.Unicode(16), nullable=False),
        sa.Column("insutype", sa.Unicode(16), nullable=False),
        sa.Column("clr_type", sa.Unicode(16), nullable=False),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("medfee_cents", sa.BigInteger, nullable=False),
        sa.Column("fund_cents", sa.BigInteger, nullable=False),
        sa.Column("acct_cents", sa.BigInteger, nullable=False),
        sa.Column("cash_cents", sa.BigInteger, nullable=False),
        sa.Column("told", sa.Unicode(400)),
        sa.Column("exchange_id", sa.BigInteger),
        sa.Column("checked_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("day", "kind", "setl_optins", "insutype", "clr_type", name="uq_recon_day"),
    )
    op.create_table(
        "recon_case",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("day", sa.Unicode(10), nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("setl_optins", sa.Unicode(16), nullable=False),
        sa.Column("clr_type", sa.Unicode(16), nullable=False),
        sa.Column("msgid", sa.Unicode(40)),
        sa.Column("exchange_id", sa.BigInteger),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
    )
    op.create_index("ix_recon_case_day", "recon_case", ["day", "state"])
    op.create_index("ix_recon_case_state", "recon_case", ["state", "day"])
