"""Many discharges at once, each asked for twice: every stay is discharged by exactly one 2402 (vector 55)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import clock
from gateway.exchange.fake_platform import FakePlatform, envelope
from gateway.exchange.ports import PlatformRequest
from gateway.stays.history import Adopted, WardEvent
from gateway.stays.ports import StayRef
from tests.running import House, scripted_house
from tests.simulation import messages

STAYS = 100
WARD_IN = "2026-02-20 10:05:00"


def visits(request: PlatformRequest) -> bytes:
    asked = json.loads(request.body)["input"]["data"]
    row = {
        "mdtrt_id": asked["mdtrt_id"], "psn_no": asked["psn_no"], "begntime": WARD_IN, "med_type": "21",
        "inhosp_stas": "1",
    }  # fmt: skip
    return envelope({"mdtrtinfo": [row]}, msgid=request.msgid)


@pytest.fixture
def platform() -> FakePlatform:
    found = FakePlatform()
    found.script("5201", visits)
    found.script("5202", {})
    found.script("2402", {})
    return found


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory, platform: FakePlatform) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("many"), platform) as running:
        yield running


def _admit(house: House, number: int) -> None:
    """A stay adopted in hospital, in its ward; every third one has another 入院时间 than its ward-in."""
    records = house.gateway.store.journal.stays
    facts = {
        "mdtrt_id": f"M{number}", "psn_no": f"P{number}", "ipt_otp_no": f"Z{number}", "in_hospital": "1",
        "begntime": WARD_IN if number % 3 else "2026-02-20 08:00:00",
    }  # fmt: skip
    records.adopt(StayRef(f"Z{number}", f"M{number}"), f"P{number}", Adopted("import", clock.now(), facts=facts))
    event = WardEvent("E1", "ward_in", clock.now(), event_time=WARD_IN, ward_code="A", operator="护士")
    records.tell(f"Z{number}", f"M{number}", event, "his")


def _discharge(house: House, number: int) -> str:
    body = json.dumps({"input": messages.discharge(f"P{number}", f"M{number}")}).encode()
    answer = json.loads(house.http("/api/v1/transactions/2402", body, "application/json").body)
    return str(answer["code"] or answer["infcode"])


def test_each_stay_is_discharged_once(house: House, platform: FakePlatform) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: _admit(house, number), range(STAYS)))
        twice = [number for number in range(STAYS) for _ in "12"]
        told = list(pool.map(lambda number: (number, _discharge(house, number)), twice))
    sent = Counter(
        json.loads(request.body)["input"]["dscginfo"]["mdtrt_id"]
        for request in platform.requests
        if request.infno == "2402"
    )
    assert told == [(number, "0" if number % 3 else "ET02-01") for number in twice]
    assert sent == Counter({f"M{number}": 1 for number in range(STAYS) if number % 3})
