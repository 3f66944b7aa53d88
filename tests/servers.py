"""Servers for tests: a cheroot listener in this process, and the real ``serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.http.cheroot_server import HttpServer
from gateway.settings import Limits, Listener, Tls

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@contextmanager
def in_process(
    app: WSGIApplication, *, tls: Tls | None = None, limits: Limits | None = None, threads: int = 4
) -> Iterator[int]:
    """Serve ``app`` on a free loopback port; yields the port."""
    # the setting forbids port 0, which is just what a test wants
    listener = Listener.model_construct(address="127.0.0.1:0", tls=tls)
    server = HttpServer(listener, app, limits or Limits(), threads=threads, backlog=128)
    server.start()
    try:
        yield server.port
    finally:
        server.begin_stop()
        assert server.join(20)


def free_ports(count: int) -> list[int]:
    """Ports that are free, each given out once by this process.

    Below those that the system gives to whoever asks for any, and from another start in each process: suites that run
    side by side (pytest-xdist) would otherwise now and then be given what another is just about to listen on.
    """
    return list(islice(filter(_is_free, _ports), count))


_FIRST, _LAST = 10_000, 32_000
_ports = cycle(range(_FIRST, _LAST))
for _ in range(os.getpid() * 977 % (_LAST - _FIRST)):
    next(_ports)


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def wait_for_port(port: int, process: subprocess.Popen[str] | None = None, timeout_s: float = 30) -> None:
    """Until somebody listens; fails at once when the process has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")


@dataclass
class Served:
    """A running ``serve``."""

    process: subprocess.Popen[str]
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self, timeout_s: float = 30) -> int:
        return self.process.wait(timeout_s)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def served(directory: Path, config: str, program: str, ports: Sequence[int]) -> Iterator[Served]:
    """Run ``serve`` on ``config`` (TOML) with the ``make()`` that ``program`` defines, until the block ends."""
    (directory / "gateway.toml").write_text(config, encoding="utf-8")
    script = directory / "served_program.py"
    start = """
        if __name__ == "__main__":
            import sys
            from pathlib import Path
            from gateway.http.listeners import serve
            from gateway.http.sockets import ListenError
            from gateway.settings import read_settings
            try:
                serve(read_settings(Path(sys.argv[1])), make)
            except ListenError as error:
                sys.exit(str(error))
        """
    script.write_text(textwrap.dedent(program) + textwrap.dedent(start), encoding="utf-8")
    log = directory / "output.log"
    root = Path(__file__).resolve().parents[1]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), str(directory / "gateway.toml")],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"},
        )
    try:
        for port in ports:
            wait_for_port(port, process)
        yield Served(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
