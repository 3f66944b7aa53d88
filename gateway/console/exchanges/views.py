"""交易日志: find an exchange, see it whole, take the list away as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from gateway.console.area import Area, MenuItem, Page
from gateway.console.exchanges import reading
from gateway.console.exchanges.search import PAGE_ROWS, Wish, find, read_wish
from gateway.console.shown import STATES, free_text, key_value
from gateway.console.visit import Visit
from gateway.contract.charset import declared_in_xml
from gateway.contract.hospital import BY_NAME
from gateway.contract.model import Transaction
from gateway.exchange.ports import Bodies, BodiesAway, Exchange, Query
from gateway.masking import mask_value
from gateway.spreadsheet import BOM, line

EXPORT_ROWS_MAX: Final = 20_000
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
        clients=[client.name for client in visit.parts.settings.clients],
    )


def names(visit: Visit) -> dict[str, str]:
    """Names of transactions by number, and of the hospital's own questions, as they stand in the journal, by theirs."""
    asked = {name: _CLAUSE.split(found.label)[0] for name, found in BY_NAME.items()}
    return asked | {infno: found.name for infno, found in visit.parts.interface.contract.transactions.items()}


def one(visit: Visit) -> Response:
    """One exchange in one picture."""
    row = exchange_of(visit)
    if row is None:
        return visit.show("templates/told.html", 404, title="没有这笔交易", text="日志中没有这个编号。")
    journal = visit.parts.store.journal
    return visit.show(
        "exchanges/exchange.html",
        row=row,
        transaction=visit.parts.interface.contract.transactions.get(row.infno),
        sizes=_sizes(_if_at_hand(visit, row)),
        proofs=journal.proofs(row.id),
        related=_related(visit, row),
        names=names(visit),
        plain=visit.may("exchange.body"),
    )


def _if_at_hand(visit: Visit, row: Exchange) -> Bodies | None:
    """The bytes, unless the file in which they are archived is away: the rest of the page needs none."""
    try:
        return visit.parts.store.journal.bodies(row.id)
    except BodiesAway:
        return None


def exchange_of(visit: Visit) -> Exchange | None:
    """The exchange whose number stands in the address."""
    text = visit.path["exchange_id"]
    return visit.parts.store.journal.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _sizes(bodies: Bodies | None) -> dict[str, int | None]:
    kinds = ("caller_request", "platform_request", "platform_answer", "proof_answer", "wire_request", "wire_answer")
    return {name: len(found) if (found := getattr(bodies, name, None)) is not None else None for name in kinds}


def _related(visit: Visit, row: Exchange) -> list[Exchange]:
    """Others about the same visit, else about the same person's stay."""
    for kind in ("mdtrt_id", "ipt_no", "ipt_otp_no"):
        value = next((value for name, value in row.keys if name == kind), None)
        if value is not None:
            found = visit.parts.store.journal.search(Query(keys=((kind, value),), limit=RELATED_MAX + 1))
            return [other for other in found if other.id != row.id][:RELATED_MAX]
    return []


def body(visit: Visit) -> Response:
    """What was said, in both directions: translated, and for those who may, as the bytes were.

    A look at what is not masked is kept in the operator log before anything is shown.
    """
    row = exchange_of(visit)
    bodies = visit.parts.store.journal.bodies(row.id) if row is not None else None
    if row is None or bodies is None or bodies.gone:
        text = bodies.gone if bodies is not None else "没有保存报文"
        return visit.show("templates/part.html", 404, text=f"{text}。")
    plain = visit.may("exchange.body")
    if plain and not visit.note("console.body", f"exchange {row.id}", f"{row.infno} {row.msgid or ''}"):
        return visit.show("templates/part.html", 503, text="操作日志写不进去，不能显示报文。")
    transaction = visit.parts.interface.contract.transactions.get(row.infno)
    return visit.show(
        "exchanges/body.html", row=row, plain=plain, **_translated(visit, transaction, bodies, plain=plain)
    )


def _translated(visit: Visit, transaction: Transaction | None, bodies: Bodies, *, plain: bool) -> dict[str, Any]:
    reader = reading.Reader(visit.parts.interface.contract.codes, plain=plain)
    answer = bodies.platform_answer if bodies.proof_answer is None else bodies.proof_answer
    asked, told = reading.input_of(bodies.platform_request), reading.output_of(answer)
    raw = reading.pretty if plain else lambda *_: ""
    return {
        "asked": reader.sections(transaction.input, asked) if transaction is not None else [],
        "told": reader.sections(transaction.output, told) if transaction is not None else [],
        "caller_text": raw(bodies.caller_request, bodies.caller_charset),
        "caller_charset": bodies.caller_charset,
        "sent_text": raw(bodies.platform_request, "utf-8"),
        "answer_text": raw(bodies.platform_answer, "utf-8"),
        "proof_text": raw(bodies.proof_answer, "utf-8"),
        "wire_sent_text": raw(bodies.wire_request, _declared(bodies.wire_request)),
        "wire_answer_text": raw(bodies.wire_answer, _declared(bodies.wire_answer)),
    }


def _declared(body: bytes | None) -> str:
    """The charset that XML on the line says it is in; JSON is UTF-8."""
    return declared_in_xml(body or b"") or "utf-8"


# ------------------------------------------------------------------- export


def export(visit: Visit) -> Response:
    """The list as a file for a spreadsheet, never a formula in it."""
    wish = read_wish(visit.query)
    if not visit.note("console.export", "exchanges", wish.address or "全部"):
        return visit.show("templates/told.html", 503, title="不能导出", text="操作日志写不进去。")
    stamp = f"{visit.parts.clock():%Y%m%d-%H%M%S}"
    headers = {"Content-Disposition": f'attachment; filename="exchanges-{stamp}.csv"'}
    return StreamingResponse(_lines(visit, wish), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(visit: Visit, wish: Wish) -> Iterator[str]:
    yield BOM + line(_COLUMNS)
    titles, plain, left = names(visit), visit.may("exchange.body"), EXPORT_ROWS_MAX
    while left > 0:
        found = find(visit.parts.store.journal, visit.parts.interface.contract, wish, min(EXPORT_PAGE, left))
        page = found[: min(EXPORT_PAGE, left)]
        yield "".join(line(_values(row, titles, plain=plain)) for row in page)
        left -= len(page)
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
    ),
    menu=(MenuItem("/exchanges", "交易日志", "exchange.see"),),
    rights={
        "exchange.see": "看到交易",
        "exchange.body": "看到报文内容",
        "exchange.act": "处理交易",
        "exchange.export": "导出交易清单",
    },
)
