"""Three ways to the gateway, all found in its WSDL: typed services, the string service, raw SOAP 1.2 in GBK."""

from __future__ import annotations

import http.client
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests
import zeep
from zeep.helpers import serialize_object
from zeep.transports import Transport

Message = Mapping[str, Any]
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
TIMEOUT_S: Final = 60
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")


class LineBroken(Exception):
    """No answer that could be read came back."""


@dataclass(frozen=True)
class Answer:
    """The parts of an answer, whatever way it came; leaves are text."""

    infcode: str
    code: str = ""
    msgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    retry: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[Mapping[str, str]] = ()

    def node(self, name: str) -> Mapping[str, Any]:
        """The one element of an output node; empty when it is not there."""
        found = self.rows(name)
        return found[0] if found else {}

    def value(self, node: str, name: str) -> str:
        """One field of an output node. Raises :class:`LineBroken` when it is not there."""
        found = self.node(node).get(name)
        if found in (None, ""):
            raise LineBroken(f"应答缺少 {node}/{name}")
        return str(found)

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """The elements of an output node; XML and JSON show a single one without a list."""
        found = self.output.get(name) or []
        return list(found) if isinstance(found, list) else [found]


class Way(Protocol):
    """Carries one call."""

    title: str

    def call(self, infno: str, head: Mapping[str, str], message: Message) -> Answer:
        """Raises :class:`LineBroken`."""
        ...


def _answer(parts: Mapping[str, Any]) -> Answer:
    problems = parts.get("problem") or []
    return Answer(
        infcode=str(parts.get("infcode", "")),
        **{name: str(parts.get(name) or "") for name in ("code", "msgid", "err_msg", "warn_msg", "retry")},
        output=parts.get("output") or {},
        problems=problems if isinstance(problems, list) else [problems],
    )


class Services:
    """The services behind one address, read from their WSDL on first use.

    Args:
        base: address of the gateway, ``http://host:port``.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        session = requests.Session()
        # the gateway of a hospital is never behind the proxy that its environment names for the Internet
        session.trust_env = False
        self._transport = Transport(session=session, timeout=TIMEOUT_S, operation_timeout=TIMEOUT_S)
        self._clients: dict[str, zeep.Client] = {}
        self._titles: dict[str, str] = {}

    def client(self, group: str) -> zeep.Client:
        """Zeep over ``/soap/<group>?wsdl``."""
        if group not in self._clients:
            url = f"{self._base}/soap/{group}?wsdl"
            self._clients[group] = zeep.Client(url, transport=self._transport)
            self._titles |= _titles(ET.fromstring(self._transport.load(url)))  # noqa: S314 - of the gateway
        return self._clients[group]

    def title(self, infno: str, group: str) -> str:
        """The Chinese name of a transaction, as the WSDL documents its operation."""
        self.client(group)
        return self._titles.get(f"Txn{infno}") or self._titles.get(infno, "")

    def address_12(self, group: str) -> str:
        """Where the SOAP 1.2 port of a group listens."""
        (service,) = self.client(group).wsdl.services.values()
        return str(
            next(
                port.binding_options["address"]
                for port in service.ports.values()
                if "soap12" in type(port.binding).__name__.lower()
            )
        )

    def namespace(self, group: str) -> str:
        """Target namespace of a group's messages."""
        (service,) = self.client(group).wsdl.services.values()
        return str(next(iter(service.ports.values())).binding.name.namespace)


def _titles(wsdl: ET.Element) -> dict[str, str]:
    """``Txn2401`` -> 入院办理, from ``<documentation>2401 入院办理</documentation>``; of a sentence its first clause."""
    found = {}
    for operation in wsdl.iterfind(f"{WSDL}portType/{WSDL}operation"):
        text = operation.findtext(f"{WSDL}documentation") or ""
        number, _, title = text.partition(" ")
        found[operation.get("name", "")] = re.split("[，；]", title if number.isascii() and title else text)[0]
    return found


class Typed:
    """Typed operations through zeep, SOAP 1.1."""

    def __init__(self, services: Services, group: str) -> None:
        self.title = "类型化"
        self._services = services
        self._group = group

    def call(self, infno: str, head: Mapping[str, str], message: Message) -> Answer:
        operation = self._services.client(self._group).service[f"Txn{infno}"]
        try:
            reply = operation(head=dict(head), **message)
        except (zeep.exceptions.Error, requests.RequestException) as error:
            raise LineBroken(str(error)) from error
        return _answer(_bare(serialize_object(reply, dict)))


