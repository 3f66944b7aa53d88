"""The journal in tables: ``gateway.exchange.ports.Journal`` on any backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, Row, Select

from gateway.exchange import entries
from gateway.exchange.ports import (
    Bodies,
    BodiesAway,
    Busy,
    Exchange,
    InForce,
    Intent,
    JournalUnavailable,
    MsgidBlock,
    Outcome,
    Proof,
    ProofKind,
    Query,
    RequestIdTaken,
    Resent,
    ResentAlready,
    State,
)
from gateway.exchange.states import FREE, OPEN, UNRESOLVED
from gateway.protect import Sealing
from gateway.store import _sealed as protection
from gateway.store import statements as sql
from gateway.store._backend import Backend, one_at_a_time
from gateway.store._keys import must_be_protected_too, must_know_every_version, sealing_of
from gateway.store.archive import Archive
from gateway.store.retention_tables import WRITTEN
from gateway.store.stays import NOBODY, SqlStays, adopt, adoption_rows, begin_facts, confirm_facts, fact_rows
from gateway.store.tables import exchange

_COLUMNS = tuple(column.name for column in exchange.columns if column.name not in ("id", "sealed", "key_version"))
_MOVED = tuple(dict.fromkeys((*sql.OUTCOME_COLUMNS, *protection.COLUMNS, *protection.PLACE)))
"""What the end of an exchange changes, and what it is sealed with and by."""
_TIMES = ("received_at", "finished_at", "next_try_at", "reply_at")
_NONE_AS_IT_IS = frozenset({"msgid", "request_id", "finished_at", "next_try_at", "undone_by", "reply_at"})


class SqlJournal:
    """The durable record in tables. Arguments, results and errors are those of the port.

    Args:
        archive: where bodies lie that have left the tables; None where none have.
    """

    def __init__(self, backend: Backend, archive: Archive | None = None) -> None:
        self._backend = backend
        self._archive = archive
        self.stays = SqlStays(backend)

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        held = {"client": entries.identity(client, "client"), "request_id": entries.identity(request_id, "request_id")}
        return self._backend.read(lambda connection: _one(connection, connection.execute(sql.FIND_REQUEST, held).all()))

    def find_same(self, infno: str, business_key: str, content_hash: str) -> Exchange | None:
        named = entries.short(infno, "infno"), entries.identity(business_key, "business_key"), content_hash
        return self._backend.read(lambda connection: _found(connection, sql.FIND_SAME, _same(connection, *named)))

    def find_busy(self, business_key: str) -> Exchange | None:
        keys = [entries.identity(business_key, "business_key")]
        return self._backend.read(lambda connection: _busy_holder(connection, keys))

    def intend(self, intent: Intent) -> Exchange:
        row, keys = entries.intended(intent), entries.busy_keys(intent)
        bodies = [
            _packed("caller_request", intent.caller_request, intent.caller_charset),
            _packed("platform_request", intent.platform_request),
            _packed("wire_request", intent.wire_request),
        ]
        facts, evidence = fact_rows(intent.stay), [_proof_row(proof) for proof in intent.evidence]

        def job(connection: Connection) -> Exchange:
            _must_be_the_first(connection, intent.resends)
            held_by = _free_holder(connection, row, intent.seen)
            _may_begin(connection, row, keys, intent)
            written = _insert(connection, row, bodies)
            _take_request(connection, written, held_by)
            if keys:
                # in the order of what stands in the table, so that two never wait for each other
                held = sorted(map(sealing_of(connection).fence, keys))
                connection.execute(sql.INSERT_BUSY, [{"business_key": key, "exchange_id": written.id} for key in held])
            _link(connection, written, intent.resends)
            begin_facts(connection, written.id, intent.stay, facts, intent.stay_versions)
            _insert_proofs(connection, written.id, evidence, after=0)
            # with the key in hand: the same may have come and gone on another node since the first look; where all
            # writes are in one line nothing comes between two statements
            if not one_at_a_time(connection):
                _must_not_be_in_force(connection, written, intent)
            return written

        return self._backend.write(job)

    def finish(self, exchange_id: int, outcome: Outcome, begun: Exchange | None = None) -> Exchange:
        bodies = _answer_bodies(outcome)
        facts = fact_rows(outcome.stay)

        def job(connection: Connection) -> Exchange:
            row = begun or _get(connection, exchange_id)
            before = entries.check_edge(row, exchange_id, outcome.state, of=(State.INTENDED,))
            keys = entries.key_pairs(before.keys, outcome.keys)
            after = replace(before, **entries.ended(outcome), keys=keys)
            _close(connection, before, after, outcome, facts)
            _insert_bodies(connection, exchange_id, bodies)
            return after

        return self._backend.write(job)

    def resolve(self, exchange_id: int, outcome: Outcome, proofs: Sequence[Proof] = ()) -> Exchange:
        body = _packed("proof_answer", outcome.proof_answer)
        evidence, facts = [_proof_row(proof) for proof in proofs], fact_rows(outcome.stay)

        def job(connection: Connection) -> Exchange:
            before = entries.check_edge(_get(connection, exchange_id), exchange_id, outcome.state, of=UNRESOLVED)
            after = entries.resolved(before, outcome)
            _close(connection, before, after, outcome, facts)
            _insert_bodies(connection, exchange_id, [body])
            _insert_proofs(connection, exchange_id, evidence)
            return after

        return self._backend.write(job)

    def add_proof(self, exchange_id: int, proof: Proof) -> None:
        evidence = [_proof_row(proof)]

        def job(connection: Connection) -> None:
            if _get(connection, exchange_id) is None:
                raise ValueError(f"no exchange {exchange_id}")
            _insert_proofs(connection, exchange_id, evidence)

        self._backend.write(job)

    def proofs(self, exchange_id: int) -> list[Proof]:
        which = {"exchange_id": exchange_id}

        def job(connection: Connection) -> list[Proof]:
            return [_proof(sealing_of(connection), row) for row in connection.execute(sql.PROOFS, which)]

        return self._backend.read(job)

    def doubts(self, due: datetime, limit: int = 100) -> list[Exchange]:
        return self._page(sql.DOUBTS, {"due": entries.to_ms(due), "count": entries.check_limit(limit)})

    def postpone(self, exchange_id: int, tries: int, next_try_at: datetime) -> bool:
        values = {
            "exchange_id": exchange_id,
            "tries_before": tries,
            "new_tries": tries + 1,
            "new_next_try_at": entries.to_ms(next_try_at),
        }
        return self._backend.write(lambda connection: connection.execute(sql.POSTPONE, values).rowcount) == 1

    def mark_replies(self, replies: Sequence[tuple[int, str, datetime]]) -> None:
        marks = [
            {"exchange_id": number, "new_reply": entries.check_reply(reply), "new_reply_at": entries.to_ms(at)}
            for number, reply, at in replies
        ]
        if marks:
            self._backend.write(lambda connection: connection.execute(sql.MARK_REPLY, marks).rowcount)

    def untold(self, since: datetime, before: datetime, limit: int = 100) -> list[Exchange]:
        bounds = {"since": entries.to_ms(since), "before": entries.to_ms(before)}
        return self._page(sql.UNTOLD, {**bounds, "count": entries.check_limit(limit)})

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        row = entries.recorded(intent, outcome)
        bodies = [
            _packed("caller_request", intent.caller_request, intent.caller_charset),
            _packed("platform_request", intent.platform_request),
            *_answer_bodies(outcome),
        ]
        facts, evidence = fact_rows(outcome.stay or intent.stay), [_proof_row(proof) for proof in intent.evidence]
        adopted = adoption_rows(outcome.adopts)

        def job(connection: Connection) -> Exchange:
            _must_be_the_first(connection, intent.resends)
            written = _insert(connection, row, bodies)
            _link(connection, written, intent.resends)
            _insert_proofs(connection, written.id, evidence, after=0)
            if facts and row.state is State.CONFIRMED:
                confirm_facts(connection, written, facts, ())
            if row.request_id:
                held_by = _holder(connection, row)
                if held_by is None or _gives_way(held_by):
                    _take_request(connection, written, held_by)
            if adopted:
                adopt(connection, outcome.adopts, adopted)
            return written

        return self._backend.write(job)

    def resends(self, exchange_id: int) -> Resent:
        def job(connection: Connection) -> Resent:
            original = connection.execute(sql.RESENDS, {"exchange_id": exchange_id}).scalar()
            return Resent(original, connection.execute(sql.RESENT_AS, {"original_id": exchange_id}).scalar())

        return self._backend.read(job)

    def get(self, exchange_id: int) -> Exchange | None:
        return self._backend.read(lambda connection: _get(connection, exchange_id))

    def bodies(self, exchange_id: int) -> Bodies | None:
        which = {"exchange_id": exchange_id}

        def job(connection: Connection) -> Bodies | None:
            found = connection.execute(sql.BODIES, which).all()
            if found and found[0].kind is None and (away := connection.execute(sql.ARCHIVED, which).one_or_none()):
                return _archived(self._archive, sealing_of(connection), exchange_id, away)
            return _bodies(sealing_of(connection), exchange_id, found) if found else None

        return self._backend.read(job)

    def search(self, query: Query) -> list[Exchange]:
        def job(connection: Connection) -> list[Exchange]:
            sealing = sealing_of(connection)
            page = read_page(connection, sql.search(query, sealing.searched, place_of(connection, query)), {})
            if query.keys:
                must_know_every_version(connection, sealing)
            return page

        return self._backend.read(job)

    def _page(self, statement: Select[Any], values: Mapping[str, Any]) -> list[Exchange]:
        return self._backend.read(lambda connection: read_page(connection, statement, values))

    def count_by_state(self, since: datetime) -> Mapping[str, int]:
        after = {"since": entries.to_ms(since)}
        found = self._backend.read(lambda connection: connection.execute(sql.COUNT_BY_STATE, after).all())
        return {row.state: row.rows_counted for row in found}

    def next_msgids(self, institution: str, now: datetime, count: int) -> MsgidBlock:
        earliest = entries.check_block(now, count)
        of = entries.identity(institution, "institution")

        def job(connection: Connection) -> MsgidBlock:
            stored = connection.execute(sql.LOCK_HIGH, {"institution": of}).scalar()
            first = max(earliest, stored or 0)
            _raise_high(connection, of, stored, first + count)
            return MsgidBlock(institution, first, first + count)

        return self._backend.write(job)

    def ready(self) -> bool:
        try:
            self._backend.write(lambda connection: connection.execute(sql.TOUCH).rowcount)
        except JournalUnavailable:
            return False
        return self._backend.room()


def place_of(connection: Connection, query: Query) -> int | None:
    """Where the page of ``query`` begins in the order of time; None where its number alone says so."""
    if query.before_id is None or not query.by_time:
        return None
    found: int | None = connection.execute(sql.PLACE, {"before_id": query.before_id}).scalar()
    # before the first row there is nothing
    return -1 if found is None else found


def read_page(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> list[Exchange]:
    page = connection.execute(statement, values).all()
    keys: dict[int, list[tuple[str, str]]] = {row.id: [] for row in page if row.sealed is None}
    for key in connection.execute(sql.KEYS_OF, {"ids": list(keys)}) if keys else ():
        keys[key.exchange_id].append((key.kind, key.value))
    sealing = sealing_of(connection)
    return [_exchange(sealing, row._mapping, keys.get(row.id, ())) for row in page]


def _get(connection: Connection, exchange_id: int) -> Exchange | None:
    return _one(connection, connection.execute(sql.GET, {"exchange_id": exchange_id}).all())


def _holder(connection: Connection, row: Exchange) -> Exchange | None:
    """The exchange that holds the request_id of ``row``, its key locked until the end of the transaction."""
    held = {"client": row.client, "request_id": row.request_id}
    exchange_id = connection.execute(sql.LOCK_REQUEST_KEY, held).scalar()
    return None if exchange_id is None else _get(connection, exchange_id)


def _gives_way(holder: Exchange) -> bool:
    """Whether the ``request_id`` of ``holder`` may be used anew."""
    return holder.state in FREE or (holder.state is State.CONFIRMED and holder.undone_by is not None)


def _free_holder(connection: Connection, row: Exchange, seen: int | None) -> Exchange | None:
    held_by = _holder(connection, row) if row.request_id else None
    if held_by is not None and (not _gives_way(held_by) or seen not in (None, held_by.id)):
        raise RequestIdTaken(held_by)
    return held_by


def _same(connection: Connection, infno: str, business_key: str, content_hash: str, not_id: int = 0) -> dict[str, Any]:
    sealing = sealing_of(connection)
    return {
        "infno": infno,
        "business_keys": list(sealing.fences(business_key)),
        "content_hashes": list(sealing.fences(content_hash)),
        "not_id": not_id,
    }


def _busy_holder(connection: Connection, keys: Sequence[str]) -> Exchange | None:
    forms = [form for key in keys for form in sealing_of(connection).fences(key)]
    return _found(connection, sql.BUSY_HOLDER, {"keys": forms})


def _must_not_be_in_force(connection: Connection, row: Exchange, intent: Intent) -> None:
    if not intent.once:
        return
    wanted = _same(connection, row.infno, row.business_key, row.content_hash, row.id)
    in_force, newest = connection.execute(sql.NEWEST_SAME, wanted).one()
    _must_not_stand(connection, in_force or entries.overtaken_by(intent, newest))


def _must_not_stand(connection: Connection, exchange_id: int | None) -> None:
    if exchange_id is not None and (holder := _get(connection, exchange_id)):
        raise InForce(holder)


def _may_begin(connection: Connection, row: Exchange, keys: Sequence[str], intent: Intent) -> None:
    """Raises InForce, Busy; JournalUnavailable where the store is protected and this process has no keys."""
    sealing = sealing_of(connection)
    forms = [form for key in keys for form in sealing.fences(key)]
    wanted = {**_same(connection, row.infno, row.business_key, row.content_hash), "keys": forms or [NOBODY]}
    found = [
        (one.what, one.number) for one in connection.execute(sql.MAY_BEGIN, wanted).all() if one.number is not None
    ]
    must_be_protected_too(sealing, [number for what, number in found if what == sql.PROTECTED])
    holders = dict(found)
    if intent.once:
        _must_not_stand(connection, holders.get(sql.IN_FORCE) or entries.overtaken_by(intent, holders.get(sql.NEWEST)))
    if sql.BUSY in holders and (holder := _get(connection, holders[sql.BUSY])):
        raise Busy(holder)


def _found(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> Exchange | None:
    """The exchange whose id ``statement`` finds."""
    exchange_id = connection.execute(statement, values).scalar()
    return None if exchange_id is None else _get(connection, exchange_id)


def _close(
    connection: Connection, before: Exchange, after: Exchange, outcome: Outcome, facts: Sequence[dict[str, Any]]
) -> None:
    """Move the row, free its keys when it is closed, end what its confirmation ends."""
    _move(connection, before, after)
    _insert_keys(connection, after, sorted(set(after.keys) - set(before.keys)))
    if after.state not in OPEN:
        connection.execute(sql.FREE_BUSY, {"held_by": after.id})
    if after.state is State.CONFIRMED:
        confirm_facts(connection, after, facts, _end_others(connection, after, outcome))


def _end_others(connection: Connection, row: Exchange, outcome: Outcome) -> list[int]:
    """Ids of the exchanges that are in force no more, or again."""
    ids = _ended_ids(connection, row, outcome.ends) if outcome.ends else []
    if outcome.ends_msgid:
        of = {"of_msgid": entries.identity(outcome.ends_msgid, "msgid")}
        for exchange_id in connection.execute(sql.ENDED_MSGID, of).scalars().all():
            connection.execute(sql.REDO, {"was_undone_by": exchange_id})
            ids.append(exchange_id)
    if ids:
        connection.execute(sql.UNDO, {"ids": ids, "new_undone_by": row.id})
    return ids


def _ended_ids(connection: Connection, row: Exchange, infnos: Sequence[str]) -> list[int]:
    kind, values = entries.visit_of(row)
    wanted: dict[str, Any] = {"infnos": list(infnos), "institution": row.institution or None, "ended_by": row.id}
    statement: Executable = sql.ENDED_ALL
    if kind:
        forms = [form for value in sorted(values) for form in sealing_of(connection).searched(kind, value)]
        statement, wanted = sql.ENDED_BY_KEY, {**wanted, "key_kind": kind, "key_values": forms}
    found = connection.execute(statement, wanted).all()
    ids = [one.number for one in found if one.what == sql.ENDED]
    if kind:
        versions = [one.number for one in found if one.what == sql.PROTECTED]
        must_know_every_version(connection, sealing_of(connection), versions)
    mine = _settlements(row)
    others = read_page(connection, sql.ROWS, {"ids": ids}) if ids else []
    return [found.id for found in others if entries.same_settlement(mine, _settlements(found))]


def _settlements(row: Exchange) -> set[str]:
    return {value for kind, value in row.keys if kind == "setl_id"}


def _proof_row(proof: Proof) -> dict[str, Any]:
    """A row of ``proof`` still without exchange and number; packed in the caller's thread."""
    return {
        "at": entries.to_ms(proof.at),
        "kind": proof.kind.value,
        "detail": entries.plain(proof.detail) or None,
        "infno": entries.short(proof.infno, "infno") or None,
        "msgid": entries.identity_or_none(proof.msgid, "msgid"),
        "request": None if proof.request is None else protection.packed(proof.request),
        "answer": None if proof.answer is None else protection.packed(proof.answer),
    }


