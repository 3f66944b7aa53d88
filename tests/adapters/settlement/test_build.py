"""Settings become addresses and headers as the families want them."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from adapters.settlement.build import build_platform
from adapters.settlement.http_json import HttpJsonPlatform
from adapters.settlement.signing.plain import PlainSigner
from gateway.exchange.ports import PlatformRequest

Seen = list[tuple[str, dict[str, str]]]


@pytest.fixture
def front_machine() -> Iterator[tuple[str, Seen]]:
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"infcode":0}')

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join(10)


def send(url: str, signing: Any, infno: str = "2304", **options: Any) -> None:
    platform = build_platform(url, signing, **options)
    try:
        platform.send(PlatformRequest(infno, "H44000000001202109240828221034", b"{}", 10))
    finally:
        platform.close()


def test_a_plain_front_machine(front_machine: tuple[str, Seen]) -> None:
    url, seen = front_machine
    send(f"{url}/fsi/api/rsfComIfsService/callService", "plain")
    path, headers = seen[0]
    assert path == "/fsi/api/rsfComIfsService/callService"
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["content-length"] == "2"
    assert not any(name.startswith("x-tif") for name in headers)


def test_x_tif_headers_and_the_transaction_in_the_path(front_machine: tuple[str, Seen]) -> None:
    url, seen = front_machine
    send(f"{url}/ebus/gdyb_inf/poc/hsa/hgs/", "tif", "2207A", account="ACCOUNT", secret="SECRET")
    path, headers = seen[0]
    assert path == "/ebus/gdyb_inf/poc/hsa/hgs/2207A"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-tif-paasid"] == "ACCOUNT"
    assert {"x-tif-timestamp", "x-tif-nonce", "x-tif-signature"} <= headers.keys()


def test_the_family_may_be_overridden(front_machine: tuple[str, Seen]) -> None:
    url, seen = front_machine
    send(url, "plain", url_per_infno=True, content_type="application/json")
    send(url, "tif", url_per_infno=False, account="A", secret="S")
    assert [path for path, _ in seen] == ["/2304", "/"]
    assert seen[0][1]["content-type"] == "application/json"


def test_a_path_per_service(front_machine: tuple[str, Seen]) -> None:
    url, seen = front_machine
    paths = {"2304": "/fsi/api/hospSettService/settV2", "1101": "目录/a b"}
    for infno in ("2304", "1101", "2401"):
        send(f"{url}/ebus/rio_fsi", "tif", infno, account="A", secret="S", paths=paths)
    assert [path for path, _ in seen] == [
        "/ebus/rio_fsi/fsi/api/hospSettService/settV2",
        "/ebus/rio_fsi/%E7%9B%AE%E5%BD%95/a%20b",
        "/ebus/rio_fsi/2401",
    ]


@pytest.mark.parametrize("infno", ["../admin", "1101?x=1", "11 01", "1101\r\nX: 1", "一"])
def test_a_transaction_cannot_leave_its_place_in_the_path(infno: str) -> None:
    platform = HttpJsonPlatform("http://127.0.0.1:1/base", PlainSigner(), url_per_infno=True)
    path = platform.path_of(infno)
    assert path.startswith("/base/")
    assert path.isascii()
    assert not set("?\r\n ") & set(path)
    assert path.count("/") == 2


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8097/fsi",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://u:p@h/",
        "http://h/?a=1",
        "http://h/#a",
        "http://[::1/",
    ],
)
def test_addresses_that_cannot_work_are_refused_in_words(url: str) -> None:
    with pytest.raises(ValueError, match="平台地址"):
        build_platform(url, "plain")


def test_a_content_type_that_breaks_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="Content-Type"):
        build_platform("http://h/", "plain", content_type="text/plain\r\nX: 1")


def test_x_tif_needs_its_account() -> None:
    with pytest.raises(ValueError, match="x-tif"):
        build_platform("http://h/", "tif")
