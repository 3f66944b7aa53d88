"""A copy of the whole store in one file, taken while the gateway serves; the same form for every database.

A zip: one member per table (``<table>.rows``: blocks of rows, each four bytes of length and a msgpack array), and
last ``manifest.json`` with version, columns, counts and a SHA-256 per member. Keys are not in it: they live in files
outside the store.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
from sqlalchemy import Column, Connection, LargeBinary, Table, func, inspect, select

from gateway.exchange import entries
from gateway.store._backend import Backend, StoreError
from gateway.store._migrate import head, revision
from gateway.store.retention_tables import WRITTEN
from gateway.store.retention_tables import archive as archived
from gateway.store.tables import SMALL_BYTES, metadata

FORMAT = 1
MANIFEST = "manifest.json"
LENGTH_BYTES = 4
ROWS_AT_ONCE = 1000
WIDE_ROWS_AT_ONCE = 20
"""Of a table with bytes: sixteen mebibytes each, at worst."""

ARCHIVE_FILES = select(func.count()).select_from(archived).where(archived.c.state == WRITTEN)

Told = Callable[[int, int], None]
"""Is told how many rows are done, of how many."""


class TableCopy(msgspec.Struct, frozen=True):
    """One table of a copy."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a copy holds; ``taken_at`` is the moment it shows, in milliseconds since 1970 UTC."""

    format: int
    taken_at: int
    revision: str
    database: str
    tables: tuple[TableCopy, ...]
    archive: str = ""
    """The archive folder, which is not contained."""
    archive_files: int = 0

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def write_backup(backend: Backend, path: Path, now: datetime, told: Told, archive: Path | None = None) -> Manifest:
    """Copy one moment of the store into a new file, readable by its owner only.

    Args:
        backend: the store; writers go on.
        path: of the file; it appears whole or not at all.
        now: the time to write into it.
        archive: the archive folder; the manifest names it and how many files belong to the copy.

    Raises:
        StoreError: the file is there already or cannot be written, or the tables are newer than the program.
        JournalUnavailable: the database failed.
    """
    if path.exists():
        raise StoreError(f"备份文件 {path} 已存在，请换一个文件名")
    part = path.with_name(path.name + ".part")
    try:
        with _private(part) as file:
            manifest = backend.snapshot(lambda connection: _copy(connection, file, now, told, archive))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        raise StoreError(f"备份文件 {path} 无法写入：{error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _copy(connection: Connection, file: IO[bytes], now: datetime, told: Told, folder: Path | None) -> Manifest:
    present = revision(connection)
    if present is None:
        raise StoreError("数据库是空的，没有可以备份的内容")
    if present > head():
        # newer tables hold what this program would leave out
        raise StoreError(f"数据库结构版本 {present} 比程序新，请用新版本的程序备份")
    tables = list(_present(connection))
    total = sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table, _ in tables)
    done = 0

    def advanced(rows: int) -> None:
        nonlocal done
        done += rows
        told(done, total)

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        copies = [_copy_table(connection, archive, table, columns, advanced) for table, columns in tables]
        manifest = Manifest(
            FORMAT,
            entries.to_ms(now),
            present,
            connection.dialect.name,
            tuple(copies),
            str(folder or ""),
            connection.execute(ARCHIVE_FILES).scalar_one() if any(table is archived for table, _ in tables) else 0,
        )
        archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def _present(connection: Connection) -> Iterator[tuple[Table, list[Column[Any]]]]:
    """Our tables with the columns they have: an older version has fewer."""
    looked = inspect(connection)
    for table in metadata.sorted_tables:
        if looked.has_table(table.name):
            there = {str(column["name"]).lower() for column in looked.get_columns(table.name)}
            yield table, [column for column in table.columns if column.name in there]


def _copy_table(
    connection: Connection,
    archive: zipfile.ZipFile,
    table: Table,
    columns: list[Column[Any]],
    advanced: Callable[[int], None],
) -> TableCopy:
    wide = any(isinstance(column.type, LargeBinary) for column in columns) and not table.info.get(SMALL_BYTES)
    digest, count = hashlib.sha256(), 0
    at_once = WIDE_ROWS_AT_ONCE if wide else ROWS_AT_ONCE
    found = connection.execute(select(*columns).select_from(table), execution_options={"yield_per": at_once})
    with archive.open(_member(table.name), "w", force_zip64=True) as member:
        for rows in found.partitions():
            block = msgspec.msgpack.encode([tuple(row) for row in rows])
            framed = len(block).to_bytes(LENGTH_BYTES) + block
            member.write(framed)
            digest.update(framed)
            count += len(rows)
            advanced(len(rows))
    return TableCopy(str(table.name), tuple(str(column.name) for column in columns), count, digest.hexdigest())


# ------------------------------------------------------------------ reading


class Copy:
    """A copy opened for reading. Raises StoreError when the file is no copy.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
        except OSError as error:
            raise StoreError(f"备份文件 {path} 无法读取：{error.strerror or error}") from error
        except _DAMAGE as error:
            raise self._damaged("不是备份文件，或没有写完") from error
        if self.manifest.format != FORMAT:
            raise StoreError(f"备份文件 {path} 的格式为 {self.manifest.format}，本程序只认 {FORMAT}")

    def verify(self, told: Told) -> None:
        """Read everything once. Raises StoreError when a byte or a row is not what was written."""
        done, total = 0, self.manifest.rows
        for table in self.manifest.tables:
            for rows in self.rows(table):
                done += len(rows)
                told(done, total)

    def rows(self, table: TableCopy) -> Iterator[list[dict[str, Any]]]:
        """The rows of one table in blocks, by column; at the end its checksum and count are compared."""
        digest, count = hashlib.sha256(), 0
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(_member(table.name)) as member:
                while length := member.read(LENGTH_BYTES):
                    block = member.read(int.from_bytes(length))
                    digest.update(length + block)
                    rows = msgspec.msgpack.decode(block, type=list[list[Any]])
                    count += len(rows)
                    yield [dict(zip(table.columns, row, strict=True)) for row in rows]
        except OSError as error:
            raise StoreError(f"备份文件 {self._path} 无法读取：{error.strerror or error}") from error
        except _DAMAGE as error:
            raise self._damaged(f"表 {table.name} 无法读出") from error
        if (digest.hexdigest(), count) != (table.sha256, table.rows):
            raise self._damaged(f"表 {table.name} 的校验和或行数与清单不符")

    def _damaged(self, reason: str) -> StoreError:
        return StoreError(f"备份文件 {self._path} 已损坏：{reason}")


_DAMAGE = (zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, ValueError, KeyError, EOFError, NotImplementedError)
"""What a spoilt file makes the readers raise."""


def _member(table: str) -> str:
    return f"{table}.rows"
