"""Envelopes written by hand, as Delphi and PowerBuilder programs put them together: bytes in, bytes out."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from lxml import etree

from tests.clients.running import Running
from tests.clients.story import HEAD, ROWS, Patient, admission, check_ledger, fees, request_text, to_xml

SOAP = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}


def envelope(body: str, charset: str | None = "GBK", version: str = "1.1") -> str:
    declaration = f'<?xml version="1.0" encoding="{charset}"?>' if charset else ""
    return f'{declaration}<s:Envelope xmlns:s="{SOAP[version]}"><s:Body>{body}</s:Body></s:Envelope>'


def operation(name: str, content: str) -> str:
    return f'<{name} xmlns="urn:yibao:gateway:v1">{content}</{name}>'


def post(base: str, path: str, body: bytes, **headers: str) -> tuple[int, str, bytes]:
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def text_in(found: etree._Element, name: str) -> str:
    (element,) = found.iter(f"{{*}}{name}")
    return element.text or ""


def typed_2401(patient: Patient) -> str:
    content = "".join(to_xml(name, node) for name, node in ({"head": HEAD} | admission(patient)).items())
    return operation("Txn2401", content)


@pytest.mark.parametrize(
    ("declared", "content_type"),
    [
        ("GBK", "text/xml; charset=GBK"),
        ("GB2312", "text/xml"),
        (None, "text/xml; charset=gbk"),
        ("GB18030", "text/xml"),
    ],
    ids=["both", "declaration", "header", "gb18030"],
)
def test_gbk_typed(both: Running, patient: Patient, declared: str | None, content_type: str) -> None:
    codec = "gb18030" if declared == "GB18030" else "gbk"
    body = envelope(typed_2401(patient), declared).encode(codec)
    status, answered_type, answer = post(both.gateway_url, "/soap/inpatient", body, Content_Type=content_type)
    assert status == 200, answer.decode(codec)
    assert answered_type.lower().startswith("text/xml; charset=gb")
    assert b'encoding="GB' in answer[:60].upper().replace(b"ENCODING", b"encoding")
    # without its declaration: lxml reads the text that the declared codec gives
    found = etree.fromstring(answer.decode(codec).partition("?>")[2])
    mdtrt_id = text_in(found, "mdtrt_id")
    assert both.stay(mdtrt_id)["diagnoses"][1]["diag_name"] == "高血压病（２级）"


def test_gbk_string_with_500_rows(both: Running, patient: Patient) -> None:
    def call(infno: str, message: dict[str, object]) -> etree._Element:
        inner = to_xml("infno", infno) + to_xml("request", request_text(message))
        body = envelope(operation("Call", inner)).encode("gbk")
        _, _, answer = post(both.gateway_url, "/soap/exchange", body, Content_Type="text/xml; charset=gbk")
        found = etree.fromstring(answer.decode("gbk").partition("?>")[2])
        inside = etree.fromstring(text_in(found, "CallResult").partition("?>")[2] or text_in(found, "CallResult"))
        assert inside.findtext("infcode") == "0", etree.tostring(inside, encoding="unicode")
        return inside

    mdtrt_id = call("2401", admission(patient)).findtext("output/result/mdtrt_id")
    assert mdtrt_id
    answer = call("2301", {"feedetail": fees(patient, mdtrt_id)})
    assert len(answer.findall("output/result")) == ROWS
    check_ledger(both, patient, mdtrt_id)


BROKEN: dict[str, tuple[Callable[[str], str], str, str]] = {
    "unknown operation": (
        lambda version: envelope(operation("Txn0000", ""), "{charset}", version),
        "GW-1005",
        "未知交易",
    ),
    "callback": (lambda version: envelope(operation("Txn6302", ""), "{charset}", version), "GW-1005", "未知交易"),
    "doctype": (
        lambda version: '<!DOCTYPE a [<!ENTITY b "c">]>' + envelope(operation("Txn2401", "&b;"), None, version),
        "GW-1002",
        "DOCTYPE",
    ),
    "no envelope": (lambda version: "<nothing/>", "GW-1004", "信封"),
    "no operation": (lambda version: envelope("", "{charset}", version), "GW-1004", "信封"),
    "truncated": (lambda version: envelope(operation("Txn2401", ""), "{charset}", version)[:-20], "GW-1001", "XML"),
}


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("version", SOAP)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_envelope_is_a_coded_fault_in_the_callers_version(
    both: Running, kind: str, version: str, charset: str
) -> None:
    make, code, title = BROKEN[kind]
    body = make(version).replace("{charset}", charset).encode(charset)
    media = "text/xml" if version == "1.1" else "application/soap+xml"
    status, answered_type, answer = post(
        both.gateway_url, "/soap/inpatient", body, Content_Type=f"{media}; charset={charset}"
    )
    assert status == (500 if version == "1.1" else 400)
    assert answered_type.lower().startswith(media)
    answered_charset = answered_type.lower().rpartition("charset=")[2]
    found = etree.fromstring(answer.decode(answered_charset).partition("?>")[2])
    assert etree.QName(found).namespace == SOAP[version]
    (fault,) = found.iter(f"{{{SOAP[version]}}}Fault")
    reason = etree.tostring(fault, encoding="unicode")
    assert code in reason
    assert title in reason
    assert text_in(found, "code") == code


def test_soapaction_is_not_needed_and_not_believed(both: Running, patient: Patient) -> None:
    body = envelope(typed_2401(patient), "UTF-8").encode()
    _, _, answer = post(
        both.gateway_url, "/soap/inpatient", body, Content_Type="text/xml; charset=utf-8", SOAPAction='"urn:x/Txn2404"'
    )
    assert text_in(etree.fromstring(answer), "infcode") == "0"


def test_a_character_outside_gbk_comes_back_as_a_reference(both: Running, patient: Patient) -> None:
    text = envelope(typed_2401(patient).replace(f"<insutype>{patient.insutype}<", "<insutype>&#x20BB7;<"))
    _, _, answer = post(both.gateway_url, "/soap/inpatient", text.encode("gbk"), Content_Type="text/xml; charset=gbk")
    assert b"&#134071;" in answer or b"&#x20bb7;" in answer.lower()
    found = etree.fromstring(answer.decode("gbk").partition("?>")[2])
    assert text_in(found, "code") == "GW-1101"
    assert (text_in(found, "field"), text_in(found, "value")) == ("insutype", "𠮷")


def test_one_line_carries_several_envelopes(both: Running, patient: Patient) -> None:
    # keep-alive: a refused, a broken and a good message on one connection do not disturb each other
    parts = urlsplit(both.gateway_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    seen = []
    for body in (operation("Txn2401", ""), "", typed_2401(patient)):
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        connection.request("POST", "/soap/inpatient", envelope(body, "UTF-8").encode(), headers)
        answer = connection.getresponse()
        seen.append((answer.status, etree.fromstring(answer.read())))
    connection.close()
    assert [status for status, _ in seen] == [200, 500, 200]
    assert [text_in(found, "code") for _, found in seen] == ["GW-1101", "GW-1004", ""]
