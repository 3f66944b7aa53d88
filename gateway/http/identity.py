"""Who calls: client identity, and the address callers know us by.

Kinds of proof (contract.md, GW-20xx): WS-Security UsernameToken, HTTP Basic, ``X-Api-Key``, source address, open.
``addresses`` narrows every kind. A credential that was presented but is wrong never falls back to address or open:
a mistyped password must not silently act as another client.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import hmac
import ipaddress
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lxml import etree

from gateway.exchange.call import Client
from gateway.faults import CLIENT_UNKNOWN, CREDENTIAL_WRONG, Unreadable
from gateway.settings import ClientSettings, Listen

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = _OASIS + "wssecurity-secext-1.0.xsd"
WSU = _OASIS + "wssecurity-utility-1.0.xsd"
PASSWORD_TEXT = _OASIS + "username-token-profile-1.0#PasswordText"
PASSWORD_DIGEST = _OASIS + "username-token-profile-1.0#PasswordDigest"
SECURITY = f"{{{WSSE}}}Security"
"""The only SOAP header block that is understood; the façade refuses any other that is marked mustUnderstand."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ADDRESSES_MAX = 4096


# ---------------------------------------------------------------- addresses


@lru_cache(4096)
def _address(text: str) -> _Address | None:
    """The address in ``1.2.3.4``, ``1.2.3.4:56``, ``::1``, ``[::1]:56``; an IPv4 address mapped into IPv6 is unwrapped."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(256)
def _networks(texts: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _within(address: _Address | None, networks: Sequence[_Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def peer_address(environ: Mapping[str, Any], trusted: Sequence[str]) -> str:
    """The caller's address: the direct peer, or, behind trusted proxies, the right-most entry they did not write.

    Args:
        environ: WSGI environ.
        trusted: networks whose ``X-Forwarded-For`` is believed (``listen.trusted_proxies``).

    Returns:
        An address without port. What a trusted proxy forwards but is no address comes back as it is:
        it matches no network, so it identifies nobody.
    """
    peer = str(environ.get("REMOTE_ADDR", ""))
    if forwarded := str(environ.get("HTTP_X_FORWARDED_FOR", "")):
        networks = _networks(tuple(trusted))
        hops = [hop for hop in forwarded.split(",") if hop.strip()]
        while hops and _within(_address(peer), networks):
            peer = hops.pop().strip()
    return _printed(peer)


@lru_cache(4096)
def _printed(peer: str) -> str:
    found = _address(peer)
    return str(found) if found else peer


# --------------------------------------------------------------- public url

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def _last(environ: Mapping[str, Any], name: str) -> str:
    """The value the nearest proxy wrote; those left of it may come from the caller."""
    return str(environ.get(name, "")).rpartition(",")[2].strip()


def public_url(environ: Mapping[str, Any], listen: Listen) -> str:
    """The address by which this caller reaches the gateway, without a trailing slash; stands in ``soap:address``.

    The setting ``listen.public_url`` wins; else ``X-Forwarded-Proto/-Host/-Prefix`` of a trusted proxy; else the
    ``Host`` header; else the listener's own address. Only characters of a host and port are let through.
    """
    if listen.public_url:
        return listen.public_url.rstrip("/")
    proxied = _within(_address(str(environ.get("REMOTE_ADDR", ""))), _networks(tuple(listen.trusted_proxies)))
    scheme = _last(environ, "HTTP_X_FORWARDED_PROTO").lower() if proxied else ""
    if scheme not in ("http", "https"):
        scheme = str(environ.get("wsgi.url_scheme", "http"))
    prefix = _last(environ, "HTTP_X_FORWARDED_PREFIX").rstrip("/") if proxied else ""
    hosts = [_last(environ, "HTTP_X_FORWARDED_HOST")] if proxied else []
    hosts += [str(environ.get("HTTP_HOST", "")), listen.exchange.address]
    host = next((host for host in hosts if _HOST.fullmatch(host)), listen.exchange.address)
    return f"{scheme}://{host}{prefix if _PREFIX.fullmatch(prefix) else ''}"


# ------------------------------------------------------------------ secrets

_KEY = secrets.token_bytes(32)


def _fingerprint(secret: bytes) -> bytes:
    """Fixed length whatever the secret, so that comparing tells neither content nor length."""
    return hashlib.blake2b(secret, key=_KEY).digest()


def _bytes(text: str) -> bytes:
    """WSGI hands header bytes over as Latin-1 characters; any other character stays and simply matches nothing."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


