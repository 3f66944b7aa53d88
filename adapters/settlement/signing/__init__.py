"""How a province wants a request to prove who sent it: one small module per family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Signer(Protocol):
    """Adds what the province's front gateway checks; it never touches the body."""

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:
        """The HTTP headers that sign this one request; called just before the first byte leaves."""
        ...
