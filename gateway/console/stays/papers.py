"""凭证: what may be printed of a stay, what was, and each print; a page of the voucher's own for the browser to print."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import HTMLResponse, Response

from gateway.console.stays.finding import found, not_found
from gateway.console.stays.people import name_shown
from gateway.console.visit import Visit
from gateway.rules.vouchers import KINDS
from gateway.stays.desk import Judged
from gateway.vouchers.page import POLICY
from gateway.vouchers.sheet import TITLES

CHANNELS: Final[Mapping[str, str]] = {"html": "网页", "pdf": "PDF", "hospital": "院内自打"}
_DIGITS_MAX: Final = 18


def vouchers(visit: Visit) -> Response:
    """Every kind, and what was printed of it."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _vouchers(visit, judged)


def _vouchers(visit: Visit, judged: Judged, told: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    stay = judged.stay
    kept = visit.do("voucher_list", ipt_no=stay.ipt_no, mdtrt_id=stay.mdtrt_id)
    return visit.show(
        "stays/vouchers.html",
        status,
        stay=stay,
        name=name_shown(visit, stay),
        kinds=[(kind, TITLES[kind]) for kind in KINDS],
        printed=list(reversed(kept.get("vouchers", ()))),
        warnings=kept.get("warnings", ()),
        told=told or ({} if kept["ok"] else kept),
        channels=CHANNELS,
        plain=visit.may("exchange.body"),
    )


def look(visit: Visit) -> Response:
    """A preview: what a new voucher would say; no voucher, and not counted."""
    judged = found(visit, visit.query)
    if judged is None:
        return not_found(visit)
    stay = judged.stay
    kind = visit.query.get("kind", "")
    return _paper(visit, judged, visit.do("voucher_look", kind=kind, ipt_no=stay.ipt_no, mdtrt_id=stay.mdtrt_id))


def print_(visit: Visit) -> Response:
    """Print: a new voucher, or the one printed before, marked 重打."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    stay, kind = judged.stay, visit.form.get("kind", "")
    told = visit.do("voucher_print", kind=kind, ipt_no=stay.ipt_no, mdtrt_id=stay.mdtrt_id, form=_form(visit))
    return _paper(visit, judged, told)


def reprint(visit: Visit) -> Response:
    """重打: a voucher of the past as it was."""
    judged, number = found(visit, visit.form), visit.form.get("number", "")
    if judged is None or not (number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        return not_found(visit)
    return _paper(visit, judged, visit.do("voucher_reprint", number=int(number), form=_form(visit)))


def _form(visit: Visit) -> str:
    return "pdf" if visit.form.get("form") == "pdf" else "html"


def _paper(visit: Visit, judged: Judged, told: Mapping[str, Any]) -> Response:
    """The voucher itself; where it may not be printed, the list with the reason."""
    if not told["ok"]:
        return _vouchers(visit, judged, told, 409)
    if "pdf" in told:
        headers = {"Content-Disposition": f'attachment; filename="voucher-{told["number"]}-{told["count"]}.pdf"'}
        return Response(base64.b64decode(told["pdf"]), media_type="application/pdf", headers=headers)
    return HTMLResponse(str(told["html"]), headers={"Content-Security-Policy": POLICY})
