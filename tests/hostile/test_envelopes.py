"""Envelopes that cannot be read, at every SOAP address and in both versions (contract, "What bad input gets")."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.hostile.ways import (
    MEDIA,
    SOAP_WAYS,
    VERSIONS,
    SoapWay,
    Watch,
    assert_fault,
    assert_named,
    envelope,
    unpacked,
)
from tests.running import BODY_BYTES_MAX, House

ANSWER_S_MAX = 5
Make = Callable[[SoapWay, str], bytes]


def _good(way: SoapWay, version: str) -> str:
    return way.body(version=version).decode()


def _before(text: str) -> Make:
    return lambda way, version: text.encode() + way.body(version=version)


def _laughs(way: SoapWay, version: str) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE lolz [<!ENTITY l0 "lol">{entities}]>'
    return (doctype + envelope(way.wrap("x") + "<x>&l11;</x>", version)).encode()


def _quadratic(way: SoapWay, version: str) -> bytes:
    return (
        f'<!DOCTYPE q [<!ENTITY a "{"a" * 50_000}">]>' + envelope("<x>" + "&a;" * 20_000 + "</x>", version)
    ).encode()


def _body(inner: str) -> Make:
    return lambda way, version: envelope(inner, version).encode()


def _raw(text: str) -> Make:
    return lambda way, version: text.encode()


def _header(block: str) -> Make:
    def make(way: SoapWay, version: str) -> bytes:
        blocks = f"<s:Header>{block}</s:Header>"
        return envelope(way.wrap(way.payload), version, blocks).encode()

    return make


ENVELOPES: dict[str, tuple[Make, str, str]] = {
    "doctype": (_before("<!DOCTYPE soap>"), "GW-1002", ""),
    "doctype after a comment": (_before("<!-- <a> --><?p x?> <!DOCTYPE soap>"), "GW-1002", ""),
    "entity": (_before('<!DOCTYPE s [<!ENTITY x "y">]>'), "GW-1002", ""),
    "external entity": (_before('<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "GW-1002", ""),
    "external dtd": (_before('<!DOCTYPE s SYSTEM "http://127.0.0.1:9/x.dtd">'), "GW-1002", ""),
    "parameter entity": (_before('<!DOCTYPE s [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>'), "GW-1002", ""),
    "billion laughs": (_laughs, "GW-1002", ""),
    "quadratic": (_quadratic, "GW-1002", ""),
    "entity nobody declared": (_body("<Txn1101>&nobody;</Txn1101>"), "GW-1001", "第 1 行"),
    "depth of 10,000": (_body("<a>" * 10_000 + "</a>" * 10_000), "GW-1007", ""),
    "truncated": (lambda way, version: way.body(version=version)[:-25], "GW-1001", "第 1 行"),
    "truncated in a tag": (lambda way, version: way.body(version=version)[:40], "GW-1001", "第 1 行"),
    "nothing": (_raw(""), "GW-1010", ""),
    "blanks": (_raw(" \r\n\t "), "GW-1010", ""),
    "no xml": (_raw("hello"), "GW-1001", "第 1 行"),
    "nul": (_body("<a>\0</a>"), "GW-1001", ""),
    "control character": (_body("<a>&#1;</a>"), "GW-1001", "第 1 行"),
    "prefix of nobody": (_body("<x:a/>"), "GW-1001", "第 1 行"),
    "attribute twice": (_body('<a b="1" b="2"/>'), "GW-1001", "第 1 行"),
    "two roots": (lambda way, version: way.body(version=version) + b"<more/>", "GW-1001", "第 1 行"),
    "unknown charset": (_before('<?xml version="1.0" encoding="klingon"?>'), "GW-1003", "klingon"),
    "utf-32": (lambda way, version: _good(way, version).encode("utf-32"), "GW-1003", "UTF-32"),
    "utf-16 that is none": (_before('<?xml version="1.0" encoding="utf-16"?>'), "GW-1003", "UTF-16"),
    "gbk sent without a word": (lambda way, version: envelope("<a>张三丰</a>", version).encode("gbk"), "GW-1003", "字节"),
    "utf-8 declared, gbk sent": (
        lambda way, version: f'<?xml version="1.0" encoding="UTF-8"?>{envelope("<a>张三丰</a>", version)}'.encode("gbk"),
        "GW-1003",
        "UTF-8",
    ),
    "gbk declared, utf-8 sent": (
        lambda way, version: f'<?xml version="1.0" encoding="GBK"?>{envelope("<a>张三丰</a>", version)}'.encode(),
        "GW-1003",
        "UTF-8",
    ),
    "no envelope": (_raw("<nothing/>"), "GW-1004", "nothing"),
    "envelope of no version": (_raw('<Envelope xmlns="urn:x"><Body/></Envelope>'), "GW-1004", "urn:x"),
    "no body": (lambda way, version: f'<s:Envelope xmlns:s="{VERSIONS[version]}"/>'.encode(), "GW-1004", "Body"),
    "empty body": (_body(""), "GW-1004", "Body"),
    "text for a body": (_body("text"), "GW-1004", "Body"),
    "two operations": (lambda way, version: envelope(way.wrap(way.payload) * 2, version).encode(), "GW-1004", "2 个"),
    "dangling href": (_body('<Txn1101><a href="#id1"/></Txn1101><x id="id0"/>'), "GW-1004", ""),
    "href": (_body('<Txn1101><a href="#id1"/></Txn1101>'), "GW-1004", "href"),
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize("kind", ENVELOPES)
def test_is_a_named_fault_and_nothing_else_happens(gateway: House, kind: str, way: SoapWay, version: str) -> None:
    make, code, where = ENVELOPES[kind]
    body, watch, started = make(way, version), Watch(gateway), time.monotonic()
    answer = gateway.http(way.path, body, MEDIA[version])
    assert time.monotonic() - started < ANSWER_S_MAX
    reason = assert_fault(answer, version, code)
    assert_named(reason, code, where)
    watch.refused(body, code, way.channel)
    way.served(gateway)


NOT_OURS: dict[str, tuple[Make, str, str]] = {
    "unknown operation": (_body("<Txn0000/>"), "GW-1005", "Txn0000"),
    "callback": (_body("<Txn6302/>"), "GW-1005", "Txn6302"),
    "must understand": (_header('<x:Route xmlns:x="urn:x" s:mustUnderstand="1"/>'), "GW-1014", "Route"),
    "must understand, in words": (_header('<x:Route xmlns:x="urn:x" s:mustUnderstand="true"/>'), "GW-1014", "Route"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize("kind", NOT_OURS)
def test_what_is_not_ours_is_a_fault_or_the_dialects_failure(
    gateway: House, kind: str, way: SoapWay, version: str
) -> None:
    make, code, where = NOT_OURS[kind]
    body, watch = make(way, version), Watch(gateway)
    answer = gateway.http(way.path, body, MEDIA[version])
    if way.channel.startswith("legacy/"):
        assert answer.status == 200
        assert answer.content_type.startswith(MEDIA[version])
        assert "Fault" not in answer.text
        assert_named(unpacked(answer.body.decode()), code, where)
    else:
        assert_named(assert_fault(answer, version, code), code, where)
    watch.refused(body, code, way.channel)
    way.served(gateway)


def test_a_header_nobody_must_understand_is_passed_over(gateway: House) -> None:
    way = SOAP_WAYS["typed"]
    for mark in ('s:mustUnderstand="0"', 's:mustUnderstand="false"', ""):
        body = _header(f'<x:Route xmlns:x="urn:x" {mark}/>')(way, "1.1")
        assert way.success in gateway.http(way.path, body).text


# ------------------------------------------------------- charset of both sides


@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize(
    ("declared", "in_header", "codec", "answered"),
    [
        ("GBK", "gbk", "gbk", "gbk"),
        ("GBK", "", "gbk", "gbk"),
        ("GB2312", "", "gb2312", "gb2312"),
        ("", "GB18030", "gb18030", "gb18030"),
        ("GBK", "utf-8", "gbk", "gbk"),
        ("GBK", "utf-8", "utf-8", "utf-8"),
        ("UTF-8", "gbk", "utf-8", "utf-8"),
        ("UTF-8", "gbk", "gbk", "gbk"),
        ("GBK", "ISO-8859-1", "gbk", "gbk"),
        ("UTF-16", "", "utf-16", "utf-16"),
        ("", "", "utf-8-sig", "utf-8"),
    ],
)
def test_every_charset_is_answered_in_its_own(
    gateway: House, way: SoapWay, declared: str, in_header: str, codec: str, answered: str
) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    body = (declaration + way.body().decode() + "<!-- 张三丰 -->").encode(codec)
    answer = gateway.http(way.path, body, f"text/xml; charset={in_header}" if in_header else "text/xml")
    assert answer.status == 200, answer.body
    assert answer.content_type == f"text/xml; charset={answered}"
    assert f'encoding="{answered.upper()}"' in answer.text[:60]
    assert way.success in unpacked(answer.text.partition("?>")[2])


@pytest.mark.parametrize(
    ("charset", "where"), [("gbk", "UTF-8"), ("GB18030", "UTF-8"), ("klingon", "klingon"), ("utf-16", "UTF-16")]
)
def test_a_header_that_is_wrong_is_named(gateway: House, charset: str, where: str) -> None:
    way, watch = SOAP_WAYS["string"], Watch(gateway)
    body = (way.body().decode() + "<!-- 张三丰 -->").encode()
    answer = gateway.http(way.path, body, f"text/xml; charset={charset}")
    assert_named(assert_fault(answer, "1.1", "GW-1003"), "GW-1003", where)
    watch.refused(body, "GW-1003", way.channel)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_comes_in_the_charset_and_version_of_the_envelope(gateway: House, version: str) -> None:
    body = f'<?xml version="1.0" encoding="GBK"?>{envelope("", version)}<!-- 张三 -->'.encode("gbk")
    answer = gateway.http("/soap/person", body, None)
    assert answer.content_type == f"{MEDIA[version]}; charset=gbk"
    assert_named(assert_fault(answer, version, "GW-1004"), "GW-1004", "Body")


# ----------------------------------------------------------------------- HTTP


@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "99999999999999999999999"])
def test_a_length_that_is_no_length_is_named(gateway: House, way: SoapWay, length: str) -> None:
    watch = Watch(gateway)
    answer = gateway.http(way.path, way.body(), CONTENT_LENGTH=length)
    assert_named(assert_fault(answer, "1.1", "GW-1015"), "GW-1015")
    watch.refused(b"", "GW-1015", way.channel)
    way.served(gateway)


@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 64 * 1024 * 1024])
def test_a_body_that_is_too_large_is_named(gateway: House, way: SoapWay, size: int) -> None:
    watch = Watch(gateway)
    answer = gateway.http(way.path, b" " * size)
    assert_named(assert_fault(answer, "1.1", "GW-1006"), "GW-1006", str(BODY_BYTES_MAX))
    watch.refused(b" " * BODY_BYTES_MAX, "GW-1006", way.channel)
    way.served(gateway)


@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_other_methods_are_named(gateway: House, way: SoapWay, method: str) -> None:
    watch, body = Watch(gateway), b"" if method in ("GET", "HEAD") else way.body()
    answer = gateway.http(way.path, body, None, REQUEST_METHOD=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert_named(assert_fault(answer, "1.1", "GW-1009"), "GW-1009")
    watch.refused(body, "GW-1009", way.channel)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
def test_no_content_type_is_no_obstacle(gateway: House, way: SoapWay, version: str) -> None:
    answer = gateway.http(way.path, way.body(version=version), None)
    assert answer.content_type == f"{MEDIA[version]}; charset=utf-8"
    assert way.success in unpacked(answer.body.decode())


def test_an_address_of_nobody(gateway: House) -> None:
    for path in ("/soap/", "/soap/nobody", "/soap/legacy/nobody", "/nowhere", "/soap/../etc/passwd"):
        answer = gateway.http(path, b"<x/>")
        assert answer.status == 404
        assert "GW-1017" in answer.text
