"""The x-tif headers of Guangdong and Hebei: SHA-256 over time, secret and nonce; the body is not signed."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping


def tif_signature(timestamp: str, secret: str, nonce: str) -> str:
    """``lowercase_hex(SHA256(timestamp + secret + nonce + timestamp))``, plain concatenation in UTF-8.

    Args:
        timestamp: Unix time in whole seconds, as text.
        secret: issued by the province together with the account.
        nonce: random text, sent beside the signature.
    """
    return hashlib.sha256(f"{timestamp}{secret}{nonce}{timestamp}".encode()).hexdigest()


class TifSigner:
    """Signs with the account (``x-tif-paasid``) and secret that the province issued.

    Args:
        paasid: account; printable ASCII, for it travels as a header.
        secret: never leaves this object.
        upper_case: write the signature in capitals, as some deployments are said to expect.
        clock: Unix time in seconds. The platform refuses a clock that is minutes off.
        nonce: 32 hex digits unless given.

    Raises:
        ValueError: account or secret is missing, or the account cannot be written as a header.
    """

    def __init__(
        self,
        paasid: str,
        secret: str,
        *,
        upper_case: bool = False,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        if not paasid or not secret:
            raise ValueError("x-tif 签名需要账号（paasid）与密钥（secret）")
        if not (paasid.isascii() and paasid.isprintable() and paasid == paasid.strip()):
            raise ValueError("x-tif 账号（paasid）只能是可打印的 ASCII 字符，首尾不含空格")
        self._paasid = paasid
        self._secret = secret
        self._upper_case = upper_case
        self._clock = clock
        self._nonce = nonce

    def __repr__(self) -> str:
        return f"TifSigner({self._paasid!r})"

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """The four ``x-tif-*`` headers, new for every request."""
        timestamp, nonce = str(int(self._clock())), self._nonce()
        signature = tif_signature(timestamp, self._secret, nonce)
        return {
            "x-tif-paasid": self._paasid,
            "x-tif-timestamp": timestamp,
            "x-tif-nonce": nonce,
            "x-tif-signature": signature.upper() if self._upper_case else signature,
        }
