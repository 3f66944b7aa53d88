"""cheroot with bounds: a slow sender, a silent client or a hanging call holds up nobody but itself."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from cheroot.errors import FatalSSLAlert
from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Gateway_10, Server

from gateway.http.sockets import ListenError
from gateway.http.tls import LiveCertificate
from gateway.settings import Limits, Listener, Tls

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger("listeners")

HEADER_BYTES_MAX: Final = 64 * 1024
HEADER_READ_S_MAX = 20
"""The request line and all headers must be in by then, however often a byte arrives."""
IDLE_S_MAX: Final = 60
"""A kept-alive connection without a request is closed after this."""


class HttpServer:
    """A cheroot listener on threads of this process.

    Args:
        listener: address (port 0 is not a setting, but works through ``address`` for tests) and TLS.
        app: what is served.
        limits: ``body_read_s_max`` bounds the reading of a body on the socket itself.
        threads: calls at once.
        backlog: TCP queue.

    Every thread is a daemon: a call that hangs cannot keep the process from ending.
    """

    def __init__(self, listener: Listener, app: WSGIApplication, limits: Limits, *, threads: int, backlog: int) -> None:
        self._address = listener.address
        self._server = _Server((listener.host, listener.port), app, numthreads=threads, max=threads)
        self._server.request_queue_size = backlog
        self._server.body_read_s_max = limits.body_read_s_max
        self._server.ssl_adapter = _TlsAdapter(listener.tls) if listener.tls is not None else None
        self._once = threading.Lock()
        self._stop_begun = False
        self._stopped = threading.Event()
        self._failed: OSError | None = None

    @property
    def port(self) -> int:
        return int(self._server.bind_addr[1])

    def start(self) -> None:
        """Listen. Raises :class:`ListenError` if the address cannot be bound."""
        opened = threading.Event()
        threading.Thread(target=self._run, args=(opened,), name="listener", daemon=True).start()
        opened.wait()
        if self._failed is not None:
            raise ListenError(f"无法监听 {self._address}：{self._failed}") from self._failed

    def _run(self, opened: threading.Event) -> None:
        try:
            self._server.prepare()
        except OSError as error:
            self._failed = error
            return
        finally:
            opened.set()
        self._server.serve()

    def begin_stop(self) -> None:
        """Accept nothing more; running calls go on. Returns at once."""
        with self._once:
            if not self._stop_begun:
                self._stop_begun = True
                threading.Thread(target=self._stop, name="listener-stop", daemon=True).start()

    def _stop(self) -> None:
        self._server.stop()
        self._stopped.set()

    def join(self, timeout_s: float) -> bool:
        """Whether everything had ended after at most ``timeout_s``."""
        return self._stopped.wait(timeout_s)


class _Server(Server):
    """cheroot's server; a connection takes no thread before its first byte has come."""

    body_read_s_max = 30.0

    def __init__(self, bind_addr: tuple[str, int], app: WSGIApplication, **options: Any) -> None:
        super().__init__(bind_addr, app, server_name="yibao", timeout=IDLE_S_MAX, **options)
        self.gateway = _Gateway
        self.ConnectionClass = _Connection
        self.keep_alive_conn_limit = None  # type: ignore[assignment]  # the stubs say int
        self.max_request_header_size = HEADER_BYTES_MAX
        # the drain is bounded by its caller; cheroot itself shall not cut a call off
        self.shutdown_timeout = None

    def process_conn(self, conn: Any) -> None:
        if conn.last_used is None:
            self._connections.put(conn)  # type: ignore[attr-defined]  # cheroot's stubs lack it
        else:
            super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, "http_server", detail=msg, exc_info=traceback)


class _Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stub says None
        wrong_length = self.req.inheaders.pop(WRONG_LENGTH, None)
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["SERVER_NAME"] = str(self.req.server.bind_addr[0])
        if wrong_length is not None:
            environ["CONTENT_LENGTH"] = wrong_length.decode("latin-1")
            self.req.close_connection = True  # nobody knows where the next request would begin
        return environ


WRONG_LENGTH = b"Yibao-Wrong-Length"


API_HEADERS: Final = frozenset(
    b"_api_" + part for part in (b"name", b"version", b"timestamp", b"access_key", b"signature")
)


