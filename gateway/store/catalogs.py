"""Catalogs by version: records with the versions they are in, one version in force, imports that show only when they are whole.

A record holds from the version that brought it until the one that closed it. An import writes under the number of a version
that is not in force yet, in many small transactions; nobody sees any of it until the one update that puts this number in
force. What a killed import leaves is gone on with, or taken back.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from gateway.contract.catalogs import NAME_MAX, PINYIN_MAX, Record
from gateway.contract.jsontext import dumps, loads
from gateway.exchange import entries
from gateway.exchange.ports import JournalUnavailable
from gateway.store import catalog_statements as sql
from gateway.store._backend import Backend
from gateway.store._bulk import insert_many
from gateway.store.catalog_tables import catalog_row

KEYS_AT_ONCE: Final = 500
"""Oracle takes a thousand values in a list, SQL Server two thousand in a statement."""
ROWS_AT_ONCE: Final = 2000
PACK_LEVEL: Final = 1
KINDS: Final[Mapping[str, str]] = {"added": sql.ADDED, "changed": sql.CHANGED, "withdrawn": sql.WITHDRAWN}
"""What a version did with a record, by the name in commands and reports."""
_SHOWN: Final = {kind: name for name, kind in KINDS.items()}


class ImportTaken(Exception):
    """Somebody else goes on with this import, or has taken it back; nothing was written."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a catalog, or an import that is to become one.

    Args:
        based_on, ver: the platform's version before and after; as printed.
        whole: whether it replaced everything, so that what it did not name is withdrawn.
        sha256: of the file.
        exchange_id: of the exchange that brought the file.
        lines_total, lines_done: how far an import is.
        columns: ``(name, label)`` of the columns of its records.
        notes: what staff should know about the file, in sentences.
    """

    id: int
    infno: str
    state: str
    based_on: str
    ver: str
    whole: bool
    sha256: str
    exchange_id: int | None
    started_at: datetime
    finished_at: datetime | None
    lines_total: int
    lines_done: int
    added: int
    changed: int
    withdrawn: int
    same: int
    total: int
    """Records that it has, withdrawn ones too."""
    columns: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def pruned(self) -> bool:
        """Whether its records are no longer kept as they were."""
        return self.state == sql.PRUNED


@dataclass(frozen=True, slots=True)
class Held:
    """A catalog as it is held.

    Args:
        version: in force; None while nothing has been imported.
        checked_at: when the platform was last asked.
        told: how that went, in a sentence.
        failed: whether it failed.
    """

    infno: str
    name: str
    version: Version | None
    checked_at: datetime | None
    told: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of a catalog as it is held."""

    id: int
    key: str
    code: str
    name: str
    pinyin: str
    begins: str
    ends: str
    valid: bool
    version_id: int
    change: str
    """What the version that brought it did: ``added``, ``changed``, ``withdrawn``."""
    values: Mapping[str, str]
    """Column -> text, without empty ones."""

    def in_force(self, day: date) -> bool:
        """Whether it may be used on this day."""
        text = day.isoformat()
        return self.valid and (not self.begins or self.begins <= text) and (not self.ends or text <= self.ends)


@dataclass(frozen=True, slots=True)
class NewVersion:
    """An import that begins; see :class:`Version`."""

    infno: str
    based_on: str
    ver: str
    whole: bool
    sha256: str
    exchange_id: int | None
    lines_total: int
    columns: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Counts:
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    same: int = 0

    @property
    def bound(self) -> dict[str, int]:
        return {f"more_{name}": getattr(self, name) for name in ("added", "changed", "withdrawn", "same")}


