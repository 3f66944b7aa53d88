"""The ``_api_*`` headers of Hunan, Jiangxi, Jiangsu: HMAC-SHA1 over the header values; the body is not signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping

from adapters.settlement.signing._text import header_text


def api_signature(access_key: str, secret_key: str, name: str, timestamp: str, version: str) -> str:
    """``Base64(HMAC-SHA1(secret_key, "_api_access_key=..&_api_name=..&_api_timestamp=..&_api_version=.."))``.

    Args:
        access_key, secret_key: issued by the province.
        name: of the service; the transaction.
        timestamp: Unix time in milliseconds, as text.
        version: of the service.
    """
    text = f"_api_access_key={access_key}&_api_name={name}&_api_timestamp={timestamp}&_api_version={version}"
    return base64.b64encode(hmac.new(secret_key.encode(), text.encode(), hashlib.sha1).digest()).decode()


class ApiHeaderSigner:
    """Signs with the access key that the province issued.

    Args:
        access_key: travels as a header.
        secret_key: never leaves this object.
        version: ``_api_version``; 1.0.0 in Hunan.
        clock: Unix time in seconds. The gateway refuses what is 30 minutes off.

    Raises:
        ValueError: a key is missing, or cannot be written as a header.
    """

    def __init__(
        self, access_key: str, secret_key: str, version: str = "1.0.0", *, clock: Callable[[], float] = time.time
    ) -> None:
        if not secret_key:
            raise ValueError("缺少 _api_* 签名的密钥（secret_key）")
        self._access_key = header_text(access_key, " _api_access_key ")
        self._secret_key = secret_key
        self._version = header_text(version, " _api_version ")
        self._clock = clock
        self._guard = threading.Lock()
        self._last_ms = 0

    def __repr__(self) -> str:
        return f"ApiHeaderSigner({self._access_key!r})"

    def headers(self, infno: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """The five ``_api_*`` headers, new for every request."""
        timestamp = str(self._moment_ms())
        return {
            "_api_name": infno,
            "_api_version": self._version,
            "_api_timestamp": timestamp,
            "_api_access_key": self._access_key,
            "_api_signature": api_signature(self._access_key, self._secret_key, infno, timestamp, self._version),
        }

    def _moment_ms(self) -> int:
        """No two requests carry the same millisecond: there is no nonce, so a second one would look like a replay."""
        with self._guard:
            now = int(self._clock() * 1000)
            # after a step back of the clock the true time counts again
            self._last_ms = self._last_ms + 1 if now <= self._last_ms < now + 1000 else now
            return self._last_ms
