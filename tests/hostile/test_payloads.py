"""Messages inside a parameter, and the JSON address: what cannot be read is refused by name, never half read."""

from __future__ import annotations

import json
import time

import pytest

from tests.hostile.ways import (
    BYTES,
    CALLFUN,
    CERTNO,
    JSON_INPUT,
    JSON_PATH,
    JSON_TYPE,
    NAMESPACE,
    SOAP_WAYS,
    STRING,
    TRANSSERVICE,
    TYPED,
    TYPED_INPUT,
    SoapWay,
    Watch,
    assert_named,
    envelope,
    json_answer,
    json_served,
    unpacked,
)
from tests.running import BODY_BYTES_MAX, House

ANSWER_S_MAX = 5
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))

XML_PAYLOADS = {
    "doctype": ("<!DOCTYPE r><r/>", "GW-1002", ""),
    "external entity": ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "GW-1002", ""),
    "billion laughs": (f'<!DOCTYPE r [<!ENTITY l0 "l">{_LAUGHS}]><r>&l9;</r>', "GW-1002", ""),
    "depth of 10,000": ("<a>" * 10_000 + "</a>" * 10_000, "GW-1007", ""),
    "truncated": ("<request><input><data>", "GW-1001", "第 1 行"),
    "control character": ("<request>&#11;</request>", "GW-1001", "第 1 行"),
    "entity nobody declared": ("<request>&x;</request>", "GW-1001", "x"),
}


@pytest.mark.parametrize("way", [STRING, CALLFUN, TRANSSERVICE, BYTES], ids=lambda way: way.name)
@pytest.mark.parametrize("kind", XML_PAYLOADS)
def test_xml_in_a_parameter_is_refused_by_name(gateway: House, kind: str, way: SoapWay) -> None:
    payload, code, where = XML_PAYLOADS[kind]
    body, watch, started = way.body(payload), Watch(gateway), time.monotonic()
    answer = gateway.http(way.path, body)
    assert time.monotonic() - started < ANSWER_S_MAX
    assert answer.status == 200
    assert_named(unpacked(answer.text), code, where)
    watch.refused(body, code, way.channel)
    way.served(gateway)


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


JSON_DOCUMENTS = {
    "truncated": ('{"input": {"data"', "GW-1008", "第 1 行"),
    "key twice": ('{"input": {"data": {"a": 1, "a": 2}}}', "GW-1008", "'a'"),
    "not a number": ('{"input": {"data": {"a": NaN}}}', "GW-1008", "NaN"),
    "infinity": ('{"input": {"data": {"a": -Infinity}}}', "GW-1008", "Infinity"),
    "5,000 digits": ('{"input": {"data": {"a": ' + "9" * 5_000 + "}}}", "GW-1008", "digits"),
    "depth of 10,000": ('{"input": ' + deep(10_000) + "}", "GW-1007", ""),
    "depth of 100": ('{"input": ' + deep(100) + "}", "GW-1007", ""),
    "half a character": ('{"input": {"data": {"psn_name": "\\ud83d"}}}', "GW-1008", "代理"),
    "half a character in a key": ('{"input": {"\\udc00": 99999999999999999999}}', "GW-1008", "代理"),
    "array": ('[{"input": {}}]', "GW-1008", "head"),
    "comment": ('{"input": {} /* x */}', "GW-1008", "第 1 行"),
    "after the end": ('{"input": {}} {}', "GW-1008", "第 1 行"),
}
ONLY_JSON_API = {
    "text": ('"x"', "GW-1008", "head"),
    "null": ("null", "GW-1008", "head"),
    "nothing": ("", "GW-1010", ""),
    "blanks": ("  \r\n", "GW-1010", ""),
    "xml": ("<request/>", "GW-1008", "第 1 行"),
}
ONLY_NATIONAL = {
    "head that is none": ('{"head": [1], "input": {}}', "GW-1008", "head"),
    "object in the head": ('{"head": {"opter": {"a": 1}}, "input": {}}', "GW-1008", "opter"),
    "more than head and input": ('{"input": {}, "infno": "1101"}', "GW-1008", "infno"),
}


