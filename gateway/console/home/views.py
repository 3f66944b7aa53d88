"""首页: what needs somebody today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.exchanges.views import names
from gateway.console.home.raised import open_alerts
from gateway.console.home.work import work
from gateway.console.visit import Visit
from gateway.exchange.ports import Exchange, Query, State
from gateway.exchange.resolver_turn import UNTOLD_AFTER, UNTOLD_SINCE

SHOWN_MAX: Final = 8
COUNTED_MAX: Final = 200
READY: Final = {"store": "存储", "platform": "省平台", "sign_in": "签到", "process": "网关进程", "breaker": "熔断器"}


@dataclass(frozen=True, slots=True)
class Todo:
    """One kind of thing that waits for somebody."""

    title: str
    kind: str
    rows: list[Exchange]
    path: str
    empty: str
    advice: str

    @property
    def count(self) -> str:
        return f"{COUNTED_MAX}+" if len(self.rows) >= COUNTED_MAX else str(len(self.rows))


def home(visit: Visit) -> Response:
    """The page; its contents come again every few seconds."""
    return visit.show("home/home.html", **_content(visit))


def todo(visit: Visit) -> Response:
    """The part that refreshes itself."""
    return visit.show("home/todo.html", **_content(visit))


def _content(visit: Visit) -> dict[str, Any]:
    day = visit.parts.figures.of_window(timedelta(hours=24))
    count = sum(tally.count for tally in day.values())
    failed = sum(tally.failed for tally in day.values())
    raised = open_alerts(visit)
    return {
        "todos": _todos(visit),
        "works": work(visit, raised),
        "alerts": alerts(visit),
        "raised": raised,
        "count": count,
        "failed": failed,
        "share": failed / count if count else 0.0,
        "newest": _newest(visit),
        "names": names(visit),
        "open_count": visit.parts.figures.open_count,
    }


def _newest(visit: Visit) -> list[Exchange]:
    return visit.parts.store.journal.search(Query(limit=12)) if visit.may("exchange.see") else []


def _todos(visit: Visit) -> list[Todo]:
    journal, now = visit.parts.store.journal, visit.parts.clock()
    if not visit.may("doubt.see"):
        return []
    escalated = journal.search(Query(states=(State.ESCALATED,), limit=COUNTED_MAX))
    in_doubt = journal.search(Query(states=(State.IN_DOUBT,), limit=COUNTED_MAX))
    untold = journal.untold(now - UNTOLD_SINCE, now - UNTOLD_AFTER, COUNTED_MAX)
    return [
        Todo(
            "待人工核对",
            "bad",
            escalated,
            "/doubts",
            "没有要人工核对的交易。",
            "网关已无法自行证明结果，请在平台侧查清后了结。",
        ),
        Todo(
            "结果未知，网关核实中",
            "doubt",
            in_doubt,
            "/doubts",
            "没有结果未知的交易。",
            "不需要人工处理；同一次就诊的其他交易要等它有结果。",
        ),
        Todo(
            "已成交，院内未收到答复",
            "warn",
            untold,
            "/doubts?untold=1",
            "每笔成交的结算都已告知院内。",
            "请院内按原请求号再查一次结果，或核对是否已入账。",
        ),
    ]


def alerts(visit: Visit) -> list[tuple[str, str]]:
    """``(kind, sentence)`` about what is wrong with the gateway itself at this moment."""
    told = visit.parts.line.ready()
    found: list[tuple[str, str]] = []
    if told.get("process") is False:
        return [("bad", "网关进程没有应答：院内的交易现在办不了，请信息科查看。")]
    if told.get("store") is False:
        found.append(("bad", "存储写不进去：新的交易会被拒绝，请信息科检查磁盘与数据库。"))
    if told.get("platform") is False:
        found.append(("bad", "连不上省平台：交易会以“未发出”答复院内，可稍后重试。"))
    if told.get("sign_in") is False:
        found.append(("warn", "今天还没有签到（9001）；若本省要求签到，请先办理。"))
    return found


AREA: Final = Area(
    name="home",
    pages=(
        Page("GET", "/", "home.see", home),
        Page("GET", "/todo", "home.see", todo, quiet=True),
    ),
    menu=(MenuItem("/", "首页", "home.see"),),
    rights={"home.see": "首页"},
)
