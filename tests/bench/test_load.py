"""The load of the peers: every call is answered once, however a server frames its answers; a failure is no figure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.peers.load import NotAnswered, ask, posting

BODY = b"<a>" + b"x" * 100_000 + b"</a>"
ANSWER = b"<infcode>0</infcode>" + b"y" * 70_000


class Server(BaseHTTPRequestHandler):
    """Answers in the way that its address names."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        """One call."""
        type(self).bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(500 if self.path == "/fails" else 200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ANSWER), ANSWER))
            return
        if self.path == "/closes":
            self.send_header("Connection", "close")
        if self.path != "/ends":
            self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)
        self.close_connection = self.path in ("/closes", "/ends")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@contextmanager
def served() -> Iterator[tuple[int, list[bytes]]]:
    bodies: list[bytes] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Server,), {"bodies": bodies})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, bodies
        finally:
            server.shutdown()
            thread.join(20)


@pytest.mark.parametrize("path", ["/", "/chunked", "/closes", "/ends"])
def test_every_call_of_every_caller_is_answered_once(path: str) -> None:
    with served() as (port, bodies):
        ask(port, posting(path, BODY), b"infcode>0<", callers=3, calls=4)
    assert bodies == [BODY] * 12


@pytest.mark.parametrize(("path", "success"), [("/fails", b"infcode>0<"), ("/", b"infcode>1<")])
def test_an_answer_without_success_ends_it(path: str, success: bytes) -> None:
    with served() as (port, _), pytest.raises(NotAnswered):
        ask(port, posting(path, b"<a/>"), success, callers=1, calls=1)
