"""The tables of the journal, for every database alike: names of at most 30 characters, no vendor types.

Empty text is kept as NULL, because Oracle knows no other empty text. Times are milliseconds since 1970 UTC.
What each table is for, and why: ``docs/inside/store.md``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Unicode,
    UnicodeText,
)

from gateway.exchange.entries import WIDTH
from gateway.exchange.ports import NodeState, State

metadata = MetaData()
SMALL_BYTES = "small_bytes"
"""In ``Table.info``: its bytes are a few hundred a row, so that a copy may take many rows at once."""

# SQLite numbers rows by itself only in a column of exactly INTEGER
RowId = BigInteger().with_variant(Integer(), "sqlite")


def text_column(name: str, *, nullable: bool = True) -> Column[str]:
    return Column(name, Unicode(WIDTH[name]), nullable=nullable)


def where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """Options of an index that leaves out rows nobody looks for by it: most rows then cost it nothing. Oracle has none in it."""
    return {f"{vendor}_where": condition for vendor in ("postgresql", "sqlite", "mssql")}


exchange = Table(
    "exchange",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    text_column("infno"),
    text_column("state", nullable=False),
    text_column("safety"),
    text_column("client"),
    text_column("channel"),
    text_column("institution"),
    text_column("province"),
    text_column("msgid"),
    text_column("request_id"),
    text_column("content_hash"),
    text_column("opter"),
    text_column("mapping_version"),
    Column("received_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    text_column("infcode"),
    text_column("inf_refmsgid"),
    Column("err_msg", UnicodeText),
    Column("warn_msg", UnicodeText),
    text_column("code"),
    Column("elapsed_ms", Integer, nullable=False),
    text_column("node"),
    text_column("business_key"),
    Column("undone_by", RowId),
    Column("tries", Integer),
    Column("next_try_at", BigInteger),
    text_column("reply"),
    Column("sealed", LargeBinary),
    Column("key_version", Integer),
    Column("epoch", BigInteger),
    Column("reply_at", BigInteger),
    CheckConstraint(f"state IN ({', '.join(repr(state.value) for state in State)})", name="ck_exchange_state"),
)
# SQL Server counts two NULLs as equal in a unique index unless they are left out of it
Index("ux_exchange_msgid", exchange.c.msgid, unique=True, mssql_where=exchange.c.msgid.is_not(None))
Index("ix_exchange_received", exchange.c.received_at, exchange.c.state)
# lists of what a column says are in the order of time, so that a window of it is a range; of another transaction no row
# is opened (docs/inside/search.md)
Index("ix_exchange_infno_time", exchange.c.infno, exchange.c.received_at)
_ORDER = (exchange.c.received_at, exchange.c.id, exchange.c.infno)
for _name in ("state", "client"):
    Index(f"ix_exchange_{_name}_infno", exchange.c[_name], *_ORDER)
Index("ix_exchange_code_infno", exchange.c.code, *_ORDER, **where(exchange.c.code.is_not(None)))
Index("ix_exchange_request", exchange.c.request_id, exchange.c.id)
Index("ix_exchange_effective", exchange.c.infno, exchange.c.business_key, exchange.c.content_hash, exchange.c.id)
Index("ix_exchange_undone_by", exchange.c.undone_by, **where(exchange.c.undone_by.is_not(None)))

exchange_body = Table(
    "exchange_body",
    metadata,
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_exchange_body"), nullable=False),
    text_column("kind", nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Column("raw_size", Integer, nullable=False),
    text_column("charset"),
    Column("key_version", Integer),
    PrimaryKeyConstraint("exchange_id", "kind", name="pk_exchange_body"),
)

exchange_key = Table(
    "exchange_key",
    metadata,
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_exchange_key"), nullable=False),
    text_column("kind", nullable=False),
    text_column("value", nullable=False),
    Column("hash_version", Integer),
    # of the exchange, where they never change; empty in rows of before they stood here
    Column("received_at", BigInteger),
    text_column("infno"),
    PrimaryKeyConstraint("exchange_id", "kind", "value", name="pk_exchange_key"),
    Index("ix_exchange_key_found", "kind", "value", "exchange_id", "received_at", "infno"),
)

request_key = Table(
    "request_key",
    metadata,
    text_column("client", nullable=False),
    text_column("request_id", nullable=False),
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_request_key"), nullable=False),
    PrimaryKeyConstraint("client", "request_id", name="pk_request_key"),
)

# each exchange may be sent again once: the primary key says so to two nodes at the same moment
resend = Table(
    "resend",
    metadata,
    Column("original_id", RowId, ForeignKey("exchange.id", name="fk_resend_original"), nullable=False),
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_resend"), nullable=False),
    PrimaryKeyConstraint("original_id", name="pk_resend"),
    Index("ux_resend_exchange", "exchange_id", unique=True),
)

busy = Table(
    "busy",
    metadata,
    text_column("business_key", nullable=False),
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_busy"), nullable=False),
    PrimaryKeyConstraint("business_key", name="pk_busy"),
    Index("ix_busy_exchange", "exchange_id"),
)

proof = Table(
    "proof",
    metadata,
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_proof"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    text_column("kind", nullable=False),
    Column("detail", UnicodeText),
    text_column("infno"),
    text_column("msgid"),
    Column("request", LargeBinary),
    Column("answer", LargeBinary),
    Column("sealed", LargeBinary),
    Column("key_version", Integer),
    PrimaryKeyConstraint("exchange_id", "seq", name="pk_proof"),
)

msgid_high = Table(
    "msgid_high",
    metadata,
    text_column("institution", nullable=False),
    Column("next_slot", BigInteger, nullable=False),
    PrimaryKeyConstraint("institution", name="pk_msgid_high"),
)

# who may use the console; what each role may do is conf/rights.yaml
console_user = Table(
    "console_user",
    metadata,
    Column("name", Unicode(30), nullable=False),
    Column("full_name", Unicode(64)),
    Column("role", Unicode(40), nullable=False),
    Column("password_hash", Unicode(255), nullable=False),
    Column("locked", Integer, nullable=False),
    Column("must_change", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("refused_until", BigInteger),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", name="pk_console_user"),
)

# the token itself stands nowhere but in the browser
console_session = Table(
    "console_session",
    metadata,
    Column("token_hash", Unicode(64), nullable=False),
    Column("user_name", Unicode(30), ForeignKey("console_user.name", name="fk_console_session"), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("token_hash", name="pk_console_session"),
    Index("ix_console_session_user", "user_name"),
    Index("ix_console_session_seen", "seen_at"),
)

node = Table(
    "node",
    metadata,
    Column("name", Unicode(WIDTH["node"]), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    text_column("state", nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
    text_column("address"),
    text_column("place"),
    Column("pid", BigInteger, nullable=False),
    text_column("version"),
    Column("silence_ms", BigInteger, nullable=False),
    CheckConstraint(f"state IN ({', '.join(repr(state.value) for state in NodeState)})", name="ck_node_state"),
    PrimaryKeyConstraint("name", name="pk_node"),
)

# what is known of the store as a whole: the oldest program that may serve it, when it was restored (gateway/store/marks.py)
store_mark = Table(
    "store_mark",
    metadata,
    Column("name", Unicode(40), nullable=False),
    Column("mark", Unicode(255), nullable=False),
    PrimaryKeyConstraint("name", name="pk_store_mark"),
)

operator_log = Table(
    "operator_log",
    metadata,
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("operator", Unicode(64), nullable=False),
    Column("act", Unicode(64), nullable=False),
    Column("subject", Unicode(200)),
    Column("detail", UnicodeText),
    Column("key_version", Integer),
    Column("hash", Unicode(64), nullable=False),
    PrimaryKeyConstraint("seq", name="pk_operator_log"),
    Index("ix_operator_log_operator", "operator", "seq"),
    Index("ix_operator_log_subject", "subject", "seq"),
    Index("ix_operator_log_act", "act", "seq"),
    Index("ix_operator_log_at", "at", "seq"),
)

operator_log_head = Table(
    "operator_log_head",
    metadata,
    Column("name", Unicode(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Unicode(64)),
    PrimaryKeyConstraint("name", name="pk_operator_log_head"),
)

store_key = Table(
    "store_key",
    metadata,
    Column("purpose", Unicode(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("fingerprint", Unicode(16)),
    Column("state", Unicode(16), nullable=False),
    PrimaryKeyConstraint("purpose", "version", name="pk_store_key"),
)

resealing = Table(
    "resealing",
    metadata,
    Column("name", Unicode(16), nullable=False),
    Column("data_version", Integer, nullable=False),
    Column("hash_version", Integer, nullable=False),
    Column("done_below", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", name="pk_resealing"),
)
