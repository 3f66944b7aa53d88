"""入院变更: patients whose times differ, the work list of those that could not be aligned, and the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from gateway.console.stays.listing import page_in
from gateway.console.stays.people import names_shown
from gateway.console.visit import Visit
from gateway.rules.stay import Stay
from gateway.store.stay_feed import Episode, EpisodeQuery

PAGE_ROWS: Final = 100
_MARK: Final = "stay:"
_OPEN: Final = EpisodeQuery(("in_ward",), ("differs",), registered=True, order="t_ward", descending=False)


def waiting(visit: Visit) -> Response:
    """Those in a ward whose 医保入院时间 differs from their 入科时间, with what a try before this said."""
    page = page_in(visit.query)
    query = replace(_OPEN, limit=PAGE_ROWS + 1, skip=(page - 1) * PAGE_ROWS)
    rows = visit.parts.store.stay_feed.episodes(query)
    shown = rows[:PAGE_ROWS]
    return visit.show(
        "stays/waiting.html",
        rows=[(one, box_of(one)) for one in shown],
        people=names_shown(visit, [one.psn_no for one in shown], "alignment", f"第 {page} 页，{len(shown)} 人"),
        more=len(rows) > PAGE_ROWS,
        page=page,
        tried={one.mdtrt_id: one for one in visit.parts.store.stay_feed.work()},
        batch=_batch(visit),
    )


def box_of(one: Episode | Stay) -> str:
    """The name of the check box of a stay: forms carry one value for each name."""
    return _MARK + urlencode({"ipt_no": one.ipt_no, "mdtrt_id": one.mdtrt_id})


def chosen_in(form: Mapping[str, str]) -> list[list[str]]:
    """Stays whose boxes are checked, ``[ipt_no, mdtrt_id]`` each."""
    chosen = [dict(parse_qsl(name.removeprefix(_MARK))) for name in form if name.startswith(_MARK)]
    return [[one.get("ipt_no", ""), one.get("mdtrt_id", "")] for one in chosen if one.get("mdtrt_id")]


def begin(visit: Visit) -> Response:
    """Begin with those that were chosen."""
    stays = chosen_in(visit.form)
    told = visit.do("stay_align_many", stays=stays)
    if told["ok"]:
        visit.say(f"已开始变更 {len(stays)} 人；可以离开本页，进度会继续。")
    else:
        visit.say(str(told["error"]), "bad")
    return visit.go("/alignment")


def progress(visit: Visit) -> Response:
    """How far the batch is; asks for itself until it has ended."""
    return visit.show("stays/progress.html", batch=_batch(visit))


def _batch(visit: Visit) -> dict[str, object]:
    told = visit.do("stay_aligning")
    batch = told.get("batch") if told["ok"] else None
    return batch if isinstance(batch, dict) else {}
