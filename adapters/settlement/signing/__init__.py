"""How a province wants a request to prove who sent it: one small module per family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Signer(Protocol):
    """Adds what the province's front gateway checks; it never touches the body."""

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:
        """The HTTP headers that sign this one request; called right before the connection is taken.

        Raises ``NotSent`` when it cannot sign (no token).
        """
        ...


class Sealer(Protocol):
    """Writes the national envelope as the province wants to read it, and reads its answers back.

    The journal keeps the plain envelope: that is what was sent in the sense of duplicates, doubts and evidence.
    """

    def seal(self, body: bytes) -> bytes:
        """The bytes for the wire. Raises ValueError (Chinese) when they cannot be made; nothing is sent then."""
        ...

    def open(self, body: bytes, answer: bytes) -> bytes:
        """The plain answer in the national envelope.

        Args:
            body: the plain request that was answered.
            answer: as it came.

        Raises:
            ValueError: cannot be opened, or its signature is wrong (Chinese); the platform may have acted.
        """
        ...