@pytest.mark.parametrize("kind", [*JSON_DOCUMENTS, *ONLY_NATIONAL])
@pytest.mark.parametrize("way", [STRING, CALLFUN], ids=lambda way: way.name)
def test_json_in_a_parameter_is_refused_by_name(gateway: House, way: SoapWay, kind: str) -> None:
    if way is CALLFUN and kind in ONLY_NATIONAL:
        kind = "array"  # the dialect has a head and a top level of its own
    payload, code, where = (JSON_DOCUMENTS | ONLY_NATIONAL)[kind]
    body, watch = way.body(payload), Watch(gateway)
    answer = gateway.http(way.path, body)
    assert answer.status == 200
    assert_named(unpacked(answer.text), code, "" if way is CALLFUN else where)
    assert unpacked(answer.text).count("{") > 0, "JSON is answered in JSON"
    watch.refused(body, code, way.channel)
    way.served(gateway)


@pytest.mark.parametrize("kind", [*JSON_DOCUMENTS, *ONLY_JSON_API, *ONLY_NATIONAL])
def test_json_that_cannot_be_read_is_a_400(gateway: House, kind: str) -> None:
    text, code, where = (JSON_DOCUMENTS | ONLY_JSON_API | ONLY_NATIONAL)[kind]
    watch, started = Watch(gateway), time.monotonic()
    answer = gateway.http(JSON_PATH, text.encode(), JSON_TYPE)
    assert time.monotonic() - started < ANSWER_S_MAX
    found = json_answer(answer)
    assert (answer.status, found["infcode"], found["code"], found["retry"]) == (400, -1, code, "no")
    assert_named(found["code"] + found["err_msg"], code, where)
    watch.refused(text.encode(), code, "json")
    json_served(gateway)


@pytest.mark.parametrize(
    ("body", "content_type", "where"),
    [
        ('{"input": {"张": "三"}}'.encode("gbk"), JSON_TYPE, "UTF-8"),
        ('{"input": {"张": "三"}}'.encode("gbk"), "application/json; charset=utf-8", "UTF-8"),
        ('{"input": {"张": "三丰"}}'.encode(), "application/json; charset=gbk", "GBK"),
        (b"{}", "application/json; charset=klingon", "klingon"),
        (b"{}", "application/json; charset=utf-16", "UTF-16"),
        ("{}".encode("utf-32"), JSON_TYPE, "UTF-32"),
    ],
)
def test_json_in_a_wrong_charset_is_named(gateway: House, body: bytes, content_type: str, where: str) -> None:
    watch = Watch(gateway)
    answer = gateway.http(JSON_PATH, body, content_type)
    assert (answer.status, json_answer(answer)["code"]) == (400, "GW-1003")
    assert where in json_answer(answer)["err_msg"]
    watch.refused(body, "GW-1003", "json")
    json_served(gateway)


@pytest.mark.parametrize(("codec", "charset"), [("utf-8-sig", ""), ("gbk", "gbk"), ("gb18030", "gb18030"), ("utf-16", ""), ("utf-16-le", "utf-16")])  # fmt: skip
def test_json_in_every_charset_is_read(gateway: House, codec: str, charset: str) -> None:
    body = json.dumps({"head": {"opter_name": "张三丰"}, "input": JSON_INPUT}, ensure_ascii=False).encode(codec)
    answer = gateway.http(JSON_PATH, body, f"{JSON_TYPE}; charset={charset}" if charset else JSON_TYPE)
    assert json_answer(answer)["infcode"] == 0, answer.text
    row = gateway.newest()
    assert row is not None
    sent = json.loads(gateway.bodies(row).platform_request or b"")
    assert sent["opter_name"] == "张三丰"


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_other_methods_are_a_405(gateway: House, method: str) -> None:
    watch, body = Watch(gateway), b"{}" if method == "PUT" else b""
    answer = gateway.http(JSON_PATH, body, None, REQUEST_METHOD=method)
    assert (answer.status, answer.headers["Allow"], json_answer(answer)["code"]) == (405, "POST", "GW-1009")
    watch.refused(body, "GW-1009", "json")


