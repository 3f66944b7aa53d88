"""A key in a header (Inner Mongolia): whoever has it may call; neither time nor body is signed."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.settlement.signing._text import header_text


class ApiKeySigner:
    """Sends the key that the province issued.

    Args:
        key: never shown.
        header: its name; ``apikey`` in Inner Mongolia.

    Raises:
        ValueError: key or name cannot be written as a header.
    """

    def __init__(self, key: str, header: str = "apikey") -> None:
        if not header or not header.replace("-", "").replace("_", "").isalnum() or not header.isascii():
            raise ValueError(f"密钥头的名称不能是 {header!r}")
        self._headers = {header: header_text(key, "接口密钥（apikey）")}

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """The key."""
        return self._headers
