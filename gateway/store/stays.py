"""What is kept about stays, in tables: ``gateway.stays.ports.StayRecords`` on any backend, and its part in a journal's commits."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, SelectBase, Table

from gateway.contract.jsontext import dumps, loads
from gateway.exchange import entries
from gateway.exchange.ports import Exchange, JournalUnavailable, State
from gateway.faults import Unreadable
from gateway.stays import assemble
from gateway.stays.assemble import STAY_INFNOS, Elsewhere, FactRow, Link, Names, Rows
from gateway.stays.history import Acknowledged, Adopted, Approved, EarlierEnd, Extracted, Facts, Record, WardEvent
from gateway.stays.ports import (
    Adoption,
    Known,
    StayChanged,
    StayFact,
    StayRef,
    Told,
    Versions,
    names_of,
    names_of_facts,
)
from gateway.store import stay_statements as sql
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.stay_tables import adoption, fee_approval, hospital_record, stay_fact, ward_event

PACK_LEVEL = 3
NOBODY = "-"
"""Stands where a name is not known: Oracle takes empty text for NULL."""
LOADS_MAX = 5
"""Times that a history is read again because a name turned up while it was read."""
NAMES_AT_ONCE = 500
"""Names in one statement; Oracle takes 1,000 at most."""
_EVENT_TEXTS = ("ward_code", "ward_name", "event_time", "recorded_time", "operator")


class SqlStays:
    """The records of stays in tables. Arguments, results and errors are those of the port."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def known(self, ref: StayRef) -> Known:
        return self._backend.read(lambda connection: _known(Veiled(connection), ref))

    def tell(
        self, ipt_no: str, mdtrt_id: str, event: WardEvent, client: str, judged_at: Versions | None = None
    ) -> Told:
        row = _event_row(ipt_no, mdtrt_id, event, client)
        same = {name: row[name] for name in ("ipt_no", "event_id", "kind")}
        compared = ("mdtrt_id", "reason", *_EVENT_TEXTS)

        def job(connection: Connection) -> Told:
            veiled = Veiled(connection)
            names = names_of(StayRef(ipt_no, mdtrt_id))
            _hold(veiled, names, judged_at or {})
            last = veiled.execute(sql.LAST_EVENT, same).mappings().first()
            if last is not None and all(last[name] == row[name] for name in compared):
                return "same"
            serial = veiled.execute(sql.INSERT_EVENT, row).inserted_primary_key[0]
            raise_versions(veiled, names)
            note_change(veiled, [StayRef(ipt_no, mdtrt_id)], "ward", serial, row["received_at"])
            return "corrected" if last is not None else "new"

        return self._backend.write(job)

    def keep(self, ipt_no: str, record: Record, client: str) -> Told:
        row = _record_row(ipt_no, record, client)
        same = {name: row[name] for name in ("ipt_no", "kind", "version")}

        def job(connection: Connection) -> Told:
            veiled = Veiled(connection)
            names = names_of(StayRef(ipt_no))
            _lock(veiled, names)
            last = veiled.execute(sql.LAST_RECORD, same).mappings().first()
            if last is not None and last["content"] == veiled.veiled(row)["content"]:
                return "same"
            veiled.execute(sql.INSERT_RECORD, row)
            raise_versions(veiled, names)
            return "corrected" if last is not None else "new"

        return self._backend.write(job)

    def adopt(self, ref: StayRef, psn_no: str, adopted: Adopted) -> None:
        told = [Adoption(ref, psn_no, adopted)]
        rows = adoption_rows(told)
        self._backend.write(lambda connection: adopt(connection, told, rows))

    def approve(self, ipt_no: str, approved: Approved, judged_at: Versions) -> None:
        row = {
            "ipt_no": entries.identity(ipt_no, "ipt_no"),
            "cut": entries.short(approved.cut, "event_time"),
            "operator": entries.short(approved.operator, "operator") or None,
            "received_at": entries.to_ms(approved.at),
            "digest": approved.content or None,
        }

        def job(connection: Connection) -> None:
            veiled = Veiled(connection)
            names = names_of(StayRef(ipt_no))
            _hold(veiled, names, judged_at)
            veiled.execute(sql.INSERT_APPROVAL, row)
            raise_versions(veiled, names)

        self._backend.write(job)

    def extracted(self, ipt_no: str, extracted: Extracted) -> None:
        row = {
            "ipt_no": entries.identity(ipt_no, "ipt_no"),
            "client": entries.identity(extracted.client, "client"),
            "operator": entries.short(extracted.operator, "operator") or None,
            "cut": extracted.cut,
            "rows_in": extracted.rows_in,
            "total_in": extracted.total_in,
            "digest": extracted.content,
            "received_at": entries.to_ms(extracted.at),
        }
        self._backend.write(lambda connection: Veiled(connection).execute(sql.INSERT_EXTRACTION, row).rowcount)

    def extractions(self, ipt_no: str) -> list[Extracted]:
        wanted = {"ipt_no": entries.identity(ipt_no, "ipt_no")}
        found = self._backend.read(lambda connection: Veiled(connection).execute(sql.EXTRACTIONS, wanted).all())
        last = {row.client: _extracted(row) for row in found}
        return [last[client] for client in sorted(last)]

    def operations(self, ipt_nos: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], ...]]:
        """Operations of many stays as the hospital told them last, by 住院号; for lists, in few statements."""
        wanted = sorted({entries.identity(ipt_no, "ipt_no") for ipt_no in ipt_nos})

        def job(connection: Connection) -> dict[str, tuple[Mapping[str, Any], ...]]:
            veiled = Veiled(connection)
            rows = (row for part in parts(wanted) for row in veiled.execute(sql.OPERATIONS, {"ipt_nos": part}))
            return {row.ipt_no: _record(row).rows for row in rows}  # the newest comes last

        return self._backend.read(job)

    # ------------------------------------------------------- facts of the past

    def unfilled(self, infnos: Sequence[str], count: int) -> list[int]:
        """Exchanges of before there were facts, newest first, whose facts are still to be made; empty when all have been."""

        def job(connection: Connection) -> list[int]:
            veiled = Veiled(connection)
            below = veiled.execute(sql.BACKFILL_BELOW).scalar()
            if below is None:
                return []
            wanted = {"below": below, "infnos": list(infnos), "count": count}
            return list(veiled.execute(sql.UNFILLED, wanted).scalars().all())

        return self._backend.read(job)

    def fill(self, facts: Mapping[int, Sequence[StayFact]], *, done: bool) -> None:
        """Keep the facts of exchanges that :meth:`unfilled` named; ``done`` when there are no more."""
        rows = {exchange_id: fact_rows(given) for exchange_id, given in facts.items()}

        def job(connection: Connection) -> None:
            veiled = Veiled(connection)
            for exchange_id, given in rows.items():
                _replace_facts(veiled, exchange_id, given)
            if done:
                veiled.execute(sql.END_BACKFILL)
            else:
                veiled.execute(sql.LOWER_BACKFILL, {"new_below": min(rows)})

        self._backend.write(job)


