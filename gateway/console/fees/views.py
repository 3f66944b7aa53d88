"""费用上传 (ET-06): patients with their 入科时间 and how their fees stand, upload of those chosen, rows that could not go."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.exports import exported
from gateway.console.fees import undo
from gateway.console.fees.words import AT_THE_PLATFORM, OTHER, ROW, RULES
from gateway.console.shown import free_text
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.listing import (
    EXPORT_PAGE,
    NO_WARD_IN,
    Wish,
    meanings,
    read_wish,
)
from gateway.console.stays.people import name_shown, names_shown
from gateway.console.stays.waiting import box_of, chosen_in
from gateway.console.stays.words import ALIGNMENT, PRESENCE
from gateway.console.visit import Visit
from gateway.desks.fees import JOB
from gateway.desks.jobs import OUTCOMES
from gateway.store.fees import FeeWork
from gateway.store.jobs import JobRun, RunOutcome
from gateway.store.stay_feed import Episode, EpisodeQuery

PAGE_ROWS: Final = 50
SHOWN_MAX: Final = 500
Stands = Literal["", "waiting", "bad", "chosen"]
STANDS: Final[Mapping[Stands, str]] = {"waiting": "有待传", "bad": "有未能上传", "chosen": "已选，等待办理"}
_DECIMAL: Final = re.compile(r"-?[0-9]+\.[0-9]{3,}")
_COLUMNS: Final = (
    "住院号", "就诊 ID", "病区编码", "病区", "在院状态", "入科时间", "医保入院时间", "时间一致", "已上传行", "已上传金额",
    "待传行", "未能上传行", "核对于", "说明",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """The list as the address asks for it."""

    wish: Wish
    stands: Stands

    @property
    def address(self) -> str:
        """As the end of an address, without the page."""
        return "&".join(part for part in (self.wish.address, self.stands and urlencode({"fees": self.stands})) if part)

    def told(self, count: int) -> str:
        """What was asked for, as the operator log has it."""
        return f"{self.address or '全部'}，第 {self.wish.page} 页，{count} 人"

    def sorted_by(self, column: str) -> str:
        """The address of the same list sorted by a column."""
        other = replace(self, wish=replace(self.wish, sort=_turned(self.wish, column)))
        return other.address

    def direction(self, column: str) -> str:
        """As ``aria-sort`` says it."""
        return self.wish.direction(column)


def _turned(wish: Wish, column: str) -> str:
    return column if wish.sort == f"-{column}" else f"-{column}"


@dataclass(frozen=True, slots=True)
class Upload:
    """The newest run, and the queue.

    Args:
        going: a process that lives has it.
    """

    run: JobRun | None
    going: bool
    queued: int

    @property
    def broken_off(self) -> bool:
        """Somebody was chosen, and nobody is at it."""
        return self.queued > 0 and not self.going


def fees(visit: Visit) -> Response:
    """One page of the list."""
    asked = _asked(visit)
    skip = (asked.wish.page - 1) * PAGE_ROWS
    rows = _find(visit, asked, PAGE_ROWS + 1, skip)
    shown = rows[:PAGE_ROWS]
    return visit.show(
        "fees/fees.html",
        asked=asked,
        wish=asked.wish,
        rows=[(one, box_of(one), work) for one, work in _with_work(visit, shown)],
        people=names_shown(visit, [one.psn_no for one in shown], "fees", asked.told(len(shown))),
        more=len(rows) > PAGE_ROWS,
        first=skip + 1,
        stands=STANDS,
        presence=PRESENCE,
        totals=visit.parts.store.fees.totals(),
        has_his=visit.parts.settings.his.there,
        **_progress(visit),
    )


def _asked(visit: Visit) -> Asked:
    return Asked(read_wish(visit.query), _stands(visit.query.get("fees", "")))


def _stands(text: str) -> Stands:
    for one in STANDS:
        if one == text:
            return one
    return ""


def _find(visit: Visit, asked: Asked, limit: int, skip: int) -> list[Episode]:
    feed = visit.parts.store.stay_feed
    questions: list[EpisodeQuery] = [replace(one, fees=asked.stands) for one in meanings(asked.wish, limit, skip)]
    return next((rows for one in questions if (rows := feed.episodes(one))), [])


def _with_work(visit: Visit, rows: Sequence[Episode]) -> list[tuple[Episode, FeeWork | None]]:
    """Each row with how its fees stand: one statement for all of them."""
    works = visit.parts.store.fees.of([one.mdtrt_id for one in rows])
    return [(one, works.get(one.mdtrt_id)) for one in rows]


def progress(visit: Visit) -> Response:
    """How far the upload is; asks for itself until it has ended."""
    return visit.show("fees/progress.html", **_progress(visit))


def _progress(visit: Visit) -> dict[str, Any]:
    store = visit.parts.store
    run = next(iter(store.jobs.history(JOB, limit=1)), None)
    slot = store.jobs.slots().get(JOB)
    going = run is not None and run.outcome is RunOutcome.RUNNING and slot is not None and slot.node != ""
    return {
        "upload": Upload(run, going, store.fees.queued()),
        "outcomes": OUTCOMES,
        "turn": next(iter(store.fees.queue(1)), None) if going else None,
    }


def act(visit: Visit) -> Response:
    """Upload or compare whom one has chosen, go on with the queue, or give it up."""
    wanted = visit.form.get("act", "upload")
    if wanted == "go_on":
        told = visit.do("fees_go_on")
    elif wanted == "forget":
        told = visit.do("fees_forget")
    else:
        told = visit.do("fees_choose", stays=chosen_in(visit.form), wish=wanted)
    if told["ok"]:
        visit.say(_said(told))
    else:
        visit.say(str(told["error"]), "bad")
    return visit.go("/fees")


def _said(told: Mapping[str, Any]) -> str:
    if "forgotten" in told:
        return f"已取消 {told['forgotten']} 人，没有上传的行保持原样。"
    if "chosen" in told:
        return f"已开始{told['title']} {told['chosen']} 人；可以离开本页，进度会继续。"
    return "继续上传。"


def one(visit: Visit) -> Response:
    """One stay: rows that could not go, each with field, value, rule and the way out."""
    judged = found(visit, visit.query)
    if judged is None:
        return not_found(visit)
    stay = judged.stay
    work = visit.parts.store.fees.of([stay.mdtrt_id]).get(stay.mdtrt_id)
    return visit.show(
        "fees/one.html",
        stay=stay,
        name=name_shown(visit, stay),
        work=work,
        left=[_explained(each) for each in (work.left if work else ())][:SHOWN_MAX],
        row_titles=ROW,
        to_undo=AT_THE_PLATFORM if visit.may("fee.undo") else (),
        uploaded=len(stay.fees),
        box=box_of(stay),
        has_his=visit.parts.settings.his.there,
        plain=visit.may("exchange.body"),
    )


def _explained(left: Mapping[str, Any]) -> dict[str, Any]:
    reasons = left.get("wrong") or [{"rule": "", "text": left.get("reason", "")}]
    wrong = []
    for each in reasons:
        title, way_out = RULES.get(str(each.get("rule", "")), OTHER)
        wrong.append({"field": "", "label": "", "value": "", **each, "title": title, "way_out": way_out})
    return {"feedetl_sn": left.get("feedetl_sn", ""), "code": left.get("code", ""), "row": {name: _short(str(value)) for name, value in left.get("row", {}).items()},
            "wrong": wrong}  # fmt: skip


def _short(text: str) -> str:
    """``10.050000`` as people write it."""
    return text.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(text) else text


def export(visit: Visit) -> Response:
    """The list as a file for a spreadsheet."""
    asked = _asked(visit)
    return exported(visit, "fees", asked.address, _COLUMNS, _lines(visit, asked))


def _lines(visit: Visit, asked: Asked) -> Iterator[list[object]]:
    plain = visit.may("exchange.body")
    for skip in itertools.count(0, EXPORT_PAGE):
        rows = _find(visit, asked, EXPORT_PAGE, skip)
        yield from (_values(one, work, plain=plain) for one, work in _with_work(visit, rows))
        if len(rows) < EXPORT_PAGE:
            return


def _values(one: Episode, work: FeeWork | None, *, plain: bool) -> list[object]:
    stands: list[object] = ["", "", "", ""]
    if work is not None and work.looked_at is not None:
        stands = [work.waiting, work.bad, f"{work.looked_at:%Y-%m-%d %H:%M}", free_text(work.note, plain=plain)]
    return [
        one.ipt_no, one.mdtrt_id, one.ward_code, one.ward_name, PRESENCE[one.presence][0], one.t_ward or NO_WARD_IN,
        one.t_ins, ALIGNMENT[one.alignment][0], "" if one.fees_count is None else one.fees_count, one.fees_sum, *stands,
    ]  # fmt: skip


AREA: Final = Area(
    name="fees",
    pages=(
        Page("GET", "/fees", "fee.see", fees),
        Page("POST", "/fees", "fee.act", act),
        Page("GET", "/fees/progress", "fee.see", progress, quiet=True),
        Page("GET", "/fees/one", "fee.see", one),
        Page("GET", "/fees/undo", "fee.undo", undo.undo),
        Page("POST", "/fees/undo", "fee.undo", undo.act),
        Page("GET", "/fees/export.csv", "stay.export", export),
    ),
    menu=(MenuItem("/fees", "费用上传", "fee.see"),),
    rights={"fee.see": "看到费用上传", "fee.act": "核对与上传费用", "fee.undo": "撤销已上传的费用"},
)
