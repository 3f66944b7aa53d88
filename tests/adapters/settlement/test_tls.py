"""TLS to a province: what is wrong with certificates is found before a byte of the request leaves."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing.plain import PlainSigner
from gateway.exchange.ports import NotSent, PlatformRequest, Rejected

REQUEST = PlatformRequest("1101", "H44000000001202109240828221034", b'{"infno":"1101"}')
ANSWER = b'{"infcode":0}'
LONG_S = 20.0


class TlsServer:
    """Answers every request with :data:`ANSWER`; counts what it could read."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONG_S)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            raw.settimeout(LONG_S)
            with raw, suppress(OSError), self._context.wrap_socket(raw, server_side=True) as sock:
                self._talk(sock)

    def _talk(self, sock: ssl.SSLSocket) -> None:
        while data := sock.recv(65536):
            if data.endswith(REQUEST.body):
                self.requests += 1
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))


Start = Callable[..., TlsServer]
Send = Callable[..., bytes]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def start(ca: trustme.CA) -> Iterator[Start]:
    running: list[TlsServer] = []

    def run(cert: trustme.LeafCert | None = None, *, clients: trustme.CA | None = None, version: str = "") -> TlsServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (cert or ca.issue_cert("127.0.0.1", "localhost")).configure_cert(context)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            clients.configure_trust(context)
        if version:
            context.maximum_version = ssl.TLSVersion[version]
        running.append(TlsServer(context))
        return running[-1]

    yield run
    for server in running:
        server.stop()


@pytest.fixture
def connect(ca_file: Path) -> Iterator[Callable[..., HttpJsonPlatform]]:
    made: list[HttpJsonPlatform] = []

    def make(server: TlsServer, host: str = "127.0.0.1", **options: Any) -> HttpJsonPlatform:
        options.setdefault("ca_file", ca_file)
        url = f"https://{host}:{server.port}/"
        made.append(HttpJsonPlatform(url, PlainSigner(), read_timeout_s=LONG_S, **options))
        return made[-1]

    yield make
    for platform in made:
        platform.close()


Connect = Callable[..., HttpJsonPlatform]


def client_files(ca: trustme.CA, folder: Path, password: str = "") -> tuple[Path, Path]:
    leaf = ca.issue_cert("hospital@example.org", common_name="hospital")
    cert, key = folder / "client.pem", folder / "client.key"
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    pem = leaf.private_key_pem.bytes()
    if password:
        loaded = load_pem_private_key(pem, None)
        encryption = BestAvailableEncryption(password.encode())
        pem = loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    key.write_bytes(pem)
    return cert, key


def test_a_platform_with_its_own_authority(start: Start, connect: Connect) -> None:
    server = start()
    platform = connect(server)
    assert platform.reachable(LONG_S)
    assert platform.send(REQUEST).body == ANSWER
    assert platform.send(REQUEST).body == ANSWER
    assert (server.connections, server.requests) == (2, 2), "one for reachable, one kept for both requests"


def test_when_the_platforms_certificate_ends_is_told_when_its_line_is_looked_at(
    ca: trustme.CA, start: Start, connect: Connect
) -> None:
    ends = datetime.datetime(2099, 6, 1, 12, tzinfo=datetime.UTC)
    shown: list[datetime.datetime] = []
    platform = connect(start(ca.issue_cert("127.0.0.1", not_after=ends)), certificate_shown=shown.append)
    assert platform.reachable(LONG_S)
    assert shown == [ends]
    assert platform.send(REQUEST).body == ANSWER
    assert shown == [ends], "calls do not look at it"
    untrusted = connect(start(trustme.CA().issue_cert("127.0.0.1")), certificate_shown=shown.append)
    assert not untrusted.reachable(LONG_S)
    assert shown == [ends]


def test_a_host_name_is_checked_as_the_name_it_was_given(start: Start, connect: Connect) -> None:
    assert connect(start(), "localhost").send(REQUEST).body == ANSWER


def test_an_authority_that_is_not_trusted(start: Start, connect: Connect) -> None:
    server = start(trustme.CA().issue_cert("127.0.0.1"))
    platform = connect(server)
    with pytest.raises(NotSent, match="证书不可信"):
        platform.send(REQUEST)
    assert not platform.reachable(LONG_S)
    assert server.requests == 0


def test_the_authorities_of_the_system_do_not_know_it(start: Start, connect: Connect) -> None:
    with pytest.raises(NotSent, match="证书不可信"):
        connect(start(), ca_file=None).send(REQUEST)


def test_a_certificate_for_another_host(ca: trustme.CA, start: Start, connect: Connect) -> None:
    server = start(ca.issue_cert("other.example.org"))
    with pytest.raises(NotSent, match="证书不可信"):
        connect(server).send(REQUEST)
    assert server.requests == 0


def test_an_expired_certificate(ca: trustme.CA, start: Start, connect: Connect) -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = ca.issue_cert("127.0.0.1", not_before=long_ago, not_after=long_ago + datetime.timedelta(days=30))
    server = start(expired)
    with pytest.raises(NotSent, match="expired"):
        connect(server).send(REQUEST)
    assert server.requests == 0


@pytest.mark.parametrize("password", ["", "key-password"])
def test_a_client_certificate(password: str, ca: trustme.CA, start: Start, connect: Connect, tmp_path: Path) -> None:
    cert, key = client_files(ca, tmp_path, password)
    platform = connect(start(clients=ca), client_cert=cert, client_key=key, client_key_password=password)
    assert platform.send(REQUEST).body == ANSWER


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("given", ["none", "unknown"])
def test_a_client_certificate_that_is_refused_means_not_executed(
    version: str, given: str, ca: trustme.CA, start: Start, connect: Connect, tmp_path: Path
) -> None:
    """TLS 1.2 tells while connecting; in TLS 1.3 the refusal comes where the answer would."""
    cert, key = client_files(trustme.CA(), tmp_path) if given == "unknown" else (None, None)
    server = start(clients=ca, version=version)
    with pytest.raises(NotSent) as caught:
        connect(server, client_cert=cert, client_key=key).send(REQUEST)
    assert server.requests == 0
    assert isinstance(caught.value, Rejected) == (version == "TLSv1_3")


def test_files_that_cannot_be_used_are_named(ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    cert, key = client_files(ca, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, strange_key = client_files(ca, other)
    empty = tmp_path / "empty.pem"
    empty.write_text("")

    def refuse(words: str, **files: Path) -> None:
        with pytest.raises(ValueError, match=words):
            HttpJsonPlatform("https://127.0.0.1/", PlainSigner(), **files)  # type: ignore[arg-type]

    refuse("missing.pem", ca_file=tmp_path / "missing.pem")
    refuse("empty.pem", ca_file=empty)
    refuse("missing.pem", ca_file=ca_file, client_cert=tmp_path / "missing.pem")
    refuse("私钥", ca_file=ca_file, client_cert=cert, client_key=strange_key)
    refuse("没有客户端证书", ca_file=ca_file, client_key=key)


def test_a_locked_key_without_its_password_is_refused_and_does_not_ask(
    ca: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    cert, key = client_files(ca, tmp_path, "key-password")
    with pytest.raises(ValueError, match=r"client\.key"):
        HttpJsonPlatform("https://127.0.0.1/", PlainSigner(), ca_file=ca_file, client_cert=cert, client_key=key)
