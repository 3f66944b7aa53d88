"""Catalogs by version. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "catalog",
        sa.Column("infno", sa.Unicode(16), nullable=False),
        sa.Column("name", sa.Unicode(60), nullable=False),
        sa.Column("version_id", _row_id()),
        sa.Column("checked_at", sa.BigInteger),
        sa.Column("told", sa.UnicodeText),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("infno", name="pk_catalog"),
    )
    op.create_table(
        "catalog_version",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("infno", sa.Unicode(16), nullable=False),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("based_on", sa.Unicode(60), nullable=False),
        sa.Column("ver", sa.Unicode(60), nullable=False),
        sa.Column("whole", sa.Integer, nullable=False),
        sa.Column("sha256", sa.Unicode(64), nullable=False),
        sa.Column("exchange_id", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("lines_total", sa.Integer, nullable=False),
        sa.Column("lines_done", sa.Integer, nullable=False),
        sa.Column("rows_added", sa.Integer, nullable=False),
        sa.Column("rows_changed", sa.Integer, nullable=False),
        sa.Column("rows_withdrawn", sa.Integer, nullable=False),
        sa.Column("rows_same", sa.Integer, nullable=False),
        sa.Column("rows_total", sa.Integer),
        sa.Column("columns_told", sa.UnicodeText, nullable=False),
        sa.Column("notes", sa.UnicodeText),
    )
    op.create_index("ix_catalog_version_infno", "catalog_version", ["infno", "id"])
    op.create_table(
        "catalog_row",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("infno", sa.Unicode(16), nullable=False),
        sa.Column("row_key", sa.Unicode(120), nullable=False),
        sa.Column("from_version", sa.BigInteger, nullable=False),
        sa.Column("until_version", sa.BigInteger),
        sa.Column("change_kind", sa.Unicode(1), nullable=False),
        sa.Column("code", _prefixed(100), nullable=False),
        sa.Column("name", _prefixed(200)),
        sa.Column("pinyin", _prefixed(60)),
        sa.Column("begins", sa.Unicode(10)),
        sa.Column("ends", sa.Unicode(10)),
        sa.Column("valid", sa.Integer, nullable=False),
        sa.Column("digest", sa.Unicode(32), nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("infno", "row_key", "from_version", name="uq_catalog_row"),
    )
    op.create_index("ix_catalog_row_code", "catalog_row", ["infno", "code"])
    op.create_index("ix_catalog_row_name", "catalog_row", ["infno", "name"])
    op.create_index("ix_catalog_row_from", "catalog_row", ["from_version", "change_kind", "id"])
    op.create_index("ix_catalog_row_until", "catalog_row", ["until_version"])
    given = sa.text("pinyin IS NOT NULL")
    op.create_index(
        "ix_catalog_row_pinyin",
        "catalog_row",
        ["infno", "pinyin"],
        postgresql_where=given,
        sqlite_where=given,
        mssql_where=given,
    )


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _prefixed(width: int) -> sa.types.TypeEngine[str]:
    """Compared by code points, so that a beginning is a range."""
    return sa.Unicode(width).with_variant(sa.Unicode(width, collation="C"), "postgresql")
