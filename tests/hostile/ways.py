"""The ways in: how the same query is put on each address, and how its answer is read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from gateway.exchange.ports import Exchange, State
from gateway.faults import FAULTS
from tests.running import Answer, House

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
VERSIONS = {"1.1": SOAP_11, "1.2": SOAP_12}
MEDIA = {"1.1": "text/xml", "1.2": "application/soap+xml"}
NAMESPACE = "urn:yibao:gateway:v1"
CERTNO = "440802199001011234"

TYPED_INPUT = f"<data><mdtrt_cert_type>02</mdtrt_cert_type><mdtrt_cert_no>{CERTNO}</mdtrt_cert_no></data>"
REQUEST = f"<request><input>{TYPED_INPUT}</input></request>"


def envelope(body: str, version: str = "1.1", header: str = "") -> str:
    return f'<s:Envelope xmlns:s="{VERSIONS[version]}">{header}<s:Body>{body}</s:Body></s:Envelope>'


@dataclass(frozen=True)
class SoapWay:
    """A SOAP address. ``wrap`` puts a payload into its operation, ``result`` finds the text of the answer."""

    name: str
    path: str
    channel: str
    wrap: Callable[[str], str]
    payload: str
    success: str
    """Stands in the answer of a call that went well."""

    def body(self, payload: str | None = None, version: str = "1.1") -> bytes:
        return envelope(self.wrap(self.payload if payload is None else payload), version).encode()

    def served(self, house: House) -> None:
        """The next caller is answered normally."""
        answer = house.http(self.path, self.body())
        assert answer.status == 200, answer.body
        assert self.success in unpacked(answer.body.decode()), answer.body


def unpacked(text: str) -> str:
    """The answer and, where a part of it is Base64, what that says."""
    found = text
    for element in ET.fromstring(text).iter():
        try:
            found += base64.b64decode(element.text or "", validate=True).decode("gb18030")
        except ValueError:
            found += element.text or ""
    return found


def _legacy(dialect: str, wrap: Callable[[str], str], payload: str, success: str) -> SoapWay:
    return SoapWay(dialect, f"/soap/legacy/{dialect}", f"legacy/{dialect}", wrap, payload, success)


def _gbk_base64(text: str) -> str:
    return base64.b64encode(text.encode("gbk", "replace")).decode()


STRING = SoapWay(
    "string",
    "/soap/exchange",
    "string",
    lambda text: f'<Call xmlns="{NAMESPACE}"><infno>1101</infno><request>{escape(text)}</request></Call>',
    REQUEST,
    "<infcode>0</infcode>",
)
TYPED = SoapWay(
    "typed",
    "/soap/person",
    "typed",
    lambda text: f'<Txn1101 xmlns="{NAMESPACE}">{text}</Txn1101>',
    TYPED_INPUT,
    "<infcode>0</infcode>",
)
CALLFUN = _legacy(
    "callfun",
    lambda text: f'<n:CallFun xmlns:n="http://ws.yibao.his/"><arg0>{escape(text)}</arg0></n:CallFun>',
    json.dumps({"transNo": "1101", "data": {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": CERTNO}}}),
    '"success":"1"',
)
TRANSSERVICE = _legacy(
    "transservice",
    lambda text: (
        f'<TransService xmlns="http://tempuri.org/"><TransNo>GR01</TransNo><Inxml>{escape(text)}</Inxml></TransService>'
    ),
    f"<indata><data><kzlx>身份证</kzlx><kh>{CERTNO}</kh></data></indata>",
    "<retcode>0</retcode>",
)
BYTES = _legacy(
    "bytes",
    lambda text: (
        f'<TransByBytes xmlns="http://tempuri.org/"><TransNo>Q1101</TransNo>'
        f"<inBytes>{_gbk_base64(text)}</inBytes></TransByBytes>"
    ),
    f'<Request><Body><Card type="I" no="{CERTNO}"/></Body></Request>',
    "<syscode>1</syscode>",
)
LEGACY = (CALLFUN, TRANSSERVICE, BYTES)
SOAP_WAYS = {way.name: way for way in (STRING, TYPED, *LEGACY)}

JSON_PATH = "/api/v1/transactions/1101"
JSON_TYPE = "application/json"
JSON_INPUT = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": CERTNO}}


def json_served(house: House) -> None:
    answer = house.http(JSON_PATH, json.dumps({"input": JSON_INPUT}).encode(), JSON_TYPE)
    assert (answer.status, json.loads(answer.body)["infcode"]) == (200, 0), answer.body


class Watch:
    """What a refused call may leave behind: one journaled refusal with its bytes, and nothing at the platform."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._last = house.newest()
        self._sent = house.sent()

    def refused(self, body: bytes, code: str, channel: str) -> Exchange:
        (row,) = self._house.since(self._last)
        assert (row.state, row.code, row.channel) == (State.REFUSED, code, channel), row
        assert (self._house.bodies(row).caller_request or b"") == body
        assert self._house.sent() == self._sent, "something was sent to the platform"
        return row


