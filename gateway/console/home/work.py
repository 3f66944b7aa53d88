"""What waits beside the doubts, as numbers that lead to their lists: each of few indexed rows, for who may open the list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.alerts.rules import RULES
from gateway.console.home.raised import Raised
from gateway.console.stays.emergency import WAITING as EMERGENCY
from gateway.console.visit import Visit
from gateway.store.catalogs import Version
from gateway.store.jobs import GOOD
from gateway.store.stay_feed import EpisodeQuery
from jobs import dip_differences

COUNTED_MAX: Final = 1000
NEW_FOR: Final = timedelta(hours=24)
"""For so long a catalog's version is news."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work.

    Args:
        count: counted no further than :data:`COUNTED_MAX`.
        path: of the list.
        act: what one goes there for.
        told: why, and what comes of it.
    """

    title: str
    kind: str
    count: int
    path: str
    act: str
    told: str

    @property
    def shown(self) -> str:
        return f"{COUNTED_MAX - 1}+" if self.count >= COUNTED_MAX else str(self.count)


def work(visit: Visit, raised: Sequence[Raised]) -> list[Work]:
    """Everything that this person may look after; what is done counts nothing.

    Args:
        raised: alerts that are open.
    """
    found = [one for right, ask in _BY_RIGHT if visit.may(right) for one in ask(visit)]
    return [*found, *_of_alerts(visit, raised)]


def _of_stays(visit: Visit) -> Iterator[Work]:
    unreceived = EpisodeQuery(("registered",), ("not_in_ward",), limit=COUNTED_MAX)
    differ = EpisodeQuery(("in_ward",), ("differs",), registered=True, limit=COUNTED_MAX)
    title, act = ("入院变更", "去变更") if visit.may("stay.act") else ("时间不一致", "看名单")
    count, listed = visit.parts.store.stay_feed.count, "/stays?presence=registered&alignment=not_in_ward"
    yield Work("未入科", "idle", count(unreceived), listed, "看名单", "已登记，病区还没有上报入科。")
    yield Work(title, "warn", count(differ), "/alignment", act, "医保入院时间与入科时间不同，不变更就不能出院和结算。")


def _of_emergency(visit: Visit) -> Iterator[Work]:
    count = visit.parts.store.stay_feed.count(replace(EMERGENCY, limit=COUNTED_MAX))
    yield Work("急诊急救审核", "warn", count, "/emergency", "去审核", "急诊费用还没有审核，或审核之后又有变动。")


def _of_fees(visit: Visit) -> Iterator[Work]:
    count = visit.parts.store.fees.bad_stays(COUNTED_MAX)
    yield Work("费用未能上传", "bad", count, "/fees?fees=bad", "看原因", "有费用行没有传上去的病人，改正后再上传。")


def _of_lists(visit: Visit) -> Iterator[Work]:
    count = visit.parts.store.stay_feed.count(EpisodeQuery(settlement=("settled",), limit=COUNTED_MAX))
    yield Work("清单待上传", "warn", count, "/lists", "看清单", "已结算而平台还没有结算清单。")
    run = dip_differences.newest(visit.parts.store.jobs)
    differ = 0 if run is None else min(dip_differences.count(run), COUNTED_MAX)
    yield Work("DIP 差异", "warn", differ, "/lists/dip", "看差异", "DIP 系统与医保结算不同，以医保结算为准。")


def _of_returned(visit: Visit) -> Iterator[Work]:
    """Lists that the platform's reviewers gave back, as the job that follows them found them the last time."""
    run = visit.parts.store.jobs.newest("settlement_lists", GOOD)
    left = 0 if run is None else min(run.counts.get("待人工", 0), COUNTED_MAX)
    yield Work(
        "清单待人工",
        "bad",
        left,
        "/jobs?job=settlement_lists",
        "看原因",
        "最近一次自动办理时，质控、平台或审核没有通过。",
    )


def _of_books(visit: Visit) -> Iterator[Work]:
    count = visit.parts.store.recon.open_cases(COUNTED_MAX)
    yield Work("对账未结", "bad", count, "/reconcile/cases", "看差异", "与平台的账不一致，查清后复核即结案。")


def _of_catalogs(visit: Visit) -> Iterator[Work]:
    held, since = visit.parts.store.catalogs.held(), visit.parts.clock() - NEW_FOR
    failed = sum(one.failed for one in held)
    new = sum(one.version is not None and _is_news(one.version, since) for one in held)
    yield Work("目录没有更新", "warn", failed, "/catalogs", "看原因", "最近一次下载没有成功，仍用原来的版本。")
    yield Work("目录有变更", "run", new, "/catalogs", "看变更", "24 小时内启用了新的版本。")


def _is_news(version: Version, since: datetime) -> bool:
    begun = version.finished_at is not None and version.finished_at >= since
    return begun and any((version.added, version.changed, version.withdrawn))


def _of_alerts(visit: Visit, raised: Sequence[Raised]) -> Iterator[Work]:
    """Jobs are judged by the watch of the serving process; here no timetable is read again."""
    rule = RULES["jobs"]
    if visit.may(rule.right):
        failed = sum(one.alert.rule == "jobs" for one in raised)
        yield Work("任务没有办成", "warn", failed, rule.path, "看原因", "自动任务最近一次没有办成，或久未办成。")


_BY_RIGHT: Final[Sequence[tuple[str, Callable[[Visit], Iterator[Work]]]]] = (
    ("stay.see", _of_stays),
    ("emergency.act", _of_emergency),
    ("fee.see", _of_fees),
    ("list.see", _of_lists),
    ("job.see", _of_returned),
    ("reconcile.see", _of_books),
    ("catalog.see", _of_catalogs),
)
