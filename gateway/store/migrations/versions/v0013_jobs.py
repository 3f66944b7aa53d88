"""Who runs jobs, and how every run went. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "job_slot",
        sa.Column("slot", sa.Unicode(40), nullable=False),
        sa.Column("node", sa.Unicode(32)),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_job_slot"),
    )
    op.create_table(
        "job_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("job", sa.Unicode(40), nullable=False),
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Unicode(32)),
        sa.Column("begun_by", sa.Unicode(16), nullable=False),
        sa.Column("operator", sa.Unicode(200)),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("outcome", sa.Unicode(16), nullable=False),
        sa.Column("items_done", sa.Integer, nullable=False),
        sa.Column("items_total", sa.Integer, nullable=False),
        sa.Column("packed", sa.LargeBinary),
    )
    op.create_index("ix_job_run_job", "job_run", ["job", "id"])
    op.create_index("ix_job_run_outcome", "job_run", ["outcome", "id"])
