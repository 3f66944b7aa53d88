"""The services behind the SOAP addresses: typed, string, and legacy WSDLs taken over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from lxml import etree

from gateway.contract.codec import Codec, as_text
from gateway.contract.dialect import Dialect, DialectCall, DialectRefused
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads_strict
from gateway.contract.model import Field, Node, Side
from gateway.contract.plain_rows import Cut, Cutter, RowReader, is_mark, parse_text_apart
from gateway.contract.published import HEAD, NAMESPACE, ROW, Element, Operation
from gateway.contract.xml import NEEDS_ESCAPE, escape, local
from gateway.exchange.call import Call, Reply
from gateway.exchange.replies import refusal_reply
from gateway.faults import ENVELOPE_BROKEN, JSON_MALFORMED, PARAMETERS_WRONG, GatewayFault, Refused, Unreadable
from gateway.http.reception import Reception, unread_call
from gateway.soap.lane import SoapRequest

STATUS: Final = ("infcode", "inf_refmsgid", "err_msg", "warn_msg", "msgid", "code", "retry")
_STATUS_OF: Final = attrgetter(*STATUS)
_STATUS_FORM: Final = "".join(f"<{name}>%s</{name}>" for name in STATUS)
PROBLEM: Final = ("node", "row", "field", "label", "value", "rule", "text")
SMALL_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_OPERATION: Final = re.compile(r"<(?:[A-Za-z_][A-Za-z0-9_.-]*+:)?(Txn[0-9A-Za-z]+)[ \t\r\n/>]")
_OPERATION_WITHIN_CHARS: Final = 16_384
_POSITIONAL: Final = re.compile(r"(arg|param|in|parameters?|c-gensym)[0-9]*")


def write_reply(reply: Reply, output: str) -> str:
    """The parts of an answer as elements, in the published order."""
    values = tuple(map(str, _STATUS_OF(reply)))
    if NEEDS_ESCAPE.search("".join(values)) is not None:
        values = tuple(map(escape, values))
    parts = [_STATUS_FORM % values, f"<output>{output}</output>" if output else "<output/>"]
    for problem in reply.problems:
        rows = "".join(f"<{name}>{escape(getattr(problem, name))}</{name}>" for name in PROBLEM)
        parts.append(f"<problem>{rows}</problem>")
    return "".join(parts)


def json_reply(reply: Reply) -> dict[str, Any]:
    """The parts of an answer as JSON, under the same names."""
    answer: dict[str, Any] = {name: getattr(reply, name) for name in STATUS}
    if SMALL_NUMBER.fullmatch(reply.infcode):
        answer["infcode"] = int(reply.infcode)
    answer["output"] = {} if reply.output in (None, "") else reply.output
    if reply.problems:
        answer["problem"] = [{name: getattr(item, name) for name in PROBLEM} for item in reply.problems]
    return answer


def read_head(element: etree._Element | None) -> dict[str, str]:
    """``<head>`` as text by name. Raises ``Refused`` GW-1012 for a name given twice."""
    head: dict[str, str] = {}
    for child in element if element is not None else ():
        name = local(child.tag)
        if name in head:
            raise Refused(PARAMETERS_WRONG, f"head 中的 {name[:60]} 出现多次")
        head[name] = (child.text or "").strip()
    return head


def _child(element: etree._Element, name: str) -> etree._Element | None:
    """The one child of that name. Raises ``Refused`` GW-1012 when there are two: reading one would lose the other."""
    found = [child for child in element if local(child.tag) == name]
    if len(found) > 1:
        raise Refused(PARAMETERS_WRONG, f"<{name}> 出现 {len(found)} 次，只能出现一次")
    return found[0] if found else None


def _side_of(elements: tuple[Element, ...]) -> Side:
    """Published elements as a table to write by: their order is the order strict clients were generated from."""
    return Side(
        root=tuple(Field(item.name, item.label, "string") for item in elements if item.children is None),
        nodes=tuple(_node_of(item) for item in elements if item.children is not None),
    )


def _node_of(element: Element) -> Node:
    side = _side_of(element.children or ())
    return Node(element.name, element.label, element.repeat, fields=side.root, children=side.nodes)


def cutter_of(operations: Mapping[str, Operation], interface: Callable[[], Interface]) -> Cutter:
    """Cuts the plain rows of a call out of its envelope.

    Args:
        operations: by name; the one that the text names first is asked for its rows. Whether it is the one that is
            called the parser sees.
        interface: the tables as they are now.
    """

    def cut(text: str) -> Cut | None:
        named = _OPERATION.search(text, 0, _OPERATION_WITHIN_CHARS)
        operation = operations.get(named[1]) if named is not None else None
        tables = interface()
        if operation is None or operation.infno not in tables.contract.transactions:
            return None
        return tables.input(operation.infno).cut(text, ("Body", operation.name), HEAD_ROW)

    return cut


class TypedService:
    """One operation per transaction; every element of a message is its own XML element."""

    channel = "typed"

    def __init__(self, operations: Mapping[str, Operation], reception: Reception) -> None:
        self._operations = {operation.name: operation for operation in operations.values()}
        self._reception = reception
        self._writers: dict[str, Codec] = {}
        self.cutter: Cutter | None = cutter_of(self._operations, lambda: reception.exchange.interface)

    def answer(self, request: SoapRequest, operation: str) -> str:
        infno = self._operations[operation].infno
        call = self._read(request, infno)
        reply = self._reception.handle(call) if isinstance(call, Call) else call
        output = self._write_output(operation, reply.output) if reply.output else ""
        return f'<{operation}Response xmlns="{NAMESPACE}">{write_reply(reply, output)}</{operation}Response>'

    def failure(self, request: SoapRequest, fault: GatewayFault) -> str | None:
        del request, fault
        return None

    def _read(self, request: SoapRequest, infno: str) -> Call | Reply:
        """The call, or the refusal of one whose parameters are positional."""
        try:
            call = read_typed(request, infno, self._reception.exchange.interface)
        except Refused as fault:
            return self._reception.turn_away(fault, self._unread(request, infno))
        return self._reception.handle(self._unread(request, infno)) if call is None else call

    def _unread(self, request: SoapRequest, infno: str) -> Call:
        return unread_call(request.raw, self.channel, client=request.client, infno=infno, charset=request.charset)

    def _write_output(self, operation: str, output: Any) -> str:
        writer = self._writers.get(operation)
        if writer is None:
            writer = self._writers[operation] = Codec(_side_of(self._operations[operation].output), {})
        return writer.write_xml({ROW: output} if isinstance(output, list) else output, known_only=True)


_HEAD_ONLY: Final = frozenset({HEAD.name})
HEAD_ROW: Final = RowReader(_node_of(HEAD), {})
"""Reads the head where it is written as plainly as a row."""


def read_typed(request: SoapRequest, infno: str, interface: Interface) -> Call | None:
    """A call whose message stands as elements; None when the interface has no such transaction. Raises ``Refused``."""
    element, cut = request.operation, request.cut
    names = cut.names if cut is not None and request.whole else [local(child.tag) for child in element]
    if names and all(map(_POSITIONAL.fullmatch, names)):
        raise Refused(PARAMETERS_WRONG, f"收到的参数名为 {'、'.join(names)[:100]}")
    if infno not in interface.contract.transactions:
        return None
    if cut is None:
        head = read_head(_child(element, HEAD.name))
        message = interface.input(infno).read_xml(element, skip=_HEAD_ONLY)
    else:
        head = _head_apart(element, cut, whole=request.whole)
        # the tables may have been renewed since rows were cut out: who cut them reads them
        message = (
            cut.by.read_cut(cut, HEAD_ROW) if request.whole else cut.by.read_xml(element, skip=_HEAD_ONLY, cut=cut)
        )
    return _call(request, TypedService.channel, infno, head, message)


def _head_apart(element: etree._Element, cut: Cut, *, whole: bool) -> dict[str, str]:
    """As :func:`read_head`, where it may have been cut out."""
    if not whole:
        head = _child(element, HEAD.name)
        if head is None or not is_mark(head):
            return read_head(head)
    row = cut.row_of(HEAD_ROW)
    if row is None:
        return {}
    (given,) = HEAD_ROW.as_given([row])
    return dict(zip(given, map(str.strip, given.values()), strict=True))


def _call(request: SoapRequest, channel: str, infno: str, head: dict[str, str], message: Any) -> Call:
    return Call(
        client=request.client,
        infno=infno,
        message=message,
        raw=request.raw,
        channel=channel,
        head=head,
        raw_charset=request.charset,
    )


class StringService:
    """``Call(infno, request) -> CallResult``: the message is XML or JSON text, and so is the answer."""

    channel = "string"
    cutter: Cutter | None = None

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def answer(self, request: SoapRequest, operation: str) -> str:
        del operation
        text = self.exchange_text(request)
        return f'<CallResponse xmlns="{NAMESPACE}"><CallResult>{escape(text)}</CallResult></CallResponse>'

    def failure(self, request: SoapRequest, fault: GatewayFault) -> str | None:
        del request, fault
        return None

    def exchange_text(self, request: SoapRequest) -> str:
        """Carry one call whose message is the content of ``request`` and write the answer in the same form."""
        infno, as_json = "", False
        unread = unread_call(request.raw, self.channel, client=request.client, charset=request.charset)
        try:
            infno, parameter, text = _parameters(request)
            unread = replace(unread, infno=infno)
            as_json = _is_json(text)
            call = _read_text(request, infno, parameter, text, self._reception.exchange.interface)
        except GatewayFault as fault:
            return self._write(self._reception.turn_away(fault, unread), "", as_json=as_json)
        return self._write(self._reception.handle(call), infno, as_json=as_json)

    def _write(self, reply: Reply, infno: str, *, as_json: bool) -> str:
        if as_json:
            return dumps(json_reply(reply)).decode()
        output = ""
        if reply.output:
            output = self._reception.exchange.interface.output(infno).write_xml(reply.output)
        return f"<response>{write_reply(reply, output)}</response>"


def read_string(request: SoapRequest, interface: Interface) -> Call:
    """A call of the string service. Raises ``GatewayFault`` for what cannot be read."""
    return _read_text(request, *_parameters(request), interface)


def is_json_call(request: SoapRequest) -> bool:
    """Whether the message of a call of the string service is JSON text. Raises ``Refused``."""
    return _is_json(_parameters(request)[2])


def _parameters(request: SoapRequest) -> tuple[str, etree._Element | None, str]:
    """``infno``, the element ``request`` and its text."""
    infno, parameter = _child(request.operation, "infno"), _child(request.operation, "request")
    text = "" if parameter is None else (parameter.text or "").strip("\ufeff \t\r\n")
    return ((infno.text or "").strip() if infno is not None else ""), parameter, text


def _is_json(text: str) -> bool:
    return text[:1] in ("{", "[")


def _read_text(
    request: SoapRequest, infno: str, parameter: etree._Element | None, text: str, interface: Interface
) -> Call:
    if parameter is None or not infno:
        names = "、".join(local(child.tag) for child in request.operation)
        raise Refused(PARAMETERS_WRONG, f"须有 infno 与 request，收到的是 {names[:100] or '空'}")
    transaction = interface.operation(infno)
    if _is_json(text):
        head, message = read_json_request(loads_strict(text))
    else:
        head, message = _read_xml(text, parameter, interface.input(transaction.infno))
    return _call(request, StringService.channel, infno, head, message)


def _read_xml(text: str, parameter: etree._Element, codec: Codec) -> tuple[dict[str, str], Any]:
    """The ``<request>`` document: text as a rule; as child elements it is accepted too, never read as empty."""
    cut: Cut | None = None
    if len(parameter):
        root = _nested(parameter)
    else:
        root, cut = parse_text_apart(text, lambda document: codec.cut(document, ("input",)))
    if local(root.tag) != "request":
        raise Refused(ENVELOPE_BROKEN, f"request 的根元素应为 <request>，实为 <{local(root.tag)[:60]}>")
    strange = [local(child.tag) for child in root if local(child.tag) not in ("head", "input")]
    if strange:
        raise Refused(PARAMETERS_WRONG, f"<request> 下只能有 head 与 input，收到 {'、'.join(strange)[:100]}")
    body = _child(root, "input")
    message = codec.read_xml(body, cut=cut) if body is not None else {}
    return read_head(_child(root, "head")), message


def _nested(parameter: etree._Element) -> etree._Element:
    inner = _child(parameter, "request")
    return parameter if inner is None else inner


def read_json_request(document: Any) -> tuple[dict[str, str], Any]:
    """Head and input of a JSON request. Raises ``Unreadable`` GW-1008 when its shape is another."""
    if not isinstance(document, dict) or not isinstance(document.get("head") or {}, dict):
        raise Unreadable(JSON_MALFORMED, '应为 {"head": {...}, "input": {...}}')
    strange = [name for name in document if name not in ("head", "input")]
    if strange:
        raise Unreadable(JSON_MALFORMED, f"顶层只能有 head 与 input，收到 {'、'.join(strange)[:100]}")
    given = document.get("head") or {}
    nested = [name for name, value in given.items() if isinstance(value, dict | list)]
    if nested:
        raise Unreadable(JSON_MALFORMED, f"head 的值应为文本：{'、'.join(nested)[:100]}")
    head = {name: as_text(value) for name, value in given.items()}
    return head, document.get("input") or {}


class LegacyService:
    """A WSDL the hospital already calls, taken over through a dialect."""

    cutter: Cutter | None = None

    def __init__(self, dialect: Dialect, reception: Reception) -> None:
        self._dialect = dialect
        self._reception = reception
        self.channel = f"legacy/{dialect.name}"

    def answer(self, request: SoapRequest, operation: str) -> str:
        del operation
        called: DialectCall | None = None
        try:
            called = self._dialect.read(request.operation, request.charset)
            reply = self._reception.handle(legacy_call(called, request, self._dialect))
        except GatewayFault as fault:
            called = fault.call if isinstance(fault, DialectRefused) else called
            unread = unread_call(request.raw, self.channel, client=request.client, charset=request.charset)
            reply = refusal_reply(fault) if fault.journaled else self._reception.turn_away(fault, unread)
        return self._text(called, reply)

    def failure(self, request: SoapRequest, fault: GatewayFault) -> str | None:
        """Once the envelope can be read every failure comes in the dialect's own form."""
        del request
        return self._text(None, refusal_reply(fault))

    def _text(self, called: DialectCall | None, reply: Reply) -> str:
        return etree.tostring(self._dialect.write(called, reply), encoding="unicode")


def legacy_call(called: DialectCall, request: SoapRequest, dialect: Dialect) -> Call:
    """The call that a dialect has read."""
    return Call(
        client=request.client,
        infno=called.infno,
        message=called.message,
        raw=request.raw,
        channel=f"legacy/{dialect.name}",
        head=called.head,
        problems=called.problems,
        unknown=called.unknown,
        raw_charset=request.charset,
        dialect_version=dialect.version,
    )
