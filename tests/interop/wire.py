"""A forwarder between a client program and the gateway that keeps what went over the line."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Post:
    """One POST and its answer, as bytes."""

    path: str
    content_type: str
    body: bytes
    status: int
    answer_type: str
    answer: bytes


@dataclass
class Wire:
    url: str
    posts: list[Post] = field(default_factory=list)


@contextmanager
def recorded(gateway_url: str) -> Iterator[Wire]:
    """Listen on a free port and forward to the gateway; the client's Host stays, so the WSDL names this address."""
    wire = Wire("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway_url, wire))
    server.daemon_threads = True
    wire.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(gateway_url: str, wire: Wire) -> type[BaseHTTPRequestHandler]:
    parts = urlsplit(gateway_url)

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
            """Say nothing: the test reads the posts."""

        def do_GET(self) -> None:
            self._forward(b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer_type, answer = self._forward(body)
            sent = self.headers["Content-Type"]
            wire.posts.append(Post(self.path, sent, body, status, answer_type, answer))

        def _forward(self, body: bytes) -> tuple[int, str, bytes]:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _ONE_HOP}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content_type, content = answer.headers["Content-Type"] or "", answer.read()
            finally:
                connection.close()
            self._reply(answer, content)
            return answer.status, content_type, content

        def _reply(self, answer: http.client.HTTPResponse, content: bytes) -> None:
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in (*_ONE_HOP, "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Forward


_ONE_HOP = ("connection", "keep-alive", "te", "transfer-encoding", "expect")