class SqlCatalogs:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # ------------------------------------------------------------------ what is held

    def held(self) -> list[Held]:
        """Every catalog that was ever asked for, by number."""
        found = self._backend.read(lambda connection: connection.execute(sql.CATALOGS).mappings().all())
        return [_held(row) for row in found]

    def one(self, infno: str) -> Held | None:
        """One catalog; None when it was never asked for."""
        return next((held for held in self.held() if held.infno == infno), None)

    def versions(self, infno: str, limit: int = 50) -> list[Version]:
        """Versions of a catalog that are or were in force, newest first."""
        wanted = {"of_infno": infno, "count": limit}
        return self._backend.read(
            lambda connection: [_version(row) for row in connection.execute(sql.VERSIONS, wanted).mappings()]
        )

    def unfinished(self) -> list[Version]:
        """Imports that have begun and not ended: one that runs now, or what killed ones left."""
        return self._backend.read(
            lambda connection: [_version(row) for row in connection.execute(sql.UNFINISHED).mappings()]
        )

    def counted(self, version: Version) -> tuple[int, int]:
        """Records of a version, and how many of them are marked as valid."""
        which = {"of_infno": version.infno, "version": version.id}
        total, valid = self._backend.read(lambda connection: connection.execute(sql.COUNT_ROWS, which).one())
        return int(total), int(valid)

    def tell(self, infno: str, name: str, told: str, now: datetime, *, failed: bool) -> None:
        """Keep how it went when the platform was asked."""
        values = {
            "of_infno": infno,
            "new_name": name,
            "new_checked_at": entries.to_ms(now),
            "new_told": told or None,
            "new_failed": int(failed),
        }

        def job(connection: Connection) -> None:
            _ensure(connection, infno, name)
            connection.execute(sql.TELL_CATALOG, values)

        self._backend.write(job)

    # ------------------------------------------------------------------ looking things up

    def by_code(self, infno: str, code: str, on: date | None = None, *, version: Version | None = None) -> list[Entry]:
        """Records with this code, the newest first.

        Args:
            on: only what may be used on this day; None: all, withdrawn ones too.
            version: as it was; None: the one in force.
        """
        return self._found(infno, version, on, lambda connection, which: [
            connection.execute(sql.BY_CODE, {**which, "of_code": code}).all()
        ])  # fmt: skip

    def search(
        self, infno: str, text: str, on: date | None = None, *, limit: int = 50, version: Version | None = None
    ) -> list[Entry]:
        """Records whose code, name or pinyin begins with ``text``: codes first, then names, then pinyin.

        Args:
            text: pinyin in either case; empty: the first codes.
            on: as :meth:`by_code`.
            limit: how many at most.
            version: as :meth:`by_code`.
        """
        # what is not in force on the day is left out afterwards, so look a little further
        most = limit if on is None else 4 * limit

        def look(connection: Connection, which: Mapping[str, Any]) -> list[Sequence[Any]]:
            asked = (("code", text), ("name", text), ("pinyin", text.upper()))[: 3 if text else 1]
            bounds = [(name, {"first": first, "beyond": _beyond(first), "count": most}) for name, first in asked]
            return [connection.execute(sql.BY_BEGINNING[name], {**which, **bound}).all() for name, bound in bounds]

        return self._found(infno, version, on, look)[:limit]

    def changes(
        self, version: Version, kinds: Sequence[str] = tuple(KINDS), *, after_id: int = 0, limit: int = 100
    ) -> list[tuple[Entry, Entry | None]]:
        """What a version added, changed and withdrew: each record with the one it replaced.

        Args:
            kinds: ``added``, ``changed``, ``withdrawn``.
            after_id: the last record of the page before.
            limit: how many.
        """
        which = {"version": version.id, "kinds": [KINDS[kind] for kind in kinds], "after_id": after_id, "count": limit}

        def job(connection: Connection) -> list[tuple[Entry, Entry | None]]:
            read = _EntryReader(connection)
            rows = [read.entry(row) for row in connection.execute(sql.CHANGES, which).all()]
            before: dict[str, Entry] = {}
            for keys in _chunks([row.key for row in rows], KEYS_AT_ONCE):
                asked = {"of_infno": version.infno, "version": version.id, "keys": keys}
                before |= {one.key: one for one in map(read.entry, connection.execute(sql.BEFORE, asked).all())}
            return [(row, before.get(row.key)) for row in rows]

        return self._backend.read(job)

    def _found(
        self,
        infno: str,
        version: Version | None,
        on: date | None,
        look: Callable[[Connection, Mapping[str, Any]], list[Sequence[Any]]],
    ) -> list[Entry]:
        def job(connection: Connection) -> list[Entry]:
            number = version.id if version else _version_in_force(connection, infno)
            if number is None:
                return []
            read = _EntryReader(connection)
            rows = {row.id: row for found in look(connection, {"of_infno": infno, "version": number}) for row in found}
            return [read.entry(row) for row in rows.values()]

        found = self._backend.read(job)
        return found if on is None else [entry for entry in found if entry.in_force(on)]

    # ------------------------------------------------------------------ bringing a version in

    def begin(self, new: NewVersion, name: str, now: datetime) -> Version:
        """Begin an import; nobody sees anything of it until :meth:`put_in_force`."""
        values = {
            "infno": new.infno,
            "state": sql.IMPORTING,
            "based_on": new.based_on,
            "ver": new.ver,
            "whole": int(new.whole),
            "sha256": new.sha256,
            "exchange_id": new.exchange_id,
            "started_at": entries.to_ms(now),
            "lines_total": new.lines_total,
            "columns_told": dumps([list(column) for column in new.columns]).decode(),
            **dict.fromkeys(("lines_done", "rows_added", "rows_changed", "rows_withdrawn", "rows_same"), 0),
        }

        def job(connection: Connection) -> Version:
            _ensure(connection, new.infno, name)
            made: Any = connection.execute(sql.INSERT_VERSION, values).inserted_primary_key
            return _version(connection.execute(sql.VERSION, {"of_id": made[0]}).mappings().one())

        return self._backend.write(job)

    def add(self, version: Version, records: Sequence[Record], *, lines_before: int, lines_after: int) -> None:
        """Write a batch of the file, in one transaction with how far the import is then.

        Args:
            records: of the lines after ``lines_before`` up to ``lines_after``; of two with one key the later counts.

        Raises:
            ImportTaken: another process has gone on with this import.
        """
        newest = {record.key: record for record in records}
        # compressed before the transaction: on SQLite everybody else waits for it
        rows = {key: _row(version, record) for key, record in newest.items()}
        twice = len(records) - len(rows)

        def job(connection: Connection) -> None:
            counts = _Counts(same=twice)
            known = _newest(connection, version.infno, list(rows))
            batch = _Batch(version.id, counts)
            for key, row in rows.items():
                batch.take(row, known.get(key))
            batch.write(connection)
            _advance(connection, version.id, lines_before, lines_after, counts)

        self._backend.write(job)

    def withdraw_missing(self, version: Version, named: Callable[[str], bool], told: Callable[[int], None]) -> int:
        """Close what a whole catalog does not name, and keep it as withdrawn. Returns how many.

        Args:
            named: whether the file names this key.
            told: is told how many records have been looked at.
        """
        seen = closed = 0
        for rows in self._walk(version):
            missing = [row for row in rows if not named(row.row_key)]
            if missing:
                self._backend.write(partial(_withdraw, version=version, rows=missing))
            seen += len(rows)
            closed += len(missing)
            told(seen)
        return closed

    def missing(self, version: Version, named: Callable[[str], bool]) -> tuple[int, int]:
        """How many valid records a whole catalog does not name, of how many."""
        seen = gone = 0
        for rows in self._walk(version):
            seen += len(rows)
            gone += sum(not named(row.row_key) for row in rows)
        return gone, seen

    def put_in_force(self, version: Version, notes: Sequence[str], now: datetime) -> Version:
        """Let everybody see a whole import, at once. Raises :class:`ImportTaken`."""
        values = {
            "of_id": version.id,
            "new_finished_at": entries.to_ms(now),
            "new_notes": dumps(list(notes)).decode() if notes else None,
        }

        def job(connection: Connection) -> Version:
            number = _version_in_force(connection, version.infno)
            before = connection.execute(sql.VERSION, {"of_id": number}).one().rows_total if number else 0
            if connection.execute(sql.FINISH, values | {"rows_before": before}).rowcount != 1:
                raise ImportTaken
            connection.execute(sql.PUT_IN_FORCE, {"of_infno": version.infno, "new_version_id": version.id})
            return _version(connection.execute(sql.VERSION, {"of_id": version.id}).mappings().one())

        return self._backend.write(job)

    def take_back(self, version: Version) -> None:
        """Undo what an import has written, in small pieces; the version in force never noticed it."""
        while ids := self._ids(sql.CLOSED_BY, {"version": version.id}):
            self._by_ids(sql.REOPEN_ROWS, ids)
        while ids := self._ids(sql.MADE_BY, {"version": version.id}):
            self._by_ids(sql.DROP_ROWS, ids)
        self._backend.write(lambda connection: connection.execute(sql.DROP_VERSION, {"of_id": version.id}))

    def prune(self, infno: str, keep: int) -> int:
        """Remove records that only versions before the newest ``keep`` need. Returns how many."""
        kept = [version for version in self.versions(infno, limit=keep) if not version.pruned]
        if len(kept) < keep:
            return 0
        which = {"of_infno": infno, "oldest_kept": kept[-1].id}
        # first the mark: a report that lacks rows must never look whole
        self._backend.write(lambda connection: connection.execute(sql.MARK_PRUNED, which))
        removed = 0
        while ids := self._ids(sql.OUTLIVED, which):
            self._by_ids(sql.DROP_ROWS, ids)
            removed += len(ids)
        return removed

    def _walk(self, version: Version) -> Iterator[Sequence[Any]]:
        after = 0
        while True:
            which = {"of_infno": version.infno, "version": version.id, "after_id": after, "count": ROWS_AT_ONCE}
            rows = self._backend.read(partial(_rows, statement=sql.WALK, which=which))
            if not rows:
                return
            yield rows
            after = rows[-1].id

    def _ids(self, statement: Any, which: Mapping[str, Any]) -> list[int]:
        asked = {**which, "count": KEYS_AT_ONCE}
        return self._backend.read(lambda connection: list(connection.execute(statement, asked).scalars()))

    def _by_ids(self, statement: Any, ids: list[int]) -> None:
        self._backend.write(lambda connection: connection.execute(statement, {"ids": ids}))