def _insert_proofs(
    connection: Connection, exchange_id: int, evidence: Sequence[dict[str, Any]], after: int | None = None
) -> None:
    """Keep lines of evidence behind those there are; ``after`` is the number of the last where the caller knows it."""
    if evidence:
        last: int = (
            connection.execute(sql.LAST_SEQ, {"exchange_id": exchange_id}).scalar_one() if after is None else after
        )
        sealing = sealing_of(connection)
        rows = [protection.sealed_proof(sealing, exchange_id, last + n, row) for n, row in enumerate(evidence, 1)]
        connection.execute(sql.INSERT_PROOF, rows)


def _proof(sealing: Sealing, row: Any) -> Proof:
    kept = protection.opened_proof(sealing, row)
    place = f"exchange {row.exchange_id} (proof {row.seq})"
    return Proof(
        kind=ProofKind(row.kind),
        at=entries.from_ms(row.at),
        detail=kept["detail"],
        infno=row.infno or "",
        msgid=row.msgid or "",
        request=None if kept["request"] is None else protection.unpacked(place, kept["request"]),
        answer=None if kept["answer"] is None else protection.unpacked(place, kept["answer"]),
    )


def _take_request(connection: Connection, row: Exchange, held_by: Exchange | None) -> None:
    """Make ``row`` the holder of its request_id after ``held_by``. The primary key or the compare-and-set decides races."""
    if row.request_id is None:
        return
    if held_by is None:
        values = {"client": row.client, "request_id": row.request_id, "exchange_id": row.id}
        connection.execute(sql.INSERT_REQUEST_KEY, values)
        return
    passed = connection.execute(
        sql.PASS_REQUEST_KEY,
        {"key_client": row.client, "key_request_id": row.request_id, "held_by": held_by.id, "taken_by": row.id},
    )
    if passed.rowcount != 1:
        raise JournalUnavailable("another exchange took this request_id at the same moment")


