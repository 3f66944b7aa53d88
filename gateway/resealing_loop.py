"""The thread that brings rows to the keys in use; sleeps while there is nothing to do."""

from __future__ import annotations

import threading
from typing import Final

import structlog

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import KeyringError, KeysMissing
from gateway.store.resealing import Resealing

log = structlog.get_logger(__name__)

IDLE_S: Final = 60.0
"""How soon a process sees that another has put new keys to use."""
BREATH_S: Final = 0.02
"""Between two batches: the writer belongs to the exchanges."""


class ResealingLoop:
    """Does the work of :class:`Resealing` for as long as the process serves."""

    def __init__(self, resealing: Resealing) -> None:
        self._resealing = resealing
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resealing", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes at once."""
        self._thread.start()

    def wake(self) -> None:
        """Look now whether there is something to do."""
        self._wake.set()

    def close(self) -> None:
        """End after the batch that runs now."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._turn())
            self._wake.clear()

    def _turn(self) -> float:
        try:
            due = self._resealing.step()
        except (JournalUnavailable, KeysMissing, KeyringError) as error:
            log.warning("resealing_waits", reason=str(error))
            return IDLE_S
        return IDLE_S if due is None else max(due, BREATH_S)
