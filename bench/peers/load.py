"""A closed loop over connections that are kept: one thread that waits for nobody, so that the server is what is busy.

Python's own HTTP client takes longer for a small call than the server does. A server that is asked by it is woken for each
call, and what is counted is mostly falling asleep and waking up.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final

ANSWER_S_MAX: Final = 120.0
_RECEIVED_AT_ONCE: Final = 256 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class NotAnswered(RuntimeError):
    """A call failed; nothing that was measured counts."""


def posting(path: str, body: bytes) -> bytes:
    """The bytes of one POST of a SOAP 1.1 envelope in UTF-8."""
    head = (
        f'POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: ""\r\n'
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(port: int, request: bytes, success: bytes, callers: int, calls: int) -> None:
    """Have ``request`` answered.

    Args:
        success: stands in every answer.
        callers: connections at once.
        calls: of each caller.

    Raises:
        NotAnswered: as :func:`ask_each`.
    """
    ask_each(port, [repeat(request, calls) for _ in range(callers)], success)


def ask_each(port: int, requests: Sequence[Iterable[bytes]], success: bytes) -> None:
    """Have the requests of each caller answered, one after the other.

    Args:
        requests: of each caller, one at least; then it hangs up, since some servers turn to the next only then.
        success: stands in every answer.

    Raises:
        NotAnswered: an answer without success, a connection that broke, or none for :data:`ANSWER_S_MAX`.
    """
    with selectors.DefaultSelector() as ready:
        running = [_Caller(port, iter(those), success, ready) for those in requests]
        try:
            deadline = time.monotonic() + ANSWER_S_MAX
            while ready.get_map():
                events = ready.select(1.0)
                if events:
                    deadline = time.monotonic() + ANSWER_S_MAX
                elif time.monotonic() > deadline:
                    raise NotAnswered(f"no answer for {ANSWER_S_MAX:.0f} s")
                for key, _ in events:
                    key.data.go_on()
        finally:
            for caller in running:
                caller.hang_up()


class _Caller:
    """One connection and the call that is on its way over it."""

    def __init__(self, port: int, requests: Iterator[bytes], success: bytes, ready: selectors.BaseSelector) -> None:
        self._port = port
        self._requests = requests
        self._request = next(requests)
        self._success = success
        self._ready = ready
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_S_MAX)
        self._socket.setblocking(False)
        self._ready.register(self._socket, selectors.EVENT_WRITE, self)
        self._call()

    def _call(self) -> None:
        self._unsent = memoryview(self._request)
        self._received = b""

    def hang_up(self) -> None:
        """Close the connection; again does no harm."""
        if self._socket.fileno() >= 0:
            self._ready.unregister(self._socket)
            self._socket.close()

    def go_on(self) -> None:
        """Send or receive as much as goes at once."""
        if self._unsent:
            self._send()
        else:
            self._receive()

    def _send(self) -> None:
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if not self._unsent:
            self._ready.modify(self._socket, selectors.EVENT_READ, self)

    def _receive(self) -> None:
        part = self._socket.recv(_RECEIVED_AT_ONCE)
        self._received += part
        head, found, body = self._received.partition(b"\r\n\r\n")
        if part and not (found and _is_whole(head, body)):
            return
        if b" 200" not in head[:16] or self._success not in body:
            raise NotAnswered(self._received[:300].decode(errors="replace"))
        following = next(self._requests, None)
        if following is None:
            self.hang_up()
            return
        self._request = following
        if not part or _CLOSES.search(head):
            self.hang_up()
            self._connect()
        else:
            self._call()
            self._send_at_once()

    def _send_at_once(self) -> None:
        """A small call fits into the socket; waiting to hear so costs as much as sending."""
        self._unsent = self._unsent[self._socket.send(self._unsent) :]
        if self._unsent:
            self._ready.modify(self._socket, selectors.EVENT_WRITE, self)


def _is_whole(head: bytes, body: bytes) -> bool:
    length = _LENGTH.search(head)
    if length is not None:
        return len(body) >= int(length[1])
    return _CHUNKED.search(head) is not None and body.endswith(b"0\r\n\r\n")
