"""Users and sessions of the console. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "console_user",
        sa.Column("name", sa.Unicode(30), nullable=False),
        sa.Column("full_name", sa.Unicode(64)),
        sa.Column("role", sa.Unicode(40), nullable=False),
        sa.Column("password_hash", sa.Unicode(255), nullable=False),
        sa.Column("locked", sa.Integer, nullable=False),
        sa.Column("must_change", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("refused_until", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_console_user"),
    )
    op.create_table(
        "console_session",
        sa.Column("token_hash", sa.Unicode(64), nullable=False),
        sa.Column(
            "user_name", sa.Unicode(30), sa.ForeignKey("console_user.name", name="fk_console_session"), nullable=False
        ),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_console_session"),
    )
    op.create_index("ix_console_session_user", "console_session", ["user_name"])
    op.create_index("ix_console_session_seen", "console_session", ["seen_at"])
