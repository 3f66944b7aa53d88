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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from cheroot import errors as cheroot_errors
from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Gateway_10, Server
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.http import HTTP1Settings

from gateway.http_body import INPUT_IS_TIMED
from gateway.settings import Limits, Listen, Listener, Settings, Tls

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger("listeners")

ADMIN_PATHS = ("/healthz", "/readyz", "/metrics")
HEADER_BYTES_MAX = 64 * 1024
HEADER_READ_S_MAX = 20
"""The request line and all headers must be in by then, however often a byte arrives."""
IDLE_S_MAX = 60
"""A kept-alive connection without a request is closed after this."""
CONNECTIONS_MAX = 8192
"""Connections granian holds at once; each waits for a thread or is idle. Further ones wait in the backlog."""
DRAIN_MARGIN_S = 10


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
    return settings.platform.connect_timeout_s + settings.platform.read_timeout_s + DRAIN_MARGIN_S


def serve(settings: Settings, make_wsgi: MakeWsgi) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Call it from the main thread, before other threads are started.

    Args:
        settings: ``listen``, ``limits`` and the platform's time limits are used.
        make_wsgi: builds the applications; called once, in the process that serves. Where processes are spawned
            rather than forked (Windows) it must be picklable.

    Raises:
        ListenError: an address cannot be bound or a certificate cannot be read.
        SystemExit: the serving process ended by itself.
    """
    plan = _Plan(settings.listen, settings.limits, drain_s_max(settings))
    for listener in _cheroot_listeners(plan.listen):
        _check(listener)
    if plan.listen.exchange.tls is not None:
        _serve_here(plan, make_wsgi)
        return
    _check(plan.listen.exchange)
    _serve_with_granian(plan, make_wsgi)


def exchange_app(apps: Apps, listen: Listen) -> WSGIApplication:
    """What the HIS side sees: the administration paths only when they have no listener of their own."""
    if listen.admin is not None:
        return apps.exchange

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen = apps.admin if environ.get("PATH_INFO") in ADMIN_PATHS else apps.exchange
        return chosen(environ, start_response)

    return app


def _cheroot_listeners(listen: Listen) -> list[Listener]:
    first = [listen.exchange] if listen.exchange.tls is not None else []
    return [*first, *listen.more, *([listen.admin] if listen.admin is not None else [])]


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


# ------------------------------------------------------------------ granian


def _serve_with_granian(plan: _Plan, make_wsgi: MakeWsgi) -> None:
    exchange = plan.listen.exchange
    server = Granian(
        "yibao",
        address=exchange.host,
        port=exchange.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=plan.listen.threads,
        http=HTTPModes.http1,
        websockets=False,
        backlog=plan.listen.backlog,
        backpressure=CONNECTIONS_MAX,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_READ_S_MAX * 1000, max_buffer_size=HEADER_BYTES_MAX, keep_alive=True
        ),
        log_enabled=False,
        workers_kill_timeout=int(plan.drain_s_max) + DRAIN_MARGIN_S,
    )
    running = _Running(plan, make_wsgi)
    server.serve(spawn_target=partial(_granian_worker, running), target_loader=running.load, wrap_loader=False)


def _granian_worker(running: _Running, *args: Any) -> None:
    """granian's own worker with our start and end around it; runs in the worker process."""
    with running.until_stopped():
        Granian._spawn_wsgi_worker(*args)


# ------------------------------------------------------- the serving process


class _Running:
    """The applications and the cheroot listeners of one process, from start to close.

    Everything is created in the serving process; until then this is only a plan and can be pickled.
    """

    def __init__(self, plan: _Plan, make_wsgi: MakeWsgi) -> None:
        self._plan = plan
        self._make_wsgi = make_wsgi
        self._apps: Apps | None = None
        self._servers: list[HttpServer] = []
