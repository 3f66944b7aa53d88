"""The HTTP servers in front of the WSGI applications.

``listen.exchange`` without TLS is granian. Everything else (``listen.more``, ``listen.admin``, and ``listen.exchange``
with TLS) is cheroot, as threads of the same process: granian's rustls knows nothing below TLS 1.2 and reads its
certificate once, while old HIS need OpenSSL with a lowered floor and a certificate must be replaceable on a live
listener.

granian runs the applications in one worker process: they are built there, after the fork. SIGTERM or SIGINT drains:
no new connection, running calls end (bounded), then ``Apps.close()``. If the parent dies the worker drains too, so
that no orphan goes on writing to the store.
"""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from cheroot.errors import FatalSSLAlert
from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Gateway_10, Server
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder

from gateway.beside import Beside
from gateway.http.body import fetch_body
from gateway.http.reception import PLATFORM_SIDE, READ
from gateway.settings import Limits, Listen, Listener, Settings, Tls

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger("listeners")

ADMIN_PATHS = ("/healthz", "/readyz", "/metrics", "/-/reload")
ADMIN_PREFIXES = ("/-/doubts/", "/-/console/", "/-/store/")
HEADER_BYTES_MAX = 64 * 1024
HEADER_READ_S_MAX = 20
"""The request line and all headers must be in by then, however often a byte arrives."""
IDLE_S_MAX = 60
"""A kept-alive connection without a request is closed after this."""
CONNECTIONS_MAX = 8192
"""Connections granian holds at once; each waits for a thread or is idle. Further ones wait in the backlog."""
DRAIN_MARGIN_S = 10
ADMIN_THREADS = 8
READER_THREADS = 64
"""Threads beyond ``limits.calls_max`` that wait for bodies, read them, or say that there are too many calls."""
SILENT_S_MAX = 3
"""After the signal to stop, connections on which no call is running are waited for this long."""
OPEN_FILES = 65536


class ListenError(Exception):
    """A listener cannot be opened; the Chinese text says which and why."""


@dataclass(frozen=True, slots=True)
class Apps:
    """What is served. ``close`` runs once, after the last call has ended or was given up."""

    exchange: WSGIApplication
    admin: WSGIApplication
    close: Callable[[], None]


MakeWsgi = Callable[[], Apps]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the serving process needs of the settings; plain values, so that it can be sent to a spawned process."""

    listen: Listen
    limits: Limits
    drain_s_max: float


def drain_s_max(settings: Settings) -> float:
    """How long running calls may take to end after SIGTERM, in seconds: the longest wait for the platform and a margin.

    Whoever stops the process must wait a little longer than this before killing it.
    """
    return settings.platform.send_s_max + DRAIN_MARGIN_S


def serve(settings: Settings, make_wsgi: MakeWsgi, beside: Sequence[Beside] = ()) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Call it from the main thread, before other threads are started.

    Args:
        settings: ``listen``, ``limits`` and the platform's time limits are used.
        make_wsgi: builds the applications; called once, in the process that serves. Where processes are spawned
            rather than forked (Windows) it must be picklable.
        beside: processes that run for as long as this serves; started once the serving process is.

    Raises:
        ListenError: an address cannot be bound or a certificate cannot be read.
        SystemExit: the serving process ended by itself.
    """
    plan = _Plan(settings.listen, settings.limits, drain_s_max(settings))
    for listener in _cheroot_listeners(plan.listen):
        _check(listener)
    try:
        if plan.listen.exchange.tls is not None:
            _serve_here(plan, make_wsgi, beside)
            return
        _check(plan.listen.exchange)
        _serve_with_granian(plan, make_wsgi, beside)
    finally:
        for process in beside:
            process.close()