class _SeenNonces:
    """Digests that were accepted, each once, until they fall out of the window.

    Only proven digests come here, so strangers cannot fill it. When it is full the oldest is forgotten and the window
    is narrowed to what is still remembered: memory stays bounded and a replay is still refused.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._by_age: list[tuple[float, bytes]] = []
        self._seen: set[bytes] = set()
        self._forgotten = float("-inf")
        self._lock = threading.Lock()

    def first_time(self, mark: bytes, created: float, oldest: float) -> bool:
        """Remember ``mark`` made at ``created`` (epoch seconds); what is older than ``oldest`` is dropped."""
        with self._lock:
            while self._by_age and self._by_age[0][0] < oldest:
                self._seen.discard(heapq.heappop(self._by_age)[1])
            if mark in self._seen or created <= self._forgotten:
                return False
            self._seen.add(mark)
            heapq.heappush(self._by_age, (created, mark))
            if len(self._by_age) > self._entries_max:
                self._forgotten, gone = heapq.heappop(self._by_age)
                self._seen.discard(gone)
            return True


# ------------------------------------------------------------------ clients


class _Known:
    """One configured client, made ready for comparing."""

    def __init__(self, settings: ClientSettings) -> None:
        workstation = {name: value for name, value in settings.workstation.model_dump().items() if value}
        self.client = Client(settings.name, settings.transactions, workstation, settings.call_s_max)
        self.networks = _networks(tuple(settings.addresses))
        self.password = settings.password.get_secret_value().encode() if settings.password is not None else None
        self.api_key = settings.api_key.get_secret_value().encode() if settings.api_key is not None else None
        self.open = settings.open

    @property
    def by_address(self) -> bool:
        return self.password is None and self.api_key is None and not self.open

    def accepts(self, address: _Address | None) -> bool:
        return not self.networks or _within(address, self.networks)


class Clients:
    """The configured clients and how a request proves to be one of them.

    Args:
        clients: ``settings.clients``.
        clock: the current time, aware.
        window_s: how far a digest's ``Created`` may lie from our clock, either way.
        nonces_max: accepted digests remembered per process; with several processes a replay inside the window is
            refused by the process that saw the first.
    """

    def __init__(
        self,
        clients: Sequence[ClientSettings],
        clock: Callable[[], datetime],
        *,
        window_s: float = 300,
        nonces_max: int = 200_000,
    ) -> None:
        self._known = [_Known(client) for client in clients]
        self._by_name = {known.client.name: known for known in self._known}
        self._clock = clock
        self._window_s = window_s
        self._seen = _SeenNonces(nonces_max)
        self._nobody = secrets.token_bytes(32)
        self._from: dict[str, Client] = {}
        """Who is known by which address alone, as far as it was asked."""

    @property
    def by_name(self) -> dict[str, Client]:
        """Every configured client."""
        return {name: known.client for name, known in self._by_name.items()}

    def identify(self, environ_headers: Mapping[str, str], peer: str, security: etree._Element | None) -> Client:
        """Name the caller.

        Args:
            environ_headers: WSGI environ, or the part of it with ``HTTP_AUTHORIZATION`` and ``HTTP_X_API_KEY``.
            peer: from :func:`peer_address`.
            security: the ``wsse:Security`` header block, if the envelope has one. A ``wsu:Timestamp`` in it is
                tolerated.

        Raises:
            Unreadable: ``CREDENTIAL_WRONG`` if any presented credential is wrong or two name different clients;
                ``CLIENT_UNKNOWN`` if there is none and nobody is known by this address, or the client may not come
                from it.
        """
        proven = self._proven(environ_headers, security)
        if not proven:
            return self._from.get(peer) or self._by_source(peer)
        address = _address(peer)
        if any(known is not proven[0] for known in proven):
            raise Unreadable(CREDENTIAL_WRONG, "同时提交的凭据属于不同的客户端")
        if not proven[0].accepts(address):
            raise Unreadable(CLIENT_UNKNOWN, f"该客户端不允许从 {peer or '未知地址'} 调用")
        return proven[0].client

    def _proven(self, headers: Mapping[str, str], security: etree._Element | None) -> list[_Known]:
        """Whom each presented credential belongs to."""
        proven: list[_Known] = []
        if authorization := headers.get("HTTP_AUTHORIZATION", "").strip():
            proven.append(self._by_basic(authorization))
        if api_key := headers.get("HTTP_X_API_KEY", "").strip():
            proven.append(self._by_api_key(api_key))
        if security is not None and _is_credential(security):
            proven.append(self._by_token(security))
        return proven

    def _by_source(self, peer: str) -> Client:
        """Of the configured ones; they do not change while this lives."""
        address = _address(peer)
        client = self._at(address)
        if client is None:
            raise Unreadable(CLIENT_UNKNOWN, f"来自 {peer or '未知地址'} 的请求没有凭据")
        if len(self._from) >= _ADDRESSES_MAX:
            self._from = {}
        self._from[peer] = client
        return client

    def _at(self, address: _Address | None) -> Client | None:
        matching = [
            (network.prefixlen, known)
            for known in self._known
            if known.by_address
            for network in known.networks
            if _within(address, [network])
        ]
        if matching:
            return max(matching, key=lambda pair: pair[0])[1].client
        for known in self._known:
            if known.open and known.accepts(address):
                return known.client
        return None

    def _by_basic(self, authorization: str) -> _Known:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise Unreadable(CREDENTIAL_WRONG, "HTTP 认证只支持 Basic")
        try:
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        except ValueError:
            raise Unreadable(CREDENTIAL_WRONG, "HTTP Basic 凭据不是 UTF-8 文本的 Base64") from None
        if not colon:
            raise Unreadable(CREDENTIAL_WRONG, "HTTP Basic 凭据缺少冒号")
        return self._by_password(name, password)

    def _by_api_key(self, api_key: str) -> _Known:
        given = _fingerprint(_bytes(api_key))
        found: _Known | None = None
        for known in self._known:
            # every key is compared, so that the time tells nothing about which one was near
            expected = _fingerprint(self._nobody if known.api_key is None else known.api_key)
            if hmac.compare_digest(given, expected):
                found = known
        if found is None:
            raise Unreadable(CREDENTIAL_WRONG, "API key 不正确")
        return found

    def _by_password(self, name: str, password: str) -> _Known:
        known, expected = self._expected(name)
        right = hmac.compare_digest(_fingerprint(password.encode("utf-8", "surrogatepass")), _fingerprint(expected))
        if known is None or not right:
            raise Unreadable(CREDENTIAL_WRONG, "用户名或密码不正确")
        return known

    def _expected(self, name: str) -> tuple[_Known | None, bytes]:
        """The client of that name and its password; for an unknown name a random one, so that the same work is done."""
        known = self._by_name.get(name)
        if known is None or known.password is None:
            return None, self._nobody
        return known, known.password

    def _by_token(self, security: etree._Element) -> _Known:
        tokens = security.findall(f"{{{WSSE}}}UsernameToken")
        if len(tokens) != 1:
            raise Unreadable(CREDENTIAL_WRONG, "WS-Security 头中应恰有一个 UsernameToken；不支持其他令牌与签名")
        name = _text(tokens[0], WSSE, "Username")
        password = tokens[0].find(f"{{{WSSE}}}Password")
        if not name or password is None:
            raise Unreadable(CREDENTIAL_WRONG, "UsernameToken 缺少 Username 或 Password")
        kind = password.get("Type", PASSWORD_TEXT)
        if kind == PASSWORD_TEXT:
            return self._by_password(name, password.text or "")
        if kind == PASSWORD_DIGEST:
            return self._by_digest(name, (password.text or "").strip(), tokens[0])
        raise Unreadable(CREDENTIAL_WRONG, "UsernameToken 的 Password Type 只支持 PasswordText 与 PasswordDigest")

    def _by_digest(self, name: str, digest: str, token: etree._Element) -> _Known:
        """PasswordDigest = Base64(SHA1(nonce + created + password)), OASIS UsernameToken profile 1.0, section 3.1."""
        created = _text(token, WSU, "Created")
        nonce = _nonce(_text(token, WSSE, "Nonce"))
        made_at = _moment(created)
        known, expected = self._expected(name)
        # SHA-1 is what the profile prescribes; the nonce and the window carry the weight
        right = base64.b64encode(hashlib.sha1(nonce + created.encode() + expected, usedforsecurity=False).digest())
        matches = hmac.compare_digest(right, digest.encode("utf-8", "surrogatepass"))
        if known is None or not matches:
            raise Unreadable(CREDENTIAL_WRONG, "用户名或密码摘要不正确")
        self._check_fresh(name, nonce, made_at)
        return known

    def _check_fresh(self, name: str, nonce: bytes, made_at: float) -> None:
        now = self._clock().timestamp()
        if abs(now - made_at) > self._window_s:
            raise Unreadable(
                CREDENTIAL_WRONG, f"摘要的 Created 与网关时间相差超过 {self._window_s:g} 秒，请校准客户端时钟"
            )
        mark = hashlib.blake2b(name.encode() + b"\0" + nonce, digest_size=16).digest()
        if not self._seen.first_time(mark, made_at, now - self._window_s):
            raise Unreadable(CREDENTIAL_WRONG, "摘要的 Nonce 已经用过")


def _is_credential(security: etree._Element) -> bool:
    """Whether anything but a Timestamp is in the header: a token we cannot read is a credential too, and a wrong one."""
    return any(isinstance(child.tag, str) and child.tag != f"{{{WSU}}}Timestamp" for child in security)


def _text(token: etree._Element, namespace: str, name: str) -> str:
    return (token.findtext(f"{{{namespace}}}{name}") or "").strip()


def _nonce(text: str) -> bytes:
    try:
        nonce = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if not nonce:
        raise Unreadable(CREDENTIAL_WRONG, "摘要需要 Base64 的 Nonce")
    return nonce


def _moment(created: str) -> float:
    """``wsu:Created`` as epoch seconds; without an offset it is UTC, as the profile says."""
    try:
        moment = datetime.fromisoformat(created)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Unreadable(CREDENTIAL_WRONG, "摘要需要 ISO 8601 的 Created") from None
