"""Verification of signing headers, written from the transport facts and sharing nothing with the gateway's signers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

_NAMES = ("paasid", "timestamp", "nonce", "signature")
_API_NAMES = ("access_key", "name", "timestamp", "version", "signature")
_SWEEP_AT = 10_000
TOKEN_PATH = "/auth/oauth/token"  # noqa: S105 - an address
KINDS = ("plain", "tif", "api-headers", "api-key")


class Signing(Protocol):
    """How callers prove who they are by headers."""

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why these headers are not accepted (Chinese), or None.

        Args:
            headers: HTTP headers, names in lower case.
            now_s: the platform's clock in Unix seconds.
        """
        ...


@dataclass(slots=True)
class TifSigning:
    """The x-tif headers (section 3): accounts that may call, with the nonces they have used.

    Args:
        secrets: ``x-tif-paasid`` -> secret.
        window_s: how far ``x-tif-timestamp`` (Unix seconds) may be from the platform's clock.
        upper_case: the signature comes in capitals.
    """

    secrets: Mapping[str, str]
    window_s: int = 300
    upper_case: bool = False
    _used: dict[tuple[str, str], int] = field(default_factory=dict)

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why these headers are not accepted (Chinese), or None; an accepted nonce is spent.

        Args:
            headers: HTTP headers, names in lower case.
            now_s: the platform's clock in Unix seconds.
        """
        paasid, stamp, nonce, given = (headers.get(f"x-tif-{name}", "") for name in _NAMES)
        if not (paasid and stamp and nonce and given):
            return "缺少服务网关的请求头（x-tif-paasid、x-tif-timestamp、x-tif-nonce、x-tif-signature）"
        if paasid not in self.secrets:
            return "非法用户（x-tif-paasid 未登记）"
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return "x-tif-timestamp 应为秒级 Unix 时间"
        if abs(now_s - int(stamp)) > self.window_s:
            return f"签名时间戳超时（允许前后 {self.window_s} 秒）"
        expected = digest(stamp, self.secrets[paasid], nonce)
        if not hmac.compare_digest((expected.upper() if self.upper_case else expected).encode(), given.encode()):
            return "签名不一致"
        return self._spend(paasid, nonce, int(stamp))

    def _spend(self, paasid: str, nonce: str, stamp: int) -> str | None:
        if (paasid, nonce) in self._used:
            return "x-tif-nonce 重复使用"
        if len(self._used) >= _SWEEP_AT:
            self._used = {key: at for key, at in self._used.items() if at >= stamp - 2 * self.window_s}
        self._used[paasid, nonce] = stamp
        return None


def digest(stamp: str, secret: str, nonce: str) -> str:
    """Lower-case hex SHA-256 over timestamp, secret, nonce, timestamp, fed piece by piece."""
    running = hashlib.sha256()
    for piece in (stamp, secret, nonce, stamp):
        running.update(piece.encode())
    return running.hexdigest()


@dataclass(slots=True)
class ApiSigning:
    """The ``_api_*`` headers (section 4): access keys that may call.

    Without a nonce the signature itself is what must not come twice.

    Args:
        secrets: ``_api_access_key`` -> secret key.
        window_s: how far ``_api_timestamp`` (Unix milliseconds) may be from the platform's clock.
    """

    secrets: Mapping[str, str]
    window_s: int = 1800
    _used: dict[str, int] = field(default_factory=dict)

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why these headers are not accepted (Chinese), or None; an accepted signature is spent."""
        values = {name: headers.get(f"_api_{name}", "") for name in _API_NAMES}
        if not all(values.values()):
            return "缺少服务网关的请求头（_api_name、_api_version、_api_timestamp、_api_access_key、_api_signature）"
        if values["access_key"] not in self.secrets:
            return "非法用户（_api_access_key 未登记）"
        stamp = values["timestamp"]
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) == 13):
            return "_api_timestamp 应为毫秒级 Unix 时间（13 位）"
        if abs(now_s - int(stamp) // 1000) > self.window_s:
            return f"签名时间戳超时（允许前后 {self.window_s} 秒）"
        given = values.pop("signature")
        if not hmac.compare_digest(api_digest(values, self.secrets[values["access_key"]]).encode(), given.encode()):
            return "签名不一致"
        return self._spend(given, int(stamp) // 1000)

    def _spend(self, signature: str, stamp: int) -> str | None:
        if signature in self._used:
            return "请求重复（签名已使用过）"
        if len(self._used) >= _SWEEP_AT:
            self._used = {key: at for key, at in self._used.items() if at >= stamp - 2 * self.window_s}
        self._used[signature] = stamp
        return None


def api_digest(values: Mapping[str, str], secret: str) -> str:
    """Base64 of HMAC-SHA1 over ``_api_<name>=<value>`` in the order of the names, fed piece by piece.

    Args:
        values: name without ``_api_`` -> value; all that is signed.
        secret: key of the HMAC.
    """
    running = hmac.new(secret.encode(), digestmod="sha1")
    for place, name in enumerate(sorted(values)):
        running.update(b"&" if place else b"")
        running.update(f"_api_{name}={values[name]}".encode())
    return base64.standard_b64encode(running.digest()).decode()


@dataclass(frozen=True, slots=True)
class KeySigning:
    """A key in a header (section 6).

    Args:
        keys: those that may call.
        header: name of the header, in lower case.
    """

    keys: frozenset[str]
    header: str = "apikey"

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:  # noqa: ARG002 - the protocol's signature
        """Why these headers are not accepted (Chinese), or None."""
        given = headers.get(self.header, "")
        if not given:
            return f"缺少服务网关的请求头（{self.header}）"
        # every key is compared, so that the time taken tells nothing
        same = [hmac.compare_digest(given.encode(), key.encode()) for key in self.keys]
        return None if any(same) else f"非法用户（{self.header} 未登记）"


@dataclass(slots=True)
class TokenSigning:
    """OAuth (section 5): a token issued for account and password, good for a while.

    Args:
        client_id, client_secret: of the client, in the Basic header.
        username, password: in the form.
        seconds: how long a token is good.
    """

    client_id: str
    client_secret: str
    username: str
    password: str
    seconds: int = 600
    _tokens: dict[str, int] = field(default_factory=dict)

    def issue(self, headers: Mapping[str, str], form: bytes, now_s: int) -> dict[str, Any] | None:
        """A new token as the service answers it; None when these are not the right credentials."""
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        given = dict(parse_qsl(form.decode("latin-1")))
        named = (given.get("username"), given.get("password")) == (self.username, self.password)
        if headers.get("authorization") != f"Basic {basic}" or not named or given.get("grant_type") != "password":
            return None
        token = secrets.token_hex(16)
        self._tokens[token] = now_s + self.seconds
        return {"access_token": token, "token_type": "bearer", "expires_in": self.seconds}

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why the token is not accepted (Chinese), or None."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self._tokens:
            return "令牌无效"
        return None if now_s < self._tokens[token] else "令牌已过期"

    def expire(self) -> None:
        """No token issued so far is good any more."""
        self._tokens.clear()


def signing_of(kind: str, account: str, secret: str) -> Signing | None:
    """One caller's way to prove itself; None for ``plain``.

    Args:
        kind: one of :data:`KINDS`.
        account: paasid or access key; ``api-key`` has none.
        secret: what the platform issued.

    Raises:
        ValueError: something is missing (Chinese).
    """
    if kind == "plain":
        return None
    if not secret or not (account or kind == "api-key"):
        raise ValueError(f"{kind} 需要{'密钥' if kind == 'api-key' else '账号与密钥'}")
    if kind == "api-key":
        return KeySigning(frozenset({secret}))
    return TifSigning({account: secret}) if kind == "tif" else ApiSigning({account: secret})
