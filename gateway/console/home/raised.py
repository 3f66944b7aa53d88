"""Alerts that are open, each with what it means and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.alerts.rules import RULES, Rule
from gateway.console.visit import Visit
from gateway.store.alerts import Alert

OTHER: Final = Rule("需要查看", "请信息科查看日志。", "/running", "running.see")


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert, and what it means."""

    alert: Alert
    rule: Rule


def open_alerts(visit: Visit) -> list[Raised]:
    """Alerts that are open, the worst first, each with the way out."""
    found = sorted(visit.parts.store.alerts.open(), key=lambda one: (one.kind != "bad", one.raised_at))
    return [Raised(one, RULES.get(one.rule, OTHER)) for one in found]
