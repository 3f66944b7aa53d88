"""Calls out of the journal: the bytes as the HIS sent them, read once more as they were read then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.contract.charset import decode
from gateway.contract.dialect import Dialect
from gateway.contract.interface import Interface
from gateway.contract.jsontext import loads_strict
from gateway.exchange.call import Call, Client
from gateway.exchange.content import content_hash
from gateway.exchange.ports import Bodies, Exchange
from gateway.faults import CONTENT_CHANGED, Refused
from gateway.soap.lane import reopened
from gateway.soap.services import legacy_call, read_json_request, read_string, read_typed

JSON: Final = "json"
TYPED: Final = "typed"
STRING: Final = "string"


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
        call = self._read(row, bodies, client, interface)
        if call is None or call.infno != row.infno:
            raise Refused(CONTENT_CHANGED, f"现在读作 {call.infno if call else '未知交易'}")
        # what was refused has no digest: it never came to be compared
        if row.content_hash and row.content_hash != _content(call, interface):
            raise Refused(CONTENT_CHANGED, "接口或方言的版本已变，同样的报文现在读出的内容不同")
        return call

    def _read(self, row: Exchange, bodies: Bodies, client: Client, interface: Interface) -> Call | None:
        raw, charset = bodies.caller_request or b"", bodies.caller_charset
        if row.channel == JSON:
            text, codec = decode(raw, in_header=charset)
            head, message = read_json_request(loads_strict(text))
            return Call(client, row.infno, message, raw, JSON, head, raw_charset=codec)
        request = reopened(raw, charset, client)
        if row.channel == TYPED:
            return read_typed(request, row.infno, interface)
        if row.channel == STRING:
            return read_string(request, interface)
        dialect = self._dialects().get(row.channel.removeprefix("legacy/"))
        if dialect is None:
            raise Refused(CONTENT_CHANGED, f"没有方言 {row.channel}")
        return legacy_call(dialect.read(request.operation, request.charset), request, dialect)


def _content(call: Call, interface: Interface) -> str:
    message, _ = interface.input(call.infno).check(call.message)
    return content_hash(call.infno, message)
