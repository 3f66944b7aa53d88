"""Extraction and approval of emergency fees, by SOAP and JSON alike (ET-10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import State
from gateway.stays.ports import StayFact
from tests.running import House, scripted_house
from tests.soap.test_hospital_stays import IN, Ask, by_json, by_soap
from tests.store.samples import intent, outcome

HIS = '[[clients]]\nname = "doctor"\napi_key = "doctor"'
OTHER = {"HTTP_X_API_KEY": "doctor"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("emergency"), FakePlatform(), his=HIS) as running:
        yield running


@pytest.fixture(params=[by_soap, by_json], ids=["soap", "json"])
def ask(request: pytest.FixtureRequest, gateway: House) -> Ask:
    def asked(operation: str, arguments: dict[str, Any], **environ: Any) -> dict[str, Any]:
        told: dict[str, Any] = request.param(gateway, operation, arguments, **environ)
        for name in ("fee", "caller"):  # one element of a list is told from one value by JSON alone
            if isinstance(told.get(name), dict):
                told[name] = [told[name]]
        return told

    return asked


@pytest.fixture
def ipt_no(request: pytest.FixtureRequest) -> str:
    """A stay of this test's own."""
    return f"E{abs(hash(request.node.nodeid)) % 10**12}"


def fee(number: str, at: str, amount: str = "10.00", **more: str) -> dict[str, str]:
    return {
        "feedetl_sn": number, "fee_ocur_time": f"2026-03-01 {at}", "med_type": "13", "bilg_dept_codg": "E1",
        "bilg_dept_name": "急诊科", "bilg_dr_codg": "D1", "bilg_dr_name": "张医生", "cnt": "1", "pric": amount,
        "det_item_fee_sumamt": amount, "med_list_codg": "X1", "medins_list_codg": "Y1", "rx_circ_flag": "0",
    } | more  # fmt: skip


def tell(ask: Ask, ipt_no: str, *rows: dict[str, str], version: int = 1, **visit: str) -> dict[str, Any]:
    told = ask(
        "EmergencyFees",
        {
            "ipt_no": ipt_no,
            "version": version,
            "emergency_visit": {"ipt_otp_no": f"J{ipt_no}", "begntime": "2026-03-01 07:30:00", **visit},
            "rows": list(rows),
        },
    )
    assert told["infcode"] == "0", told
    return told


def extract(ask: Ask, ipt_no: str, **environ: Any) -> dict[str, Any]:
    return ask("EmergencyFeesExtract", {"ipt_no": ipt_no, "operator": "李医生"}, **environ)


def approve(ask: Ask, ipt_no: str, cut: str) -> dict[str, Any]:
    return ask("EmergencyFeesApprove", {"ipt_no": ipt_no, "operator": "医保办", "cut_time": cut})


ROWS = [fee("f1", "07:50:00"), fee("f2", "10:04:59"), fee("f3", "10:05:20"), fee("f4", "10:06:00")]


def test_both_callers_are_told_the_same_set(ask: Ask, ipt_no: str) -> None:
    tell(ask, ipt_no, *ROWS)
    refused = extract(ask, ipt_no)
    assert (refused["infcode"], refused["code"]) == ("-1", "ET10-01")
    ask("WardIn", {**IN, "ipt_no": ipt_no})  # 10:05:40
    mine = extract(ask, ipt_no)
    assert mine["infcode"] == "0"
    assert (mine["cut_time"], mine["start_time"]) == ("2026-03-01 10:05:00", "2026-03-01 07:30:00")
    assert (mine["rows_in"], mine["rows_out"], mine["total_in"], mine["total_out"]) == ("2", "2", "20.00", "20.00")
    within = {one["feedetl_sn"]: one["within"] for one in mine["fee"]}
    assert within == {"f1": "true", "f2": "true", "f3": "false", "f4": "false"}
    theirs = extract(ask, ipt_no, **OTHER)
    assert theirs["total_in"] == mine["total_in"]
    assert [(one["client"], one["difference"], one["same"]) for one in theirs["caller"]] == [("his", "0.00", "true")]
    tell(ask, ipt_no, *ROWS, fee("f5", "09:00:00", "5.50"), version=2)
    later = extract(ask, ipt_no, **OTHER)
    assert [(one["client"], one["difference"], one["same"]) for one in later["caller"]] == [("his", "5.50", "false")]


