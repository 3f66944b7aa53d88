"""The way of a command to the gateway that runs on this machine: over its own addresses, never through its files."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.commands.terminal import Failed, system_reason
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
    """The listener that serves ``/healthz``, ``/readyz`` and ``/-/reload``."""
    return settings.listen.admin or settings.listen.exchange


def ask(
    listener: Listener,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10,
) -> HttpAnswer:
    """GET, or POST when there is a ``body``, on the running gateway.

    Args:
        listener: of the configuration that the gateway runs with.
        timeout_s: for connecting and for each read.

    Raises:
        Failed: nothing answers there.
    """
    url = url_of(listener)
    request = urllib.request.Request(url + path, body, dict(headers or {}))  # noqa: S310 - http or https, see url_of
    # no proxy: the gateway is on this machine, whatever the environment says about the way out
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trusting(listener))
    )
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return HttpAnswer(answer.status, answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return HttpAnswer(answer.code, answer.read())
    except TimeoutError:
        raise Failed(f"网关 {url} 在 {timeout_s:g} 秒内没有答复") from None
    except OSError as error:
        inner = error.reason if isinstance(error, urllib.error.URLError) else error
        reason = system_reason(inner) if isinstance(inner, OSError) else inner
        raise Failed(f"网关没有在 {url} 应答（{reason}）；请先用 yibao serve 启动，或核对 listen 配置") from None


def _trusting(listener: Listener) -> ssl.SSLContext | None:
    """Trusts exactly the listener's own certificate: it names the hospital's host, not 127.0.0.1."""
    if listener.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(listener.tls.certificate)
    except OSError as error:
        raise Failed(f"证书 {listener.tls.certificate} 无法读取：{system_reason(error)}") from None
    return context
