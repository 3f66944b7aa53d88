"""Every way to a province keeps the same promises; the ones over HTTP keep them against servers that misbehave.

The servers are raw sockets: what a real line does (hang, reset, cut, drip) cannot be said through an HTTP library.
"""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing import Signer
from adapters.settlement.signing.api_headers import ApiHeaderSigner
from adapters.settlement.signing.api_key import ApiKeySigner
from adapters.settlement.signing.plain import PlainSigner
from adapters.settlement.signing.tif import TifSigner
from adapters.settlement.soap import SoapPlatform
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import (
    NoAnswer,
    NotMine,
    NotSent,
    PlatformAnswer,
    PlatformError,
    PlatformRequest,
    Rejected,
    SettlementPlatform,
)
from tests.adapters.settlement import soap_service as soap

MSGID = "H44000000001202109240828221034"
BODY = '{"infno":"2304","input":{"psn_name":"张三","amt":0.10,"big":12345678901234567890}}'.encode()
ANSWER = '{"infcode":0,"inf_refmsgid":"440100202109240828220000000001","output":{"setl_id":"S1","名":"王五"}}'.encode()
LONG_S = 20.0
"""For what must not take long; a test that needs it has failed."""
SHORT_S = 0.3


def request(body: bytes = BODY, infno: str = "2304", read_timeout_s: float | None = None) -> PlatformRequest:
    return PlatformRequest(infno, MSGID, body, read_timeout_s)


class Line:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._buffer = b""

    def read_request(self) -> tuple[bytes, bytes] | None:
        """Head and body of the next request; None when the client closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        while len(self._buffer) < length:
            if not self._more():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return head, body

    def read_all(self) -> None:
        """Read until the client goes away: holds the line open without an answer."""
        while self._more():
            pass

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> bool:
        chunk = self.sock.recv(65536)
        self._buffer += chunk
        return bool(chunk)


Handler = Callable[["Server", Line], None]


class Server:
    """Listens on loopback; every connection runs ``handler`` in a thread of its own."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[tuple[bytes, bytes]] = []
        self.signal = threading.Event()
        self._lines: list[Line] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fsi/api/rsfComIfsService/callService"

    def take(self, line: Line) -> bool:
        """Read one request and remember it."""
        got = line.read_request()
        if got is not None:
            self.requests.append(got)
        return got is not None

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            with suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LONG_S)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            line = Line(sock, self.connections)
            self._lines.append(line)
            thread = threading.Thread(target=self._run, args=(line,))
            self._threads.append(thread)
            thread.start()

    def _run(self, line: Line) -> None:
        with line.sock, suppress(OSError):
            self._handler(self, line)


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers])
    return head.encode() + b"\r\n\r\n" + body


def always(*data: bytes, close: bool = False) -> Handler:
    """Answer each request with the same bytes."""

    def handler(server: Server, line: Line) -> None:
        while server.take(line):
            for piece in data:
                line.write(piece)
            if close:
                return

    return handler


def hang(server: Server, line: Line) -> None:
    server.take(line)
    line.read_all()


def read_close(server: Server, line: Line) -> None:
    server.take(line)


def read_reset(server: Server, line: Line) -> None:
    server.take(line)
    line.reset()


def reset_at_once(server: Server, line: Line) -> None:
    line.reset()


def endless(server: Server, line: Line) -> None:
    server.take(line)
    line.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10_000):
        line.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def drip(prefix: bytes) -> Handler:
    """After ``prefix`` a byte every now and then: each read of the client gets something in time."""

    def handler(server: Server, line: Line) -> None:
        server.take(line)
        line.write(prefix)
        while not server.signal.wait(0.05):
            line.write(b"a")

    return handler


SIGNERS: dict[str, Callable[[], Signer]] = {
    "plain": PlainSigner,
    "tif": lambda: TifSigner("ACCOUNT", "SECRET-FOR-TEST"),
    "api-headers": lambda: ApiHeaderSigner("AK-TEST", "SK-TEST"),
    "api-key": lambda: ApiKeySigner("KEY-FOR-TEST"),
}


