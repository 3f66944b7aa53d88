"""急诊急救审核 (ET-10): the set that both systems are told by one service, and the insurance office's approval of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from gateway.console.stays.finding import found, not_found
from gateway.console.stays.listing import PAGE_ROWS, page_in
from gateway.console.stays.people import name_shown, names_shown
from gateway.console.stays.words import address
from gateway.console.visit import Visit
from gateway.desks.stay_acts import NAME, emergency_answer
from gateway.stays.desk import Judged
from gateway.stays.emergency import EmergencyDesk
from gateway.store.stay_feed import EpisodeQuery

WAITING: Final = EpisodeQuery(("in_ward",), ("differs", "aligned"), emergency=True, order="t_ward", descending=False)
"""Who has been received in a ward and came with fees that nobody has approved since, oldest first."""


def waiting(visit: Visit) -> Response:
    """The work list: those whose emergency fees wait for the insurance office."""
    page = page_in(visit.query)
    rows = visit.parts.store.stay_feed.episodes(replace(WAITING, limit=PAGE_ROWS + 1, skip=(page - 1) * PAGE_ROWS))
    shown = rows[:PAGE_ROWS]
    return visit.show(
        "stays/emergencies.html",
        rows=shown,
        people=names_shown(visit, [one.psn_no for one in shown], "emergency", f"第 {page} 页，{len(shown)} 人"),
        more=len(rows) > PAGE_ROWS,
        page=page,
    )


def emergency(visit: Visit) -> Response:
    """The set as it is now; a look keeps nothing."""
    judged = found(visit, visit.query)
    if judged is None or not judged.stay.ipt_no:
        return not_found(visit)
    return _shown(visit, judged, emergency_answer(EmergencyDesk(visit.parts.stays).look(judged.stay.ipt_no, NAME)))


def _shown(visit: Visit, judged: Judged, told: Mapping[str, Any], status: int = 200) -> Response:
    fees = told.get("fees") or {}
    return visit.show(
        "stays/emergency.html",
        status,
        stay=judged.stay,
        name=name_shown(visit, judged.stay),
        told={} if told["ok"] else told,
        warnings=told.get("warnings", ()),
        fees=fees,
        approved=bool(fees) and (fees.get("approval") or {}).get("stands") == "true",
        plain=visit.may("exchange.body"),
    )


def act(visit: Visit) -> Response:
    """Extract, so that the doctor's station can be compared with it, or approve the set that was seen."""
    judged = found(visit, visit.form)
    if judged is None or not judged.stay.ipt_no:
        return not_found(visit)
    if visit.form.get("act") == "extract":
        told = visit.do("emergency_extract", ipt_no=judged.stay.ipt_no)
        if not told["ok"]:
            return _shown(visit, judged, told, 409)
        visit.say("已提取：医生工作站再提取时，会与这一次的笔数与金额比较。")
        return visit.go(address(judged.stay, "/stays/emergency"))
    cut = visit.form.get("cut_time", "")[:32]
    told = visit.do("emergency_approve", ipt_no=judged.stay.ipt_no, cut_time=cut)
    if not told["ok"]:
        return _shown(visit, judged, told, 409)
    visit.say("急诊急救费用已审核通过。上传后计入本次住院。")
    return visit.go(address(judged.stay, "/stays/emergency"))
