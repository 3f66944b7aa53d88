"""What is kept for how long, and where: reads lose their bodies, those of money and state move into archives.

Never touched: what is unresolved, what shares a number with something unresolved, what is younger than its limit. Rows
of the journal, ``request_id``, evidence and facts of stays stay for good; only the oldest rows of the operator log go.
Bodies leave the tables after the file that holds them has been written, brought to the disk and read back.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Select

from gateway.exchange import entries
from gateway.exchange.ports import Exchange, Query
from gateway.exchange.states import OPEN
from gateway.protect import Sealing
from gateway.store import _sealed as protection
from gateway.store import retention_statements as sql
from gateway.store import statements
from gateway.store._backend import Backend, StoreError
from gateway.store._keys import sealing_of
from gateway.store.archive import Archive, Entry, KeptBody
from gateway.store.journal import SqlJournal, read_page
from gateway.store.operator_log import OperatorLog
from gateway.store.restore import read_gap
from gateway.store.retention_tables import REMOVED, WRITING, WRITTEN

log = structlog.get_logger(__name__)

WINDOW: Final = 2000
"""Numbers looked at per statement."""
BATCH: Final = 50
"""Exchanges per writing transaction: SQLite's one writer is held for some 20 ms."""
ENTRIES_PER_FILE: Final = 500
BODIES_AT_ONCE: Final = 20
"""Exchanges whose bytes are in memory together."""
BREATH_S: Final = 0.02
"""Between two batches: the writer belongs to the exchanges."""
ABANDONED_S: Final = 3600.0
"""A file still being written after so long was left by a process that died; were it alive, its end would find no row."""
DAYS_PER_YEAR: Final = 365.25
_NOT_COMPARED: Final = "psn_name"
"""Two persons of one name have nothing to do with each other."""

Told = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, of how much."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For how long what is kept (design, "Protected data"; ``[retention]``)."""

    reads_days: int = 180
    in_store_days: int = 365
    archive_years: int = 15
    log_days: int = 184


@dataclass(slots=True)
class Retained:
    """What a run did, or would do: numbers of exchanges, files, rows. ``held`` is due but something open refers to it."""

    reads: int = 0
    archived: int = 0
    files: int = 0
    files_removed: int = 0
    log_rows: int = 0
    held: int = 0
    stopped: bool = False
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = (
            f"查询类报文 {self.reads} 笔，归档 {self.archived} 笔（{self.files} 个文件），"
            f"到期归档文件 {self.files_removed} 个，操作日志 {self.log_rows} 条，因有未了结的交易暂留 {self.held} 笔"
        )
        return "；".join([done, *self.warnings])


@dataclass(frozen=True, slots=True)
class _Before:
    """The moments before which it is time, in milliseconds since 1970 UTC."""

    reads: int
    in_store: int
    archive: int
    log: datetime

    @classmethod
    def of(cls, limits: Limits, now: datetime) -> _Before:
        def before(days: float) -> int:
            return entries.to_ms(now - timedelta(days=days))

        return cls(
            before(limits.reads_days),
            before(limits.in_store_days),
            before(limits.archive_years * DAYS_PER_YEAR),
            now - timedelta(days=limits.log_days),
        )