def test_a_json_body_that_is_too_large_is_a_413(gateway: House) -> None:
    watch = Watch(gateway)
    answer = gateway.http(JSON_PATH, b" " * (BODY_BYTES_MAX + 1), JSON_TYPE)
    assert (answer.status, json_answer(answer)["code"]) == (413, "GW-1006")
    watch.refused(b" " * BODY_BYTES_MAX, "GW-1006", "json")
    json_served(gateway)


@pytest.mark.parametrize("length", ["abc", "-5"])
def test_a_json_length_that_is_none_is_named(gateway: House, length: str) -> None:
    answer = gateway.http(JSON_PATH, b"{}", JSON_TYPE, CONTENT_LENGTH=length)
    assert (answer.status, json_answer(answer)["code"]) == (400, "GW-1015")
    json_served(gateway)


def test_a_missing_content_type_is_no_obstacle_for_json(gateway: House) -> None:
    answer = gateway.http(JSON_PATH, json.dumps({"input": JSON_INPUT}).encode(), None)
    assert json_answer(answer)["infcode"] == 0


@pytest.mark.parametrize("infno", ["", "0000", "6302", "1101/x", "1101.json", "\xe5\xbc\xa0", "9" * 500])
def test_a_number_of_nobody_is_refused(gateway: House, infno: str) -> None:
    watch = Watch(gateway)
    answer = gateway.http(f"/api/v1/transactions/{infno}", b'{"input": {}}', JSON_TYPE)
    assert (answer.status, json_answer(answer)["code"]) == (200, "GW-1005")
    watch.refused(b'{"input": {}}', "GW-1005", "json")


# ---------------------------------------------------------------- parameters


def call(inner: str) -> bytes:
    return envelope(f'<Call xmlns="{NAMESPACE}">{inner}</Call>').encode()


def typed(inner: str) -> bytes:
    return envelope(f'<Txn1101 xmlns="{NAMESPACE}">{inner}</Txn1101>').encode()


