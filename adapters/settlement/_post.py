"""One POST over a pooled line, and whether a byte of it may have left.

Connecting is a step of its own, so everything until the connection stands is ``NotSent``; from the first byte of the
request on, everything but a whole answer is ``NoAnswer``.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPResponse as PlainResponse
from pathlib import Path
from typing import NamedTuple, cast

from urllib3 import HTTPHeaderDict
from urllib3.exceptions import LocationParseError
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util import Url, parse_url

from adapters.settlement._answer import READ_ERRORS, headers_of, judge, keep_alive_s, refused_certificate, why
from adapters.settlement._deadline import Deadline, TimedSocket, paced
from adapters.settlement._line import Line, Lines
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest, Rejected

MIB = 1024 * 1024

Judge = Callable[[BaseHTTPResponse, int], bytes]
"""Reads the body of an answer up to a number of bytes; raises what an answer that is none means."""


class Answered(NamedTuple):
    """A whole answer: its status, its headers in lower case, its body, and the seconds from the first byte sent to the last read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float


class HttpPost:
    """Posts each body once over pooled HTTP/1.1 connections. No retry, no redirect, no proxy.

    Args:
        base_url: http or https address of the province.
        connect_timeout_s: for the TCP connect (to each address of the name) and again for the TLS handshake.
        read_timeout_s: from the first byte sent to the last byte of the answer, however it drips.
        answer_bytes_max: larger answers are not taken; counted after unpacking.
        pool_size: requests at the same time; the next one waits up to ``connect_timeout_s``, then is not sent.
        idle_s_max: a connection that was idle for longer is not used again. Servers close theirs after 5 s or more;
            a request written into a closing connection would be in doubt for nothing. 0: one connection per request.
        ca_file: PEM of the certificate authorities to trust instead of the system's.
        client_cert, client_key, client_key_password: PEM files for a province that asks for a certificate.
        certificate_shown: told when the other side's certificate ends, whenever it is asked whether it is reachable.

    Raises:
        ValueError: an address or certificate that cannot work, with the reason in Chinese.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_s: float = 5,
        read_timeout_s: float = 60,
        answer_bytes_max: int = 64 * MIB,
        pool_size: int = 32,
        idle_s_max: float = 4,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        client_key_password: str = "",
        certificate_shown: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        url = _checked(base_url)
        tls = _tls(ca_file, client_cert, client_key, client_key_password) if url.scheme == "https" else None
        self._lines = Lines(url, tls, connect_timeout_s=connect_timeout_s, idle_s_max=idle_s_max, size=pool_size)
        self.base_path = (url.path or "").rstrip("/")
        self._host = _host_header(url)
        self._read_timeout_s = read_timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._certificate_shown = certificate_shown

    def post(
        self, path: str, headers: Mapping[str, str], body: bytes, request: PlatformRequest, judge: Judge = judge
    ) -> Answered:
        """Post ``body`` once, byte for byte.

        Args:
            path: of the address, percent-encoded.
            request: what it is sent for: its own time limit, and whether it is still ours.
            judge: reads the answer.

        Raises:
            NotSent: no connection, or no longer this node's; nothing left this machine.
            Rejected: refused in front of the platform; not executed.
            NoAnswer: bytes may have left and no whole answer came back.
        """
        with self._lines.lend(alone=request.alone) as line:
            request.check_mine()
            started = time.monotonic()
            deadline = Deadline(request.read_timeout_s or self._read_timeout_s)
            try:
                broken = _write(line, _head(path, self._host, headers, len(body)), body, deadline)
                status, answered, content = self._read(line, deadline, judge)
            except READ_ERRORS as error:
                alert = "" if line.reused else refused_certificate(error)
                if alert:
                    raise Rejected(f"平台拒绝了本机的客户端证书：{alert}") from error
                raise NoAnswer(why(error, deadline.seconds)) from error
            if broken:
                raise NoAnswer(why(broken, deadline.seconds)) from broken
            return Answered(status, answered, content, time.monotonic() - started)

    def reachable(self, timeout_s: float) -> bool:
        """Whether TCP and TLS can be set up now; nothing is sent."""
        try:
            line = self._lines.open(timeout_s)
        except NotSent:
            return False
        if ends := line.certificate_ends:
            self._certificate_shown(ends)
        line.close()
        return True

    def close(self) -> None:
        """Close idle connections and refuse new requests; running ones end."""
        self._lines.close()

    def _read(self, line: Line, deadline: Deadline, judge: Judge) -> tuple[int, dict[str, str], bytes]:
        """The answer by the platform. The line is reusable after it only if nothing is left in it."""
        connection = line.http
        timed = TimedSocket(connection.sock, deadline)
        plain = PlainResponse(timed, method="POST")  # type: ignore[arg-type]  # all it needs of a socket is makefile
        try:
            plain.begin()
            if plain.will_close:
                connection.close()
            response = HTTPResponse(
                body=plain,
                headers=HTTPHeaderDict((name, str(value)) for name, value in plain.msg.items()),
                status=plain.status,
                version=plain.version,
                preload_content=False,
                original_response=plain,
                request_method="POST",
            )
            try:
                body = judge(response, self._answer_bytes_max)
                line.kept_by_peer_s = keep_alive_s(response)
            finally:
                response.close()
        finally:
            plain.close()  # before its reader, which it would flush when it is thrown away
            timed.reader.close()
        line.reusable = connection.sock is not None and not timed.reader.leftover and line.http.is_connected
        return response.status, headers_of(response), body


def _head(path: str, host: str, headers: Mapping[str, str], length: int) -> bytes:
    """The request as far as its body. Raises ValueError for a header that would end before its line does."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1")


def _host_header(url: Url) -> str:
    """Without the port that goes without saying, and without the interface of an address."""
    host = re.sub(r"%[^\]]*", "", cast(str, url.host))
    usual = url.port is None or url.port == (443 if url.scheme == "https" else 80)
    return host if usual else f"{host}:{url.port}"


def _write(line: Line, head: bytes, body: bytes, deadline: Deadline) -> OSError | None:
    """Write the request; a line that broke on the way is returned, since a refusal may still stand in it."""
    sock = line.http.sock
    try:
        # in one piece where it is small: each piece is a call to the system, and lets another thread go first
        for piece in paced(head + body, sock, deadline):
            sock.sendall(piece)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
        return error
    return None


def _checked(base_url: str) -> Url:
    try:
        url = parse_url(base_url)
    except LocationParseError:
        raise ValueError(f"平台地址无法解析：{base_url}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"平台地址必须以 http:// 或 https:// 开头并含主机名：{base_url}")
    if url.auth or url.query or url.fragment:
        raise ValueError("平台地址不能含用户名、? 或 #")
    return url


def _tls(ca_file: Path | None, cert: Path | None, key: Path | None, password: str) -> ssl.SSLContext:
    """A verifying context. Raises ValueError that names the file which cannot be used."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise ValueError(f"CA 证书文件无法使用：{ca_file}（{error.strerror or error}）") from error
    if key and not cert:
        raise ValueError("配置了客户端私钥却没有客户端证书")
    if cert:
        try:
            # a password is always given: without one OpenSSL would ask at the terminal and wait
            context.load_cert_chain(cert, key, password=lambda: password)
        except OSError as error:
            raise ValueError(f"客户端证书或私钥无法使用：{cert}、{key or cert}（{error.strerror or error}）") from error
    return context
