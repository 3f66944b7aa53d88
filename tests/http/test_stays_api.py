"""The data of the pages about stays as JSON: ET-04, ET-05, ET-06; who may, and what bad questions get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import clock
from gateway.stays.history import Record
from tests.running import House, house
from tests.stays.ways import REGISTERED, WARD_IN, Stay

OPERATIONS = ({"oprn_oprt_code": "47.0100", "oprn_oprt_name": "甲", "oprn_oprt_type": "2"},
              {"oprn_oprt_code": "51.2300", "oprn_oprt_name": "乙", "oprn_oprt_type": "1"})  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("stays-api")) as found:
        yield found


@pytest.fixture(scope="module")
def stay(running: House) -> Stay:
    one = Stay(running, "json").admit()
    one.ward_in()
    running.gateway.store.journal.stays.keep(one.ipt_no, Record("operations", 1, clock.now(), OPERATIONS), "his")
    running.gateway.episodes.catch_up()
    return one


def asked(running: House, path: str, status: int = 200, **environ: Any) -> dict[str, Any]:
    answer = running.http(f"/api/v1/stays/{path}", REQUEST_METHOD=environ.pop("method", "GET"), **environ)
    assert answer.status == status, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    return told


def test_the_discharge_tells_operations_and_the_verdict(running: House, stay: Stay) -> None:
    sent = running.sent()
    told = asked(running, f"discharge?ipt_no={stay.ipt_no}")
    assert running.sent() == sent
    assert [(one["tag"], one["code"]) for one in told["operations"]] == [("主手术", "51.2300"), ("其他手术", "47.0100")]
    gate = told["gate"]
    assert (gate["allowed"], gate["code"], gate["way_out"]) == (False, "ET02-01", "alignment")
    assert (gate["t_ins"], gate["t_ward"], gate["ward_by"]) == (REGISTERED, WARD_IN, "护士")
    assert asked(running, f"discharge?mdtrt_id={stay.mdtrt_id}")["ipt_no"] == stay.ipt_no


def test_the_review_and_the_list(running: House, stay: Stay) -> None:
    (row,) = asked(running, f"review?ipt_no={stay.ipt_no}&hours_from=1")["stays"]
    assert row["main_operation"] == [{"code": "51.2300", "name": "乙"}]
    assert (row["ward_in_time"], row["ward_out_time"]) == (WARD_IN, "")
    assert row["difference"].endswith("（在科）")
    assert asked(running, f"review?ipt_no={stay.ipt_no}&hours_to=0.5")["stays"] == []
    told = asked(running, "list?alignment=differs,aligned&presence=in_ward&order=-t_ward&limit=1")
    assert (told["stays"][0]["t_ward"], told["more"]) == (WARD_IN, False)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("discharge", 400, "GW-1012"),
        ("discharge?ipt_no=nobody", 200, "GW-1405"),
        ("discharge?name=x", 400, "GW-1012"),
        ("review?hours_from=NaN", 400, "GW-1012"),
        ("list?order=psn_no", 400, "GW-1012"),
        ("list?limit=0", 400, "GW-1012"),
        ("list?limit=99999", 400, "GW-1012"),
        ("list?skip=-1", 400, "GW-1012"),
        ("list?presence=%27%20or%201", 200, None),
        ("nothing", 404, "GW-"),
    ],
)
def test_bad_questions(running: House, stay: Stay, path: str, status: int, code: str | None) -> None:
    told = asked(running, path, status)
    assert told["stays"] == [] if code is None else told["code"].startswith(code)


def test_only_who_may(running: House, stay: Stay) -> None:
    told = asked(running, f"discharge?ipt_no={stay.ipt_no}", 403, HTTP_X_API_KEY="only-queries")
    assert told["code"] == "GW-2003"
    assert asked(running, "list", 405, method="POST")["infcode"] == -1
