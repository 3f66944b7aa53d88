"""医保审核 by month: have every case of a month looked through, see how far it is, what was found, and take it along."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from gateway.console.exports import exported
from gateway.console.shown import free_text
from gateway.console.stays.listing import EXPORT_PAGE, page_in
from gateway.console.stays.people import names_shown
from gateway.console.stays.review import COLUMNS, remarks_of, reviews_of, values
from gateway.console.visit import Visit
from gateway.desks.jobs import OUTCOMES
from gateway.rules.review import TOPICS
from gateway.stays.ports import StayRef
from gateway.store.jobs import JobRun, RunOutcome
from jobs.review_month import BY, NAME, month_of, newest_of, stays_of

PAGE_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which month, and by which time a case belongs to it."""

    month: str
    by: str
    problem: str = ""


def month(visit: Visit) -> Response:
    """The month as the newest look through it found it."""
    wanted = _wanted(visit, visit.query)
    run = newest_of(visit.parts.store.jobs, wanted.month, wanted.by)
    code, page = visit.query.get("code", "")[:16], page_in(visit.query)
    cases = _cases(run, code)
    shown = cases[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    refs = {StayRef(one["ipt_no"], one["mdtrt_id"]): one for one in shown}
    remarks = visit.parts.store.remarks.of(list(refs))
    told = f"{wanted.month} 按{BY[wanted.by]}，第 {page} 页，{len(shown)} 人"
    return visit.show(
        "stays/month.html",
        wanted=wanted,
        done=run,
        code=code,
        topics=TOPICS,
        page=page,
        last=(len(cases) + PAGE_ROWS - 1) // PAGE_ROWS,
        count=len(cases),
        rows=[(ref, one, remarks.get(ref, ())) for ref, one in refs.items()],
        people=names_shown(visit, [one["psn_no"] for one in shown], "review month", told),
        plain=visit.may("exchange.body"),
        **_progress(visit),
    )


def _wanted(visit: Visit, given: Mapping[str, str]) -> Wanted:
    now = visit.parts.clock()
    default = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    text, by = given.get("month", "").strip()[:10], given.get("by", "")
    problem = f"月份“{text}”应如 2026-11" if text and month_of(text) is None else ""
    return Wanted(text if text and not problem else default, by if by in BY else "t_dsc", problem)


def _cases(run: JobRun | None, code: str) -> list[Mapping[str, Any]]:
    cases = run.detail.get("cases", []) if run else []
    return [one for one in cases if not code or any(found[0] == code for found in one["findings"])]


def begin(visit: Visit) -> Response:
    """Have the month looked through."""
    wanted = _wanted(visit, visit.form)
    if wanted.problem:
        visit.say(wanted.problem, "bad")
        return visit.go("/review/month")
    told = visit.do("review_month", month=wanted.month, by=wanted.by)
    if told["ok"]:
        visit.say(f"已开始核查 {wanted.month}（按{BY[wanted.by]}）；可以离开本页，进度会继续。")
    else:
        visit.say(str(told["error"]), "bad")
    return visit.go(f"/review/month?month={wanted.month}&by={wanted.by}")


def progress(visit: Visit) -> Response:
    """How far the look is; asks for itself until it has ended."""
    return visit.show("stays/month_progress.html", **_progress(visit))


def _progress(visit: Visit) -> dict[str, Any]:
    jobs = visit.parts.store.jobs
    run, slot = next(iter(jobs.history(NAME, limit=1)), None), jobs.slots().get(NAME)
    going = run is not None and run.outcome is RunOutcome.RUNNING and slot is not None and slot.node != ""
    return {"run": run, "going": going, "outcomes": OUTCOMES, "ways": BY}


def export(visit: Visit) -> Response:
    """Every case of the month as a file, with what the newest look found of it."""
    wanted = _wanted(visit, visit.query)
    run = newest_of(visit.parts.store.jobs, wanted.month, wanted.by)
    columns = (*COLUMNS, "核查于", "核查发现")
    asked = f"{wanted.month} 按{BY[wanted.by]}"
    return exported(visit, "review-month", asked, columns, _lines(visit, wanted, run), _cut(run))


def _cut(run: JobRun | None) -> str:
    """What the file lacks of the findings, as its last line."""
    left = run.counts.get("待人工", 0) - len(run.detail.get("cases", [])) if run else 0
    return f"另有 {left} 个病例的核查发现没有保留，请看病例页" if left > 0 else ""


def _lines(visit: Visit, wanted: Wanted, run: JobRun | None) -> Iterator[list[object]]:
    plain, reviews = visit.may("exchange.body"), reviews_of(visit)
    at = f"{run.finished_at:%Y-%m-%d %H:%M}" if run and run.finished_at else "未核查"
    found = {(one["ipt_no"], one["mdtrt_id"]): one["findings"] for one in _cases(run, "")}
    for skip in itertools.count(0, EXPORT_PAGE):
        rows = reviews.page(stays_of(wanted.month, wanted.by, limit=EXPORT_PAGE, skip=skip))
        remarks = remarks_of(visit, rows)
        for row in rows:
            one = row.episode
            texts = [f"{code} {text}" for code, text in found.get((one.ipt_no, one.mdtrt_id), ())]
            yield [
                *values(row, remarks.get(one.key, ()), plain=plain), at, free_text("；".join(texts), plain=plain),
            ]  # fmt: skip
        if len(rows) < EXPORT_PAGE:
            return