def _must_be_the_first(connection: Connection, original: int | None) -> None:
    """Raises ResentAlready; of two at the same moment the primary key stops one, which is run again and meets the other."""
    again = None if original is None else connection.execute(sql.RESENT_AS, {"original_id": original}).scalar()
    if again is not None:
        raise ResentAlready(again)


def _link(connection: Connection, row: Exchange, original: int | None) -> None:
    if original is not None:
        connection.execute(sql.INSERT_RESEND, {"original_id": original, "exchange_id": row.id})


def _insert(connection: Connection, row: Exchange, bodies: Iterable[dict[str, Any] | None]) -> Exchange:
    values = {name: column(getattr(row, name)) for name in _COLUMNS}
    values |= protection.sealed_columns(sealing_of(connection), values, row.keys)
    inserted = connection.execute(sql.INSERT_EXCHANGE, values).inserted_primary_key
    assert inserted is not None
    written = replace(row, id=inserted[0])
    _insert_bodies(connection, written.id, bodies)
    _insert_keys(connection, written, row.keys)
    return written


def _insert_bodies(connection: Connection, exchange_id: int, bodies: Iterable[dict[str, Any] | None]) -> None:
    sealing = sealing_of(connection)
    given = [protection.sealed_body(sealing, exchange_id, body) for body in bodies if body is not None]
    if given:
        connection.execute(sql.INSERT_BODY, given)


