"""Calls out of the journal: the bytes as the HIS sent them, read once more as they were read then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.contract.charset import decode
from gateway.contract.dialect import Dialect, DialectCall, DialectRefused
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads_strict
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.content import content_hash
from gateway.exchange.ports import Bodies, Exchange
from gateway.faults import CONTENT_CHANGED, GatewayFault, Refused
from gateway.soap.lane import reopened
from gateway.soap.services import (
    is_json_call,
    json_reply,
    legacy_call,
    read_json_request,
    read_string,
    read_typed,
    write_reply,
)

JSON: Final = "json"
TYPED: Final = "typed"
STRING: Final = "string"
LEGACY: Final = "legacy/"


@dataclass(frozen=True, slots=True)
class Again:
    """A call of the journal read once more, as far as that goes.

    Args:
        call: None where it cannot be read, and ``why_not`` says why.
        dialect: the one that it came in; None where the HIS speaks the national names.
        called: what the dialect understood of it.
        as_json: the message was JSON text, and so is the reply.
    """

    call: Call | None = None
    why_not: str = ""
    dialect: Dialect | None = None
    called: DialectCall | None = None
    as_json: bool = False


class Reread:
    """Reads them.

    Args:
        interface, dialects: those in force.
    """

    def __init__(self, interface: Callable[[], Interface], dialects: Callable[[], Mapping[str, Dialect]]) -> None:
        self._interface = interface
        self._dialects = dialects

    def call(self, row: Exchange, bodies: Bodies, client: Client) -> Call:
        """The call that ``row`` was begun with.

        Args:
            client: who sent it.

        Raises:
            GatewayFault: it cannot be read, or reads otherwise today than it did then.
        """
        interface = self._interface()
        call = self._read(row, bodies, client, interface).call
        if call is None or call.infno != row.infno:
            raise Refused(CONTENT_CHANGED, f"现在读作 {call.infno if call else '未知交易'}")
        # what was refused has no digest: it never came to be compared
        if row.content_hash and row.content_hash != _content(call, interface):
            raise Refused(CONTENT_CHANGED, "接口或方言的版本已变，同样的报文现在读出的内容不同")
        return call

    def again(self, row: Exchange, bodies: Bodies) -> Again:
        """What ``row`` was begun with, for showing: whatever cannot be read of it is told, not raised."""
        dialect = self._dialects().get(row.channel.removeprefix(LEGACY))
        try:
            return self._read(row, bodies, Client(row.client), self._interface())
        except DialectRefused as fault:
            return Again(why_not=fault.text, dialect=dialect, called=fault.call)
        except GatewayFault as fault:
            return Again(why_not=fault.text, dialect=dialect)

    def _read(self, row: Exchange, bodies: Bodies, client: Client, interface: Interface) -> Again:
        raw, charset = bodies.caller_request or b"", bodies.caller_charset
        if row.channel == JSON:
            text, codec = decode(raw, in_header=charset)
            head, message = read_json_request(loads_strict(text))
            return Again(Call(client, row.infno, message, raw, JSON, head, raw_charset=codec), as_json=True)
        if row.channel not in (TYPED, STRING) and not row.channel.startswith(LEGACY):
            return Again(
                Call(client, row.infno, loads_strict(decode(raw)[0]), raw, row.channel), as_json=True
            )  # our own
        request = reopened(raw, charset, client)
        if row.channel == TYPED:
            return Again(read_typed(request, row.infno, interface))
        if row.channel == STRING:
            return Again(read_string(request, interface), as_json=is_json_call(request))
        dialect = self._dialects().get(row.channel.removeprefix(LEGACY))
        if dialect is None:
            raise Refused(CONTENT_CHANGED, f"没有方言 {row.channel}")
        called = dialect.read(request.operation, request.charset)
        return Again(legacy_call(called, request, dialect), dialect=dialect, called=called)


def written_again(again: Again, reply: Reply, interface: Interface, row: Exchange) -> str:
    """A reply as the caller of ``row`` gets it, without the envelope of SOAP and what that says of the operation."""
    if again.dialect is not None:
        return etree.tostring(again.dialect.write(again.called, reply), encoding="unicode")
    if again.as_json:
        return dumps(json_reply(reply)).decode()
    known = reply.output and row.infno in interface.contract.transactions
    typed = row.channel == TYPED
    output = interface.output(row.infno).write_xml(reply.output, known_only=typed) if known else ""
    return f"<response>{write_reply(reply, output)}</response>"


def _content(call: Call, interface: Interface) -> str:
    message, _ = interface.input(call.infno).check(call.message)
    return content_hash(call.infno, message)
