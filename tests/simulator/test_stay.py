"""The inpatient stay: the whole way, and every order and sum a platform refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.simulator import Simulator

from .conftest import MAPPINGS, NOW, Hospital

SUMS = ("hifp_pay", "hifmi_pay", "hifob_pay", "hifes_pay", "cvlserv_pay", "maf_pay", "oth_pay")


def keys(psn_no: str, mdtrt_id: str, **more: Any) -> dict[str, Any]:
    return {"psn_no": psn_no, "mdtrt_id": mdtrt_id} | more


@pytest.fixture
def patient(hospital: Any) -> str:
    return str(hospital.person())


@pytest.fixture
def stay(hospital: Any, patient: str) -> str:
    return str(hospital.admit(patient))


def ledger_stay(simulator: Simulator) -> dict[str, Any]:
    (one,) = simulator.ledger()["stays"]
    assert isinstance(one, dict)
    return one


def test_whole_stay_settles_to_the_cent(hospital: Any, simulator: Simulator, patient: str, stay: str) -> None:
    hospital.do("2403", {"adminfo": keys(patient, stay, begntime="2026-11-10 10:05:00", ipt_otp_no="ZY1"),
                         "diseinfo": [keys(patient, stay, diag_srt_no=2, diag_code="E11.900")]})  # fmt: skip
    split = hospital.fees("2301", patient, stay, "1000.10", "200.05")["result"]
    assert [row["feedetl_sn"] for row in split] == ["F1", "F2"]
    trial = hospital.settle("2303", patient, stay, "1200.15")["setlinfo"]
    hospital.discharge(patient, stay)
    settled = hospital.settle("2304", patient, stay, "1200.15")
    info = settled["setlinfo"]
    assert info["medfee_sumamt"] == Decimal("1200.15")
    assert info["fund_pay_sumamt"] == Decimal("560.12")  # (1200.15 - 500) * 80 %
    assert info["medfee_sumamt"] == info["fund_pay_sumamt"] + info["psn_part_amt"] + info["hosp_part_amt"]
    assert info["psn_part_amt"] == info["acct_pay"] + info["psn_cash_pay"]
    assert info["fund_pay_sumamt"] == sum(info[name] for name in SUMS)
    assert {name: trial[name] for name in SUMS} == {name: info[name] for name in SUMS}
    assert settled["setldetail"][0]["fund_payamt"] == info["fund_pay_sumamt"]
    held = ledger_stay(simulator)
    assert (held["state"], held["begntime"], held["setl_ids"]) == (
        "discharged",
        "2026-11-10 10:05:00",
        [info["setl_id"]],
    )
    assert {row["diag_code"] for row in held["diagnoses"]} == {"K35.900", "E11.900", "1"}
    assert held["fees"] == {"count": 2, "sumamt": Decimal("1200.15"), "unsettled_sumamt": Decimal("0.00")}
    (settlement,) = simulator.ledger()["settlements"]
    assert (settlement["state"], settlement["infno"]) == ("settled", "2304")
    assert settlement["msgid"] == info["medins_setl_id"]


def test_everything_can_be_taken_back_in_reverse_order(
    hospital: Any, simulator: Simulator, patient: str, stay: str
) -> None:
    hospital.fees("2301", patient, stay, "800.00")
    hospital.discharge(patient, stay)
    balance = person_balance(simulator, patient)
    setl_id = hospital.settle("2304", patient, stay, "800.00", acct_used_flag="1")["setlinfo"]["setl_id"]
    cancelling = hospital.do("2305", {"data": keys(patient, stay, setl_id=setl_id)})["setlinfo"]
    assert cancelling["medfee_sumamt"] == Decimal("-800.00")
    assert cancelling["setl_id"] != setl_id
    assert person_balance(simulator, patient) == balance
    hospital.do("2405", {"data": keys(patient, stay)})
    hospital.do("2302", {"data": [keys(patient, stay, feedetl_sn="0000")]})
    hospital.do("2404", {"data": keys(patient, stay)})
    assert ledger_stay(simulator)["state"] == "cancelled"
    assert [one["state"] for one in simulator.ledger()["settlements"]] == ["revoked"]
    hospital.admit(patient)  # the ipt_no is free again


def person_balance(simulator: Simulator, psn_no: str) -> Decimal:
    (balance,) = (one["balc"] for one in simulator.ledger()["persons"] if one["psn_no"] == psn_no)
    assert isinstance(balance, Decimal)
    return balance


@pytest.mark.parametrize(
    ("infno", "node"),
    [("2301", "feedetail"), ("2302", "data"), ("2303", "data"), ("2304", "data"), ("2305", "data"), ("2402", "dscginfo"),
     ("2403", "adminfo"), ("2404", "data"), ("2405", "data")],
)  # fmt: skip
def test_nothing_before_admission(hospital: Any, patient: str, infno: str, node: str) -> None:
    row = keys(patient, "440800100000000000000001")
    assert "住院登记不存在" in hospital.refused(infno, {node: [row] if infno in ("2301", "2302") else row})


def test_after_discharge_nothing_changes(hospital: Any, patient: str, stay: str) -> None:
    hospital.fees("2301", patient, stay, "10.00")
    hospital.discharge(patient, stay)
    row = keys(patient, stay)
    assert "2405" in hospital.refused("2301", {"feedetail": [row | {"feedetl_sn": "F9"}]})
    assert "2405" in hospital.refused("2302", {"data": [row | {"feedetl_sn": "0000"}]})
    assert "2405" in hospital.refused("2402", {"dscginfo": row | {"endtime": "2026-11-20 09:00:00"}})
    assert "2405" in hospital.refused("2403", {"adminfo": row})
    assert "2405" in hospital.refused("2404", {"data": row})


def test_admission_cannot_be_cancelled_over_fees(hospital: Any, patient: str, stay: str) -> None:
    hospital.fees("2301", patient, stay, "10.00")
    assert "2302" in hospital.refused("2404", {"data": keys(patient, stay)})


def test_discharge_cannot_be_cancelled_before_it_or_over_a_settlement(hospital: Any, patient: str, stay: str) -> None:
    assert "未办理出院" in hospital.refused("2405", {"data": keys(patient, stay)})
    hospital.fees("2301", patient, stay, "10.00")
    hospital.discharge(patient, stay)
    hospital.settle("2304", patient, stay, "10.00")
    assert "2305" in hospital.refused("2405", {"data": keys(patient, stay)})


def test_settlement_needs_fees_and_happens_once(hospital: Any, patient: str, stay: str) -> None:
    row = {"psn_no": patient, "mdtrt_id": stay, "medfee_sumamt": "0", "mid_setl_flag": "0"}
    assert "没有未结算" in hospital.refused("2304", {"data": row})
    hospital.fees("2301", patient, stay, "10.00")
    hospital.settle("2304", patient, stay, "10.00")
    assert "不能重复结算" in hospital.refused("2304", {"data": row | {"medfee_sumamt": "10.00"}})
    assert "已结算" in hospital.refused("2301", {"feedetail": [keys(patient, stay, feedetl_sn="F2")]})


@pytest.mark.parametrize("claimed", ["10.01", "9.99", "1000", "-10.00"])
@pytest.mark.parametrize("infno", ["2303", "2304"])
def test_sum_must_agree_to_the_cent(hospital: Any, patient: str, stay: str, infno: str, claimed: str) -> None:
    hospital.fees("2301", patient, stay, "3.33", "6.67")
    row = {"psn_no": patient, "mdtrt_id": stay, "medfee_sumamt": claimed, "mid_setl_flag": "0"}
    assert "医疗费总额不符" in hospital.refused(infno, {"data": row})


def test_settlement_is_cancelled_once(hospital: Any, patient: str, stay: str) -> None:
    hospital.fees("2301", patient, stay, "10.00")
    setl_id = hospital.settle("2304", patient, stay, "10.00")["setlinfo"]["setl_id"]
    assert "结算不存在" in hospital.refused("2305", {"data": keys(patient, stay, setl_id="4408")})
    hospital.do("2305", {"data": keys(patient, stay, setl_id=setl_id)})
    assert "不能重复撤销" in hospital.refused("2305", {"data": keys(patient, stay, setl_id=setl_id)})


def test_interim_settlements_take_the_deductible_once_and_come_off_in_reverse(
    hospital: Any, patient: str, stay: str
) -> None:
    hospital.fees("2301", patient, stay, "700.00")
    first = hospital.settle("2304", patient, stay, "700.00", mid_setl_flag="1")["setlinfo"]
    hospital.fees("2301", patient, stay, "100.00", first=2)
    last = hospital.settle("2304", patient, stay, "100.00")["setlinfo"]
    assert (first["act_pay_dedc"], last["act_pay_dedc"]) == (Decimal("500.00"), Decimal("0.00"))
    assert (first["fund_pay_sumamt"], last["fund_pay_sumamt"]) == (Decimal("160.00"), Decimal("80.00"))
    assert "后一次结算" in hospital.refused("2305", {"data": keys(patient, stay, setl_id=first["setl_id"])})
    hospital.do("2305", {"data": keys(patient, stay, setl_id=last["setl_id"])})
    hospital.do("2305", {"data": keys(patient, stay, setl_id=first["setl_id"])})


def test_region_that_discharges_first() -> None:
    strict = Simulator(MAPPINGS, seed=7, clock=lambda: NOW, discharge_first=True)
    hospital = Hospital(lambda infno, body: strict.handle(infno, {}, body).body)
    patient = hospital.person()
    stay = hospital.admit(patient)
    hospital.fees("2301", patient, stay, "10.00")
    row = {"psn_no": patient, "mdtrt_id": stay, "medfee_sumamt": "10.00", "mid_setl_flag": "0"}
    assert "2402" in hospital.refused("2304", {"data": row})
    hospital.discharge(patient, stay)
    hospital.do("2304", {"data": row})


def test_discharge_before_admission_time(hospital: Any, patient: str, stay: str) -> None:
    early = keys(patient, stay, endtime="2026-11-10 08:09:59")
    assert "早于入院时间" in hospital.refused("2402", {"dscginfo": early})


def test_ipt_no_is_unique(hospital: Any, patient: str, stay: str) -> None:
    info = {"psn_no": patient, "ipt_no": "ZY1"}
    assert "重复登记" in hospital.refused("2401", {"mdtrtinfo": info, "diseinfo": [{"psn_no": patient}]})


def test_ipt_no_may_change_but_not_to_a_taken_one(hospital: Any, simulator: Simulator, patient: str, stay: str) -> None:
    other = hospital.admit(patient, "ZY2")
    taken = {"adminfo": keys(patient, other, ipt_otp_no="ZY1")}
    assert "已用于其他" in hospital.refused("2403", taken)
    hospital.do("2403", {"adminfo": keys(patient, stay, ipt_otp_no="ZY3")})
    hospital.do("2403", taken)
    assert [one["ipt_no"] for one in simulator.ledger()["stays"]] == ["ZY3", "ZY1"]


def test_stay_of_another_person(hospital: Any, stay: str) -> None:
    other = hospital.person("110101198001011237")
    assert "不属于" in hospital.refused("2404", {"data": keys(other, stay)})


def test_unknown_person(hospital: Any) -> None:
    assert "1101" in hospital.refused("2401", {"mdtrtinfo": {"psn_no": "9"}, "diseinfo": [{"psn_no": "9"}]})


# ------------------------------------------------------------------ fee lines


def test_refund_lines_mirror_what_they_refund(hospital: Any, patient: str, stay: str) -> None:
    row = keys(
        patient, stay, feedetl_sn="F1", med_list_codg="C010203", cnt="3", pric="0.35", det_item_fee_sumamt="1.05"
    )
    hospital.do("2301", {"feedetail": [row]})
    refund = row | {"feedetl_sn": "F2", "init_feedetl_sn": "F1", "cnt": "-3", "det_item_fee_sumamt": "-1.05"}
    (split,) = hospital.do("2301", {"feedetail": [refund]})["result"]
    assert (split["preselfpay_amt"], split["inscp_scp_amt"]) == (Decimal("-0.11"), Decimal("-0.94"))
    again = refund | {"feedetl_sn": "F3"}
    assert "退费超过" in hospital.refused("2301", {"feedetail": [again]})
    assert "尚有退费" in hospital.refused("2302", {"data": [keys(patient, stay, feedetl_sn="F1")]})
    nameless = {key: value for key, value in again.items() if key != "init_feedetl_sn"}
    assert "init_feedetl_sn" in hospital.refused("2301", {"feedetail": [nameless]})


def test_amount_is_count_times_price(hospital: Any, patient: str, stay: str) -> None:
    row = keys(patient, stay, feedetl_sn="F1", cnt="3", pric="3.333333", det_item_fee_sumamt="10.00")
    hospital.do("2301", {"feedetail": [row]})
    wrong = row | {"feedetl_sn": "F2", "det_item_fee_sumamt": "10.02"}
    assert "金额不符" in hospital.refused("2301", {"feedetail": [wrong]})


def test_same_line_again_is_known_other_content_is_refused(
    hospital: Any, simulator: Simulator, patient: str, stay: str
) -> None:
    hospital.fees("2301", patient, stay, "10.00")
    hospital.fees("2301", patient, stay, "10.00")
    assert ledger_stay(simulator)["fees"]["sumamt"] == Decimal("10.00")
    other = keys(patient, stay, feedetl_sn="F1", det_item_fee_sumamt="11.00", pric="11", cnt="1")
    assert "内容不同" in hospital.refused("2301", {"feedetail": [other]})


def test_one_bad_line_refuses_the_call(hospital: Any, simulator: Simulator, patient: str, stay: str) -> None:
    good = keys(patient, stay, feedetl_sn="F1", det_item_fee_sumamt="1", pric="1", cnt="1")
    assert "金额不符" in hospital.refused("2301", {"feedetail": [good, good | {"feedetl_sn": "F2", "pric": "2"}]})
    assert ledger_stay(simulator)["fees"]["count"] == 0


def test_lines_are_removed_one_by_one(hospital: Any, simulator: Simulator, patient: str, stay: str) -> None:
    hospital.fees("2301", patient, stay, "1.00", "2.00", "3.00")
    hospital.do("2302", {"data": [keys(patient, stay, feedetl_sn="F1"), keys(patient, stay, feedetl_sn="F3")]})
    assert [line["feedetl_sn"] for line in ledger_stay(simulator)["fee_lines"]] == ["F2"]
    assert "不存在：F1" in hospital.refused("2302", {"data": [keys(patient, stay, feedetl_sn="F1")]})


# ------------------------------------------------------------------ what it tells


def test_queries_tell_what_happened(hospital: Any, patient: str, stay: str) -> None:
    wanted = keys(patient, stay, begntime="2026-11-01 00:00:00", endtime="2026-11-30 23:59:59", med_type="21")
    (row,) = hospital.do("5201", {"data": wanted})["mdtrtinfo"]
    assert (row["begntime"], row["endtime"], row["inhosp_stas"]) == ("2026-11-10 08:10:00", "", "1")
    codes = [one["diag_code"] for one in hospital.do("5202", {"data": keys(patient, stay)})["diseinfo"]]
    assert codes == ["K35.900", "I10.x00"]
    hospital.fees("2301", patient, stay, "10.00")
    hospital.discharge(patient, stay)
    (row,) = hospital.do("5201", {"data": wanted})["mdtrtinfo"]
    assert (row["endtime"], row["inhosp_stas"]) == ("2026-11-20 09:00:00", "0")
    assert hospital.do("5201", {"data": wanted | {"med_type": "28"}})["mdtrtinfo"] == []
    assert hospital.do("5201", {"data": wanted | {"begntime": "2026-11-20 09:00:01"}})["mdtrtinfo"] == []
    setl_id = hospital.settle("2304", patient, stay, "10.00")["setlinfo"]["setl_id"]
    asked = {"data": keys(patient, stay, setl_id=setl_id)}
    assert hospital.do("5203", asked)["setlinfo"]["refd_setl_flag"] == "0"
    assert [line["feedetl_sn"] for line in hospital.do("5204", asked)] == ["F1"]
    hospital.do("2305", asked)
    assert hospital.do("5203", asked)["setlinfo"]["refd_setl_flag"] == "1"


def test_reconciliation_compares_sums(hospital: Any, patient: str, stay: str) -> None:
    hospital.fees("2301", patient, stay, "800.00")
    hospital.settle("2304", patient, stay, "800.00")
    sums = {"insutype": "310", "clr_type": "21", "setl_optins": "440800", "stmt_begndate": "2026-11-01",
            "stmt_enddate": "2026-11-30", "medfee_sumamt": "800.00", "fund_pay_sumamt": "240.00", "acct_pay": "0",
            "fixmedins_setl_cnt": 1}  # fmt: skip
    assert hospital.do("3201", {"data": sums})["stmtinfo"]["stmt_rslt"] == "0"
    uneven = hospital.do("3201", {"data": sums | {"fund_pay_sumamt": "240.01"}})["stmtinfo"]
    assert uneven["stmt_rslt"] == "1"
    assert "240.00" in uneven["stmt_rslt_dscr"]
