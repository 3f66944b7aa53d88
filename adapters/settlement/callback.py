"""How the families of provinces prove that a callback is theirs, and how it is answered.

Implements ``gateway.exchange.callbacks.CallbackLine``. A callback that comes again is the same callback, so nonces need
not be remembered: a replay changes nothing.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

from adapters.settlement.signing.api_headers import api_signature
from adapters.settlement.signing.gm import GmEnvelope
from adapters.settlement.signing.sm_envelope import SmEnvelope
from adapters.settlement.signing.tif import tif_signature
from gateway.contract.jsontext import dumps, loads
from gateway.exchange.callbacks import CallbackForged
from gateway.faults import Unreadable

CallbackProof = Literal["address", "tif", "api-headers", "api-key", "oauth-sm", "gm"]
_ENVELOPE: Final = "input"


class Verifier(Protocol):
    """Raises :class:`CallbackForged` unless the headers prove who calls."""

    def __call__(self, infno: str, headers: Mapping[str, str]) -> None: ...


class PlainCallbacks:
    """Callbacks in plain JSON: in the national envelope, or the business object alone; proved by headers or address.

    Args:
        verify: looks at the headers.
    """

    def __init__(self, verify: Verifier) -> None:
        self._verify = verify

    def read(self, infno: str, headers: Mapping[str, str], body: bytes) -> Any:
        """See ``CallbackLine``."""
        self._verify(infno, headers)
        return message_of(infno, _object(body))

    def write(self, body: bytes, output: Any) -> bytes:
        """See ``CallbackLine``."""
        return answer_to(_object(body), output)


class SealedCallbacks:
    """Jilin: the national envelope with an encrypted and signed input."""

    def __init__(self, envelope: SmEnvelope) -> None:
        self._envelope = envelope

    def read(self, infno: str, headers: Mapping[str, str], body: bytes) -> Any:  # noqa: ARG002 - the port's signature
        """See ``CallbackLine``."""
        try:
            return message_of(infno, self._envelope.open_request(_object(body)))
        except ValueError as error:
            raise CallbackForged(str(error)) from error

    def write(self, body: bytes, output: Any) -> bytes:
        """See ``CallbackLine``."""
        return answer_to(_object(body), output)


class GmCallbacks:
    """The 国密 envelope: ``encData`` and ``signData``.

    Args:
        window_s: how far ``timestamp`` may be from our clock.
        clock: Unix time in seconds.
    """

    def __init__(self, envelope: GmEnvelope, window_s: float, clock: Callable[[], float] = time.time) -> None:
        self._envelope = envelope
        self._window_s = window_s
        self._clock = clock

    def read(self, infno: str, headers: Mapping[str, str], body: bytes) -> Any:  # noqa: ARG002 - the port's signature
        """See ``CallbackLine``."""
        outer = _object(body)
        _timely(outer.get("timestamp"), 1000, self._clock(), self._window_s)
        try:
            return message_of(infno, self._envelope.open_request(outer))
        except ValueError as error:
            raise CallbackForged(str(error)) from error

    def write(self, body: bytes, output: Any) -> bytes:  # noqa: ARG002 - the port's signature
        """See ``CallbackLine``."""
        return self._envelope.seal_answer(output)


def by_address(infno: str, headers: Mapping[str, str]) -> None:
    """Nothing but the source address, which was looked at before."""


def by_key(key: str, header: str) -> Verifier:
    """A key in a header."""

    def verify(infno: str, headers: Mapping[str, str]) -> None:  # noqa: ARG001 - the protocol's signature
        _same(headers.get(header.lower(), ""), key)

    return verify


def by_tif(account: str, secret: str, window_s: float, clock: Callable[[], float] = time.time) -> Verifier:
    """The ``x-tif-*`` headers, signed by the platform with the secret that both have."""

    def verify(infno: str, headers: Mapping[str, str]) -> None:  # noqa: ARG001 - the protocol's signature
        stamp, nonce = headers.get("x-tif-timestamp", ""), headers.get("x-tif-nonce", "")
        _same(headers.get("x-tif-paasid", ""), account)
        _timely(stamp, 1, clock(), window_s)
        _same(headers.get("x-tif-signature", "").lower(), tif_signature(stamp, secret, nonce))

    return verify


def by_api_headers(account: str, secret: str, window_s: float, clock: Callable[[], float] = time.time) -> Verifier:
    """The ``_api_*`` headers, signed by the platform with the secret key that both have; ``_api_name`` is the address."""

    def verify(infno: str, headers: Mapping[str, str]) -> None:
        name, stamp, version = (headers.get(f"_api_{part}", "") for part in ("name", "timestamp", "version"))
        _same(headers.get("_api_access_key", ""), account)
        _same(name, infno)
        _timely(stamp, 1000, clock(), window_s)
        _same(headers.get("_api_signature", ""), api_signature(account, secret, name, stamp, version))

    return verify


def message_of(infno: str, document: Mapping[str, Any]) -> Any:
    """The national message in a document: an envelope of this transaction, or the business object itself."""
    if _ENVELOPE in document:
        if str(document.get("infno") or infno) != infno:
            raise CallbackForged("报文的 infno 与地址不符")
        return document[_ENVELOPE]
    if isinstance(document.get("data"), dict):
        return document
    nodes = {name: value for name, value in document.items() if isinstance(value, dict | list)}
    return {"data": {name: value for name, value in document.items() if name not in nodes}, **nodes}


def answer_to(document: Mapping[str, Any], output: Any) -> bytes:
    """The answer in the form of the request."""
    if _ENVELOPE in document:
        return dumps(
            {"infcode": "0", "inf_refmsgid": str(document.get("msgid") or ""), "err_msg": "", "output": output}
        )
    return dumps({"code": "0", "message": "成功", **(output.get("data") or {"success": "true"})})


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = loads(body)
    except Unreadable as error:
        raise CallbackForged(error.text) from error
    if not isinstance(document, dict):
        raise CallbackForged("报文不是 JSON 对象")
    return document


def _timely(stamp: Any, per_second: int, now_s: float, window_s: float) -> None:
    text = str(stamp or "")
    if not (text.isascii() and text.isdigit() and len(text) <= 14):
        raise CallbackForged("没有时间戳，或不是数字")
    if abs(int(text) / per_second - now_s) > window_s:
        raise CallbackForged(f"时间戳超出前后 {window_s:g} 秒")


def _same(given: str, right: str) -> None:
    if not (given and hmac.compare_digest(given.encode(), right.encode())):
        raise CallbackForged("签名或账号不符")
