"""A copy of the whole store, each night, and so many of them kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.store import Store
from gateway.store.backup import Copy
from jobs.job import JobFailed, Result, Run

OURS: Final = re.compile(r"yibao-\d{8}-\d{6}\.zip")
"""Names of copies that this job has made; no other file is ever removed."""


@dataclass(frozen=True, slots=True)
class Backups:
    """Where copies go.

    Args:
        folder: None where the configuration names none and the store is no file.
        keep: how many.
        clock: the gateway's clock, aware.
    """

    store: Store
    folder: Path | None
    keep: int
    clock: Callable[[], datetime]

    def work(self, run: Run) -> Result:
        """The job ``backup``: write a copy, read it back whole, then remove the oldest beyond ``keep``.

        Raises:
            JobFailed: there is no folder, or it cannot be written.
            StoreError: the copy could not be made, or cannot be read back.
        """
        if self.folder is None:
            raise JobFailed("没有设置备份目录：请设置 jobs.backup.folder（另一块磁盘或共享目录），或停用本作业")
        now = self.clock()
        file = self.folder / f"yibao-{now:%Y%m%d-%H%M%S}.zip"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # before the copy, so that it stands in it too
            self.store.operator_log.append("yibao", "db.backup", str(file))
            manifest = self.store.backup(file, now, run.advance)
            Copy(file).verify(lambda _done, _total: None)
            removed = self._tidied()
            size = file.stat().st_size
        except OSError as error:
            raise JobFailed(f"备份目录 {self.folder} 不能用：{error.strerror or error}") from error
        return Result(
            {"行": manifest.rows, "删除旧备份": removed}, detail={"file": str(file), "bytes": size, "kept": self.keep}
        )

    def _tidied(self) -> int:
        """After the new one is known to be good."""
        assert self.folder is not None
        copies = sorted(path for path in self.folder.iterdir() if OURS.fullmatch(path.name))
        older = copies[: -self.keep]
        for path in older:
            path.unlink()
        return len(older)
