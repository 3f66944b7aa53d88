"""Looking at the line to the province step by step: name, connection, certificate, answer, clock.

Nothing is sent that could be taken for a transaction: one GET without signature, whatever it is answered with.
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from gateway.commands.terminal import system_reason
from gateway.settings import Platform

CERTIFICATE_DAYS_MIN: Final = 30
CLOCK_S_MAX: Final = 60
"""Signatures carry the second, and provinces refuse what is minutes off; the Date header itself is coarse."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the probe. ``ok`` None: told, neither good nor bad."""

    name: str
    ok: bool | None
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


class _Stopped(Exception):
    """A step failed without which the next ones make no sense."""

    def __init__(self, step: Step) -> None:
        self.step = step
        super().__init__(step.text)


def probe_line(platform: Platform, now: Callable[[], datetime]) -> Iterator[Step]:
    """The steps, each as soon as it is done; ends after the first that fails.

    Args:
        platform: where, with which certificates and time limits.
        now: the clock of this machine, aware.
    """
    parts = urlsplit(platform.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses, step = _resolved(host, port)
        yield step
        line, step = _connected(addresses, port, platform.connect_timeout_s)
        with line:
            yield step
            if parts.scheme == "https":
                line, step = _encrypted(line, host, platform, now())
                yield step
            yield from _answered(line, parts, platform, now)
    except _Stopped as stopped:
        yield stopped.step


def _resolved(host: str, port: int) -> tuple[list[str], Step]:
    begun = time.monotonic()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Stopped(Step("DNS", False, f"{host} 无法解析：{_reason(error)}")) from None
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    facts = {"addresses": addresses, "elapsed_ms": _ms(begun)}
    return addresses, Step("DNS", True, f"{host} → {'、'.join(addresses)}（{facts['elapsed_ms']} ms）", facts)


def _connected(addresses: list[str], port: int, timeout_s: float) -> tuple[socket.socket, Step]:
    reasons = []
    for address in addresses:
        begun = time.monotonic()
        try:
            line = socket.create_connection((address, port), timeout=timeout_s)
        except OSError as error:
            reasons.append(f"{address}:{port} {_reason(error)}")
            continue
        facts = {"address": address, "port": port, "elapsed_ms": _ms(begun)}
        return line, Step("TCP", True, f"已连接 {address}:{port}（{facts['elapsed_ms']} ms）", facts)
    raise _Stopped(Step("TCP", False, f"无法连接：{'；'.join(reasons)}"))


def _encrypted(line: socket.socket, host: str, platform: Platform, now: datetime) -> tuple[ssl.SSLSocket, Step]:
    begun = time.monotonic()
    try:
        context = ssl.create_default_context(cafile=platform.ca_file)
        if platform.client_certificate is not None:
            context.load_cert_chain(platform.client_certificate, platform.client_key, password=lambda: "")
        tls = context.wrap_socket(line, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _Stopped(Step("TLS", False, f"平台证书不被信任：{error.verify_message}")) from None
    except (OSError, ValueError) as error:
        raise _Stopped(Step("TLS", False, f"TLS 握手失败：{_reason(error)}")) from None
    return tls, _certificate_step(tls, now, _ms(begun))


def _certificate_step(tls: ssl.SSLSocket, now: datetime, elapsed_ms: int) -> Step:
    certificate = tls.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = math.floor((ends - now).total_seconds() / 86400)
    facts = {"version": tls.version(), "not_after": ends, "days_left": days, "elapsed_ms": elapsed_ms}
    text = f"{tls.version()}，证书到期 {ends:%Y-%m-%d}（还有 {days} 天，{elapsed_ms} ms）{near_its_end(days)}"
    return Step("TLS", days >= CERTIFICATE_DAYS_MIN, text, facts)


def near_its_end(days: int) -> str:
    """Why a certificate with so many days left fails the probe; empty when it does not."""
    return "" if days >= CERTIFICATE_DAYS_MIN else f"，不足 {CERTIFICATE_DAYS_MIN} 天，请尽快更换"


def _answered(
    line: socket.socket, parts: SplitResult, platform: Platform, now: Callable[[], datetime]
) -> Iterator[Step]:
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = line
    line.settimeout(platform.read_timeout_s)
    begun, asked = time.monotonic(), now()
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        answered = now()
        elapsed_ms = _ms(begun)
        answer.close()
    except (OSError, http.client.HTTPException) as error:
        yield Step("HTTP", False, f"没有得到 HTTP 答复：{_reason(error)}")
        return
    finally:
        connection.close()
    facts = {"status": answer.status, "elapsed_ms": elapsed_ms}
    yield Step("HTTP", True, f"HTTP {answer.status}（{elapsed_ms} ms）", facts)
    yield clock_step(answer.headers.get("Date") or "", asked, answered)


def clock_step(date: str, asked: datetime, answered: datetime) -> Step:
    """How far this machine's clock is from the platform's.

    Args:
        date: the ``Date`` header, whole seconds; may be empty.
        asked: this machine's time before the request.
        answered: after the answer.
    """
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return Step("时钟", None, "平台没有给出 Date，无法比较时钟")
    # the header has lost up to one second
    ahead_s = round((asked + (answered - asked) / 2 - theirs).total_seconds() - 0.5)
    side = "快" if ahead_s > 0 else "慢"
    text = f"本机比平台{side} {abs(ahead_s)} 秒" if abs(ahead_s) > 1 else "与平台相差不超过 1 秒"
    if abs(ahead_s) > CLOCK_S_MAX:
        text += "，请校准本机时钟（NTP）"
    return Step("时钟", abs(ahead_s) <= CLOCK_S_MAX, text, {"ahead_s": ahead_s})


def _ms(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def _reason(error: Exception) -> str:
    return system_reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
