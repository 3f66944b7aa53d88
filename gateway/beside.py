"""A process that runs beside the gateway: started, handed its token, started again when it dies, ended with us.

The token goes through the child's standard input, where no list of processes shows it. That pipe stays open: when it
ends, the child knows that nobody watches it any more and stops by itself.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

log = structlog.get_logger(__name__)

PAUSE_S: Final = 1.0
PAUSE_S_MAX: Final = 60.0
STEADY_S: Final = 60.0
"""A child that lived this long was well: the next pause is short again."""
STOP_S_MAX: Final = 15.0


class Beside:
    """One child process.

    Args:
        name: for the log.
        command: program and arguments.
        token: the first line on its standard input.
        pause_s: before it is started again; doubles while it keeps dying young.
    """

    def __init__(self, name: str, command: Sequence[str], token: str, *, pause_s: float = PAUSE_S) -> None:
        self._name = name
        self._command = list(command)
        self._token = token
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name=f"beside-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def begin_stop(self) -> None:
        """Ask it to end."""
        with self._lock:
            self._stop.set()
            if self._process is not None:
                self._process.terminate()

    def close(self) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        self.begin_stop()
        process = self._process
        if process is None:
            return
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._thread.join()

    def _watch(self) -> None:
        pause = self._pause_s
        while (process := self._started()) is not None:
            begun = time.monotonic()
            code = process.wait()
            if self._stop.is_set():
                break
            pause = self._pause_s if time.monotonic() - begun > STEADY_S else min(pause * 2, PAUSE_S_MAX)
            log.error("beside_died", process=self._name, code=code, again_in_s=pause)
            self._stop.wait(pause)
        with contextlib.suppress(OSError):
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes] | None:
        """A new child, or None when we are to stop."""
        with self._lock:
            if self._stop.is_set():
                return None
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
            # in a session of its own: Ctrl-C in the terminal reaches us alone, and we end it in order
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ours
            self._process = process
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(f"{self._token}\n".encode("ascii"))
            process.stdin.flush()
        return process