# ------------------------------------------------------------------ reading


def parts(names: Sequence[str]) -> list[Sequence[str]]:
    """As many at a time as one statement takes."""
    return [names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE)]


class _Kept(NamedTuple):
    """What is kept under some names: their versions, and the tables that have anything."""

    versions: dict[str, int]
    tables: frozenset[str]


def _known(connection: Veiled, ref: StayRef) -> Known:
    told = Names(ref.mdtrt_id, (ref.ipt_no,) if ref.ipt_no else ())
    wanted = {"ipt_no": ref.ipt_no or NOBODY, "setl_id": ref.setl_id or NOBODY}
    named = {name: entries.identity(value, name) for name, value in wanted.items()}
    found = connection.execute(sql.LINKS_AND_KEPT, {**named, **_wanted(told), **_keys(told)}).all()
    links = [row for row in found if row.what == sql.LINK]
    names = assemble.names(
        ref, [Link(a or "", m, serial or 0, undone is not None) for _, a, m, serial, undone in links]
    )
    kept = _kept(told, found) if names == told else None
    for _ in range(LOADS_MAX):
        # versions first: what is kept after this shows in them
        kept = kept or _kept(names, connection.execute(sql.KEPT, {**_wanted(names), **_keys(names)}).all())
        rows = _rows(connection, names, kept.tables)
        seen = assemble.names(StayRef(ref.ipt_no, names.mdtrt_id or ref.mdtrt_id), assemble.links_of(rows))
        if set(seen.ipt_nos) <= set(names.ipt_nos) and seen.mdtrt_id == names.mdtrt_id:
            earlier = _earlier(connection, assemble.psn_no(names, rows), names.mdtrt_id)
            return Known(assemble.history(ref, names, rows, earlier), kept.versions)
        names, kept = Names(seen.mdtrt_id, tuple(sorted({*seen.ipt_nos, *names.ipt_nos}))), None
    raise JournalUnavailable(f"stay {ref} changes faster than it can be read")


