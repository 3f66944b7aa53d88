"""The parts of ``yibao call``; the whole is in test_running.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.commands.call import (
    choose_client,
    credential,
    envelope,
    infcode,
    patience_s,
    pretty,
    read_request,
    reply_text,
)
from gateway.commands.local import HttpAnswer
from gateway.commands.terminal import Failed, Misused
from gateway.settings import ClientSettings, Settings

PASSWORD = ClientSettings(name="his", password="密")
KEY = ClientSettings(name="lis", api_key="k")
PLACE = ClientSettings(name="ward", addresses=("127.0.0.0/8",))
XML_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"))


@given(XML_TEXT)
def test_the_envelope_carries_any_text_unchanged(text: str) -> None:
    root = etree.fromstring(envelope("1101", text))
    assert root.findtext(".//{urn:yibao:gateway:v1}request", "") == text


@pytest.mark.parametrize(
    ("clients", "name", "expected"),
    [
        ((PASSWORD,), "", PASSWORD),
        ((PASSWORD, PLACE), "", PLACE),
        ((PASSWORD, KEY), "lis", KEY),
        ((PASSWORD, PLACE), "his", PASSWORD),
    ],
)
def test_the_client_to_call_as(clients: tuple[ClientSettings, ...], name: str, expected: ClientSettings) -> None:
    assert choose_client(clients, name) is expected


@pytest.mark.parametrize(("name", "said"), [("", "--client"), ("x", "没有客户端 x；已配置：his、lis")])
def test_a_client_that_is_not_clear(name: str, said: str) -> None:
    with pytest.raises(Misused, match=said):
        choose_client((PASSWORD, KEY), name)


@pytest.mark.parametrize(
    ("client", "expected"),
    [(PASSWORD, {"Authorization": "Basic aGlzOuWvhg=="}), (KEY, {"X-Api-Key": "k"}), (PLACE, {})],
)
def test_credentials(client: ClientSettings, expected: dict[str, str]) -> None:
    assert credential(client) == expected


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('<?xml version="1.0" encoding="GBK"?><a>张玥</a>'.encode("gbk"), "张玥"),
        ('{"a":"张玥"}'.encode(), "张玥"),
        ("<a>张玥</a>".encode("utf-16"), "张玥"),
        ("\ufeff<a>张玥</a>".encode(), "张玥"),
    ],
)
def test_a_request_file_is_read_in_its_charset(raw: bytes, text: str) -> None:
    assert text in read_request(raw)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b" \n", "空的"), ("<a>张</a>".encode("gbk"), "字符集"), (b'<?xml version="1.0" encoding="big5"?><a/>', "big5")],
)
def test_a_request_file_that_cannot_be_read(raw: bytes, said: str) -> None:
    with pytest.raises(Failed, match=said):
        read_request(raw)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"<html>bad gateway", "HTTP 502"),
        (200, b"<html/>", "HTTP 200"),
        (
            500,
            (
                '<e xmlns="urn:x"><faultstring xmlns="">GW-2002 凭据错误</faultstring>'
                '<action xmlns="urn:yibao:gateway:v1">核对</action></e>'
            ).encode(),
            "GW-2002 凭据错误（核对）",
        ),
    ],
)
def test_an_answer_that_is_no_reply(status: int, body: bytes, said: str) -> None:
    with pytest.raises(Failed) as failed:
        reply_text(HttpAnswer(status, body))
    assert said in str(failed.value)


def test_numbers_keep_their_digits() -> None:
    assert '"amt": 10.00' in pretty('{"infcode":0,"amt":10.00}')
    assert "\n  <a>1.50</a>" in pretty("<r><a>1.50</a></r>")


@pytest.mark.parametrize("reply", ['{"infcode":-1}', "<response><infcode>-1</infcode></response>"])
def test_the_outcome_of_a_reply(reply: str) -> None:
    assert infcode(reply) == "-1"


def test_the_command_waits_longer_than_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {"connect_timeout_s": 5, "read_timeout_s": 60}
    settings = Settings.model_construct()
    object.__setattr__(settings, "platform", settings.platform.model_copy(update=values))
    assert patience_s(settings) > 2 * 65
