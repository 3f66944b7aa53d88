"""The server side of TLS, and certificates that are replaced while it runs."""

from __future__ import annotations

import ssl
import warnings
from typing import Final

import structlog

from gateway.http.sockets import ListenError
from gateway.settings import Tls

log = structlog.get_logger("listeners")

_MINIMUM: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The server side of one listener.

    Below 1.2 OpenSSL must also be told to allow the algorithms of that time (``@SECLEVEL=0``).

    Raises:
        ListenError: the certificate or its key cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that 1.0 and 1.1 are old is why they are a setting
        context.minimum_version = _MINIMUM[tls.minimum]
    if tls.minimum in ("1.0", "1.1"):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # an encrypted key would otherwise ask for its passphrase on the terminal
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise ListenError(f"证书 {tls.certificate} 与私钥 {tls.key} 不可用：{reason}") from error
    return context


def _marks(tls: Tls) -> list[tuple[int, int, int] | None]:
    """What changes when a file is replaced, also when a link is pointed elsewhere."""
    found: list[tuple[int, int, int] | None] = []
    for path in (tls.certificate, tls.key):
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return found


class LiveCertificate:
    """The context of a listener; looks at the certificate files each time it is asked and takes up what has changed.

    A pair that cannot be used (half replaced, broken, gone) leaves the old one in force and is logged once.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._seen = _marks(tls)
        self._context = tls_context(tls)

    def context(self) -> ssl.SSLContext:
        """What the next connection is served with."""
        marks = _marks(self._tls)
        if marks != self._seen:
            self._seen = marks
            self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            # a new context, never the live one: OpenSSL forgets the old key when only half of a pair fits
            self._context = tls_context(self._tls)
        except ListenError as error:
            log.warning("certificate_kept", certificate=str(self._tls.certificate), reason=str(error))
        else:
            log.info("certificate_replaced", certificate=str(self._tls.certificate))
