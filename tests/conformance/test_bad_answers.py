"""A platform that misbehaves, on every way to a province: what the HIS is told, and how the exchange stands afterwards.

``test_platform`` looks at what an adapter makes of a line, ``test_ways`` at what each way says of signatures; here both go
through the exchange, so that no way turns an answer that nobody can believe into success, or what was sent into not sent.
"""

from __future__ import annotations

import datetime
import gzip
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters.settlement._post import HttpPost
from adapters.settlement.build import build_platform
from gateway.contract.interface import Interface
from gateway.exchange.call import Reply
from gateway.exchange.ports import PlatformError, SettlementPlatform, State
from tests.adapters.settlement.test_tls import TlsServer
from tests.conformance.test_platform import Handler, Server, always, drip, http, read_reset
from tests.conformance.test_ways import TIMED, WAYS, Province, Way, named
from tests.exchange.kit import INTERFACE, Hospital
from tests.simulation import messages
from tests.simulator.conftest import filled

ANSWER_BYTES_MAX = 1024 * 1024
DRIP_S = 0.3
ANY_CODE = Interface(INTERFACE.contract, code_lists="warn")
"""A message filled from its table alone has codes of no list."""
CHINESE = re.compile("[\u4e00-\u9fff]")
FAULT = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Server</faultcode>'
    b"<faultstring>java.lang.NullPointerException</faultstring></s:Fault></s:Body></s:Envelope>"
)
BAD_ANSWERS: dict[str, Handler] = {
    "a redirect": always(http(b"", "302 Found", "Location: http://127.0.0.1:1/")),
    "a SOAP fault": always(http(FAULT, "500 Internal Server Error", "Content-Type: text/xml; charset=utf-8")),
    "a gzip bomb": always(http(gzip.compress(bytes(64 * ANSWER_BYTES_MAX)), "200 OK", "Content-Encoding: gzip")),
    "a login page": always(http("<html>请登录</html>".encode(), "200 OK", "Content-Type: text/html")),
    "another charset": always(http('{"infcode":0,"output":{}}'.encode("utf-16"), "200 OK")),
    "bytes of no charset": always(http(b'{"infcode":0,"err_msg":"\xff\xfe\x80"}', "200 OK")),
    "a success without its output": always(http(b'{"infcode":0,"output":null}', "200 OK")),
    "JSON that is no answer": always(http(b'[{"infcode":0}]', "200 OK")),
    "nothing": always(http(b"")),
    "half of an answer": always(http(b'{"infcode":0', length=400), close=True),
    "a reset": read_reset,
    "a dripping answer": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
}
"""By each of them the request has left and nobody can say what came of it."""


@dataclass
class Desk:
    """A hospital whose line is a real way to a province."""

    hospital: Hospital
    province: Province
    url: str
    number: int = 0

    def platform(self, **changes: Any) -> SettlementPlatform:
        """The way, with its token service where the simulator is and all else at ``url``."""
        way, simulated = self.province.way, self.province.server.url
        options = {**way.given, "read_timeout_s": 20.0, "answer_bytes_max": ANSWER_BYTES_MAX, **changes}
        if "oauth" in options:
            options["oauth"] = replace(options["oauth"], token_url=f"{simulated}/auth/oauth/token")
        if "soap" in options:
            options["soap"] = {"wsdl": self.province._wsdl(simulated), **options["soap"]}
        made: SettlementPlatform = build_platform(self.url + way.path, way.family, **options)  # type: ignore[arg-type]
        self.province._made.append(made)
        return made

    def call(self, platform: SettlementPlatform) -> Reply:
        """Something that changes something, each time about somebody else."""
        self.number += 1
        line: Any = self.hospital.line
        line.send, line.prepare = platform.send, platform.prepare
        if self.province.way.name == "gm":
            return self.hospital.call("7101", filled("7101", {"data": {"hospRxno": f"RX{self.number}"}}))
        return self.hospital.call("2401", messages.admission(self.hospital.psn_no, f"L{self.number}"))

    def state(self, reply: Reply) -> State:
        assert reply.exchange_id is not None
        return self.hospital.entry(reply.exchange_id).state


@pytest.fixture
def desk(way: Way, tmp_path: Path) -> Iterator[Desk]:
    province = Province(way, tmp_path)
    yield Desk(Hospital(interface=ANY_CODE), province, province.server.url)
    province.close()


class Moody(Server):
    """Does to each connection what it is told to do at the time."""

    def __init__(self) -> None:
        self.mood: Handler = always(http(b""))
        super().__init__(lambda server, line: self.mood(server, line))


