"""What was told and approved of emergency fees; changes of stays in the order of their commits; one row per stay. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

compatible_from = "0012"


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("fee_approval", sa.Column("digest", sa.Unicode(64)))
    op.create_table(
        "fee_extraction",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("ipt_no", sa.Unicode(400), nullable=False),
        sa.Column("client", sa.Unicode(64), nullable=False),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("cut", sa.Unicode(64), nullable=False),
        sa.Column("rows_in", sa.Integer, nullable=False),
        sa.Column("total_in", sa.Unicode(64), nullable=False),
        sa.Column("digest", sa.Unicode(64), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_fee_extraction_ipt", "fee_extraction", ["ipt_no", "id"])
    _create_changes()
    _create_episodes()
    _create_work_list()


def _create_changes() -> None:
    op.create_table(
        "stay_change",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("seq_no", sa.BigInteger, nullable=False),
        sa.Column("ipt_no", sa.Unicode(400)),
        sa.Column("mdtrt_id", sa.Unicode(400)),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_stay_change_seq", "stay_change", ["seq_no", "id"])
    op.create_index("ix_stay_change_ipt", "stay_change", ["ipt_no", "id"])
    op.create_index("ix_stay_change_mdtrt", "stay_change", ["mdtrt_id", "id"])
    op.create_table(
        "stay_reader",
        sa.Column("reader", sa.Unicode(40), nullable=False),
        sa.Column("seq_no", sa.BigInteger, nullable=False),
        sa.Column("mark", sa.Unicode(64)),
        sa.PrimaryKeyConstraint("reader", name="pk_stay_reader"),
    )


def _create_episodes() -> None:
    op.create_table(
        "episode_time",
        sa.Column("stay_key", sa.Unicode(400), nullable=False),
        sa.Column("ipt_no", sa.Unicode(400)),
        sa.Column("mdtrt_id", sa.Unicode(400)),
        sa.Column("psn_no", sa.Unicode(400)),
        sa.Column("presence", sa.Unicode(16), nullable=False),
        sa.Column("alignment", sa.Unicode(16), nullable=False),
        sa.Column("settlement", sa.Unicode(16), nullable=False),
        sa.Column("setl_id", sa.Unicode(400)),
        sa.Column("ward_code", sa.Unicode(64)),
        sa.Column("ward_name", sa.Unicode(200)),
        *(sa.Column(name, sa.Unicode(64)) for name in ("t_reg", "t_ward", "t_wout", "t_dsc", "t_ins", "t_set")),
        sa.PrimaryKeyConstraint("stay_key", name="pk_episode_time"),
    )
    op.create_index("ix_episode_time_ipt", "episode_time", ["ipt_no"])
    op.create_index("ix_episode_time_work", "episode_time", ["alignment", "presence", "t_ward"])
    op.create_index("ix_episode_time_set", "episode_time", ["settlement", "t_set"])


def _create_work_list() -> None:
    op.create_table(
        "alignment_work",
        sa.Column("mdtrt_id", sa.Unicode(400), nullable=False),
        sa.Column("ipt_no", sa.Unicode(400)),
        sa.Column("psn_no", sa.Unicode(400)),
        sa.Column("t_ins", sa.Unicode(64)),
        sa.Column("t_ward", sa.Unicode(64)),
        sa.Column("code", sa.Unicode(16)),
        sa.Column("reason", sa.UnicodeText),
        sa.Column("msgid", sa.Unicode(40)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tried_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("mdtrt_id", name="pk_alignment_work"),
    )
