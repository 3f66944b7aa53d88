"""What every way in shares: reading the body, naming the client, admitting it, journaling what was turned away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from lxml import etree

from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.gate import CallsInHand
from gateway.faults import GatewayFault, Refused
from gateway.http.body import read_body
from gateway.http.identity import Clients, peer_address
from gateway.metrics import Metrics
from gateway.settings import Limits, Listen

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
NOBODY = Client(name="?", transactions=())
"""Stands in the journal for a caller that could not be named."""

PLATFORM_SIDE = "yibao.platform_side"
"""In the environ of what came in at ``listen.callback``."""

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
LAST_REPLY: ContextVar[Reply | None] = ContextVar("last_reply", default=None)
"""The reply that the request of this thread got: the router marks whether it went out."""
READ: ContextVar[Callable[[], None]] = ContextVar("read", default=lambda: None)
"""Called when the request of this thread has been read: the listener lets the next one be read (``HisSide``)."""


class Receipt:
    """The body of an answer that tells whether the server took all of it.

    Servers close what they iterate, also when the caller's connection broke in between (PEP 3333). What the operating
    system has taken over may still be lost on the way; only the caller's repeat tells that.
    """

    def __init__(self, body: Iterable[bytes], told: Callable[[bool], None]) -> None:
        self._body = body
        self._told = told
        self._whole = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body
        self._whole = True

    def close(self) -> None:
        """Say once how it went."""
        told, self._told = self._told, lambda _: None
        told(self._whole)


def retry_after(reply: Reply | None) -> list[tuple[str, str]]:
    """The HTTP header of a reply that says when to try again."""
    return [("Retry-After", str(reply.retry_after_s))] if reply is not None and reply.retry_after_s else []


def respond(
    start_response: StartResponse, status: int, content_type: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
) -> list[bytes]:
    """One complete WSGI answer."""
    start_response(
        f"{status} {REASONS[status]}",
        [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers],
    )
    return [body]


@dataclass(frozen=True, slots=True)
class Reception:
    """The desk in front of the exchange."""

    exchange: Exchange
    clients: Clients
    in_hand: CallsInHand
    limits: Limits
    listen: Listen
    metrics: Metrics

    def body(self, environ: Environ) -> bytes:
        """The request's bytes within the limits. Raises ``Unreadable`` GW-1006, GW-1015."""
        return read_body(environ, self.limits)

    def client(self, environ: Environ, security: etree._Element | None = None) -> Client:
        """Who calls. Raises ``Unreadable`` GW-2001, GW-2002."""
        return self.clients.identify(environ, peer_address(environ, self.listen.trusted_proxies), security)

    def handle(self, call: Call) -> Reply:
        """Carry the call while it counts against the client's share; beyond that it is answered GW-4003."""
        READ.get()()
        try:
            with self.in_hand.hold(call.client.name):
                reply = self.exchange.handle(call)
        except Refused as limit:
            reply = self.turn_away(limit, call)
        LAST_REPLY.set(reply)
        return reply

    def outcome(self, client: Client, *, request_id: str, mdtrt_id: str, infno: str) -> Reply | None:
        """What became of an exchange; the answer counts as told like any other."""
        reply = self.exchange.outcome(client, request_id=request_id, mdtrt_id=mdtrt_id, infno=infno)
        LAST_REPLY.set(reply)
        return reply

    def turn_away(self, fault: GatewayFault, call: Call) -> Reply:
        """Journal a call that never became an exchange, with its bytes as they came."""
        return self.exchange.refuse(call, fault)


def unread_call(raw: bytes, channel: str, *, client: Client = NOBODY, infno: str = "", charset: str = "utf-8") -> Call:
    """A call of which nothing but the bytes is known."""
    return Call(client=client, infno=infno, message={}, raw=raw, channel=channel, raw_charset=charset)