_TOLD: Final = ("state", "allowed", "kind", "title", "voucher_no", "admitted", "item")
"""What is kept of an answer of the hospital's service besides its status."""


class Hospital:
    """What a HIS tells and asks the gateway itself, through zeep."""

    title = "院内服务"

    def __init__(self, services: Services) -> None:
        self._services = services

    def call(self, operation: str, arguments: Message) -> Answer:
        """One operation of ``/soap/hospital``; what it answers besides its status is the output."""
        try:
            reply = self._services.client("hospital").service[operation](**arguments)
        except (zeep.exceptions.Error, requests.RequestException) as error:
            raise LineBroken(str(error)) from error
        parts = _bare(serialize_object(reply, dict))
        return _answer({**parts, "output": {name: parts[name] for name in _TOLD if name in parts}})


def _bare(value: Any) -> Any:
    """Without what the WSDL allows and the answer does not have."""
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in value.items() if item not in (None, [], "")}
    return [_bare(item) for item in value] if isinstance(value, list) else value


class Text:
    """The string service ``Call(infno, request)`` through zeep.

    Args:
        form: ``xml`` or ``json``; the answer comes in the same.
    """

    def __init__(self, services: Services, form: str) -> None:
        self.title = f"字符串 {form.upper()}"
        self._services = services
        self._form = form

    def call(self, infno: str, head: Mapping[str, str], message: Message) -> Answer:
        request = {"head": dict(head), "input": message}
        text = json.dumps(request, ensure_ascii=False) if self._form == "json" else _xml_text("request", request)
        try:
            reply = self._services.client("exchange").service.Call(infno=infno, request=text)
            parts = json.loads(reply) if self._form == "json" else _read(ET.fromstring(reply))  # noqa: S314
        except (zeep.exceptions.Error, requests.RequestException, ValueError, ET.ParseError) as error:
            raise LineBroken(str(error)) from error
        return _answer(parts)


class RawGbk:
    """What an old HIS does: a SOAP 1.2 envelope put together by hand, in GBK, over a bare HTTP connection."""

    def __init__(self, services: Services, group: str) -> None:
        self.title = "SOAP 1.2 GBK"
        self._services = services
        self._group = group

    def call(self, infno: str, head: Mapping[str, str], message: Message) -> Answer:
        namespace = self._services.namespace(self._group)
        operation = ET.Element(f"Txn{infno}", {"xmlns": namespace})
        _fill(operation, {"head": dict(head), **message})
        body = ET.tostring(operation, encoding="unicode")
        envelope = (
            f'<?xml version="1.0" encoding="GBK"?><e:Envelope xmlns:e="{SOAP_12}"><e:Body>{body}</e:Body></e:Envelope>'
        )
        action = f'application/soap+xml; charset=GBK; action="{namespace}/Txn{infno}"'
        text = _post(self._services.address_12(self._group), envelope.encode("gbk"), action)
        try:
            answered = ET.fromstring(_DECLARATION.sub("", text))  # noqa: S314 - of the gateway
            reply = answered.find(f"{{{SOAP_12}}}Body/{{{namespace}}}Txn{infno}Response")
        except ET.ParseError as error:
            raise LineBroken(str(error)) from error
        if reply is None:
            raise LineBroken(f"应答中没有 Txn{infno}Response：{text[:300]}")
        return _answer(_read(reply))


def _post(url: str, body: bytes, content_type: str) -> str:
    """The answer's text; it must come back in the charset of the request and say so."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        told = answer.headers.get_content_charset() or ""
        content = answer.read()
        if told.lower() not in ("gbk", "gb2312", "gb18030"):
            raise LineBroken(f"请求为 GBK，应答却是 {told or '未说明的字符集'}")
        return content.decode(told)
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise LineBroken(str(error)) from error
    finally:
        connection.close()


# ------------------------------------------------------------------ XML


def _xml_text(name: str, value: Message) -> str:
    root = ET.Element(name)
    _fill(root, value)
    return ET.tostring(root, encoding="unicode")


def _fill(parent: ET.Element, value: Message) -> None:
    """Nested dicts as elements; a list repeats its element."""
    for name, item in value.items():
        for each in item if isinstance(item, list) else [item]:
            child = ET.SubElement(parent, name)
            if isinstance(each, Mapping):
                _fill(child, each)
            else:
                child.text = str(each)


def _read(element: ET.Element) -> dict[str, Any]:
    """Elements as nested dicts without namespaces; what is repeated becomes a list."""
    found: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        value: Any = _read(child) if len(child) else (child.text or "")
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
