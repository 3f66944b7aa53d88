"""Files that hold bodies which have left the store.

A zip with one member per exchange (``<number>``: a msgpack array of bodies, compressed and then sealed in its place)
and last ``manifest.json``; beside it ``<name>.sha256`` in the form that ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from gateway.exchange.ports import BodiesAway
from gateway.protect import Sealing
from gateway.protect.guard import SealBroken
from gateway.store._backend import StoreError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, ValueError, KeyError, EOFError, SealBroken)


class KeptBody(msgspec.Struct, frozen=True, array_like=True):
    """One body as a row of ``exchange_body`` has it, opened and still packed."""

    kind: str
    packed: bytes
    raw_size: int
    charset: str | None
    key_version: None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """The bodies of one exchange, and by what it is found in the manifest; times in milliseconds since 1970 UTC."""

    exchange_id: int
    infno: str
    msgid: str
    received_at: int
    bodies: tuple[KeptBody, ...]


class Listed(msgspec.Struct, frozen=True):
    """A line of the manifest; ``sha256`` is over the member as it stands in the file."""

    exchange_id: int
    infno: str
    msgid: str
    received_at: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a file holds; nothing personal stands in it."""

    format: int
    name: str
    made_at: int
    key_version: int | None
    entries: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was read back after it was on the disk."""

    sha256: str
    bytes_written: int


class Archive:
    """The archive folder.

    Args:
        folder: every node must see the same; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, entries: Iterable[Entry], sealing: Sealing, made_at: int) -> Written:
        """Write a file, bring it to the disk, and read back every entry.

        Args:
            name: of the file; it appears whole or not at all.
            made_at: milliseconds since 1970 UTC.

        Raises:
            StoreError: it cannot be written, or what was read back is not what was written.
            KeysMissing: the key in use is not there.
        """
        path = self.folder / name
        part = path.with_name(name + ".part")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"归档文件夹 {self.folder} 无法写入：{error.strerror or error}") from error
        try:
            with _private(part) as file:
                digests = dict(_fill(file, name, entries, sealing, made_at))
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            _sync_folder(self.folder)
            self._verify(path, digests, sealing)
            return self._sum(path)
        except OSError as error:
            raise StoreError(f"归档文件 {path} 无法写入：{error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)

    def read(self, name: str, exchange_id: int, sealing: Sealing, key_version: int | None) -> list[KeptBody]:
        """The bodies of one exchange.

        Raises:
            BodiesAway: the file is not there, or is damaged.
            KeysMissing: the key it was sealed with is not there.
        """
        path = self.folder / name
        try:
            with zipfile.ZipFile(path) as file:
                return _opened(name, exchange_id, file.read(str(exchange_id)), sealing, key_version)
        except FileNotFoundError as error:
            raise BodiesAway(f"报文已归档，而归档文件 {path} 不在：请放回该文件，或核对 [retention] archive") from error
        except OSError as error:
            raise BodiesAway(f"归档文件 {path} 无法读取：{error.strerror or error}") from error
        except _DAMAGE as error:
            raise BodiesAway(f"归档文件 {path} 已损坏，请由其副本恢复：{error}") from error

    def names(self) -> set[str]:
        """The files that are there."""
        return {path.name for path in self.folder.glob("*.zip")}

    def remove(self, name: str) -> None:
        """Take a file away. Raises :class:`StoreError`."""
        try:
            for path in (self.folder / name, self._beside(name)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"归档文件 {self.folder / name} 无法删除：{error.strerror or error}") from error

    def _verify(self, path: Path, digests: dict[int, str], sealing: Sealing) -> None:
        try:
            with zipfile.ZipFile(path) as file:
                manifest = msgspec.json.decode(file.read(MANIFEST), type=Manifest)
                for line in manifest.entries:
                    found = file.read(str(line.exchange_id))
                    content = sealing.open(_place(path.name, line.exchange_id), found, manifest.key_version)
                    if hashlib.sha256(content).hexdigest() != digests.pop(line.exchange_id):
                        raise StoreError(f"归档文件 {path} 读回的内容与写入的不同")
        except _DAMAGE as error:
            raise StoreError(f"归档文件 {path} 写入后读不回来：{error}") from error
        if digests:
            raise StoreError(f"归档文件 {path} 读回时缺少 {len(digests)} 笔")

    def _sum(self, path: Path) -> Written:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with _private(self._beside(path.name)) as beside:
            beside.write(f"{digest}  {path.name}\n".encode())
        return Written(digest, path.stat().st_size)

    def _beside(self, name: str) -> Path:
        return self.folder / f"{name}.sha256"


def _fill(
    file: IO[bytes], name: str, entries: Iterable[Entry], sealing: Sealing, made_at: int
) -> Iterator[tuple[int, str]]:
    """Write the members; each number with the digest of what was sealed."""
    lines: list[Listed] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
        for entry in entries:
            content = msgspec.msgpack.encode(entry.bodies)
            sealed = sealing.seal(_place(name, entry.exchange_id), content)
            made.writestr(str(entry.exchange_id), sealed)
            digest = hashlib.sha256(sealed).hexdigest()
            lines.append(Listed(entry.exchange_id, entry.infno, entry.msgid, entry.received_at, digest))
            yield entry.exchange_id, hashlib.sha256(content).hexdigest()
        manifest = Manifest(FORMAT, name, made_at, sealing.data_version, tuple(lines))
        made.writestr(MANIFEST, msgspec.json.encode(manifest))


def _opened(name: str, exchange_id: int, sealed: bytes, sealing: Sealing, key_version: int | None) -> list[KeptBody]:
    content = sealing.open(_place(name, exchange_id), sealed, key_version)
    return msgspec.msgpack.decode(content, type=list[KeptBody])


def _place(name: str, exchange_id: int) -> str:
    return f"archive:{name}:{exchange_id}"


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _sync_folder(folder: Path) -> None:
    """So that the name outlives a power cut too; where folders cannot be opened the system does it itself."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
