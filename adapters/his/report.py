"""The check of the HIS at start-up: in the log line by line, and kept for whoever looks at the console."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from adapters.his.check import Finding, check
from adapters.his.ways import HisSettings

log = structlog.get_logger(__name__)

AGAIN_S: Final = 300.0
CLOSE_S_MAX: Final = 2.0
"""A HIS that hangs does not hold up the end of the gateway: whatever it still answers changes nothing."""


@dataclass(frozen=True, slots=True)
class Report:
    """One look at every statement or service."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> list[Finding]:
        """What cannot be used as it is."""
        return [one for one in self.findings if one.ok is False]


class StartReport:
    """Looks at the HIS in a thread of its own until it has once answered: a start neither waits for it nor fails with it.

    Args:
        settings: the way to the HIS; without one nothing is looked at.
        clock: aware time.
        again_s: seconds until a HIS that did not answer is looked for again.
    """

    def __init__(self, settings: HisSettings, clock: Callable[[], datetime], again_s: float = AGAIN_S) -> None:
        self._settings = settings
        self._clock = clock
        self._again_s = again_s
        self._last: Report | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="his_check", daemon=True)

    @property
    def last(self) -> Report | None:
        """The newest report; None before the first is whole."""
        return self._last

    def start(self) -> None:
        """Begin, where there is a HIS."""
        if self._settings.there:
            self._thread.start()

    def close(self) -> None:
        """Look at nothing more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S_MAX)

    def told(self, operator: str) -> dict[str, Any]:  # noqa: ARG002 - every operation of the console is told who asks
        """The last report as JSON values for the console; ``at`` None: there is none yet."""
        last = self._last
        if last is None:
            return {"ok": True, "at": None, "good": 0, "wrong": []}
        wrong = [{"what": one.what, "text": one.summary} for one in last.wrong]
        good = sum(one.ok is True for one in last.findings)
        return {"ok": True, "at": last.at.isoformat(timespec="seconds"), "good": good, "wrong": wrong}

    def _run(self) -> None:
        while not self._look():
            if self._ended.wait(self._again_s):
                return

    def _look(self) -> bool:
        """Whether it is done: the HIS has answered, or the gateway ends."""
        found: list[Finding] = []
        try:
            for finding in check(self._settings):
                if self._ended.is_set():
                    return True
                found.append(finding)
        except Exception:  # a driver may break in any way; the gateway works without a HIS
            log.exception("his_check_broke")
            found.append(Finding("HIS", False, "检查中断，原因见日志 his_check_broke"))
        if self._last is None or _judged(self._last.findings) != _judged(found):
            for finding in found:
                _tell(finding)
        self._last = Report(self._clock(), tuple(found))
        return found[0].ok is True


def _judged(findings: Sequence[Finding]) -> list[tuple[str, bool | None, tuple[str, ...]]]:
    return [(one.what, one.ok, one.problems) for one in findings]


def _tell(one: Finding) -> None:
    level = log.error if one.ok is False else log.info
    level("his_checked", what=one.what, ok=one.ok, text=one.summary, notes=[*one.notes])
