"""The bytes of one HTTP request, whole or refused: length, size, time and compression are bounded.

Refused bodies are drained as far as is reasonable, because a client that is still writing when the answer comes
sees a broken pipe instead of the answer.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from gateway.faults import LENGTH_WRONG, PAYLOAD_WRONG, TOO_LARGE, Unreadable
from gateway.settings import Limits

DRAIN_BYTES_MAX = 256 * 1024 * 1024
"""How much of a body that is too large is read and thrown away, within ``limits.body_read_s_max``."""
CHUNK_BYTES = 64 * 1024
_FETCHED = "yibao.body"


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


def fetch_body(environ: dict[str, Any], limits: Limits) -> None:
    """Take the body off the connection now; what was wrong with it is said by :func:`read_body`.

    The listeners call this before a call takes one of the places of ``listen.threads``, so that slow senders wait
    among themselves.
    """
    environ[_FETCHED] = _fetched(environ, limits)


def read_body(environ: Mapping[str, Any], limits: Limits) -> bytes:
    """Read the request body of a WSGI call, decompressed.

    ``limits.body_read_s_max`` is looked at between reads: WSGI cannot interrupt a read. The cheroot listeners bound
    each read on the socket too; under granian a sender that is silent but alive keeps its thread (not its place)
    until it hangs up.

    Args:
        environ: WSGI environ; read are ``wsgi.input``, ``CONTENT_LENGTH``, ``HTTP_CONTENT_ENCODING``.
        limits: ``body_bytes_max`` bounds the bytes on the wire and, once more, the decompressed bytes.

    Raises:
        Unreadable: ``LENGTH_WRONG`` (not a number, fewer bytes than announced, not complete in time), ``TOO_LARGE``,
            ``PAYLOAD_WRONG`` (a Content-Encoding other than gzip, or broken gzip). ``received`` holds what came.
    """
    body: _Body = environ.get(_FETCHED) or _fetched(environ, limits)
    try:
        return _decoded(body.result(), str(environ.get("HTTP_CONTENT_ENCODING", "")), limits.body_bytes_max)
    except Unreadable as fault:
        fault.received = body.received
        raise


def _fetched(environ: Mapping[str, Any], limits: Limits) -> _Body:
    body = _Body(environ["wsgi.input"], limits.body_bytes_max, time.monotonic() + limits.body_read_s_max)
    body.read(environ)
    return body


def _announced(environ: Mapping[str, Any]) -> int | None:
    """The Content-Length; None when chunked; 0 when there is neither, for then there is no body."""
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        return None
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        # a server that decoded the chunks itself may have dropped the header; then its input ends by itself
        return None if environ.get("wsgi.input_terminated") else 0
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Unreadable(LENGTH_WRONG, f"Content-Length 为 {text[:40]!r}")
    return int(text)


class _Body:
    """One body as far as it came; :meth:`result` says what became of it."""

    def __init__(self, source: _Input, bytes_max: int, deadline: float) -> None:
        self._source = source
        self._bytes_max = bytes_max
        self._deadline = deadline
        self._announced: int | None = None
        self._parts: list[bytes] = []
        self._received = 0
        self._fault: Unreadable | None = None

    def read(self, environ: Mapping[str, Any]) -> None:
        try:
            self._announced = _announced(environ)
            self._read()
        except Unreadable as fault:
            self._fault = fault
        except Exception as error:  # whatever the server raises: the connection broke, or its chunks are no chunks
            self._fault = Unreadable(LENGTH_WRONG, f"接收报文时连接中断，已收 {self._received} 字节")
            self._fault.__cause__ = error

    def _read(self) -> None:
        wanted = self._bytes_max + DRAIN_BYTES_MAX if self._announced is None else self._announced
        if wanted > self._bytes_max + DRAIN_BYTES_MAX:
            return  # nobody waits for that much; the answer goes out at once
        while self._received < wanted:
            if time.monotonic() > self._deadline:
                raise Unreadable(LENGTH_WRONG, f"没有在时限内收完报文，已收 {self._received} 字节")
            part = self._source.read(min(CHUNK_BYTES, wanted - self._received))
            if not part:
                return
            self._take(part)

    def _take(self, part: bytes) -> None:
        room = self._bytes_max - self._received
        self._received += len(part)
        if room > 0:
            self._parts.append(part[:room])

    @property
    def received(self) -> bytes:
        """What came, up to the size limit."""
        return b"".join(self._parts)

    def result(self) -> bytes:
        if max(self._received, self._announced or 0) > self._bytes_max:
            raise Unreadable(TOO_LARGE, f"上限为 {self._bytes_max} 字节")
        if self._fault is not None:
            raise self._fault
        if self._announced is not None and self._received < self._announced:
            raise Unreadable(LENGTH_WRONG, f"Content-Length 为 {self._announced}，只收到 {self._received} 字节")
        return self.received


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
