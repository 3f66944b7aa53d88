"""What command and console ask of the process that may send: compare a day, compare again what is open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import structlog

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Unreadable
from gateway.reconcile.service import DayResult, Reconciliation
from gateway.store.operator_log import OperatorLog
from gateway.store.recon import Case, Part

Answer = dict[str, Any]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """How far a comparison is; without a day none goes on.

    Args:
        total: 0 where it is not known.
    """

    day: str = ""
    text: str = ""
    done: int = 0
    total: int = 0


class ReconcileDesk:
    """Answers ``POST /-/reconcile/<act>``; every answer is an object, with ``error`` when nothing was done.

    ``day``: ``{"operator", "day"}``; ``unsettled``: ``{}``.
    """

    def __init__(
        self, reconciliation: Reconciliation, unsettled_days: Callable[[], list[str]], operator_log: OperatorLog
    ) -> None:
        self._reconciliation = reconciliation
        self._operator_log = operator_log
        self._acts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "day": self._day,
            "unsettled": lambda _: {"days": unsettled_days()},
        }
        self.operations: Mapping[str, Callable[..., Answer]] = {
            "reconcile_begin": self._begin,
            "reconcile_running": lambda operator: {"ok": True, **asdict(self._step)},  # noqa: ARG005 - who asks
        }
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._step = Step()

    def close(self) -> None:
        """End after the day at hand."""
        if self._thread is not None:
            self._thread.join()

    def do(self, act: str, body: bytes) -> dict[str, Any]:
        """Do ``act`` with the wish in ``body``, a JSON object."""
        try:
            return self._acts[act](loads_strict(body.decode("utf-8")))
        except ValueError as error:
            return {"error": f"日期应为 yyyy-MM-dd：{error}"}
        except (KeyError, TypeError, AttributeError, Unreadable):
            return {"error": f"须为 {'、'.join(self._acts)} 之一，并带齐各项"}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有对账"}

    def _day(self, wish: dict[str, Any]) -> dict[str, Any]:
        day = date.fromisoformat(wish["day"])
        self._operator_log.append(str(wish["operator"]), "reconcile.day", day.isoformat())
        return shown(self._reconciliation.run_day(day))

    # ------------------------------------------------------------- for the console

    def _begin(self, operator: str, day: str) -> Answer:
        """Compare a day in a thread of its own; one at a time."""
        wanted = date.fromisoformat(day)
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return {"ok": False, "error": f"正在对 {self._step.day} 的账，请稍候"}
            self._operator_log.append(operator, "reconcile.day", wanted.isoformat())
            self._step = Step(wanted.isoformat())
            self._thread = threading.Thread(target=self._run, args=(wanted,), name="reconcile", daemon=True)
            self._thread.start()
        return {"ok": True}

    def _run(self, day: date) -> None:
        try:
            self._reconciliation.run_day(day, lambda text, done, total: self._tell(day, text, done, total))
        except JournalUnavailable:
            log.exception("reconcile_broke", day=day.isoformat())
        finally:
            self._step = Step()

    def _tell(self, day: date, text: str, done: int, total: int) -> None:
        self._step = Step(day.isoformat(), text, done, total)


def shown(result: DayResult) -> dict[str, Any]:
    """A day as JSON."""
    return {
        "day": result.day,
        "whole": result.whole,
        "parts": [*map(shown_part, result.parts)],
        "cases": [*map(shown_case, result.cases)],
    }


def shown_part(part: Part) -> dict[str, Any]:
    """A comparison as JSON; times to the second."""
    return {**asdict(part), "checked_at": part.checked_at.isoformat(timespec="seconds")}


def shown_case(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    times = {name: getattr(case, name) for name in ("opened_at", "seen_at", "closed_at")}
    content = {name: value for name, value in case.content.items() if name != "key"}
    told = {name: value.isoformat(timespec="seconds") if value else None for name, value in times.items()}
    names = ("id", "day", "kind", "state", "setl_optins", "clr_type", "msgid", "exchange_id")
    return {**{name: getattr(case, name) for name in names}, **content, **told}
