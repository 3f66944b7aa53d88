"""Breaker and probe on real sockets: the simulator misbehaves, the gateway lets it be and comes back by itself."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import Query
from tests.hostile.ways import JSON_INPUT, JSON_TYPE
from tests.running import House, house

WAIT_S_MAX = 20


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name, value in {"BAD_MIN": "3", "SLOW_S": "0.4", "PAUSE_S": "0.2"}.items():
        monkeypatch.setenv(f"YIBAO_PLATFORM__BREAKER__{name}", value)
    with house(tmp_path) as running:
        yield running


def misbehave(gateway: House, infno: str, kind: str, times: int, seconds: float = 0.0) -> None:
    fault = {"infno": infno, "kind": kind, "times": times, "seconds": seconds}
    url = f"{gateway.gateway.settings.platform.url}/_sim/faults"
    request = urllib.request.Request(url, json.dumps(fault).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def call(gateway: House, infno: str, message: Any) -> str:
    body = json.dumps({"input": message}).encode()
    reply = json.loads(gateway.http(f"/api/v1/transactions/{infno}", body, JSON_TYPE).body)
    return str(reply["code"])


def until_not(gateway: House, code: str, infno: str, message: Any) -> str:
    """What the call is told once it is no longer told ``code``."""
    pause = threading.Event()
    for _ in range(WAIT_S_MAX * 20):
        told = call(gateway, infno, message)
        if told != code:
            return told
        pause.wait(0.05)
    raise AssertionError(f"{infno} is still told {code}")


def cancel(number: int) -> dict[str, Any]:
    return {"data": {"mdtrt_id": f"M{number}", "psn_no": f"P{number}"}}


def test_resets_open_it_for_queries_and_a_query_closes_it(gateway: House) -> None:
    misbehave(gateway, "1101", "reset", 4)
    told = [call(gateway, "1101", JSON_INPUT) for _ in range(3)]
    assert told == ["GW-4002", "GW-4002", "GW-4004"]
    assert until_not(gateway, "GW-4004", "1101", JSON_INPUT) == ""


def test_slow_answers_are_given_and_then_the_platform_is_left_alone_until_a_probe_is_answered(gateway: House) -> None:
    for number in (0, 1, 2, 9):  # of a stay that it knows the gateway asks nothing of its own
        gateway.lies_in_ward(f"M{number}", f"P{number}", f"Z{number}", "2026-03-01 10:05:00")
    misbehave(gateway, "2404", "delay", 3, 0.5)
    assert [call(gateway, "2404", cancel(number)) for number in range(3)] == ["GW-3000"] * 3, "no answer is lost"
    assert call(gateway, "2404", cancel(9)) == "GW-4004"
    assert until_not(gateway, "GW-4004", "2404", cancel(9)) == "GW-3000"
    probes = [row for row in gateway.gateway.store.journal.search(Query(limit=100)) if row.channel == "probe"]
    assert {row.infno for row in probes} == {"1312"}, "nobody else has asked anything"


def test_a_platform_that_is_gone_is_no_longer_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIBAO_PLATFORM__URL", "http://127.0.0.1:9")
    monkeypatch.setenv("YIBAO_PLATFORM__BREAKER__BAD_MIN", "3")
    with house(tmp_path) as gone:
        told = [call(gone, "2404", cancel(number)) for number in range(5)]
    assert told == ["GW-4001"] * 3 + ["GW-4004"] * 2
