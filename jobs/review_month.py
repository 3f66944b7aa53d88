"""医保审核 of a month: every stay of it looked through, what somebody should look at kept as the result of the run (ET-05).

Runs when a person asks for it. Nothing is sent, and nothing is changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter, sleep
from typing import Any, Final

from gateway.rules.review import Finding, findings
from gateway.stays.desk import StayDesk
from gateway.stays.ports import StayRef
from gateway.store.jobs import GOOD, JobRun, SqlJobs
from gateway.store.stay_feed import Episode, EpisodeQuery, StayFeed
from jobs.job import JobFailed, Result, Run

NAME: Final = "review_month"
BY: Final[Mapping[str, str]] = {"t_dsc": "出院", "t_ward": "入科"}
"""By which time a stay belongs to a month."""
KEPT_MAX: Final = 5000
"""Cases kept with a run; all of them are counted."""
STAYS_MAX: Final = 100_000
RUNS_LOOKED_AT: Final = 12
REST_S_MAX: Final = 0.05
_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


def month_of(text: str) -> tuple[str, str] | None:
    """First day of a month and of the next one; None where it is no month from 2000 to 2099 as ``2026-11``."""
    found = _MONTH.fullmatch(text)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    return f"{text}-01", f"{year + month // 12}-{month % 12 + 1:02d}-01"


def stays_of(month: str, by: str, *, limit: int, skip: int = 0) -> EpisodeQuery:
    """The stays of a month, the earliest first. Raises ValueError."""
    bounds = month_of(month)
    if bounds is None or by not in BY:
        raise ValueError(month, by)
    plain = EpisodeQuery(order=by, descending=False, limit=limit, skip=skip)
    if by == "t_dsc":
        return replace(plain, dsc_from=bounds[0], dsc_before=bounds[1])
    return replace(plain, ward_from=bounds[0], ward_before=bounds[1])


@dataclass(frozen=True, slots=True)
class MonthReview:
    """Looks through the stays of a month.

    Args:
        desk: knows each of them as it is at this moment.
        clock: the gateway's clock, aware.
        rest: lets so many seconds go by: half of the time belongs to the calls of the HIS.
    """

    feed: StayFeed
    desk: StayDesk
    clock: Callable[[], datetime]
    rest: Callable[[float], None] = sleep

    def work(self, run: Run) -> Result:
        """The job ``review_month``, given ``month`` (default: the last one) and ``by`` (``t_dsc`` or ``t_ward``).

        Raises:
            JobFailed: what was given is no month.
        """
        month = str(run.given.get("month") or f"{self.clock().replace(day=1) - timedelta(days=1):%Y-%m}")
        by = str(run.given.get("by") or "t_dsc")
        if month_of(month) is None or by not in BY:
            raise JobFailed(f"month 应如 2026-11，by 应为 {' 或 '.join(BY)}")
        # named in one statement: a stay that changes meanwhile is neither left out nor looked at twice
        stays = self.feed.episodes(stays_of(month, by, limit=STAYS_MAX))
        cases, counts = list[dict[str, Any]](), Counter[str]()
        run.advance(0, len(stays))
        for looked, one in enumerate(stays, 1):
            begun = perf_counter()
            if found := findings(self.desk.judged(StayRef(one.ipt_no, one.mdtrt_id)).stay, self.desk.policy):
                cases.append(_case(one, found))
                counts.update({each.code for each in found})
            run.advance(looked, len(stays))
            self.rest(min(perf_counter() - begun, REST_S_MAX))
        detail = {
            "month": month,
            "by": by,
            "stays": len(stays),
            "codes": dict(counts.most_common()),
            "cases": cases[:KEPT_MAX],
        }
        return Result({"病例": len(stays)}, left=len(cases), detail=detail)


def _case(one: Episode, found: tuple[Finding, ...]) -> dict[str, Any]:
    numbers = {"ipt_no": one.ipt_no, "mdtrt_id": one.mdtrt_id, "psn_no": one.psn_no}
    return {**numbers, "findings": [[each.code, each.text] for each in found]}


def newest_of(jobs: SqlJobs, month: str, by: str) -> JobRun | None:
    """The newest run that looked through this month to its end; None where none of the last runs did."""
    before: int | None = None
    for _ in range(RUNS_LOOKED_AT):
        # one at a time: what was found is read with each, and the first is mostly the one
        run = next(iter(jobs.history(NAME, limit=1, before_id=before)), None)
        if run is None:
            return None
        if run.outcome in GOOD and (run.detail.get("month"), run.detail.get("by")) == (month, by):
            return run
        before = run.id
    return None
