"""The platform's words about a day may name persons: sealed from now on. Only adds.

``told`` keeps what was written before, until it is sealed (``gateway/store/_veil_past.py``).
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("recon_day", sa.Column("packed", sa.LargeBinary))
