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
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder

from gateway.beside import Beside
from gateway.http import cheroot_server
from gateway.http.cheroot_server import HEADER_BYTES_MAX, HttpServer
from gateway.http.his_side import Apps, HisSide, of_the_platform
from gateway.http.sockets import check_address, keep_alive
from gateway.http.tls import tls_context
from gateway.settings import Limits, Listen, Listener, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger("listeners")

CONNECTIONS_MAX = 8192
"""Connections granian holds at once; each waits for a thread or is idle. Further ones wait in the backlog."""
DRAIN_MARGIN_S = 10
ADMIN_THREADS = 8
READER_THREADS = 64
"""Threads beyond ``limits.calls_max`` that wait for bodies, read them, or say that there are too many calls."""
SILENT_S_MAX = 3
"""After the signal to stop, connections on which no call is running are waited for this long."""
OPEN_FILES = 65536


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


def _check(listener: Listener) -> None:
    check_address(listener)
    if listener.tls is not None:
        tls_context(listener.tls)


def _cheroot_listeners(listen: Listen) -> list[Listener]:
    first = [listen.exchange] if listen.exchange.tls is not None else []
    return [*first, *listen.more, *filter(None, (listen.callback, listen.admin))]


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
            header_read_timeout=cheroot_server.HEADER_READ_S_MAX * 1000,
            max_buffer_size=HEADER_BYTES_MAX,
            keep_alive=True,
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
        keep_alive(self._sso)
        self._ssp = None
        self._shd = SocketHolder(self._sso.fileno(), False, self.backlog)
        self._sfd = self._sso.fileno()


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
