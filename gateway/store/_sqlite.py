"""The journal in one SQLite file: one process writes it, others may read it.

WAL with ``synchronous=FULL``: a commit is on the disk before it is acknowledged, and readers never wait for the writer.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import sqlalchemy
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.exchange.ports import JournalUnavailable
from gateway.store._backend import Job, StoreError, T
from gateway.store._connection import Connection
from gateway.store._writer import GroupWriter, unavailable

BUSY_MS = 10_000
READ_WAIT_S_MAX = 30
ROOM_BYTES_MIN = 64 * 1024 * 1024
LOCK_OFFSET = 1 << 30
"""Windows locks bytes and then nobody reads them: lock one far behind the text."""


class SqliteBackend:
    """A SQLite file.

    Args:
        path: the file; made with its folder when it is to be written.
        node: name of this node, told to whoever finds the file in use.
        pool_size: reading connections.
        read_only: leave the file to another process and only read it.

    Raises:
        StoreError: the file is in use by another process, is missing or is not a database.
    """

    alone = True

    def __init__(self, path: Path, *, node: str, pool_size: int, read_only: bool) -> None:
        self._path = path
        self._writer: GroupWriter | None = None
        with ExitStack() as opened:
            if read_only:
                _must_exist(path)
            else:
                opened.callback(_lock(path, node).close)
                writing = _writing_engine(path)
                opened.callback(writing.dispose)
                self._writer = GroupWriter(writing)
                opened.callback(self._writer.close)
            reading = _engine(path, "ro", pool_size, ("query_only=ON",))
            opened.callback(reading.dispose)
            self._readers = _Readers(reading, pool_size)
            opened.callback(self._readers.close)
            self._probe()
            self._opened = opened.pop_all()

    def write(self, job: Job[T]) -> T:
        if self._writer is None:
            raise JournalUnavailable("the journal is open for reading only")
        return self._writer.run(job)

    def read(self, job: Job[T]) -> T:
        try:
            return self._readers.run(job)
        except SQLAlchemyError as error:
            raise unavailable(error) from None

    def snapshot(self, job: Job[T]) -> T:
        def moment(connection: sqlalchemy.Connection) -> T:
            # the first SELECT after it fixes what is seen; in WAL mode nobody waits for it
            connection.exec_driver_sql("BEGIN")
            try:
                return job(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")

        return self.read(moment)

    def migrate(self, job: Job[None]) -> None:
        # the lock file has shut out everybody else
        self.write(job)

    def rewrite(self, job: Job[T]) -> T:
        return self.write(job)

    def room(self) -> bool:
        """Whether the volume has room for some thousand exchanges more."""
        return shutil.disk_usage(self._path.parent).free >= ROOM_BYTES_MIN

    def check(self) -> list[str]:
        """Damage that SQLite itself finds: pages, indexes, rows whose parent is missing."""

        def look(connection: sqlalchemy.Connection) -> list[str]:
            pages = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
            orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
            found = [f"数据库文件损坏：{page}" for page in pages if page != "ok"]
            return found + ([f"有 {len(orphans)} 行缺少所属的交易记录"] if orphans else [])

        return self.read(look)

    def close(self) -> None:
        self._opened.close()

    def _probe(self) -> None:
        try:
            if self._writer is not None:
                self._writer.run(lambda _: None)
            self.read(lambda connection: connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar())
        except JournalUnavailable as error:
            raise StoreError(f"无法打开数据库文件 {self._path}：{error}") from error


class _Readers:
    """Reading connections, each lent to one job after another: to take one from the pool costs as much as several statements.

    Args:
        size: connections at the same time; the next job waits.
    """

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self._seats = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    def run(self, job: Job[T]) -> T:
        """Raises ``JournalUnavailable`` when all are lent for too long; what the job raises comes out as it is."""
        if not self._seats.acquire(timeout=READ_WAIT_S_MAX):
            raise JournalUnavailable(f"no connection to read with within {READ_WAIT_S_MAX} s")
        try:
            connection = self._lent()
            try:
                result = job(connection)
                if connection.in_transaction():
                    connection.rollback()
            except BaseException:
                connection.close()
                raise
            self._take_back(connection)
            return result
        finally:
            self._seats.release()

    def close(self) -> None:
        """Those that are lent are closed as they come back."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _lent(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self._engine)

    def _take_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"数据库文件 {path} 不存在")


def _lock(path: Path, node: str) -> IO[str]:
    """The open lock file beside ``path``, made if need be; the system frees the lock when the process dies, however it dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # patients' data: nobody but the owner reads it; SQLite gives its side files the same rights
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        handle = path.with_name(path.name + ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"无法打开数据库文件 {path}：{error.strerror}") from error
    try:
        _lock_handle(handle)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip()
        handle.close()
        raise StoreError(f"数据库文件 {path} 正被另一个进程使用（{holder}）；SQLite 只允许一个进程写入") from error
    handle.truncate(0)
    handle.write(f"进程 {os.getpid()}，节点 {node}")
    handle.flush()
    return handle


if sys.platform == "win32":
    import msvcrt

    def _lock_handle(handle: IO[str]) -> None:
        handle.seek(LOCK_OFFSET)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_handle(handle: IO[str]) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _writing_engine(path: Path) -> Engine:
    return _engine(path, "rw", 1, ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16384"))


def _engine(path: Path, mode: str, pool_size: int, pragmas: tuple[str, ...]) -> Engine:
    # "?" and "#" of a path would end it inside a URI
    name = path.resolve().as_uri()
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=name, query={"mode": mode, "uri": "true"}),
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    return engine
