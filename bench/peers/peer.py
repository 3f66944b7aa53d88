"""A server in a process of its own: started, asked over one connection, its CPU read from the system."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.messages import Case

START_S_MAX = 60.0
_PATH = "/soap/inpatient"
_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}


class NotHere(Exception):
    """This machine lacks what the peer is built with; the text says what."""


@dataclass
class Peer:
    """A running server."""

    name: str
    port: int
    group: int
    _connection: http.client.HTTPConnection | None = field(default=None)

    def ask(self, case: Case) -> None:
        """One call. Raises RuntimeError when it is not answered with success."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._connection.request("POST", _PATH, case.soap, _HEADERS)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.will_close:
            self.hang_up()
        if answer.status != 200 or b"infcode>0<" not in body:
            raise RuntimeError(f"{self.name}: {answer.status} {body[:300].decode(errors='replace')}")

    def hang_up(self) -> None:
        """Close the connection: a server may close it by itself while others are asked."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def cpu_s(self) -> float:
        """User and system time of all its processes so far."""
        ticks = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                ticks += _ticks(entry / "stat", self.group)
        return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(stat: Path, group: int) -> int:
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0


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
