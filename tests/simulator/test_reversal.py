"""2601: what it undoes, what it refuses, and that it answers the same when asked again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.simulator import Simulator


@pytest.fixture
def patient(hospital: Any) -> str:
    return str(hospital.person())


def keys(psn_no: str, mdtrt_id: str, **more: Any) -> dict[str, Any]:
    return {"psn_no": psn_no, "mdtrt_id": mdtrt_id} | more


def reversal(psn_no: str, omsgid: str, oinfno: str) -> dict[str, Any]:
    return {"data": {"psn_no": psn_no, "omsgid": omsgid, "oinfno": oinfno}}


def test_admission(hospital: Any, simulator: Simulator, patient: str) -> None:
    msgid = hospital.msgid()
    stay = hospital.admit(patient, msgid=msgid)
    hospital.fees("2301", patient, stay, "5.00")
    assert "2302" in hospital.refused("2601", reversal(patient, msgid, "2401"))
    hospital.do("2302", {"data": [keys(patient, stay, feedetl_sn="0000")]})
    hospital.do("2601", reversal(patient, msgid, "2401"))
    hospital.do("2601", reversal(patient, msgid, "2401"))
    assert simulator.ledger()["stays"][0]["state"] == "reversed"
    wanted = keys(patient, stay, begntime="2026-11-01 00:00:00", endtime="2026-11-30 00:00:00", med_type="21")
    assert hospital.do("5201", {"data": wanted})["mdtrtinfo"] == []


def test_settlement_and_its_cancelling(hospital: Any, simulator: Simulator, patient: str) -> None:
    stay = hospital.admit(patient)
    hospital.fees("2301", patient, stay, "900.00")
    before = balance(simulator, patient)
    settling, cancelling = hospital.msgid(), hospital.msgid()
    row = keys(patient, stay, medfee_sumamt="900.00", acct_used_flag="1", mid_setl_flag="0")
    setl_id = hospital.do("2304", {"data": row}, msgid=settling)["setlinfo"]["setl_id"]
    after = balance(simulator, patient)
    assert after < before
    hospital.do("2305", {"data": keys(patient, stay, setl_id=setl_id)}, msgid=cancelling)
    hospital.do("2601", reversal(patient, cancelling, "2305"))
    assert (states(simulator), balance(simulator, patient)) == (["settled"], after)
    hospital.do("2601", reversal(patient, settling, "2304"))
    hospital.do("2601", reversal(patient, settling, "2304"))
    assert (states(simulator), balance(simulator, patient)) == (["reversed"], before)
    assert "结算不存在" in hospital.refused("5203", {"data": keys(patient, stay, setl_id=setl_id)})
    hospital.settle("2304", patient, stay, "900.00")


def test_visit_settlement(hospital: Any, simulator: Simulator, patient: str) -> None:
    visit = hospital.visit(patient)
    hospital.see(patient, visit)
    hospital.fees("2204", patient, visit, "9.00")
    msgid = hospital.msgid()
    row = {"data": keys(patient, visit, chrg_bchno="B1", medfee_sumamt="9.00")}
    hospital.do("2207A", row, msgid=msgid)
    hospital.do("2601", reversal(patient, msgid, "2207"))
    assert states(simulator) == ["reversed"]
    hospital.do("2207", row)


def test_purchase(hospital: Any, simulator: Simulator, patient: str) -> None:
    msgid = hospital.msgid()
    info = {"psn_no": patient, "medfee_sumamt": "1"}
    hospital.do("2102", {"druginfo": info, "drugdetail": [{}]}, msgid=msgid)
    hospital.do("2601", reversal(patient, msgid, "2102"))
    assert simulator.ledger()["visits"][0]["state"] == "reversed"


def test_ordinarily_cancelled_is_no_longer_reversible(hospital: Any, patient: str) -> None:
    stay = hospital.admit(patient)
    hospital.fees("2301", patient, stay, "9.00")
    msgid = hospital.msgid()
    row = keys(patient, stay, medfee_sumamt="9.00", mid_setl_flag="0")
    setl_id = hospital.do("2304", {"data": row}, msgid=msgid)["setlinfo"]["setl_id"]
    hospital.do("2305", {"data": keys(patient, stay, setl_id=setl_id)})
    assert "已撤销" in hospital.refused("2601", reversal(patient, msgid, "2304"))


def test_cancelling_is_not_reversible_over_later_business(hospital: Any, patient: str) -> None:
    stay = hospital.admit(patient)
    hospital.fees("2301", patient, stay, "9.00")
    setl_id = hospital.settle("2304", patient, stay, "9.00")["setlinfo"]["setl_id"]
    msgid = hospital.msgid()
    hospital.do("2305", {"data": keys(patient, stay, setl_id=setl_id)}, msgid=msgid)
    hospital.settle("2304", patient, stay, "9.00")
    assert "后续业务" in hospital.refused("2601", reversal(patient, msgid, "2305"))


def test_never_seen_is_refused_and_closed(hospital: Any, simulator: Simulator, patient: str) -> None:
    late = hospital.msgid()
    first = hospital.refused("2601", reversal(patient, late, "2401"))
    assert "未查询到原交易" in first
    assert hospital.refused("2601", reversal(patient, late, "2401")) == first
    info = {"mdtrtinfo": {"psn_no": patient}, "diseinfo": [{"psn_no": patient}]}
    assert "已冲正" in hospital.refused("2401", info, msgid=late)
    assert simulator.ledger()["stays"] == []


@pytest.mark.parametrize("oinfno", ["2402", "2405", "2301", "2204", "2601", "9999"])
def test_only_where_allowed(hospital: Any, patient: str, oinfno: str) -> None:
    assert "不支持冲正" in hospital.refused("2601", reversal(patient, hospital.msgid(), oinfno))


@pytest.mark.parametrize(
    "wrong",
    [lambda row: row | {"oinfno": "2304"}, lambda row: row | {"psn_no": "other"}],
    ids=["oinfno", "psn_no"],
)
def test_must_name_the_original(hospital: Any, simulator: Simulator, patient: str, wrong: Callable[[Any], Any]) -> None:
    msgid = hospital.msgid()
    hospital.admit(patient, msgid=msgid)
    row = wrong(reversal(patient, msgid, "2401")["data"])
    if row["psn_no"] == "other":
        row["psn_no"] = hospital.person("110101198001011237")
    assert "不符" in hospital.refused("2601", {"data": row})
    assert simulator.ledger()["stays"][0]["state"] == "in_hospital"


def states(simulator: Simulator) -> list[str]:
    return [one["state"] for one in simulator.ledger()["settlements"]]


def balance(simulator: Simulator, psn_no: str) -> Decimal:
    (found,) = (one["balc"] for one in simulator.ledger()["persons"] if one["psn_no"] == psn_no)
    assert isinstance(found, Decimal)
    return found
