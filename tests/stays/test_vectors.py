"""The test matrix of the entry-time rules (section 5), each row as a history; row numbers and values are the table's.

Times are Asia/Shanghai on 2026-03-02 unless a day is written. Rows 27 (answered from the journal), 40 (nightly list),
41 (templates) and 55 (concurrency) need more than a history and stand where that is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from gateway.faults import Refused
from gateway.rules.after_discharge import fee_change_allowed, recall_allowed
from gateway.rules.case import DayOperation
from gateway.rules.completeness import completeness, verified
from gateway.rules.emergency import extract
from gateway.rules.policy import Policy
from gateway.rules.times import SHANGHAI, difference_text, stay_days
from gateway.rules.vouchers import KINDS, voucher_time
from gateway.stays.history import EarlierEnd
from tests.stays.kit import (
    DAY,
    MDTRT,
    NEXT,
    POLICY,
    Life,
    change,
    diagnoses,
    fee,
    fee_rows,
    leaving,
    operation,
    settlement,
    settlement_list,
    undo,
)


def in_ward() -> Life:
    """T_reg 08:10, T_ward 10:05, changed: the ordinary stay."""
    return Life().reg("08:10").ward("10:05").change("10:05")


def code_of(refusal: Refused | None) -> str:
    return refusal.fault.code if refusal else ""


def test_1_no_ward_in() -> None:
    assert Life().reg("08:10").discharged() == "ET02-02"


def test_2_ward_in_without_change() -> None:
    life = Life().reg("08:10").ward("10:05")
    verdict = life.judged("2402", leaving(f"{NEXT} 16:00"))
    assert verdict.refusal is not None
    assert verdict.refusal.fault.code == "ET02-01"
    assert verdict.refusal.text == (
        "未完成入院信息变更：医保入院时间 2026-03-02 08:10 ≠ 入科时间 2026-03-02 10:05，禁止出院办理"
    )


def test_3_changed_to_the_ward_in() -> None:
    assert in_ward().discharged() == ""


def test_4_change_to_another_time() -> None:
    life = Life().reg("08:10").ward("10:05")
    assert life.changed("08:10") == "ET01-01"
    assert life.changed("10:05") == ""


def test_5_equal_from_the_start() -> None:
    life = Life().reg("10:05").ward("10:05")
    verdict = life.judged("2402", leaving(f"{NEXT} 16:00"))
    assert verdict.refusal is None
    assert verdict.evidence["ET-02"].endswith("（医保入院时间来自 2401）")
    life.policy = Policy(require_2403_call=True)
    assert life.discharged() == "ET02-01"
    assert life.change("10:05").discharged() == ""


def test_6_seconds_do_not_count() -> None:
    assert Life().reg().ward("10:05:40").change("10:05:00").discharged() == ""


def test_7_a_fee_within_the_minute_of_the_ward_in_is_inpatient() -> None:
    life = (
        Life()
        .reg()
        .ward("10:05:40")
        .record("emergency_fees", fee("f1", "10:05:20"), ipt_otp_no="J1", begntime=f"{DAY} 07:00")
    )
    found = extract(life.stay, POLICY)
    assert (found.rows_in, len(found.rows_out)) == ((), 1)


def test_8_a_transfer_does_not_move_it() -> None:
    life = Life().reg().ward("10:05", ward="A").tell("transfer", "e2", f"{NEXT} 09:00", ward_code="B")
    assert life.changed(f"{NEXT} 09:00") == "ET01-01"
    assert life.changed("10:05") == ""
    assert life.stay.wards == ("A", "B")


def test_9_a_void_lets_the_next_ward_in_count() -> None:
    life = Life().reg().ward("10:05", "e1", "A").void("e1").ward("11:00", "e2", "B")
    assert life.changed("11:00") == ""
    assert life.changed("10:05") == "ET01-01"


def test_10_corrected_after_the_change() -> None:
    life = in_ward().ward("10:20", "e1")
    assert life.discharged() == "ET02-04"
    assert life.change("10:20").discharged() == ""


def test_11_the_change_timed_out() -> None:
    life = Life().reg().ward("10:05").change("10:05", state="IN_DOUBT")
    assert life.discharged() == "ET02-03"
    life.settle_doubt("CONFIRMED", {"mdtrt_id": MDTRT, "begntime": f"{DAY} 10:05:00"})
    assert life.discharged() == ""


@pytest.mark.parametrize("state", ["INTENDED", "IN_DOUBT", "ESCALATED"])
def test_11_in_every_open_state(state: str) -> None:
    assert in_ward().change("10:05", state=state).discharged() == "ET02-03"


def test_12_the_change_was_declined() -> None:
    life = Life().reg().ward("10:05").change("10:05", state="DECLINED")
    assert life.discharged() == "ET02-01"


def test_13_green_channel() -> None:
    life = Life().reg(f"{NEXT} 00:20").ward(f"{DAY} 23:59:30")
    assert life.changed(f"{DAY} 23:59") == "ET01-07"
    told = Life().reg(f"{NEXT} 00:20").ward(f"{DAY} 23:59:30", reason="绿色通道")
    assert told.changed(f"{DAY} 23:59") == ""
    told.change(f"{DAY} 23:59:00")
    assert told.stay.times.t_ins is not None
    assert told.stay.times.t_ins.text == "2026-03-02 23:59:00"
    assert told.discharged() == ""
    told.policy = Policy(ward_before_registration_h_max=0)
    assert told.changed(f"{DAY} 23:59") == "ET01-07"


def test_14_another_time_zone_is_converted() -> None:
    stay = Life().reg().ward("2026-03-01T16:30:00Z").stay
    assert stay.times.t_ward is not None
    assert (stay.times.t_ward.text, stay.times.t_ward.raw) == ("2026-03-02 00:30:00", "2026-03-01T16:30:00Z")


@pytest.mark.parametrize(("ahead", "code"), [(120, "ET01-03"), (91, "ET01-03"), (90, ""), (1, ""), (0, ""), (-60, "")])
def test_15_ward_in_ahead_of_the_clock(ahead: int, code: str) -> None:
    life = Life().reg().ward("10:05:30")
    life.now = datetime(2026, 3, 2, 10, 5, 30, tzinfo=SHANGHAI) - timedelta(seconds=ahead)
    verdict = life.judged("2403", change("10:05"))
    assert code_of(verdict.refusal) == code
    assert any("超前" in warning for warning in verdict.warnings) == (0 < ahead <= 90)
    life.change("10:05")
    assert life.discharged() == code
    assert life.code("2304", settlement()) == code


def test_16_ward_in_after_discharge() -> None:
    life = Life().reg().ward("10:05")
    assert life.changed("10:05", endtime=f"{DAY} 09:00:00") == "ET01-04"
    assert life.changed("10:05", endtime=f"{DAY} 10:05:59") == "ET01-04"
    life.change("10:05")
    assert life.discharged("10:05:30") == "ET01-04"
    assert life.discharged("10:06") == ""
    assert life.discharged(f"{NEXT} 09:00", die_date="2026-03-01") == "ET01-04"


def test_17_overlap_with_an_earlier_stay() -> None:
    life = Life().reg().ward("10:05")
    life.earlier.append(EarlierEnd("M0", "ZY0", "2026-02-20 09:00", f"{DAY} 11:00"))
    assert life.changed("10:05") == "ET01-05"
    life.earlier[0] = replace(life.earlier[0], endtime=f"{DAY} 10:05:50")
    assert life.changed("10:05") == ""
    life.earlier[0] = EarlierEnd("M2", "ZY2", "2026-03-05 09:00", "2026-03-06 11:00")
    assert life.changed("10:05") == "", "a later stay is not the last one"


def test_18_fees_before_the_ward_in() -> None:
    life = Life().reg("08:10").fees(("f1", "09:30"), ("f2", "10:05:10")).ward("10:05")
    verdict = life.judged("2403", change("10:05"))
    assert verdict.refusal is None
    assert "f1(2026-03-02 09:30)" in verdict.warnings[0]
    assert "f2" not in verdict.warnings[0]
    life.change("10:05")
    assert life.discharged() == "ET02-05"
    assert life.remove("f1").discharged() == ""


def test_18_resolved_as_emergency_fees() -> None:
    life = Life().reg("08:10").fees(("f1", "09:30")).ward("10:05").change("10:05")
    life.record("emergency_fees", fee("f1", "09:30"), ipt_otp_no="J1", begntime=f"{DAY} 07:00")
    assert life.discharged() == ""


def test_18_either_may_warn_or_refuse() -> None:
    life = (
        Life(Policy(early_fees_in_change="refuse", early_fees_in_discharge="warn"))
        .reg()
        .fees(("f1", "09:30"))
        .ward("10:05")
    )
    assert life.changed("10:05") == "ET02-05"
    life.change("10:05")
    verdict = life.judged("2402", leaving(f"{NEXT} 16:00"))
    assert verdict.refusal is None
    assert "f1" in verdict.warnings[0]


EMERGENCY = [fee("a", "07:50"), fee("b", "10:04"), fee("c", "10:05"), fee("d", "10:06")]


def emergency_life(*rows: dict[str, object]) -> Life:
    return Life().reg().ward("10:05").record("emergency_fees", *rows, ipt_otp_no="J1", begntime=f"{DAY} 07:30")


def numbers(rows: object) -> list[str]:
    return [row["feedetl_sn"] for row in rows]  # type: ignore[attr-defined]


def test_19_emergency_fees_up_to_the_ward_in() -> None:
    found = extract(emergency_life(*EMERGENCY).stay, POLICY)
    assert (numbers(found.rows_in), numbers(found.rows_out)) == (["a", "b"], ["c", "d"])
    assert (found.total_in, found.total_out) == (Decimal("20.00"), Decimal("20.00"))


def test_20_a_refund_follows_its_original() -> None:
    refunds = [
        fee("r", "12:00", init="a", amount="-10.00", cnt="-1"),
        fee("s", "09:00", init="c", amount="-10.00", cnt="-1"),
    ]
    found = extract(emergency_life(*EMERGENCY, *refunds).stay, POLICY)
    assert (numbers(found.rows_in), numbers(found.rows_out)) == (["a", "b", "r"], ["c", "d", "s"])
    assert found.total_in == Decimal("10.00")


def test_21_after_discharge_nothing_moves() -> None:
    life = in_ward().leave()
    assert life.code("2301", fee_rows(("f9", "11:00"))) == "ET07-02"
    assert life.code("2302", {"data": [{"feedetl_sn": "f9", "mdtrt_id": MDTRT, "psn_no": "P1"}]}) == "ET07-02"
    assert code_of(fee_change_allowed(life.stay)) == "ET07-02"
    assert code_of(recall_allowed(life.stay)) == "ET07-01"


def test_22_a_job_gets_the_same_answer() -> None:
    assert in_ward().leave().code("2301", fee_rows(("bed", f"{NEXT} 00:00"))) == "ET07-02"


def test_23_settled_before_discharge_is_undone() -> None:
    assert in_ward().leave().settle().code("2405", undo()) == "ET07-03"


def test_24_recall_after_both_are_undone() -> None:
    life = in_ward().leave().settle().revoke()
    assert life.code("2405", undo()) == ""
    life.back()
    assert recall_allowed(life.stay) is None
    life.tell("recall", "r1", f"{NEXT} 17:00", ward_code="A").ward(f"{NEXT} 17:00", "e9", "A")
    stay = life.stay
    assert stay.times.t_ward is not None
    assert (stay.times.t_ward.text, stay.presence) == ("2026-03-02 10:05:00", "in_ward")
    assert life.void("e1").discharged() == "ET02-02", "the row of the recall is never the first ward-in"


def test_25_the_undoing_timed_out() -> None:
    life = in_ward().leave().back(state="IN_DOUBT")
    assert code_of(recall_allowed(life.stay)) == "ET07-04"
    assert code_of(fee_change_allowed(life.stay)) == "ET07-04"
    assert life.code("2301", fee_rows(("f9", "11:00"))) == "ET07-04"
    assert life.discharged(f"{NEXT} 17:00") == "ET07-04"


def test_26_discharged_again_with_a_new_operation() -> None:
    life = in_ward().record("operations", operation("01.01", "1")).leave().back()
    life.tell("recall", "r1", f"{NEXT} 17:00", ward_code="A")
    life.record("operations", operation("01.01", "1"), operation("02.02", "1"), version=2)
    assert life.discharged(f"{NEXT} 20:00") == "ET03-01", "operations are judged anew"
    life.record("operations", operation("01.01"), operation("02.02", "1"), version=3)
    verdict = life.judged("2402", leaving(f"{NEXT} 20:00", oprn_oprt_code="01.01"))
    assert verdict.message["dscginfo"]["oprn_oprt_code"] == "02.02"
    assert life.ward("10:20").discharged(f"{NEXT} 20:00") == "ET02-04", "and the times"


def test_27_another_discharge_while_one_is_in_force() -> None:
    assert in_ward().leave().discharged(f"{NEXT} 18:00") == "ET07-06"
    assert in_ward().leave().back().discharged(f"{NEXT} 18:00") == ""


def test_28_each_settlement_keeps_its_snapshot() -> None:
    life = in_ward().leave().settle("S1")
    first = life.stay.settlements[-1]
    life.revoke("S1").back().ward("10:20", "e1").change("10:20").leave(f"{NEXT} 17:00").settle("S2")
    assert first.t_set is not None
    assert first.t_set.text == "2026-03-02 10:05:00"
    assert voucher_time("receipt", life.stay, POLICY, life.now).text == "2026-03-02 10:20"
    assert [settled.setl_id for settled in life.stay.settlements] == ["S2"]


@pytest.mark.parametrize("infno", ["2303", "2303A", "2304", "2304A"])
@pytest.mark.parametrize("mid", ["0", "1"])
def test_29_settlement_waits_for_the_change(infno: str, mid: str) -> None:
    assert Life().reg().code(infno, settlement(mid)) == "ET01-06"
    assert Life().reg().ward("10:05").code(infno, settlement(mid)) == "ET01-06"
    assert in_ward().code(infno, settlement(mid)) == ""


@pytest.mark.parametrize("infno", ["2207", "2204", "2201", "4202", "1101", "5201"])
def test_30_self_pay_and_outpatients_are_untouched(infno: str) -> None:
    message = {"data": {"psn_no": "P1", "begntime": "never"}}
    verdict = Life().judged(infno, message)
    assert verdict.refusal is None
    assert verdict.message is message
    assert (verdict.changes, verdict.warnings) == ((), ())


THREE = [operation("01.01"), operation("02.02", "1"), operation("03.03")]


def test_31_the_main_operation_alone_or_first() -> None:
    life = in_ward().record("operations", *THREE)
    verdict = life.judged("2402", leaving(f"{NEXT} 16:00", oprn_oprt_code="01.01", oprn_oprt_name="手术01.01"))
    assert verdict.message["dscginfo"]["oprn_oprt_code"] == "02.02"
    assert verdict.message["dscginfo"]["oprn_oprt_name"] == "手术02.02"
    assert [(c.place, c.before, c.after) for c in verdict.changes] == [
        ("dscginfo/oprn_oprt_code", "01.01", "02.02"),
        ("dscginfo/oprn_oprt_name", "手术01.01", "手术02.02"),
    ]
    assert "主手术 02.02" in verdict.warnings[0]
    listed = life.leave().settle().judged("4101A", settlement_list("10:05", *THREE))
    assert [row["oprn_oprt_code"] for row in listed.message["oprninfo"]] == ["02.02", "01.01", "03.03"]
    assert life.code("4101A", settlement_list("10:05", *THREE[:2])) == "ET03-05"


def test_32_two_main_operations() -> None:
    two = [operation("01.01", "1"), operation("02.02", "1")]
    assert in_ward().record("operations", *two).discharged() == "ET03-01"
    assert in_ward().record("operations", operation("01.01")).discharged() == "ET03-01"
    assert in_ward().leave().settle().code("4101A", settlement_list("10:05", *two)) == "ET03-01"


@pytest.mark.parametrize("nothing", ["无", "-", "", "—"])
def test_33_no_operation_means_no_field(nothing: str) -> None:
    life = in_ward().record("operations")
    verdict = life.judged("2402", leaving(f"{NEXT} 16:00", oprn_oprt_code=nothing, oprn_oprt_name=nothing))
    assert verdict.refusal is None
    assert not {"oprn_oprt_code", "oprn_oprt_name"} & verdict.message["dscginfo"].keys()


def test_34_the_platform_shows_one_less() -> None:
    codes = [f"A{number:02}" for number in range(25)]
    life = Life().reg().ward("10:05").record("diagnoses", *diagnoses(*codes)).change("10:05", dise=diagnoses(*codes))
    assert completeness(life.stay).result == "未核对"
    life.read_back(diagnoses(*codes[:24]))
    found = completeness(life.stay)
    assert (found.told, found.sent, found.shown, found.result) == (25, 25, 24, "不完整")
    assert code_of(verified(life.stay)) == "ET03-02"
    assert "应传 25 条，平台显示 24 条" in found.problems[0]
    life.read_back(diagnoses(*codes))
    assert (completeness(life.stay).result, verified(life.stay)) == ("完整", None)


def test_35_a_removed_diagnosis_is_surplus_on_the_platform() -> None:
    life = in_ward().record("diagnoses", *diagnoses("A", "B", "C")).change("10:05", dise=diagnoses("A", "B", "C"))
    rest = diagnoses("A", "C")
    life.record("diagnoses", *rest, version=2)
    gap = [{**rest[0], "diag_srt_no": 1}, {**rest[1], "diag_srt_no": 3}]
    verdict = life.judged("2403", change("10:05", dise=gap))
    assert [(row["diag_srt_no"], row["diag_code"]) for row in verdict.message["diseinfo"]] == [(1, "A"), (2, "C")]
    assert (verdict.changes[-1].place, verdict.changes[-1].before) == ("diseinfo/diag_srt_no", "1,3")
    life.change("10:05", dise=rest).read_back([*rest, diagnoses("A", "B", "C")[2]])
    assert completeness(life.stay).surplus == ("3 C 诊断C",)
    told = life.judged("2402", leaving(f"{NEXT} 16:00", dise=rest))
    assert told.refusal is None
    assert "平台多余诊断" in told.warnings[0]
    life.policy = Policy(surplus_diagnosis="refuse")
    assert life.discharged(dise=rest) == "ET03-02"


DAY_SURGERY = {"D1": DayOperation("D1", frozenset({"02.02"}))}
CATEGORY = {
    "med_type": "28",
    "dise_codg": "D1",
    "dise_name": "病种",
    "oprn_oprt_code": "02.02",
    "oprn_oprt_name": "手术",
}


def test_36_a_change_of_category_keeps_the_time() -> None:
    life = in_ward()
    verdict = life.judged("2403", change("08:10", **CATEGORY), DAY_SURGERY)
    assert verdict.refusal is None
    assert verdict.message["adminfo"]["begntime"] == "2026-03-02 10:05:00"
    assert verdict.message["adminfo"]["med_type"] == "28"


def test_37_the_operation_is_not_in_the_catalogue() -> None:
    assert (
        in_ward().code("2403", change("10:05", **CATEGORY | {"oprn_oprt_code": "09.09"}), day_surgery=DAY_SURGERY)
        == "ET13-02"
    )
    assert (
        in_ward().code("2403", change("10:05", **CATEGORY | {"dise_codg": "D9"}), day_surgery=DAY_SURGERY) == "ET13-02"
    )
    assert in_ward().code("2403", change("10:05", **CATEGORY), day_surgery=DAY_SURGERY) == ""


def test_38_day_surgery_after_discharge() -> None:
    assert in_ward().leave().code("2403", change("10:05", **CATEGORY), day_surgery=DAY_SURGERY) == "ET13-05"
    assert in_ward().leave().settle().code("2403", change("10:05", **CATEGORY), day_surgery=DAY_SURGERY) == "ET13-03"


def test_39_the_settlement_list_follows_the_settlement() -> None:
    life = in_ward().leave().settle()
    assert life.code("4101A", settlement_list("08:10")) == "ET09-01"
    assert life.code("4101", settlement_list("08:10")) == "ET09-01"
    assert life.code("4101A", settlement_list("10:05:59")) == ""
    assert life.code("4101A", settlement_list("10:05", dscg_time=f"{NEXT} 15:00")) == "ET09-01"


def test_41_every_voucher_prints_the_same_time() -> None:
    life = in_ward().leave().settle()
    assert {voucher_time(kind, life.stay, POLICY, life.now).text for kind in KINDS} == {"2026-03-02 10:05"}
    day = Policy(paper_precision="day")
    assert {voucher_time(kind, life.stay, day, life.now).text for kind in KINDS} == {"2026-03-02"}


def test_42_the_eligibility_form_prints_the_ward_in_before_any_change() -> None:
    life = Life().reg("08:10").ward("10:05")
    assert voucher_time("eligibility", life.stay, POLICY, life.now).text == "2026-03-02 10:05"
    with pytest.raises(Refused, match="患者尚未入科"):
        voucher_time("eligibility", Life().reg().stay, POLICY, life.now)


def test_43_a_stay_of_six_hours() -> None:
    times = in_ward().tell("ward_out", "o1", "16:05").leave(f"{DAY} 16:05").stay.times
    assert (difference_text(times, Life().now), stay_days(times, POLICY.days_min)) == ("6小时0分", 1)


def test_44_still_in_the_ward() -> None:
    now = datetime(2026, 3, 2, 12, 5, tzinfo=SHANGHAI)
    assert difference_text(in_ward().stay.times, now) == "2小时0分（在科）"


def test_52_a_newborn_has_a_ward_in_of_its_own() -> None:
    child = Life().reg("03:00").ward("04:20", ward="NICU").change("04:20")
    assert child.discharged() == ""
    assert child.stay.times.t_ward != in_ward().stay.times.t_ward


def test_53_death_soon_after_the_ward_in() -> None:
    life = in_ward()
    assert life.discharged("10:25", dscg_way="5", die_date=DAY) == ""
    life.leave("10:25", dscg_way="5", die_date=DAY)
    assert stay_days(life.stay.times, POLICY.days_min) == 1


def test_54_registered_and_never_arrived() -> None:
    life = Life().reg()
    assert life.discharged() == "ET02-02"
    assert life.code("2404", undo()) == ""
    assert life.fees(("f1", "09:00")).code("2404", undo()) == "ET07-07"
    assert life.remove("0000").code("2404", undo()) == ""
    assert in_ward().fees(("f1", "11:00")).settle("S1", "1").code("2404", undo()) == "ET07-07"
