"""Which stay a page is about: by its numbers in the address, since these may hold any character."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from gateway.console.visit import Visit
from gateway.stays.desk import Judged, is_known
from gateway.stays.ports import StayRef

NUMBER_CHARS_MAX: Final = 64


def ref_in(given: Mapping[str, str]) -> StayRef:
    """The stay that an address or a form names."""
    ipt_no, mdtrt_id = (given.get(name, "").strip()[:NUMBER_CHARS_MAX] for name in ("ipt_no", "mdtrt_id"))
    return StayRef(ipt_no, mdtrt_id)


def found(visit: Visit, given: Mapping[str, str]) -> Judged | None:
    """The stay, None when nobody told of it."""
    ref = ref_in(given)
    if not str(ref):
        return None
    judged = visit.parts.stays.judged(ref)
    return judged if is_known(judged.history) else None


def not_found(visit: Visit) -> Response:
    """The answer for a stay that nobody told of."""
    text = "网关没有这个住院号或就诊 ID 的任何记录；编号要写全。"
    return visit.show("templates/told.html", 404, title="没有这次住院", text=text)
