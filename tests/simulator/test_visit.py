"""The outpatient visit and the purchase at a pharmacy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.simulator import Simulator


@pytest.fixture
def patient(hospital: Any) -> str:
    return str(hospital.person())


@pytest.fixture
def visit(hospital: Any, patient: str) -> str:
    return str(hospital.visit(patient))


def keys(psn_no: str, mdtrt_id: str, **more: Any) -> dict[str, Any]:
    return {"psn_no": psn_no, "mdtrt_id": mdtrt_id} | more


@pytest.mark.parametrize(("seen", "tried", "settled"), [("2203", "2206", "2207"), ("2203A", "2206A", "2207A")])
def test_whole_visit(
    hospital: Any, simulator: Simulator, patient: str, visit: str, seen: str, tried: str, settled: str
) -> None:
    hospital.see(patient, visit, seen)
    hospital.fees("2204", patient, visit, "12.34", "0.01")
    trial = hospital.settle(tried, patient, visit, "12.35", acct_used_flag="1")["setlinfo"]
    info = hospital.settle(settled, patient, visit, "12.35", acct_used_flag="1")["setlinfo"]
    assert info["fund_pay_sumamt"] == Decimal("9.88")
    assert info["acct_pay"] == Decimal("2.47")
    assert info["psn_cash_pay"] == Decimal("0.00")
    assert trial["balc"] == info["balc"]
    cancelling = hospital.do("2208", {"data": keys(patient, visit, setl_id=info["setl_id"])})["setlinfo"]
    assert cancelling["fund_pay_sumamt"] == Decimal("-9.88")
    assert cancelling["balc"] == info["balc"] + Decimal("2.47")
    hospital.do("2205", {"data": keys(patient, visit, chrg_bchno="0000")})
    hospital.do("2202", {"data": keys(patient, visit, ipt_otp_no="MZ1")})
    (held,) = simulator.ledger()["visits"]
    assert (held["state"], held["fees"]["count"]) == ("cancelled", 0)


def test_order(hospital: Any, patient: str, visit: str) -> None:
    assert "2203" in hospital.refused("2204", {"feedetail": [keys(patient, visit)]})
    assert "2203" in hospital.refused("2206", {"data": keys(patient, visit)})
    assert "2203" in hospital.refused("2207", {"data": keys(patient, visit)})
    hospital.see(patient, visit)
    assert "没有未结算" in hospital.refused("2207", {"data": keys(patient, visit, medfee_sumamt="0")})
    assert "没有未结算" in hospital.refused("2205", {"data": keys(patient, visit, chrg_bchno="B1")})
    hospital.fees("2204", patient, visit, "10.00")
    assert "2205" in hospital.refused("2202", {"data": keys(patient, visit, ipt_otp_no="MZ1")})
    assert "医疗费总额不符" in hospital.refused(
        "2207", {"data": keys(patient, visit, chrg_bchno="B1", medfee_sumamt="9")}
    )
    hospital.settle("2207", patient, visit, "10.00")
    assert "不能重复结算" in hospital.refused(
        "2207", {"data": keys(patient, visit, chrg_bchno="B1", medfee_sumamt="10")}
    )
    assert "没有未结算" in hospital.refused("2205", {"data": keys(patient, visit, chrg_bchno="0000")})
    assert "2208" in hospital.refused("2202", {"data": keys(patient, visit, ipt_otp_no="MZ1")})


def test_batches_are_settled_apart(hospital: Any, patient: str, visit: str) -> None:
    hospital.see(patient, visit)
    hospital.fees("2204", patient, visit, "10.00")
    hospital.fees("2204", patient, visit, "7.00", first=2, chrg_bchno="B2")
    assert hospital.settle("2207", patient, visit, "7.00", chrg_bchno="B2")["setlinfo"]["medfee_sumamt"] == 7
    assert hospital.settle("2207", patient, visit, "10.00")["setlinfo"]["medfee_sumamt"] == 10


def test_self_paid_lines(hospital: Any, patient: str, visit: str) -> None:
    hospital.see(patient, visit)
    hospital.fees("2204", patient, visit, "10.00", hosp_appr_flag="2")
    info = hospital.settle("2207", patient, visit, "10.00")["setlinfo"]
    assert (info["fulamt_ownpay_amt"], info["fund_pay_sumamt"], info["psn_cash_pay"]) == (10, 0, 10)


def test_diagnosis_voided_with_vali_flag(hospital: Any, patient: str, visit: str) -> None:
    hospital.see(patient, visit)
    info = keys(patient, visit, med_type="11")
    hospital.do("2203", {"mdtrtinfo": info, "diseinfo": [{"diag_srt_no": 1, "vali_flag": "0"}]})
    assert hospital.do("5202", {"data": keys(patient, visit)})["diseinfo"] == []


def test_negative_lines_are_no_outpatient_matter(hospital: Any, patient: str, visit: str) -> None:
    hospital.see(patient, visit)
    row = keys(patient, visit, cnt="-1", det_item_fee_sumamt="-1", pric="1")
    assert "负数" in hospital.refused("2204", {"feedetail": [row]})


def test_registration_number_is_unique(hospital: Any, patient: str, visit: str) -> None:
    assert "重复挂号" in hospital.refused("2201", {"data": {"psn_no": patient, "ipt_otp_no": "MZ1"}})


def test_purchase_from_account_and_cash(hospital: Any, simulator: Simulator, patient: str) -> None:
    info = {"psn_no": patient, "medfee_sumamt": "25.50", "acct_used_flag": "1", "med_type": "41", "insutype": "310"}
    rows = [{"feedetl_sn": "D1", "det_item_fee_sumamt": "25.50", "cnt": "2", "pric": "12.75"}]
    trial = hospital.do("2101", {"druginfo": info, "drugdetail": rows})["setlinfo"]
    sold = hospital.do("2102", {"druginfo": info, "drugdetail": rows})
    assert trial["acct_pay"] == sold["setlinfo"]["acct_pay"] == Decimal("25.50")
    assert [row["feedetl_sn"] for row in sold["detlcutinfo"]] == ["D1"]
    ids = {name: sold["setlinfo"][name] for name in ("setl_id", "mdtrt_id", "psn_no")}
    assert hospital.do("2103", {"data": ids})["setlinfo"]["acct_pay"] == Decimal("-25.50")
    assert "不能重复撤销" in hospital.refused("2103", {"data": ids})
    assert simulator.ledger()["visits"][0]["state"] == "cancelled"
