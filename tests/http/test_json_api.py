"""The JSON address: statuses say whether an exchange was made, the body says how it ended. Hostile JSON: tests/hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import NotSent, State
from tests.hostile.ways import JSON_INPUT, JSON_TYPE, Watch, json_answer
from tests.running import Answer, House, scripted_house

CANCEL = {"data": {"mdtrt_id": "M1", "psn_no": "P1"}}


@pytest.fixture(scope="module")
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture(scope="module")
def gateway(platform: FakePlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("json"), platform) as running:
        yield running


def post(gateway: House, infno: str, message: Any, head: dict[str, Any] | None = None, **environ: str) -> Answer:
    body = json.dumps({"head": head or {}, "input": message}, ensure_ascii=False).encode()
    return gateway.http(f"/api/v1/transactions/{infno}", body, JSON_TYPE, **environ)


def test_a_success_has_every_field(gateway: House, platform: FakePlatform) -> None:
    platform.script("1101", {"baseinfo": {"psn_name": "张三", "age": 36.5}})
    answer = post(gateway, "1101", JSON_INPUT)
    found = json_answer(answer)
    assert (answer.status, list(found)) == (
        200, ["infcode", "inf_refmsgid", "err_msg", "warn_msg", "msgid", "code", "retry", "output"],
    )  # fmt: skip
    assert (found["infcode"], found["code"], found["output"]) == (
        0,
        "",
        {"baseinfo": {"psn_name": "张三", "age": 36.5}},
    )
    assert b'"age":36.5' in answer.body


@pytest.mark.parametrize(
    ("step", "code", "retry"),
    [
        (b'{"infcode": -1, "err_msg": "no"}', "GW-3000", "yes"),
        (NotSent("x"), "GW-4001", "yes"),
        (b"x", "GW-4101", "same"),
    ],
)
def test_a_failure_is_a_200_with_its_code(
    gateway: House, platform: FakePlatform, step: Any, code: str, retry: str
) -> None:
    platform.script("2404", step)
    answer = post(gateway, "2404", CANCEL)
    found = json_answer(answer)
    assert (answer.status, found["infcode"], found["code"], found["retry"]) == (200, -1, code, retry)


def test_problems_are_listed(gateway: House) -> None:
    found = json_answer(post(gateway, "2404", {"data": {"psn_no": 5}}))
    assert {(item["field"], item["rule"]) for item in found["problem"]} == {
        ("mdtrt_id", "required"),
        ("psn_no", "type"),
    }


def test_the_same_request_is_answered_again(gateway: House, platform: FakePlatform) -> None:
    platform.script("2404", {})
    first = post(gateway, "2404", CANCEL, {"request_id": "J-1"})
    sent = gateway.sent()
    assert post(gateway, "2404", CANCEL, {"request_id": "J-1"}).body == first.body
    assert gateway.sent() == sent


def test_a_wrong_credential_is_a_401(gateway: House) -> None:
    watch = Watch(gateway)
    answer = post(gateway, "1101", JSON_INPUT, HTTP_X_API_KEY="wrong")
    assert (answer.status, json_answer(answer)["code"]) == (401, "GW-2002")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    watch.refused(json.dumps({"head": {}, "input": JSON_INPUT}, ensure_ascii=False).encode(), "GW-2002", "json")


def test_a_transaction_that_is_not_allowed_is_a_403(gateway: House) -> None:
    watch = Watch(gateway)
    answer = post(gateway, "2404", CANCEL, HTTP_X_API_KEY="only-queries")
    assert (answer.status, json_answer(answer)["code"]) == (403, "GW-2003")
    row = watch.refused(json.dumps({"head": {}, "input": CANCEL}).encode(), "GW-2003", "json")
    assert (row.client, row.infno, row.state) == ("query", "2404", State.REFUSED)


def test_head_values_may_be_numbers(gateway: House, platform: FakePlatform) -> None:
    platform.script("2404", {})
    other = {"data": {**CANCEL["data"], "mdtrt_id": "44080000000000000017"}}
    assert json_answer(post(gateway, "2404", other, {"opter_type": 2, "opter": 17}))["infcode"] == 0
    sent = json.loads(platform.requests[-1].body)
    assert (sent["opter_type"], sent["opter"]) == ("2", "17")
