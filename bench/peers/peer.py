"""A server in a process of its own: started, asked, its CPU read from the system."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.messages import Case
from bench.peers import load

START_S_MAX = 60.0
_PATH = "/soap/inpatient"
_SUCCESS = b"infcode>0<"


class NotHere(Exception):
    """This machine lacks what the peer is built with; the text says what."""


@dataclass
class Peer:
    """A running server."""

    name: str
    port: int
    group: int

    def ask(self, case: Case, callers: int = 1, calls: int = 1) -> None:
        """``calls`` calls of each of ``callers``. Raises NotAnswered."""
        load.ask(self.port, load.posting(_PATH, case.soap), _SUCCESS, callers, calls)

    def ask_each(self, cases: Sequence[Sequence[Case]]) -> None:
        """The cases of each caller, one after the other. Raises NotAnswered."""
        load.ask_each(self.port, [[load.posting(_PATH, case.soap) for case in those] for those in cases], _SUCCESS)

    def cpu_s(self) -> float:
        """User and system time of all its processes so far, to the nanosecond."""
        return sum(map(_cpu_s, self._processes()))

    def _processes(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _group(entry / "stat") == self.group:
                yield int(entry.name)


def _group(stat: Path) -> int:
    try:
        return int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[2])
    except OSError:
        return 0


def _cpu_s(process: int) -> float:
    """The clock of another process (``clock_getcpuclockid``): ``/proc`` counts in ticks of ten milliseconds."""
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:
        return 0.0


@contextmanager
def serving(name: str, command: Sequence[str], folder: Path, port: int = 0) -> Iterator[Peer]:
    """Start ``command``, in which ``{port}`` stands for the port, and end it. Raises NotHere when it does not listen.

    Args:
        port: that it listens on; 0: any.
    """
    port = port or _free_port()
    with (folder / f"{port}.out").open("ab") as output:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, name)
        yield Peer(name, port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise NotHere(f"{name} does not listen")
