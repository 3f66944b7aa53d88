"""The bytes of one HTTP request, whole or refused: length, size, time and compression are bounded.

Refused bodies are drained as far as is reasonable, because a client that is still writing when the answer comes
sees a broken pipe instead of the answer.
"""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.faults import LENGTH_WRONG, PAYLOAD_WRONG, TOO_LARGE, Unreadable
from gateway.settings import Limits

DRAIN_BYTES_MAX = 256 * 1024 * 1024
"""How much of a body that is too large is read and thrown away, within ``limits.body_read_s_max``."""
CHUNK_BYTES = 64 * 1024
INPUT_IS_TIMED = "yibao.input_is_timed"
"""Set in the environ by a server whose ``wsgi.input`` itself stops at a deadline; then no helper thread is needed."""


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(environ: Mapping[str, Any], limits: Limits) -> bytes:
    """Read the request body of a WSGI call, decompressed.

    A WSGI read cannot be interrupted. Where the server does not bound it, it is done in a helper thread: after
    ``limits.body_read_s_max`` the caller gets its answer and the call's own thread is free; the helper stays behind
    until the connection ends. That is one idle thread per stalled connection.

    Args:
        environ: WSGI environ; read are ``wsgi.input``, ``CONTENT_LENGTH``, ``HTTP_CONTENT_ENCODING``.
        limits: ``body_bytes_max`` bounds the bytes on the wire and, once more, the decompressed bytes.

    Raises:
        Unreadable: ``LENGTH_WRONG`` (not a number, fewer bytes than announced, not complete in time), ``TOO_LARGE``,
            ``PAYLOAD_WRONG`` (a Content-Encoding other than gzip, or broken gzip).
    """
    announced = _announced(environ)
    if announced == 0:
        return b""
    source: _Input = environ["wsgi.input"]
    body = _Body(source, announced, limits.body_bytes_max, time.monotonic() + limits.body_read_s_max)
    if environ.get(INPUT_IS_TIMED):
        body.read()
    elif not _helpers.run(body.read, limits.body_read_s_max):
        raise Unreadable(LENGTH_WRONG, f"{limits.body_read_s_max:g} 秒内没有收完报文，已收 {body.received} 字节")
    return _decoded(body.result(), str(environ.get("HTTP_CONTENT_ENCODING", "")), limits.body_bytes_max)


def _announced(environ: Mapping[str, Any]) -> int | None:
    """The Content-Length; None when chunked; 0 when there is neither, for then there is no body."""
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        return None
    text = str(environ.get("CONTENT_LENGTH") or environ.get("HTTP_CONTENT_LENGTH") or "").strip()
    if not text:
        # a server that decoded the chunks itself may have dropped the header; then its input ends by itself
        return None if environ.get("wsgi.input_terminated") else 0
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Unreadable(LENGTH_WRONG, f"Content-Length 为 {text[:40]!r}")
    return int(text)


class _Body:
    """One body being read, by whichever thread; :meth:`result` says what became of it."""

    def __init__(self, source: _Input, announced: int | None, bytes_max: int, deadline: float) -> None:
        self._source = source
        self._announced = announced
        self._bytes_max = bytes_max
        self._deadline = deadline
        self._parts: list[bytes] = []
        self._broken: Exception | None = None
        self._too_late = False
        self.received = 0

    def read(self) -> None:
        try:
            self._read()
        except Exception as error:  # whatever the server raises: the connection broke, or its chunks are no chunks
            self._broken = error

    def _read(self) -> None:
        wanted = self._announced if self._announced is not None else self._bytes_max + DRAIN_BYTES_MAX
        if wanted > self._bytes_max + DRAIN_BYTES_MAX:
            return  # nobody waits for that much; the answer goes out at once
        while self.received < wanted:
            if time.monotonic() > self._deadline:
                self._too_late = True
                return
            part = self._source.read(min(CHUNK_BYTES, wanted - self.received))
            if not part:
                return
            self._take(part)

    def _take(self, part: bytes) -> None:
        self.received += len(part)
        if self.received <= self._bytes_max:
            self._parts.append(part)
        else:
            self._parts.clear()

    def result(self) -> bytes:
        if max(self.received, self._announced or 0) > self._bytes_max:
            raise Unreadable(TOO_LARGE, f"上限为 {self._bytes_max} 字节")
        if self._too_late:
            raise Unreadable(LENGTH_WRONG, f"没有在时限内收完报文，已收 {self.received} 字节")
        if self._broken is not None:
            raise Unreadable(LENGTH_WRONG, f"接收报文时连接中断，已收 {self.received} 字节") from self._broken
        if self._announced is not None and self.received < self._announced:
            raise Unreadable(LENGTH_WRONG, f"Content-Length 为 {self._announced}，只收到 {self.received} 字节")
        return b"".join(self._parts)


def _decoded(body: bytes, encoding: str, bytes_max: int) -> bytes:
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        return body
    if kind not in ("gzip", "x-gzip"):
        raise Unreadable(PAYLOAD_WRONG, f"不支持 Content-Encoding {encoding[:40]!r}，只支持 gzip")
    try:
        return _gunzip(body, bytes_max)
    except zlib.error:
        raise Unreadable(PAYLOAD_WRONG, "gzip 正文已损坏") from None


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    """Decompress without ever holding more than the limit; several members follow one another (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    room = bytes_max
    while body:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        part = member.decompress(body, room + 1)
        if len(part) > room:
            raise Unreadable(TOO_LARGE, f"解压后超过上限 {bytes_max} 字节")
        if not member.eof:
            raise Unreadable(PAYLOAD_WRONG, "gzip 正文不完整")
        parts.append(part)
        room -= len(part)
        body = member.unused_data
    return b"".join(parts)


class _Helpers:
    """Daemon threads for work that may never return; idle ones are used again, stuck ones are left behind."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()

    def run(self, job: Callable[[], None], timeout_s: float) -> bool:
        """Whether ``job``, which does not raise, ended in time."""
        done = threading.Event()
        with self._lock:
            reuse = self._idle > 0
            self._idle -= reuse
        if not reuse:
            threading.Thread(target=self._work, name="body-reader", daemon=True).start()
        self._jobs.put((job, done))
        return done.wait(timeout_s)

    def _work(self) -> None:
        while True:
            job, done = self._jobs.get()
            job()
            with self._lock:
                self._idle += 1
            done.set()
            del job, done  # an idle thread must not hold the last body


_helpers = _Helpers()