PARAMETERS = {
    "positional": (STRING, call("<arg0>1101</arg0><arg1>x</arg1>"), "GW-1012", "arg0"),
    "soap lite": (STRING, call("<c-gensym3>1101</c-gensym3>"), "GW-1012", "c-gensym3"),
    "no parameters": (STRING, call(""), "GW-1012", "infno"),
    "no infno": (STRING, call("<request>x</request>"), "GW-1012", "infno"),
    "empty request": (STRING, call("<infno>1101</infno><request/>"), "GW-1010", "request"),
    "infno twice": (STRING, call("<infno>1101</infno><infno>2304</infno><request>x</request>"), "GW-1012", "infno"),
    "request twice": (STRING, call("<infno>1101</infno><request>x</request><request>y</request>"), "GW-1012", "request"),
    "unknown infno": (STRING, call("<infno>0000</infno><request>x</request>"), "GW-1005", "0000"),
    "callback": (STRING, call("<infno>6302</infno><request>x</request>"), "GW-1005", "6302"),
    "wrong root": (STRING, STRING.body("<other/>"), "GW-1004", "other"),
    "input twice": (STRING, STRING.body("<request><input/><input><data/></input></request>"), "GW-1012", "input"),
    "head twice": (STRING, STRING.body("<request><head/><head/><input/></request>"), "GW-1012", "head"),
    "node beside input": (STRING, STRING.body(f"<request>{TYPED_INPUT}</request>"), "GW-1012", "data"),
    "typed positional": (TYPED, typed("<param0>x</param0><param1/>"), "GW-1012", "param0"),
    "typed arguments": (TYPED, typed("<arg0>x</arg0>"), "GW-1012", "arg0"),
    "typed head twice": (TYPED, typed(f"<head/><head/>{TYPED_INPUT}"), "GW-1012", "head"),
    "operator twice": (TYPED, typed(f"<head><opter>1</opter><opter>2</opter></head>{TYPED_INPUT}"), "GW-1012", "opter"),
    "legacy positional": (
        TRANSSERVICE,
        envelope('<TransService xmlns="http://tempuri.org/"><arg0>GR01</arg0></TransService>').encode(),
        "GW-1012",
        "arg0",
    ),
    "no base64": (
        BYTES,
        envelope('<TransByBytes xmlns="http://tempuri.org/"><inBytes>*</inBytes></TransByBytes>').encode(),
        "GW-1016",
        "Base64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameters_that_are_not_those_of_the_wsdl_are_refused(gateway: House, kind: str) -> None:
    way, body, code, where = PARAMETERS[kind]
    watch = Watch(gateway)
    answer = gateway.http(way.path, body)
    assert answer.status == 200
    assert_named(unpacked(answer.text), code, where)
    watch.refused(body, code, way.channel)
    way.served(gateway)


def test_xml_inside_the_string_parameter_is_read_not_lost(gateway: House) -> None:
    for inner in (f"<request><input>{TYPED_INPUT}</input></request>", f"<input>{TYPED_INPUT}</input>"):
        answer = gateway.http(STRING.path, call(f"<infno>1101</infno><request>{inner}</request>"))
        assert STRING.success in unpacked(answer.text)


@pytest.mark.parametrize("namespace", ["", "http://tempuri.org/", "urn:other"])
@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
def test_an_operation_of_another_namespace_is_served(gateway: House, way: SoapWay, namespace: str) -> None:
    body = way.body().decode()
    for ours in (NAMESPACE, "http://tempuri.org/", "http://ws.yibao.his/"):
        body = body.replace(f'xmlns="{ours}"', f'xmlns="{namespace}"')
    assert way.success in unpacked(gateway.http(way.path, body.encode()).text)


def test_rpc_encoded_bodies_with_types_are_read(gateway: House) -> None:
    # Delphi, PHP without WSDL, SOAP::Lite: types on every parameter, also wrong ones, and an encodingStyle
    spaces = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    style = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
    inner = STRING.payload.replace("<", "&lt;")
    operation = (
        f'<m:Call xmlns:m="{NAMESPACE}" {spaces} {style}><infno xsi:type="xsd:int">1101</infno>'
        f'<request xsi:type="xsd:string">{inner}</request></m:Call>'
    )
    assert STRING.success in unpacked(gateway.http(STRING.path, envelope(operation).encode()).text)


@pytest.mark.parametrize("action", ["", '""', '"urn:yibao:gateway:v1/Txn2304"', "nonsense"])
def test_a_wrong_action_changes_nothing(gateway: House, action: str) -> None:
    answer = gateway.http(TYPED.path, TYPED.body(), HTTP_SOAPACTION=action)
    assert TYPED.success in answer.text


def test_an_unknown_field_is_not_sent_and_is_named(gateway: House) -> None:
    inner = TYPED_INPUT.replace("</data>", "<colour>red</colour></data>") + "<extra><row>1</row></extra>"
    answer = gateway.http(TYPED.path, typed(f"<head><mood>good</mood><infver>9</infver></head>{inner}"))
    assert "data/colour" in answer.text
    assert "extra" in answer.text
    assert "head/mood" in answer.text
    assert "infver" not in answer.text
    row = gateway.newest()
    assert row is not None
    bodies = gateway.bodies(row)
    assert b"colour" in (bodies.caller_request or b"")
    assert b"colour" not in (bodies.platform_request or b"")
    assert json.loads(bodies.platform_request or b"")["infver"] == "V1.0"


def test_elements_are_read_in_any_order_and_without_namespace(gateway: House) -> None:
    inner = f'<data xmlns=""><mdtrt_cert_no>{CERTNO}</mdtrt_cert_no><mdtrt_cert_type>02</mdtrt_cert_type></data>'
    assert TYPED.success in gateway.http(TYPED.path, typed(inner)).text