def _insert_keys(connection: Connection, row: Exchange, keys: Sequence[tuple[str, str]]) -> None:
    if keys:
        of = {name: column(getattr(row, name)) for name in ("id", "received_at", "infno")}
        connection.execute(sql.INSERT_KEY, protection.key_rows(sealing_of(connection), of, keys))


def _move(connection: Connection, before: Exchange, after: Exchange) -> None:
    values = {name: column(getattr(after, name)) for name in _MOVED}
    values |= protection.sealed_columns(sealing_of(connection), values, after.keys)
    changed: dict[str, Any] = {f"new_{name}": values[name] for name in (*sql.OUTCOME_COLUMNS, "sealed", "key_version")}
    where = {"exchange_id": before.id, "state_before": before.state.value}
    if connection.execute(sql.FINISH, {**changed, **where}).rowcount != 1:
        raise ValueError(f"exchange {before.id} was finished by another at the same moment")


def _raise_high(connection: Connection, institution: str, seen: int | None, raised: int) -> None:
    if seen is None:
        connection.execute(sql.INSERT_HIGH, {"institution": institution, "next_slot": raised})
        return
    values = {"of_institution": institution, "seen": seen, "raised": raised}
    if connection.execute(sql.RAISE_HIGH, values).rowcount != 1:
        raise JournalUnavailable("another node reserved numbers at the same moment")