def _wanted(names: Names) -> dict[str, Any]:
    return {
        "mdtrt_id": entries.identity(names.mdtrt_id or NOBODY, "mdtrt_id"),
        "ipt_nos": [entries.identity(ipt_no, "ipt_no") for ipt_no in names.ipt_nos or (NOBODY,)],
    }


def _keys(names: Names) -> dict[str, Any]:
    return {"names": [_key(name) for name in names.keys or (NOBODY,)]}


def _kept(names: Names, found: Iterable[Any]) -> _Kept:
    by_key = {_key(name): name for name in names.keys}
    versions = dict.fromkeys(names.keys, 0)
    tables = set()
    for row in found:
        if row.what == sql.VERSION:
            versions[by_key[row.ipt_no]] = row.serial
        elif row.what != sql.LINK and row.serial is not None:
            tables.add(row.what)
    return _Kept(versions, frozenset(tables))


def _rows(connection: Veiled, names: Names, tables: frozenset[str]) -> Rows:
    """What is kept under these names, in ``tables``; the others have nothing."""
    wanted = _wanted(names)
    of_number = {"ipt_nos": wanted["ipt_nos"]}

    def told(statement: SelectBase, about: Mapping[str, Any], table: Table) -> Sequence[Any]:
        found: Sequence[Any] = connection.execute(statement, about).all() if table.name in tables else ()
        return found

    return Rows(
        facts=[_fact(row) for row in told(sql.FACTS, wanted, stay_fact)],
        events=[(_ref(row), _event(row)) for row in told(sql.EVENTS, wanted, ward_event)],
        records=[(row.ipt_no, _record(row)) for row in told(sql.RECORDS, of_number, hospital_record)],
        adoptions=[(_ref(row), row.psn_no or "", _adopted(row)) for row in told(sql.ADOPTIONS, wanted, adoption)],
        approvals=[
            Approved(row.cut, entries.from_ms(row.received_at), row.operator or "", row.digest or "", row.id)
            for row in told(sql.APPROVALS, of_number, fee_approval)
        ],
    )


def _earlier(connection: Veiled, psn_no: str, mdtrt_id: str) -> list[EarlierEnd]:
    if not psn_no:
        return []
    wanted = {
        "psn_no": entries.identity(psn_no, "psn_no"),
        "mdtrt_id": mdtrt_id or NOBODY,
        "infnos": list(STAY_INFNOS),
    }
    return assemble.earlier_ends(
        Elsewhere(row.infno or "", row.mdtrt_id, row.ipt_no or "", unpacked(row.packed))
        for row in connection.execute(sql.OTHER_STAYS, wanted).all()
    )


def _ref(row: Any) -> StayRef:
    return StayRef(row.ipt_no or "", row.mdtrt_id or "")


def _fact(row: Any) -> FactRow:
    facts = unpacked(row.packed) if row.state == State.CONFIRMED.value else {}
    told = Acknowledged(
        exchange_id=row.exchange_id,
        infno=row.infno,
        state=row.state,
        received_at=entries.from_ms(row.received_at),
        undone_by=row.undone_by,
        finished_at=None if row.finished_at is None else entries.from_ms(row.finished_at),
        operator=row.opter or "",
        facts=facts,
    )
    return FactRow(StayFact(row.mdtrt_id or "", row.ipt_no or "", row.psn_no or "", row.setl_id or "", facts), told)


def _event(row: Any) -> WardEvent:
    texts = {name: getattr(row, name) or "" for name in ("reason", *_EVENT_TEXTS)}
    return WardEvent(row.event_id, row.kind, entries.from_ms(row.received_at), serial=row.id, **texts)


def _record(row: Any) -> Record:
    content = unpacked(row.packed)
    return Record(
        kind=row.kind,
        version=row.version,
        received_at=entries.from_ms(row.received_at),
        rows=tuple(content["rows"]),
        operator=row.operator or "",
        visit=content["visit"],
        serial=row.id,
    )


def _adopted(row: Any) -> Adopted:
    return Adopted(
        row.source,
        entries.from_ms(row.received_at),
        row.infno or "",
        unpacked(row.packed),
        after=row.after_exchange or 0,
    )


def _extracted(row: Any) -> Extracted:
    return Extracted(
        client=row.client,
        operator=row.operator or "",
        cut=row.cut,
        rows_in=row.rows_in,
        total_in=row.total_in,
        content=row.digest,
        at=entries.from_ms(row.received_at),
    )


# ------------------------------------------------------------------ writing


