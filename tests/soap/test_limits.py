"""Limits on every way in: the same code, said so that each kind of caller understands when to come again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.exchange.fake_platform import FakePlatform, envelope
from gateway.exchange.ports import NotSent, PlatformRequest, State
from tests.hostile.ways import JSON_INPUT, JSON_TYPE, SOAP_WAYS, unpacked
from tests.running import Answer, House, scripted_house

PERSON = {"baseinfo": {"psn_no": "P1", "psn_name": "张三"}}
BAD_MIN = 5


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def gateway(platform: FakePlatform, tmp_path: Path) -> Iterator[House]:
    with scripted_house(tmp_path, platform, "concurrent_max = 1") as running:
        yield running


def ask(gateway: House) -> Answer:
    return gateway.http("/api/v1/transactions/1101", json.dumps({"input": JSON_INPUT}).encode(), JSON_TYPE)


def test_over_its_limit_every_way_says_so(gateway: House, platform: FakePlatform) -> None:
    inside, go = threading.Event(), threading.Event()

    def held(request: PlatformRequest) -> bytes:
        inside.set()
        assert go.wait(30)
        return envelope(PERSON, msgid=request.msgid)

    platform.script("1101", held)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway)
        assert inside.wait(30)
        for way in SOAP_WAYS.values():
            before = gateway.newest()
            answer = gateway.http(way.path, way.body())
            assert (answer.status, answer.headers["Retry-After"]) == (200, "1"), way.name
            assert "调用方超过限额" in unpacked(answer.body.decode()), way.name
            (row,) = gateway.since(before)
            assert (row.state, row.code, row.channel) == (State.REFUSED, "GW-4003", way.channel)
        refused = ask(gateway)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert json.loads(refused.body)["code"] == "GW-4003"
        other = gateway.http("/api/v1/transactions/5201", b"{}", JSON_TYPE, HTTP_X_API_KEY="only-queries")
        assert json.loads(other.body)["code"] == "GW-1101", "another client is let in"
        go.set()
        assert first.result(30).status == 200
    assert ask(gateway).status == 200
    metrics = gateway.gateway.metrics.render()[0].decode()
    assert f'yibao_turned_away_total{{client="his",code="GW-4003"}} {len(SOAP_WAYS) + 1}.0' in metrics


def test_an_open_breaker_says_so_on_every_way_and_on_readyz(gateway: House, platform: FakePlatform) -> None:
    platform.script("1101", NotSent("refused"))
    for _ in range(BAD_MIN):
        ask(gateway)
    for way in SOAP_WAYS.values():
        answer = gateway.http(way.path, way.body())
        assert answer.status == 200
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
        assert "平台暂停受理" in unpacked(answer.body.decode()), way.name
    told = json.loads(ask(gateway).body)
    assert (told["code"], told["retry"]) == ("GW-4004", "yes")
    found: list[bytes] = []
    environ = {"PATH_INFO": "/readyz", "REQUEST_METHOD": "GET"}
    found += gateway.gateway.admin(environ, lambda *_: None)
    assert json.loads(found[0])["breaker"] == {
        "read": "open", "repeatable": "closed", "state": "closed", "money": "closed",
    }  # fmt: skip
    found[:] = gateway.gateway.admin(environ | {"PATH_INFO": "/metrics"}, lambda *_: None)
    assert b'yibao_breaker{safety="read"} 2.0' in found[0]