def column(value: Any) -> Any:
    """A value as it is stored. Nearly all are texts, and a row has thirty, so these are told by their type."""
    if type(value) is str:
        return value or None
    if isinstance(value, State):
        return value.value
    return entries.to_ms(value) if isinstance(value, datetime) else value


def _one(connection: Connection, found: Sequence[Row[Any]]) -> Exchange | None:
    if not found:
        return None
    keys = [(row.kind, row.value) for row in found if row.kind is not None]
    return _exchange(sealing_of(connection), found[0]._mapping, keys)


def _exchange(sealing: Sealing, row: Mapping[Any, Any], keys: Iterable[tuple[str, str]]) -> Exchange:
    texts, sealed_keys = protection.opened(sealing, row)
    values = {name: _value(name, texts.get(name, row[name])) for name in _COLUMNS}
    return Exchange(id=row["id"], **values, keys=tuple(sorted(keys if sealed_keys is None else sealed_keys)))


def _value(name: str, stored: Any) -> Any:
    if name == "state":
        return State(stored)
    if stored is None:
        return None if name in _NONE_AS_IT_IS else 0 if name in ("tries", "epoch") else ""
    return entries.from_ms(stored) if name in _TIMES else stored


def _packed(kind: str, body: bytes | None, charset: str | None = None) -> dict[str, Any] | None:
    """A row of ``exchange_body`` still without exchange, or None for no bytes. Packed here, by the caller's thread, not the writer's."""
    if body is None:
        return None
    return {
        "kind": kind,
        "packed": protection.packed(body),
        "raw_size": len(body),
        "charset": entries.short(charset, "charset") if charset else None,
    }


