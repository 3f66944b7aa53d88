"""What a row of the journal holds: intents and outcomes brought to forms that every database keeps alike.

The exact bytes live in ``exchange_body``. The columns here are for finding and showing, so a text that a column
cannot hold is made to fit instead of failing the exchange that carries it. The in-memory journal uses the same
functions, so that a test against it sees what a database would answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from gateway.exchange.ports import Exchange, Intent, Outcome, State
from gateway.exchange.states import RECORDED, may_move

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has kept one fixed offset since 1992; a fixed zone needs no time-zone files on Windows."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

WIDTH: Mapping[str, int] = {
    "infno": 16,
    "state": 16,
    "safety": 16,
    "client": 64,
    "channel": 64,
    "institution": 40,
    "province": 32,
    "msgid": 40,
    "request_id": 128,
    "content_hash": 64,
    "opter": 64,
    "node": 32,
    "address": 128,
    "place": 128,
    "version": 32,
    "business_key": 128,
    "reply": 16,
    "mapping_version": 64,
    "infcode": 32,
    "inf_refmsgid": 64,
    "code": 16,
    "charset": 32,
    "kind": 40,
    "value": 128,
    "ipt_no": 64,
    "mdtrt_id": 64,
    "psn_no": 64,
    "setl_id": 64,
    "event_id": 128,
    "ward_code": 64,
    "ward_name": 200,
    "event_time": 64,
    "recorded_time": 64,
    "operator": 200,
    "source": 16,
    "content": 64,
    "stay_key": 80,
}
"""Width of each text column in characters; keys are column names."""

VISIT_KINDS = ("mdtrt_id", "psn_no")
"""By which key an exchange finds what it ends: the first of these that it names."""
WRITTEN, BROKEN = "written", "broken"
"""What became of a reply."""

SEARCH_LIMIT_MAX = 1000
BLOCK_COUNT_MAX = 10_000
SLOTS_PER_SECOND = 10_000


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 UTC: sorts, and every database has it. Raises ValueError on a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return (moment - EPOCH) // MILLISECOND


def from_ms(moment_ms: int) -> datetime:
    """The aware Asia/Shanghai time of ``moment_ms``, exact to the millisecond."""
    return (EPOCH + timedelta(milliseconds=moment_ms)).astimezone(SHANGHAI)


def plain(text: str) -> str:
    """``text`` without what a database cannot hold: NUL (PostgreSQL) and lone surrogates (no encoding has them)."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\u2400").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def short(text: str, column: str) -> str:
    """``text`` for a column that is only shown: cut to its width."""
    return plain(text)[: WIDTH[column]]


def identity(text: str, column: str) -> str:
    """``text`` for a column that is compared: what would have to be changed gets a digest, so it still equals only itself."""
    fitting = plain(text)
    if fitting == text and len(text) <= WIDTH[column]:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{fitting[: WIDTH[column] - 33]}~{digest}"


def identity_or_none(text: str | None, column: str) -> str | None:
    """:func:`identity`, with "" as None: Oracle keeps them alike."""
    return identity(text, column) if text else None