class Retention:
    """The work. Several nodes may do it at once: each exchange is taken by one of them.

    Args:
        backend: whose jobs work with the keys.
        archive: where bodies of money and state go; None leaves them in the tables.
        node: name of this node, written beside its files.
    """

    def __init__(
        self, backend: Backend, journal: SqlJournal, operator_log: OperatorLog, archive: Archive | None, node: str
    ) -> None:
        self._backend = backend
        self._journal = journal
        self._log = operator_log
        self._archive = archive
        self._node = node

    def plan(self, limits: Limits, now: datetime) -> Retained:
        """What :meth:`run` would do now; changes nothing.

        Raises:
            StoreError: it may not be done now.
            JournalUnavailable: the store cannot be read.
        """
        self._must_be_time()
        before, found, nothing = _Before.of(limits, now), self._begun(), threading.Event()
        held = self._open()
        for page, _, _ in self._windows(sql.DUE_READS, before.reads, nothing):
            found.reads += len(held.free(page, found))
        for page, _, _ in self._windows(sql.DUE_LONG, before.in_store, nothing) if self._archive else ():
            found.archived += len(held.free(page, found))
        found.files_removed = sum(1 for _ in self._expired(before.archive, found)) if self._archive else 0
        found.log_rows = self._log.due(before.log)
        return found

    def run(
        self,
        limits: Limits,
        now: datetime,
        operator: str,
        told: Told = lambda _what, _done, _total: None,
        stop: threading.Event | None = None,
    ) -> Retained:
        """Do what is due; begun and ended in the operator log. Broken off anywhere, nothing is lost; the next run goes on.

        Args:
            limits: see :class:`Limits`.
            now: the real time.
            operator: who asked for it, or ``yibao`` for the schedule.
            told: see :data:`Told`.
            stop: ends it after the batch that runs now.

        Raises:
            StoreError: it may not be done now, or an archive cannot be written or read back.
            JournalUnavailable: the store failed.
        """
        self._must_be_time()
        stop, before, done = stop or threading.Event(), _Before.of(limits, now), self._begun()
        self._log.append(operator, "db.retain", "store", f"开始：{limits}")
        try:
            self._remove_reads(before, done, told, stop)
            if self._archive is not None:
                self._tidy(self._archive, now)
                self._move(self._archive, before, now, done, told, stop)
                self._expire(self._archive, before, done)
            self._cut_log(before, done, told, stop)
        finally:
            done.stopped = stop.is_set()
            self._log.append(operator, "db.retain", "store", f"{'中断' if done.stopped else '结束'}：{done}")
        log.info("retention_done", reads=done.reads, archived=done.archived, log_rows=done.log_rows, held=done.held)
        return done

    def _begun(self) -> Retained:
        if self._archive is None:
            return Retained(warnings=["没有设置归档文件夹 [retention] archive，医保结算与状态类报文留在数据库里"])
        return Retained(warnings=self._unlisted(self._archive))

    def _unlisted(self, archive: Archive) -> list[str]:
        known = set(self._backend.read(lambda connection: connection.execute(sql.ARCHIVE_NAMES).scalars().all()))
        there = archive.names()
        kept = self._backend.read(lambda connection: connection.execute(sql.ARCHIVES, {"of_state": WRITTEN}).all())
        missing = [row.name for row in kept if row.name not in there]
        found = [f"归档文件夹中缺少 {len(missing)} 个文件（{missing[0]} 等）"] if missing else []
        if others := there - known:
            found.append(f"归档文件夹中有 {len(others)} 个文件不在清单内（数据库由备份恢复过，或属于别的数据库）")
        return found

    def _must_be_time(self) -> None:
        def job(connection: Connection) -> str:
            if gap := read_gap(connection):
                return f"数据库由备份恢复后尚未核对（{gap}），不予清理：先 yibao db reconcile"
            if connection.execute(sql.STAYS_UNFILLED).first() is not None:
                return "早先交易的住院事实尚在补录，完成之前不予清理"
            return ""

        if reason := self._backend.read(job):
            raise StoreError(reason)

    # ------------------------------------------------------------ what is due

    def _windows(
        self, due: Select[Any], before: int, stop: threading.Event
    ) -> Iterator[tuple[list[Exchange], int, int]]:
        """What is due by pages of numbers, with how far that is, of how far."""
        first, end = self._backend.read(lambda connection: _range(connection, before))
        for low in range(first, end, WINDOW):
            if stop.is_set():
                return
            values = {"low": low, "high": min(low + WINDOW, end), "before": before}
            page = self._backend.read(lambda connection, values=values: read_page(connection, due, values))  # type: ignore[misc]
            yield page, low + WINDOW - first, end - first

    def _open(self) -> _Open:
        """What is unresolved now."""
        found, query = _Open(), Query(states=tuple(OPEN), limit=1000)
        while page := self._journal.search(query):
            for row in page:
                found.ids.add(row.id)
                found.keys.update(_numbers(row))
            query = Query(states=tuple(OPEN), limit=1000, before_id=page[-1].id)
        return found

    # ------------------------------------------------------------------ reads

    def _remove_reads(self, before: _Before, done: Retained, told: Told, stop: threading.Event) -> None:
        for page, far, whole in self._windows(sql.DUE_READS, before.reads, stop):
            free = self._open().free(page, done) if page else []
            for some in _batches([row.id for row in free], BATCH):
                done.reads += self._backend.write(lambda connection, some=some: _forget(connection, list(some)))  # type: ignore[misc]
                if stop.wait(BREATH_S):
                    return
            told("查询类报文", far, whole)

    # --------------------------------------------------------------- archives

    def _move(
        self, archive: Archive, before: _Before, now: datetime, done: Retained, told: Told, stop: threading.Event
    ) -> None:
        waiting: list[Exchange] = []
        for page, far, whole in self._windows(sql.DUE_LONG, before.in_store, stop):
            waiting += self._open().free(page, done) if page else []
            while len(waiting) >= ENTRIES_PER_FILE:
                self._move_some(archive, waiting[:ENTRIES_PER_FILE], now, done, stop)
                del waiting[:ENTRIES_PER_FILE]
            told("归档", far, whole)
        if waiting and not stop.is_set():
            self._move_some(archive, waiting, now, done, stop)

    def _move_some(
        self, archive: Archive, rows: Sequence[Exchange], now: datetime, done: Retained, stop: threading.Event
    ) -> None:
        archive_id, sizes = self._write_file(archive, rows, now)
        done.files += 1
        for some in _batches(sizes, BATCH):
            done.archived += self._backend.write(
                lambda connection, some=some: _point(connection, archive_id, {one: sizes[one] for one in some})  # type: ignore[misc]
            )
            if stop.wait(BREATH_S):
                return

    def _write_file(
        self, archive: Archive, rows: Sequence[Exchange], now: datetime
    ) -> tuple[int, dict[int, frozenset[Any]]]:
        """Number of the archive, and the sizes of what it holds: what is removed afterwards is compared with them."""
        name = f"{now:%Y%m%d}-{rows[0].id}-{os.urandom(4).hex()}.zip"
        sealing, sizes = self._backend.read(sealing_of), {}
        opened = {
            "name": name,
            "state": WRITING,
            "node": self._node,
            "made_at": entries.to_ms(now),
            "last_at": max(entries.to_ms(row.finished_at or row.received_at) for row in rows),
            "entries": len(rows),
            "key_version": sealing.data_version,
        }
        archive_id = self._backend.write(lambda connection: _new_archive(connection, opened))

        def remembered() -> Iterator[Entry]:
            for entry in self._entries(rows):
                sizes[entry.exchange_id] = frozenset((body.kind, body.raw_size) for body in entry.bodies)
                yield entry

        written = archive.write(name, remembered(), sealing, entries.to_ms(now))
        values = {"of_id": archive_id, "new_bytes": written.bytes_written, "new_sha256": written.sha256}
        if self._backend.write(lambda connection: connection.execute(sql.CLOSE_ARCHIVE, values).rowcount) != 1:
            raise StoreError(f"归档文件 {name} 写了超过 {ABANDONED_S:g} 秒，已被当作中断的清理掉，没有删除任何报文")
        return archive_id, sizes

    def _entries(self, rows: Sequence[Exchange]) -> Iterator[Entry]:
        for some in _batches(rows, BODIES_AT_ONCE):
            ids = [row.id for row in some]
            kept = self._backend.read(lambda connection, ids=ids: _kept(connection, ids))  # type: ignore[misc]
            for row in some:
                received = entries.to_ms(row.received_at)
                yield Entry(row.id, row.infno, row.msgid or "", received, tuple(kept[row.id]))

    def _tidy(self, archive: Archive, now: datetime) -> None:
        """Take away what runs that were broken off have left."""

        def rows(state: str) -> Sequence[Any]:
            return self._backend.read(lambda connection: connection.execute(sql.ARCHIVES, {"of_state": state}).all())

        for row in rows(WRITING):
            which = {"of_id": row.id}
            abandoned = row.made_at < entries.to_ms(now - timedelta(seconds=ABANDONED_S))
            if abandoned and self._backend.write(lambda c, which=which: c.execute(sql.FORGET_ARCHIVE, which).rowcount):  # type: ignore[misc]
                archive.remove(row.name)
        for row in rows(REMOVED):
            archive.remove(row.name)

    def _expired(self, before: int, done: Retained) -> Iterator[Any]:
        """Files all of whose bodies are at the end of their time."""
        rows = self._backend.read(lambda connection: connection.execute(sql.ARCHIVES, {"of_state": WRITTEN}).all())
        for row in rows:
            if row.last_at < before:
                which = {"of_archive": row.id}
                inside = self._backend.read(lambda c, which=which: read_page(c, sql.IN_ARCHIVE, which))  # type: ignore[misc]
                if len(self._open().free(inside, done)) == len(inside):
                    yield row

    def _expire(self, archive: Archive, before: _Before, done: Retained) -> None:
        for row in list(self._expired(before.archive, done)):
            which = {"of_id": row.id}
            self._backend.write(lambda connection, which=which: connection.execute(sql.EXPIRE_ARCHIVE, which).rowcount)  # type: ignore[misc]
            archive.remove(row.name)
            done.files_removed += 1

    # ----------------------------------------------------------- operator log

    def _cut_log(self, before: _Before, done: Retained, told: Told, stop: threading.Event) -> None:
        due = self._log.due(before.log)
        if due == 0 or stop.is_set():
            return
        try:
            done.log_rows = self._log.cut(before.log, lambda: stop.wait(BREATH_S))
        except ValueError as error:
            done.warnings.append(str(error))
        told("操作日志", done.log_rows, due)


