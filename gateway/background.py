"""A thread that takes the same turn again and again for as long as the process serves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Background:
    """Takes a turn, waits, takes the next; whatever breaks in a turn is logged, and the next comes.

    Args:
        name: of the thread, and in the log.
        turn: may return the seconds until the next one, where that is not always ``every_s``.
        every_s: seconds between the end of a turn and the next.
        at_once: whether the first turn comes before the first pause.
    """

    def __init__(self, name: str, turn: Callable[[], float | None], every_s: float, *, at_once: bool = True) -> None:
        self._name = name
        self._turn = turn
        self._every_s = every_s
        self._pause_s = 0.0 if at_once else every_s
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now."""
        self._wake.set()

    def close(self) -> None:
        """End after the turn that runs now."""
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause_s)
            self._wake.clear()
            if self._ended:
                return
            self._pause_s = self._take_turn()

    def _take_turn(self) -> float:
        try:
            due = self._turn()
        except Exception:  # one broken turn must not end all others
            log.exception("turn_failed", thread=self._name)
            return self._every_s
        return self._every_s if due is None else due
