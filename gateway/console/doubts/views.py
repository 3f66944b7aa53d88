"""疑问交易: what is not known yet, the evidence, and a person's word on what nothing else can prove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.exchanges.finding import exchange_of, numbered
from gateway.console.exchanges.views import names
from gateway.console.visit import Visit
from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import Exchange, Query, State
from gateway.exchange.resolver_turn import UNTOLD_AFTER, UNTOLD_SINCE
from gateway.faults import GatewayFault

PAGE_ROWS: Final = 100
AT_ONE_TIME: Final = 50
"""More than are ever received in one millisecond: where a page ends, the next one begins by that time."""
WAITING: Final = (State.ESCALATED, State.IN_DOUBT)
"""In the order of the list: those that wait for a person first."""
REASON_CHARS_MIN: Final = 6
REASON_CHARS_MAX: Final = 500
MOVES: Final[Mapping[str, tuple[str, str]]] = {
    "confirmed": ("平台已办理", "平台侧查到这笔已经办成。院内再问时得到成功；请尽量填写平台给的输出。"),
    "not-done": ("平台没有办理", "平台侧确认没有这笔。院内可以重新办理，会用新的报文 ID。"),
    "reversed": ("已冲正或已撤销", "平台侧曾办成，但已经冲正或撤销。院内可以重新办理。"),
}
"""What a person may say of an escalated exchange, and what follows."""


def doubts(visit: Visit) -> Response:
    """The list, a page at a time; those that wait for a person first."""
    untold, last = visit.query.get("untold") == "1", numbered(visit, visit.query.get("after", ""))
    rows = _untold(visit, last) if untold else _waiting(visit, last)
    return visit.show(
        "doubts/doubts.html",
        rows=rows[:PAGE_ROWS],
        more=rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else 0,
        first=last is None,
        untold=untold,
        names=names(visit),
        plain=visit.may("exchange.body"),
    )


def _waiting(visit: Visit, last: Exchange | None) -> list[Exchange]:
    """What has no outcome yet, after ``last``; one row more than a page where there is one."""
    found: list[Exchange] = []
    # as what it was listed stands in the address: it may be settled by now
    listed_as = next((state for state in WAITING if state.value == visit.query.get("as")), WAITING[0])
    for state in WAITING[WAITING.index(listed_as) :]:
        before = last.id if last is not None and state is listed_as else None
        query = Query(states=(state,), before_id=before, limit=PAGE_ROWS + 1 - len(found))
        found += visit.parts.store.journal.search(query)
        if len(found) > PAGE_ROWS:
            break
    return found


def _untold(visit: Visit, last: Exchange | None) -> list[Exchange]:
    """Settlements that nobody was told of, oldest first, after ``last``; likewise."""
    now = visit.parts.clock()
    since = now - UNTOLD_SINCE if last is None else last.received_at
    found = visit.parts.store.journal.untold(since, now - UNTOLD_AFTER, PAGE_ROWS + 1 + AT_ONE_TIME)
    shown = (last.received_at, last.id) if last is not None else None
    return [row for row in found if shown is None or (row.received_at, row.id) > shown][: PAGE_ROWS + 1]


def doubt(visit: Visit) -> Response:
    """One exchange with its evidence."""
    row = exchange_of(visit)
    if row is None:
        return visit.show("templates/told.html", 404, title="没有这笔交易", text="日志中没有这个编号。")
    return _shown(visit, row, {})


def _shown(visit: Visit, row: Exchange, given: Mapping[str, str], error: str = "", status: int = 200) -> Response:
    return visit.show(
        "doubts/doubt.html",
        status,
        row=row,
        proofs=visit.parts.store.journal.proofs(row.id),
        names=names(visit),
        moves=MOVES if row.state is State.ESCALATED else {},
        given=given,
        error=error,
        plain=visit.may("exchange.body"),
    )


def resolve(visit: Visit) -> Response:
    """Settle it on this person's word."""
    row = exchange_of(visit)
    if row is None:
        return visit.show("templates/told.html", 404, title="没有这笔交易", text="日志中没有这个编号。")
    wish, error = _wish(visit)
    if error:
        return _shown(visit, row, visit.form, error, 422)
    done = visit.do("resolve", exchange_id=row.id, wish=wish)
    if not done["ok"]:
        return _shown(visit, row, visit.form, str(done["error"]), 409)
    visit.say(f"编号 {row.id} 已了结：{MOVES[wish['as']][0]}。")
    return visit.go(f"/exchanges/{row.id}")


def _wish(visit: Visit) -> tuple[dict[str, Any], str]:
    move, reason = visit.form.get("as", ""), visit.form.get("reason", "").strip()
    if move not in MOVES:
        return {}, "请选择结论"
    if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
        return {}, f"请写明依据（{REASON_CHARS_MIN} 到 {REASON_CHARS_MAX} 字）：在哪里、看到了什么"
    if visit.form.get("sure") != "yes":
        return {}, "请勾选“已在平台侧核对”"
    wish: dict[str, Any] = {"as": move, "reason": reason}
    if text := visit.form.get("output", "").strip():
        try:
            output = loads_strict(text)
        except GatewayFault as fault:
            return {}, f"输出不是 JSON：{fault.text}"
        if not isinstance(output, dict) or move != "confirmed":
            return {}, "输出应为 JSON 对象，且只在“平台已办理”时填写"
        wish["output"] = output
    return wish, ""


AREA: Final = Area(
    name="doubts",
    pages=(
        Page("GET", "/doubts", "doubt.see", doubts),
        Page("GET", "/doubts/{exchange_id}", "doubt.see", doubt),
        Page("POST", "/doubts/{exchange_id}", "exchange.act", resolve),
    ),
    menu=(MenuItem("/doubts", "疑问交易", "doubt.see"),),
    rights={"doubt.see": "看到疑问交易与证据"},
)
