"""``POST /callback/<infno>``: what the platform calls on the institution."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

import structlog

from gateway.contract.jsontext import dumps
from gateway.exchange.call import Client
from gateway.exchange.callbacks import CHANNEL, PLATFORM, CallbackDesk, CallbackForged, CallbackLine
from gateway.exchange.ports import JournalUnavailable
from gateway.exchange.replies import refusal_reply
from gateway.faults import (
    ADDRESS_UNKNOWN,
    CLIENT_UNKNOWN,
    CREDENTIAL_WRONG,
    INTERNAL,
    METHOD_WRONG,
    STORE_UNAVAILABLE,
    TOO_LARGE,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.http.identity import peer_address
from gateway.http.reception import READ, Environ, Reception, StartResponse, respond, unread_call
from gateway.settings import Callbacks
from gateway.soap.services import json_reply

log = structlog.get_logger(__name__)

PREFIX: Final = "/callback/"
_JSON: Final = "application/json; charset=utf-8"
_PLATFORM: Final = Client(name=PLATFORM, transactions=())


class CallbackApi:
    """A WSGI application for the addresses below :data:`PREFIX`.

    Args:
        line: how the province proves its callbacks.
        settings: whence they may come, and how large they may be.
    """

    def __init__(self, reception: Reception, desk: CallbackDesk, line: CallbackLine, settings: Callbacks) -> None:
        self._reception = reception
        self._desk = desk
        self._line = line
        self._networks = [ipaddress.ip_network(text) for text in settings.addresses]
        self._bytes_max = settings.bytes_max

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        infno, raw = str(environ["PATH_INFO"]).removeprefix(PREFIX), b""
        try:
            raw = self._reception.body(environ)
            READ.get()()
            answer = self._answer(infno, raw, environ)
        except GatewayFault as fault:
            return self._turned_away(fault, infno, raw, start_response)
        except JournalUnavailable:
            return _told(start_response, Unreadable(STORE_UNAVAILABLE))
        except Exception:
            log.exception("callback_failed", infno=infno[:20])
            return self._turned_away(Unreadable(INTERNAL), infno, raw, start_response)
        log.info("callback", infno=infno)
        return respond(start_response, 200, _JSON, answer)

    def _answer(self, infno: str, raw: bytes, environ: Environ) -> bytes:
        if not self._desk.knows(infno):
            raise Unreadable(ADDRESS_UNKNOWN, f"没有回调交易 {infno[:20]!r}")
        if environ["REQUEST_METHOD"] != "POST":
            raise Unreadable(METHOD_WRONG)
        peer = peer_address(environ, self._reception.listen.trusted_proxies)
        if not self._from_platform(peer):
            raise Unreadable(CLIENT_UNKNOWN, f"来源 {peer[:60]} 不在 callbacks.addresses 中")
        if len(raw) > self._bytes_max:
            raise Unreadable(TOO_LARGE, f"回调报文 {len(raw)} 字节，上限 {self._bytes_max} 字节")
        try:
            return self._desk.receive(self._line, infno, dict(_headers(environ)), raw)
        except CallbackForged as forged:
            raise Unreadable(CREDENTIAL_WRONG, f"回调不可信：{forged}") from forged

    def _from_platform(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _turned_away(self, fault: GatewayFault, infno: str, raw: bytes, start_response: StartResponse) -> list[bytes]:
        kept = (raw or fault.received)[: self._bytes_max]
        self._reception.turn_away(fault, unread_call(kept, CHANNEL, client=_PLATFORM, infno=infno))
        return _told(start_response, fault)


def _headers(environ: Environ) -> Iterator[tuple[str, str]]:
    """Names in lower case. WSGI writes every ``-`` as ``_``; ``_api_*`` headers arrive as ``HTTP__API_*``."""
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            plain = name.removeprefix("HTTP_").lower()
            yield (plain if plain.startswith("_api_") else plain.replace("_", "-")), str(value)


def _told(start_response: StartResponse, fault: GatewayFault) -> list[bytes]:
    status = 200 if isinstance(fault, Refused) else fault.fault.http_status
    return respond(start_response, status, _JSON, dumps(json_reply(refusal_reply(fault))))