@pytest.fixture(params=["plain", "tif"])  # what a line does to a request does not depend on its headers
def signer(request: pytest.FixtureRequest) -> Signer:
    return SIGNERS[request.param]()


@pytest.fixture
def servers() -> Iterator[Callable[[Handler], Server]]:
    running: list[Server] = []

    def start(handler: Handler) -> Server:
        running.append(Server(handler))
        return running[-1]

    yield start
    for server in running:
        server.signal.set()
        server.stop()


@pytest.fixture
def platforms(signer: Signer) -> Iterator[Callable[..., HttpJsonPlatform]]:
    made: list[HttpJsonPlatform] = []

    def make(url: str, **options: Any) -> HttpJsonPlatform:
        options.setdefault("read_timeout_s", LONG_S)
        made.append(HttpJsonPlatform(url, signer, **options))
        return made[-1]

    yield make
    for platform in made:
        platform.close()


Servers = Callable[[Handler], Server]
Platforms = Callable[..., HttpJsonPlatform]


# ------------------------------------------------------------ what every implementation promises


class Rig:
    """One implementation, told how to behave."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._stops: list[Callable[[], None]] = []
        self._received: Callable[[], list[bytes]] = list

    def __repr__(self) -> str:
        return self._kind

    def answering(self, body: bytes) -> SettlementPlatform:
        if self._kind == "fake":
            return self._fake(body)
        return self._http(always(http(soap.answer(body) if self._kind == "soap" else body)))

    def silent(self) -> SettlementPlatform:
        return self._fake(NoAnswer("平台没有答复")) if self._kind == "fake" else self._http(read_close)

    def refusing(self) -> SettlementPlatform:
        body = '{"code":401,"message":"签名不一致"}'.encode()
        return self._fake(Rejected("签名不一致")) if self._kind == "fake" else self._http(always(http(body, "401 No")))

    def down(self) -> SettlementPlatform:
        if self._kind == "fake":
            fake = FakePlatform()
            fake.down = True
            return fake
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        return self._adapter(f"http://127.0.0.1:{port}/")

    def received(self) -> list[bytes]:
        return [soap.payload(body) if self._kind == "soap" else body for body in self._received()]

    def stop(self) -> None:
        for stop in self._stops:
            stop()

    def _fake(self, step: bytes | PlatformError) -> FakePlatform:
        fake = FakePlatform()
        fake.script("2304", step)
        self._received = lambda: [r.body for r in fake.requests]
        return fake

    def _http(self, handler: Handler) -> SettlementPlatform:
        server = Server(handler)
        platform = self._adapter(server.url)
        self._stops.append(server.stop)
        self._received = lambda: [body for _, body in server.requests]
        return platform

    def _adapter(self, url: str) -> SettlementPlatform:
        platform: SettlementPlatform
        if self._kind == "soap":
            platform = SoapPlatform(url, soap.CALL, read_timeout_s=LONG_S)
        else:
            platform = HttpJsonPlatform(url, SIGNERS[self._kind](), read_timeout_s=LONG_S)
        self._stops.append(platform.close)
        return platform


BARE = ["fake", *SIGNERS]
"""Those that send and hand on bytes that need not be JSON."""


@pytest.fixture(params=[*BARE, "soap"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(request.param)
    yield rig
    rig.stop()


def bare(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.parametrize("rig", BARE, indirect=True)(test)


def test_the_answer_comes_back_byte_for_byte(rig: Rig) -> None:
    answer = rig.answering(ANSWER).send(request())
    assert isinstance(answer, PlatformAnswer)
    assert (answer.status, answer.body) == (200, ANSWER)
    assert 0 <= answer.elapsed_s < LONG_S


@bare
def test_the_request_arrives_byte_for_byte(rig: Rig) -> None:
    body = BODY + b" \r\n\t" + bytes(range(256))
    rig.answering(ANSWER).send(request(body))
    assert rig.received() == [body]


@bare
def test_bytes_of_another_charset_pass_unchanged(rig: Rig) -> None:
    gbk = '{"infcode":"-1","err_msg":"人员不存在"}'.encode("gbk")
    assert rig.answering(gbk).send(request()).body == gbk


def test_nothing_listening_is_not_sent(rig: Rig) -> None:
    platform = rig.down()
    with pytest.raises(NotSent) as caught:
        platform.send(request())
    assert not isinstance(caught.value, Rejected)
    assert str(caught.value)
    assert not platform.reachable(1)


def test_no_answer_after_the_request_arrived(rig: Rig) -> None:
    platform = rig.silent()
    with pytest.raises(NoAnswer, match="没有答复"):
        platform.send(request())
    assert rig.received() == [BODY]


def test_a_refused_signature_is_rejected_with_the_words_of_the_gateway(rig: Rig) -> None:
    with pytest.raises(Rejected, match="签名不一致"):
        rig.refusing().send(request())


def test_what_is_no_longer_ours_is_not_sent(rig: Rig) -> None:
    asked: list[bool] = []

    def still_mine() -> bool:
        asked.append(True)
        return len(asked) > 1

    platform, ours = rig.answering(ANSWER), replace(request(), still_mine=still_mine)
    with pytest.raises(NotMine):
        platform.send(ours)
    assert rig.received() == []
    platform.send(ours)
    assert len(rig.received()) == 1
    assert len(asked) == 2


def test_reachable_sends_nothing(rig: Rig) -> None:
    platform = rig.answering(ANSWER)
    assert platform.reachable(LONG_S)
    assert rig.received() == []


def test_after_close_nothing_is_sent(rig: Rig) -> None:
    platform = rig.answering(ANSWER)
    platform.send(request())
    platform.close()
    with pytest.raises(NotSent, match="关闭"):
        platform.send(request())
    assert len(rig.received()) == 1
    assert not platform.reachable(1)


def test_calls_at_the_same_time_do_not_mix(rig: Rig) -> None:
    platform = rig.answering(ANSWER)
    bodies = [json.dumps({"n": n, "filled": "x" * 400}).encode() for n in range(24)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: platform.send(request(body)).body, bodies))
    assert answers == [ANSWER] * len(bodies)
    assert sorted(rig.received()) == sorted(bodies)


# ------------------------------------------------------------ lines that fail

NO_ANSWER: dict[str, tuple[Handler, str]] = {
    "read-then-close": (read_close, "没有答复"),
    "read-then-reset": (read_reset, "中断|没有答复"),
    "half-a-head": (always(b"HTTP/1.1 200 OK\r\nContent-Le", close=True), "不完整|中断|HTTP|空"),
    "no-http": (always(b"220 mail ready\r\n\r\n", close=True), "不是有效的 HTTP"),
    "cut-body": (always(http(ANSWER[:30], length=len(ANSWER)), close=True), "不完整"),
    "cut-chunk": (
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + ANSWER[:20], close=True),
        "不完整",
    ),
    "cut-between-chunks": (
        always(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"inf\r\n', close=True),
        "不完整",
    ),
    "bad-chunk-size": (
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", close=True),
        "不完整|HTTP",
    ),
    "two-lengths": (always(http(ANSWER, "200 OK", f"Content-Length: {len(ANSWER) + 1}"), close=True), "HTTP"),
    "declared-100-MB": (always(http(b"", length=100 * 1024 * 1024)), "过大"),
    "endless-chunks": (endless, "过大"),
    "long-header-line": (always(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, close=True), "HTTP"),
    "many-headers": (always(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 500 + b"\r\n", close=True), "HTTP"),
    "http-500": (always(http(ANSWER, "500 Oops")), "HTTP 500"),
    "http-502-html": (always(http(b"<html>", "502 Bad Gateway")), "HTTP 502"),
    "http-302": (always(http(b"", "302 Found", "Location: http://127.0.0.1:1/")), "HTTP 302"),
    "http-404": (always(http(b'{"code":404}', "404 Not Found")), "HTTP 404"),
    "http-204": (always(b"HTTP/1.1 204 No Content\r\n\r\n"), "HTTP 204"),
    "http-201": (always(http(ANSWER, "201 Created")), "HTTP 201"),
    "only-100-continue": (always(b"HTTP/1.1 100 Continue\r\n\r\n", close=True), "没有答复"),
    "empty-200": (always(http(b"")), "空"),
    "closed-before-any-body": (always(b"HTTP/1.0 200 OK\r\n\r\n", close=True), "空"),
    "401-without-json": (always(http(b"<html>401</html>", "401 No")), "HTTP 401"),
    "403-without-code": (always(http(b'{"message":"no"}', "403 No")), "HTTP 403"),
    "401-cut": (always(http(b'{"code":401', "401 No", length=99), close=True), "不完整"),
    "401-from-the-platform-itself": (always(http(b'{"infcode":-1,"code":401}', "401 No")), "HTTP 401"),
    "bad-gzip": (always(http(b"not gzip at all", "200 OK", "Content-Encoding: gzip")), "解压"),
    "packed-unknown": (always(http(ANSWER, "200 OK", "Content-Encoding: br")), "压缩方式"),
}


@pytest.mark.parametrize("case", list(NO_ANSWER))
def test_whatever_is_not_a_whole_answer_is_no_answer(case: str, servers: Servers, platforms: Platforms) -> None:
    handler, words = NO_ANSWER[case]
    server = servers(handler)
    platform = platforms(server.url, answer_bytes_max=1024 * 1024)
    with pytest.raises(NoAnswer, match=words):
        platform.send(request())
    assert len(server.requests) == 1, "sent once, whatever happened"


def test_a_reset_before_the_request_was_read_is_still_in_doubt(servers: Servers, platforms: Platforms) -> None:
    """The bytes had left; that nobody read them cannot be seen from here."""
    with pytest.raises(PlatformError):
        platforms(servers(reset_at_once).url).send(request(b"x" * 4_000_000))


def test_a_silent_platform_is_left_after_the_read_timeout(servers: Servers, platforms: Platforms) -> None:
    server = servers(hang)
    started = time.monotonic()
    with pytest.raises(NoAnswer, match=r"0\.3 秒"):
        platforms(server.url, read_timeout_s=SHORT_S).send(request())
    assert SHORT_S <= time.monotonic() - started < LONG_S


def test_the_request_may_bring_its_own_read_timeout(servers: Servers, platforms: Platforms) -> None:
    with pytest.raises(NoAnswer, match=r"0\.3 秒"):
        platforms(servers(hang).url, read_timeout_s=LONG_S * 10).send(request(read_timeout_s=SHORT_S))


@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n",
    ],
    ids=["status", "status-2", "header", "body", "unbounded-body", "chunk"],
)
def test_a_dripping_answer_ends_at_the_deadline(prefix: bytes, servers: Servers, platforms: Platforms) -> None:
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="秒内没有给出完整答复"):
        platforms(servers(drip(prefix)).url, read_timeout_s=SHORT_S).send(request())
    assert time.monotonic() - started < LONG_S / 2


def test_a_platform_that_does_not_read_ends_at_the_deadline(servers: Servers, platforms: Platforms) -> None:
    server = servers(lambda server, line: server.signal.wait(LONG_S) and None)
    with pytest.raises(NoAnswer, match="秒内"):
        platforms(server.url, read_timeout_s=SHORT_S).send(request(b"x" * 20_000_000))


def test_a_platform_that_reads_slowly_ends_at_the_deadline(servers: Servers, platforms: Platforms) -> None:
    def sip(server: Server, line: Line) -> None:
        while not server.signal.wait(0.05) and line.sock.recv(256 * 1024):
            pass

    started = time.monotonic()
    with pytest.raises(NoAnswer, match="秒内"):
        platforms(servers(sip).url, read_timeout_s=SHORT_S).send(request(bytes(60_000_000)))
    assert time.monotonic() - started < LONG_S / 4


def test_a_success_before_the_request_was_read_is_not_believed(servers: Servers, platforms: Platforms) -> None:
    def answer_early(server: Server, line: Line) -> None:
        line.sock.recv(10)
        line.write(http(ANSWER))

    with pytest.raises(NoAnswer, match="中断"):
        platforms(servers(answer_early).url).send(request(bytes(20_000_000)))


def test_a_refusal_before_the_body_was_read_is_still_a_refusal(servers: Servers, platforms: Platforms) -> None:
    def refuse_early(server: Server, line: Line) -> None:
        line.sock.recv(10)
        line.write(http(b'{"code":"403","message":"denied"}', "403 No"))
        line.sock.shutdown(socket.SHUT_WR)
        line.read_all()

    with pytest.raises(Rejected, match="denied"):
        platforms(servers(refuse_early).url).send(request(b"x" * 3_000_000))


@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "200 OK"])
def test_refusals_of_the_front_gateway(status: str, charset: str, servers: Servers, platforms: Platforms) -> None:
    body = '{"code":401,"message":"签名时间戳超时"}'.encode(charset)
    with pytest.raises(Rejected, match="签名时间戳超时"):
        platforms(servers(always(http(body, status))).url).send(request())


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":401,"data":{"setl_id":"1"}}',
        b'{"code":0,"data":null}',
        b'{"infcode":0,"code":401}',
        b'{"code":401',
        b"[401]",
        b"[" * 60_000,
    ],
)
def test_a_200_that_only_looks_like_a_refusal_is_left_to_the_reader(
    body: bytes, servers: Servers, platforms: Platforms
) -> None:
    assert platforms(servers(always(http(body))).url).send(request()).body == body


def test_names_that_do_not_resolve_are_not_sent(platforms: Platforms) -> None:
    with pytest.raises(NotSent, match="无法解析"):
        platforms("http://platform.invalid/").send(request())
    with pytest.raises(NotSent):
        platforms(f"http://{'a' * 70}.example/").send(request())


def test_a_connect_that_is_never_taken_is_not_sent(platforms: Platforms) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(NotSent, match=r"0\.3 秒未建立"):
            platforms(f"http://127.0.0.1:{port}/", connect_timeout_s=SHORT_S).send(request())
        for filler in fillers:
            filler.close()


def test_a_plain_server_on_a_tls_address_is_not_sent(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(ANSWER)))

    def closes(server: Server, line: Line) -> None:
        line.sock.recv(100)

    for handler in (closes, always(b"HTTP/1.1 400 no\r\n\r\n", close=True)):
        server = servers(handler)
        with pytest.raises(NotSent):
            platforms(f"https://127.0.0.1:{server.port}/", connect_timeout_s=SHORT_S).send(request())


def test_a_tls_handshake_that_hangs_is_not_sent(servers: Servers, platforms: Platforms) -> None:
    server = servers(lambda server, line: line.read_all())
    with pytest.raises(NotSent):
        platforms(f"https://127.0.0.1:{server.port}/", connect_timeout_s=SHORT_S).send(request())


# ------------------------------------------------------------ answers that are fine


@pytest.mark.parametrize("packed", ["gzip", "deflate", "raw-deflate"])
def test_packed_answers_are_unpacked(packed: str, servers: Servers, platforms: Platforms) -> None:
    raw = zlib.compressobj(wbits=-15)
    data = {
        "gzip": gzip.compress(ANSWER),
        "deflate": zlib.compress(ANSWER),
        "raw-deflate": raw.compress(ANSWER) + raw.flush(),
    }
    answer = http(data[packed], "200 OK", f"Content-Encoding: {packed.removeprefix('raw-')}")
    got = platforms(servers(always(answer)).url).send(request())
    assert got.body == ANSWER
    assert "content-encoding" not in got.headers


def test_a_gzip_bomb_stops_at_the_limit(servers: Servers, platforms: Platforms) -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 1)
    answer = http(bomb, "200 OK", "Content-Encoding: gzip")
    with pytest.raises(NoAnswer, match="过大"):
        platforms(servers(always(answer)).url, answer_bytes_max=4 * 1024 * 1024).send(request())


def test_an_answer_of_exactly_the_limit_is_taken(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(b"x" * 1000)))
    assert len(platforms(server.url, answer_bytes_max=1000).send(request()).body) == 1000
    with pytest.raises(NoAnswer, match="过大"):
        platforms(server.url, answer_bytes_max=999).send(request())


def test_headers_come_in_lower_case(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(ANSWER, "200 OK", "Content-TYPE: application/octet-stream")))
    assert platforms(server.url).send(request()).headers["content-type"] == "application/octet-stream"


def test_100_continue_before_the_answer_is_skipped(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(b"HTTP/1.1 100 Continue\r\n\r\n", http(ANSWER)))
    assert platforms(server.url).send(request()).body == ANSWER


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(min_size=1, max_size=5000).filter(lambda b: b"code" not in b), cuts=st.lists(st.integers(1, 4999))
)
def test_chunks_of_any_size_join_to_the_body(body: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    server = Server(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    platform = HttpJsonPlatform(server.url, PlainSigner(), read_timeout_s=LONG_S)
    try:
        assert platform.send(request()).body == body
        assert platform.send(request()).body == body
        assert server.connections == 1
    finally:
        platform.close()
        server.stop()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, len(http(ANSWER)) - 1))
def test_an_answer_cut_anywhere_is_never_an_answer(cut: int) -> None:
    server = Server(always(http(ANSWER)[:cut], close=True))
    platform = HttpJsonPlatform(server.url, PlainSigner(), read_timeout_s=LONG_S)
    try:
        with pytest.raises(NoAnswer):
            platform.send(request())
        assert len(server.requests) == 1
    finally:
        platform.close()
        server.stop()


# ------------------------------------------------------------ connections


def test_one_connection_carries_many_requests(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(ANSWER)))
    platform = platforms(server.url)
    for n in range(20):
        platform.send(request(b"%d" % n))
    assert server.connections == 1
    assert [body for _, body in server.requests] == [b"%d" % n for n in range(20)]


def test_without_idle_time_each_request_has_its_own(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(ANSWER)))
    platform = platforms(server.url, idle_s_max=0)
    for _ in range(3):
        platform.send(request())
    assert server.connections == 3


def test_a_connection_that_rested_too_long_is_not_used(servers: Servers, platforms: Platforms) -> None:
    server = servers(always(http(ANSWER)))
    platform = platforms(server.url, idle_s_max=1e-9)
    platform.send(request())
    platform.send(request())
    assert server.connections == 2


@pytest.mark.parametrize(("said", "connections"), [("timeout=1", 2), ("timeout=60, max=100", 1), ("max=5", 1)])
def test_the_platform_may_say_how_long_it_keeps_a_connection(
    said: str, connections: int, servers: Servers, platforms: Platforms
) -> None:
    server = servers(always(http(ANSWER, "200 OK", f"Keep-Alive: {said}")))
    platform = platforms(server.url)
    platform.send(request())
    platform.send(request())
    assert server.connections == connections


def test_a_connection_closed_by_the_server_while_idle_costs_nothing(servers: Servers, platforms: Platforms) -> None:
    closed = threading.Event()

    def one_then_close(server: Server, line: Line) -> None:
        server.take(line)
        line.write(http(ANSWER))
        if line.number == 1:
            server.signal.wait(LONG_S)
            line.sock.close()
            closed.set()
        else:
            line.read_all()

    server = servers(one_then_close)
    platform = platforms(server.url)
    platform.send(request())
    server.signal.set()
    assert closed.wait(LONG_S)
    assert platform.send(request()).body == ANSWER
    assert server.connections == 2
    assert len(server.requests) == 2


def test_a_kept_connection_that_dies_with_the_request_is_in_doubt_and_not_repeated(
    servers: Servers, platforms: Platforms
) -> None:
    def second_dies(server: Server, line: Line) -> None:
        server.take(line)
        line.write(http(ANSWER))
        server.take(line)

    server = servers(second_dies)
    platform = platforms(server.url)
    platform.send(request())
    with pytest.raises(NoAnswer):
        platform.send(request())
    assert server.connections == 1
    assert len(server.requests) == 2


def test_a_second_copy_of_an_answer_never_answers_the_next_request(servers: Servers, platforms: Platforms) -> None:
    def twice(server: Server, line: Line) -> None:
        while server.take(line):
            line.write(http(server.requests[-1][1]) * 2)

    server = servers(twice)
    platform = platforms(server.url)
    for n in range(5):
        assert platform.send(request(b"request %d" % n)).body == b"request %d" % n
    assert server.connections == 5


def test_what_goes_alone_is_never_answered_by_an_earlier_answer(servers: Servers, platforms: Platforms) -> None:
    """The second copy comes when the line has long been found clean: with the next request already on its way."""

    def late_copy(server: Server, line: Line) -> None:
        first = b""
        while server.take(line):
            first = first or server.requests[-1][1]
            line.write(http(first))

    server = servers(late_copy)
    platform = platforms(server.url)
    assert platform.send(request(b"a read")).body == b"a read"
    assert platform.send(request(b"another")).body == b"a read", "what a kept line can do"
    for n in range(3):
        assert platform.send(replace(request(b"money %d" % n), alone=True)).body == b"money %d" % n
    assert server.connections == 4


def test_what_goes_alone_leaves_no_more_lines_than_may_be_used(servers: Servers, platforms: Platforms) -> None:
    ended = threading.Semaphore(0)

    def keeps(server: Server, line: Line) -> None:
        while server.take(line):
            line.write(http(ANSWER))
        ended.release()

    server = servers(keeps)
    platform = platforms(server.url, pool_size=2)
    for _ in range(5):
        assert platform.send(replace(request(), alone=True)).body == ANSWER
    for _ in range(3):
        assert ended.acquire(timeout=LONG_S), "a line that nobody will use is left open"


def test_an_answer_given_before_the_request_is_not_used(servers: Servers, platforms: Platforms) -> None:
    def chatty(server: Server, line: Line) -> None:
        server.take(line)
        line.write(http(b"first"))
        if line.number == 1:
            server.signal.wait(LONG_S)
            line.write(http(b"stray"))
            written.set()
        while server.take(line):
            line.write(http(b"right"))

    written = threading.Event()
    server = servers(chatty)
    platform = platforms(server.url)
    platform.send(request())
    server.signal.set()
    assert written.wait(LONG_S)
    assert platform.send(request()).body == b"first"
    assert server.connections == 2


@pytest.mark.parametrize("answer", [http(ANSWER, "200 OK", "Connection: close"), b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER])
def test_last_answers_are_read_to_the_end(answer: bytes, servers: Servers, platforms: Platforms) -> None:
    server = servers(always(answer, close=True))
    platform = platforms(server.url)
    assert platform.send(request()).body == ANSWER
    assert platform.send(request()).body == ANSWER
    assert server.connections == 2


@pytest.mark.parametrize("answer", [http(ANSWER, "500 Oops"), http(b'{"code":401}', "401 No")])
def test_a_failed_exchange_does_not_hurt_the_next(answer: bytes, servers: Servers, platforms: Platforms) -> None:
    def first_fails(server: Server, line: Line) -> None:
        while server.take(line):
            line.write(answer if len(server.requests) == 1 else http(ANSWER))

    platform = platforms(servers(first_fails).url, pool_size=1)
    with pytest.raises(PlatformError):
        platform.send(request())
    assert platform.send(request()).body == ANSWER


def test_when_all_connections_are_busy_the_next_is_not_sent(servers: Servers, platforms: Platforms) -> None:
    def slow(server: Server, line: Line) -> None:
        server.take(line)
        started.set()
        server.signal.wait(LONG_S)
        line.write(http(ANSWER))
        always(http(ANSWER))(server, line)

    started = threading.Event()
    server = servers(slow)
    platform = platforms(server.url, pool_size=1, connect_timeout_s=SHORT_S)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(platform.send, request())
        assert started.wait(LONG_S)
        with pytest.raises(NotSent, match="占用"):
            platform.send(request())
        server.signal.set()
        assert first.result(LONG_S).body == ANSWER
    assert platform.send(request()).body == ANSWER


def test_close_lets_a_running_request_end(servers: Servers, platforms: Platforms) -> None:
    def slow(server: Server, line: Line) -> None:
        server.take(line)
        started.set()
        server.signal.wait(LONG_S)
        line.write(http(ANSWER))

    started = threading.Event()
    server = servers(slow)
    platform = platforms(server.url)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(platform.send, request())
        assert started.wait(LONG_S)
        platform.close()
        server.signal.set()
        assert first.result(LONG_S).body == ANSWER


def test_proxies_of_the_environment_are_not_asked(
    servers: Servers, platforms: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert platforms(servers(always(http(ANSWER))).url).send(request()).body == ANSWER