def test_an_approval_is_of_what_was_seen(ask: Ask, ipt_no: str) -> None:
    tell(ask, ipt_no, *ROWS)
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    assert approve(ask, ipt_no, "2026-03-01 10:20:00")["code"] == "ET10-02"
    done = approve(ask, ipt_no, "2026-03-01 10:05")
    assert (done["infcode"], done["approval"]["stands"]) == ("0", "true")
    assert done["approval"]["operator"] == "医保办"
    tell(ask, ipt_no, *ROWS[:3], version=2)
    changed = extract(ask, ipt_no)
    assert (changed["approval"]["stands"], changed["infcode"]) == ("true", "0")  # f4 never belonged to it
    tell(ask, ipt_no, *ROWS[1:3], version=3)
    changed = extract(ask, ipt_no)
    assert (changed["approval"]["stands"], changed["infcode"]) == ("false", "0")
    assert "重新审核" in changed["warn_msg"]


def test_a_ward_in_that_moved_makes_it_be_done_again(ask: Ask, ipt_no: str) -> None:
    tell(ask, ipt_no, *ROWS)
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    approve(ask, ipt_no, "2026-03-01 10:05:00")
    ask("WardIn", {**IN, "ipt_no": ipt_no, "event_time": "2026-03-01 10:06:00"})
    moved = extract(ask, ipt_no)
    assert moved["code"] == "ET10-02"
    assert (moved["cut_time"], moved["rows_in"]) == ("2026-03-01 10:06:00", "3")  # shown, to be approved anew
    assert approve(ask, ipt_no, "2026-03-01 10:05:00")["code"] == "ET10-02"
    assert approve(ask, ipt_no, moved["cut_time"])["infcode"] == "0"
    assert extract(ask, ipt_no)["infcode"] == "0"


def test_observation_belongs_to_the_set_by_default(ask: Ask, ipt_no: str) -> None:
    tell(ask, ipt_no, *ROWS, observation_time="2026-03-01 09:00:00")
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    assert extract(ask, ipt_no)["rows_in"] == "2"
    broken = ask("EmergencyFeesApprove", {"ipt_no": ipt_no, "operator": "x", "cut_time": "gestern"})
    assert broken["code"] == "GW-1101"


def settle(gateway: House, infno: str, mdtrt_id: str, setl_id: str) -> None:
    keys = (("mdtrt_id", mdtrt_id), ("setl_id", setl_id))
    row = gateway.gateway.store.journal.intend(intent(infno=infno, keys=keys, stay=[StayFact()]))
    ends = ("2207",) if infno == "2208" else ()
    gateway.gateway.store.journal.finish(row.id, outcome(State.CONFIRMED, keys=keys, ends=ends))


def test_what_is_settled_as_outpatient_is_revoked_first(ask: Ask, gateway: House, ipt_no: str) -> None:
    tell(ask, ipt_no, *ROWS, setl_id=f"S{ipt_no}", mdtrt_id=f"M{ipt_no}")
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    told = extract(ask, ipt_no)
    assert (told["code"], told["total_in"]) == ("ET10-03", "20.00")
    assert approve(ask, ipt_no, "2026-03-01 10:05:00")["code"] == "ET10-03"
    settle(gateway, "2208", f"M{ipt_no}", f"S{ipt_no}")
    assert extract(ask, ipt_no)["infcode"] == "0"


def test_a_settlement_that_nobody_told_of_is_known_from_the_journal(ask: Ask, gateway: House, ipt_no: str) -> None:
    settle(gateway, "2207", f"N{ipt_no}", f"T{ipt_no}")
    tell(ask, ipt_no, *ROWS, mdtrt_id=f"N{ipt_no}")
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    assert extract(ask, ipt_no)["code"] == "ET10-03"
    settle(gateway, "2208", f"N{ipt_no}", f"T{ipt_no}")
    assert extract(ask, ipt_no)["infcode"] == "0"


def test_nothing_told_is_pointed_out(ask: Ask, ipt_no: str) -> None:
    ask("WardIn", {**IN, "ipt_no": ipt_no})
    told = extract(ask, ipt_no)
    assert (told["infcode"], told["rows_in"], told["total_in"]) == ("0", "0", "0")
    assert "没有上报" in told["warn_msg"]
