"""What the hospital tells of stays, by SOAP and JSON alike (contract, "What the hospital tells the gateway")."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gateway.contract.hospital import OPERATIONS
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import Query, State
from gateway.stays.ports import StayRef
from tests.running import House, scripted_house

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NS = "urn:yibao:gateway:v1"
IN = {
    "ipt_no": "Z1",
    "event_id": "E1",
    "ward_code": "W01",
    "ward_name": "内一科",
    "event_time": "2026-03-01 10:05:40",
    "operator": "护士甲",
}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("stays"), FakePlatform()) as running:
        yield running


def _xml(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_xml(name, one) for one in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_xml(key, one) for key, one in value.items())}</{name}>"
    return f"<{name}>{value}</{name}>"


def _read(element: ET.Element) -> Any:
    if not len(element):
        return element.text or ""
    found: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        found.setdefault(name, []).append(_read(child))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def by_soap(gateway: House, operation: str, arguments: dict[str, Any], **environ: Any) -> dict[str, Any]:
    inner = "".join(_xml(name, value) for name, value in arguments.items())
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><{operation} xmlns="{NS}">{inner}</{operation}></s:Body></s:Envelope>'
    answer = gateway.http("/soap/hospital", body.encode(), **environ)
    wrapper = ET.fromstring(answer.body)[0][0]
    if wrapper.tag.endswith("Fault"):
        return {"fault": (answer.status, wrapper.findtext("faultstring"))}
    assert wrapper.tag == f"{{{NS}}}{operation}Response"
    told = _read(wrapper)
    return told | {"allowed": told["allowed"] == "true"} if "allowed" in told else told


def by_json(gateway: House, operation: str, arguments: dict[str, Any], **environ: Any) -> dict[str, Any]:
    body = json.dumps(arguments).encode()
    answer = gateway.http(f"/api/v1/hospital/{operation}", body, "application/json", **environ)
    told: dict[str, Any] = json.loads(answer.body)
    if answer.status != 200:
        return {"fault": (answer.status, f"{told['code']} {told['err_msg']}")}
    return told | {"infcode": str(told["infcode"])}


@pytest.fixture(params=[by_soap, by_json], ids=["soap", "json"])
def ask(request: pytest.FixtureRequest, gateway: House) -> Ask:
    def asked(operation: str, arguments: dict[str, Any], **environ: Any) -> dict[str, Any]:
        told: dict[str, Any] = request.param(gateway, operation, arguments, **environ)
        return told

    return asked


@pytest.fixture
def ipt_no(request: pytest.FixtureRequest) -> str:
    """A stay of this test's own."""
    return f"Z{abs(hash(request.node.nodeid)) % 10**12}"


def test_a_ward_in_is_told_once_corrected_and_taken_back(ask: Ask, gateway: House, ipt_no: str) -> None:
    told = ask("WardIn", {**IN, "ipt_no": ipt_no})
    assert (told["infcode"], told["code"], told["ward_in_time"]) == ("0", "", "2026-03-01 10:05:00")
    state = told["state"]
    assert (state["presence"], state["alignment"], state["settlement"]) == ("in_ward", "differs", "none")
    assert ask("WardIn", {**IN, "ipt_no": ipt_no})["warn_msg"] == ""
    corrected = ask("WardIn", {**IN, "ipt_no": ipt_no, "event_time": "2026-03-01T02:20:00Z"})
    assert corrected["ward_in_time"] == "2026-03-01 10:20:00"
    assert "更正" in corrected["warn_msg"]
    void = ask("WardInVoid", {"ipt_no": ipt_no, "event_id": "E1", "operator": "护士甲", "reason": "误入科"})
    assert (void["ward_in_time"], void["state"]["alignment"]) == ("", "not_in_ward")
    assert ask("WardIn", {**IN, "ipt_no": ipt_no, "event_id": "E2"})["ward_in_time"] == "2026-03-01 10:05:00"
    events = gateway.gateway.store.journal.stays.known(StayRef(ipt_no)).history.events
    assert [(one.event_id, one.kind) for one in events] == [
        ("E1", "ward_in"),
        ("E1", "ward_in"),
        ("E1", "ward_in_void"),
        ("E2", "ward_in"),
    ]


def test_transfer_and_ward_out(ask: Ask, ipt_no: str) -> None:
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    moved = {**IN, "ipt_no": ipt_no, "event_id": "E2", "ward_code": "W02", "event_time": "2026-03-02 09:00:00"}
    assert ask("WardTransfer", moved)["ward_in_time"] == "2026-03-01 10:05:00"
    out = {**moved, "event_id": "E3", "event_time": "20260305110000"}
    assert ask("WardOut", out)["infcode"] == "0"
    status = ask("StayStatus", {"ipt_no": ipt_no})
    times = {one["name"]: one for one in status["time"]}
    assert (times["t_ward"]["value"], times["t_ward"]["raw"]) == ("2026-03-01 10:05:00", "2026-03-01 10:05:40")
    assert (times["t_ward"]["origin"], times["t_ward"]["by"], times["t_ward"]["ref"]) == ("ward_in", "护士甲", "E1")
    assert times["t_wout"]["value"] == "2026-03-05 11:00:00"
    missing = status["missing"]
    assert (missing if isinstance(missing, dict) else missing[0])["code"] == "ET02-01"