def key_pairs(*groups: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The business keys of all groups, each once, sorted; a key without a value finds nothing and is left out."""
    pairs = {(identity(kind, "kind"), identity(value, "value")) for group in groups for kind, value in group if value}
    return tuple(sorted(pairs))


def intended(intent: Intent) -> Exchange:
    """The INTENDED row of ``intent``, still without id. Raises ValueError when it could not be sent as it stands."""
    if not intent.msgid or intent.platform_request is None:
        raise ValueError("an intent needs its msgid and the exact bytes that will leave")
    return _received(intent, State.INTENDED)


def recorded(intent: Intent, outcome: Outcome) -> Exchange:
    """The row of an exchange that is written once, in its final state, still without id. Raises ValueError on another state."""
    if outcome.state not in RECORDED:
        raise ValueError(f"{outcome.state} is not final")
    row = _received(intent, outcome.state)
    return replace(row, **ended(outcome), keys=key_pairs(intent.keys, outcome.keys))


def ended(outcome: Outcome) -> dict[str, Any]:
    """What ``outcome`` changes in a row, by column, apart from keys and bytes."""
    return {
        "state": State(outcome.state),
        "finished_at": from_ms(to_ms(outcome.finished_at)),
        "infcode": short(outcome.infcode, "infcode"),
        "inf_refmsgid": short(outcome.inf_refmsgid, "inf_refmsgid"),
        "err_msg": plain(outcome.err_msg),
        "warn_msg": plain(outcome.warn_msg),
        "code": short(outcome.code, "code"),
        "elapsed_ms": outcome.elapsed_ms,
        "next_try_at": None,
        "reply": "",
        "reply_at": None,
    }


def resolved(before: Exchange, outcome: Outcome) -> Exchange:
    """The row after its doubt was settled: how long the platform was waited for stays as it was."""
    keys = key_pairs(before.keys, outcome.keys)
    return replace(before, **{**ended(outcome), "elapsed_ms": before.elapsed_ms}, keys=keys)


def check_edge(row: Exchange | None, exchange_id: int, to: State, *, of: Collection[State]) -> Exchange:
    """``row`` when it is in one of the states ``of`` and may move to ``to``. Raises ValueError otherwise."""
    if row is None:
        raise ValueError(f"no exchange {exchange_id}")
    if row.state not in of or not may_move(row.state, to):
        raise ValueError(f"exchange {exchange_id}: no way from {row.state} to {to}")
    return row


def check_reply(reply: str) -> str:
    """``reply`` when it is one of the two that may be kept. Raises ValueError otherwise."""
    if reply not in (WRITTEN, BROKEN):
        raise ValueError(f"a reply is {WRITTEN} or {BROKEN}, not {reply!r}")
    return reply


def busy_keys(intent: Intent) -> tuple[str, ...]:
    """Every key that the exchange holds while it is open, sorted so that two never wait for each other."""
    given = intent.busy_keys or ((intent.business_key,) if intent.business_key else ())
    return tuple(sorted({identity(key, "business_key") for key in given}))


def overtaken_by(intent: Intent, newest: int | None) -> int | None:
    """``newest``, of the exchanges that are the same, where it has come since whoever begins this one looked for it."""
    looked = intent.request_id is None and intent.seen is not None
    return newest if looked and newest and newest != intent.seen else None


def visit_of(row: Exchange) -> tuple[str, frozenset[str]]:
    """Kind and values of the keys by which ``row`` finds what it ends; kind "" when it names no visit."""
    for kind in VISIT_KINDS:
        if values := frozenset(value for name, value in row.keys if name == kind):
            return kind, values
    return "", frozenset()


def same_settlement(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of ``setl_id`` may mean the same settlement: where one side names none, nothing parts them."""
    first, second = set(one), set(other)
    return not first or not second or bool(first & second)


def check_block(now: datetime, count: int) -> int:
    """The first slot of ``now``'s second. Raises ValueError on a count outside 1 to 10,000 or a naive time."""
    if not 1 <= count <= BLOCK_COUNT_MAX:
        raise ValueError(f"a block holds 1 to {BLOCK_COUNT_MAX} numbers, not {count}")
    return to_ms(now) // 1000 * SLOTS_PER_SECOND


def check_limit(limit: int) -> int:
    """``limit`` when a page may have that many rows. Raises ValueError outside 1 to 1,000."""
    if not 1 <= limit <= SEARCH_LIMIT_MAX:
        raise ValueError(f"a page holds 1 to {SEARCH_LIMIT_MAX} rows, not {limit}")
    return limit


def _received(intent: Intent, state: State) -> Exchange:
    return Exchange(
        id=0,
        infno=short(intent.infno, "infno"),
        state=state,
        safety=short(intent.safety, "safety"),
        client=identity(intent.client, "client"),
        channel=short(intent.channel, "channel"),
        institution=identity(intent.institution, "institution"),
        province=short(intent.province, "province"),
        msgid=identity_or_none(intent.msgid, "msgid"),
        request_id=identity_or_none(intent.request_id, "request_id"),
        content_hash=short(intent.content_hash, "content_hash"),
        opter=short(intent.opter, "opter"),
        mapping_version=short(intent.mapping_version, "mapping_version"),
        received_at=from_ms(to_ms(intent.received_at)),
        finished_at=None,
        infcode="",
        inf_refmsgid="",
        err_msg="",
        warn_msg="",
        code="",
        elapsed_ms=0,
        node=identity(intent.node, "node"),
        epoch=intent.epoch,
        business_key=identity(intent.business_key, "business_key"),
        keys=key_pairs(intent.keys),
    )
