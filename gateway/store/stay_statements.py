"""Every statement about stays, built once so that each is compiled once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, Select, bindparam, delete, exists, func, insert, or_, select, union_all, update
from sqlalchemy.sql.expression import literal_column, null

from gateway.exchange.ports import State
from gateway.exchange.states import OPEN
from gateway.store.stay_tables import (
    adoption,
    fee_approval,
    fee_extraction,
    hospital_record,
    stay_backfill,
    stay_change,
    stay_fact,
    stay_version,
    ward_event,
)
from gateway.store.tables import exchange

INSERT_FACT = insert(stay_fact)
DELETE_FACTS = delete(stay_fact).where(stay_fact.c.exchange_id == bindparam("of_exchange"))
INSERT_EVENT = insert(ward_event)
INSERT_RECORD = insert(hospital_record)
INSERT_ADOPTION = insert(adoption)
INSERT_APPROVAL = insert(fee_approval)
INSERT_EXTRACTION = insert(fee_extraction)
INSERT_VERSION = insert(stay_version)

INSERT_CHANGE = insert(stay_change)

FACT_NAMES = select(stay_fact.c.ipt_no, stay_fact.c.mdtrt_id, stay_fact.c.setl_id).where(
    stay_fact.c.exchange_id.in_(bindparam("ids", expanding=True))
)
SETTLED_STAYS = (
    select(stay_fact.c.mdtrt_id)
    .where(stay_fact.c.setl_id.in_(bindparam("setl_ids", expanding=True)), stay_fact.c.mdtrt_id.is_not(None))
    .distinct()
)

LOCK_VERSION = select(stay_version.c.version).where(stay_version.c.stay_key == bindparam("name")).with_for_update()
RAISE_VERSION = (
    update(stay_version).where(stay_version.c.stay_key == bindparam("name")).values(version=stay_version.c.version + 1)
)
RAISE_JUDGED = RAISE_VERSION.where(stay_version.c.version == bindparam("judged"))
# the first version of a name that has none; of two that meet here the primary key decides
_NAME: Any = bindparam("name", type_=stay_version.c.stay_key.type)
FIRST_VERSION = insert(stay_version).from_select(
    ["stay_key", "version"],
    select(_NAME, literal_column("1")).where(~exists().where(stay_version.c.stay_key == _NAME)),
)

# which 住院号 and mdtrt_id belong together, as far as one of the two or a settlement is known
_BOTH = stay_fact.join(exchange, exchange.c.id == stay_fact.c.exchange_id)
_CONFIRMED = exchange.c.state == State.CONFIRMED.value
LINK, VERSION = "link", "version"
"""What a row of :data:`LINKS_AND_KEPT` tells."""


def _told(what: str) -> Any:
    return literal_column(f"'{what}'").label("what")


_LINKS: tuple[Select[Any], ...] = (
    select(
        _told(LINK),
        stay_fact.c.ipt_no,
        stay_fact.c.mdtrt_id,
        stay_fact.c.exchange_id.label("serial"),
        exchange.c.undone_by,
    )
    .select_from(_BOTH)
    .where(
        or_(
            stay_fact.c.ipt_no == bindparam("ipt_no"),
            (stay_fact.c.mdtrt_id == bindparam("mdtrt_id")) & stay_fact.c.ipt_no.is_not(None),
            (stay_fact.c.setl_id == bindparam("setl_id")),
        ),
        stay_fact.c.mdtrt_id.is_not(None),
        _CONFIRMED,
    ),
    select(_told(LINK), ward_event.c.ipt_no, ward_event.c.mdtrt_id, null(), null())
    .where(or_(ward_event.c.ipt_no == bindparam("ipt_no"), ward_event.c.mdtrt_id == bindparam("mdtrt_id")))
    .where(ward_event.c.mdtrt_id.is_not(None)),
    select(_told(LINK), adoption.c.ipt_no, adoption.c.mdtrt_id, null(), null())
    .where(or_(adoption.c.ipt_no == bindparam("ipt_no"), adoption.c.mdtrt_id == bindparam("mdtrt_id")))
    .where(adoption.c.mdtrt_id.is_not(None), adoption.c.ipt_no.is_not(None)),
)


def _any(table: Any, by_visit: bool = True) -> Select[Any]:
    """Whether a table has a row about the stay; its newest number, else NULL."""
    serial = table.c.exchange_id if table is stay_fact else table.c.id
    named = [table.c.ipt_no.in_(bindparam("ipt_nos", expanding=True))]
    named += [table.c.mdtrt_id == bindparam("mdtrt_id")] if by_visit else []
    return select(_told(table.name), null(), null(), func.max(serial), null()).where(or_(*named))


# the versions of some names, and which tables have anything under them: the others need not be asked
_KEPT: tuple[Select[Any], ...] = (
    select(_told(VERSION), stay_version.c.stay_key.label("ipt_no"), null().label("mdtrt_id"),
           stay_version.c.version.label("serial"), null().label("undone_by"))
    .where(stay_version.c.stay_key.in_(bindparam("names", expanding=True))),
    _any(stay_fact),
    _any(ward_event),
    _any(hospital_record, by_visit=False),
    _any(adoption),
    _any(fee_approval, by_visit=False),
)  # fmt: skip
KEPT = union_all(*_KEPT)
LINKS_AND_KEPT = union_all(*_LINKS, *_KEPT)

_MAY_COUNT = exchange.c.state.in_([State.CONFIRMED.value, *(state.value for state in OPEN)])
_EXCHANGE_OF_FACT = (
    exchange.c.infno,
    exchange.c.state,
    exchange.c.received_at,
    exchange.c.finished_at,
    exchange.c.undone_by,
    exchange.c.opter,
)
_SETTLEMENTS = select(stay_fact.c.setl_id).where(
    stay_fact.c.mdtrt_id == bindparam("mdtrt_id"), stay_fact.c.setl_id.is_not(None)
)
FACTS = (
    select(stay_fact, *_EXCHANGE_OF_FACT)
    .select_from(_BOTH)
    .where(
        or_(
            stay_fact.c.mdtrt_id == bindparam("mdtrt_id"),
            stay_fact.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)),
            stay_fact.c.setl_id.in_(_SETTLEMENTS),
        ),
        _MAY_COUNT,
    )
    .order_by(stay_fact.c.exchange_id, stay_fact.c.seq)
)
EVENTS = (
    select(ward_event)
    .where(
        or_(
            ward_event.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)),
            ward_event.c.mdtrt_id == bindparam("mdtrt_id"),
        )
    )
    .order_by(ward_event.c.id)
)
RECORDS = (
    select(hospital_record)
    .where(hospital_record.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)))
    .order_by(hospital_record.c.id)
)
OPERATIONS = (
    select(hospital_record)
    .where(hospital_record.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)), hospital_record.c.kind == "operations")
    .order_by(hospital_record.c.version, hospital_record.c.received_at, hospital_record.c.id)
)
ADOPTIONS = (
    select(adoption)
    .where(
        or_(adoption.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)), adoption.c.mdtrt_id == bindparam("mdtrt_id"))
    )
    .order_by(adoption.c.id)
)
APPROVALS = (
    select(fee_approval)
    .where(fee_approval.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)))
    .order_by(fee_approval.c.id)
)

EXTRACTIONS = select(fee_extraction).where(fee_extraction.c.ipt_no == bindparam("ipt_no")).order_by(fee_extraction.c.id)

LAST_EVENT = (
    select(ward_event)
    .where(
        ward_event.c.ipt_no == bindparam("ipt_no"),
        ward_event.c.event_id == bindparam("event_id"),
        ward_event.c.kind == bindparam("kind"),
    )
    .order_by(ward_event.c.id.desc())
    .limit(1)
)
LAST_RECORD = (
    select(hospital_record)
    .where(
        hospital_record.c.ipt_no == bindparam("ipt_no"),
        hospital_record.c.kind == bindparam("kind"),
        hospital_record.c.version == bindparam("version"),
    )
    .order_by(hospital_record.c.id.desc())
    .limit(1)
)

# other stays of the same person, for the overlap of ET01-05, oldest first: what was asked after an exchange is newer than it
OTHER_STAYS = union_all(
    select(
        func.coalesce(adoption.c.after_exchange, 0).label("number"),
        adoption.c.id.label("serial"),
        adoption.c.infno,
        adoption.c.mdtrt_id,
        adoption.c.ipt_no,
        adoption.c.packed,
    ).where(adoption.c.psn_no == bindparam("psn_no"), adoption.c.mdtrt_id != bindparam("mdtrt_id")),
    select(
        stay_fact.c.exchange_id,
        literal_column("0"),
        exchange.c.infno,
        stay_fact.c.mdtrt_id,
        stay_fact.c.ipt_no,
        stay_fact.c.packed,
    )
    .select_from(_BOTH)
    .where(
        stay_fact.c.psn_no == bindparam("psn_no"),
        stay_fact.c.mdtrt_id != bindparam("mdtrt_id"),
        exchange.c.infno.in_(bindparam("infnos", expanding=True)),
        _CONFIRMED,
        exchange.c.undone_by.is_(None),
    ),
).order_by("number", "serial")

BACKFILL_BELOW = select(stay_backfill.c.below)
LOWER_BACKFILL = update(stay_backfill).values(below=bindparam("new_below"))
END_BACKFILL = delete(stay_backfill)
UNFILLED = (
    select(exchange.c.id)
    .where(exchange.c.id < bindparam("below"), exchange.c.infno.in_(bindparam("infnos", expanding=True)), _MAY_COUNT)
    .order_by(exchange.c.id.desc())
    .limit(bindparam("count"))
)


# at the end of the file, so that no statement is left out
CONSTANT = frozenset(value for value in tuple(globals().values()) if isinstance(value, Executable))
"""Every statement above: each is rendered once (``_connection.py``)."""
