"""Every way to a province against the simulator, which verifies with another implementation: one suite over all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.settlement import build
from adapters.settlement.build import build_platform
from gateway import clock
from gateway.exchange.ports import PlatformRequest, Rejected, SettlementPlatform
from gateway.simulator import Simulator, SimulatorServer, serve
from gateway.simulator.signature import signing_of

MAPPINGS = Path(__file__).parents[2] / "mappings"
INSTITUTION = "H44080000001"
ACCOUNT, SECRET = "ACCOUNT-TEST", "SECRET-FOR-TEST-0001"


class Clock:
    """The platform's clock, which a test may set off."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class Way:
    """A way to a province: how the gateway is told of it, and how the simulator is."""

    name: str
    given: dict[str, Any]
    simulated: Callable[[], dict[str, Any]]
    path: str = "/callService"
    wrong: dict[str, Any] = field(default_factory=dict)
    """Settings with which the platform must refuse the request before it is executed."""
    window: timedelta | None = None
    """How far the clocks may be apart; None: time is not looked at."""


def header_way(name: str, window: timedelta | None, path: str = "", account: str = ACCOUNT) -> Way:
    return Way(
        name,
        {"account": account, "secret": SECRET},
        lambda: {"signing": signing_of(name, account, SECRET)},
        path,
        {"secret": SECRET[:-1]},
        window,
    )


WAYS = [
    Way("plain", {}, dict),
    header_way("tif", timedelta(seconds=300)),
    header_way("api-headers", timedelta(minutes=30)),
    header_way("api-key", None, "/api/medical/service/callService", ""),
]
SIGNED = [way for way in WAYS if way.wrong]
TIMED = [way for way in WAYS if way.window]


def named(ways: list[Way]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", ways, ids=[way.name for way in ways])


class Province:
    """A simulator that speaks one way, and the gateway's platforms that speak to it."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.clock = Clock()
        self.simulator = Simulator(MAPPINGS, seed=5, clock=self.clock, **way.simulated())
        self.server: SimulatorServer = serve(self.simulator, port=0)
        self._made: list[SettlementPlatform] = []
        self._numbers = 0

    def platform(self, **changes: Any) -> SettlementPlatform:
        options = {**self.way.given, **changes}
        url = options.pop("url", self.server.url)
        self._made.append(build_platform(url + self.way.path, self.way.name, read_timeout_s=20, **options))  # type: ignore[arg-type]
        return self._made[-1]

    def request(self, infno: str = "9001", message: Any = None) -> PlatformRequest:
        self._numbers += 1
        msgid = f"{INSTITUTION}20261122090000{self._numbers:04d}"
        envelope = {
            "infno": infno,
            "msgid": msgid,
            "mdtrtarea_admvs": "440800",
            "insuplc_admdvs": "440800",
            "recer_sys_code": "MBS_LOCAL",
            "infver": "V1.0",
            "opter_type": "1",
            "opter": "0001",
            "opter_name": "张三",
            "inf_time": "2026-11-22 09:00:00",
            "fixmedins_code": INSTITUTION,
            "fixmedins_name": "湛江模拟医院",
            "sign_no": "",
            "input": message or {"signIn": {"opter_no": "0001", "mac": "00-11", "ip": "127.0.0.1"}},
        }
        return PlatformRequest(infno, msgid, json.dumps(envelope, ensure_ascii=False).encode())

    @property
    def executed(self) -> dict[str, Any]:
        executed: dict[str, Any] = self.simulator.ledger()["executed"]
        return executed

    def close(self) -> None:
        for platform in self._made:
            platform.close()
        self.server.close()


@pytest.fixture
def province(way: Way) -> Iterator[Province]:
    running = Province(way)
    yield running
    running.close()


def test_every_way_that_can_be_built_is_tried_here() -> None:
    assert {way.name for way in WAYS} == set(build.Signing.__args__)  # type: ignore[attr-defined]


@named(WAYS)
def test_a_transaction_is_executed_and_answered_in_the_national_envelope(province: Province) -> None:
    platform = province.platform()
    for _ in range(3):
        answer = json.loads(platform.send(province.request()).body)
        assert str(answer["infcode"]) == "0", answer
        assert answer["output"]["signinoutb"]["sign_no"]
    assert len(province.executed) == 3


@named(WAYS)
def test_what_the_platform_declines_comes_back_as_declined(province: Province) -> None:
    request = province.request("1101", {"data": {}})
    answer = json.loads(province.platform().send(request).body)
    assert str(answer["infcode"]) != "0"
    assert "错误" in answer["err_msg"]


@named(SIGNED)
def test_a_wrong_secret_is_rejected_and_nothing_is_executed(province: Province) -> None:
    with pytest.raises(Rejected):
        province.platform(**province.way.wrong).send(province.request())
    assert province.executed == {}


@named(SIGNED)
def test_nothing_of_the_secret_shows(province: Province, caplog: pytest.LogCaptureFixture) -> None:
    platform = province.platform(**province.way.wrong)
    with pytest.raises(Rejected) as caught:
        platform.send(province.request())
    shown = repr(platform) + str(caught.value) + caplog.text
    assert not [value for value in province.way.given.values() if isinstance(value, str) and value in shown and value]


@named(TIMED)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_clock_that_is_off_is_rejected(province: Province, side: int) -> None:
    platform, window = province.platform(), province.way.window
    assert window
    province.clock.ahead = side * (window + timedelta(seconds=30))
    with pytest.raises(Rejected, match="时间戳"):
        platform.send(province.request())
    province.clock.ahead = side * (window - timedelta(seconds=30))
    assert platform.send(province.request()).body
    assert len(province.executed) == 1


@named(WAYS)
def test_what_is_no_longer_ours_is_not_sent(province: Province) -> None:
    with pytest.raises(Exception, match="接管"):
        province.platform().send(replace(province.request(), still_mine=lambda: False))
    assert province.executed == {}
