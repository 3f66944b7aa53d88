"""The journal: exchanges, their bytes, business keys, request ids, numbers of msgid."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATES = ("RECEIVED", "REFUSED", "INTENDED", "CONFIRMED", "DECLINED", "NOT_SENT", "IN_DOUBT")


def _row_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_exchange()
    _create_parts()
    op.create_table(
        "msgid_high",
        sa.Column("institution", sa.Unicode(40), nullable=False),
        sa.Column("next_slot", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("institution", name="pk_msgid_high"),
    )


def _create_exchange() -> None:
    op.create_table(
        "exchange",
        sa.Column("id", _row_id(), sa.Identity(), primary_key=True),
        sa.Column("infno", sa.Unicode(16)),
        sa.Column("state", sa.Unicode(16), nullable=False),
        sa.Column("safety", sa.Unicode(16)),
        sa.Column("client", sa.Unicode(64)),
        sa.Column("channel", sa.Unicode(64)),
        sa.Column("institution", sa.Unicode(40)),
        sa.Column("province", sa.Unicode(32)),
        sa.Column("msgid", sa.Unicode(40)),
        sa.Column("request_id", sa.Unicode(128)),
        sa.Column("content_hash", sa.Unicode(64)),
        sa.Column("opter", sa.Unicode(64)),
        sa.Column("mapping_version", sa.Unicode(64)),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("infcode", sa.Unicode(32)),
        sa.Column("inf_refmsgid", sa.Unicode(64)),
        sa.Column("err_msg", sa.UnicodeText),
        sa.Column("warn_msg", sa.UnicodeText),
        sa.Column("code", sa.Unicode(16)),
        sa.Column("elapsed_ms", sa.Integer, nullable=False),
        sa.Column("node", sa.Unicode(32)),
        sa.CheckConstraint(f"state IN {STATES}", name="ck_exchange_state"),
    )
    op.create_index("ux_exchange_msgid", "exchange", ["msgid"], unique=True, mssql_where=sa.text("msgid IS NOT NULL"))
    op.create_index("ix_exchange_received", "exchange", ["received_at", "state"])
    for column, name in (
        ("state", "ix_exchange_state"),
        ("infno", "ix_exchange_infno"),
        ("client", "ix_exchange_client"),
        ("code", "ix_exchange_code"),
        ("request_id", "ix_exchange_request"),
    ):
        op.create_index(name, "exchange", [column, "id"])


def _create_parts() -> None:
    op.create_table(
        "exchange_body",
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_exchange_body"), nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("raw_size", sa.Integer, nullable=False),
        sa.Column("charset", sa.Unicode(32)),
        sa.PrimaryKeyConstraint("exchange_id", "kind", name="pk_exchange_body"),
    )
    op.create_table(
        "exchange_key",
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_exchange_key"), nullable=False),
        sa.Column("kind", sa.Unicode(40), nullable=False),
        sa.Column("value", sa.Unicode(128), nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", "kind", "value", name="pk_exchange_key"),
    )
    op.create_index("ix_exchange_key_value", "exchange_key", ["kind", "value", "exchange_id"])
    op.create_table(
        "request_key",
        sa.Column("client", sa.Unicode(64), nullable=False),
        sa.Column("request_id", sa.Unicode(128), nullable=False),
        sa.Column("exchange_id", _row_id(), sa.ForeignKey("exchange.id", name="fk_request_key"), nullable=False),
        sa.PrimaryKeyConstraint("client", "request_id", name="pk_request_key"),
    )
