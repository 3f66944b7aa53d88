"""The plain front machine (前置机): the network position is the proof, nothing is signed."""

from __future__ import annotations

from collections.abc import Mapping


class PlainSigner:
    """Adds no header."""

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """No header at all."""
        return {}
