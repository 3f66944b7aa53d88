"""交易日志: find an exchange, see it whole, take the list away as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.exchanges.bodies import PARTS, body, download
from gateway.console.exchanges.finding import exchange_of
from gateway.console.exchanges.picture import Kept, Step, picture
from gateway.console.exchanges.search import PAGE_ROWS, Wish, find, read_wish
from gateway.console.exports import exported
from gateway.console.shown import CLIENTS, STATES, free_text, key_value
from gateway.console.visit import Visit
from gateway.contract.hospital import BY_NAME
from gateway.desks.resend import REASON_CHARS_MAX, REASON_CHARS_MIN
from gateway.exchange.again import Resends
from gateway.exchange.ports import Bodies, BodiesAway, Exchange, Query, Resent
from gateway.http.identity import Clients
from gateway.masking import mask_value

EXPORT_PAGE: Final = 500
RELATED_MAX: Final = 20
_CLAUSE: Final = re.compile("[，；]")
_COLUMNS: Final = ("编号", "时间", "交易", "名称", "状态", "客户端", "msgid", "院内请求号", "住院号", "就诊 ID", "结算 ID", "infcode", "代码", "错误信息", "平台耗时 ms")  # fmt: skip


def search(visit: Visit) -> Response:
    """The list, a page at a time."""
    wish = read_wish(visit.query)
    found = find(visit.parts.store.journal, visit.parts.interface.contract, wish)
    if len(found) == 1 and wish.q and wish.before is None:
        return visit.go(f"/exchanges/{found[0].id}")
    rows, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    return visit.show(
        "exchanges/search.html",
        wish=wish,
        rows=rows,
        more=rows[-1].id if more else None,
        names=names(visit),
        states=STATES,
        plain=visit.may("exchange.body"),
        clients={**{client.name: client.name for client in visit.parts.settings.clients}, **CLIENTS},
    )


def names(visit: Visit) -> dict[str, str]:
    """Names of transactions by number, and of the hospital's own questions, as they stand in the journal, by theirs."""
    asked = {name: _CLAUSE.split(found.label)[0] for name, found in BY_NAME.items()}
    return asked | {infno: found.name for infno, found in visit.parts.interface.contract.transactions.items()}


def one(visit: Visit) -> Response:
    """One exchange in one picture."""
    row = exchange_of(visit)
    return _nothing(visit) if row is None else _shown(visit, row)


def _nothing(visit: Visit) -> Response:
    return visit.show("templates/told.html", 404, title="没有这笔交易", text="日志中没有这个编号。")


def _shown(
    visit: Visit, row: Exchange, given: Mapping[str, str] | None = None, error: str = "", status: int = 200
) -> Response:
    resent = visit.parts.store.journal.resends(row.id)
    why_not = _resends(visit).why_not(row, visit.parts.interface) if visit.may("exchange.act") else ""
    return visit.show(
        "exchanges/exchange.html",
        status,
        row=row,
        transaction=visit.parts.interface.contract.transactions.get(row.infno),
        steps=_steps(visit, row, resent),
        why_not=why_not,
        given=given or {},
        error=error,
        related=_related(visit, row),
        names=names(visit),
        plain=visit.may("exchange.body"),
    )


def _resends(visit: Visit) -> Resends:
    return Resends(visit.parts.store.journal, Clients(visit.parts.settings.clients, visit.parts.clock).by_name)


def resend(visit: Visit) -> Response:
    """Have it sent again in this person's name; whether that may be is judged once more by who sends."""
    row = exchange_of(visit)
    if row is None:
        return _nothing(visit)
    reason = visit.form.get("reason", "").strip()
    if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
        error = f"请写明原因（{REASON_CHARS_MIN} 到 {REASON_CHARS_MAX} 字）"
    else:
        error = "" if visit.form.get("sure") == "yes" else "请勾选“已与院内核对”"
    if error:
        return _shown(visit, row, visit.form, error, 422)
    done = visit.do("exchange_resend", exchange_id=row.id, reason=reason)
    if not done.get("sent"):
        return _shown(visit, row, visit.form, f"没有再次发送：{done.get('error') or '同样的内容此前已经办成'}", 409)
    visit.say(_said(done), "ok" if done["ok"] else "warn")
    return visit.go(f"/exchanges/{done['exchange_id']}")