def test_a_time_ahead_of_the_clock_is_kept_with_a_warning(ask: Ask, ipt_no: str) -> None:
    told = ask("WardIn", {**IN, "ipt_no": ipt_no, "event_time": "2099-01-01 00:00:00"})
    assert (told["infcode"], told["ward_in_time"]) == ("0", "2099-01-01 00:00:00")
    assert "晚于当前时间" in told["warn_msg"]


def test_records_are_told_whole(ask: Ask, gateway: House, ipt_no: str) -> None:
    rows = [
        {"diag_type": "1", "diag_srt_no": str(number), "diag_code": code, "diag_name": "病", "maindiag_flag": flag,
         "diag_dept": "A01", "dise_dor_no": "D1", "dise_dor_name": "医生", "diag_time": "2026-03-01 10:30:00"}
        for number, code, flag in ((1, "I10.x00", "1"), (2, "E11.900", "0"))
    ]  # fmt: skip
    assert ask("Diagnoses", {"ipt_no": ipt_no, "version": "1", "rows": rows})["infcode"] == "0"
    assert ask("Diagnoses", {"ipt_no": ipt_no, "version": "2", "rows": rows[:1]})["infcode"] == "0"
    operation = {"oprn_oprt_type": "1", "oprn_oprt_name": "术", "oprn_oprt_code": "51.2300", "oper_dr_code": "D1"}
    assert ask("Operations", {"ipt_no": ipt_no, "version": "1", "rows": [operation]})["infcode"] == "0"
    assert ask("Operations", {"ipt_no": ipt_no, "version": "2"})["infcode"] == "0"  # none any more
    stay = gateway.gateway.store.journal.stays.known(StayRef(ipt_no)).history
    kept = {(one.kind, one.version): [row.get("diag_code") for row in one.rows] for one in stay.records}
    assert kept == {
        ("diagnoses", 1): ["I10.x00", "E11.900"],
        ("diagnoses", 2): ["I10.x00"],
        ("operations", 1): [None],
        ("operations", 2): [],
    }


def test_emergency_fees(ask: Ask, gateway: House, ipt_no: str) -> None:
    visit = {"ipt_otp_no": "MZ1", "begntime": "2026-03-01 07:30:00"}
    row = {
        "feedetl_sn": "F1", "fee_ocur_time": "2026-03-01 07:50:00", "med_list_codg": "X1", "medins_list_codg": "H1",
        "det_item_fee_sumamt": "12.50", "cnt": "1", "pric": "12.50", "bilg_dept_codg": "A1", "bilg_dept_name": "急",
        "bilg_dr_codg": "D1", "bilg_dr_name": "医生",
    }  # fmt: skip
    told = ask("EmergencyFees", {"ipt_no": ipt_no, "emergency_visit": visit, "rows": [row]})
    assert told["infcode"] == "0"
    (record,) = gateway.gateway.store.journal.stays.known(StayRef(ipt_no)).history.records
    assert (record.kind, dict(record.visit), record.rows[0]["feedetl_sn"]) == ("emergency_fees", visit, "F1")
    wrong = ask("EmergencyFees", {"ipt_no": ipt_no, "emergency_visit": {"ipt_otp_no": "M", "begntime": "昨天"}})
    assert wrong["code"] == "GW-1101"
    assert (wrong["problem"] if isinstance(wrong["problem"], dict) else wrong["problem"][0])["field"] == "begntime"


def test_every_problem_at_once_journaled_with_its_bytes(ask: Ask, gateway: House, ipt_no: str) -> None:
    last = gateway.newest()
    told = ask("WardIn", {"ipt_no": ipt_no, "event_time": "昨天下午", "ward_code": "W" * 41, "operator": "甲"})
    assert (told["infcode"], told["code"], told["retry"]) == ("-1", "GW-1101", "no")
    assert {(one["field"], one["rule"]) for one in told["problem"]} == {
        ("event_id", "required"),
        ("ward_code", "length"),
        ("event_time", "date"),
    }
    (row,) = gateway.since(last)
    assert (row.infno, row.state, row.code, row.opter) == ("WardIn", State.REFUSED, "GW-1101", "甲")
    assert ("ipt_no", ipt_no) in row.keys
    assert ipt_no.encode() in (gateway.bodies(row).caller_request or b"")


@pytest.mark.parametrize("arguments", [{"arg0": "x"}, {**IN, "patient": "张三"}])
def test_a_parameter_of_another_name_is_named(ask: Ask, arguments: dict[str, str]) -> None:
    assert ask("WardIn", arguments)["code"] == "GW-1012"


def test_what_nobody_told_of_is_unknown_but_not_forbidden(ask: Ask) -> None:
    assert ask("StayStatus", {"ipt_no": "nobody"})["code"] == "GW-1405"
    assert ask("StayStatus", {})["code"] == "GW-1012"
    # a patient who pays alone is no business of the insurance
    told = ask("FeeChangeAllowed", {"ipt_no": "nobody", "operator": "收费员"})
    assert (told["infcode"], told["allowed"]) == ("0", True)


def test_each_operation_needs_its_permission(ask: Ask, gateway: House) -> None:
    for operation in OPERATIONS:
        if not operation.free:
            told = ask(operation.name, IN, HTTP_X_API_KEY="only-queries")
            assert told["fault"][1].startswith("GW-2003")
    rows = gateway.gateway.store.journal.search(Query(code="GW-2003", client="query"))
    assert {row.infno for row in rows} >= {"WardIn"}
