"""The tables about inpatient stays; what each is for: ``docs/inside/store.md``.

Facts, rows and visits are JSON, packed: a fee upload of 500 rows would fill pages that a list of stays has to pass.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Unicode,
    UnicodeText,
)

from gateway.protect.guard import TOKEN_WIDTH
from gateway.store.tables import RowId, metadata, text_column


def token_column(name: str, *, nullable: bool = True) -> Column[str]:
    """A name that is kept as a token (``_veil.py``)."""
    return Column(name, Unicode(TOKEN_WIDTH), nullable=nullable)


stay_fact = Table(
    "stay_fact",
    metadata,
    Column("exchange_id", RowId, ForeignKey("exchange.id", name="fk_stay_fact"), nullable=False),
    Column("seq", Integer, nullable=False),
    token_column("mdtrt_id"),
    token_column("ipt_no"),
    token_column("psn_no"),
    token_column("setl_id"),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("exchange_id", "seq", name="pk_stay_fact"),
    Index("ix_stay_fact_mdtrt", "mdtrt_id", "exchange_id"),
    Index("ix_stay_fact_ipt", "ipt_no", "exchange_id"),
    Index("ix_stay_fact_psn", "psn_no", "exchange_id"),
    Index("ix_stay_fact_setl", "setl_id", "exchange_id"),
)

ward_event = Table(
    "ward_event",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no", nullable=False),
    token_column("mdtrt_id"),
    text_column("event_id", nullable=False),
    text_column("kind", nullable=False),
    text_column("ward_code"),
    text_column("ward_name"),
    text_column("event_time"),
    text_column("recorded_time"),
    Column("reason", UnicodeText),
    text_column("operator"),
    text_column("client"),
    Column("received_at", BigInteger, nullable=False),
    Index("ix_ward_event_ipt", "ipt_no", "event_id", "id"),
    Index("ix_ward_event_mdtrt", "mdtrt_id", "id"),
)

hospital_record = Table(
    "hospital_record",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no", nullable=False),
    text_column("kind", nullable=False),
    Column("version", BigInteger, nullable=False),
    text_column("content", nullable=False),
    Column("packed", LargeBinary, nullable=False),
    text_column("operator"),
    text_column("client"),
    Column("received_at", BigInteger, nullable=False),
    Index("ix_hospital_record_ipt", "ipt_no", "kind", "version", "id"),
)

adoption = Table(
    "adoption",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no"),
    token_column("mdtrt_id"),
    token_column("psn_no"),
    text_column("source", nullable=False),
    text_column("infno"),
    Column("packed", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("after_exchange", RowId),
    Index("ix_adoption_ipt", "ipt_no", "id"),
    Index("ix_adoption_mdtrt", "mdtrt_id", "id"),
    Index("ix_adoption_psn", "psn_no", "id"),
)

fee_approval = Table(
    "fee_approval",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no", nullable=False),
    Column("cut", text_column("event_time").type, nullable=False),
    text_column("operator"),
    Column("received_at", BigInteger, nullable=False),
    Column("digest", text_column("content").type),
    Index("ix_fee_approval_ipt", "ipt_no", "id"),
)

fee_extraction = Table(
    "fee_extraction",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    token_column("ipt_no", nullable=False),
    text_column("client", nullable=False),
    text_column("operator"),
    Column("cut", text_column("event_time").type, nullable=False),
    Column("rows_in", Integer, nullable=False),
    Column("total_in", text_column("event_time").type, nullable=False),
    Column("digest", text_column("content").type, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Index("ix_fee_extraction_ipt", "ipt_no", "id"),
)

stay_version = Table(
    "stay_version",
    metadata,
    token_column("stay_key", nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("stay_key", name="pk_stay_version"),
)

stay_backfill = Table(
    "stay_backfill",
    metadata,
    Column("below", RowId, nullable=False, autoincrement=False),
    PrimaryKeyConstraint("below", name="pk_stay_backfill"),
)

stay_change = Table(
    "stay_change",
    metadata,
    Column("id", RowId, Identity(), primary_key=True),
    Column("seq_no", BigInteger, nullable=False),
    token_column("ipt_no"),
    token_column("mdtrt_id"),
    text_column("kind", nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Index("ix_stay_change_seq", "seq_no", "id"),
    Index("ix_stay_change_ipt", "ipt_no", "id"),
    Index("ix_stay_change_mdtrt", "mdtrt_id", "id"),
)

stay_reader = Table(
    "stay_reader",
    metadata,
    Column("reader", Unicode(40), nullable=False),
    Column("seq_no", BigInteger, nullable=False),
    Column("mark", Unicode(64)),
    PrimaryKeyConstraint("reader", name="pk_stay_reader"),
)

_time = text_column("event_time").type

episode_time = Table(
    "episode_time",
    metadata,
    token_column("stay_key", nullable=False),
    token_column("ipt_no"),
    token_column("mdtrt_id"),
    token_column("psn_no"),
    Column("presence", Unicode(16), nullable=False),
    Column("alignment", Unicode(16), nullable=False),
    Column("settlement", Unicode(16), nullable=False),
    token_column("setl_id"),
    text_column("ward_code"),
    text_column("ward_name"),
    *(Column(name, _time) for name in ("t_reg", "t_ward", "t_wout", "t_dsc", "t_ins", "t_set")),
    Column("fees_count", Integer),
    Column("fees_sum", Unicode(40)),
    PrimaryKeyConstraint("stay_key", name="pk_episode_time"),
    Index("ix_episode_time_ipt", "ipt_no"),
    Index("ix_episode_time_work", "alignment", "presence", "t_ward"),
    Index("ix_episode_time_set", "settlement", "t_set"),
)

alignment_work = Table(
    "alignment_work",
    metadata,
    token_column("mdtrt_id", nullable=False),
    token_column("ipt_no"),
    token_column("psn_no"),
    Column("t_ins", _time),
    Column("t_ward", _time),
    text_column("code"),
    Column("reason", UnicodeText),
    text_column("msgid"),
    Column("tries", Integer, nullable=False),
    Column("tried_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("mdtrt_id", name="pk_alignment_work"),
)
