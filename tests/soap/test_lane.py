"""Envelopes, faults and the published WSDL, through the running lanes. Hostile envelopes: tests/hostile."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import pytest

from gateway.exchange.exchange import Exchange
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import State
from tests.hostile.ways import (  # fmt: skip
    LEGACY,
    MEDIA,
    SOAP_WAYS,
    STRING,
    TYPED,
    VERSIONS,
    SoapWay,
    Watch,
    assert_fault,
    envelope,
    unpacked,
)
from tests.running import House

WSDL = Path(__file__).parents[2] / "wsdl"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
ALL = pytest.mark.parametrize("way", SOAP_WAYS.values(), ids=SOAP_WAYS)
PERSON = {"baseinfo": {"psn_no": "P1", "psn_name": "张三"}}


# ----------------------------------------------------------------------- WSDL


@pytest.mark.parametrize("name", sorted(path.stem for path in WSDL.glob("*.wsdl")))
@pytest.mark.parametrize("query", ["wsdl", "WSDL"])
def test_the_published_file_is_served_but_for_its_address(gateway: House, name: str, query: str) -> None:
    answer = gateway.http(f"/soap/{name}?{query}", b"", None, REQUEST_METHOD="GET", HTTP_HOST="his.hospital:8080")
    assert answer.status == 200
    assert answer.content_type.startswith("text/xml")
    published = (WSDL / f"{name}.wsdl").read_bytes()
    ours = f"http://his.hospital:8080/soap/{name}".encode()
    assert answer.body.count(ours) == 2, "the ports of both versions"
    assert _without_addresses(answer.body) == _without_addresses(published)


def _without_addresses(wsdl: bytes) -> list[bytes]:
    return [line for line in wsdl.splitlines() if b":address " not in line]


def test_a_hostile_host_header_does_not_get_into_the_wsdl(gateway: House) -> None:
    answer = gateway.http("/soap/person?wsdl", b"", None, REQUEST_METHOD="GET", HTTP_HOST='x"/><evil a="')
    assert b"evil" not in answer.body


# --------------------------------------------------------------- who calls


def security(name: str, password: str, version: str) -> str:
    return (
        f'<s:Header><w:Security xmlns:w="{WSSE}" s:mustUnderstand="1"><w:UsernameToken><w:Username>{name}</w:Username>'
        f"<w:Password>{password}</w:Password></w:UsernameToken></w:Security></s:Header>"
    )


@pytest.mark.parametrize("version", VERSIONS)
@ALL
def test_a_wrong_credential_is_named_and_nothing_is_sent(gateway: House, way: SoapWay, version: str) -> None:
    body = envelope(way.wrap(way.payload), version, security("his", "wrong", version)).encode()
    watch = Watch(gateway)
    answer = gateway.http(way.path, body, MEDIA[version])
    if way in LEGACY:
        assert answer.status == 200
        assert "GW-2002" in unpacked(answer.text)
    else:
        assert "GW-2002" in assert_fault(answer, version, "GW-2002")
    row = watch.refused(body, "GW-2002", way.channel)
    assert row.client == "?"


@pytest.mark.parametrize("version", VERSIONS)
@ALL
def test_a_client_that_may_not_is_told_and_journaled_once(gateway: House, way: SoapWay, version: str) -> None:
    body = way.body(version=version).replace(b"1101", b"9001").replace(b"GR01", b"9001")
    body = body.replace(b"Q9001", b"9001")
    path = "/soap/signin" if way is TYPED else way.path
    watch = Watch(gateway)
    answer = gateway.http(path, body, MEDIA[version], HTTP_X_API_KEY="only-queries")
    if way in LEGACY:
        assert answer.status == 200
        assert "GW-2003" in unpacked(answer.text)
    else:
        assert "9001" in assert_fault(answer, version, "GW-2003")
    row = watch.refused(body, "GW-2003", way.channel)
    assert (row.client, row.infno) == ("query", "9001")


def test_a_known_client_is_served(gateway: House, platform: FakePlatform) -> None:
    platform.script("1101", PERSON)
    answer = gateway.http(TYPED.path, TYPED.body(), HTTP_X_API_KEY="only-queries")
    assert TYPED.success in answer.text
    row = gateway.newest()
    assert row is not None
    assert (row.client, row.state, row.opter) == ("query", State.CONFIRMED, "0002")


# ------------------------------------------------------------- our own failure


@pytest.mark.parametrize("version", VERSIONS)
@ALL
def test_an_error_nobody_foresaw_is_a_coded_answer_that_tells_no_secrets(
    gateway: House, way: SoapWay, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Exchange, call: Any) -> Any:
        raise ZeroDivisionError("secret of the house")

    body, watch = way.body(version=version), Watch(gateway)
    with patch.object(Exchange, "handle", broken):
        answer = gateway.http(way.path, body, MEDIA[version])
    text = unpacked(answer.text)
    assert "GW-5000" in text
    assert "secret" not in text
    assert "Traceback" not in text
    if way not in LEGACY:
        assert_fault(answer, version, "GW-5000")
    watch.refused(body, "GW-5000", way.channel)


def test_no_part_of_a_broken_message_gets_into_spynes_log(gateway: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        gateway.http(STRING.path, "<a>张三 440802199001011234".encode())
        gateway.http(STRING.path, STRING.body("<request>440802199001011234"))
    assert "440802199001011234" not in caplog.text


# -------------------------------------------------------------------- answers


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_answer_has_the_version_and_charset_of_the_request(
    gateway: House, platform: FakePlatform, version: str, charset: str
) -> None:
    platform.script("1101", {"baseinfo": {"psn_no": "P1", "psn_name": "张三𠮷"}})
    body = f'<?xml version="1.0" encoding="{charset}"?>{TYPED.body(version=version).decode()}'.encode(charset)
    answer = gateway.http(TYPED.path, body, MEDIA[version])
    assert answer.content_type == f"{MEDIA[version]}; charset={charset}"
    root = ET.fromstring(answer.text.partition("?>")[2])
    assert root.tag == f"{{{VERSIONS[version]}}}Envelope"
    name = root.find(".//{*}psn_name")
    assert name is not None
    assert name.text == "张三𠮷"


def test_every_version_is_answered_at_every_address(gateway: House, platform: FakePlatform) -> None:
    platform.script("1101", PERSON)
    for way in SOAP_WAYS.values():
        for version in VERSIONS:
            answer = gateway.http(way.path, way.body(version=version), MEDIA[version])
            assert way.success in unpacked(answer.text), (way.name, version)
