"""Reading an answer whole or not at all, and what it means when it is not one."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import DecodeError, HTTPError, IncompleteRead
from urllib3.response import BaseHTTPResponse

from gateway.exchange.ports import NoAnswer, Rejected

READ_ERRORS = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""All that reading an answer can raise; ValueError covers numbers and headers that are none."""

_CHUNK_BYTES = 64 * 1024
_REFUSAL_BYTES_MAX = 64 * 1024
_REFUSAL_CODES = {"401", "403"}
_TOKEN_ERRORS = {"invalid_token", "invalid_client", "invalid_grant", "unauthorized", "insufficient_scope"}
_FRAMING = {"content-encoding", "content-length", "transfer-encoding"}
_KNOWN_ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}

_CERTIFICATE_ALERTS = {
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV1_ALERT_ACCESS_DENIED",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
}


def read_body(response: BaseHTTPResponse, bytes_max: int) -> bytes:
    """The whole body, unpacked if the platform packed it.

    Args:
        response: an answer whose head was read.
        bytes_max: limit, counted after unpacking.

    Raises:
        NoAnswer: too large, or packed in a way that was never asked for. What the line raises comes through as it is.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _KNOWN_ENCODINGS:
        raise NoAnswer(f"平台答复的压缩方式无法识别：{encoding[:40]}")
    length = getattr(response, "length_remaining", None) or 0
    if length > bytes_max:
        raise NoAnswer(f"平台答复过大：{length} 字节，上限 {bytes_max} 字节")
    parts: list[bytes] = []
    total = 0
    while part := response.read(_CHUNK_BYTES, decode_content=True):
        total += len(part)
        if total > bytes_max:
            raise NoAnswer(f"平台答复过大：超过上限 {bytes_max} 字节")
        parts.append(part)
    return b"".join(parts)


def headers_of(response: BaseHTTPResponse) -> dict[str, str]:
    """Names in lower case; without those that describe the bytes on the wire, which are unpacked and joined now."""
    return {name.lower(): value for name, value in response.headers.items() if name.lower() not in _FRAMING}


def keep_alive_s(response: BaseHTTPResponse) -> float:
    """How long the platform says it keeps the connection; infinite when it does not say."""
    said = re.search(r"timeout\s*=\s*(\d{1,6})", response.headers.get("keep-alive", ""), re.IGNORECASE)
    return float(said[1]) if said else float("inf")


def judge(response: BaseHTTPResponse, bytes_max: int) -> bytes:
    """The body of an answer by the platform itself.

    A front gateway refuses with ``{"code": 401, "message": ...}``, as HTTP 401/403 or, on some gateways, as HTTP 200.

    Raises:
        Rejected: the front gateway refused; the platform behind it has not seen the request.
        NoAnswer: not an answer of the platform (any status but 200, an empty body).
    """
    status = response.status
    if status in (401, 403):
        _raise_refusal(status, read_body(response, min(bytes_max, _REFUSAL_BYTES_MAX)))
    if status != 200:
        raise NoAnswer(f"平台返回 HTTP {status}，不能作为答复")
    return told(status, read_body(response, bytes_max))


def told(status: int, body: bytes) -> bytes:
    """The body, if it is the platform's own. Raises as :func:`judge`."""
    if not body:
        raise NoAnswer("平台的答复是空的")
    if len(body) <= _REFUSAL_BYTES_MAX and b"infcode" not in body:
        refusal = _refusal(body)
        if refusal and str(refusal["code"]) in _REFUSAL_CODES and not refusal.get("data"):
            raise Rejected(_refusal_text(status, refusal))
    return body


def why(error: BaseException, seconds: float) -> str:
    """One Chinese sentence for what broke the line after bytes may have left."""
    chain = _chain(error)
    if any(isinstance(link, TimeoutError) for link in chain):
        return f"平台在 {seconds:g} 秒内没有给出完整答复"
    if any(isinstance(link, http.client.RemoteDisconnected) for link in chain):
        return "平台没有答复就关闭了连接"
    if any(isinstance(link, (ConnectionError, ssl.SSLEOFError)) for link in chain):
        return "与平台的连接中断"
    if any(isinstance(link, (IncompleteRead, http.client.IncompleteRead)) for link in chain):
        return "平台的答复不完整，连接提前关闭"
    if any(isinstance(link, DecodeError) for link in chain):
        return "平台的答复无法解压"
    if any(isinstance(link, ssl.SSLError) for link in chain):
        return "与平台的加密连接出错"
    return f"平台的答复不是有效的 HTTP（{type(error).__name__}）"


def refused_certificate(error: BaseException) -> str:
    """The TLS alert by which the platform refused our certificate, or nothing.

    In TLS 1.3 the client may send before the server has judged the client's certificate. A server that ends the
    handshake with such an alert has read no request.
    """
    reasons = (link.reason for link in _chain(error) if isinstance(link, ssl.SSLError))
    return next((reason for reason in reasons if reason in _CERTIFICATE_ALERTS), "")


def _chain(error: BaseException) -> list[BaseException]:
    """The error and all it was raised from; urllib3 also hands the inner error on as an argument."""
    links: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and link not in links:
            links.append(link)
            waiting += [*link.args, link.__cause__, link.__context__]
    return links


def _raise_refusal(status: int, body: bytes) -> None:
    refusal = _refusal(body)
    if refusal:
        raise Rejected(_refusal_text(status, refusal))
    error = _object(body).get("error")
    if isinstance(error, str) and error in _TOKEN_ERRORS and "infcode" not in _object(body):
        raise Rejected(f"平台前置网关拒绝（HTTP {status}）：令牌无效（{error}）")  # RFC 6750: checked before all else


def _refusal(body: bytes) -> Mapping[str, Any] | None:
    value = _object(body)
    return value if "code" in value and "infcode" not in value else None


def _object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in ``body``; empty when there is none."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("gb18030", errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refusal_text(status: int, refusal: Mapping[str, Any]) -> str:
    message = str(refusal.get("message") or refusal.get("msg") or "")[:200]
    return f"平台前置网关拒绝（HTTP {status}，code {str(refusal['code'])[:20]}）：{message}"
