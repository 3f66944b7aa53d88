"""What stands between a server and the gateway's applications: bodies off the wire, so many at a time, and who is whose."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.http.body import fetch_body
from gateway.http.reception import PLATFORM_SIDE, READ
from gateway.settings import Limits, Listen

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADMIN_PATHS: Final = ("/healthz", "/readyz", "/metrics")
ADMIN_PREFIX: Final = "/-/"
"""What the operator's command and the console ask for; :class:`gateway.http.admin.Admin` sees to who may."""


@dataclass(frozen=True, slots=True)
class Apps:
    """What is served. ``close`` runs once, after the last call has ended or was given up."""

    exchange: WSGIApplication
    admin: WSGIApplication
    close: Callable[[], None]


class HisSide:
    """The WSGI application of the HIS side: bodies are taken off the wire, then ``listen.threads`` at a time are read.

    What is done with a call once it has been read, and how many of them, is the reception's to say.

    The administration paths are served here only when they have no listener of their own, and never wait for a place:
    a slow platform must not make the gateway look dead.
    """

    def __init__(self, apps: Apps, listen: Listen, limits: Limits) -> None:
        self._apps = apps
        self._administers = listen.admin is None
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
        return self._administers and (path in ADMIN_PATHS or path.startswith(ADMIN_PREFIX))

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


def of_the_platform(app: WSGIApplication) -> WSGIApplication:
    """What comes in at the platform's own listener says so to the router."""

    def marked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[PLATFORM_SIDE] = True
        return app(environ, start_response)

    return marked