@pytest.fixture
def server() -> Iterator[Moody]:
    running = Moody()
    yield running
    running.signal.set()
    running.stop()


@pytest.fixture
def tls() -> Iterator[Callable[[ssl.SSLContext], int]]:
    running: list[TlsServer] = []

    def start(context: ssl.SSLContext) -> int:
        running.append(TlsServer(context))
        return running[-1].port

    yield start
    for one in running:
        one.stop()


@named(WAYS)
def test_an_answer_that_nobody_can_believe_leaves_a_doubt(desk: Desk, server: Moody) -> None:
    desk.url = f"http://127.0.0.1:{server.port}"
    for what, handler in BAD_ANSWERS.items():
        server.mood = handler
        platform = desk.platform(read_timeout_s=DRIP_S if "drip" in what else 20.0)
        before = len(server.requests)
        reply = desk.call(platform)
        platform.close()
        assert (reply.code, reply.retry) == ("GW-4101", "same"), (what, reply)
        assert CHINESE.search(reply.err_msg), what
        assert desk.state(reply) is State.IN_DOUBT, what
        assert len(server.requests) - before == 1, f"{what}: sent once"


@named(WAYS)
def test_where_nobody_listens_nothing_was_sent(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    reply = desk.call(desk.platform())
    assert (reply.code, reply.retry, desk.state(reply)) == ("GW-4001", "yes", State.NOT_SENT), reply
    assert CHINESE.search(reply.err_msg)


@named([way for way in WAYS if way.wrong])
def test_a_wrong_signature_is_told_as_what_was_not_carried_out(desk: Desk) -> None:
    reply = desk.call(desk.platform(**desk.province.way.wrong))
    assert reply.code.startswith("GW-40"), reply
    assert (reply.retry, desk.state(reply)) == ("yes", State.NOT_SENT)
    assert CHINESE.search(reply.err_msg)
    assert desk.province.executed == {}


@named(TIMED)
def test_a_stale_timestamp_is_told_as_what_was_not_carried_out(desk: Desk) -> None:
    window = desk.province.way.window
    assert window
    desk.province.clock.ahead = window + datetime.timedelta(seconds=30)
    reply = desk.call(desk.platform())
    assert (reply.retry, desk.state(reply)) == ("yes", State.NOT_SENT), reply
    assert "时间戳" in reply.err_msg
    assert desk.province.executed == {}


@named(TIMED)
def test_what_was_overheard_and_is_said_again_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[Any, ...]] = []
    post = HttpPost.post

    def overheard(*given: Any) -> Any:
        heard.append(given)
        return post(*given)

    monkeypatch.setattr(HttpPost, "post", overheard)
    reply = desk.call(desk.platform())
    assert desk.state(reply) in (State.CONFIRMED, State.DECLINED), reply
    before = desk.province.simulator.ledger() | {"requests": {}}
    try:
        body = post(*heard[-1]).body
        told = body.decode("gb18030" if b"GB18030" in body else "utf-8")
    except PlatformError as error:
        told = str(error)
    assert "重复" in told
    assert desk.province.simulator.ledger() | {"requests": {}} == before


# ------------------------------------------------------------------------ TLS


def _https(cert: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


def _client_files(ca: trustme.CA, folder: Path) -> dict[str, Path]:
    """Ours, expired a year ago."""
    ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=400)
    leaf = ca.issue_cert("hospital@example.org", not_before=ago, not_after=ago + datetime.timedelta(days=30))
    cert, key = folder / "client.pem", folder / "client.key"
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    leaf.private_key_pem.write_to_path(key)
    return {"client_cert": cert, "client_key": key}


@named(WAYS)
def test_certificates_that_are_wrong_are_found_before_anything_is_sent(
    desk: Desk, tmp_path: Path, tls: Callable[[ssl.SSLContext], int]
) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    trusted = tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(trusted)
    of_another = tls(_https(theirs.issue_cert("127.0.0.1")))
    wants_ours = tls(_https(ours.issue_cert("127.0.0.1"), clients=ours))
    for port, files in ((of_another, {}), (wants_ours, _client_files(ours, tmp_path))):
        desk.url = f"https://127.0.0.1:{port}"
        reply = desk.call(desk.platform(ca_file=trusted, **files))
        assert (reply.retry, desk.state(reply)) == ("yes", State.NOT_SENT), reply
        assert "证书" in reply.err_msg, reply
