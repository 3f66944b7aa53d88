from __future__ import annotations

import hashlib
import http.client
import io
import os
import queue
import re
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from gateway.faults import Unreadable
from gateway.http import admin as admin_side
from gateway.http import cheroot_server
from gateway.http.body import read_body
from gateway.http.cheroot_server import HttpServer
from gateway.http.his_side import Apps, HisSide, of_the_platform
from gateway.http.listeners import serve
from gateway.http.reception import READ
from gateway.http.sockets import ListenError
from gateway.http.tls import tls_context
from gateway.settings import Limits, Listen, Listener, Settings, Tls, read_settings
from tests.servers import Served, free_ports, in_process, served

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LIMITS = Limits(body_bytes_max=100_000, body_read_s_max=20)


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The body, or the fault's code; ``/environ`` what came as X-Forwarded-For and the scheme."""
    try:
        body = read_body(environ, LIMITS)
    except Unreadable as fault:
        body = fault.fault.code.encode()
    if environ["PATH_INFO"] == "/environ":
        body = f"{environ.get('HTTP_X_FORWARDED_FOR')} {environ['wsgi.url_scheme']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def call(
    port: int, path: str = "/", body: bytes | None = None, tls: ssl.SSLContext | None = None, timeout: float = 30
) -> tuple[int, bytes]:
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        if tls is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    )
    try:
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def raw(port: int, sent: bytes, timeout: float = 20) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(sent)
        received = b""
        try:
            while part := sock.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---------------------------------------------------------------------- tls


