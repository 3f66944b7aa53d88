"""任务: what runs by itself, how it went, and run it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.jobs.words import timetable_called
from gateway.console.visit import Visit
from gateway.desks.jobs import OUTCOMES
from gateway.store.jobs import RunOutcome
from jobs.standing import TITLES, leader, standings

SHOWN_MAX: Final = 50
ID_MAX: Final = 2**62
KINDS: Final[Mapping[RunOutcome, str]] = {
    RunOutcome.RUNNING: "run",
    RunOutcome.DONE: "ok",
    RunOutcome.PARTIAL: "warn",
    RunOutcome.FAILED: "bad",
    RunOutcome.STOPPED: "idle",
    RunOutcome.LOST: "bad",
    RunOutcome.MISSED: "bad",
    RunOutcome.SKIPPED: "idle",
}
TOLD: Final = {
    "day": "日期", "not_aligned": "入院时间未一致", "file": "文件", "bytes": "字节", "kept": "保留份数",
    "written_at": "文件写于", "since": "出院时间从", "before": "出院时间到",
}  # fmt: skip
LEFT: Final = {"ipt_no": "住院号", "mdtrt_id": "就诊ID", "feedetl_sn": "费用流水号", "code": "代码", "reason": "原因"}


def jobs(visit: Visit) -> Response:
    """How every job stands, and past runs."""
    return visit.show("jobs/jobs.html", **_content(visit))


def part(visit: Visit) -> Response:
    """The part that refreshes itself."""
    return visit.show("jobs/table.html", **_content(visit))


def _content(visit: Visit) -> dict[str, Any]:
    store, chosen = visit.parts.store.jobs, visit.query.get("job", "")
    chosen = chosen if chosen in TITLES else ""
    before = visit.query.get("before", "")
    runs = store.history(chosen, limit=SHOWN_MAX + 1, before_id=_number(before))
    return {
        "standings": standings(visit.parts.settings.jobs.times, store, visit.parts.clock()),
        "leader": leader(store),
        "runs": runs[:SHOWN_MAX],
        "more": runs[SHOWN_MAX - 1].id if len(runs) > SHOWN_MAX else 0,
        "first": not _number(before),
        "chosen": chosen,
        "titles": TITLES,
        "called": timetable_called,
        "words": OUTCOMES,
        "kinds": KINDS,
        "plain": visit.may("exchange.body"),
    }


def run(visit: Visit) -> Response:
    """One run, with what it left."""
    number = _number(visit.path["number"])
    found = visit.parts.store.jobs.get(number) if number else None
    if found is None:
        return visit.show("templates/told.html", 404, title="没有这次运行", text="没有这个编号的运行。")
    left = found.detail.get("left", [])
    told = {name: value for name, value in found.detail.items() if not isinstance(value, dict | list)}
    return visit.show(
        "jobs/run.html",
        run=found,
        titles=TITLES,
        words=OUTCOMES,
        kinds=KINDS,
        left=left if isinstance(left, list) else [],
        columns=LEFT,
        told={TOLD.get(name, name): value for name, value in told.items()},
        days=found.detail if found.job == "daily_report" else {},
        plain=visit.may("exchange.body"),
    )


def begin(visit: Visit) -> Response:
    """Run it now, in this person's name."""
    name = visit.path["name"]
    done = visit.do("run_job", job=name)
    if done["ok"]:
        visit.say(f"{TITLES[name]}：已开始，编号 {done['run']}。")
    else:
        visit.say(str(done["error"]), "bad")
    return visit.go("/jobs")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:20]) < ID_MAX else None


AREA: Final = Area(
    name="jobs",
    pages=(
        Page("GET", "/jobs", "job.see", jobs),
        Page("GET", "/jobs/list", "job.see", part, quiet=True),
        Page("GET", "/jobs/runs/{number}", "job.see", run),
        Page("POST", "/jobs/{name}/run", "job.act", begin),
    ),
    menu=(MenuItem("/jobs", "任务", "job.see"),),
    rights={"job.see": "看到任务与历次运行", "job.act": "立即运行任务"},
)