class _HeaderReader(HeaderReader):
    """Drops names with an underscore: no proxy guards X_Forwarded_For, and the environ cannot tell it apart.

    A Content-Length that is no number goes on to the application, which answers it by name (GW-1015) in the caller's
    form; cheroot would say 400 and nothing else.
    """

    def __call__(self, rfile: Any, hdict: Any = None) -> Any:
        headers = super().__call__(rfile, hdict)
        headers.pop(WRONG_LENGTH, None)
        length = headers.get(b"Content-Length", b"0")
        if not length.isdigit():
            headers |= {b"Content-Length": b"0", WRONG_LENGTH: length}
        return headers

    def _allow_header(self, key_name: bytes) -> bool:
        # X_Forwarded_For would pass for X-Forwarded-For; what a province signs with has no such twin
        known = key_name.lower() in API_HEADERS
        return known or (b"_" not in key_name and bool(super()._allow_header(key_name)))  # type: ignore[misc]


class _Request(HTTPRequest):
    header_reader = _HeaderReader()

    def respond(self) -> None:
        self.conn.rfile.raw.deadline = time.monotonic() + self.server.body_read_s_max
        super().respond()

    def send_headers(self) -> None:
        """Close after a body that was not read to its end; cheroot would read the rest into memory first."""
        left = not self.rfile.closed if self.chunked_read else getattr(self.rfile, "remaining", 0) > 0
        self.close_connection = self.close_connection or left
        super().send_headers()


class _Connection(HTTPConnection):
    """A connection whose reads have a deadline, and whose TLS handshake happens in the thread that serves it.

    cheroot does the handshake in the thread that accepts, where one silent client would block all others.
    """

    RequestHandlerClass = _Request

    def __init__(self, server: _Server, sock: socket.socket, _: Any = None) -> None:
        super().__init__(server, sock, _makefile)
        self._handshake_due = isinstance(sock, ssl.SSLSocket)

    def communicate(self) -> bool:
        self.rfile.raw.deadline = time.monotonic() + HEADER_READ_S_MAX
        if self._handshake_due and not self._handshake():
            return False
        self._handshake_due = False
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def _handshake(self) -> bool:
        self.socket.settimeout(HEADER_READ_S_MAX)
        try:
            self.socket.do_handshake()
        except ssl.SSLError as error:
            log.info("tls_handshake_failed", peer=self.remote_addr, reason=error.reason or str(error))
            if error.reason == "HTTP_REQUEST":
                self._say_https_only()
            return False
        except OSError as error:
            log.info("tls_handshake_failed", peer=self.remote_addr, reason=str(error))
            return False
        return True

    def _say_https_only(self) -> None:
        text = "此端口只接受 HTTPS，请把地址中的 http:// 改为 https://。\n".encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}"
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.socket.fileno())) as plain:
            plain.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode() + text)


class _TimedInput(socket.SocketIO):
    """Reads from a socket until a deadline, however the bytes trickle."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "rb")
        self._socket = sock
        self.deadline = float("inf")

    def readinto(self, buffer: Any) -> int | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")  # cheroot knows its timeouts by this text
        self._socket.settimeout(left)
        try:
            return super().readinto(buffer)
        finally:
            if self._socket.fileno() >= 0:
                self._socket.settimeout(IDLE_S_MAX)


class _Reader(StreamReader):
    def __init__(self, sock: socket.socket, bufsize: int) -> None:
        # past StreamReader, which would make its own input without a deadline
        super(StreamReader, self).__init__(_TimedInput(sock), bufsize)
        self.bytes_read = 0
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None

    def has_data(self) -> bool:
        """Also what TLS has decrypted already: the socket would not become readable for it."""
        buffered = bool(super().has_data())  # type: ignore[no-untyped-call]
        return buffered or (self._tls is not None and self._tls.pending() > 0)


def _makefile(sock: socket.socket, mode: str = "rb", bufsize: int = io.DEFAULT_BUFFER_SIZE) -> Any:
    return _Reader(sock, bufsize) if "r" in mode else StreamWriter(sock, mode, bufsize)


class _TlsAdapter(Adapter):
    """Wraps accepted connections."""

    def __init__(self, tls: Tls) -> None:
        self._certificate = LiveCertificate(tls)

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def get_environ(self) -> dict[str, str]:
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: socket.socket, mode: str = "rb", bufsize: int = io.DEFAULT_BUFFER_SIZE) -> Any:
        return _makefile(sock, mode, bufsize)

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        try:
            wrapped = self._certificate.context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise FatalSSLAlert(*error.args) from error
        return wrapped, self.get_environ()
