"""The platform as a SOAP service: one operation that carries the national envelope as text.

Read with the standard library's parser and written by hand, so that it shares nothing with the client it is called by.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from xml.parsers import expat
from xml.sax.saxutils import escape

from gateway.simulator.tables import Node, Tables
from gateway.simulator.wire import DEPTH_MAX, Response, Unreadable, encode, read_object

PATH: Final = "/services/SettlementService"
OPERATION: Final = "Call"
NAMESPACE: Final = "urn:yibao:simulator"
_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_SECEXT: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]*encoding=["']([A-Za-z0-9-]+)["'][^>]*\?>""")
_HEADERS: Final = {"Username": "user", "Password": "password", "Nonce": "nonce", "Created": "created"}
_SWEEP_AT: Final = 10_000


@dataclass(slots=True)
class WsseSigning:
    """WS-Security UsernameToken with a digest of the password: SHA-1 over nonce, time and password.

    Args:
        secrets: user -> password.
        window_s: how far ``Created`` may be from the platform's clock.
    """

    secrets: Mapping[str, str]
    window_s: int = 300
    _used: dict[bytes, int] = field(default_factory=dict)

    def refusal(self, headers: Mapping[str, str], now_s: int) -> str | None:
        """Why this token is not accepted (Chinese), or None; an accepted nonce is spent.

        Args:
            headers: what stood in the token, as :class:`SoapFront` hands it on.
            now_s: the platform's clock in Unix seconds.
        """
        user, given, nonce, created = (headers.get(f"wsse-{name}", "") for name in _HEADERS.values())
        if not (user and given and nonce and created):
            return "缺少 WS-Security UsernameToken（Username、Password、Nonce、Created）"
        if user not in self.secrets:
            return "非法用户（Username 未登记）"
        try:
            at = int(datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
            salt = base64.b64decode(nonce, validate=True)
        except (ValueError, binascii.Error):
            return "UsernameToken 的 Nonce 或 Created 格式不符"
        if abs(now_s - at) > self.window_s:
            return f"签名时间戳超时（允许前后 {self.window_s} 秒）"
        running = hashlib.sha1(salt, usedforsecurity=False)
        running.update(created.encode())
        running.update(self.secrets[user].encode())
        if not hmac.compare_digest(base64.b64encode(running.digest()), given.encode()):
            return "签名不一致"
        # by what is signed: the same bytes can be written in more than one Base64
        if salt in self._used:
            return "Nonce 重复使用"
        if len(self._used) >= _SWEEP_AT:
            self._used = {key: seen for key, seen in self._used.items() if seen >= at - 2 * self.window_s}
        self._used[salt] = at
        return None


@dataclass(slots=True)
class Element:
    """An element without its namespace, which has been checked where it matters."""

    name: str
    namespace: str
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def first(self, name: str) -> Element | None:
        """The first element of that name, however deep."""
        for child in self.children:
            found = child if child.name == name else child.first(name)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What came in the envelope: the transaction as JSON, and what stood in the security header."""

    infno: str
    headers: dict[str, str]
    body: bytes


class SoapFront:
    """Takes the envelope off a request, and puts one around the answer.

    Args:
        tables: tell which nodes of an XML payload are lists.
        payload: the form of the national envelope in the argument.
        charset: what answers are written in; requests may come in any.
    """

    def __init__(self, tables: Tables, payload: Literal["json", "xml"] = "json", charset: str = "utf-8") -> None:
        self._tables = tables
        self._payload = payload
        self.charset = charset

    def unwrap(self, body: bytes) -> Unwrapped:
        """The transaction in a SOAP request; raises :class:`Unreadable` for anything else."""
        root = parse(body)
        call = root.first(OPERATION)
        if (root.name, root.namespace) != ("Envelope", _ENVELOPE) or call is None or call.namespace != NAMESPACE:
            raise Unreadable(f"应为 SOAP 1.1 请求，操作 {OPERATION}")
        request = call.first("request")
        security = root.first("Security")
        token = security.first("UsernameToken") if security and security.namespace == _SECEXT else None
        told = {key: found.text for name, key in _HEADERS.items() if token and (found := token.first(name))}
        infno = next((child.text for child in call.children if child.name == "infno"), "")
        text = request.text if request else ""
        plain = text.encode() if self._payload == "json" else encode(self._envelope(parse(text.encode())))
        return Unwrapped(infno, {f"wsse-{name}": value for name, value in told.items()}, plain)

    def wrap(self, answer: Response) -> Response:
        """The answer as it goes out; a refused signature and a failure are faults, a file goes as it is."""
        if "json" not in answer.content_type:
            return answer
        if answer.status != 200:
            message = str(read_object(answer.body).get("message") or "")
            code = "wsse:FailedAuthentication" if answer.status == 401 else "soap:Server"
            fault = f"<faultcode>{code}</faultcode><faultstring>{escape(message)}</faultstring>"
            return self._written(500, f'<soap:Fault xmlns:wsse="{_SECEXT}">{fault}</soap:Fault>')
        payload = answer.body.decode()
        if self._payload == "xml":
            payload = _xml("response", read_object(answer.body))
        inner = f"<CallResult>{escape(payload)}</CallResult>"
        return self._written(200, f'<{OPERATION}Response xmlns="{NAMESPACE}">{inner}</{OPERATION}Response>')

    def wsdl(self, url: str) -> Response:
        """The description of the service at ``url``."""
        return Response(200, _WSDL.format(namespace=NAMESPACE, url=f"{url}{PATH}").encode(), "text/xml; charset=utf-8")

    def _written(self, status: int, inner: str) -> Response:
        declaration = f'<?xml version="1.0" encoding="{self.charset.upper()}"?>'
        text = f'{declaration}<soap:Envelope xmlns:soap="{_ENVELOPE}"><soap:Body>{inner}</soap:Body></soap:Envelope>'
        body = text.encode(self.charset, "xmlcharrefreplace")
        return Response(status, body, f"text/xml; charset={self.charset}")

    def _envelope(self, root: Element) -> dict[str, Any]:
        envelope = {child.name: child.text for child in root.children if child.name != "input"}
        infno = envelope.get("infno", "")
        nodes = self._tables[infno].input if infno in self._tables else ()
        inputs = [child for child in root.children if child.name == "input"]
        if any(node.name == "_root" and node.repeat for node in nodes):
            return envelope | {"input": [_row(one, nodes) for one in inputs]}
        return envelope | {"input": _row(inputs[0], nodes) if inputs else {}}


def _row(element: Element, nodes: tuple[Node, ...]) -> dict[str, Any]:
    known = {node.name: node for node in nodes}
    row: dict[str, Any] = {}
    for child in element.children:
        node = known.get(child.name)
        inside = node.children if node else ()
        value = _row(child, inside) if child.children or node else child.text
        if node is not None and node.repeat:
            row.setdefault(child.name, []).append(value)
        else:
            row[child.name] = value
    return row


def parse(body: bytes) -> Element:
    """The tree of an XML document; raises :class:`Unreadable` (Chinese) for what is none, or has a DOCTYPE."""
    declared = _DECLARED.match(body)
    try:
        text = body.decode(declared[1].decode() if declared else "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"报文的编码与声明不符：{error}") from error
    top = Element("", "")
    open_ones = [top]
    reader = expat.ParserCreate("utf-8", namespace_separator="\n")

    def begin(name: str, _attributes: Mapping[str, str]) -> None:
        namespace, _, short = name.rpartition("\n")
        element = Element(short, namespace)
        open_ones[-1].children.append(element)
        open_ones.append(element)
        if len(open_ones) > 2 * DEPTH_MAX:
            raise Unreadable(f"报文嵌套超过 {2 * DEPTH_MAX} 层")

    def forbid(*_: object) -> None:
        raise Unreadable("报文不能含有 DOCTYPE")

    reader.StartElementHandler = begin
    reader.EndElementHandler = lambda _: open_ones.pop()
    reader.CharacterDataHandler = lambda piece: open_ones[-1].pieces.append(piece)
    reader.StartDoctypeDeclHandler = forbid
    try:
        reader.Parse(_DECLARED.sub(b"", text.encode(), count=1), True)
    except expat.ExpatError as error:
        raise Unreadable(f"报文不是合法的 XML：{error}") from error
    return top.children[0]


def _xml(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_xml(key, item) for key, item in value.items())}</{name}>"
    return f"<{name}>{'' if value is None else escape(str(value))}</{name}>"


_WSDL: Final = """<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="Settlement" targetNamespace="{namespace}" xmlns:tns="{namespace}"
    xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/">
  <wsdl:types>
    <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{namespace}" elementFormDefault="qualified">
      <xs:element name="Call"><xs:complexType><xs:sequence>
        <xs:element name="infno" type="xs:string"/><xs:element name="request" type="xs:string"/>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="CallResponse"><xs:complexType><xs:sequence>
        <xs:element name="CallResult" type="xs:string"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:schema>
  </wsdl:types>
  <wsdl:message name="CallIn"><wsdl:part name="parameters" element="tns:Call"/></wsdl:message>
  <wsdl:message name="CallOut"><wsdl:part name="parameters" element="tns:CallResponse"/></wsdl:message>
  <wsdl:portType name="SettlementPortType">
    <wsdl:operation name="Call"><wsdl:input message="tns:CallIn"/><wsdl:output message="tns:CallOut"/></wsdl:operation>
  </wsdl:portType>
  <wsdl:binding name="SettlementBinding" type="tns:SettlementPortType">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Call"><soap:operation soapAction="{namespace}/Call"/>
      <wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
    </wsdl:operation>
  </wsdl:binding>
  <wsdl:service name="SettlementService">
    <wsdl:port name="SettlementPort" binding="tns:SettlementBinding"><soap:address location="{url}"/></wsdl:port>
  </wsdl:service>
</wsdl:definitions>
"""
