"""The way of a command to the gateway that runs on this machine: over its own addresses, never through its files."""

from __future__ import annotations

import urllib.error
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.commands.terminal import Failed, system_reason
from gateway.own_line import HttpAnswer, admin_of, request, trusting, url_of

if TYPE_CHECKING:
    from gateway.settings import Listener

__all__ = ["HttpAnswer", "admin_of", "ask", "url_of"]


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
    try:
        context = trusting(listener)
    except OSError as error:
        assert listener.tls is not None
        raise Failed(f"证书 {listener.tls.certificate} 无法读取：{system_reason(error)}") from None
    try:
        return request(url + path, trusting=context, body=body, headers=headers, timeout_s=timeout_s)
    except TimeoutError:
        raise Failed(f"网关 {url} 在 {timeout_s:g} 秒内没有答复") from None
    except OSError as error:
        inner = error.reason if isinstance(error, urllib.error.URLError) else error
        reason = system_reason(inner) if isinstance(inner, OSError) else inner
        raise Failed(f"网关没有在 {url} 应答（{reason}）；请先用 yibao serve 启动，或核对 listen 配置") from None
