"""Retention in the process that owns the store: one run at a time, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import KeyringError, KeysMissing
from gateway.settings import Retention as RetentionSettings
from gateway.store import StoreError
from gateway.store.retention import Limits, Retained, Retention

log = structlog.get_logger(__name__)


def limits_of(settings: RetentionSettings) -> Limits:
    """The limits of a configuration."""
    return Limits(settings.reads_days, settings.in_store_days, settings.archive_years, settings.log_days)


class RetentionRun:
    """Begins a run, tells how far it is, ends it with the process.

    Args:
        clock: the real clock.
    """

    def __init__(self, retention: Retention, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._retention = retention
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress: dict[str, Any] = {"running": False}

    def plan(self) -> Retained:
        """What a run would do. Raises as :meth:`Retention.plan`."""
        return self._retention.plan(self._limits, self._clock())

    def begin(self, operator: str) -> None:
        """Begin a run. Raises :class:`StoreError` when one is running."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise StoreError("清理正在进行")
            self._progress = {"running": True, "what": "", "done": 0, "total": 0}
            self._thread = threading.Thread(target=self._run, args=(operator,), name="retention", daemon=True)
            self._thread.start()

    def progress(self) -> dict[str, Any]:
        """``running`` with ``what``, ``done``, ``total``; afterwards ``retained``, or ``failed`` with the reason."""
        return dict(self._progress)

    def close(self) -> None:
        """End after the batch that runs now."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, operator: str) -> None:
        try:
            done = self._retention.run(self._limits, self._clock(), operator, self._tell, self._stop)
            self._progress = {"running": False, "retained": asdict(done)}
        except (StoreError, JournalUnavailable, KeysMissing, KeyringError, ValueError) as error:
            log.warning("retention_failed", reason=str(error))
            self._progress = {"running": False, "failed": str(error)}

    def _tell(self, what: str, done: int, total: int) -> None:
        self._progress = {"running": True, "what": what, "done": done, "total": total}
