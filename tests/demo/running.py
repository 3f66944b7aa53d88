"""The demo as a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

from tests.servers import free_ports

REPOSITORY = Path(__file__).parents[2]
S_MAX = 90
"""For one run, on a machine that is busy with other tests."""


class Demo:
    """A running demo; its output line by line."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self.gateway_port, self.simulator_port, self.console_port = free_ports(3)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("YIBAO_")}
        environment |= {
            "YIBAO_LISTEN__EXCHANGE__ADDRESS": f"127.0.0.1:{self.gateway_port}",
            "YIBAO_PLATFORM__URL": f"http://127.0.0.1:{self.simulator_port}",
            "YIBAO_CONSOLE__LISTEN__ADDRESS": f"127.0.0.1:{self.console_port}",
            # a proxy that nobody answers at: what stays on this machine must not go through it
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "PYTHONPATH": str(REPOSITORY),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.demo", *arguments],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip
        self.lines: list[str] = []
        self._heard: queue.Queue[str | None] = queue.Queue()
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._heard.put(line.rstrip("\n"))
        self._heard.put(None)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def until(self, text: str | None) -> str:
        """Listen until a line holds ``text``, or to the end with None; all that was said."""
        deadline = time.monotonic() + S_MAX
        while True:
            line = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
            if line is None:
                assert text is None, f"ended without {text!r}:\n{self.output}"
                return self.output
            self.lines.append(line)
            if text is not None and text in line:
                return self.output

    def ended(self) -> int:
        """Its exit code."""
        self.until(None)
        return self.process.wait(S_MAX)

    def number_of(self, title: str) -> int:
        """The process number that the demo has told of."""
        found = re.search(rf"{title} \S+（进程 (\d+)）", self.output)
        assert found, self.output
        return int(found[1])

    def ports_are_free(self) -> bool:
        for port in (self.gateway_port, self.simulator_port):
            create_server(("127.0.0.1", port)).close()
        return True

    def stop(self) -> None:
        """End it, if it has not ended by itself."""
        self.process.terminate()
        self.process.wait(S_MAX)
        self._ear.join(S_MAX)


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    running = Demo(folder, arguments)
    try:
        yield running
    finally:
        running.stop()
