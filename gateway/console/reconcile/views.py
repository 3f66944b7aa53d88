"""对账: months and days beside the platform, and every difference with the exchange that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.visit import Visit
from gateway.reconcile.compare import KINDS
from gateway.store.recon import Part

STATES: Final = {"even": ("平", "ok"), "uneven": ("不平", "bad"), "failed": ("没有对成", "warn")}
CASES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Day:
    """A day in the view of a month."""

    day: str
    lines: int
    cents: int
    state: str
    """Empty: not compared yet."""
    open: int
    closed: int


def month(visit: Visit) -> Response:
    """Every day of a month that is over: compared or not, even or not, cases."""
    today = visit.parts.clock().date()
    first = _first(visit.query.get("month", ""), today)
    days = _days(first, today)
    recon = visit.parts.store.recon
    last = days[0] if days else first
    counts = recon.counts(first.isoformat(), last.isoformat())
    parts: dict[str, list[Part]] = {}
    for part in recon.parts(first.isoformat(), last.isoformat()):
        parts.setdefault(part.day, []).append(part)
    rows = [_day(day.isoformat(), parts.get(day.isoformat(), []), counts.get(day.isoformat(), {})) for day in days]
    return visit.show(
        "reconcile/month.html",
        rows=rows,
        month=first,
        before=first - timedelta(days=1),
        after=first + timedelta(days=32),
        compared=sum(row.state != "" for row in rows),
        open_cases=sum(row.open for row in rows),
        states=STATES,
        running=_running(visit),
    )


def day(visit: Visit) -> Response:
    """One day: its comparisons and its cases."""
    wanted = _read(visit)
    if wanted is None:
        return visit.show("templates/told.html", 404, title="没有这一天", text="日期应为 yyyy-MM-dd。")
    recon = visit.parts.store.recon
    return visit.show(
        "reconcile/day.html",
        day=wanted,
        parts=recon.parts(wanted, wanted),
        cases=recon.cases(wanted, wanted, ("open", "closed"), CASES_MAX),
        kinds=KINDS,
        states=STATES,
        plain=visit.may("exchange.body"),
        running=_running(visit),
    )


def run(visit: Visit) -> Response:
    """Compare this day now; the page shows how far it is."""
    wanted = _read(visit)
    if wanted is None:
        return visit.show("templates/told.html", 404, title="没有这一天", text="日期应为 yyyy-MM-dd。")
    done = visit.do("reconcile_begin", day=wanted)
    visit.say(
        f"开始对 {wanted} 的账，稍后刷新本页。" if done["ok"] else str(done["error"]), "ok" if done["ok"] else "bad"
    )
    return visit.go(f"/reconcile/{wanted}")


def _running(visit: Visit) -> str:
    """What is being compared now; empty when nothing is."""
    told = visit.do("reconcile_running")
    return str(told.get("text") or "")


def _read(visit: Visit) -> str | None:
    try:
        return date.fromisoformat(visit.path["day"]).isoformat()
    except ValueError:
        return None


def _first(text: str, today: date) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)


def _days(first: date, today: date) -> list[date]:
    """Newest first; today is not over yet, but may be looked at."""
    found = [first + timedelta(days=number) for number in range(31)]
    return [one for one in reversed(found) if one.month == first.month and one <= today]


def _day(day: str, parts: Sequence[Part], counts: dict[str, int]) -> Day:
    totals = [part for part in parts if part.kind == "total"]
    found = {part.state for part in parts}
    state = next((one for one in ("failed", "uneven", "even") if one in found), "")
    lines, cents = sum(part.line_count for part in totals), sum(part.medfee_cents for part in totals)
    return Day(day, lines, cents, state, counts.get("open", 0), counts.get("closed", 0))


AREA: Final = Area(
    name="reconcile",
    pages=(
        Page("GET", "/reconcile", "reconcile.see", month),
        Page("GET", "/reconcile/{day}", "reconcile.see", day),
        Page("POST", "/reconcile/{day}", "reconcile.act", run),
    ),
    menu=(MenuItem("/reconcile", "对账", "reconcile.see"),),
    rights={"reconcile.see": "看到对账与差异", "reconcile.act": "与平台对账、复核"},
)