def _event_row(ipt_no: str, mdtrt_id: str, event: WardEvent, client: str) -> dict[str, Any]:
    return {
        "ipt_no": entries.identity(ipt_no, "ipt_no"),
        "mdtrt_id": entries.identity_or_none(mdtrt_id, "mdtrt_id"),
        "event_id": entries.identity(event.event_id, "event_id"),
        "kind": event.kind,
        **{name: entries.short(getattr(event, name), name) or None for name in _EVENT_TEXTS},
        "reason": entries.plain(event.reason) or None,
        "client": entries.identity_or_none(client, "client"),
        "received_at": entries.to_ms(event.received_at),
    }


def _record_row(ipt_no: str, record: Record, client: str) -> dict[str, Any]:
    content = {"rows": list(record.rows), "visit": dict(record.visit)}
    return {
        "ipt_no": entries.identity(ipt_no, "ipt_no"),
        "kind": record.kind,
        "version": record.version,
        "content": hashlib.sha256(dumps(content)).hexdigest(),
        "packed": packed(content),
        "operator": entries.short(record.operator, "operator") or None,
        "client": entries.identity_or_none(client, "client"),
        "received_at": entries.to_ms(record.received_at),
    }


def fact_rows(facts: Iterable[StayFact]) -> list[dict[str, Any]]:
    """Rows of ``stay_fact`` still without exchange; packed in the caller's thread."""
    return [
        {
            "seq": seq,
            "mdtrt_id": entries.identity_or_none(one.mdtrt_id, "mdtrt_id"),
            "ipt_no": entries.identity_or_none(one.ipt_no, "ipt_no"),
            "psn_no": entries.identity_or_none(one.psn_no, "psn_no"),
            "setl_id": entries.identity_or_none(one.setl_id, "setl_id"),
            "packed": packed(one.facts),
        }
        for seq, one in enumerate(facts)
    ]


def begin_facts(
    connection: Connection,
    exchange_id: int,
    facts: Sequence[StayFact],
    rows: Sequence[Mapping[str, Any]],
    judged_at: Versions,
) -> None:
    """An exchange about stays begins: from here on no decision by what was known before it can be kept.

    Args:
        rows: ``fact_rows`` of ``facts``.
        judged_at: versions by which the rules let it pass.

    Raises:
        StayChanged: one of them is another now.
    """
    veiled = Veiled(connection)
    _raise_judged(veiled, sorted({*judged_at, *names_of_facts(facts)}), judged_at)
    _insert_facts(veiled, exchange_id, rows)


def confirm_facts(
    connection: Connection, row: Exchange, rows: Sequence[Mapping[str, Any]], ended: Sequence[int]
) -> None:
    """What the confirmation of ``row`` changes: its facts when the answer told more, and the version of every stay concerned.

    Args:
        rows: of ``fact_rows``; empty leaves those of the intent.
        ended: exchanges that it ended, or brought back.
    """
    veiled = Veiled(connection)
    if rows:
        _replace_facts(veiled, row.id, rows)
    asked = [*ended] if rows else [row.id, *ended]
    concerned = [*veiled.execute(sql.FACT_NAMES, {"ids": asked})] if asked else []
    told = [(one.mdtrt_id, one.ipt_no, one.setl_id) for one in concerned]
    told += [(one["mdtrt_id"], one["ipt_no"], one["setl_id"]) for one in rows]
    if told:
        facts = [StayFact(mdtrt_id or "", ipt_no or "") for mdtrt_id, ipt_no, _ in told]
        # 4102 names nothing but settlements
        if setl_ids := [setl_id for mdtrt_id, ipt_no, setl_id in told if not (mdtrt_id or ipt_no) and setl_id]:
            facts += [StayFact(found) for found in veiled.execute(sql.SETTLED_STAYS, {"setl_ids": setl_ids}).scalars()]
        raise_versions(veiled, names_of_facts(facts))
        stays = dict.fromkeys(StayRef(one.ipt_no, one.mdtrt_id) for one in facts)
        note_change(veiled, list(stays), "exchange", row.id, entries.to_ms(row.finished_at or row.received_at))


def adoption_rows(told: Iterable[Adoption]) -> list[dict[str, Any]]:
    """Rows of ``adoption``; packed in the caller's thread."""
    return [
        {
            "ipt_no": entries.identity_or_none(one.ref.ipt_no, "ipt_no"),
            "mdtrt_id": entries.identity_or_none(one.ref.mdtrt_id, "mdtrt_id"),
            "psn_no": entries.identity_or_none(one.psn_no, "psn_no"),
            "source": one.adopted.source,
            "infno": one.adopted.infno or None,
            "packed": packed(one.adopted.facts),
            "received_at": entries.to_ms(one.adopted.at),
            "after_exchange": one.adopted.after or None,
        }
        for one in told
    ]


