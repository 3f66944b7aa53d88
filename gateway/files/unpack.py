"""A received file opened without trusting it: nothing is written to a path it names, and nothing grows without bound."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_ZIP_MAGIC: Final = b"PK"
_CHUNK: Final = 64 * 1024
_ENCRYPTED: Final = 0x1
_DAMAGE: Final = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class FileWrong(Exception):
    """A file cannot be used; the text (Chinese) says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is unpacked at most: members, bytes of all of them, times the packed size, bytes of one line."""

    members_max: int = 16
    bytes_max: int = 4 * 1024 * 1024 * 1024
    ratio_max: int = 200
    line_bytes_max: int = 1024 * 1024


LIMITS: Final = Limits()


def is_zip(path: Path) -> bool:
    """Whether it begins as a ZIP does."""
    with path.open("rb") as file:
        return file.read(2) == _ZIP_MAGIC


def must_be_whole(path: Path, name: str) -> None:
    """A ZIP has its directory at its end, so one that was cut shows. Raises :class:`FileWrong`."""
    if is_zip(path) or name.lower().endswith(".zip"):
        with _opened(path) as archive:
            archive.infolist()


def texts(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[str, Iterator[str]]]:
    """The text members of a ZIP, or the one text that the file is (transport facts, section 11).

    Args:
        path: of the file; its own name does not matter.
        limits: what is unpacked at most.

    Yields:
        The member's name, and its lines without their ends; to be read before the next member.

    Raises:
        FileWrong: damaged, encrypted, a name that leads out of the archive, too many members, too large, no UTF-8.
    """
    if not is_zip(path):
        with path.open("rb") as file:
            yield path.name, _lines(_counted(file, limits.bytes_max, 0), limits)
        return
    with _opened(path) as archive:
        members = _members(archive, limits)
        room = _Room(min(limits.bytes_max, max(path.stat().st_size, 1) * limits.ratio_max))
        for member in members:
            with archive.open(member) as packed:
                yield member.filename, _lines(_unpacked(packed, room), limits)


@dataclass(slots=True)
class _Room:
    """Bytes that may still be unpacked, over all members."""

    left: int


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise _damaged(error) from error


def _damaged(error: BaseException) -> FileWrong:
    return FileWrong(f"压缩文件已损坏或不完整（{type(error).__name__}）")


def _members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    found = [member for member in archive.infolist() if not member.is_dir()]
    if len(found) > limits.members_max:
        raise FileWrong(f"压缩文件内有 {len(found)} 个文件，上限 {limits.members_max} 个")
    for member in found:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name or ".." in name.split("/"):
            raise FileWrong(f"压缩文件内的文件名指向别处：{member.filename[:100]!r}")
        if member.flag_bits & _ENCRYPTED:
            raise FileWrong(f"压缩文件内的 {member.filename[:100]!r} 已加密")
    if not found:
        raise FileWrong("压缩文件内没有文件")
    return found


def _unpacked(packed: IO[bytes], room: _Room) -> Iterator[bytes]:
    """By what really comes out, not by what the directory says."""
    while chunk := _read(packed):
        room.left -= len(chunk)
        if room.left < 0:
            raise FileWrong("压缩文件解开后过大，拒绝处理")
        yield chunk


def _read(packed: IO[bytes]) -> bytes:
    """Raised here: who reads the lines stands outside of what opened the archive."""
    try:
        return packed.read(_CHUNK)
    except _DAMAGE as error:
        raise _damaged(error) from error


def _counted(file: io.BufferedReader, bytes_max: int, total: int) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        total += len(chunk)
        if total > bytes_max:
            raise FileWrong(f"文件过大：超过上限 {bytes_max} 字节")
        yield chunk


def _lines(chunks: Iterator[bytes], limits: Limits) -> Iterator[str]:
    rest, number = b"", 0
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield _text(line, number, limits)
        if len(rest) > limits.line_bytes_max:
            raise FileWrong(f"第 {number + 1} 行过长：超过 {limits.line_bytes_max} 字节")
    if rest:
        yield _text(rest, number + 1, limits)


def _text(line: bytes, number: int, limits: Limits) -> str:
    if len(line) > limits.line_bytes_max:
        raise FileWrong(f"第 {number} 行过长：超过 {limits.line_bytes_max} 字节")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileWrong(f"第 {number} 行不是 UTF-8（第 {error.start + 1} 字节）") from error
