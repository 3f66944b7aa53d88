"""Every night: the DIP system's export beside the settlements (ET-09). The list is kept as the result of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.dip.differences import KINDS, FileWrong, differences, read_rows
from gateway.store.jobs import GOOD, JobRun, SqlJobs
from gateway.store.stay_feed import Episode
from jobs.job import JobFailed, Result, Run

NAME: Final = "dip_differences"
KEPT_MAX: Final = 1000
"""Differences kept with a run; all of them are counted."""


@dataclass(frozen=True, slots=True)
class DipComparison:
    """Compares the file that the DIP system writes.

    Args:
        settled: every stay with a settlement in force that ends it.
        file: with the parts of a date as ``strftime`` has them (``%Y%m%d``); None where the configuration names none.
        age_max_h: hours after which an export counts as not renewed.
        days: who left within so many days must be in the file.
        clock: the gateway's clock, aware.
    """

    settled: Callable[[], list[Episode]]
    file: Path | None
    age_max_h: float
    days: int
    clock: Callable[[], datetime]

    def work(self, run: Run) -> Result:
        """The job ``dip_differences``; ``left`` are the differences.

        Raises:
            JobFailed: there is no file, it is old, or it is not what it should be.
        """
        run.go_on()
        now = self.clock()
        file = self._file(now)
        written_at, raw = self._read(file, now)
        try:
            rows = read_rows(raw)
        except FileWrong as error:
            raise JobFailed(f"DIP 系统的文件 {file}：{error}") from None
        since, before = f"{now - timedelta(days=self.days):%Y-%m-%d}", f"{written_at:%Y-%m-%d}"
        found = differences(self.settled(), rows, since, before)
        by_kind = Counter(one.kind for one in found)
        return Result(
            {"文件病例": len(rows), **{kind: by_kind[kind] for kind in KINDS}},
            left=len(found),
            detail={
                "file": str(file),
                "written_at": written_at.isoformat(timespec="seconds"),
                "since": since,
                "before": before,
                "differences": [asdict(one) for one in found[:KEPT_MAX]],
            },
        )

    def _file(self, now: datetime) -> Path:
        if self.file is None:
            raise JobFailed(f"没有设置 DIP 系统导出的文件：请设置 jobs.{NAME}.file，或停用本作业")
        return Path(now.strftime(str(self.file)))

    def _read(self, file: Path, now: datetime) -> tuple[datetime, bytes]:
        """When it was written, and what it holds."""
        try:
            written_at = datetime.fromtimestamp(file.stat().st_mtime, now.tzinfo)
            raw = file.read_bytes()
        except OSError as error:
            raise JobFailed(f"DIP 系统的文件 {file} 无法读取：{error.strerror or error}") from None
        if now - written_at > timedelta(hours=self.age_max_h):
            raise JobFailed(f"DIP 系统的文件 {file} 是 {written_at:%Y-%m-%d %H:%M} 的，没有更新：请看 DIP 系统的导出")
        return written_at, raw


def newest(store: SqlJobs) -> JobRun | None:
    """The newest run that compared; None before the first."""
    return store.newest(NAME, GOOD)


def count(run: JobRun) -> int:
    """How many differences it found."""
    return sum(run.counts.get(kind, 0) for kind in KINDS)