@dataclass(slots=True)
class _Open:
    """Numbers of what is unresolved: persons, visits, settlements, and the exchanges themselves."""

    ids: set[int] = field(default_factory=set)
    keys: set[tuple[str, str]] = field(default_factory=set)

    def free(self, rows: Iterable[Exchange], done: Retained) -> list[Exchange]:
        """Those to which nothing unresolved refers; the others are counted."""
        given = list(rows)
        found = [row for row in given if not self._holds(row)]
        done.held += len(given) - len(found)
        return found

    def _holds(self, row: Exchange) -> bool:
        return row.undone_by in self.ids or not self.keys.isdisjoint(_numbers(row))


T = TypeVar("T")


def _batches(given: Iterable[T], count: int) -> Iterator[list[T]]:
    rows = list(given)
    return (rows[start : start + count] for start in range(0, len(rows), count))


def _numbers(row: Exchange) -> set[tuple[str, str]]:
    return {(kind, value) for kind, value in row.keys if kind != _NOT_COMPARED}


def _range(connection: Connection, before: int) -> tuple[int, int]:
    """First number with bytes in the tables, and the first that is too young; rows stand in the order of their time."""
    first: int | None = connection.execute(sql.FIRST_WITH_BODY).scalar()
    young: int | None = connection.execute(statements.FIRST_SINCE, {"since": before}).scalar()
    if first is None:
        return 0, 0
    last: int = connection.execute(sql.LAST_EXCHANGE).scalar_one()
    return first, last + 1 if young is None else young


