"""The way to a province over SOAP: the national envelope as text in one argument of an operation from a WSDL file.

The line is the same as for JSON (``_post.py``), so "was it sent" is decided in the same place. A fault is no answer: a
server may have failed after it acted. Only those faults that the standards forbid after processing began (SOAP 1.1
section 4.4, WS-Security section 12) mean that nothing was executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

from lxml import etree
from urllib3.response import BaseHTTPResponse

from adapters.settlement._answer import read_body, told
from adapters.settlement._post import Answered, HttpPost, Judge
from adapters.settlement.files import NO_FILES, Files
from adapters.wsdl import SOAP_11, SOAP_12, Envelope, Operation, SoapFault, WsdlWrong, result_of
from gateway.contract.codec import as_text
from gateway.contract.jsontext import dumps, loads
from gateway.contract.xml import illegal_character, local, parse_text
from gateway.exchange.ports import NoAnswer, NotSent, PlatformAnswer, PlatformRequest, Prepared, Rejected, Wire
from gateway.faults import Unreadable

PAYLOAD: Final = "payload"
FROM_ENVELOPE: Final = (
    "infno",
    "msgid",
    "mdtrtarea_admvs",
    "insuplc_admdvs",
    "recer_sys_code",
    "infver",
    "opter_type",
    "opter",
    "opter_name",
    "inf_time",
    "fixmedins_code",
    "fixmedins_name",
    "sign_no",
)
"""What may stand in an argument besides the payload, account and password."""
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_NOT_EXECUTED: Final = frozenset(
    {f"{{{_WSSE}}}{name}" for name in ("UnsupportedSecurityToken", "UnsupportedAlgorithm", "InvalidSecurity",
                                       "InvalidSecurityToken", "FailedAuthentication", "FailedCheck",
                                       "SecurityTokenUnavailable", "MessageExpired")}
    | {f"{{{namespace}}}{name}" for namespace in (SOAP_11, SOAP_12) for name in ("VersionMismatch", "MustUnderstand")}
)  # fmt: skip
_HIDDEN: Final = b"***"


@dataclass(frozen=True, slots=True, repr=False)
class SoapCall:
    """How the province's operation is called.

    Args:
        wsdl: the file; what it imports lies beside it.
        operation, service, port: names in it; service and port may be empty for the first.
        arguments: name of an argument -> text with ``{payload}``, ``{account}``, ``{password}`` or the name of an
            envelope field in braces; ``a.b`` is the element ``b`` in ``a``.
        result: local name of the element that holds the answer; empty: as deep as there is only one child.
        payload: the national envelope as JSON or as XML text.
        xml_root: name of the outermost element of an XML payload.
        charset: of the request, and of answers that do not say in which they are.
        account, password: for arguments, and for WS-Security.
        security: WS-Security UsernameToken with the password as ``text`` or ``digest``; ``none``: without.
    """

    wsdl: Path
    operation: str
    arguments: Mapping[str, str]
    service: str = ""
    port: str = ""
    result: str = ""
    payload: Literal["json", "xml"] = "json"
    xml_root: str = "request"
    charset: str = "utf-8"
    account: str = ""
    password: str = ""
    security: Literal["none", "text", "digest"] = "none"

    def __post_init__(self) -> None:
        places = [place for text in self.arguments.values() for place in _PLACE.findall(text)]
        known = (PAYLOAD, "account", "password", *FROM_ENVELOPE)
        if unknown := sorted(set(places) - set(known)):
            raise ValueError(f"soap.arguments 中没有 {{{unknown[0]}}}；可用：{'、'.join(known)}")
        if places.count(PAYLOAD) != 1:
            raise ValueError("soap.arguments 中应恰有一处 {payload}，即报文所在的参数")
        if self.security != "none" and not (self.account and self.password):
            raise ValueError("soap.security 需要 account 与 password")


class SoapPlatform:
    """Sends each request once, wrapped in SOAP. The journal's bytes are the payload; see ``PlatformAnswer.wire``.

    Args:
        base_url: where to post; the address in the WSDL is not used.
        call: how the operation is called.
        files: where downloads are kept. An upload is Base64 inside the envelope, a download comes as octets.
        line: the keyword arguments of :class:`HttpPost`.

    Raises:
        ValueError: an address, WSDL or argument that cannot work, with the reason in Chinese.
    """

    def __init__(self, base_url: str, call: SoapCall, *, files: Files = NO_FILES, **line: Any) -> None:
        self._call = call
        self._files = replace(files, form="base64")
        self._operation = Operation(
            call.wsdl,
            call.operation,
            service=call.service,
            port=call.port,
            charset=call.charset,
            user=call.account if call.security != "none" else "",
            password=call.password,
            digest=call.security == "digest",
        )
        self._line = HttpPost(base_url, **line)
        self._secret = f">{escape(call.password, quote=False)}<".encode(call.charset) if call.password else b""
        self._wrapped(dumps({"infno": "9001", "input": {"data": {"psn_no": "1"}}}))  # wrong arguments show at start-up

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """See ``SettlementPlatform``: wrapped. Raises NotSent."""
        if request.parcel is not None:
            return None
        envelope = self._outgoing(request)
        return Prepared(envelope.body, self._kept(envelope), envelope.headers)

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Send once.

        Raises:
            NotSent: no envelope could be made, no connection, or no longer this node's; nothing left this machine.
            Rejected: refused in front of the platform; not executed.
            NoAnswer: bytes may have left and no whole answer came back that can be trusted; ``wire`` tells them.
        """
        made, incoming = request.prepared, self._files.incoming(request)
        envelope = Envelope(made.headers, made.body) if made else self._outgoing(request)
        path, headers = self._line.base_path or "/", self._headers(envelope)
        reads = partial(_judge, otherwise=incoming.judge)
        answered: Answered | None = None
        try:
            answered = self._line.post(path, headers, envelope.body, request, reads)
            body = answered.body if incoming.received else self._opened(answered)
        except NoAnswer as error:
            error.wire = self._wire(request, envelope, answered)
            raise
        wire = None if incoming.received else self._wire(request, envelope, answered)
        return PlatformAnswer(200, answered.headers, body, answered.elapsed_s, wire)

    def reachable(self, timeout_s: float) -> bool:
        """Whether TCP and TLS can be set up now; nothing is sent."""
        return self._line.reachable(timeout_s)

    def close(self) -> None:
        """Close idle connections and refuse new requests; running ones end."""
        self._line.close()

    # ------------------------------------------------------------- the request

    def _outgoing(self, request: PlatformRequest) -> Envelope:
        body = request.body
        if request.parcel is not None:
            body, _ = self._files.outgoing(body, request.parcel, lambda written: written)
        try:
            return self._wrapped(body)
        except (ValueError, Unreadable) as error:
            raise NotSent(f"报文无法写成 SOAP 请求，没有发出：{error}") from error

    def _wrapped(self, body: bytes) -> Envelope:
        """The SOAP request. Raises ValueError or Unreadable when it cannot be made."""
        document = loads(body)
        if not isinstance(document, dict):
            raise WsdlWrong("报文不是 JSON 对象")
        payload = body.decode() if self._call.payload == "json" else xml_of(self._call.xml_root, document)
        if bad := illegal_character(payload):
            raise WsdlWrong(f"报文含有 XML 不能传送的字符 {bad}")
        values = {name: as_text(document.get(name)) for name in FROM_ENVELOPE}
        values |= {PAYLOAD: payload, "account": self._call.account, "password": self._call.password}
        told = {name: _PLACE.sub(lambda place: values[place[1]], text) for name, text in self._call.arguments.items()}
        return self._operation.write(_nested(told))

    def _headers(self, envelope: Envelope) -> dict[str, str]:
        return {**envelope.headers, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "yibao-gateway"}

    def _wire(self, request: PlatformRequest, envelope: Envelope, answered: Answered | None) -> Wire | None:
        """What stood on the line; never a file, which has a place of its own."""
        if request.parcel is not None:
            return None
        return Wire(None if request.prepared else self._kept(envelope), answered.body if answered else None)

    def _kept(self, envelope: Envelope) -> bytes:
        """Without the password: the journal is no place for it."""
        return envelope.body.replace(self._secret, b">" + _HIDDEN + b"<") if self._secret else envelope.body

    # -------------------------------------------------------------- the answer

    def _opened(self, answered: Answered) -> bytes:
        """The national envelope in JSON. Raises Rejected or NoAnswer."""
        try:
            found = self._operation.read(answered.body, answered.headers.get("content-type", ""))
            if isinstance(found, SoapFault):
                raise _told_by(found)
            if answered.status != 200:
                raise NoAnswer(f"平台返回 HTTP {answered.status}，不能作为答复")
            return _payload(result_of(found, self._call.result))
        except (ValueError, Unreadable) as error:
            if answered.status != 200:
                raise NoAnswer(f"平台返回 HTTP {answered.status}，不能作为答复") from error
            raise NoAnswer(f"平台的 SOAP 答复无法读取：{error}") from error