def adopt(connection: Connection, told: Sequence[Adoption], rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep what a query or an import told of stays, and that they have changed.

    Args:
        rows: :func:`adoption_rows` of ``told``.
    """
    veiled = Veiled(connection)
    veiled.execute(sql.INSERT_ADOPTION, list(rows))
    raise_versions(veiled, sorted({name for one in told for name in names_of(one.ref)}))
    for one, row in zip(told, rows, strict=True):
        note_change(veiled, [one.ref], "adopted", row["received_at"], row["received_at"])


def note_change(connection: Veiled, stays: Sequence[StayRef], kind: str, serial: int, at: int) -> None:
    """Keep that something about stays has changed, in the commit that changed it; after their versions are held, so
    that of one stay the numbers are in the order of the commits. Read by ``store/stay_feed.py``.
    """
    rows = [
        {
            "seq_no": 0,
            "ipt_no": entries.identity_or_none(ref.ipt_no, "ipt_no"),
            "mdtrt_id": entries.identity_or_none(ref.mdtrt_id, "mdtrt_id"),
            "kind": kind,
            "serial": serial,
            "received_at": at,
        }
        for ref in stays
        if ref.ipt_no or ref.mdtrt_id
    ]
    if rows:
        connection.execute(sql.INSERT_CHANGE, rows)


def raise_versions(connection: Veiled, names: Iterable[str]) -> None:
    """Let every decision made by what was known before be made again."""
    keys = [{"name": _key(name)} for name in names]
    raised = connection.execute(sql.RAISE_VERSION, keys).rowcount if keys else 0
    if raised < len(keys):
        raised += connection.execute(sql.FIRST_VERSION, keys).rowcount
    if raised < len(keys):
        # another gave one its first version in between, and whoever has read that since must not hold it for ours
        connection.execute(sql.RAISE_VERSION, keys)


def _raise_judged(connection: Veiled, names: Iterable[str], judged_at: Versions) -> None:
    """:func:`_hold` and :func:`raise_versions` in one, a compare-and-set for each name.

    Args:
        names: in the order in which they are held; those of ``judged_at`` among them.

    Raises:
        StayChanged: one of them is not at the version it was judged at.
    """
    for name in names:
        judged, one = judged_at.get(name), {"name": _key(name)}
        if judged is None:
            raise_versions(connection, [name])
        elif judged or connection.execute(sql.FIRST_VERSION, one).rowcount == 0:
            same = {**one, "judged": judged}
            if connection.execute(sql.RAISE_JUDGED, same).rowcount == 0:
                raise StayChanged(name)


def _hold(connection: Veiled, names: Iterable[str], judged_at: Versions) -> None:
    """Hold the stays of these names until the end of the transaction.

    Raises:
        StayChanged: one of them is not at the version it was judged at.
    """
    now = _lock(connection, sorted({*names, *judged_at}))
    for name, version in judged_at.items():
        if now[name] != version:
            raise StayChanged(name)


def _lock(connection: Veiled, names: Sequence[str]) -> dict[str, int]:
    """The versions, each held until the end of the transaction; a race for a new one is decided by the primary key."""
    found = {}
    for name in names:
        version = connection.execute(sql.LOCK_VERSION, {"name": _key(name)}).scalar()
        if version is None:
            connection.execute(sql.INSERT_VERSION, {"stay_key": _key(name), "version": 0})
        found[name] = version or 0
    return found


def _replace_facts(connection: Veiled, exchange_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(sql.DELETE_FACTS, {"of_exchange": exchange_id})
    _insert_facts(connection, exchange_id, rows)


def _insert_facts(connection: Veiled, exchange_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(sql.INSERT_FACT, [{**row, "exchange_id": exchange_id} for row in rows])


def _key(name: str) -> str:
    return entries.identity(name, "stay_key")


def packed(value: Facts) -> bytes:
    """JSON, compressed."""
    return zlib.compress(dumps(value), PACK_LEVEL)


def unpacked(body: bytes) -> dict[str, Any]:
    """What :func:`packed` was given. Raises JournalUnavailable when the bytes are damaged."""
    try:
        found: dict[str, Any] = loads(zlib.decompress(body))
    except (zlib.error, Unreadable) as error:
        raise JournalUnavailable("the facts of a stay are damaged") from error
    return found
