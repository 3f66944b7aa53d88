"""运行: is everything well, how much is going on, and what is configured why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from gateway.alerts.rules import RULES, error_share, thresholds
from gateway.console.area import Area, MenuItem, Page
from gateway.console.exchanges.views import names
from gateway.console.home.raised import OTHER, Raised, open_alerts
from gateway.console.home.views import READY, alerts
from gateway.console.running import charts
from gateway.console.running.standing import jobs_now, nodes_now, signed_in_now
from gateway.console.visit import Visit
from gateway.figures import Tally
from gateway.settings import sources
from gateway.settings.shown import leaves, origin_of

WINDOWS: Final[Mapping[str, tuple[str, timedelta, int]]] = {
    "1h": ("最近 1 小时", timedelta(hours=1), 60),
    "6h": ("最近 6 小时", timedelta(hours=6), 72),
    "24h": ("最近 24 小时", timedelta(hours=24), 96),
}
"""Title, length, and points of a chart."""
TICKS: Final = 6
INFNO_CHARS_MAX: Final = 20
TRANSACTIONS_MAX: Final = 40
CLEARED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction in the table."""

    infno: str
    name: str
    tally: Tally


def running(visit: Visit) -> Response:
    """The page; its parts refresh themselves."""
    return visit.show("running/running.html", windows=WINDOWS, **_status(visit), **_figures(visit))


def watched(visit: Visit) -> Response:
    """Thresholds in force, open alerts, and what was on alert before."""
    store = visit.parts.store.alerts
    words = thresholds(visit.parts.settings.alerts)
    return visit.show(
        "running/alerts.html",
        raised=open_alerts(visit),
        cleared=[Raised(one, RULES.get(one.rule, OTHER)) for one in store.cleared(CLEARED_MAX)],
        rules=[(rule, words[name]) for name, rule in RULES.items()],
    )


def status(visit: Visit) -> Response:
    """Lamps."""
    return visit.show("running/status.html", **_status(visit))


def figures(visit: Visit) -> Response:
    """Charts and the table per transaction."""
    return visit.show("running/figures.html", windows=WINDOWS, **_figures(visit))


def _status(visit: Visit) -> dict[str, Any]:
    told, raised = visit.parts.line.ready(), open_alerts(visit)
    lamps = [(title, told[name]) for name, title in READY.items() if isinstance(told.get(name), bool)]
    contract = visit.parts.interface.contract
    return {
        "ready": told.get("ready") is True,
        "lamps": lamps,
        "alerts": alerts(visit),
        "raised": raised,
        "signed_in": signed_in_now(visit),
        "jobs": jobs_now(visit, raised),
        "nodes": nodes_now(visit),
        "his": _his(visit),
        "facts": [
            ("机构", f"{visit.parts.settings.institution.name}（{visit.parts.settings.institution.code}）"),
            ("接口", contract.label),
            ("接口版本", contract.version[:12]),
            ("平台", visit.parts.settings.platform.url),
            ("节点", visit.parts.settings.node),
        ],
    }


def _his(visit: Visit) -> dict[str, Any] | None:
    """What the start has found of the HIS; None where there is none, or nobody to ask."""
    if not visit.parts.settings.his.there:
        return None
    told = visit.do("his_report")
    return {**told, "at": told["at"] and datetime.fromisoformat(told["at"])} if told["ok"] else None


def _figures(visit: Visit) -> dict[str, Any]:
    chosen = visit.query.get("window", "1h")
    chosen = chosen if chosen in WINDOWS else "1h"
    _, window, points = WINDOWS[chosen]
    limit = visit.parts.settings.alerts.error_share
    book, infno = visit.parts.figures, visit.query.get("infno", "").strip()[:INFNO_CHARS_MAX]
    series = book.series(window, points, infno)
    every = points // TICKS
    ticks = [f"{moment:%H:%M}" if number % every == every // 2 else "" for number, (moment, _) in enumerate(series)]
    titles = [f"{moment:%m-%d %H:%M}　{part.count} 笔，未成功 {part.failed} 笔" for moment, part in series]
    titled = names(visit)
    lines = [Line(infno, titled.get(infno, ""), tally) for infno, tally in book.of_window(window).items()]
    total = Tally()
    for found in lines:
        if infno in ("", found.infno):
            total.merge(found.tally)
    return {
        "chosen": chosen,
        "infno": infno,
        "infno_name": titled.get(infno, ""),
        "total": total,
        "lines": sorted(lines, key=lambda found: -found.tally.count)[:TRANSACTIONS_MAX],
        "counts": charts.bars([part.count for _, part in series], [part.failed for _, part in series], titles, ticks),
        "durations": charts.line([part.quantile_ms(0.95) for _, part in series], ticks),
        "shares": charts.line(
            [error_share(part) * 100 if part.count else None for _, part in series], ticks, limit=limit * 100
        ),
        "limit": limit,
        "calls_min": visit.parts.settings.alerts.calls_min,
        "error_share": error_share,
        "open_count": book.open_count,
    }


def config(visit: Visit) -> Response:
    """What is in force, and where each value comes from; secrets only as set or not."""
    origin = sources(visit.parts.config)
    rows = [(name, value, origin_of(name, origin)) for name, value in leaves(visit.parts.settings.model_dump())]
    described = _descriptions(type(visit.parts.settings))
    found = [(name, _written(value), why, described.get(_bare(name), "")) for name, value, why in rows]
    return visit.show("running/config.html", rows=found, file=visit.parts.config)


def _written(value: Any) -> str:
    """As it stands in the file: ``true``, ``["a"]``, and text without its quotes."""
    return (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )


def _bare(name: str) -> str:
    """``clients[0].name`` -> ``clients.name``."""
    return ".".join(part.partition("[")[0] for part in name.split("."))


def _descriptions(model: Any, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if told := field.description or _inherited(model, name):
            found[path] = told
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(part, "model_fields"):
                found |= _descriptions(part, f"{path}.")
    return found


def _inherited(model: Any, name: str) -> str:
    """What the table says that this one follows (each job's times, of those of jobs as such)."""
    fields = [base.model_fields[name] for base in model.__mro__ if name in getattr(base, "model_fields", ())]
    return next((field.description for field in fields if field.description), "")


AREA: Final = Area(
    name="running",
    pages=(
        Page("GET", "/running", "running.see", running),
        Page("GET", "/running/status", "running.see", status, quiet=True),
        Page("GET", "/running/figures", "running.see", figures, quiet=True),
        Page("GET", "/running/alerts", "running.see", watched),
        Page("GET", "/config", "config.see", config),
    ),
    menu=(MenuItem("/running", "运行", "running.see"), MenuItem("/config", "配置", "config.see")),
    rights={"running.see": "看到运行状态", "config.see": "看到配置"},
)
