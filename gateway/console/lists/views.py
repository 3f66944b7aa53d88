"""结算清单: settlements that have no list yet and why, lists on their way, and one list in the shape of the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.lists import dip
from gateway.console.lists.form import LEVELS, Form
from gateway.console.lists.tabs import TABS
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.listing import page_in
from gateway.console.stays.people import name_shown, names_shown, subject_of
from gateway.console.stays.words import named
from gateway.console.visit import Visit
from gateway.exchange.ports import Exchange, Query, State
from gateway.rules.stay import Settled
from gateway.stays.desk import Judged
from gateway.stays.lists import ListForm, Sheet, final_settlements, list_sheet
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import Episode, EpisodeQuery
from jobs.settlement_lists import UPLOADS, state_text

PAGE_ROWS: Final = 30
DECLINED_MAX: Final = 200
STATE_KINDS: Final = {"未上传": "idle", "未提交": "warn", "已提交": "run", "审核通过": "ok", "审核不通过": "bad"}
ACTS: Final = {
    "upload": "清单已上传。",
    "submit": "清单已提交。",
    "withdraw": "清单已改回未提交，可以修正后重新上传。",
    "ask": "已查询清单状态。",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One settlement in the list of lists."""

    stay: Episode
    settled: Settled
    state: str
    sheet: Sheet | None
    """What would be uploaded now; None where a list is there."""
    declined: Exchange | None
    """The platform's last refusal."""

    @property
    def address(self) -> str:
        return address(self.stay, self.settled.setl_id)


def address(stay: Any, setl_id: str) -> str:
    """Where the list of a settlement is."""
    return f"/lists/one?{urlencode({**named(stay), 'setl_id': setl_id})}"


def lists(visit: Visit) -> Response:
    """Settlements by how their lists stand, a page at a time."""
    tab = visit.query.get("tab", "waiting")
    tab = tab if tab in TABS else "waiting"
    page = page_in(visit.query)
    query = EpisodeQuery(
        settlement=TABS[tab].settlement,
        order="t_dsc",
        descending=True,
        limit=PAGE_ROWS + 1,
        skip=(page - 1) * PAGE_ROWS,
    )
    stays = visit.parts.store.stay_feed.episodes(query)
    declined = _declined(visit)
    shown = stays[:PAGE_ROWS]
    lines = [line for one in shown for line in _lines(visit, one, declined)]
    told = f"{TABS[tab].title}，第 {page} 页，{len(shown)} 人"
    return visit.show(
        "lists/lists.html",
        lines=lines,
        people=names_shown(visit, [one.psn_no for one in shown], "lists", told),
        tab=tab,
        tabs=TABS,
        kinds=STATE_KINDS,
        levels=LEVELS,
        page=page,
        more=len(stays) > PAGE_ROWS,
        plain=visit.may("exchange.body"),
    )


def _lines(visit: Visit, one: Episode, declined: Mapping[str, Exchange]) -> list[Line]:
    judged = visit.parts.stays.judged(StayRef(one.ipt_no, one.mdtrt_id))
    return [
        Line(
            one,
            settled,
            state_text(settled),
            None if settled.listed else sheet(visit, judged, settled),
            declined.get(settled.setl_id),
        )
        for settled in final_settlements(judged.stay)
    ]


def _declined(visit: Visit) -> dict[str, Exchange]:
    """The platform's newest refusals of lists, by settlement."""
    rows: dict[str, Exchange] = {}
    for infno in UPLOADS:
        query = Query(infno=infno, states=(State.DECLINED,), limit=DECLINED_MAX)
        for row in visit.parts.store.journal.search(query):
            rows.setdefault(dict(row.keys).get("setl_id", ""), row)
    return rows


def sheet(visit: Visit, judged: Judged, settled: Settled) -> Sheet:
    """The list as the gateway would upload it now."""
    parts = visit.parts
    institution = parts.settings.institution
    form = ListForm(institution.code, institution.name, parts.settings.settlement_list.transaction)
    return list_sheet(
        judged, settled, parts.interface, form, parts.clock(), parts.stays.policy, terms=parts.stays.terms
    )


def one(visit: Visit) -> Response:
    """One list: the form, what the rules say beside each field, and what may be done."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _one(visit, judged, visit.query.get("setl_id", ""))


def _one(
    visit: Visit, judged: Judged, setl_id: str, told: Mapping[str, Any] | None = None, status: int = 200
) -> Response:
    settled = next((one for one in reversed(judged.stay.settlements) if setl_id in ("", one.setl_id)), None)
    if settled is None:
        text = "这次住院没有有效的结算；结算之后才有清单。"
        return visit.show("templates/told.html", 404, title="没有结算", text=text)
    plain = visit.may("exchange.body") and visit.note("list.look", subject_of(judged.stay))
    filled = sheet(visit, judged, settled)
    form = Form(filled, visit.parts.interface, plain=plain)
    return visit.show(
        "lists/one.html",
        status,
        stay=judged.stay,
        name=name_shown(visit, judged.stay, noted=plain),
        settled=settled,
        state=state_text(settled),
        kinds=STATE_KINDS,
        levels=LEVELS,
        sheet=filled,
        parts=form.parts(),
        grids=form.grids(),
        counts={name: filled.report.count(name) for name in ("passed", "unchecked", "not_applicable")},
        told=told or {},
        plain=plain,
    )


def act(visit: Visit) -> Response:
    """Upload the list, move it, or ask how it stands."""
    wanted = visit.path["act"]
    judged = found(visit, visit.form)
    if judged is None or wanted not in ACTS:
        return not_found(visit)
    assert visit.user is not None
    setl_id = visit.form.get("setl_id", "")
    numbers = {"ipt_no": "", "mdtrt_id": "", **named(judged.stay)}
    told = visit.do(f"list_{wanted}", user=visit.user.name, setl_id=setl_id, **numbers)
    if not told["ok"]:
        return _one(visit, found(visit, visit.form) or judged, setl_id, told, 409)
    said = f"{ACTS[wanted]}现在是{told['state']}。"
    visit.say(f"{said}提示：{told['warn_msg']}" if told.get("warn_msg") else said)
    return visit.go(address(judged.stay, setl_id))


AREA: Final = Area(
    name="lists",
    pages=(
        Page("GET", "/lists", "list.see", lists),
        Page("GET", "/lists/one", "list.see", one),
        Page("GET", "/lists/dip", "list.see", dip.differences),
        Page("GET", "/lists/dip.csv", "list.see", dip.export),
        Page("POST", "/lists/{act}", "list.act", act),
    ),
    menu=(MenuItem("/lists", "结算清单", "list.see"),),
    rights={"list.see": "看到结算清单", "list.act": "上传与提交结算清单"},
)
