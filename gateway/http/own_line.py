"""The addresses of the gateway on this machine, and one HTTP request to them. Never through a proxy."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Listener, Settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an address answered, whatever its status."""

    status: int
    body: bytes


def url_of(listener: Listener) -> str:
    """Where this machine reaches a listener, without a path."""
    host = _ANYWHERE.get(listener.host, listener.host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if listener.tls else 'http'}://{shown}:{listener.port}"


def admin_of(settings: Settings) -> Listener:
    """The listener that serves ``/healthz``, ``/readyz`` and ``/-/...``."""
    return settings.listen.admin or settings.listen.exchange


def request(
    url: str,
    *,
    trusting: ssl.SSLContext | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10,
    method: str | None = None,
) -> HttpAnswer:
    """GET, or POST when there is a ``body``, or what ``method`` says.

    Args:
        timeout_s: for connecting and for each read.

    Raises:
        OSError: nothing answers there.
    """
    asked = urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310 - http or https, see url_of
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    try:
        with opener.open(asked, timeout=timeout_s) as answer:
            return HttpAnswer(answer.status, answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return HttpAnswer(answer.code, answer.read())


def trusting(listener: Listener) -> ssl.SSLContext | None:
    """Trusts exactly the listener's own certificate: it names the hospital's host, not 127.0.0.1. Raises OSError."""
    if listener.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(listener.tls.certificate)
    return context
