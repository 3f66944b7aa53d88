"""Envelope, charset, SOAP versions and faults: the one place where SOAP is read and written.

A ``WsgiApplication`` that keeps spyne's registry, routing and WSDL and replaces ``handle_rpc``: spyne's typed
deserialisation costs twenty times the CPU of the compiled codec, speaks one SOAP version per application, answers in
UTF-8 whatever was asked, and lets several broken envelopes escape as bare errors (docs/inside/decisions/0002).
"""

from __future__ import annotations

import gateway.soap.spyne_shim  # noqa: F401  # isort: skip  # before anything of spyne

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

import structlog
from lxml import etree
from spyne import Application
from spyne.server.wsgi import WsgiApplication

from gateway.contract.charset import encode_xml, header_charset, label_of
from gateway.contract.plain_rows import Cut, Cutter, apart, is_mark, says_nothing, skeleton_of
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import escape, local, parse
from gateway.exchange.call import Client
from gateway.faults import (
    ENVELOPE_BROKEN,
    HEADER_NOT_UNDERSTOOD,
    INTERNAL,
    METHOD_WRONG,
    TRANSACTION_UNKNOWN,
    GatewayFault,
    Unreadable,
)
from gateway.http.identity import SECURITY, public_url
from gateway.http.reception import (
    LAST_REPLY,
    NOBODY,
    Environ,
    Reception,
    StartResponse,
    respond,
    retry_after,
    unread_call,
)
from gateway.published.wsdl_files import with_address
from gateway.soap.operations import dispatch, find

log = structlog.get_logger(__name__)

SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
_CONTENT_TYPE: Final = {SOAP_11: "text/xml", SOAP_12: "application/soap+xml"}
_TRUE: Final = ("1", "true")


@dataclass(slots=True)
class _Form:
    """How to answer, as far as it is known: namespace of the envelope and codec."""

    version: str
    charset: str


@dataclass(slots=True)
class SoapRequest:
    """One envelope, opened; its caller is named once it is known to be an envelope."""

    environ: Environ
    raw: bytes
    charset: str
    """Codec the request came in and the answer goes out in."""
    version: str
    """Namespace of the envelope."""
    client: Client
    header: etree._Element | None
    operation: etree._Element
    """The child of Body."""
    cut: Cut | None = None
    """Rows of the message that are not in ``operation``."""
    whole: bool = False
    """Whether nothing of the message is left in ``operation``: it is all in ``cut``."""


class _Frame(NamedTuple):
    """An envelope around its message."""

    version: str
    header: etree._Element | None
    operation: etree._Element
    name: str
    """Local name of ``operation``."""
    whole: bool = False
    """See :class:`SoapRequest`."""


_FRAMES_MAX: Final = 256
"""Clients have one or two for each transaction that they call; strangers could make up any number."""


class SoapService(Protocol):
    """What stands behind one address: turns an opened envelope into the content of the answer's Body."""

    channel: str
    cutter: Cutter | None
    """Tells the rows that need not be parsed; None: nothing is told before the envelope is opened."""

    def answer(self, request: SoapRequest, operation: str) -> str:
        """XML of the response wrapper. May raise ``Unreadable`` for a SOAP Fault."""
        ...

    def failure(self, request: SoapRequest, fault: GatewayFault) -> str | None:
        """The failure in the service's own form, or None for a SOAP Fault."""
        ...


