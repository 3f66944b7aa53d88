"""One deadline for a whole answer: a socket timeout alone restarts with every byte that drips in."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from typing import cast

SEND_BYTES = 16 * 1024
"""One TLS record; the deadline is looked at between two of them."""


SLACK_S = 0.05
"""A deadline may be seen so much late."""


class Deadline:
    """A moment in the future. ``seconds`` is kept for messages."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def arm(self, sock: socket.socket) -> None:
        """Let the next operation on ``sock`` wait for what is left. Raises TimeoutError when nothing is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        armed = sock.gettimeout()
        # each change is a call to the system, and lets another thread go first
        if armed is None or not 0 <= armed - left <= SLACK_S:
            sock.settimeout(left)


def paced(body: bytes, sock: socket.socket, deadline: Deadline) -> Iterator[memoryview]:
    """``body`` in pieces, each sent within the deadline: a peer that reads slowly cannot hold us longer."""
    view = memoryview(body)
    for start in range(0, len(body), SEND_BYTES):
        deadline.arm(sock)
        yield view[start : start + SEND_BYTES]


class _Source(io.RawIOBase):
    """The receiving half of a socket, each read within the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        # makefile counts references: http.client closes the socket object before the body of a last answer is read
        self._file = cast(io.RawIOBase, sock.makefile("rb", buffering=0))
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]  # BufferedReader gives no other
        if self.ended:
            return 0
        self._deadline.arm(self._sock)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class AnswerReader(io.BufferedReader):
    """What ``http.client`` reads an answer from. ``leftover``: bytes came that belong to no answer."""

    def __init__(self, source: _Source) -> None:
        super().__init__(source, 64 * 1024)
        self._source = source
        self.leftover = False

    def close(self) -> None:
        if not self.closed:
            self._source.ended = True
            self.leftover = bool(self.peek(1))
        super().close()


class TimedSocket:
    """Stands where ``http.client.HTTPResponse`` expects a socket and hands out the timed reader."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.reader = AnswerReader(_Source(sock, deadline))

    def makefile(self, mode: str) -> AnswerReader:
        if mode != "rb":
            raise ValueError(f"answers are read, not {mode!r}")
        return self.reader
