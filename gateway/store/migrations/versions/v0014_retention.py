"""Archives of bodies, and an operator log that may lose its oldest rows. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

SQLITE = (
    "DROP TRIGGER IF EXISTS tr_operator_log_DELETE",
    """
CREATE TRIGGER tr_operator_log_DELETE BEFORE DELETE ON operator_log
WHEN OLD.seq >= coalesce((SELECT min(seq) FROM operator_log_anchor), 0)
BEGIN SELECT RAISE(ABORT, 'operator_log is append-only'); END
""",
)
# the guard of 0003 stays where it is: for single rows it leaves the answer to the new one beside it, made first
POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION operator_log_keeps_from_anchor() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
IF OLD.seq >= coalesce((SELECT min(seq) FROM operator_log_anchor), 0) THEN
RAISE EXCEPTION 'operator_log is append-only';
END IF;
RETURN OLD;
END $$
""",
    """
CREATE TRIGGER tr_operator_log_delete BEFORE DELETE ON operator_log
FOR EACH ROW EXECUTE FUNCTION operator_log_keeps_from_anchor()
""",
    """
CREATE OR REPLACE FUNCTION operator_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
IF TG_OP = 'DELETE' THEN
RETURN NULL;
END IF;
RAISE EXCEPTION 'operator_log is append-only';
END $$
""",
)


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("name", sa.Unicode(64), nullable=False, unique=True),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("node", sa.Unicode(32)),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("bytes_written", sa.BigInteger),
        sa.Column("sha256", sa.Unicode(64)),
        sa.Column("key_version", sa.Integer),
    )
    op.create_table(
        "archived_body",
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_archived_body"), nullable=False),
        sa.Column("archive_id", _row_id(), sa.ForeignKey("archive.id", name="fk_archived_body_in")),
        sa.PrimaryKeyConstraint("exchange_id", name="pk_archived_body"),
    )
    op.create_index("ix_archived_body_archive", "archived_body", ["archive_id"])
    anchor = op.create_table(
        "operator_log_anchor",
        sa.Column("name", sa.Unicode(16), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("before_hash", sa.Unicode(64)),
        sa.Column("mac", sa.Unicode(64)),
        sa.Column("key_version", sa.Integer),
        sa.PrimaryKeyConstraint("name", name="pk_operator_log_anchor"),
    )
    op.bulk_insert(anchor, [{"name": "first", "seq": 1, "before_hash": None, "mac": None, "key_version": None}])
    vendor = op.get_context().dialect.name
    for statement in {"sqlite": SQLITE, "postgresql": POSTGRESQL}.get(vendor, ()):
        op.execute(statement)


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
