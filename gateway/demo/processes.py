"""The processes of the demo: started in sessions of their own, watched, and ended together."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

STOP_S_MAX: Final = 20
"""The gateway finishes the calls it has begun; whatever takes longer is killed."""
LOOK_EVERY_S: Final = 0.5
"""A wait without a limit would keep signals from being handled on Windows."""
TAIL_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the client wrote."""

    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A process has ended."""

    name: str
    code: int


Event = Said | Ended


_SIGNALS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupts:
    """SIGTERM and a closed terminal interrupt like Ctrl-C, so that every end takes the same way out.

    What was told to be ignored (``nohup``) stays so, but for Ctrl-C, which a shell takes from its background jobs.
    """

    def __init__(self) -> None:
        self._held = False
        self._came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        wanted = [
            number for number in _SIGNALS if number is signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
        ]
        self._before = {number: signal.signal(number, self._interrupt) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must be finished first: a process that has started but is not yet known would be left behind."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            self._came = False
            raise KeyboardInterrupt

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._came = self._held
        if not self._held:
            raise KeyboardInterrupt


class Processes:
    """Children by name. Leaving the block ends them all, the last one started first."""

    def __init__(self, folder: Path, interrupts: Interrupts) -> None:
        self._folder = folder
        self._interrupts = interrupts
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._events: queue.Queue[Event] = queue.Queue()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        with self._interrupts.held():
            for process in reversed(self._running.values()):
                _end(process)

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, heard: bool = False
    ) -> int:
        """Run ``python -m arguments``; its process number.

        Args:
            name: also of the file in the folder that takes what it prints.
            environment: beside that of this process.
            heard: its standard output comes as :class:`Said` events.
        """
        with self.output_of(name).open("wb") as output, self._interrupts.held():
            process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if heard else output,
                stderr=output,
                env={**os.environ, "PYTHONUTF8": "1", **(environment or {})},
                encoding="utf-8",
                # Ctrl-C in the terminal reaches this process alone, which then ends the others in order
                start_new_session=True,
            )
            self._running[name] = process
        threading.Thread(target=self._watch, args=(name, process), name=name, daemon=True).start()
        return process.pid

    def _watch(self, name: str, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self._events.put(Said(line))
        self._events.put(Ended(name, process.wait()))

    def wait(self, timeout_s: float) -> Event | None:
        """The next thing that happens, or None when nothing did in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def output_of(self, name: str) -> Path:
        """Where a process writes what it prints."""
        return self._folder / f"{name}.out"

    def last_words(self, name: str) -> str:
        """The end of what a process has printed."""
        with contextlib.suppress(OSError):
            return self.output_of(name).read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace").strip()
        return ""


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
