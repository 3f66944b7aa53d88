"""What the operator's command and the console ask of the process that may send: run a job now, tell how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Unreadable
from gateway.store.jobs import JobRun, RunOutcome, SqlJobs
from gateway.store.operator_log import OperatorLog
from jobs.runner import Runner, Unknown

OUTCOMES: Final[Mapping[RunOutcome, str]] = {
    RunOutcome.RUNNING: "运行中",
    RunOutcome.DONE: "完成",
    RunOutcome.PARTIAL: "完成，有遗留",
    RunOutcome.FAILED: "没有办成",
    RunOutcome.STOPPED: "随网关停止",
    RunOutcome.LOST: "进程中断",
    RunOutcome.MISSED: "错过",
    RunOutcome.SKIPPED: "略过",
}
"""Every outcome in a word for staff."""


class JobsDesk:
    """Answers ``POST /-/jobs/<act>``; every answer is an object, with ``error`` when nothing was done.

    ``run``: ``{"operator", "job", "given"?}``, answers ``{"run"}``; ``show``: ``{"run"}``, answers the run.
    """

    def __init__(self, runner: Runner, store: SqlJobs, operator_log: OperatorLog) -> None:
        self._runner = runner
        self._store = store
        self._operator_log = operator_log
        self._acts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"run": self._run, "show": self._show}

    def do(self, act: str, body: bytes) -> dict[str, Any]:
        """Do ``act`` with the wish in ``body``, a JSON object."""
        try:
            return self._acts[act](loads_strict(body.decode("utf-8")))
        except (KeyError, TypeError, AttributeError, ValueError, Unreadable):
            return {"error": f"须为 {'、'.join(self._acts)} 之一，并带齐各项"}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有办理"}

    def run(self, operator: str, job: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a run in a person's name: ``{"run": number}`` or ``{"error"}``."""
        if job in self._runner.names:
            self._operator_log.append(operator, "jobs.run", job, "、".join(given))
        try:
            number = self._runner.start(job, operator, given)
        except Unknown as error:
            return {"error": str(error)}
        return {"error": f"{job} 正在运行，请等它结束"} if number is None else {"run": number}

    def run_for_console(self, operator: str, job: str) -> dict[str, Any]:
        """The operation ``run_job`` of the console's desk."""
        told = self.run(operator, job, {})
        return {"ok": "error" not in told, **told}

    def _run(self, wish: dict[str, Any]) -> dict[str, Any]:
        given = wish.get("given") or {}
        if not isinstance(given, dict):
            raise TypeError("given")
        return self.run(str(wish["operator"]), str(wish["job"]), given)

    def _show(self, wish: dict[str, Any]) -> dict[str, Any]:
        found = self._store.get(int(wish["run"]))
        return shown(found) if found is not None else {"error": f"没有编号为 {wish['run']} 的运行"}


def shown(run: JobRun) -> dict[str, Any]:
    """A run as JSON."""
    end = run.finished_at
    return {
        "run": run.id,
        "job": run.job,
        "node": run.node,
        "begun_by": run.begun_by,
        "operator": run.operator,
        "started_at": run.started_at.isoformat(timespec="milliseconds"),
        "finished_at": end.isoformat(timespec="milliseconds") if end else None,
        "seconds": round((end - run.started_at).total_seconds(), 3) if end else None,
        "outcome": run.outcome.value,
        "done": run.done,
        "total": run.total,
        "counts": dict(run.counts),
        "error": run.error,
        "detail": dict(run.detail),
    }
