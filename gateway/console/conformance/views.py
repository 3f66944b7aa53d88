"""联调验收: what a HIS vendor works through, judged by the journal, and the report that is printed of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.conformance.items import items_in_force
from gateway.console.conformance.judge import Evidence, Judged, accepted, judge
from gateway.console.exchanges.views import names
from gateway.console.visit import Visit
from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Exchange, Query

ACT: Final = "conformance.begin"
PAGE_ROWS: Final = 1000
ROWS_MAX: Final = 20_000
RUNS_SHOWN: Final = 20
VERDICTS: Final = {"passed": ("通过", "ok"), "open": ("未完成", "idle"), "failed": ("不通过", "bad")}


def checklist(visit: Visit) -> Response:
    """The items and how they stand; without a run, where one begins."""
    return _shown(visit, "conformance/checklist.html")


def part(visit: Visit) -> Response:
    """The items alone: the part that refreshes itself."""
    return _shown(visit, "conformance/items.html")


def report(visit: Visit) -> Response:
    """The acceptance report of a run, for paper."""
    return _shown(visit, "conformance/report.html")


def _shown(visit: Visit, template: str) -> Response:
    client, since = visit.query.get("client", ""), _since(visit.query.get("since", ""))
    clients = _clients(visit)
    judged: list[Judged] = []
    cut = False
    if client in clients and since is not None:
        rows = _rows(visit, client, since)
        cut = len(rows) >= ROWS_MAX
        journal = visit.parts.store.journal
        judged = judge(items_in_force(), Evidence(rows, journal.bodies, journal.proofs))
    elif not template.endswith("checklist.html"):
        return visit.show("templates/told.html", 404, title="没有这次验收", text="请从“联调验收”进入。")
    return visit.show(
        template,
        clients=clients,
        client=client,
        since=since,
        judged=judged,
        accepted=bool(judged) and accepted(judged),
        passed=sum(one.verdict == "passed" for one in judged),
        cut=cut,
        verdicts=VERDICTS,
        names=names(visit),
        runs=_begun(visit),
        version=visit.parts.interface.contract.version[:12],
        province=visit.parts.interface.contract.label,
    )


def _clients(visit: Visit) -> list[str]:
    return [one.name for one in visit.parts.settings.clients]


def _since(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=SHANGHAI)


def _rows(visit: Visit, client: str, since: datetime) -> list[Exchange]:
    """Oldest first."""
    found: list[Exchange] = []
    before: int | None = None
    while len(found) < ROWS_MAX:
        query = Query(client=client, since=since, before_id=before, limit=PAGE_ROWS)
        page = visit.parts.store.journal.search(query)
        found += page
        if len(page) < PAGE_ROWS:
            break
        before = page[-1].id
    return sorted(found, key=lambda row: row.id)


def _begun(visit: Visit) -> list[dict[str, Any]]:
    """Runs that were begun, newest first: the operator log keeps them, and nobody can change it."""
    entries = visit.parts.store.operator_log.entries(acts=(ACT,), limit=RUNS_SHOWN)
    return [{"at": one.at, "operator": one.operator, "client": one.subject, "since": one.detail} for one in entries]


def begin(visit: Visit) -> Response:
    """Begin a run of a client now."""
    client = visit.form.get("client", "")
    if client not in _clients(visit):
        visit.say("没有这个客户端。", "bad")
        return visit.go("/conformance")
    since = visit.parts.clock().replace(tzinfo=None).isoformat(timespec="seconds")
    if not visit.note(ACT, client, since):
        visit.say("操作日志写不进去，没有开始。", "bad")
        return visit.go("/conformance")
    visit.say(f"{client} 的验收从现在开始；此前的交易不计。")
    return visit.go("/conformance?" + urlencode({"client": client, "since": since}))


AREA: Final = Area(
    name="conformance",
    pages=(
        Page("GET", "/conformance", "debug.use", checklist),
        Page("GET", "/conformance/items", "debug.use", part, quiet=True),
        Page("POST", "/conformance", "debug.use", begin),
        Page("GET", "/conformance/report", "debug.use", report),
    ),
    menu=(MenuItem("/conformance", "联调验收", "debug.use"),),
    only_on_test_line=True,
)
