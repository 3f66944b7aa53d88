"""Gateway and simulator as processes of their own; the gateway kills itself where it is told to."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.commands.helpers import END_S_MAX, REPOSITORY, environment, talking, write_config
from tests.servers import free_ports

DIE_AT = "YIBAO_TEST_DIE_AT"
STOP_AT = "YIBAO_TEST_STOP_AT"
LOOK_EVERY_S = 0.1
CALL_S_MAX = 40.0
SETTLE_TIME_S = 1
START_S_MAX = 180.0


class Gone(Exception):
    """The gateway closed the connection without an answer, or nobody listens."""


@dataclass
class House:
    """A simulator that lives through everything, and the place of a gateway that does not.

    Args:
        config: of the gateway.
        port: where the gateway listens.
        platform_port: where the simulator does.
        folder: store and logs.
    """

    config: Path
    port: int
    platform_port: int
    folder: Path

    @contextmanager
    def gateway(
        self, die_at: str = "", stop_at: str = "", environ: Mapping[str, str] | None = None
    ) -> Iterator[Gateway]:
        """Serve until the end of the block; the process ends, or stops, when the boundary is reached.

        Args:
            environ: more of the environment.
        """
        with (self.folder / "serve.out").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env=environment()
                | {name: at for name, at in ((DIE_AT, die_at), (STOP_AT, stop_at)) if at}
                | dict(environ or {}),
                start_new_session=True,
            )
        gateway = Gateway(process, self.port)
        try:
            gateway.wait_until_ready()
            yield gateway
        finally:
            gateway.end()

    def ledger(self) -> dict[str, Any]:
        """What the platform has."""
        return dict(_get(self.platform_port, "/_sim/ledger"))


@dataclass
class Gateway:
    """One life of the gateway."""

    process: subprocess.Popen[bytes]
    port: int

    def call(self, infno: str, message: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """One request as JSON, or what the hospital tells the gateway itself (``WardIn``). Raises Gone when there is no answer."""
        path, body = asked(infno, message, request_id)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_S_MAX)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, body, headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()
        assert isinstance(answer, dict)
        return answer

    def final(self, infno: str, message: Mapping[str, Any], request_id: str, within_s: float = 60.0) -> dict[str, Any]:
        """Ask the same again and again until the outcome is known. Raises Gone when the gateway dies."""
        deadline = time.monotonic() + within_s
        while True:
            answer = self.call(infno, message, request_id)
            if str(answer["infcode"]) == "0" or not str(answer["code"]).startswith(
                ("GW-40", "GW-41", "GW-142", "GW-5")
            ):
                return answer
            assert time.monotonic() < deadline, f"no outcome of {infno} within {within_s:g} s: {answer}"
            time.sleep(LOOK_EVERY_S)

    def wait_until_ready(self) -> None:
        """Until ``/healthz`` answers. Raises Gone at once when the process ends."""
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Gone(f"the gateway ended with {self.process.returncode}")
            try:
                _get(self.port, "/healthz")
            except OSError:
                time.sleep(LOOK_EVERY_S)
            else:
                return
        raise AssertionError("the gateway did not become ready")

    def wait_until_dead(self) -> None:
        """After the boundary: the serving process is gone, and with it the one that started it."""
        self.process.wait(END_S_MAX)

    def end(self) -> None:
        """SIGTERM, and SIGKILL for what stays."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                os.kill(self.process.pid, 9)
                self.process.wait()


def asked(infno: str, message: Mapping[str, Any], request_id: str) -> tuple[str, bytes]:
    """Path and body of a transaction, or of an operation of the hospital."""
    if not infno.isdigit():
        return f"/api/v1/hospital/{infno}", json.dumps(message).encode()
    body = {"head": {"request_id": request_id} if request_id else {}, "input": message}
    return f"/api/v1/transactions/{infno}", json.dumps(body).encode()


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """A simulator in a process, and a configuration for gateways that use it."""
    platform_port, port = free_ports(2)
    config = write_config(
        folder,
        platform=f"http://127.0.0.1:{platform_port}",
        port=port,
        platform_more=f"settle_time_s = {SETTLE_TIME_S}",
    )
    text = config.read_text(encoding="utf-8")
    head, mark, rest = text.partition("[[clients]]")
    quick = "[resolve]\npause_s = 0.2\n\n"
    opened = mark + rest.replace('password = "口令-Passw0rd"', "open = true")
    config.write_text(head + quick + opened, encoding="utf-8")
    with talking(folder / "simulator.err", "simulate", "--port", platform_port, "--seed", 7):
        yield House(config, port, platform_port, folder)


def _get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        body = connection.getresponse().read()
    finally:
        connection.close()
    return json.loads(body) if body[:1] in (b"{", b"[") else body