class HisSide:
    """The WSGI application of the HIS side: bodies are taken off the wire, then ``listen.threads`` at a time are read.

    What is done with a call once it has been read, and how many of them, is the reception's to say.

    The administration paths are served here only when they have no listener of their own, and never wait for a place:
    a slow platform must not make the gateway look dead.
    """

    def __init__(self, apps: Apps, listen: Listen, limits: Limits) -> None:
        self._apps = apps
        self._admin_paths = ADMIN_PATHS if listen.admin is None else ()
        self._limits = limits
        self._places = threading.Semaphore(listen.threads)
        self._count = threading.Lock()
        self._running = 0

    @property
    def running(self) -> int:
        """Calls whose body is complete and whose answer is not."""
        return self._running

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if PLATFORM_SIDE not in environ and self._administration(str(environ.get("PATH_INFO"))):
            return self._apps.admin(environ, start_response)
        fetch_body(environ, self._limits)
        self._add(1)
        try:
            with self._reading():
                return self._apps.exchange(environ, start_response)
        finally:
            self._add(-1)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold a place until the request has been read, at the latest until it is answered."""
        self._places.acquire()
        leave = _Once(self._places.release)
        READ.set(leave)
        try:
            yield
        finally:
            leave()

    def _administration(self, path: str) -> bool:
        return path in self._admin_paths or (bool(self._admin_paths) and path.startswith(ADMIN_PREFIXES))

    def _add(self, change: int) -> None:
        with self._count:
            self._running += change


class _Once:
    """Calls what it was given the first time it is called itself."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then

    def __call__(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


def _cheroot_listeners(listen: Listen) -> list[Listener]:
    first = [listen.exchange] if listen.exchange.tls is not None else []
    return [*first, *listen.more, *filter(None, (listen.callback, listen.admin))]


def of_the_platform(app: WSGIApplication) -> WSGIApplication:
    """What comes in at the platform's own listener says so to the router."""

    def marked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[PLATFORM_SIDE] = True
        return app(environ, start_response)

    return marked


def _check(listener: Listener) -> None:
    """Fail before anything is started, and in words; granian's SO_REUSEPORT would let two gateways share a port."""
    try:
        family = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((listener.host, listener.port))
            probe.listen(1)
    except OSError as error:
        raise ListenError(f"无法监听 {listener.address}：{error.strerror or error}") from error
    if listener.tls is not None:
        tls_context(listener.tls)


@contextlib.contextmanager
def listening_socket(listener: Listener, backlog: int) -> Iterator[socket.socket]:
    """A socket that listens, for a server that takes one. Raises :class:`ListenError`, also for a wrong certificate."""
    _check(listener)
    family = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM)[0][0]
    with socket.create_server((listener.host, listener.port), family=family, backlog=backlog) as sock:
        _keep_alive(sock)
        yield sock


# ------------------------------------------------------------------ granian


# granian's loggers hand on to ours; "incremental" keeps it from closing the handlers that are already set up
_GRANIAN_LOGGING: dict[str, Any] = {"incremental": True, "handlers": {}, "loggers": {}}


def _serve_with_granian(plan: _Plan, make_wsgi: MakeWsgi, beside: Sequence[Beside]) -> None:
    exchange = plan.listen.exchange
    server = _Granian(
        "yibao",
        address=exchange.host,
        port=exchange.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=plan.limits.calls_max + READER_THREADS,
        http=HTTPModes.http1,
        websockets=False,
        backlog=plan.listen.backlog,
        backpressure=CONNECTIONS_MAX,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_READ_S_MAX * 1000, max_buffer_size=HEADER_BYTES_MAX, keep_alive=True
        ),
        log_dictconfig=_GRANIAN_LOGGING,
        log_level=LogLevels.error,  # below, it only finds that there are many threads, which are a setting here
        workers_kill_timeout=int(plan.drain_s_max) + DRAIN_MARGIN_S,
    )
    server.beside = beside
    running = _Running(plan, make_wsgi)
    server.serve(spawn_target=partial(_granian_worker, running), target_loader=running.load, wrap_loader=False)


