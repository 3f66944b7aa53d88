"""Connections to one platform: opened apart from sending, so that "was anything sent" is never a guess."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import Url

from gateway.exchange.ports import NotSent

CONNECT_ERRORS = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""All that opening a connection can raise; ValueError covers host names that cannot be encoded."""


class Line:
    """One connection. ``reused``: it has carried an answer before."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.http = connection
        self.reused = False
        self.reusable = False
        """Set by who read a whole answer and nothing beyond it; else the connection is closed."""
        self.kept_by_peer_s = float("inf")
        """How long the peer said it keeps an idle connection."""
        self._stale_at = 0.0

    def rest(self, idle_s_max: float) -> None:
        """Note that it may wait for its next request: a second less than the peer would, at most ``idle_s_max``."""
        self.reused, self.reusable = True, False
        self._stale_at = time.monotonic() + min(idle_s_max, self.kept_by_peer_s - 1)

    @property
    def stale(self) -> bool:
        """Idle for too long."""
        return time.monotonic() >= self._stale_at

    @property
    def fresh(self) -> bool:
        """Not idle for too long, not closed by the peer, and no stray byte waiting."""
        return not self.stale and self.http.is_connected

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate that the other side showed ends; None without TLS."""
        line = self.http.sock
        shown = line.getpeercert() if isinstance(line, ssl.SSLSocket) else None
        if not shown:
            return None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)

    def close(self) -> None:
        with suppress(OSError, ValueError):  # http.client flushes an answer whose reader is closed already
            self.http.close()


class Lines:
    """Opens, lends and keeps connections to one host.

    Args:
        url: scheme, host and port of the platform.
        tls: context for https, None for http.
        connect_timeout_s: for the TCP connect to each address, and again for the TLS handshake.
        idle_s_max: longer than this an idle connection is not used again; 0 keeps none.
        size: connections at the same time; the next caller waits up to ``connect_timeout_s``.
    """

    def __init__(
        self, url: Url, tls: ssl.SSLContext | None, *, connect_timeout_s: float, idle_s_max: float, size: int
    ) -> None:
        self._host = cast(str, url.host).strip("[]")
        self._port = url.port
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._idle_s_max = idle_s_max
        self._seats = threading.BoundedSemaphore(size)
        self._guard = threading.Lock()
        self._size = size
        self._idle: deque[Line] = deque()
        """The one that has waited longest first."""
        self._closed = False

    @contextmanager
    def lend(self, *, alone: bool = False) -> Iterator[Line]:
        """A connected line; afterwards it is kept when marked ``reusable``, closed otherwise.

        Args:
            alone: never one that has carried an answer before.

        Raises:
            NotSent: no connection could be made, all are busy, or the platform was closed.
        """
        if not self._seats.acquire(timeout=self._connect_timeout_s):
            raise NotSent("到平台的连接全部占用，请求没有发出")
        try:
            line = (None if alone else self._kept()) or self.open(self._connect_timeout_s)
            try:
                yield line
            finally:
                self._take_back(line)
        finally:
            self._seats.release()

    def open(self, timeout_s: float) -> Line:
        """A new connected line. Raises :class:`NotSent` with the reason."""
        if self._closed:
            raise NotSent("到平台的通道已关闭")
        connection = self._connection(timeout_s)
        connection.auto_open = 0  # a line that is gone must never be opened again behind our back
        try:
            connection.connect()
        except CONNECT_ERRORS as error:
            connection.close()
            raise NotSent(self._why_not(error, timeout_s)) from error
        return Line(connection)

    def close(self) -> None:
        """Close idle lines and lend no more; lines that are lent end with their request."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, deque()
        for line in idle:
            line.close()

    def _connection(self, timeout_s: float) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=timeout_s)
        return HTTPSConnection(self._host, self._port, timeout=timeout_s, ssl_context=self._tls)

    def _kept(self) -> Line | None:
        while True:
            with self._guard:
                line = self._idle.pop() if self._idle else None
            if line is None or line.fresh:
                return line
            line.close()

    def _take_back(self, line: Line) -> None:
        with self._guard:
            keep = line.reusable and not self._closed and self._idle_s_max > 0
            if keep:
                line.rest(self._idle_s_max)
                self._idle.append(line)
            spare = self._spare()
        for one in spare if keep else (*spare, line):
            one.close()

    def _spare(self) -> list[Line]:
        """Lines that nobody will take: each request that must go alone leaves one more than it found."""
        spare = []
        while self._idle and (len(self._idle) > self._size or self._idle[0].stale):
            spare.append(self._idle.popleft())
        return spare

    def _why_not(self, error: Exception, timeout_s: float) -> str:
        where = f"{self._host}:{self._port or (443 if self._tls else 80)}"
        if isinstance(error, NameResolutionError):
            return f"域名无法解析：{self._host}"
        if isinstance(error, (ConnectTimeoutError, TimeoutError)):
            return f"连接 {where} 超过 {timeout_s:g} 秒未建立"
        if isinstance(error, NewConnectionError):
            return f"无法连接 {where}：{_cause(error)}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{where} 的证书不可信：{error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return f"与 {where} 的 TLS 握手失败：{error.reason or error}"
        return f"无法连接 {where}：{_cause(error)}"


def _cause(error: BaseException) -> str:
    """The operating system's words, without the object addresses that urllib3 puts around them."""
    inner = error.__cause__ or error
    return getattr(inner, "strerror", None) or type(inner).__name__