class _Batch:
    """Decides what becomes of each record of a batch, then writes it."""

    def __init__(self, version: int, counts: _Counts) -> None:
        self._version = version
        self._counts = counts
        self._inserts: list[dict[str, Any]] = []
        self._closings: list[int] = []
        self._replaced: list[int] = []

    def take(self, row: dict[str, Any], known: Any) -> None:
        if known is not None and known.digest == row["digest"]:
            self._counts.same += 1
        elif known is None:
            self._put(row, sql.ADDED)
            self._counts.added += 1
        elif known.from_version == self._version:
            self._again(row, known)
        else:
            self._closings.append(known.id)
            withdrawn = bool(known.valid) and not row["valid"]
            self._put(row, sql.WITHDRAWN if withdrawn else sql.CHANGED)
            self._count(withdrawn=withdrawn)

    def write(self, connection: Connection) -> None:
        for ids in _chunks(self._replaced, KEYS_AT_ONCE):
            connection.execute(sql.DROP_ROWS, {"ids": ids})
        if self._closings:
            connection.execute(
                sql.CLOSE_ROW, [{"of_id": number, "new_until": self._version} for number in self._closings]
            )
        insert_many(connection, catalog_row, self._inserts)

    def _again(self, row: dict[str, Any], known: Any) -> None:
        """The file names a record a second time with other content: the later counts."""
        self._replaced.append(known.id)
        kind = known.change_kind if known.change_kind == sql.ADDED or row["valid"] else sql.WITHDRAWN
        self._put(row, kind)
        self._counts.same += 1
        if kind != known.change_kind:
            self._counts.changed -= 1
            self._counts.withdrawn += 1

    def _put(self, row: dict[str, Any], kind: str) -> None:
        self._inserts.append({**row, "change_kind": kind})

    def _count(self, *, withdrawn: bool) -> None:
        if withdrawn:
            self._counts.withdrawn += 1
        else:
            self._counts.changed += 1