class Certificates:
    """A listener's certificate files, and what a client needs to check them."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.certificate = directory / "server.pem"
        self.key = directory / "server.key"
        self.issue()

    def issue(self, *, certificate: bool = True, key: bool = True) -> None:
        issued = self._authority.issue_cert("127.0.0.1", "localhost")
        if certificate:
            self._replace(self.certificate, b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        if key:
            self._replace(self.key, issued.private_key_pem.bytes())

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)

    def tls(self, minimum: Any = "1.2") -> Tls:
        return Tls(certificate=self.certificate, key=self.key, minimum=minimum)

    def client(self, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        if only is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = only
                context.maximum_version = only
        return context

    def served_by(self, port: int) -> str:
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        with connection, self.client().wrap_socket(connection, server_hostname="127.0.0.1") as wrapped:
            return hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


V = ssl.TLSVersion


@pytest.mark.parametrize(
    ("minimum", "version", "accepted"),
    [
        ("1.3", V.TLSv1_3, True),
        ("1.3", V.TLSv1_2, False),
        ("1.2", V.TLSv1_3, True),
        ("1.2", V.TLSv1_2, True),
        ("1.2", V.TLSv1_1, False),
        ("1.1", V.TLSv1_1, True),
        ("1.1", V.TLSv1, False),
        ("1.0", V.TLSv1, True),
        ("1.0", V.TLSv1_3, True),
    ],
)
def test_the_floor_of_a_listener(certificates: Certificates, minimum: str, version: V, accepted: bool) -> None:
    with in_process(echo, tls=certificates.tls(minimum)) as port:
        if accepted:
            assert call(port, "/environ", tls=certificates.client(version)) == (200, b"None https")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                call(port, tls=certificates.client(version))
            assert call(port, tls=certificates.client())[0] == 200


def test_a_new_certificate_is_taken_up_and_a_broken_one_is_not(certificates: Certificates) -> None:
    with in_process(echo, tls=certificates.tls()) as port:
        first = certificates.served_by(port)
        certificates.issue()
        second = certificates.served_by(port)
        assert second != first
        certificates.issue(key=False)  # half a pair
        assert certificates.served_by(port) == second
        certificates.certificate.write_text("not a certificate")
        assert certificates.served_by(port) == second
        certificates.key.unlink()
        assert certificates.served_by(port) == second
        certificates.issue()
        assert certificates.served_by(port) not in (first, second)


def test_a_connection_outlives_the_change_of_the_certificate(certificates: Certificates) -> None:
    with in_process(echo, tls=certificates.tls()) as port:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=certificates.client())
        for body in (b"before", b"after"):
            connection.request("POST", "/", body)
            assert connection.getresponse().read() == body
            certificates.issue()
        connection.close()


def test_clients_that_never_finish_the_handshake_block_nobody(certificates: Certificates) -> None:
    with in_process(echo, tls=certificates.tls(), threads=2) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        assert call(port, "/", b"x", certificates.client(), timeout=5) == (200, b"x")
        for each in silent:
            each.close()


def test_plain_http_on_a_tls_listener_is_told_so(certificates: Certificates) -> None:
    with in_process(echo, tls=certificates.tls()) as port:
        answer = raw(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert "HTTPS" in answer.decode()
        # no record type of TLS: bytes that begin like one would be waited for
        assert raw(port, bytes(range(250, 256)) * 80).startswith(b"HTTP/") is False
        assert call(port, tls=certificates.client())[0] == 200


def test_large_bodies_and_kept_connections_over_tls(certificates: Certificates) -> None:
    with in_process(echo, tls=certificates.tls()) as port:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=certificates.client())
        for size in (0, 1, 16384, 100_000, 3):
            connection.request("POST", "/", b"x" * size)
            assert connection.getresponse().read() == b"x" * size
        connection.close()


@pytest.mark.parametrize("broken", ["missing", "garbage", "mismatch"])
def test_a_certificate_that_cannot_be_used_is_named_at_the_start(certificates: Certificates, broken: str) -> None:
    if broken == "missing":
        certificates.key.unlink()
    elif broken == "garbage":
        certificates.certificate.write_text("x")
    else:
        certificates.issue(key=False)
    with pytest.raises(ListenError, match=re.escape(str(certificates.certificate))):
        tls_context(certificates.tls())


def test_an_encrypted_key_is_refused_without_asking_for_a_passphrase(certificates: Certificates) -> None:
    certificates.key.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n", encoding="ascii"
    )
    with pytest.raises(ListenError):
        tls_context(certificates.tls())


# ------------------------------------------------------------- hostile http


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 30_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_broken_http_is_answered_and_the_next_caller_never_notices(sent: bytes) -> None:
    with in_process(echo, threads=1) as port:
        answer = raw(port, sent)
        assert answer == b"" or re.match(rb"HTTP/1\.1 (4\d\d|505)", answer)
        assert call(port, "/", b"next") == (200, b"next")


@pytest.mark.parametrize(
    "length", [b"abc", b"-1", b"1 2", b"", b"\xb2", b"1\r\nYibao-Wrong-Length: x\r\nContent-Length: z"]
)
def test_a_length_that_is_no_number_is_named(length: bytes) -> None:
    with in_process(echo, threads=1) as port:
        answer = raw(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + b"\r\n\r\nhello")
        if length:
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"GW-1015")
        assert b"connection: close" in answer.lower()
        assert call(port, "/", b"next") == (200, b"next")


def test_half_a_header_costs_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cheroot_server, "HEADER_READ_S_MAX", 0.5)
    with in_process(echo, threads=1) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as loris:
        loris.sendall(b"GET / HTTP/1.1\r\nX: ")
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    loris.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        # one thread in all: it is free again only because the header had a deadline, not each of its bytes
        assert call(port, "/", b"next", timeout=10) == (200, b"next")
        stop.set()
        thread.join(10)


def test_a_body_that_stalls_is_refused_in_time() -> None:
    with in_process(echo, limits=Limits(body_read_s_max=0.3), threads=1) as port:
        answer = raw(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc")
        assert b"GW-1015" in answer


def test_a_body_cut_short_is_refused() -> None:
    with in_process(echo) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        sock.shutdown(socket.SHUT_WR)
        assert sock.makefile("rb").read().endswith(b"GW-1015")


def test_a_body_too_large_is_drained_and_answered() -> None:
    with in_process(echo) as port:
        assert call(port, "/", b"x" * 5_000_000) == (200, b"GW-1006")


def test_an_absurd_body_is_answered_and_the_connection_closed() -> None:
    with in_process(echo) as port:
        answer = raw(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\nabc")
        assert b"GW-1006" in answer
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("chunks", [b"3\r\nabc\r\n0\r\n\r\n", b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef", b"-3\r\nabc"])
def test_chunks(chunks: bytes) -> None:
    with in_process(echo, threads=1) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.sendall(
                b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks
            )
            sock.shutdown(socket.SHUT_WR)
            answer = sock.makefile("rb").read()
        assert answer.endswith((b"\r\n\r\nabc", b"GW-1015", b"\r\n\r\n"))
        assert call(port, "/", b"next") == (200, b"next")


def test_a_header_with_an_underscore_cannot_pose_as_one_of_a_proxy() -> None:
    with in_process(echo) as port:
        answer = raw(port, b"GET /environ HTTP/1.1\r\nX_Forwarded_For: evil\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"None http")


def test_a_running_call_ends_before_the_listener_does() -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        entered.set()
        assert release.wait(20)
        return echo(environ, start_response)

    server = HttpServer(Listener.model_construct(address="127.0.0.1:0", tls=None), slow, LIMITS, threads=2, backlog=128)
    server.start()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, server.port, "/", b"last")
        assert entered.wait(20)
        server.begin_stop()
        assert not server.join(0.05)
        release.set()
        assert answer.result(20) == (200, b"last")
        assert server.join(20)


# --------------------------------------------------------------- addresses


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "gateway.toml"
    path.write_text('production = false\n[[clients]]\nname = "a"\nopen = true\n' + text, encoding="utf-8")
    return read_settings(path)


def nothing() -> Apps:
    raise AssertionError("nothing is built when a listener cannot be opened")


@pytest.mark.parametrize("which", ["exchange", "admin"])
def test_a_taken_address_is_named_before_anything_starts(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = f"127.0.0.1:{free_ports(1)[0]}"
        addresses = {"exchange": free, "admin": free} | {which: address}
        text = "".join(f'[listen.{name}]\naddress = "{at}"\n' for name, at in addresses.items())
        with pytest.raises(ListenError, match=address):
            serve(settings(tmp_path, text), nothing)


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=re.escape("192.0.2.1:8080")):
        serve(settings(tmp_path, '[listen.exchange]\naddress = "192.0.2.1:8080"\n'), nothing)


# ------------------------------------------------------------------- places


def recording(name: bytes) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [name]

    return app


def environ_of(path: str) -> dict[str, Any]:
    return {"PATH_INFO": path, "wsgi.input": io.BytesIO()}


def ask(app: WSGIApplication, path: str) -> bytes:
    return b"".join(app(environ_of(path), lambda *_: lambda _: None))


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/-/reload", "/-/store/keys", "/callback/6302"])
def test_the_platform_is_never_shown_the_administration(path: str) -> None:
    apps = Apps(recording(b"router"), recording(b"admin"), lambda: None)
    platform_side = of_the_platform(HisSide(apps, Listen(), LIMITS))
    assert ask(platform_side, path) == b"router", "which knows callbacks alone there"


def test_administration_paths_stand_apart_when_they_have_a_listener() -> None:
    apps = Apps(recording(b"exchange"), recording(b"admin"), lambda: None)
    together = HisSide(apps, Listen(), LIMITS)
    apart = HisSide(apps, Listen(admin=Listener(address="127.0.0.1:9000")), LIMITS)
    desks = [place for place in vars(admin_side).values() if isinstance(place, str) and place.startswith("/-/")]
    assert len(desks) > 8
    for path in ("/healthz", "/readyz", "/metrics", *desks):
        assert (ask(together, path), ask(apart, path)) == (b"admin", b"exchange")
    assert (ask(together, "/soap/exchange"), ask(apart, "/soap/exchange")) == (b"exchange", b"exchange")


def test_no_more_calls_run_than_there_are_places_and_health_waits_for_none() -> None:
    inside: queue.SimpleQueue[None] = queue.SimpleQueue()
    release = threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        inside.put(None)
        assert release.wait(20)
        return [b"done"]

    app = HisSide(Apps(slow, recording(b"alive"), lambda: None), Listen(threads=3), LIMITS)
    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(ask, app, "/x") for _ in range(10)]
        for _ in range(3):
            inside.get(timeout=20)
        until(lambda: app.running == 10)
        assert inside.empty()
        assert ask(app, "/healthz") == b"alive"
        release.set()
        assert [answer.result(20) for answer in answers] == [b"done"] * 10
    assert app.running == 0


def test_what_has_been_read_makes_room_for_the_next_to_be_read() -> None:
    """A slow platform keeps calls in hand, not the reading of others."""
    inside: queue.SimpleQueue[None] = queue.SimpleQueue()
    release = threading.Event()

    def read_then_wait(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        READ.get()()
        inside.put(None)
        assert release.wait(20)
        return [b"done"]

    app = HisSide(Apps(read_then_wait, recording(b"alive"), lambda: None), Listen(threads=1), LIMITS)
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(ask, app, "/x") for _ in range(5)]
        for _ in range(5):
            inside.get(timeout=20)
        release.set()
        assert [answer.result(20) for answer in answers] == [b"done"] * 5
    app = HisSide(Apps(recording(b"again"), recording(b""), lambda: None), Listen(threads=1), LIMITS)
    assert [ask(app, "/x") for _ in range(3)] == [b"again"] * 3


# ------------------------------------------------------------ real processes

PROGRAM = """
import time
from pathlib import Path
from gateway.http import listeners
from gateway.faults import GatewayFault
from gateway.http.body import read_body
from gateway.http.his_side import Apps
from gateway.settings import Limits