def _judge(response: BaseHTTPResponse, bytes_max: int, *, otherwise: Judge) -> bytes:
    """SOAP 1.1 answers a fault as HTTP 500, 1.2 a fault of the sender as 400: what it says is worth reading."""
    return read_body(response, bytes_max) if response.status in (400, 500) else otherwise(response, bytes_max)


def _told_by(fault: SoapFault) -> NoAnswer | Rejected:
    code = "、".join(local(name) for name in fault.codes)
    if _NOT_EXECUTED.intersection(fault.codes):
        return Rejected(f"平台拒绝（SOAP Fault {code}）：{fault.text}")
    return NoAnswer(f"平台答以 SOAP Fault，是否办理不明（{code}）：{fault.text}")


def _payload(result: etree._Element) -> bytes:
    """The national envelope that stands in the result, as JSON text, as XML text, or as elements."""
    if len(result):
        return dumps(_answer_of(result))
    text = (result.text or "").strip().removeprefix("\ufeff")
    if text.startswith("<"):
        return dumps(_answer_of(parse_text(text)))
    return told(200, text.encode())


def _answer_of(element: etree._Element) -> dict[str, Any]:
    answer = tree_of(element)
    while isinstance(answer, dict) and len(answer) == 1 and "infcode" not in answer:
        answer = next(iter(answer.values()))
    if not isinstance(answer, dict) or "infcode" not in answer:
        raise ValueError("答复的报文没有 infcode")
    return answer


