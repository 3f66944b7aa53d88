"""Where received files are kept: whole or not at all, each under its own checksum."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.files.unpack import FileWrong, must_be_whole

BYTES_MAX: Final = 512 * 1024 * 1024
INLINE_BYTES_MAX: Final = 8 * 1024 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A file that came whole."""

    size: int
    sha256: str
    path: Path


class Shelf:
    """A folder of received files. Several processes may share it: a file appears by being renamed.

    Args:
        folder: made when it is not there; readable by its owner only, since files may name patients.
        bytes_max: larger files are not taken.
        inline_bytes_max: files up to this size are also handed over inside an answer.
    """

    def __init__(self, folder: Path, bytes_max: int = BYTES_MAX, inline_bytes_max: int = INLINE_BYTES_MAX) -> None:
        self.folder = folder
        self.bytes_max = bytes_max
        self.inline_bytes_max = inline_bytes_max

    def receive(self, name: str, chunks: Iterable[bytes]) -> Shelved:
        """Take a file in, chunk by chunk. Whatever breaks on the way leaves nothing behind.

        Args:
            name: what the platform calls it; ``.zip`` must be a ZIP.
            chunks: its bytes.

        Raises:
            FileWrong: too large, empty, or a ZIP that is not whole.
            OSError: the disk.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.folder / f"{secrets.token_hex(16)}.part"
        try:
            size, digest = self._write(part, chunks)
            must_be_whole(part, name)
            place = self.folder / digest
            part.replace(place)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return Shelved(size, digest, place)

    def find(self, sha256: str) -> Path | None:
        """The file of this checksum, while it is kept."""
        place = self.folder / sha256
        return place if _SHA256.fullmatch(sha256) and place.is_file() else None

    def sweep(self, before: datetime) -> int:
        """Remove files received before then, and what interrupted downloads left. Returns how many."""
        removed = 0
        for place in self.folder.iterdir() if self.folder.is_dir() else ():
            ours = place.suffix == ".part" or _SHA256.fullmatch(place.name)
            with suppress(FileNotFoundError):  # another process sweeps too
                if ours and place.stat().st_mtime < before.timestamp():
                    place.unlink()
                    removed += 1
        return removed

    def _write(self, part: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        # 0600 whatever the umask: nobody else reads it, not even while it grows
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > self.bytes_max:
                    raise FileWrong(f"文件过大：超过上限 {self.bytes_max} 字节")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            raise FileWrong("文件是空的")
        return size, digest.hexdigest()