class Lane(WsgiApplication):  # type: ignore[misc]  # spyne has no types
    """Serves one spyne application.

    Args:
        build: makes the spyne application from the handler its operations shall call.
        service: makes the answers.
        reception: reads bodies, names clients, journals what is turned away.
        wsdl: the published file, served byte for byte but for ``soap:address``.
        path: of this service below the public address (``/soap/inpatient``).
    """

    def __init__(
        self,
        build: Callable[[Any], Application],
        service: SoapService,
        reception: Reception,
        wsdl: Callable[[], bytes],
        path: str,
    ) -> None:
        super().__init__(build(self._called))
        self._service = service
        self._reception = reception
        self._published = wsdl
        self._path = path
        self._frames: dict[str, _Frame] = {}
        """Of what is left of envelopes whose messages were cut out; read by many threads, changed by none."""
        self.event_manager.add_listener("wsdl", self._serve_published)

    # ----------------------------------------------------------------- WSDL

    def handle_wsdl_request(self, req_env: Environ, start_response: StartResponse, url: str) -> Any:
        """Serve the published file through spyne's own ``wsdl`` event; spyne's generator never runs."""
        self._wsdl = b""
        return super().handle_wsdl_request(req_env, start_response, url)

    def _serve_published(self, ctx: Any) -> None:
        address = public_url(ctx.transport.req, self._reception.listen) + self._path
        ctx.transport.wsdl = with_address(self._published(), address)

    # ------------------------------------------------------------------ RPC

    def __call__(self, req_env: Environ, start_response: StartResponse, wsgi_url: str | None = None) -> Any:
        """As spyne's, but for a call the address is not put together: only the WSDL says it."""
        if req_env["REQUEST_METHOD"] == "POST":
            return self.handle_rpc(req_env, start_response)
        return super().__call__(req_env, start_response, wsgi_url)

    def handle_rpc(self, req_env: Environ, start_response: StartResponse) -> list[bytes]:
        """One call. Whatever is wrong with it, the answer is a SOAP message."""
        LAST_REPLY.set(None)
        raw = b""
        form = _Form(_version_of_header(req_env), "utf-8")
        request: SoapRequest | None = None
        try:
            raw = self._reception.body(req_env)
            if req_env["REQUEST_METHOD"] != "POST":
                raise Unreadable(METHOD_WRONG)
            frame, cut = self._opened(raw, header_charset(req_env.get("CONTENT_TYPE") or ""), form)
            request = _request(req_env, raw, form.charset, frame, cut)
            request.client = self._named(request)
            descriptor = find(self.app, frame.name)
            if descriptor is None:
                raise Unreadable(TRANSACTION_UNKNOWN, f"操作 {frame.name[:60]!r} 不在本服务的 WSDL 中")
            body: str = dispatch(self, descriptor, request)
        except GatewayFault as fault:
            return self._turned_away(fault, raw, request, form, start_response)
        except Exception:
            log.exception("lane_failed", path=self._path)
            return self._turned_away(Unreadable(INTERNAL), raw, request, form, start_response)
        return _written(start_response, 200, form, body, retry_after(LAST_REPLY.get()))

    def _opened(self, raw: bytes, in_header: str, form: _Form) -> tuple[_Frame, Cut | None]:
        """The envelope, and the rows that were cut out of it; ``form`` learns of it as far as it can be read."""
        cutter = self._service.cutter
        cut, charset = (None, "") if cutter is None else apart(raw, in_header, cutter)
        frame = None if cut is None else self._frames.get(cut.skeleton)
        if frame is not None:
            form.version, form.charset = frame.version, charset
            return frame, cut
        root = skeleton_of(cut)
        if root is None:
            cut = None
            root, charset = parse(raw, in_header)
        form.charset = charset
        form.version = _version(root)
        frame = _frame(root, form.version, raw)
        if cut is not None and _is_whole(frame) and says_nothing(cut.skeleton, root):
            frame = self._remembered(cut.skeleton, frame)
        return frame, cut

    def _remembered(self, skeleton: str, frame: _Frame) -> _Frame:
        if len(self._frames) >= _FRAMES_MAX:
            self._frames = {}
        whole = self._frames[skeleton] = frame._replace(header=None, whole=True)
        return whole

    def _called(self, _ctx: Any, operation: str, parts: tuple[Any, ...]) -> str:
        """What every ``@rpc`` of the application calls."""
        return self._service.answer(parts[0], operation)

    def _named(self, request: SoapRequest) -> Client:
        security = _understood(request.header, request.version)
        return self._reception.client(request.environ, security)

    def _turned_away(
        self,
        fault: GatewayFault,
        raw: bytes,
        request: SoapRequest | None,
        form: _Form,
        start_response: StartResponse,
    ) -> list[bytes]:
        if not fault.journaled:
            client = request.client if request else NOBODY
            received = raw or fault.received
            unread = unread_call(received, self._service.channel, client=client, charset=form.charset)
            self._reception.turn_away(fault, unread)
        content = self._service.failure(request, fault) if request else None
        if content is not None:
            return _written(start_response, 200, form, content)
        headers = [("Allow", "GET, POST")] if fault.fault is METHOD_WRONG else []
        status = 405 if fault.fault is METHOD_WRONG else _fault_status(form.version, fault)
        return _written(start_response, status, form, _FAULTS[form.version](fault), headers)


def reopened(raw: bytes, charset: str, client: Client) -> SoapRequest:
    """An envelope out of the journal, opened like one that comes in. Raises ``Unreadable``.

    Args:
        charset: the codec that it was read with.
        client: who sent it, proven then.
    """
    root, codec = parse(raw, charset)
    return replace(_request({}, raw, codec, _frame(root, _version(root), raw), None), client=client)


def _version(root: etree._Element) -> str:
    """Namespace of the envelope."""
    version = root.tag[1:].partition("}")[0] if root.tag.startswith("{") else ""
    if version not in _CONTENT_TYPE or local(root.tag) != "Envelope":
        raise Unreadable(ENVELOPE_BROKEN, f"根元素 {root.tag[:100]!r} 不是 SOAP 1.1/1.2 的 Envelope")
    return version


