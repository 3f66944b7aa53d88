"""Every statement of the journal, built once so that each is compiled once.

``FOR UPDATE`` is left out where a database has no such thing; there the compare-and-set of the next statement decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Executable,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from gateway.exchange import entries
from gateway.exchange.ports import NodeState, Query, State
from gateway.exchange.states import OPEN, SENT
from gateway.store.retention_tables import archive, archived_body, operator_log_anchor
from gateway.store.tables import (
    busy,
    console_session,
    console_user,
    exchange,
    exchange_body,
    exchange_key,
    msgid_high,
    node,
    operator_log,
    operator_log_head,
    proof,
    request_key,
    resend,
    store_key,
)

_KEYS = exchange.outerjoin(exchange_key, exchange_key.c.exchange_id == exchange.c.id)

INSERT_EXCHANGE = insert(exchange)
INSERT_BODY = insert(exchange_body)
INSERT_KEY = insert(exchange_key)
INSERT_REQUEST_KEY = insert(request_key)
INSERT_HIGH = insert(msgid_high)
INSERT_BUSY = insert(busy)
INSERT_PROOF = insert(proof)
INSERT_RESEND = insert(resend)
RESENT_AS = select(resend.c.exchange_id).where(resend.c.original_id == bindparam("original_id"))
RESENDS = select(resend.c.original_id).where(resend.c.exchange_id == bindparam("exchange_id"))

OUTCOME_COLUMNS = (
    "state",
    "finished_at",
    "infcode",
    "inf_refmsgid",
    "err_msg",
    "warn_msg",
    "code",
    "elapsed_ms",
    "next_try_at",
    "reply",
    "reply_at",
)
"""What the end of an exchange changes in its row."""

# one row per key of the exchange, so that the row and its keys cost one statement
GET = (
    select(exchange, exchange_key.c.kind, exchange_key.c.value)
    .select_from(_KEYS)
    .where(exchange.c.id == bindparam("exchange_id"))
)
FIND_REQUEST = (
    select(exchange, exchange_key.c.kind, exchange_key.c.value)
    .select_from(request_key.join(_KEYS, request_key.c.exchange_id == exchange.c.id))
    .where(request_key.c.client == bindparam("client"), request_key.c.request_id == bindparam("request_id"))
)
KEYS_OF = select(exchange_key.c.exchange_id, exchange_key.c.kind, exchange_key.c.value).where(
    exchange_key.c.exchange_id.in_(bindparam("ids", expanding=True))
)
BODIES = (
    select(
        exchange.c.id,
        exchange_body.c.kind,
        exchange_body.c.packed,
        exchange_body.c.raw_size,
        exchange_body.c.charset,
        exchange_body.c.key_version,
    )
    .select_from(exchange.outerjoin(exchange_body, exchange_body.c.exchange_id == exchange.c.id))
    .where(exchange.c.id == bindparam("exchange_id"))
)
ARCHIVED = (
    select(archive.c.name, archive.c.state, archive.c.key_version)
    .select_from(archived_body.outerjoin(archive, archive.c.id == archived_body.c.archive_id))
    .where(archived_body.c.exchange_id == bindparam("exchange_id"))
)
# grouping by a bare column would lure SQLite into walking the whole index of states instead of the recent rows
_STATE = func.coalesce(exchange.c.state, exchange.c.state)
COUNT_BY_STATE = (
    select(_STATE.label("state"), func.count().label("rows_counted"))
    .where(exchange.c.received_at >= bindparam("since"))
    .group_by(_STATE)
)

LOCK_REQUEST_KEY = (
    select(request_key.c.exchange_id)
    .where(request_key.c.client == bindparam("client"), request_key.c.request_id == bindparam("request_id"))
    .with_for_update()
)
PASS_REQUEST_KEY = (
    update(request_key)
    .where(
        request_key.c.client == bindparam("key_client"),
        request_key.c.request_id == bindparam("key_request_id"),
        request_key.c.exchange_id == bindparam("held_by"),
    )
    .values(exchange_id=bindparam("taken_by"))
)
_outcome: dict[str, Any] = {name: bindparam(f"new_{name}") for name in OUTCOME_COLUMNS}
FINISH = (
    update(exchange)
    .where(exchange.c.id == bindparam("exchange_id"), exchange.c.state == bindparam("state_before"))
    .values({**_outcome, "sealed": bindparam("new_sealed"), "key_version": bindparam("new_key_version")})
)
# what a process left open that is no more
_INTENDED = exchange.c.state == State.INTENDED.value
_DOUBT = update(exchange).values(_outcome)
DOUBT_ALL = _DOUBT.where(_INTENDED)
DOUBT_LEFT = _DOUBT.where(
    _INTENDED, exchange.c.node == bindparam("of_node"), func.coalesce(exchange.c.epoch, 0) < bindparam("before_epoch")
)
# rows without an epoch are those of a version that knew none
_ORPHAN = and_(
    _INTENDED,
    exchange.c.epoch > 0,
    ~exists().where(
        node.c.name == exchange.c.node, node.c.epoch == exchange.c.epoch, node.c.state == NodeState.RUNNING.value
    ),
)
ORPHANS = select(exchange.c.id).where(_ORPHAN).limit(1)
DOUBT_ORPHANS = _DOUBT.where(_ORPHAN)

NODES = select(node).order_by(node.c.name)
NODES_OPEN = select(exchange.c.node, func.count().label("rows_counted")).where(_INTENDED).group_by(exchange.c.node)
INSERT_NODE = insert(node)
_node_columns: dict[str, Any] = {
    column.name: bindparam(f"new_{column.name}") for column in node.columns if column.name != "name"
}
CLAIM_NODE = (
    update(node)
    .where(
        node.c.name == bindparam("of_name"),
        node.c.epoch == bindparam("of_epoch"),
        node.c.beat == bindparam("of_beat"),
    )
    .values(_node_columns)
)
_IS_REGISTERED = and_(
    node.c.name == bindparam("of_name"),
    node.c.epoch == bindparam("of_epoch"),
    node.c.state == NodeState.RUNNING.value,
)
BEAT = update(node).where(_IS_REGISTERED).values(beat=node.c.beat + 1, heartbeat_at=bindparam("new_heartbeat_at"))
HOLDS = select(node.c.epoch).where(_IS_REGISTERED)
_END = update(node).values(epoch=node.c.epoch + 1, state=bindparam("new_state"))
DECLARE_DEAD = _END.where(_IS_REGISTERED, node.c.beat == bindparam("of_beat"))
LEAVE = _END.where(_IS_REGISTERED)
END_OTHERS = _END.where(node.c.state == NodeState.RUNNING.value, node.c.name != bindparam("of_name"))

_OPEN = [state.value for state in OPEN]
_IN_FORCE = and_(exchange.c.state == State.CONFIRMED.value, exchange.c.undone_by.is_(None))
_SAME = and_(
    exchange.c.infno == bindparam("infno"),
    # each in every form in which it may stand here (docs/inside/decisions/0014-protected-data.md)
    exchange.c.business_key.in_(bindparam("business_keys", expanding=True)),
    exchange.c.content_hash.in_(bindparam("content_hashes", expanding=True)),
    exchange.c.id != bindparam("not_id"),
)
_STANDS = or_(exchange.c.state.in_(_OPEN), _IN_FORCE)
FIND_SAME = select(exchange.c.id).where(_SAME).order_by(case((_STANDS, 0), else_=1), exchange.c.id.desc()).limit(1)
# the newest that stands, the newest of all
NEWEST_SAME = select(func.max(case((_STANDS, exchange.c.id))), func.max(exchange.c.id)).where(_SAME)
_BUSY = busy.c.business_key.in_(bindparam("keys", expanding=True))
_HASHES = and_(store_key.c.purpose == "hash", store_key.c.state.in_(("written", "read")))
HASH_VERSIONS = select(store_key.c.version).where(_HASHES)
# what keeps an exchange from beginning, each by the number of the exchange that does; and the versions of hashes, since
# who has no keys must not begin anything where there are some
PROTECTED, IN_FORCE, NEWEST, BUSY = "protected", "in_force", "newest", "busy"
MAY_BEGIN = union_all(
    select(literal_column(f"'{PROTECTED}'").label("what"), store_key.c.version.label("number")).where(_HASHES),
    select(literal_column(f"'{IN_FORCE}'"), func.max(exchange.c.id)).where(_SAME, _STANDS),
    select(literal_column(f"'{NEWEST}'"), func.max(exchange.c.id)).where(_SAME),
    select(literal_column(f"'{BUSY}'"), func.min(busy.c.exchange_id)).where(_BUSY),
)
BUSY_HOLDER = select(busy.c.exchange_id).where(_BUSY).limit(1)
FREE_BUSY = delete(busy).where(busy.c.exchange_id == bindparam("held_by"))

# what a confirmed exchange ends: of these transactions, about the same visit; and, with a search by hashes, the versions
# that such a search must have known: one is named here before the first row has it
ENDED = "ended"
_ENDED = select(literal_column(f"'{ENDED}'").label("what"), exchange.c.id.label("number")).where(
    exchange.c.infno.in_(bindparam("infnos", expanding=True)),
    exchange.c.institution == bindparam("institution"),
    exchange.c.id < bindparam("ended_by"),
    _IN_FORCE,
)
ENDED_ALL = _ENDED
ENDED_BY_KEY = union_all(
    _ENDED.where(
        exchange.c.id.in_(
            select(exchange_key.c.exchange_id).where(
                exchange_key.c.kind == bindparam("key_kind"),
                exchange_key.c.value.in_(bindparam("key_values", expanding=True)),
            )
        )
    ),
    select(literal_column(f"'{PROTECTED}'"), store_key.c.version).where(_HASHES),
)
ROWS = select(exchange).where(exchange.c.id.in_(bindparam("ids", expanding=True)))
ENDED_MSGID = select(exchange.c.id).where(exchange.c.msgid == bindparam("of_msgid"), _IN_FORCE)
UNDO = (
    update(exchange)
    .where(exchange.c.id.in_(bindparam("ids", expanding=True)))
    .values(undone_by=bindparam("new_undone_by"))
)
REDO = update(exchange).where(exchange.c.undone_by == bindparam("was_undone_by")).values(undone_by=None)

LAST_SEQ = select(func.coalesce(func.max(proof.c.seq), 0)).where(proof.c.exchange_id == bindparam("exchange_id"))
PROOFS = select(proof).where(proof.c.exchange_id == bindparam("exchange_id")).order_by(proof.c.seq)
DOUBTS = (
    select(exchange)
    .where(exchange.c.state == State.IN_DOUBT.value)
    .where(or_(exchange.c.next_try_at.is_(None), exchange.c.next_try_at <= bindparam("due")))
    .order_by(exchange.c.id)
    .limit(bindparam("count"))
)
POSTPONE = (
    update(exchange)
    .where(
        exchange.c.id == bindparam("exchange_id"),
        exchange.c.state == State.IN_DOUBT.value,
        func.coalesce(exchange.c.tries, 0) == bindparam("tries_before"),
    )
    .values(tries=bindparam("new_tries"), next_try_at=bindparam("new_next_try_at"))
)
_NOT_WRITTEN = or_(exchange.c.reply.is_(None), exchange.c.reply != entries.WRITTEN)
MARK_REPLY = (
    update(exchange)
    .where(exchange.c.id == bindparam("exchange_id"), exchange.c.state == State.CONFIRMED.value, _NOT_WRITTEN)
    .values(reply=bindparam("new_reply"), reply_at=bindparam("new_reply_at"))
)
UNTOLD = (
    select(exchange)
    .where(exchange.c.received_at >= bindparam("since"), exchange.c.finished_at < bindparam("before"))
    .where(exchange.c.safety == "money", _IN_FORCE, _NOT_WRITTEN)
    # by number it would be the walk of the whole journal from its first row that the planner takes
    .order_by(exchange.c.received_at, exchange.c.id)
    .limit(bindparam("count"))
)

LOCK_HIGH = select(msgid_high.c.next_slot).where(msgid_high.c.institution == bindparam("institution")).with_for_update()
RAISE_HIGH = (
    update(msgid_high)
    .where(msgid_high.c.institution == bindparam("of_institution"), msgid_high.c.next_slot == bindparam("seen"))
    .values(next_slot=bindparam("raised"))
)
# changes no row: asks whether a write would be taken, and whether the tables are there
TOUCH = update(msgid_high).where(msgid_high.c.institution == "-").values(next_slot=0)

SENT_WITHOUT_BYTES = (
    select(func.count())
    .select_from(
        exchange.outerjoin(
            exchange_body,
            (exchange_body.c.exchange_id == exchange.c.id) & (exchange_body.c.kind == "platform_request"),
        ).outerjoin(archived_body, archived_body.c.exchange_id == exchange.c.id)
    )
    .where(
        exchange.c.state.in_(
            [state.value for state in (SENT | OPEN | {State.NOT_DONE, State.REVERSED}) - {State.NOT_SENT}]
        )
    )
    .where(exchange_body.c.exchange_id.is_(None), archived_body.c.exchange_id.is_(None))
)

STORE_KEYS = select(store_key).order_by(store_key.c.purpose, store_key.c.version)
INSERT_STORE_KEY = insert(store_key)
SET_STORE_KEY = (
    update(store_key)
    .where(store_key.c.purpose == bindparam("of_purpose"), store_key.c.version == bindparam("of_version"))
    .values(state=bindparam("new_state"))
)
ANY_EXCHANGE = select(exchange.c.id).limit(1)

INSERT_OPERATOR_LOG = insert(operator_log)
LOCK_OPERATOR_HEAD = select(operator_log_head).with_for_update()
OPERATOR_HEAD = select(operator_log_head)
MOVE_OPERATOR_HEAD = (
    update(operator_log_head)
    .where(operator_log_head.c.seq == bindparam("seen"))
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)
OPERATOR_LOG_AFTER = (
    select(operator_log)
    .where(operator_log.c.seq > bindparam("after"))
    .order_by(operator_log.c.seq)
    .limit(bindparam("count"))
)
OPERATOR_ANCHOR = select(operator_log_anchor)
MOVE_OPERATOR_ANCHOR = (
    update(operator_log_anchor)
    .where(operator_log_anchor.c.seq == bindparam("seen"))
    .values({name: bindparam(f"new_{name}") for name in ("seq", "before_hash", "mac", "key_version")})
)
LOG_KEPT_FROM = (
    select(operator_log.c.seq).where(operator_log.c.at >= bindparam("since")).order_by(operator_log.c.seq).limit(1)
)
DROP_OPERATOR_LOG = delete(operator_log).where(operator_log.c.seq < bindparam("kept_from"))


OPERATOR_PLACE = select(operator_log.c.at).where(operator_log.c.seq == bindparam("before"))
"""When the last row of a page was written: with its number the place where the next page begins."""


def operator_log_page(
    operator: str,
    subject: str,
    acts: Sequence[str],
    since: int | None,
    until: int | None,
    before: int | None,
    limit: int,
    place: int | None = None,
) -> Select[Any]:
    """Rows of the operator log, newest first; what is empty is no condition, times are in ms.

    Between two times the order is that of time, which is also that of an index; else that of writing.

    Args:
        place: what :data:`OPERATOR_PLACE` says of ``before``, where the order is that of time.
    """
    log = operator_log.c
    by_time = since is not None or until is not None
    order = (log.at.desc(), log.seq.desc()) if by_time else (log.seq.desc(),)
    statement = select(operator_log).order_by(*order).limit(entries.check_limit(limit))
    for column, wanted in ((log.operator, operator), (log.subject, subject)):
        statement = statement.where(column == wanted) if wanted else statement
    if acts:
        statement = statement.where(log.act.in_(acts))
    if since is not None:
        statement = statement.where(log.at >= since)
    if until is not None:
        statement = statement.where(log.at < until)
    if before is not None and place is not None:
        return statement.where(log.at <= place, or_(log.at < place, log.seq < before))
    return statement.where(log.seq < before) if before is not None else statement


Forms = Callable[[str, str], Sequence[str]]
"""Every form in which the value of a kind of key may stand in the store."""


def _as_it_is(_kind: str, value: str) -> Sequence[str]:
    return (value,)


# numbers that were never given (a restore leaves a million out) mean the place of the next one below
PLACE = (
    select(exchange.c.received_at)
    .where(exchange.c.id <= bindparam("before_id"))
    .order_by(exchange.c.id.desc())
    .limit(1)
)
"""When the last row of a page was received: with its number the place where the next page begins."""


def search(query: Query, forms: Forms = _as_it_is, place: int | None = None) -> Select[Any]:
    """The page that ``query`` asks for, newest first. Raises ValueError on a limit outside 1 to 1,000.

    With keys the search starts in ``exchange_key``, whose index already has the wanted order and leaves out other times
    and transactions: ``exchange`` is only read by primary key.

    Args:
        forms: see :data:`Forms`.
        place: what :data:`PLACE` says of ``query.before_id``, where the order is by time.
    """
    pairs = [
        (entries.identity(kind, "kind"), entries.identity(value, "value")) for kind, value in dict.fromkeys(query.keys)
    ]
    statement, row_id = _start([(kind, forms(kind, value)) for kind, value in pairs])
    if pairs:
        statement = statement.where(*_known_by_key(row_id.table.c, query))
    received = exchange.c.received_at
    if place is not None:
        # the first half is what an index knows as a range; not every database compares (a, b) < (c, d)
        statement = statement.where(received <= place, or_(received < place, row_id < query.before_id))
    elif query.before_id is not None:
        statement = statement.where(row_id < query.before_id)
    for condition in _conditions(query):
        statement = statement.where(condition)
    order = (received.desc(), row_id.desc()) if query.by_time else (row_id.desc(),)
    return statement.order_by(*order).limit(entries.check_limit(query.limit))


def _start(pairs: Sequence[tuple[str, Sequence[str]]]) -> tuple[Select[Any], Any]:
    if not pairs:
        return select(exchange), exchange.c.id
    aliases = [exchange_key.alias(f"key_{number}") for number in range(len(pairs))]
    first = aliases[0]
    source: Any = first
    for alias in aliases[1:]:
        source = source.join(alias, alias.c.exchange_id == first.c.exchange_id)
    statement = select(exchange).select_from(source.join(exchange, exchange.c.id == first.c.exchange_id))
    for alias, (kind, values) in zip(aliases, pairs, strict=True):
        # one form alone leaves the index in the wanted order
        same = alias.c.value == values[0] if len(values) == 1 else alias.c.value.in_(values)
        statement = statement.where(alias.c.kind == kind, same)
    return statement, first.c.exchange_id


def _known_by_key(key: Any, query: Query) -> list[Any]:
    """What the index of the keys says already, so that of a key with many rows only those in question are looked up.

    A row of before these columns says nothing; ``exchange`` itself has the last word.
    """
    infno, window = entries.short(query.infno or "", "infno"), _window(key.received_at, query)
    said = [or_(key.infno.is_(None), key.infno == infno)] if infno else []
    return [*said, or_(key.received_at.is_(None), and_(*window))] if window else said


def _window(received_at: Any, query: Query) -> list[Any]:
    since = [] if query.since is None else [received_at >= entries.to_ms(query.since)]
    return since if query.until is None else [*since, received_at < entries.to_ms(query.until)]


def _conditions(query: Query) -> list[Any]:
    infno, received_at = exchange.c.infno, exchange.c.received_at
    if query.keys:
        # SQLite would rather walk the transaction's rows of that time than those of the key; an expression has no index
        infno, received_at = func.coalesce(infno, infno), func.coalesce(received_at, received_at)  # type: ignore[assignment]
    equal: dict[Any, str | None] = {
        exchange.c.msgid: entries.identity_or_none(query.msgid, "msgid"),
        exchange.c.request_id: entries.identity_or_none(query.request_id, "request_id"),
        infno: entries.short(query.infno or "", "infno"),
        exchange.c.client: entries.identity_or_none(query.client, "client"),
        exchange.c.code: entries.short(query.code or "", "code"),
    }
    conditions: list[Any] = [column == value for column, value in equal.items() if value]
    if query.states:
        conditions.append(exchange.c.state.in_([state.value for state in query.states]))
    return [*conditions, *_window(received_at, query)]


# ------------------------------------------------------------------ console

CONSOLE_USERS = select(console_user).order_by(console_user.c.name)
CONSOLE_USER = select(console_user).where(console_user.c.name == bindparam("user_name"))
CONSOLE_USER_LOCK = CONSOLE_USER.with_for_update()
INSERT_CONSOLE_USER = insert(console_user)
UPDATE_CONSOLE_USER = (
    update(console_user)
    .where(console_user.c.name == bindparam("user_name"))
    .values({name: bindparam(f"new_{name}") for name in console_user.c.keys() if name != "name"})  # noqa: SIM118
)
CONSOLE_SESSION = (
    select(console_user, console_session.c.opened_at, console_session.c.seen_at)
    .select_from(console_session.join(console_user, console_session.c.user_name == console_user.c.name))
    .where(console_session.c.token_hash == bindparam("token_hash"))
)
INSERT_CONSOLE_SESSION = insert(console_session)
TOUCH_CONSOLE_SESSION = (
    update(console_session)
    .where(console_session.c.token_hash == bindparam("of_token"))
    .values(seen_at=bindparam("now_ms"))
)
CLOSE_CONSOLE_SESSION = delete(console_session).where(console_session.c.token_hash == bindparam("token_hash"))
CLOSE_CONSOLE_SESSIONS = delete(console_session).where(console_session.c.user_name == bindparam("user_name"))
DROP_CONSOLE_SESSIONS = delete(console_session).where(console_session.c.seen_at < bindparam("before_ms"))

# the figures of the console are counted from the journal, each row read once, by its number
EXCHANGE_FIGURES = (
    select(
        exchange.c.id,
        exchange.c.infno,
        exchange.c.state,
        exchange.c.received_at,
        exchange.c.finished_at,
        exchange.c.elapsed_ms,
    )
    .where(exchange.c.id > bindparam("after_id"))
    .order_by(exchange.c.id)
    .limit(bindparam("count"))
)
EXCHANGE_FIGURES_OF = select(
    exchange.c.id,
    exchange.c.infno,
    exchange.c.state,
    exchange.c.received_at,
    exchange.c.finished_at,
    exchange.c.elapsed_ms,
).where(exchange.c.id.in_(bindparam("ids", expanding=True)))
FIRST_SINCE = (
    select(exchange.c.id).where(exchange.c.received_at >= bindparam("since")).order_by(exchange.c.received_at).limit(1)
)


# at the end of the file, so that no statement is left out
CONSTANT = frozenset(value for value in tuple(globals().values()) if isinstance(value, Executable))
"""Every statement above: each is rendered once (``_connection.py``)."""