def tree_of(element: etree._Element) -> Any:
    """XML without attributes as JSON: a repeated element is a list, a leaf its text; nothing for an empty one."""
    if not len(element):
        return element.text or ""
    tree: dict[str, Any] = {}
    for child in element:
        name, value = local(child.tag), tree_of(child)
        if name not in tree:
            tree[name] = value
        elif isinstance(tree[name], _Rows):
            tree[name].append(value)
        else:
            tree[name] = _Rows([tree[name], value])
    return tree


class _Rows(list[Any]):
    """An element that came more than once."""


def xml_of(name: str, value: Any) -> str:
    """JSON as XML: a list is the element repeated, a leaf its text, ``null`` an empty element."""
    if isinstance(value, list):
        return "".join(xml_of(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(xml_of(key, item) for key, item in value.items())}</{name}>"
    text = escape(as_text(value), quote=False)
    return f"<{name}>{text}</{name}>" if text else f"<{name}/>"


def _nested(arguments: Mapping[str, str]) -> dict[str, Any]:
    """``{"a.b": x}`` as ``{"a": {"b": x}}``."""
    tree: dict[str, Any] = {}
    for name, value in arguments.items():
        *parents, leaf = name.split(".")
        at = tree
        for parent in parents:
            at = at.setdefault(parent, {})
        at[leaf] = value
    return tree
