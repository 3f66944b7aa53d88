"""Yesterday compared with the platform's books every morning, and every earlier day that is not settled yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.reconcile.service import DayResult, Reconciliation
from jobs.job import Result, Run, day_given


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The job ``reconcile`` (3201, 3202).

    Args:
        clock: the gateway's clock, aware.
    """

    reconciliation: Reconciliation
    clock: Callable[[], datetime]

    def work(self, run: Run) -> Result:
        """Look again at what was open, then compare yesterday, or ``{"day": "2026-11-21"}`` alone as given by a person.

        ``left`` are open cases and parts that failed.

        Raises:
            JobFailed: the day that was given is none.
        """
        today = self.clock().date()
        only = day_given(run.given, today)

        def told(_what: str, done: int, total: int) -> None:
            run.go_on()
            if total:
                run.advance(min(done, total), total)

        before = [] if only else self.reconciliation.recheck(told)
        days = [*before, self.reconciliation.run_day(only or today - timedelta(days=1), told)]
        newest = {one.day: one for one in days}.values()
        return Result(
            {"核对天数": len(newest), "差异": sum(len(one.open_cases) for one in newest)},
            left=sum(map(_left, newest)),
            detail={"days": [{"day": one.day, "open": len(one.open_cases), "whole": one.whole} for one in newest]},
        )


def _left(day: DayResult) -> int:
    return len(day.open_cases) + sum(part.state == "failed" for part in day.parts)