def _answer_bodies(outcome: Outcome) -> list[dict[str, Any] | None]:
    wire = outcome.wire
    return [
        _packed("platform_answer", outcome.platform_answer),
        _packed("wire_request", wire.request if wire else None),
        _packed("wire_answer", wire.answer if wire else None),
    ]


def _bodies(sealing: Sealing, exchange_id: int, found: Sequence[Any]) -> Bodies:
    by_kind = {row.kind: row for row in found if row.kind is not None}
    caller = by_kind.get("caller_request")
    return Bodies(
        caller_request=_unpacked(sealing, exchange_id, caller),
        caller_charset=(caller.charset or "") if caller is not None else "",
        platform_request=_unpacked(sealing, exchange_id, by_kind.get("platform_request")),
        platform_answer=_unpacked(sealing, exchange_id, by_kind.get("platform_answer")),
        proof_answer=_unpacked(sealing, exchange_id, by_kind.get("proof_answer")),
        wire_request=_unpacked(sealing, exchange_id, by_kind.get("wire_request")),
        wire_answer=_unpacked(sealing, exchange_id, by_kind.get("wire_answer")),
    )


def _archived(archive: Archive | None, sealing: Sealing, exchange_id: int, away: Any) -> Bodies:
    if away.state != WRITTEN:
        return Bodies(None, "", None, None, None, gone="报文已过保存期，已按期删除")
    if archive is None:
        raise BodiesAway(f"报文在归档文件 {away.name} 中，而配置没有写明归档文件夹 [retention] archive")
    return _bodies(sealing, exchange_id, archive.read(away.name, exchange_id, sealing, away.key_version))


def _unpacked(sealing: Sealing, exchange_id: int, row: Any) -> bytes | None:
    if row is None:
        return None
    kept = sealing.open(protection.body_place(exchange_id, row.kind), row.packed, row.key_version)
    body = protection.unpacked(f"exchange {exchange_id} ({row.kind})", kept)
    if len(body) != row.raw_size:
        raise JournalUnavailable(f"the bytes of exchange {exchange_id} ({row.kind}) are incomplete")
    return body
