"""The probe against real sockets: plain and TLS, well and unwell."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from gateway.clock import now
from gateway.commands.line import Step, clock_step, probe_line
from gateway.settings import Platform
from tests.commands.helpers import write_config, yibao

NOON = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


@contextmanager
def platform(
    *, tls: ssl.SSLContext | None = None, clock: Callable[[], datetime] | None = None, version: str = "HTTP/1.1"
) -> Iterator[int]:
    """An HTTP server on a free port; ``clock`` None sends no Date."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = version

        def do_GET(self) -> None:
            self.send_response_only(405)
            if clock is not None:
                self.send_header("Date", format_datetime(clock(), usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden name
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def probed(url: str, ca_file: Path | None = None) -> dict[str, Step]:
    settings = Platform(url=url, ca_file=ca_file, connect_timeout_s=5, read_timeout_s=5)
    return {step.name: step for step in probe_line(settings, now)}


def certificates(folder: Path, *, days: int) -> tuple[ssl.SSLContext, Path]:
    """The server side, and the file of the authority that the client trusts."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=days, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return context, ca_file


def test_a_plain_line_that_is_well() -> None:
    with platform(clock=lambda: datetime.now(UTC)) as port:
        steps = probed(f"http://127.0.0.1:{port}")
    assert list(steps) == ["DNS", "TCP", "HTTP", "时钟"]
    assert all(step.ok for step in steps.values())
    assert steps["HTTP"].facts["status"] == 405


@pytest.mark.parametrize(("days", "ok"), [(90, True), (5, False)])
def test_the_certificate_s_end_is_told_in_time(tmp_path: Path, days: int, ok: bool) -> None:
    tls, ca_file = certificates(tmp_path, days=days)
    with platform(tls=tls, clock=lambda: datetime.now(UTC)) as port:
        steps = probed(f"https://127.0.0.1:{port}", ca_file)
    assert (steps["TLS"].ok, steps["TLS"].facts["days_left"]) == (ok, days)
    assert ("不足 30 天" not in steps["TLS"].text) == ok
    assert steps["HTTP"].ok


def test_a_certificate_nobody_vouches_for_ends_the_probe(tmp_path: Path) -> None:
    tls, _ = certificates(tmp_path, days=90)
    (tmp_path / "other").mkdir()
    _, other = certificates(tmp_path / "other", days=90)
    with platform(tls=tls) as port:
        steps = probed(f"https://127.0.0.1:{port}", other)
    assert list(steps) == ["DNS", "TCP", "TLS"]
    assert (steps["TLS"].ok, "不被信任" in steps["TLS"].text) == (False, True)


def test_tls_towards_a_plain_port() -> None:
    with platform() as port:
        step = probed(f"https://127.0.0.1:{port}")["TLS"]
    assert (step.ok, "握手失败" in step.text) == (False, True)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    steps = probed(f"http://127.0.0.1:{port}")
    assert list(steps) == ["DNS", "TCP"]
    assert (steps["TCP"].ok, f"127.0.0.1:{port} 连接被拒绝" in steps["TCP"].text) == (False, True)


def test_a_name_nobody_knows() -> None:
    steps = probed("http://no-such-host.invalid")
    assert [(step.name, step.ok) for step in steps.values()] == [("DNS", False)]


def test_a_listener_that_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        steps = probed(f"http://127.0.0.1:{port}")
        thread.join()
    assert (steps["HTTP"].ok, list(steps)[-1]) == (False, "HTTP")


def test_a_platform_without_date_is_no_failure() -> None:
    with platform() as port:
        assert probed(f"http://127.0.0.1:{port}")["时钟"].ok is None


@pytest.mark.parametrize(
    ("ahead_s", "ok", "said"),
    [(0, True, "不超过 1 秒"), (40, True, "快 40 秒"), (-40, True, "慢 40 秒"), (300, False, "快 300 秒，请校准")],
)
def test_the_clock_is_compared(ahead_s: int, ok: bool, said: str) -> None:
    theirs = (NOON - timedelta(seconds=ahead_s)).replace(microsecond=0)
    step = clock_step(format_datetime(theirs, usegmt=True), NOON, NOON)
    assert (step.ok, said in step.text, step.facts["ahead_s"]) == (ok, True, ahead_s)


def test_a_date_that_is_none() -> None:
    assert clock_step("gestern", NOON, NOON).ok is None


def test_the_command_tells_every_step_and_fails_with_the_line(tmp_path: Path) -> None:
    with platform(clock=lambda: datetime.now(UTC)) as port:
        config = write_config(tmp_path, platform=f"http://127.0.0.1:{port}")
        ran = yibao("probe", "--config", config, "--json")
        told = yibao("probe", "--config", config).out
    assert (ran.code, ran.err) == (0, "")
    found = {step["step"]: step["ok"] for step in json.loads(ran.out)}
    assert found == {"DNS": True, "TCP": True, "HTTP": True, "时钟": True, "签到": None}
    assert told.count("✓") == 4
    gone = yibao("probe", "--config", config)
    assert (gone.code, gone.err) == (1, "线路有问题：TCP\n")