class _Granian(Granian):  # type: ignore[misc]  # granian is not analysed
    """Granian on a socket of ours.

    It would bind with SO_REUSEPORT, so that a second gateway could start on the same port unnoticed, and without
    keepalive, so that a peer that vanished while sending would hold its thread for ever. Accepted connections
    inherit keepalive from the listening socket.
    """

    beside: Sequence[Beside] = ()

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """What runs beside is watched by threads, so it starts after the worker has been forked."""
        super().startup(spawn_target, target_loader)
        for process in self.beside:
            process.start()

    def shutdown(self, exit_code: int = 0) -> None:
        """What only reads the store leaves it first: the last to leave a SQLite file tidies it up, and must be a writer."""
        for process in self.beside:
            process.begin_stop()
        super().shutdown(exit_code)

    def _init_shared_socket(self) -> None:
        family = socket.getaddrinfo(self.bind_addr, self.bind_port, type=socket.SOCK_STREAM)[0][0]
        self._sso = socket.create_server((self.bind_addr, self.bind_port), family=family, backlog=self.backlog)
        self._sso.set_inheritable(True)
        _keep_alive(self._sso)
        self._ssp = None
        self._shd = SocketHolder(self._sso.fileno(), False, self.backlog)
        self._sfd = self._sso.fileno()


def _keep_alive(sock: socket.socket) -> None:
    """Notice a vanished peer after about two minutes instead of the system's two hours."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _granian_worker(running: _Running, *args: Any) -> None:
    """The worker of granian with our end around it; runs in the worker process."""
    with running.until_stopped():
        Granian._spawn_wsgi_worker(*args)


# ------------------------------------------------------- the serving process


class _Running:
    """The applications and the cheroot listeners of one process, from start to close.

    Until :meth:`load` this is only a plan and can be pickled; everything live is created in the serving process.
    """

    def __init__(self, plan: _Plan, make_wsgi: MakeWsgi) -> None:
        self.plan = plan
        self._make_wsgi = make_wsgi
        self._apps: Apps | None = None
        self._his_side: HisSide | None = None
        self._servers: list[HttpServer] = []

    def load(self) -> WSGIApplication:
        """Build the applications, open every cheroot listener, and return what the exchange listener serves."""
        _raise_open_files()
        self._apps = self._make_wsgi()
        self._his_side = HisSide(self._apps, self.plan.listen, self.plan.limits)
        for listener in _cheroot_listeners(self.plan.listen):
            is_admin = listener is self.plan.listen.admin
            server = HttpServer(
                listener,
                self._apps.admin if is_admin else self._app_of(listener, self._his_side),
                self.plan.limits,
                threads=ADMIN_THREADS if is_admin else self.plan.limits.calls_max + READER_THREADS,
                backlog=self.plan.listen.backlog,
            )
            self._servers.append(server)
            server.start()
        return self._his_side

    def _app_of(self, listener: Listener, his_side: HisSide) -> WSGIApplication:
        return of_the_platform(his_side) if listener is self.plan.listen.callback else his_side

    @contextlib.contextmanager
    def until_stopped(self) -> Iterator[None]:
        """Around the serving: whatever ends it, the cheroot listeners drain and the applications are closed."""
        ended = threading.Event()
        try:
            with _wakeups() as wakeups:
                threading.Thread(target=self._supervise, args=(wakeups, ended), name="drain", daemon=True).start()
                try:
                    yield
                finally:
                    self._stop_servers(time.monotonic() + self.plan.drain_s_max)
                    self._close_apps()
        finally:
            ended.set()

    def _supervise(self, wakeups: socket.socket, ended: threading.Event) -> None:
        """Wait for the signal to stop, then see to it that the end comes in time.

        A call that does not end is given up: the applications are closed and the process leaves.
        """
        with wakeups:
            self._drain(wakeups, ended)

    def _drain(self, wakeups: socket.socket, ended: threading.Event) -> None:
        parent = multiprocessing.parent_process()
        if not _stop_asked(wakeups, parent.sentinel if parent is not None else None):
            _ask_to_stop()
        log.info("draining", limit_s=self.plan.drain_s_max)
        for server in self._servers:
            server.begin_stop()
        running = self._wait_for_calls(ended)
        if not ended.is_set():
            log.log(logging.ERROR if running else logging.WARNING, "drain_given_up", calls_running=running)
            self._close_apps()
            logging.shutdown()
            os._exit(1 if running else 0)

    def _wait_for_calls(self, ended: threading.Event) -> int:
        """Until everything has ended, or only silent connections are left, or time is up; the calls still running."""
        deadline = time.monotonic() + self.plan.drain_s_max
        quiet_since = time.monotonic()
        while not ended.wait(0.1):
            now = time.monotonic()
            running = self._his_side.running if self._his_side is not None else 0
            if running:
                quiet_since = now
            if now > deadline or now - quiet_since > SILENT_S_MAX:
                return running
        return 0

    def _stop_servers(self, deadline: float) -> None:
        for server in self._servers:
            server.begin_stop()
        for server in self._servers:
            server.join(max(deadline - time.monotonic(), 0))

    def _close_apps(self) -> None:
        apps, self._apps = self._apps, None
        if apps is not None:
            apps.close()


def _serve_here(plan: _Plan, make_wsgi: MakeWsgi, beside: Sequence[Beside]) -> None:
    """Every listener is cheroot: no worker process is needed, the main thread only waits."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = _Running(plan, make_wsgi)
    with running.until_stopped():
        running.load()
        for process in beside:
            process.start()
        while not stop.wait(1):  # Windows delivers no signal to a thread that waits without end
            pass
        for process in beside:
            process.begin_stop()


