"""Vouchers as they were printed. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "voucher",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("stay_key", sa.Unicode(400), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("ipt_no", sa.Unicode(400)),
        sa.Column("mdtrt_id", sa.Unicode(400)),
        sa.Column("setl_id", sa.Unicode(400)),
        sa.Column("admitted", sa.Unicode(64), nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("stay_key", "seq", name="uq_voucher_about"),
    )
    op.create_index("ix_voucher_ipt", "voucher", ["ipt_no", "id"])
    op.create_index("ix_voucher_mdtrt", "voucher", ["mdtrt_id", "id"])
    op.create_table(
        "voucher_print",
        sa.Column("voucher_id", _row_id(), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("printed_at", sa.BigInteger, nullable=False),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("client", sa.Unicode(64)),
        sa.Column("channel", sa.Unicode(64)),
        sa.PrimaryKeyConstraint("voucher_id", "seq", name="pk_voucher_print"),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name="fk_voucher_print"),
    )
    op.create_table(
        "voucher_void",
        sa.Column("voucher_id", _row_id(), nullable=False),
        sa.Column("voided_at", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Unicode(200), nullable=False),
        sa.PrimaryKeyConstraint("voucher_id", name="pk_voucher_void"),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name="fk_voucher_void"),
    )
