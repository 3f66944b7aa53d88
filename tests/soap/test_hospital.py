"""``Outcome`` by SOAP and JSON: tells what became of an exchange and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import NoAnswer
from tests.running import House, scripted_house

CANCEL = {"data": {"mdtrt_id": "M77", "psn_no": "P1"}}
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def gateway(platform: FakePlatform, tmp_path: Path) -> Iterator[House]:
    with scripted_house(tmp_path, platform) as running:
        yield running


def cancel(gateway: House, request_id: str) -> dict[str, Any]:
    body = json.dumps({"head": {"request_id": request_id}, "input": CANCEL}).encode()
    answer: dict[str, Any] = json.loads(gateway.http("/api/v1/transactions/2404", body, "application/json").body)
    return answer


def by_json(gateway: House, **arguments: str) -> dict[str, Any]:
    answer = gateway.http("/api/v1/hospital/Outcome", json.dumps(arguments).encode(), "application/json")
    assert answer.status == 200
    told: dict[str, Any] = json.loads(answer.body)
    return told


def by_soap(gateway: House, **arguments: str) -> dict[str, str]:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in arguments.items())
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><Outcome xmlns="urn:yibao:gateway:v1">{inner}</Outcome></s:Body></s:Envelope>'
    answer = gateway.http("/soap/hospital", body.encode())
    assert answer.status == 200
    wrapper = ET.fromstring(answer.body)[0][0]
    assert wrapper.tag == "{urn:yibao:gateway:v1}OutcomeResponse"
    return {element.tag.rpartition("}")[2]: element.text or "" for element in wrapper}


def test_a_confirmed_exchange(gateway: House, platform: FakePlatform) -> None:
    platform.script("2404", {"result": {"mdtrt_id": "M77"}})
    done = cancel(gateway, "R1")
    for arguments in ({"request_id": "R1"}, {"mdtrt_id": "M77", "infno": "2404"}):
        told = by_json(gateway, **arguments)
        assert (told["state"], told["infno"], told["infcode"], told["msgid"]) == ("CONFIRMED", "2404", 0, done["msgid"])
        assert told["output"] == {"result": {"mdtrt_id": "M77"}}
        soap = by_soap(gateway, **arguments)
        assert (soap["state"], soap["infno"], soap["infcode"], soap["code"]) == ("CONFIRMED", "2404", "0", "")
        assert soap["output"] == "<output><result><mdtrt_id>M77</mdtrt_id></result></output>"
    assert len(platform.requests) == 1


def test_a_doubtful_exchange(gateway: House, platform: FakePlatform) -> None:
    platform.script("2404", NoAnswer("lost"))
    assert cancel(gateway, "R2")["code"] == "GW-4101"
    sent = [request for request in platform.requests if request.infno == "2404"]
    told = by_soap(gateway, request_id="R2")
    assert (told["state"], told["code"], told["retry"], told["output"]) == ("IN_DOUBT", "GW-4101", "same", "")
    assert by_json(gateway, request_id="R2")["state"] == "IN_DOUBT"
    assert [request for request in platform.requests if request.infno == "2404"] == sent


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"request_id": "nobody"}, "GW-1404"),
        ({"mdtrt_id": "M1", "infno": "2404"}, "GW-1404"),
        ({"mdtrt_id": "M1"}, "GW-1012"),
        ({}, "GW-1012"),
        ({"arg0": "x"}, "GW-1012"),
    ],
)
def test_what_cannot_be_told_is_named(gateway: House, arguments: dict[str, str], code: str) -> None:
    assert by_soap(gateway, **arguments)["code"] == code
    assert by_json(gateway, **arguments)["code"] == code


def test_an_unknown_operation_and_a_wrong_shape(gateway: House) -> None:
    answer = gateway.http("/api/v1/hospital/Nothing", b"{}", "application/json")
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "GW-1005")
    answer = gateway.http("/api/v1/hospital/Outcome", b"[]", "application/json")
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "GW-1008")


def test_the_published_wsdl_is_served(gateway: House) -> None:
    answer = gateway.http("/soap/hospital", b"", None, REQUEST_METHOD="GET", QUERY_STRING="wsdl")
    assert answer.status == 200
    assert b'<wsdl:operation name="Outcome">' in answer.body
