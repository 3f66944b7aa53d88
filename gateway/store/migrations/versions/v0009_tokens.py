"""Names of stays become tokens, which are longer. Only widens."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

compatible_from = "0008"

WIDENED = {
    "stay_fact": {"mdtrt_id": True, "ipt_no": True, "psn_no": True, "setl_id": True},
    "ward_event": {"ipt_no": False, "mdtrt_id": True},
    "hospital_record": {"ipt_no": False},
    "adoption": {"ipt_no": True, "mdtrt_id": True, "psn_no": True},
    "fee_approval": {"ipt_no": False},
    "stay_version": {"stay_key": False},
}
"""Columns by table, and whether they may be NULL."""


def upgrade() -> None:
    for table, columns in WIDENED.items():
        # SQLite copies the table; none of these is referred to by another
        with op.batch_alter_table(table) as batch:
            for column, nullable in columns.items():
                width = 80 if column == "stay_key" else 64
                batch.alter_column(
                    column, type_=sa.Unicode(400), existing_type=sa.Unicode(width), existing_nullable=nullable
                )