@contextlib.contextmanager
def _wakeups() -> Iterator[socket.socket]:
    """A socket that gets one byte per signal, whoever handles the signal itself (granian installs its own handlers)."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield receiver
    finally:
        signal.set_wakeup_fd(before)
        sender.close()


def _stop_asked(wakeups: socket.socket, parent: int | None) -> bool:
    """Wait; True when a signal asks to stop (or serving ended), False when the parent process has died."""
    while True:
        ready = multiprocessing.connection.wait([wakeups] if parent is None else [wakeups, parent])
        if wakeups not in ready:
            return False
        received = wakeups.recv(1)
        if not received or received[0] in (signal.SIGTERM, signal.SIGINT):
            return True


def _ask_to_stop() -> None:
    """Run the main thread's SIGTERM handler; on POSIX the signal must reach that thread to wake it from its wait."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)


def _raise_open_files() -> None:
    """A connection is an open file, and the usual soft limit of 1024 is less than what we mean to hold."""
    if os.name == "posix":
        import resource  # does not exist on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# ------------------------------------------------------------------ cheroot


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
        self._server.ssl_adapter = TlsAdapter(listener.tls) if listener.tls is not None else None
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


# ---------------------------------------------------------------------- tls

_MINIMUM = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The server side of one listener.

    Below 1.2 OpenSSL must also be told to allow the algorithms of that time (``@SECLEVEL=0``).

    Raises:
        ListenError: the certificate or its key cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that 1.0 and 1.1 are old is why they are a setting
        context.minimum_version = _MINIMUM[tls.minimum]
    if tls.minimum in ("1.0", "1.1"):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # an encrypted key would otherwise ask for its passphrase on the terminal
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise ListenError(f"证书 {tls.certificate} 与私钥 {tls.key} 不可用：{reason}") from error
    return context


def _marks(tls: Tls) -> list[tuple[int, int, int] | None]:
    """What changes when a file is replaced, also when a link is pointed elsewhere."""
    found: list[tuple[int, int, int] | None] = []
    for path in (tls.certificate, tls.key):
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return found


class TlsAdapter(Adapter):
    """Wraps accepted connections; looks at the certificate files at each one and takes up what has changed.

    A pair that cannot be used (half replaced, broken, gone) leaves the old one in force and is logged once.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._seen = _marks(tls)
        self.context = tls_context(tls)

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def get_environ(self) -> dict[str, str]:
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: socket.socket, mode: str = "rb", bufsize: int = io.DEFAULT_BUFFER_SIZE) -> Any:
        return _makefile(sock, mode, bufsize)

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        self._take_up_changes()
        try:
            wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise FatalSSLAlert(*error.args) from error
        return wrapped, self.get_environ()

    def _take_up_changes(self) -> None:
        marks = _marks(self._tls)
        if marks == self._seen:
            return
        self._seen = marks
        try:
            # a new context, never the live one: OpenSSL forgets the old key when only half of a pair fits
            self.context = tls_context(self._tls)
        except ListenError as error:
            log.warning("certificate_kept", certificate=str(self._tls.certificate), reason=str(error))
        else:
            log.info("certificate_replaced", certificate=str(self._tls.certificate))
