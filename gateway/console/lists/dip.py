"""DIP 核对: the newest difference list against the DIP system (ET-09), by kind, with the way to each stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from gateway.console.exports import exported
from gateway.console.lists.tabs import TABS
from gateway.console.shown import free_text
from gateway.console.stays.words import address
from gateway.console.visit import Visit
from gateway.dip.differences import KINDS
from gateway.stays.ports import StayRef
from gateway.store.jobs import JobRun, RunOutcome
from jobs.dip_differences import KEPT_MAX, NAME, count, newest

MEANINGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "缺失": ("bad", "医保已结算，DIP 系统没有", "在 DIP 系统补录，或重取事件"),
    "不一致": ("warn", "两边都有，时间或编号不同", "以医保结算为准，改 DIP 系统"),
    "多余": ("idle", "DIP 系统有，医保没有有效结算", "看结算是否已撤销；是的，从 DIP 系统移除"),
}
"""Of each kind: its colour, what it means, what to do."""
_COLUMNS: Final = ("类别", "住院号", "就诊 ID", "结算 ID", "说明", "文件行")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run, as the page tells it.

    Args:
        written_at: when the DIP system wrote its file.
        since: who left from here on was looked for in the file.
        before: and before this.
    """

    run: JobRun
    rows: Sequence[Mapping[str, Any]]
    written_at: datetime
    since: str
    before: str

    @property
    def counts(self) -> Mapping[str, int]:
        """Differences by kind; of all, also of those that were not kept."""
        return {kind: self.run.counts.get(kind, 0) for kind in KINDS}

    @property
    def unkept(self) -> int:
        return count(self.run) - len(self.rows)


def _newest(visit: Visit) -> Comparison | None:
    run = newest(visit.parts.store.jobs)
    if run is None:
        return None
    told = run.detail
    written_at = datetime.fromisoformat(told["written_at"])
    return Comparison(run, told["differences"], written_at, told["since"], told["before"])


def differences(visit: Visit) -> Response:
    """The newest list, of one kind where one is asked for."""
    found, kind = _newest(visit), _kind(visit)
    last = next(iter(visit.parts.store.jobs.history(NAME, limit=1)), None)
    return visit.show(
        "lists/dip.html",
        tab="",
        tabs=TABS,
        found=found,
        rows=[(row, _stay(row)) for row in _of_kind(found, kind)],
        kind=kind,
        meanings=MEANINGS,
        times=visit.parts.settings.jobs.dip_differences,
        job=NAME,
        failed=last if last is not None and last.outcome is RunOutcome.FAILED else None,
        kept_max=KEPT_MAX,
        plain=visit.may("exchange.body"),
    )


def export(visit: Visit) -> Response:
    """The same as a file for a spreadsheet."""
    kind = _kind(visit)
    found = _newest(visit)
    rows = _of_kind(found, kind)
    there = sum(number for name, number in found.counts.items() if kind in ("", name)) if found else 0
    unkept = there - len(rows)
    cut = f"只留前 {KEPT_MAX:,} 处，另有 {unkept} 处没有导出：全部请用命令 yibao dip diff" if unkept > 0 else ""
    return exported(visit, "dip", kind, _COLUMNS, _lines(rows, plain=visit.may("exchange.body")), cut)


def _kind(visit: Visit) -> str:
    wanted = visit.query.get("kind", "")
    return wanted if wanted in MEANINGS else ""


def _of_kind(found: Comparison | None, kind: str) -> list[Mapping[str, Any]]:
    return [row for row in (found.rows if found else ()) if kind in ("", row["kind"])]


def _stay(row: Mapping[str, Any]) -> str:
    """Where its stay is; nowhere for a case that only the file has."""
    return "" if row["kind"] == "多余" else address(StayRef(row["ipt_no"], row["mdtrt_id"]))


def _lines(rows: Sequence[Mapping[str, Any]], *, plain: bool) -> Iterator[list[object]]:
    for row in rows:
        words = [free_text(row[name], plain=plain) for name in ("ipt_no", "mdtrt_id", "setl_id", "text")]
        yield [row["kind"], *words, row["line"] or ""]