def _said(done: Mapping[str, Any]) -> str:
    if done["ok"]:
        return "已再次发送并成功。院内还不知道：请以原请求再问一次。"
    return "已再次发送，没有办成：见下。院内以原请求再问，得到的是这一次的结果。"


def _steps(visit: Visit, row: Exchange, resent: Resent) -> list[Step]:
    """The picture of it."""
    kept = Kept(
        row,
        visit.parts.store.journal.proofs(row.id),
        _sizes(_if_at_hand(visit, row)),
        names(visit),
        plain=visit.may("exchange.body"),
        original=resent.original,
        again=resent.again,
    )
    return picture(kept)


def _if_at_hand(visit: Visit, row: Exchange) -> Bodies | None:
    """The bytes, unless the file in which they are archived is away: the rest of the page needs none."""
    try:
        return visit.parts.store.journal.bodies(row.id)
    except BodiesAway:
        return None


def _sizes(bodies: Bodies | None) -> dict[str, int | None]:
    return {name: len(found) if (found := getattr(bodies, name, None)) is not None else None for name in PARTS}


def _related(visit: Visit, row: Exchange) -> list[Exchange]:
    """Others about the same visit, else about the same person's stay."""
    for kind in ("mdtrt_id", "ipt_no", "ipt_otp_no"):
        value = next((value for name, value in row.keys if name == kind), None)
        if value is not None:
            found = visit.parts.store.journal.search(Query(keys=((kind, value),), limit=RELATED_MAX + 1))
            return [other for other in found if other.id != row.id][:RELATED_MAX]
    return []


# ------------------------------------------------------------------- export


def export(visit: Visit) -> Response:
    """The list as a file for a spreadsheet, never a formula in it."""
    wish = read_wish(visit.query)
    return exported(visit, "exchanges", wish.address, _COLUMNS, _lines(visit, wish))


def _lines(visit: Visit, wish: Wish) -> Iterator[list[object]]:
    titles, plain = names(visit), visit.may("exchange.body")
    while True:
        found = find(visit.parts.store.journal, visit.parts.interface.contract, wish, EXPORT_PAGE)
        page = found[:EXPORT_PAGE]
        yield from (_values(row, titles, plain=plain) for row in page)
        if len(found) == len(page):
            return
        wish = replace(wish, before=page[-1].id)


def _values(row: Exchange, titles: dict[str, str], *, plain: bool) -> list[object]:
    keys = {kind: key_value(value, kind, plain=plain) for kind, value in row.keys}
    request_id = row.request_id if plain else mask_value("request_id", row.request_id)
    visit_numbers = [keys.get(kind, "") for kind in ("ipt_no", "mdtrt_id", "setl_id")]
    return [row.id, row.received_at, row.infno, titles.get(row.infno, ""), STATES[row.state][0], row.client, row.msgid,
            request_id, *visit_numbers, row.infcode, row.code, free_text(row.err_msg, plain=plain), row.elapsed_ms]  # fmt: skip


AREA: Final = Area(
    name="exchanges",
    pages=(
        Page("GET", "/exchanges", "exchange.see", search),
        Page("GET", "/exchanges/export.csv", "exchange.export", export),
        Page("GET", "/exchanges/{exchange_id}", "exchange.see", one),
        Page("GET", "/exchanges/{exchange_id}/body", "exchange.see", body),
        Page("GET", "/exchanges/{exchange_id}/body/{part}", "exchange.body", download),
        Page("POST", "/exchanges/{exchange_id}/resend", "exchange.act", resend),
    ),
    menu=(MenuItem("/exchanges", "交易日志", "exchange.see"),),
    rights={
        "exchange.see": "看到交易",
        "exchange.body": "看到报文内容",
        "exchange.act": "处理交易",
        "exchange.export": "导出交易清单",
    },
)
