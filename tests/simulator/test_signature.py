"""x-tif verification: the published vector, the window, nonces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.simulator import Simulator, TifSigning
from gateway.simulator.signature import ApiSigning, KeySigning, api_digest, digest

from .conftest import MAPPINGS, NOW, Hospital

NONE: Mapping[str, str] = {}
STAMP = 1_700_000_000
VECTOR = "0ba1a55d660d04b7caaaae861e798a2eed1fe2c826ece68b14d85d7615f3aa93"  # transport facts, section 3


def signed(nonce: str = "abc123", stamp: int = STAMP, changes: Mapping[str, str] = NONE) -> dict[str, str]:
    return {
        "x-tif-paasid": "hospital",
        "x-tif-timestamp": str(stamp),
        "x-tif-nonce": nonce,
        "x-tif-signature": digest(str(stamp), "SECRET-FOR-TEST", nonce),
    } | {f"x-tif-{name}": value for name, value in changes.items()}


@pytest.fixture
def signing() -> TifSigning:
    return TifSigning({"hospital": "SECRET-FOR-TEST"}, window_s=300)


def test_vector(signing: TifSigning) -> None:
    assert digest("1700000000", "SECRET-FOR-TEST", "abc123") == VECTOR
    assert signing.refusal(signed(changes={"signature": VECTOR}), STAMP) is None


@pytest.mark.parametrize("name", ["paasid", "timestamp", "nonce", "signature"])
def test_missing_header(signing: TifSigning, name: str) -> None:
    assert "缺少" in str(signing.refusal(signed(changes={name: ""}), STAMP))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"paasid": "stranger"}, "非法用户"),
        ({"signature": VECTOR.upper()}, "签名不一致"),
        ({"signature": "签名"}, "签名不一致"),
        ({"nonce": "abc124", "signature": VECTOR}, "签名不一致"),
        ({"timestamp": "1700000001"}, "签名不一致"),
        ({"timestamp": "17e8"}, "秒级"),
        ({"timestamp": "1700000000000"}, "秒级"),
    ],
)
def test_wrong_header(signing: TifSigning, changes: dict[str, str], text: str) -> None:
    assert text in str(signing.refusal(signed(changes=changes), STAMP))


def test_capitals_where_the_deployment_wants_them() -> None:
    capitals = TifSigning({"hospital": "SECRET-FOR-TEST"}, upper_case=True)
    assert capitals.refusal(signed(changes={"signature": VECTOR}), STAMP) == "签名不一致"
    assert capitals.refusal(signed(changes={"signature": VECTOR.upper()}), STAMP) is None


@pytest.mark.parametrize(("offset", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_window(signing: TifSigning, offset: int, accepted: bool) -> None:
    assert (signing.refusal(signed(), STAMP + offset) is None) is accepted


def test_nonce_is_spent_only_by_a_good_signature(signing: TifSigning) -> None:
    assert signing.refusal(signed(changes={"signature": "0" * 64}), STAMP) is not None
    assert signing.refusal(signed(), STAMP) is None
    assert "重复" in str(signing.refusal(signed(), STAMP))
    assert signing.refusal(signed("other"), STAMP) is None


def test_old_nonces_are_swept_and_new_ones_kept(signing: TifSigning) -> None:
    for number in range(10_000):
        assert signing.refusal(signed(f"n{number}"), STAMP) is None
    later = STAMP + 601
    assert signing.refusal(signed("fresh", later), later) is None
    assert len(signing._used) == 1
    assert "重复" in str(signing.refusal(signed("fresh", later), later))


def test_refused_before_anything_is_done() -> None:
    stamp = int(NOW.timestamp())
    simulator = Simulator(MAPPINGS, seed=1, clock=lambda: NOW, signing=TifSigning({"hospital": "SECRET-FOR-TEST"}))
    headers: dict[str, Any] = {}
    hospital = Hospital(lambda infno, body: simulator.handle(infno, headers, body).body)
    envelope = hospital.envelope("9001", {"signIn": {"opter_no": "1", "mac": "m", "ip": "i"}})
    response = simulator.handle("9001", {}, json.dumps(envelope).encode())
    assert (response.status, json.loads(response.body)["code"]) == (401, 401)
    assert simulator.ledger()["executed"] == {}
    headers |= {name.title(): value for name, value in signed(stamp=stamp).items()}
    assert hospital.post(envelope)["infcode"] == 0


API_VALUES = {"access_key": "AK-TEST", "name": "1101", "timestamp": "1700000000000", "version": "1.0.0"}
API_VECTOR = "OBFDZyt31TDOV/uwqOItilONXYo="  # transport facts, section 4


def api_signed(**changes: str) -> dict[str, str]:
    values = {**API_VALUES, "signature": API_VECTOR, **changes}
    return {f"_api_{name}": value for name, value in values.items()}


def test_api_vector_and_its_replay() -> None:
    signing = ApiSigning({"AK-TEST": "SK-TEST"})
    assert api_digest(API_VALUES, "SK-TEST") == API_VECTOR
    assert signing.refusal(api_signed(), STAMP) is None
    assert "重复" in str(signing.refusal(api_signed(), STAMP))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": ""}, "缺少"),
        ({"version": ""}, "缺少"),
        ({"signature": ""}, "缺少"),
        ({"access_key": "stranger"}, "非法用户"),
        ({"timestamp": "1700000000"}, "毫秒"),
        ({"timestamp": "1700000000001"}, "签名不一致"),
        ({"timestamp": "1700001801000"}, "超时"),
        ({"timestamp": "1699998199000"}, "超时"),
        ({"name": "1102"}, "签名不一致"),
        ({"version": "1.0.1"}, "签名不一致"),
        ({"signature": API_VECTOR.lower()}, "签名不一致"),
    ],
)
def test_wrong_api_header(changes: dict[str, str], text: str) -> None:
    assert text in str(ApiSigning({"AK-TEST": "SK-TEST"}).refusal(api_signed(**changes), STAMP))


def test_keys() -> None:
    signing = KeySigning(frozenset({"K1", "K2"}))
    assert signing.refusal({"apikey": "K2"}, STAMP) is None
    assert "缺少" in str(signing.refusal({}, STAMP))
    assert "非法用户" in str(signing.refusal({"apikey": "K3"}, STAMP))
