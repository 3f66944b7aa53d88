"""One case of 医保审核: operations, times, what the rules would find, and the remarks of those who looked at it (ET-05)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from gateway.console.stays.acts import NOTHING, Told
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.listing import FIELDS
from gateway.console.stays.people import names_shown
from gateway.console.stays.review import HOURS
from gateway.console.stays.words import named
from gateway.console.visit import Visit
from gateway.rules.review import findings
from gateway.stays.desk import Judged
from gateway.stays.discharge import operation_rows
from gateway.stays.ports import StayRef
from gateway.stays.view import durations
from gateway.store.remarks import TEXT_CHARS_MAX

BACK_CHARS_MAX: Final = 1000
_LIST: Final = (*FIELDS, *HOURS, "page")
_MONTH: Final = ("month", "by", "page")


def case(visit: Visit) -> Response:
    """The case, and the form."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _page(visit, judged, visit.query)


def keep(visit: Visit) -> Response:
    """Keep a remark, and go back to where the person came from."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    numbers = {"ipt_no": "", "mdtrt_id": "", **named(judged.stay)}
    told = visit.do("review_remark", **numbers, text=visit.form.get("text", ""))
    if not told["ok"]:
        return _page(visit, judged, visit.form, told, 422)
    visit.say("备注此前已经记下。" if told.get("repeated") else "备注已记下。")
    return visit.go(way_back(visit.form.get("back", "")))


def _page(visit: Visit, judged: Judged, given: Mapping[str, str], told: Told = NOTHING, status: int = 200) -> Response:
    stay, parts, ref = judged.stay, visit.parts, StayRef(judged.stay.ipt_no, judged.stay.mdtrt_id)
    return visit.show(
        "stays/case.html",
        status,
        stay=stay,
        name=names_shown(visit, [stay.psn_no], f"review {stay.ipt_no or stay.mdtrt_id}").get(stay.psn_no, ""),
        operations=operation_rows(stay.operations.rows if stay.operations else ()),
        findings=findings(stay, parts.stays.policy),
        lasted=durations(stay, parts.stays.policy, parts.clock()),
        remarks=parts.store.remarks.of([ref]).get(ref, ()),
        back=given.get("back", "")[:BACK_CHARS_MAX],
        return_to=way_back(given.get("back", "")),
        text=given.get("text", "")[: 2 * TEXT_CHARS_MAX] if told else "",
        chars_max=TEXT_CHARS_MAX,
        told=told,
        plain=visit.may("exchange.body"),
    )


def way_back(text: str) -> str:
    """The list or the month that ``text``, the end of an address, is about; nothing else is followed."""
    given = dict(parse_qsl(text[:BACK_CHARS_MAX]))
    path, names = ("/review/month", _MONTH) if "month" in given else ("/review", _LIST)
    wanted = urlencode({name: given[name] for name in names if given.get(name)})
    return f"{path}?{wanted}" if wanted else path
