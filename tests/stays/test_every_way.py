"""The vectors of the entry-time rules that make a platform call, on four ways in (entry-time rules, section 5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.exchange.ports import ProofKind
from tests.running import House, house
from tests.stays.ways import WARD_IN, WAYS, Stay

EARLY, LATE = "2026-02-20 09:30:00", "2026-02-21 08:00:00"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("ways")) as running:
        yield running


@pytest.fixture(params=WAYS)
def stay(request: pytest.FixtureRequest, gateway: House) -> Stay:
    return Stay(gateway, request.param).admit()


@pytest.fixture
def one_way(gateway: House) -> Stay:
    """For what does not depend on the way."""
    return Stay(gateway, "json").admit()


def test_vectors_1_to_5_discharge_waits_for_ward_in_and_change(stay: Stay) -> None:
    stay.refused("2402", stay.discharge(), "ET02-02")
    stay.ward_in()
    told = stay.refused("2402", stay.discharge(), "ET02-01")
    assert "2026-02-20 09:12" in told.text
    assert "2026-02-20 10:05" in told.text
    stay.refused("2403", stay.change("2026-02-20 09:12:00"), "ET01-01")
    stay.done("2403", stay.change(WARD_IN))
    stay.done("2402", stay.discharge())
    ledger = stay.ledger()
    assert (ledger["begntime"], ledger["state"]) == (WARD_IN, "discharged")


def test_vector_5_equal_from_the_start_needs_no_change(stay: Stay) -> None:
    stay.ward_in("2026-02-20 09:12:40")
    stay.done("2402", stay.discharge())
    (evidence,) = [
        one for one in stay.house.gateway.store.journal.proofs(stay.newest("2402").id) if one.kind is ProofKind.RULES
    ]
    assert "医保入院时间 2026-02-20 09:12 = 入科时间 2026-02-20 09:12" in evidence.detail
    assert b'"t_reg":"2026-02-20 09:12:00","t_ward":"2026-02-20 09:12:00"' in (evidence.request or b"")


def test_vectors_8_and_9_the_first_valid_ward_in_counts(stay: Stay) -> None:
    stay.ward_in()
    stay.ask("WardTransfer", event_id="E2", ward_code="B04", event_time="2026-02-21 09:00:00")
    stay.refused("2403", stay.change("2026-02-21 09:00:00"), "ET01-01")
    stay.ask("WardInVoid", event_id="E1")
    stay.ward_in("2026-02-20 11:00:00", "E3", "B04")
    stay.done("2403", stay.change("2026-02-20 11:00:00"))


def test_vector_10_a_late_correction_asks_for_a_new_change(stay: Stay) -> None:
    stay.aligned()
    stay.ward_in("2026-02-20 10:20:00")
    stay.refused("2402", stay.discharge(), "ET02-04")
    stay.done("2403", stay.change("2026-02-20 10:20:00"))
    stay.done("2402", stay.discharge())


def test_vector_12_a_change_the_platform_declined_changes_nothing(one_way: Stay) -> None:
    one_way.ward_in()
    assert one_way.house.simulator is not None
    one_way.house.simulator.add_fault({"infno": "2403", "kind": "refuse", "times": 1})
    told = one_way.call("2403", one_way.change(WARD_IN))
    assert told.code == "GW-3000"
    one_way.refused("2402", one_way.discharge(), "ET02-01")
    assert one_way.newest("2403").err_msg


def test_vector_15_a_ward_in_ahead_of_the_clock_cannot_be_used(one_way: Stay) -> None:
    assert "晚于当前时间" in one_way.ward_in("2099-01-01 10:00:00")["warn_msg"]
    one_way.refused("2403", one_way.change("2099-01-01 10:00:00"), "ET01-03")


def test_vector_16_ward_in_after_discharge(one_way: Stay) -> None:
    one_way.ward_in("2026-03-01 16:00:00")
    one_way.done("2403", one_way.change("2026-03-01 16:00:00"))
    one_way.refused("2402", one_way.discharge(), "ET01-04")


def test_vector_18_early_fees_are_pointed_out_and_then_in_the_way(stay: Stay) -> None:
    stay.done("2301", stay.fees(EARLY, LATE))
    stay.ward_in()
    told = stay.done("2403", stay.change(WARD_IN))
    assert f"{stay.ipt_no}F0" in told.warning
    refusal = stay.refused("2402", stay.discharge(), "ET02-05")
    assert f"{stay.ipt_no}F0" in refusal.text
    stay.done("2302", {"data": [{"feedetl_sn": f"{stay.ipt_no}F0", "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}]})
    stay.done("2402", stay.discharge())


def test_vectors_21_to_24_after_discharge_and_settlement(stay: Stay) -> None:
    stay.aligned().done("2301", stay.fees())
    stay.refused("2404", stay.undo(), "ET07-07")
    stay.done("2402", stay.discharge())
    assert stay.ask("RecallAllowed")["code"] == "ET07-01"
    refusal = stay.ask("FeeChangeAllowed")
    assert (refusal["code"], refusal["allowed"]) == ("ET07-02", False)
    stay.refused("2301", stay.fees(sn="L"), "ET07-02")
    stay.refused(
        "2302", {"data": [{"feedetl_sn": "0000", "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}]}, "ET07-02"
    )
    settled = stay.done("2304", stay.settlement())
    stay.refused("2405", stay.undo(), "ET07-03")
    stay.done("2305", stay.undo(setl_id=str(settled.output["setlinfo"]["setl_id"])))
    stay.done("2405", stay.undo())
    recall = stay.ask("Recall", event_id="R1", ward_code="A03", event_time="2026-03-01 16:00:00")
    assert (recall["allowed"], recall["ward_in_time"]) == (True, WARD_IN)
    stay.done("2402", stay.discharge(endtime="2026-03-01 17:30:00"))


def test_vector_27_the_confirmed_answer_again_another_content_not(stay: Stay) -> None:
    stay.aligned().done("2402", stay.discharge())
    sent = stay.executed("2402")
    stay.done("2402", stay.discharge())
    assert stay.executed("2402") == sent == 1
    stay.refused("2402", stay.discharge(endtime="2026-03-01 16:30:00"), "ET07-06")


def test_vector_29_no_settlement_before_the_change(stay: Stay) -> None:
    stay.done("2301", stay.fees())
    for infno, interim in (("2303", "0"), ("2304", "0"), ("2304", "1")):
        stay.refused(infno, stay.settlement(interim=interim), "ET01-06")
    stay.aligned()
    stay.done("2304", stay.settlement(interim="1"))


def test_vectors_31_to_33_operations(stay: Stay) -> None:
    stay.aligned()
    row = {"oprn_oprt_name": "阑尾切除术", "oper_dr_code": "D1", "oper_dr_name": "医生"}
    rows = [
        row | {"oprn_oprt_type": "2", "oprn_oprt_code": "54.2100", "oprn_oprt_name": "腹腔镜检查"},
        row | {"oprn_oprt_type": "1", "oprn_oprt_code": "47.0100"},
    ]
    two_mains = [one | {"oprn_oprt_type": "1"} for one in rows]
    assert stay.ask("Operations", version=1, rows=two_mains)["infcode"] == 0
    stay.refused("2402", stay.discharge(oprn_oprt_code="47.0100", oprn_oprt_name="阑尾切除术"), "ET03-01")
    assert stay.ask("Operations", version=2, rows=rows)["infcode"] == 0
    told = stay.done("2402", stay.discharge(oprn_oprt_code="54.2100,47.0100", oprn_oprt_name="腹腔镜检查,阑尾切除术"))
    assert "主手术" in told.warning
    entry = stay.newest("2402")
    sent = stay.house.bodies(entry).platform_request or b""
    assert b'"oprn_oprt_code":"47.0100"' in sent
    (evidence,) = [one for one in stay.house.gateway.store.journal.proofs(entry.id) if one.kind is ProofKind.RULES]
    assert "54.2100,47.0100 → 47.0100" in evidence.detail
    # the same again is answered from the journal although the gateway had changed it
    stay.done("2402", stay.discharge(oprn_oprt_code="54.2100,47.0100", oprn_oprt_name="腹腔镜检查,阑尾切除术"))
    assert stay.executed("2402") == 1


def test_a_change_of_other_fields_keeps_the_ward_in_time(stay: Stay) -> None:
    """P1, vector 36: whatever else a 2403 changes, it never undoes the alignment."""
    stay.aligned()
    for begntime in ("2026-02-20 09:12:00", ""):
        told = stay.done("2403", stay.change(begntime, adm_bed=f"bed{len(begntime)}"))
        assert WARD_IN in told.warning
        assert stay.ledger()["begntime"] == WARD_IN
    stay.refused("2403", stay.change("2026-02-20 08:00:00"), "ET01-01")


def test_a_change_without_a_time_is_sent_anew_after_a_correction(one_way: Stay) -> None:
    one_way.aligned()
    message = one_way.change("", adm_bed="0999")
    one_way.done("2403", message)
    one_way.done("2403", message)
    assert one_way.executed("2403") == 2  # the alignment and one change; the repeat was answered from the journal
    one_way.ward_in("2026-02-20 10:20:00")
    one_way.refused("2403", message, "ET01-01")
    one_way.done("2403", one_way.change("2026-02-20 10:20:00", adm_bed="0999"))
    one_way.done("2402", one_way.discharge())


def test_vector_54_registered_and_never_arrived(stay: Stay) -> None:
    stay.refused("2402", stay.discharge(), "ET02-02")
    stay.done("2404", stay.undo())
    assert stay.ask("StayStatus")["state"]["presence"] == "cancelled"


def test_a_refusal_says_what_was_compared_and_sends_nothing(one_way: Stay) -> None:
    one_way.ward_in(event_id="E9", reason="")
    sent = one_way.house.sent()
    one_way.refused("2402", one_way.discharge(), "ET02-01")
    assert one_way.house.sent() == sent
    (evidence,) = one_way.house.gateway.store.journal.proofs(one_way.newest("2402").id)
    assert evidence.kind is ProofKind.RULES
    assert b'"t_ward":"2026-02-20 10:05:00"' in (evidence.request or b"")


def test_outpatients_and_people_who_pay_alone_are_left_alone(gateway: House) -> None:
    """Vector 30."""
    stay = Stay(gateway, "json").admit()
    visit = stay.call("2201", {"data": {"psn_no": stay.psn_no, "insutype": "310", "begntime": "2026-03-01 09:00:00",
                                        "mdtrt_cert_type": "02", "mdtrt_cert_no": "1", "ipt_otp_no": "MZ1",
                                        "atddr_no": "D1", "dr_name": "许", "dept_code": "A03", "dept_name": "内科",
                                        "caty": "A03"}})  # fmt: skip
    assert visit.done, visit
    assert stay.ask("FeeChangeAllowed", ipt_no="SELF-PAY")["allowed"] is True