def assert_named(text: str, code: str, where: str = "") -> None:
    """The fault says its code, its title and where."""
    assert code in text, text
    assert FAULTS[code].title in text, text
    assert where in text, text


def assert_fault(answer: Answer, version: str, code: str) -> str:
    """A SOAP Fault of that version as strict parsers want it; returns its reason."""
    namespace = VERSIONS[version]
    blames = FAULTS[code].blames_caller
    if code != "GW-1009":
        assert answer.status == (400 if version == "1.2" and blames and code != "GW-1014" else 500)
    assert answer.content_type.startswith(MEDIA[version] + "; charset=")
    root = parsed(answer)
    (body,) = list(root)
    assert (root.tag, body.tag) == (f"{{{namespace}}}Envelope", f"{{{namespace}}}Body")
    (fault,) = list(body)
    assert fault.tag == f"{{{namespace}}}Fault"
    reason, who, detail = _parts_11(fault) if version == "1.1" else _parts_12(fault)
    caller = "Client" if version == "1.1" else "Sender"
    expected = (
        "MustUnderstand" if code == "GW-1014" else caller if blames else {"1.1": "Server", "1.2": "Receiver"}[version]
    )
    assert who == f"soap:{expected}"
    assert answer.text.count(f'xmlns:soap="{namespace}"') == 1, "the prefix of the code must be bound to the envelope"
    (told,) = list(detail)
    assert [child.tag.rpartition("}")[2] for child in told] == ["code", "retry", "cause", "action"]
    assert told[0].text == code
    return reason


def _parts_11(fault: ET.Element) -> tuple[str, str, ET.Element]:
    assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
    return fault[1].text or "", fault[0].text or "", fault[2]


def _parts_12(fault: ET.Element) -> tuple[str, str, ET.Element]:
    assert [child.tag for child in fault] == [f"{{{SOAP_12}}}{name}" for name in ("Code", "Reason", "Detail")]
    code, reason, detail = fault
    (value,) = list(code)
    (text,) = list(reason)
    assert (value.tag, text.tag) == (f"{{{SOAP_12}}}Value", f"{{{SOAP_12}}}Text")
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "zh"
    return text.text or "", value.text or "", detail


def parsed(answer: Answer) -> ET.Element:
    """The answer read as its header says; the declaration must say the same."""
    charset = answer.content_type.rpartition("charset=")[2]
    declaration, _, rest = answer.text.partition("?>")
    assert declaration == f'<?xml version="1.0" encoding="{charset.upper()}"', declaration
    return ET.fromstring(rest)


def json_answer(answer: Answer) -> dict[str, Any]:
    assert answer.content_type == "application/json; charset=utf-8"
    found: dict[str, Any] = json.loads(answer.body)
    return found