def _still_due(connection: Connection, ids: Sequence[int]) -> list[Any]:
    """Rows under lock: what another moves meanwhile is seen as it is afterwards."""
    return list(connection.execute(sql.STILL_DUE, {"ids": list(ids)}).mappings())


def _forget(connection: Connection, ids: Sequence[int]) -> int:
    """Remove the bytes of reads, the keys by which they are found, and the platform's words about a person."""
    sealing, rows = sealing_of(connection), _still_due(connection, ids)
    has_bodies = set(_sizes(connection, [row["id"] for row in rows]))
    gone = [row for row in rows if row["id"] in has_bodies]
    for row in gone:
        values = {f"new_{name}": value for name, value in _bare(sealing, row).items()}
        connection.execute(sql.STRIP, {**values, "of_id": row["id"]})
    return _drop(connection, [row["id"] for row in gone], None, keys=True)


def _bare(sealing: Sealing, row: Any) -> dict[str, Any]:
    """What stays of the sealed columns: by what a repeat of the same request is known."""
    texts, _ = protection.opened(sealing, row)
    content_hash = texts.get("content_hash", row["content_hash"])
    bare = {**row, "content_hash": content_hash, "business_key": None, "err_msg": None, "warn_msg": None}
    return protection.sealed_columns(sealing, bare, ())


def _point(connection: Connection, archive_id: int, written: dict[int, frozenset[Any]]) -> int:
    """Remove what lies in a file, and say where; what is not what was written stays."""
    sizes = _sizes(connection, [row["id"] for row in _still_due(connection, list(written))])
    return _drop(connection, [one for one, found in sizes.items() if found == written[one]], archive_id)


def _drop(connection: Connection, ids: list[int], archive_id: int | None, *, keys: bool = False) -> int:
    if not ids:
        return 0
    which = {"ids": ids}
    connection.execute(sql.POINT, [{"exchange_id": one, "archive_id": archive_id} for one in ids])
    connection.execute(sql.DROP_BODIES, which)
    if keys:
        connection.execute(sql.DROP_KEYS, which)
    return len(ids)


def _sizes(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[Any]]:
    found: dict[int, set[Any]] = defaultdict(set)
    for row in connection.execute(sql.SIZES_OF, {"ids": list(ids)}) if ids else ():
        found[row.exchange_id].add((row.kind, row.raw_size))
    return {one: frozenset(sizes) for one, sizes in found.items()}


def _kept(connection: Connection, ids: Sequence[int]) -> dict[int, list[KeptBody]]:
    sealing, found = sealing_of(connection), defaultdict[int, list[KeptBody]](list)
    for row in connection.execute(sql.BODIES_OF, {"ids": list(ids)}):
        packed = sealing.open(protection.body_place(row.exchange_id, row.kind), row.packed, row.key_version)
        found[row.exchange_id].append(KeptBody(row.kind, packed, row.raw_size, row.charset))
    return found


def _new_archive(connection: Connection, values: dict[str, Any]) -> int:
    made = connection.execute(sql.OPEN_ARCHIVE, values).inserted_primary_key
    assert made is not None
    return int(made[0])
