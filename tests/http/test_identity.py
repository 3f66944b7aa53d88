from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.exchange.call import Client
from gateway.faults import CLIENT_UNKNOWN, CREDENTIAL_WRONG, Fault, Unreadable
from gateway.http.identity import (
    PASSWORD_DIGEST,
    PASSWORD_TEXT,
    SECURITY,
    WSSE,
    WSU,
    Clients,
    peer_address,
    public_url,
)
from gateway.settings import ClientSettings, Listen

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
HIS = {"name": "his", "password": "口令-p:w"}
LIS = {"name": "lis", "api_key": "key-of-lis"}
WARD = {"name": "病区", "addresses": ["10.1.0.0/16"]}
DESK = {"name": "窗口", "addresses": ["10.1.2.0/24"]}
ALL = (HIS, LIS, WARD, DESK)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def clients(*settings: dict[str, Any], clock: Clock | None = None, nonces_max: int = 100) -> Clients:
    return Clients([ClientSettings(**each) for each in settings], clock or Clock(), nonces_max=nonces_max)


def basic(name: str, password: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def token(
    name: str,
    password: str,
    *,
    kind: str | None = PASSWORD_TEXT,
    nonce: str | None = None,
    created: str | None = None,
    timestamp: bool = False,
) -> etree._Element:
    security = etree.Element(SECURITY)
    if timestamp:
        etree.SubElement(etree.SubElement(security, f"{{{WSU}}}Timestamp"), f"{{{WSU}}}Created").text = created
    user = etree.SubElement(security, f"{{{WSSE}}}UsernameToken")
    etree.SubElement(user, f"{{{WSSE}}}Username").text = name
    given_password = etree.SubElement(user, f"{{{WSSE}}}Password")
    given_password.text = password
    if kind is not None:
        given_password.set("Type", kind)
    if nonce is not None:
        etree.SubElement(user, f"{{{WSSE}}}Nonce").text = nonce
    if created is not None:
        etree.SubElement(user, f"{{{WSU}}}Created").text = created
    return security


def digest(
    name: str, password: str, nonce: bytes = b"nonce-1", created: datetime | str = NOW, timestamp: bool = False
) -> etree._Element:
    text = created if isinstance(created, str) else created.strftime("%Y-%m-%dT%H:%M:%SZ")
    value = base64.b64encode(hashlib.sha1(nonce + text.encode() + password.encode()).digest()).decode()
    encoded = base64.b64encode(nonce).decode()
    return token(name, value, kind=PASSWORD_DIGEST, nonce=encoded, created=text, timestamp=timestamp)


def refused(fault: Fault, known: Clients, headers: dict[str, str], peer: str, security: Any = None) -> str:
    with pytest.raises(Unreadable) as caught:
        known.identify(headers, peer, security)
    assert caught.value.fault is fault
    return caught.value.detail


# ------------------------------------------------------------ who is it


@pytest.mark.parametrize(
    ("headers", "security", "peer", "name"),
    [
        (basic("his", "口令-p:w"), None, "8.8.8.8", "his"),
        (
            {"HTTP_AUTHORIZATION": basic("his", "口令-p:w")["HTTP_AUTHORIZATION"].replace("Basic", "bAsIc")},
            None,
            "",
            "his",
        ),
        ({"HTTP_X_API_KEY": "key-of-lis"}, None, "8.8.8.8", "lis"),
        ({}, token("his", "口令-p:w"), "8.8.8.8", "his"),
        ({}, token("his", "口令-p:w", kind=None), "8.8.8.8", "his"),
        ({}, digest("his", "口令-p:w"), "8.8.8.8", "his"),
        ({}, digest("his", "口令-p:w", timestamp=True), "8.8.8.8", "his"),
        ({}, digest("his", "口令-p:w", created="2026-11-21T16:00:00.123+08:00"), "8.8.8.8", "his"),
        ({}, digest("his", "口令-p:w", created="2026-11-21T08:00:00"), "8.8.8.8", "his"),
        ({}, None, "10.1.9.9", "病区"),
        ({}, None, "::ffff:10.1.9.9", "病区"),
        ({}, None, "10.1.2.3", "窗口"),
        ({"HTTP_AUTHORIZATION": " ", "HTTP_X_API_KEY": ""}, None, "10.1.2.3", "窗口"),
        (basic("his", "口令-p:w"), token("his", "口令-p:w"), "10.1.2.3", "his"),
    ],
)
def test_a_right_proof_names_the_client(
    headers: dict[str, str], security: etree._Element | None, peer: str, name: str
) -> None:
    assert clients(*ALL).identify(headers, peer, security).name == name


@pytest.mark.parametrize(
    ("headers", "security"),
    [
        (basic("his", "wrong"), None),
        (basic("his", ""), None),
        (basic("nobody", "口令-p:w"), None),
        (basic("lis", "key-of-lis"), None),
        (basic("病区", ""), None),
        ({"HTTP_AUTHORIZATION": "Basic 中文"}, None),
        ({"HTTP_AUTHORIZATION": "Basic"}, None),
        ({"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"no colon").decode()}, None),
        ({"HTTP_AUTHORIZATION": "Basic " + base64.b64encode("his:口令-p:w".encode("gbk")).decode()}, None),
        ({"HTTP_AUTHORIZATION": "Bearer abc"}, None),
        ({"HTTP_X_API_KEY": "key-of-li"}, None),
        ({"HTTP_X_API_KEY": "key-of-lis2"}, None),
        ({"HTTP_X_API_KEY": "密\udcff"}, None),
        ({}, token("his", "wrong")),
        ({}, token("", "口令-p:w")),
        ({}, token("his", "口令-p:w", kind="urn:other")),
        ({}, token("his", "口令-p:w", kind=PASSWORD_DIGEST)),
        ({}, digest("his", "wrong")),
        ({}, digest("nobody", "口令-p:w")),
        ({}, digest("his", "口令-p:w", nonce=b"")),
        ({}, digest("his", "口令-p:w", created="yesterday")),
        ({}, digest("his", "口令-p:w", created="0001-01-01T00:00:00+14:00")),
        ({}, digest("his", "口令-p:w", created=NOW + timedelta(seconds=301))),
        ({}, digest("his", "口令-p:w", created=NOW - timedelta(seconds=301))),
        ({"HTTP_X_API_KEY": "key-of-lis"}, token("his", "口令-p:w")),
        ({"HTTP_X_API_KEY": "key-of-lis"}, token("his", "wrong")),
    ],
)
def test_a_wrong_credential_never_falls_back_to_the_address(
    headers: dict[str, str], security: etree._Element | None
) -> None:
    refused(CREDENTIAL_WRONG, clients(*ALL), headers, "10.1.2.3", security)


def test_a_wrong_credential_never_falls_back_to_an_open_client() -> None:
    known = clients(HIS, {"name": "demo", "open": True})
    assert known.identify({}, "8.8.8.8", None).name == "demo"
    refused(CREDENTIAL_WRONG, known, basic("his", "wrong"), "8.8.8.8")


def test_no_two_fault_texts_tell_an_unknown_name_from_a_wrong_password() -> None:
    known = clients(*ALL)
    wrong = refused(CREDENTIAL_WRONG, known, basic("his", "x"), "8.8.8.8")
    assert wrong == refused(CREDENTIAL_WRONG, known, basic("nobody", "x"), "8.8.8.8")


def test_without_credential_a_stranger_is_unknown_and_the_address_is_named() -> None:
    assert "8.8.8.8" in refused(CLIENT_UNKNOWN, clients(*ALL), {}, "8.8.8.8")
    refused(CLIENT_UNKNOWN, clients(*ALL), {}, "")
    refused(CLIENT_UNKNOWN, clients(*ALL), {}, "not an address")


@pytest.mark.parametrize("settings", [HIS, LIS, {"name": "o", "open": True}])
def test_addresses_narrow_every_kind(settings: dict[str, Any]) -> None:
    known = clients({**settings, "addresses": ["10.1.0.0/16", "fd00::/8"]})
    headers = (
        basic("his", "口令-p:w") if settings is HIS else {"HTTP_X_API_KEY": "key-of-lis"} if settings is LIS else {}
    )
    assert known.identify(headers, "10.1.0.1", None).name == settings["name"]
    assert known.identify(headers, "fd00::1", None).name == settings["name"]
    refused(CLIENT_UNKNOWN, known, headers, "10.2.0.1")


def test_a_timestamp_alone_is_no_credential_but_another_token_is_a_wrong_one() -> None:
    security = etree.Element(SECURITY)
    etree.SubElement(security, f"{{{WSU}}}Timestamp")
    security.append(etree.Comment("nothing"))
    assert clients(*ALL).identify({}, "10.1.2.3", security).name == "窗口"
    etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken")
    refused(CREDENTIAL_WRONG, clients(*ALL), {}, "10.1.2.3", security)


def test_two_tokens_are_refused() -> None:
    security = token("his", "口令-p:w")
    security.append(token("his", "口令-p:w")[0])
    refused(CREDENTIAL_WRONG, clients(*ALL), {}, "8.8.8.8", security)


def test_the_client_carries_its_transactions_and_filled_workstation() -> None:
    known = clients({**LIS, "transactions": ["2*"], "workstation": {"opter": "0001", "opter_type": "1"}})
    client = known.identify({"HTTP_X_API_KEY": "key-of-lis"}, "", None)
    assert client == Client("lis", ("2*",), {"opter": "0001", "opter_type": "1"})


# -------------------------------------------------------------- replays


def test_a_digest_is_taken_once() -> None:
    clock = Clock()
    known = clients(HIS, clock=clock)
    known.identify({}, "", digest("his", "口令-p:w"))
    assert "Nonce" in refused(CREDENTIAL_WRONG, known, {}, "", digest("his", "口令-p:w"))
    known.identify({}, "", digest("his", "口令-p:w", nonce=b"nonce-2"))
    clock.now += timedelta(seconds=299)
    refused(CREDENTIAL_WRONG, known, {}, "", digest("his", "口令-p:w"))


def test_a_failed_digest_does_not_use_up_the_nonce() -> None:
    known = clients(HIS)
    refused(CREDENTIAL_WRONG, known, {}, "", digest("his", "wrong"))
    assert known.identify({}, "", digest("his", "口令-p:w")).name == "his"


@given(st.lists(st.integers(min_value=-290, max_value=290), min_size=1, max_size=40), st.integers(1, 8))
def test_no_replay_is_taken_however_small_the_memory(offsets: list[int], nonces_max: int) -> None:
    known = clients(HIS, nonces_max=nonces_max)
    seen = [digest("his", "口令-p:w", str(i).encode(), NOW + timedelta(seconds=s)) for i, s in enumerate(offsets)]
    for each in seen:
        with contextlib.suppress(Unreadable):  # older than what a small memory still covers
            known.identify({}, "", each)
        refused(CREDENTIAL_WRONG, known, {}, "", each)
    for each in seen:
        refused(CREDENTIAL_WRONG, known, {}, "", each)


def test_a_full_memory_still_takes_current_digests() -> None:
    clock = Clock()
    known = clients(HIS, clock=clock, nonces_max=3)
    for number in range(20):
        clock.now += timedelta(seconds=1)
        assert known.identify({}, "", digest("his", "口令-p:w", b"%d" % number, clock.now)).name == "his"


def test_of_many_simultaneous_replays_one_is_taken() -> None:
    known = clients(HIS)
    taken: list[str] = []

    def call() -> None:
        with contextlib.suppress(Unreadable):
            taken.append(known.identify({}, "", digest("his", "口令-p:w")).name)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert taken == ["his"]


# ------------------------------------------------------- peer and public


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "peer"),
    [
        ("10.0.0.9", "", [], "10.0.0.9"),
        ("10.0.0.9", "1.1.1.1", [], "10.0.0.9"),
        ("10.0.0.9", "1.1.1.1", ["10.0.0.0/24"], "1.1.1.1"),
        ("10.0.0.9", "6.6.6.6, 1.1.1.1", ["10.0.0.0/24"], "1.1.1.1"),
        ("10.0.0.9", "6.6.6.6,1.1.1.1,10.0.0.8", ["10.0.0.0/24"], "1.1.1.1"),
        ("10.0.0.9", "10.0.0.7,10.0.0.8", ["10.0.0.0/24"], "10.0.0.7"),
        ("10.0.0.9", "1.1.1.1:5000", ["10.0.0.0/24"], "1.1.1.1"),
        ("10.0.0.9", "[fd00::1]:5000", ["10.0.0.0/24"], "fd00::1"),
        ("10.0.0.9", "1.1.1.1, unknown", ["10.0.0.0/24"], "unknown"),
        ("::ffff:10.0.0.9", "1.1.1.1", ["10.0.0.0/24"], "1.1.1.1"),
        ("10.0.0.9", "", ["10.0.0.0/24"], "10.0.0.9"),
        ("", "1.1.1.1", ["10.0.0.0/24"], ""),
    ],
)
def test_peer_address(remote: str, forwarded: str, trusted: list[str], peer: str) -> None:
    assert peer_address({"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}, trusted) == peer


@given(st.text(max_size=60), st.text(max_size=60))
def test_peer_address_takes_anything(remote: str, forwarded: str) -> None:
    environ = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    peer = peer_address(environ, ["0.0.0.0/0", "::/0"])
    with pytest.raises(Unreadable):
        clients(HIS).identify({}, peer, None)


PROXIED = {
    "REMOTE_ADDR": "10.0.0.9",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "inner:8080",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "yibao.hospital",
    "HTTP_X_FORWARDED_PREFIX": "/yb/",
}


@pytest.mark.parametrize(
    ("change", "listen", "url"),
    [
        ({}, {"trusted_proxies": ["10.0.0.0/8"]}, "https://yibao.hospital/yb"),
        ({}, {}, "http://inner:8080"),
        ({}, {"public_url": "https://set.hospital/"}, "https://set.hospital"),
        (
            {"HTTP_X_FORWARDED_HOST": "evil, yibao.hospital:8443"},
            {"trusted_proxies": ["10.0.0.0/8"]},
            "https://yibao.hospital:8443/yb",
        ),
        ({"HTTP_X_FORWARDED_HOST": 'a"><x'}, {"trusted_proxies": ["10.0.0.0/8"]}, "https://inner:8080/yb"),
        ({"HTTP_X_FORWARDED_PROTO": "javascript"}, {"trusted_proxies": ["10.0.0.0/8"]}, "http://yibao.hospital/yb"),
        ({"HTTP_X_FORWARDED_PREFIX": "/a<b"}, {"trusted_proxies": ["10.0.0.0/8"]}, "https://yibao.hospital"),
        ({"HTTP_HOST": "[::1]:8080"}, {}, "http://[::1]:8080"),
        ({"HTTP_HOST": "a/b"}, {}, "http://127.0.0.1:8080"),
        ({"HTTP_HOST": "u@h"}, {}, "http://127.0.0.1:8080"),
        ({"HTTP_HOST": "医保"}, {}, "http://127.0.0.1:8080"),
        ({"HTTP_HOST": ""}, {}, "http://127.0.0.1:8080"),
        ({"HTTP_HOST": "h\r\n"}, {}, "http://127.0.0.1:8080"),
        ({"wsgi.url_scheme": "https"}, {}, "https://inner:8080"),
    ],
)
def test_public_url(change: dict[str, str], listen: dict[str, Any], url: str) -> None:
    assert public_url(PROXIED | change, Listen(**listen)) == url


@given(st.text(max_size=80))
def test_public_url_never_carries_markup(host: str) -> None:
    url = public_url(PROXIED | {"HTTP_HOST": host, "HTTP_X_FORWARDED_HOST": host}, Listen())
    assert not set(url) & set("<>\"'& \r\n@?#\\")


# ------------------------------------------------------- may it, how much


@pytest.mark.parametrize(
    ("patterns", "infno", "allowed"),
    [
        (("*",), "2401", True),
        (("2*", "5201"), "2401", True),
        (("2*", "5201"), "5201", True),
        (("2*", "5201"), "52010", False),
        (("2*", "5201"), "3301", False),
        (("2207a",), "2207A", False),
        ((), "2401", False),
    ],
)
def test_may_call(patterns: tuple[str, ...], infno: str, allowed: bool) -> None:
    assert Client("x", patterns).may_call(infno) is allowed
