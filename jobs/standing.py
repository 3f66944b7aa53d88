"""How each job stands: when it ran, when it runs next, and whether somebody should look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from gateway import clock
from gateway.settings import JobTimes
from gateway.store.jobs import GOOD, LEADER, TELLING, JobRun, RunOutcome, Slot, SqlJobs

TITLES: Final[Mapping[str, str]] = {
    "alignment": "入科后自动办理入院信息变更（2403）",
    "doubts": "结果未知的交易：核实的进展",
    "sign_in": "操作员签到（9001）",
    "sign_out": "操作员签退（9002）",
    "his_sync": "读 HIS：入出转、诊断、手术",
    "fee_upload": "住院费用上传（2301）",
    "settlement_lists": "结算清单填写、上传与跟踪（4101A 或 4101、4102、4103）",
    "reconcile": "与平台对账（3201、3202）",
    "review_month": "医保审核：核查一个月的病例",
    "dip_differences": "与 DIP 系统核对（缺失、不一致、多余）",
    "catalogs": "下载目录（13xx）",
    "daily_report": "昨日的笔数、金额与遗留",
    "backup": "备份数据库",
    "retention": "按期限清理与归档",
}
"""Every job by its name, in the order in which they are shown."""

Alert = Literal["", "failed", "silent"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One job at one moment."""

    name: str
    title: str
    enabled: bool
    when: str
    next_at: datetime | None
    running: JobRun | None
    last: JobRun | None
    """The newest run that tells something: not one that was skipped or stopped."""
    last_good_at: datetime | None
    alert: Alert
    text: str
    """The alert in a sentence for staff."""


def trigger_of(times: JobTimes) -> BaseTrigger:
    """The timetable of one job, in the time of the interface."""
    if (every_s := times.every_s) is not None:
        return IntervalTrigger(seconds=every_s, timezone=clock.SHANGHAI)
    return CronTrigger.from_crontab(times.when, timezone=clock.SHANGHAI)


def due_after(times: JobTimes, last: datetime | None, since: datetime) -> datetime:
    """When a job is due next; may be in the past, then it was missed.

    Args:
        last: when it was due the last time.
        since: since when it is on the timetable.
    """
    begin = last or since
    if (every_s := times.every_s) is not None:
        return begin + timedelta(seconds=every_s)
    found: datetime | None = trigger_of(times).get_next_fire_time(begin, begin)
    assert found is not None, "a crontab has no end"
    return found


def standings(every: Mapping[str, JobTimes], store: SqlJobs, now: datetime) -> list[Standing]:
    """How all jobs stand. Raises ``JournalUnavailable``.

    Args:
        every: times by name (``settings.jobs.times``).
    """
    slots = store.slots()
    return [_standing(name, every[name], store, slots.get(name), now) for name in TITLES if name in every]


def leader(store: SqlJobs) -> str:
    """The node that keeps the timetable; empty when there is none."""
    slot = store.slots().get(LEADER)
    return slot.node if slot else ""


def _standing(name: str, times: JobTimes, store: SqlJobs, slot: Slot | None, now: datetime) -> Standing:
    last, good = store.newest(name, TELLING), store.newest(name, GOOD)
    good_at = good.finished_at if good else None
    alert, text = _alert(times, last, good_at, slot, now) if times.enabled else ("", "")
    next_at = due_after(times, store.last_scheduled(name), slot.since) if slot and times.enabled else None
    return Standing(
        name=name,
        title=TITLES[name],
        enabled=times.enabled,
        when=times.when,
        next_at=next_at,
        running=store.newest(name, (RunOutcome.RUNNING,)),
        last=last,
        last_good_at=good_at,
        alert=alert,
        text=text,
    )


def _alert(
    times: JobTimes, last: JobRun | None, good_at: datetime | None, slot: Slot | None, now: datetime
) -> tuple[Alert, str]:
    heard = good_at or (slot.since if slot else None)
    if heard is not None and (now - heard).total_seconds() > times.silent_after_s:
        what = f"自 {heard:%m-%d %H:%M} 起没有办成过"
        return "silent", f"{what}：{last.error}" if last and last.error else what
    if last is not None and last.outcome not in GOOD:
        return "failed", last.error or _WORDS[last.outcome]
    return "", ""


_WORDS: Final = {
    RunOutcome.LOST: "运行中进程中断",
    RunOutcome.MISSED: "到时无人运行",
    RunOutcome.FAILED: "没有办成",
}