listeners.DRAIN_MARGIN_S = MARGIN_S

def exchange(environ, start_response):
    try:
        body = read_body(environ, Limits(body_bytes_max=100_000))
    except GatewayFault as fault:
        body = fault.fault.code.encode()
    if environ["PATH_INFO"] == "/slow":
        with Path("entered").open("a") as entered:
            entered.write("x")
        while not Path("release").exists():
            time.sleep(0.01)
    start_response("200 OK", [])
    return [environ["wsgi.url_scheme"].encode() + b" " + body]

def admin(environ, start_response):
    start_response("200 OK", [])
    return [b"admin"]

def close():
    with Path("closed").open("a") as closed:
        closed.write("x")

def make():
    Path("worker").write_text(str(__import__("os").getpid()))
    return Apps(exchange, admin, close)
"""
PATIENT, IMPATIENT = (PROGRAM.replace("MARGIN_S = MARGIN_S", f"MARGIN_S = {seconds}") for seconds in (60, 3))
"""Running calls are given time even on a machine that does much else; or given up soon."""

HEAD = """
production = false
[platform]
connect_timeout_s = 1
read_timeout_s = 1
[[clients]]
name = "a"
open = true
[limits]
body_bytes_max = 100000
[listen]
threads = 32
"""


class Gateway:
    """The served program and its traces in files."""

    def __init__(self, directory: Path, served: Served, port: int, more: int) -> None:
        self.directory, self.served, self.port, self.more = directory, served, port, more

    def trace(self, name: str) -> str:
        path = self.directory / name
        return path.read_text() if path.exists() else ""

    def release(self) -> None:
        (self.directory / "release").touch()

    @property
    def worker(self) -> int:
        return int(self.trace("worker"))

    def worker_lives(self) -> bool:
        try:
            return Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


@pytest.fixture
def gateway(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    port, more = free_ports(2)
    listen = f'exchange = {{ address = "127.0.0.1:{port}" }}\nadmin = {{ address = "127.0.0.1:{more}" }}\n'
    with served(tmp_path, HEAD + listen, getattr(request, "param", PATIENT), [port, more]) as running:
        yield Gateway(tmp_path, running, port, more)


def test_two_hundred_slow_calls_are_held_and_answered_beside_bad_company(gateway: Gateway) -> None:
    loris = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(40)]
    for number, each in enumerate(loris):
        each.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\n" + (b"Content-Length: 9\r\n\r\nabc" if number % 2 else b"X: "))
    for sent in (b"\x16\x03garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"):
        assert re.match(rb"HTTP/1\.1 4\d\d", raw(gateway.port, sent))
    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(call, gateway.port, "/slow", b"%d" % number) for number in range(200)]
        until(lambda: len(gateway.trace("entered")) == 32)
        assert call(gateway.more, "/healthz", timeout=10) == (200, b"admin")
        gateway.release()
        assert [answer.result(60) for answer in answers] == [(200, b"http %d" % number) for number in range(200)]
    for each in loris:
        each.close()


def test_bodies_through_granian(gateway: Gateway) -> None:
    assert call(gateway.port, "/x", b"y" * 100_000) == (200, b"http " + b"y" * 100_000)
    assert call(gateway.port, "/x", b"y" * 5_000_000) == (200, b"http GW-1006")
    assert call(gateway.port, "/x") == (200, b"http ")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        sock.shutdown(socket.SHUT_WR)
        assert sock.makefile("rb").read().endswith(b"http GW-1015")


def test_a_vanished_peer_will_be_noticed(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)):
        ours = f"0100007F:{gateway.port:04X}"

        def has_keepalive_timer() -> bool:
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
            return any(row[1] == ours and row[3] == "01" and row[5].startswith("02:") for row in rows)

        until(has_keepalive_timer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(gateway: Gateway, number: signal.Signals) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, gateway.port, "/slow", b"last")
        until(lambda: gateway.trace("entered") == "x")
        gateway.served.stop(number)
        until(lambda: refuses(gateway.port) and refuses(gateway.more))
        assert gateway.trace("closed") == ""
        gateway.release()
        assert answer.result(20) == (200, b"http last")
    assert gateway.served.ended() == 0
    assert gateway.trace("closed") == "x"


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("gateway", [IMPATIENT], indirect=True, ids=["impatient"])
def test_a_call_that_never_ends_is_given_up_and_the_applications_are_closed(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, gateway.port, "/slow", b"lost")
        until(lambda: gateway.trace("entered") == "x")
        gateway.served.stop()
        gateway.served.ended(20)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            answer.result(20)
    assert gateway.trace("closed") == "x"
    assert not gateway.worker_lives()


def test_a_silent_sender_does_not_hold_up_the_end(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as silent:
        silent.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        assert call(gateway.port, "/x", b"a") == (200, b"http a")
        gateway.served.stop()
        assert gateway.served.ended(20) == 0
    assert gateway.trace("closed") == "x"


def test_no_orphan_goes_on_when_the_parent_is_killed(gateway: Gateway) -> None:
    assert gateway.worker != gateway.served.process.pid
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, gateway.port, "/slow", b"last")
        until(lambda: gateway.trace("entered") == "x")
        gateway.served.process.kill()
        until(lambda: refuses(gateway.port) and refuses(gateway.more))
        gateway.release()
        assert answer.result(20) == (200, b"http last")
    until(lambda: not gateway.worker_lives())
    assert gateway.trace("closed") == "x"


def test_when_the_worker_is_killed_the_parent_reports_it(gateway: Gateway) -> None:
    os.kill(gateway.worker, signal.SIGKILL)
    assert gateway.served.ended() == 1


def test_a_second_gateway_on_the_same_address_says_so(gateway: Gateway, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    config = (tmp_path / "gateway.toml").read_text(encoding="utf-8").partition("admin = ")[0]
    with served(second, config, PATIENT, []) as running:
        assert running.ended() == 1
    assert f"无法监听 127.0.0.1:{gateway.port}" in running.output
    assert "Traceback" not in running.output


def test_with_tls_every_listener_is_in_one_process_and_drains(tmp_path: Path, certificates: Certificates) -> None:
    port, more = free_ports(2)
    tls = f'certificate = "{certificates.certificate}", key = "{certificates.key}"'
    listen = (
        f'exchange = {{ address = "127.0.0.1:{port}", tls = {{ {tls} }} }}\n'
        f'more = [ {{ address = "127.0.0.1:{more}", tls = {{ {tls}, minimum = "1.0" }} }} ]\n'
    )
    with served(tmp_path, HEAD + listen, PATIENT, [port, more]) as running:
        gateway = Gateway(tmp_path, running, port, more)
        assert gateway.worker == running.process.pid
        assert call(port, "/x", b"a", certificates.client()) == (200, b"https a")
        assert call(port, "/metrics", None, certificates.client()) == (200, b"admin")
        assert call(more, "/x", b"b", certificates.client(V.TLSv1)) == (200, b"https b")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call, more, "/slow", b"last", certificates.client())
            until(lambda: gateway.trace("entered") == "x")
            running.stop()
            until(lambda: refuses(port) and refuses(more))
            gateway.release()
            assert answer.result(20) == (200, b"https last")
        assert running.ended() == 0
        assert gateway.trace("closed") == "x"