class _EntryReader:
    """Reads rows; the columns of each version are looked up once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._columns: dict[int, list[str]] = {}

    def entry(self, row: Any) -> Entry:
        try:
            values = zlib.decompress(row.packed).decode().split("\t")
        except zlib.error as error:
            raise JournalUnavailable("a record of a catalog is damaged") from error
        names = self._names(row.from_version)
        return Entry(
            id=row.id,
            key=row.row_key,
            code=row.code,
            name=row.name or "",
            pinyin=row.pinyin or "",
            begins=row.begins or "",
            ends=row.ends or "",
            valid=bool(row.valid),
            version_id=row.from_version,
            change=_SHOWN[row.change_kind],
            values={name: value for name, value in zip(names, values, strict=False) if value},
        )

    def _names(self, version: int) -> list[str]:
        if version not in self._columns:
            found = self._connection.execute(sql.VERSION, {"of_id": version}).mappings().one()
            self._columns[version] = [name for name, _ in loads(found["columns_told"].encode())]
        return self._columns[version]


def _row(version: Version, record: Record) -> dict[str, Any]:
    text = "\t".join(record.values).encode()
    return {
        "infno": version.infno,
        "row_key": record.key,
        "from_version": version.id,
        "code": record.code,
        "name": record.name[:NAME_MAX] or None,
        "pinyin": record.pinyin[:PINYIN_MAX] or None,
        "begins": record.begins or None,
        "ends": record.ends or None,
        "valid": int(record.valid),
        "digest": hashlib.blake2b(text, digest_size=16).hexdigest(),
        "packed": zlib.compress(text, PACK_LEVEL),
    }


def _newest(connection: Connection, infno: str, keys: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for some in _chunks(keys, KEYS_AT_ONCE):
        which = {"of_infno": infno, "keys": some}
        found |= {row.row_key: row for row in connection.execute(sql.NEWEST_OF, which)}
    return found


def _rows(connection: Connection, statement: Any, which: Mapping[str, Any]) -> Sequence[Any]:
    return connection.execute(statement, which).all()


def _withdraw(connection: Connection, version: Version, rows: Sequence[Any]) -> None:
    connection.execute(sql.CLOSE_ROW, [{"of_id": row.id, "new_until": version.id} for row in rows])
    read = _EntryReader(connection)
    insert_many(connection, catalog_row, [_withdrawn(version, row, read.entry(row).values) for row in rows])
    counts = _Counts(withdrawn=len(rows))
    _advance(connection, version.id, version.lines_total, version.lines_total, counts)


def _withdrawn(version: Version, row: Any, values: Mapping[str, str]) -> dict[str, Any]:
    """As it was, but no longer valid; its digest is nobody's, so that it comes back when a file names it again.

    Args:
        values: its columns by name: the layout may have changed since it came.
    """
    kept = ("infno", "row_key", "code", "name", "pinyin", "begins", "ends")
    text = "\t".join(values.get(name, "") for name, _ in version.columns).encode()
    mine = {"from_version": version.id, "valid": 0, "digest": "-", "change_kind": sql.WITHDRAWN,
            "packed": zlib.compress(text, PACK_LEVEL)}  # fmt: skip
    return {name: getattr(row, name) for name in kept} | mine


def _advance(connection: Connection, version: int, before: int, after: int, counts: _Counts) -> None:
    values = {"of_id": version, "lines_before": before, "new_lines_done": after, **counts.bound}
    if connection.execute(sql.ADVANCE, values).rowcount != 1:
        raise ImportTaken


def _ensure(connection: Connection, infno: str, name: str) -> None:
    if connection.execute(sql.CATALOG, {"of_infno": infno}).one_or_none() is None:
        connection.execute(sql.INSERT_CATALOG, {"infno": infno, "name": name, "failed": 0})


def _version_in_force(connection: Connection, infno: str) -> int | None:
    found = connection.execute(sql.CATALOG, {"of_infno": infno}).one_or_none()
    return None if found is None else found.version_id


def _beyond(first: str) -> str:
    """Above every text that begins with ``first``."""
    if not first:
        return "\U0010ffff"
    last = ord(first[-1]) + 1
    return first[:-1] + chr(0xE000 if last == 0xD800 else min(last, 0x10FFFF))


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _held(row: Mapping[Any, Any]) -> Held:
    version = {name.removeprefix("v_"): row[name] for name in row if str(name).startswith("v_")}
    return Held(
        infno=row["infno"],
        name=row["name"],
        version=None if row["version_id"] is None else _version(version),
        checked_at=None if row["checked_at"] is None else entries.from_ms(row["checked_at"]),
        told=row["told"] or "",
        failed=bool(row["failed"]),
    )


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(
        id=row["id"],
        infno=row["infno"],
        state=row["state"],
        based_on=row["based_on"],
        ver=row["ver"],
        whole=bool(row["whole"]),
        sha256=row["sha256"],
        exchange_id=row["exchange_id"],
        started_at=entries.from_ms(row["started_at"]),
        finished_at=None if row["finished_at"] is None else entries.from_ms(row["finished_at"]),
        lines_total=row["lines_total"],
        lines_done=row["lines_done"],
        added=row["rows_added"],
        changed=row["rows_changed"],
        withdrawn=row["rows_withdrawn"],
        same=row["rows_same"],
        total=row["rows_total"] or 0,
        columns=tuple((name, label) for name, label in loads(row["columns_told"].encode())),
        notes=tuple(loads(row["notes"].encode())) if row["notes"] else (),
    )
