"""对账: months and days beside the platform, and the differences of a day or of all, each with the exchange it is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from starlette.responses import Response

from gateway.console import days
from gateway.console.area import Area, MenuItem, Page
from gateway.console.exports import exported
from gateway.console.shown import free_text, key_value
from gateway.console.stays.listing import EXPORT_PAGE, page_in
from gateway.console.visit import Visit
from gateway.reconcile.compare import KINDS
from gateway.store.recon import Case, CaseState, Part

STATES: Final = {"even": ("平", "ok"), "uneven": ("不平", "bad"), "failed": ("没有对成", "warn")}
PAGE_ROWS: Final = 100
CASE_STATES: Final[Mapping[str, tuple[str, tuple[CaseState, ...]]]] = {
    "open": ("未结", ("open",)),
    "closed": ("已结", ("closed",)),
    "all": ("全部", ("open", "closed")),
}
"""What the list of cases can be narrowed to."""
_COLUMNS: Final = (
    "案号", "日期", "原因", "退费", "状态", "发现", "结案", "结算 ID", "就诊 ID", "人员编号", "本方医疗费总额", "本方基金", "本方账户",
    "平台医疗费总额", "平台基金", "平台账户", "说明", "报文 ID", "交易日志编号",
)  # fmt: skip
_TITLES: Final[Mapping[str, str]] = {str(kind): title for kind, title in KINDS.items()}
_AMOUNTS: Final = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")


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
    today, recon = visit.parts.clock().date(), visit.parts.store.recon
    first = _first(visit.query.get("month", "")) or _newest_month(visit, today)
    shown = _days(first, today)
    last = shown[0] if shown else first
    counts = recon.counts(first.isoformat(), last.isoformat())
    parts: dict[str, list[Part]] = {}
    for part in recon.parts(first.isoformat(), last.isoformat()):
        parts.setdefault(part.day, []).append(part)
    rows = [_day(day.isoformat(), parts.get(day.isoformat(), []), counts.get(day.isoformat(), {})) for day in shown]
    return visit.show(
        "reconcile/month.html",
        rows=rows,
        month=first,
        before=first - timedelta(days=1),
        after=first + timedelta(days=32),
        compared=sum(row.state != "" for row in rows),
        open_cases=sum(row.open for row in rows),
        states=STATES,
        step=_step(visit),
    )


def day(visit: Visit) -> Response:
    """One day: its comparisons and its cases."""
    wanted = _read(visit)
    if wanted is None:
        return visit.show("templates/told.html", 404, title="没有这一天", text="日期应为 yyyy-MM-dd。")
    recon, page = visit.parts.store.recon, page_in(visit.query)
    rows = recon.cases(wanted, wanted, ("open", "closed"), PAGE_ROWS + 1, (page - 1) * PAGE_ROWS)
    return visit.show(
        "reconcile/day.html",
        day=wanted,
        parts=recon.parts(wanted, wanted),
        codes=visit.parts.interface.contract.codes,
        states=STATES,
        step=_step(visit),
        **_shown(visit, rows, page),
    )


def cases(visit: Visit) -> Response:
    """Differences of every day, those of the last day first."""
    chosen, page = _chosen(visit), page_in(visit.query)
    rows = visit.parts.store.recon.newest_cases(CASE_STATES[chosen][1], PAGE_ROWS + 1, (page - 1) * PAGE_ROWS)
    return visit.show("reconcile/cases.html", chosen=chosen, choices=CASE_STATES, **_shown(visit, rows, page))


def export(visit: Visit) -> Response:
    """The same as a file for a spreadsheet."""
    chosen = _chosen(visit)
    title, states = CASE_STATES[chosen]
    return exported(visit, "reconcile", title, _COLUMNS, _lines(visit, states))


def _chosen(visit: Visit) -> str:
    wanted = visit.query.get("state", "open")
    return wanted if wanted in CASE_STATES else "open"


def _shown(visit: Visit, rows: Sequence[Case], page: int) -> dict[str, Any]:
    """What a table of cases needs: a page of them, and whether there are more."""
    return {
        "cases": rows[:PAGE_ROWS],
        "more": len(rows) > PAGE_ROWS,
        "page": page,
        "kinds": KINDS,
        "plain": visit.may("exchange.body"),
    }


def _lines(visit: Visit, states: Sequence[CaseState]) -> Iterator[list[object]]:
    plain = visit.may("exchange.body")
    for skip in itertools.count(0, EXPORT_PAGE):
        rows = visit.parts.store.recon.newest_cases(states, EXPORT_PAGE, skip)
        yield from (_values(case, plain=plain) for case in rows)
        if len(rows) < EXPORT_PAGE:
            return


def _values(case: Case, *, plain: bool) -> list[object]:
    told = case.content
    amounts = [(told.get(side) or {}).get(name, "") for side in ("ours", "theirs") for name in _AMOUNTS]
    return [
        case.id, case.day, _TITLES.get(case.kind, case.kind), "是" if told.get("refund") else "", CASE_STATES[case.state][0],
        f"{case.opened_at:%Y-%m-%d %H:%M}", f"{case.closed_at:%Y-%m-%d %H:%M}" if case.closed_at else "",
        *(key_value(str(told.get(name) or ""), name, plain=plain) for name in ("setl_id", "mdtrt_id", "psn_no")),
        *amounts, free_text(str(told.get("cause") or ""), plain=plain), free_text(case.msgid, plain=plain), case.exchange_id or "",
    ]  # fmt: skip


def progress(visit: Visit) -> Response:
    """How far the comparison is; once the one has ended that a page was waiting for, that page is loaded anew."""
    step = _step(visit)
    answer = visit.show("reconcile/progress.html", step=step)
    if visit.by_htmx and visit.query.get("day") and not step["day"]:
        answer.headers["HX-Refresh"] = "true"
    return answer


def run(visit: Visit) -> Response:
    """Compare this day now; the page shows how far it is."""
    wanted = _read(visit)
    if wanted is None:
        return visit.show("templates/told.html", 404, title="没有这一天", text="日期应为 yyyy-MM-dd。")
    done = visit.do("reconcile_begin", day=wanted)
    if done["ok"]:
        visit.say(f"开始对 {wanted} 的账；可以离开本页，对账会继续。")
    else:
        visit.say(str(done["error"]), "bad")
    return visit.go(f"/reconcile/{wanted}")


def _step(visit: Visit) -> dict[str, Any]:
    """What is being compared now; without a day nothing is."""
    told = visit.do("reconcile_running")
    return {"day": "", "text": "", "done": 0, "total": 0, **(told if told["ok"] else {})}


def _read(visit: Visit) -> str | None:
    found = days.day(visit.path["day"])
    return f"{found:%Y-%m-%d}" if found else None


def _first(text: str) -> date | None:
    found = days.day(f"{text}-01")
    return found.date() if found else None


def _newest_month(visit: Visit, today: date) -> date:
    """That of yesterday, the newest day that is over: on the first of a month there is nothing else to compare yet."""
    text = today.isoformat()
    newest = today if visit.parts.store.recon.parts(text, text) else today - timedelta(days=1)
    return newest.replace(day=1)


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
        Page("GET", "/reconcile/cases", "reconcile.see", cases),
        Page("GET", "/reconcile/cases.csv", "reconcile.see", export),
        Page("GET", "/reconcile/progress", "reconcile.see", progress, quiet=True),
        Page("GET", "/reconcile/{day}", "reconcile.see", day),
        Page("POST", "/reconcile/{day}", "reconcile.act", run),
    ),
    menu=(MenuItem("/reconcile", "对账", "reconcile.see"),),
    rights={"reconcile.see": "看到对账与差异", "reconcile.act": "与平台对账、复核"},
)