def _frame(root: etree._Element, version: str, raw: bytes) -> _Frame:
    operation = _operation(root, version, raw)
    return _Frame(version, root.find(f"{{{version}}}Header"), operation, local(operation.tag))


def _is_whole(frame: _Frame) -> bool:
    """Whether nothing but rows that were cut out is in the operation, and nothing in a header."""
    no_header = frame.header is None or not len(frame.header)
    return no_header and bool(len(frame.operation)) and all(map(is_mark, frame.operation))


def _request(environ: Environ, raw: bytes, charset: str, frame: _Frame, cut: Cut | None) -> SoapRequest:
    """What came, its caller not yet named."""
    return SoapRequest(environ, raw, charset, frame.version, NOBODY, frame.header, frame.operation, cut, frame.whole)


def _operation(root: etree._Element, version: str, raw: bytes) -> etree._Element:
    body = root.find(f"{{{version}}}Body")
    if body is None:
        raise Unreadable(ENVELOPE_BROKEN, "没有 Body")
    if not len(body):
        raise Unreadable(ENVELOPE_BROKEN, "Body 中没有操作元素")
    if len(body) > 1:
        raise Unreadable(ENVELOPE_BROKEN, f"Body 中有 {len(body)} 个元素，只能有一个操作")
    operation = body[0]
    if _may_hold_href(raw) and any(element.get("href", "").startswith("#") for element in operation.iter()):
        raise Unreadable(ENVELOPE_BROKEN, "不支持 SOAP 编码的 href 引用，请使用 document/literal")
    return operation


def _may_hold_href(raw: bytes) -> bool:
    """Looking at the bytes (UTF-16 too) spares a walk over 500 rows; an attribute's name cannot be written otherwise."""
    return b"href" in raw or b"h\0r\0e\0f" in raw


def _understood(header: etree._Element | None, version: str) -> etree._Element | None:
    """The Security block. Any other block that must be understood is refused."""
    security: etree._Element | None = None
    for block in header if header is not None else ():
        if block.tag == SECURITY:
            security = block
        elif block.get(f"{{{version}}}mustUnderstand", "0").strip() in _TRUE:
            raise Unreadable(HEADER_NOT_UNDERSTOOD, local(block.tag)[:60])
    return security


# ---------------------------------------------------------------- writing


def _written(
    start_response: StartResponse,
    status: int,
    form: _Form,
    body: str,
    headers: list[tuple[str, str]] | None = None,
) -> list[bytes]:
    label = label_of(form.charset)
    text = (
        f'<?xml version="1.0" encoding="{label}"?>\n<soap:Envelope xmlns:soap="{form.version}">'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )
    content_type = f"{_CONTENT_TYPE[form.version]}; charset={label.lower()}"
    return respond(start_response, status, content_type, encode_xml(text, form.charset), headers or ())


def _detail(fault: GatewayFault) -> str:
    row = fault.fault
    return (
        f'<fault xmlns="{NAMESPACE}"><code>{row.code}</code><retry>{row.retry}</retry>'
        f"<cause>{escape(row.cause)}</cause><action>{escape(row.action)}</action></fault>"
    )


def _fault_11(fault: GatewayFault) -> str:
    return (
        f"<soap:Fault><faultcode>soap:{_who(fault, 'Client', 'Server')}</faultcode>"
        f"<faultstring>{escape(f'{fault.fault.code} {fault.text}')}</faultstring>"
        f"<detail>{_detail(fault)}</detail></soap:Fault>"
    )


def _fault_12(fault: GatewayFault) -> str:
    """No Subcode: an unqualified one makes Java's SAAJ refuse the whole message."""
    return (
        f"<soap:Fault><soap:Code><soap:Value>soap:{_who(fault, 'Sender', 'Receiver')}</soap:Value></soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="zh">{escape(f"{fault.fault.code} {fault.text}")}</soap:Text></soap:Reason>'
        f"<soap:Detail>{_detail(fault)}</soap:Detail></soap:Fault>"
    )


_FAULTS: Final = {SOAP_11: _fault_11, SOAP_12: _fault_12}


def _who(fault: GatewayFault, caller: str, us: str) -> str:
    if fault.fault is HEADER_NOT_UNDERSTOOD:
        return "MustUnderstand"
    return caller if fault.fault.blames_caller else us


def _fault_status(version: str, fault: GatewayFault) -> int:
    """SOAP 1.1 knows only 500; SOAP 1.2 has 400 for the sender's faults."""
    return 400 if version == SOAP_12 and _who(fault, "Sender", "Receiver") == "Sender" else 500


def _version_of_header(environ: Environ) -> str:
    """The version to answer in when the envelope could not be read."""
    return SOAP_12 if "application/soap+xml" in (environ.get("CONTENT_TYPE") or "").lower() else SOAP_11
