"""The rules beyond the rows of the test matrix: each refusal, each amendment, each switch of the policy."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.model import Contract
from gateway.faults import FAULTS, Refused
from gateway.mappings import data_root, load_all
from gateway.rules import completeness as et03
from gateway.rules.after_discharge import fee_change_allowed, recall_allowed
from gateway.rules.case import DayOperation
from gateway.rules.emergency import extract
from gateway.rules.judge import RULES, judge
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay
from gateway.rules.times import SHANGHAI, moment
from gateway.rules.vouchers import (
    KINDS,
    VoucherKind,
    differs_from_ward,
    eligibility_void,
    voucher_time,
)
from gateway.stays.history import Approved, EarlierEnd
from tests.stays.kit import (
    DAY,
    MDTRT,
    NEXT,
    POLICY,
    Life,
    admission,
    change,
    diagnoses,
    fee,
    fee_rows,
    leaving,
    operation,
    settlement,
    settlement_list,
    table,
    undo,
)

END = f"{NEXT} 16:00"


def in_ward(policy: Policy = POLICY) -> Life:
    return Life(policy).reg("08:10").ward("10:05").change("10:05")


def code_of(refusal: Refused | None) -> str:
    return refusal.fault.code if refusal else ""


# ------------------------------------------------------------------ the table


@cache
def contracts() -> dict[str, Contract]:
    return load_all()


def test_every_rule_is_used_and_every_name_is_a_rule() -> None:
    schema = json.loads((data_root() / "mappings/schema/rules.schema.json").read_bytes())
    names = set(schema["properties"]["guards"]["additionalProperties"]["items"]["enum"])
    assert names == set(RULES)
    for contract in contracts().values():
        assert {name for guard in contract.rules.guards.values() for name in guard} == names, contract.province


def test_every_province_guards_what_moves_money_or_the_stay() -> None:
    guarded = (
        "2301",
        "2302",
        "2303",
        "2303A",
        "2304",
        "2304A",
        "2305",
        "2402",
        "2403",
        "2404",
        "2405",
        "4101",
        "4101A",
    )
    for contract in contracts().values():
        for infno in guarded:
            assert contract.rules.of(infno, contract.transactions[infno].send_as), (contract.province, infno)


def test_sent_under_another_number_is_judged_as_both() -> None:
    life = Life().reg()
    verdict = judge("9999", settlement(), life.stay, life.now, POLICY, table(), send_as="2304A")
    assert code_of(verdict.refusal) == "ET01-06"


def test_refusals_are_normal_replies_that_cannot_be_repeated_as_they_are() -> None:
    for code, fault in FAULTS.items():
        if code.startswith("ET"):
            assert (fault.retry, fault.http_status) == ("no", 200)


NAMES = st.sampled_from(
    ["data", "adminfo", "begntime", "endtime", "diseinfo", "feedetail", "oprninfo", "mdtrt_id", "oprn_oprt_code", "diag_srt_no", "setl_id"]
)  # fmt: skip
VALUES = st.recursive(
    st.text(max_size=4) | st.none() | st.integers() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from(sorted(table().guards)))
def test_any_message_is_judged_and_left_as_it_was(message: Any, infno: str) -> None:
    """The contract has checked it; still no shape breaks a rule, and the caller's own message is never changed."""
    before = copy.deepcopy(message)
    for life in (
        Life(),
        in_ward(),
        in_ward().record("diagnoses", *diagnoses("A")).record("operations", operation("1", "1")),
    ):
        verdict = judge(infno, message, life.stay, life.now, POLICY, table())
        assert verdict.refusal is None or verdict.refusal.fault.code.startswith("ET")
        assert message == before
        assert (verdict.message is message) == (not verdict.changes)


# ------------------------------------------------------------------ ET-01


def test_another_field_may_change_before_the_ward_in() -> None:
    life = Life().reg("08:10:33")
    assert life.changed("08:10") == ""
    assert life.changed("10:05") == "ET01-02"
    verdict = life.judged("2403", change(None, adm_bed="2床"))
    assert (verdict.refusal, verdict.message["adminfo"]["begntime"]) == (None, "2026-03-02 08:10:33")
    assert Life().changed("10:05") == "ET01-02", "nothing is known of the stay"


@pytest.mark.parametrize("begntime", ["08:10:00", None])
def test_an_aligned_stay_keeps_its_time_whatever_else_changes(begntime: str | None) -> None:
    """The defect of a public adapter: a change of the bed silently undid the alignment (source P1)."""
    life = in_ward()
    message = change(begntime, adm_bed="2床")
    verdict = life.judged("2403", message)
    assert verdict.message["adminfo"] == {**message["adminfo"], "begntime": "2026-03-02 10:05:00"}
    (amended,) = verdict.changes
    before = None if begntime is None else "2026-03-02 08:10:00"
    assert (amended.rule, amended.place, amended.before, amended.after) == (
        "ET-01", "adminfo/begntime", before, "2026-03-02 10:05:00",
    )  # fmt: skip
    assert "入院时间已改为入科时间" in verdict.warnings[0]


def test_any_other_time_is_refused_with_both_values() -> None:
    refusal = in_ward().judged("2403", change("09:00:00")).refusal
    assert refusal is not None
    assert refusal.text == "入院时间须调整为入科时间：入科时间 2026-03-02 10:05，当前拟上传 2026-03-02 09:00:00"
    assert Life().reg().ward("10:05").changed(None) == "ET01-01", "of a stay that is not aligned nothing is guessed"


def test_seconds_of_the_ward_in_are_not_uploaded() -> None:
    verdict = Life().reg().ward("10:05:40").judged("2403", change("10:05:40"))
    assert verdict.message["adminfo"]["begntime"] == "2026-03-02 10:05:00"
    assert verdict.warnings == ()


def test_an_earlier_stay_of_unknown_beginning_counts() -> None:
    life = Life().reg().ward("10:05")
    life.earlier.append(EarlierEnd("M0", "", "", f"{DAY} 11:00"))
    assert life.changed("10:05") == "ET01-05"
    life.earlier[0] = EarlierEnd("M0", "", f"{DAY} 09:00", "")
    assert life.changed("10:05") == "", "a stay that has no end yet has no discharge time"


def test_a_letter_form_is_refused_alike() -> None:
    assert Life().reg().code("2402A", leaving(END)) == "ET02-02"


def test_settlement_points_at_early_fees_but_does_not_wait_for_them() -> None:
    life = Life().reg("08:10").fees(("f1", "09:00")).ward("10:05").change("10:05")
    verdict = life.judged("2304", settlement())
    assert verdict.refusal is None
    assert "f1" in verdict.warnings[0]
    assert verdict.evidence["ET-01"] == "医保入院时间 2026-03-02 10:05 = 入科时间 2026-03-02 10:05"


# ------------------------------------------------------------------ ET-02


def test_what_the_platform_shows_counts() -> None:
    life = in_ward().query("08:10")
    assert life.discharged() == "ET02-01", "a kiosk changed it back"
    assert life.query("10:05").discharged() == ""
    assert life.stay.adopted


def test_a_stay_registered_elsewhere_is_judged_by_the_query() -> None:
    life = Life().query("10:05").ward("10:05")
    assert life.discharged() == ""
    assert Life().ward("10:05").discharged() == "ET02-01", "nothing is known of its time"
    assert Life().query("10:05", "0", f"{NEXT} 09:00").ward("10:05").discharged() == "ET07-06"


def test_corrected_to_what_the_change_said_is_aligned_again() -> None:
    assert in_ward().ward("10:20").ward("10:05").discharged() == ""


def test_changed_before_any_ward_in_is_not_a_correction() -> None:
    life = Life().reg("08:10").change("08:10").ward("10:05")
    assert life.discharged() == "ET02-01"


def test_a_cancelled_stay_is_not_discharged() -> None:
    assert in_ward().exchange("2404", undo()).discharged() == "ET02-06"


def test_a_ward_that_is_no_ward() -> None:
    theatre = Policy(not_wards=frozenset({"OR"}))
    assert Life(theatre).reg().ward("10:05", ward="OR").discharged() == "ET02-02"
    life = Life(theatre).reg().ward("10:05", ward="OR").ward("13:00", "e2", "ICU").change("13:00")
    assert life.discharged() == ""


def test_fees_after_the_discharge_are_pointed_out() -> None:
    life = in_ward().fees(("f1", "11:00"), ("f2", f"{NEXT} 17:00"))
    (warning,) = life.judged("2402", leaving(END)).warnings
    assert "f2" in warning
    assert "f1" not in warning


def test_a_discharge_ahead_of_the_clock_is_pointed_out() -> None:
    life = in_ward()
    life.now = datetime(2026, 3, 3, 15, 0, tzinfo=SHANGHAI)
    (warning,) = life.judged("2402", leaving(END)).warnings
    assert "晚于当前时间" in warning


# ------------------------------------------------------------------ ET-03


def test_diagnoses_are_compared_by_count_code_and_order() -> None:
    life = in_ward().record("diagnoses", *diagnoses("A", "B", "C"))
    assert life.discharged(dise=diagnoses("A", "B", "C")) == ""
    assert life.discharged(dise=list(reversed(diagnoses("A", "B", "C")))) == "", "the numbers order, not the rows"
    for wrong in (diagnoses("A", "B"), diagnoses("A", "C", "B"), diagnoses("A", "B", "D"), diagnoses("A", "B", "C", "D"),
                  diagnoses("A", "B", "C", main=9), [], diagnoses("A", "B", "B")):  # fmt: skip
        assert life.discharged(dise=wrong) == "ET03-02"
    refusal = life.judged("2402", leaving(END, dise=diagnoses("A", "B"))).refusal
    assert refusal is not None
    assert refusal.text == "诊断上传不完整：应传 3 条，实传 2 条；上传缺少 C（院内记录版本 1）"


def test_two_main_diagnoses() -> None:
    rows = [{**row, "maindiag_flag": "1"} for row in diagnoses("A", "B")]
    assert in_ward().record("diagnoses", *rows).discharged(dise=rows) == "ET03-02"
    rows[1]["diag_type"] = "2"
    assert in_ward().record("diagnoses", *rows).discharged(dise=rows) == "", "中医主病 has a flag of its own"


def test_a_row_marked_invalid_is_no_diagnosis() -> None:
    told = [*diagnoses("A"), {**diagnoses("A", "B")[1], "vali_flag": "0"}]
    assert in_ward().record("diagnoses", *told).discharged(dise=diagnoses("A")) == ""


def test_without_a_record_nothing_counts_as_checked() -> None:
    verdict = in_ward().judged("2402", leaving(END))
    assert verdict.refusal is None
    assert verdict.evidence["ET-03 诊断"].startswith("未核对")
    life = in_ward(Policy(require_record=True))
    assert life.discharged() == "ET03-02"
    assert life.record("diagnoses", *diagnoses("I10.x00")).discharged() == ""
    sent = in_ward().change("10:05").read_back(diagnoses("I10.x00"))
    assert et03.completeness(sent.stay).result == "未核对"


def test_a_partial_change_is_never_numbered_anew() -> None:
    """2403 adds by number: without a record, row 3 alone may be an addition."""
    added = [{**diagnoses("C")[0], "diag_srt_no": 3}]
    verdict = in_ward().judged("2403", change("10:05:00", dise=added))
    assert (verdict.refusal, verdict.changes) == (None, ())


def test_a_hundred_diagnoses() -> None:
    many = diagnoses(*(f"A{number}" for number in range(100)))
    assert in_ward().discharged(dise=many) == "ET03-04"
    assert in_ward().record("diagnoses", *many).discharged() == "ET03-04"
    assert in_ward().discharged(dise=many[:99]) == ""


def test_the_highest_version_counts_whenever_it_came() -> None:
    life = (
        in_ward().record("diagnoses", *diagnoses("A", "B"), version=2).record("diagnoses", *diagnoses("A"), version=1)
    )
    assert life.discharged(dise=diagnoses("A", "B")) == ""


def test_the_read_back_of_the_right_kind_is_compared() -> None:
    rows = diagnoses("A", "B")
    life = in_ward().record("diagnoses", *rows).change("10:05", dise=rows)
    life.adoptions.append(replace(life.read_back(rows[:1], inout="2").adoptions.pop(), at=life.tick()))
    assert et03.completeness(life.stay).shown == 0, "discharge diagnoses are no answer about an admission"
    assert code_of(et03.verified(life.stay)) == "ET03-02"


def test_an_upload_after_the_read_back_is_not_proven_by_it() -> None:
    rows = diagnoses("A")
    life = in_ward().record("diagnoses", *rows).change("10:05", dise=rows).read_back(rows)
    assert et03.completeness(life.stay).result == "完整"
    assert et03.completeness(life.change("10:05", dise=rows).stay).result == "未核对"


def test_operations_are_only_ever_reduced() -> None:
    life = in_ward().record("operations", operation("01"), operation("02", "1"))
    verdict = life.judged("2402", leaving(END))
    assert verdict.changes == (), "one that was told is not added"
    assert "没有带主手术" in verdict.warnings[0]
    several = life.judged("2402", leaving(END, oprn_oprt_code="01,02", oprn_oprt_name="甲,乙"))
    assert several.message["dscginfo"]["oprn_oprt_code"] == "02"
    foreign = life.judged("2402", leaving(END, oprn_oprt_code="77"))
    assert (foreign.changes, foreign.refusal) == ((), None)
    assert "不在院内手术记录中" in foreign.warnings[0]
    assert life.judged("2402", leaving(END, oprn_oprt_code="02", oprn_oprt_name="手术02")).changes == ()


def test_several_operations_without_a_record_have_no_main_one() -> None:
    assert in_ward().discharged(oprn_oprt_code="01,02") == "ET03-01"
    assert in_ward().discharged(oprn_oprt_code="01.0100x001") == ""


def test_an_operation_without_a_code() -> None:
    assert in_ward().record("operations", operation("", "1", "阑尾切除")).discharged() == "ET03-03"
    assert in_ward().record("operations", operation("01", "1"), operation("-", "2", "缝合")).discharged() == "ET03-03"
    assert in_ward().record("operations", operation("无", "", "无")).discharged() == "", "a row that says 无 is none"


def test_the_same_operation_twice_on_one_day_is_sent_twice() -> None:
    twice = [operation("01", "1"), operation("02"), operation("02")]
    life = in_ward().record("operations", *twice).leave().settle()
    assert life.code("4101A", settlement_list("10:05", *twice)) == ""
    assert life.code("4101A", settlement_list("10:05", *twice[:2])) == "ET03-05"


def test_rules_of_uploads_hold_at_registration() -> None:
    assert Life().code("2401", admission("08:10")) == ""
    assert Life().record("diagnoses", *diagnoses("A", "B")).code("2401", admission("08:10")) == "ET03-02"
    verdict = Life().judged("2401", admission("08:10", oprn_oprt_code="无", oprn_oprt_name="无"))
    assert "oprn_oprt_code" not in verdict.message["mdtrtinfo"]


# ------------------------------------------------------------------ ET-07


def test_an_interim_settlement_ends_nothing() -> None:
    life = in_ward().fees(("f1", "11:00")).settle("S1", "1")
    assert life.stay.settlement == "interim"
    assert life.code("2301", fee_rows(("f2", "12:00"))) == ""
    assert fee_change_allowed(life.stay) is None
    assert life.leave().code("2405", undo()) == ""


def test_settled_before_discharge() -> None:
    life = in_ward().settle()
    assert (life.stay.presence, life.stay.settlement) == ("in_ward", "settled")
    assert life.code("2301", fee_rows(("f2", "12:00"))) == "ET07-02"
    assert code_of(fee_change_allowed(life.stay)) == "ET07-02"
    assert code_of(recall_allowed(life.stay)) == "ET07-03"
    assert recall_allowed(life.revoke().stay) is None


@pytest.mark.parametrize("infno", ["2402", "2404", "2304", "2304A", "2305"])
def test_nothing_moves_while_the_end_of_the_stay_is_unknown(infno: str) -> None:
    life = in_ward().exchange(infno, undo(), state="IN_DOUBT")
    assert code_of(recall_allowed(life.stay)) == "GW-1425"
    assert code_of(fee_change_allowed(life.stay)) == "GW-1425"


def test_requested_is_not_effective() -> None:
    for state in ("INTENDED", "IN_DOUBT", "ESCALATED"):
        assert code_of(recall_allowed(in_ward().leave().back(state=state).stay)) == "ET07-04"
    for state in ("DECLINED", "NOT_DONE", "NOT_SENT"):
        assert code_of(recall_allowed(in_ward().leave().back(state=state).stay)) == "ET07-01"


@pytest.mark.parametrize(("status", "code"), [("", ""), ("0", ""), ("1", "ET07-05"), ("2", "ET07-05"), ("3", "")])
def test_a_submitted_list_holds_its_settlement(status: str, code: str) -> None:
    life = in_ward().leave().settle().listing(status)
    assert life.stay.settlement == "listed"
    revoke = {"data": {"mdtrt_id": MDTRT, "psn_no": "P1", "setl_id": "S1"}}
    assert life.code("2305", revoke) == code
    reversal = {"data": {"psn_no": "P1", "omsgid": "X", "oinfno": "2304"}}
    assert life.code("2601", reversal) == code, "2601 is no way around"
    life.policy = Policy(listed_settlement="allow")
    assert life.code("2305", revoke) == ""


def test_a_reversal_of_the_admission_is_guarded_as_its_cancelling() -> None:
    reversal = {"data": {"psn_no": "P1", "omsgid": "X", "oinfno": "2401"}}
    assert in_ward().fees(("f1", "11:00")).code("2601", reversal) == "ET07-07"
    assert in_ward().code("2601", reversal) == ""
    assert in_ward().fees(("f1", "11:00")).code("2601", {"data": {"oinfno": "2207"}}) == ""


def test_an_upload_for_two_stays_is_judged_by_the_rows_of_each() -> None:
    life = (
        Life()
        .reg()
        .ward("10:05")
        .record("emergency_fees", fee("f1", "09:00"), ipt_otp_no="J", begntime=f"{DAY} 07:00", setl_id="MZ1")
    )
    assert life.code("2301", fee_rows(("f1", "09:00"))) == "ET10-03"
    assert life.code("2301", fee_rows(("f1", "09:00"), mdtrt_id="OTHER")) == ""


# ------------------------------------------------------------------ ET-08, ET-11, ET-12


def test_paper_waits_for_its_settlement() -> None:
    life = in_ward().leave()
    for kind in ("receipt", "list_head"):
        assert refused(kind, life) == "ET08-02"
    for kind in ("fee_list", "discharge_slip", "eligibility"):
        assert refused(kind, life) == ""
    assert refused("receipt", life.settle(), "S9") == "ET08-02"


def refused(kind: VoucherKind, life: Life, setl_id: str = "") -> str:
    try:
        voucher_time(kind, life.stay, life.policy, life.now, setl_id)
    except Refused as refusal:
        return refusal.fault.code
    return ""


def test_a_corrected_ward_in_stops_new_vouchers() -> None:
    life = in_ward().leave().settle().ward("10:20")
    assert {kind: refused(kind, life) for kind in KINDS if kind != "eligibility"} == dict.fromkeys(
        ("receipt", "fee_list", "discharge_slip", "list_head"), "ET08-01"
    )
    assert refused("eligibility", life) == ""
    printed = datetime(2026, 3, 2, 10, 5, tzinfo=SHANGHAI)
    assert eligibility_void(printed, life.stay)
    assert not eligibility_void(printed, in_ward().stay)


def test_a_stay_discharged_before_go_live_prints_its_settlement() -> None:
    life = in_ward().leave().settle().ward("10:20")
    life.policy = Policy(go_live=datetime(2026, 4, 1, tzinfo=SHANGHAI))
    assert voucher_time("receipt", life.stay, life.policy, life.now).text == "2026-03-02 10:05"
    assert [settled.setl_id for settled in differs_from_ward(life.stay, life.policy)] == ["S1"]
    life.policy = Policy(go_live=datetime(2026, 3, 3, tzinfo=SHANGHAI))
    assert refused("receipt", life) == "ET08-01"
    assert differs_from_ward(life.stay, life.policy) == []


def test_no_ward_in_no_eligibility_form() -> None:
    assert refused("eligibility", Life().reg()) == "ET12-01"
    early = Life().reg().ward("10:05")
    early.now = datetime(2026, 3, 2, 10, 0, tzinfo=SHANGHAI)
    assert refused("eligibility", early) == "ET01-03"


# ------------------------------------------------------------------ ET-09


def test_a_settlement_made_elsewhere_is_not_held_against_the_list() -> None:
    verdict = in_ward().leave().judged("4101A", settlement_list("08:10", setl_id="S9"))
    assert verdict.refusal is None
    assert verdict.evidence["ET-09"].startswith("未核对")


def test_the_list_follows_the_snapshot_not_what_came_later() -> None:
    life = in_ward().leave().settle().ward("10:20").query("10:20", "0", END)
    assert life.code("4101A", settlement_list("10:05")) == ""
    assert life.code("4101A", settlement_list("10:20")) == "ET09-01"


def test_a_date_alone_is_compared_as_a_date() -> None:
    life = in_ward().leave().settle()
    assert life.code("4101A", settlement_list(DAY)) == ""
    assert life.code("4101A", settlement_list(NEXT)) == "ET09-01"


def listed(adm_dept_code: str) -> dict[str, Any]:
    return settlement_list("10:05", adm_dept_code=adm_dept_code, dscg_time=f"{END}:00")


def test_a_list_without_its_times_is_pointed_out() -> None:
    warnings = in_ward().leave().settle().judged("4101A", settlement_list("")).warnings
    assert [warning[:11] for warning in warnings] == ["结算清单没有带入院时间", "结算清单没有带出院时间"]


def test_the_list_names_the_first_ward() -> None:
    life = in_ward().tell("transfer", "t1", "18:00", ward_code="B").leave().settle()
    assert life.judged("4101A", listed("A")).warnings == ()
    assert life.judged("4101A", listed("0301")).warnings == ()
    assert "转入科室" in life.judged("4101A", listed("B")).warnings[0]


# ------------------------------------------------------------------ ET-10


def emergency(*rows: dict[str, Any], policy: Policy = POLICY, **visit: str) -> Life:
    told = {"ipt_otp_no": "J1", "begntime": f"{DAY} 07:30"} | visit
    return Life(policy).reg().ward("10:05").record("emergency_fees", *rows, **told)


def taken(life: Life) -> list[str]:
    return [row["feedetl_sn"] for row in extract(life.stay, life.policy).rows_in]


def test_without_a_ward_in_there_is_no_cut() -> None:
    with pytest.raises(Refused, match="未入科"):
        extract(Life().reg().stay, POLICY)


def test_an_approval_lasts_while_the_ward_in_does() -> None:
    life = emergency(fee("a", "08:00"))
    life.approvals.append(Approved(f"{DAY} 10:05:30", life.tick(), "审核员"))
    assert taken(life) == ["a"]
    with pytest.raises(Refused, match="入科时间已变更"):
        extract(life.ward("10:20").stay, POLICY)


def test_settled_as_outpatient_first_to_be_revoked() -> None:
    with pytest.raises(Refused, match="先撤销结算"):
        extract(emergency(fee("a", "08:00"), setl_id="MZ1").stay, POLICY)


def test_look_back_and_observation_are_settings() -> None:
    rows = [fee("a", "07:40"), fee("b", "09:00"), fee("c", "09:30")]
    assert taken(emergency(*rows)) == ["a", "b", "c"]
    assert taken(emergency(*rows, policy=Policy(emergency_look_back_h=2))) == ["b", "c"]
    told = {"observation_time": f"{DAY} 09:00"}
    assert taken(emergency(*rows, **told)) == ["a", "b", "c"]
    assert taken(emergency(*rows, policy=Policy(emergency_observation=False), **told)) == ["a"]


def test_of_several_visits_the_one_that_ended_here() -> None:
    life = emergency(fee("a", "08:00"))
    life.record("emergency_fees", fee("x", "2026-03-01 09:00"), ipt_otp_no="J0", begntime="2026-03-01 08:00")
    life.record("emergency_fees", fee("y", "11:00"), ipt_otp_no="J2", begntime=f"{DAY} 10:30")
    assert taken(life) == ["a"]


def test_a_fee_before_the_visit_or_without_a_time_is_left_out() -> None:
    assert taken(emergency(fee("a", "07:29"), fee("b", "07:30"), fee("c", ""))) == ["b"]


def test_a_row_told_twice_or_again_counts_once() -> None:
    life = emergency(fee("a", "08:00"), fee("a", "08:00"))
    assert extract(life.stay, POLICY).total_in == Decimal("10.00")
    life.record("emergency_fees", fee("a", "08:00", amount="12.00"), ipt_otp_no="J1", begntime=f"{DAY} 07:30")
    assert extract(life.stay, POLICY).total_in == Decimal("12.00")
    assert extract(life.fees(("a", "08:00")).stay, POLICY).uploaded == {"a"}


def test_refunds_of_refunds_and_circles() -> None:
    rows = [
        fee("a", "08:00"),
        fee("b", "12:00", init="a"),
        fee("c", "13:00", init="b"),
        fee("p", "08:00", init="q"),
        fee("q", "08:00", init="p"),
    ]
    assert taken(emergency(*rows)) == ["a", "b", "c", "p", "q"]


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(-1, 8), st.integers(-500, 500)), max_size=9))
def test_nothing_is_lost_or_counted_twice(rows: list[tuple[int, int, int]]) -> None:
    cut = datetime(2026, 3, 2, 10, 5, tzinfo=SHANGHAI)
    told = [
        fee(str(number), (cut + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S"),
            init="" if of in (-1, number) else str(of), amount=str(cents))
        for number, (minutes, of, cents) in enumerate(rows)
    ]  # fmt: skip
    life = emergency(*told)
    found = extract(life.stay, POLICY)
    assert sorted(row["feedetl_sn"] for row in (*found.rows_in, *found.rows_out)) == sorted(
        row["feedetl_sn"] for row in told
    )
    assert found.total_in + found.total_out == sum((Decimal(row["det_item_fee_sumamt"]) for row in told), Decimal(0))
    start = moment(f"{DAY} 07:30", "")
    assert start is not None
    for row in found.rows_in:
        if "init_feedetl_sn" not in row:
            assert start.minute <= moment(row["fee_ocur_time"], "").minute < cut  # type: ignore[union-attr]


# ------------------------------------------------------------------ ET-13

CATALOGUE = {"D1": DayOperation("D1", frozenset({"02"}))}
DAY_FIELDS = {
    "med_type": "28",
    "dise_codg": "D1",
    "dise_name": "病种",
    "oprn_oprt_code": "02",
    "oprn_oprt_name": "手术",
}


def category(life: Life, **fields: str) -> str:
    return life.code("2403", change("10:05", **fields), day_surgery=CATALOGUE)


def test_only_ordinary_becomes_day_surgery() -> None:
    assert category(in_ward(), **DAY_FIELDS) == ""
    assert category(in_ward(), med_type="52") == "ET13-01"
    assert category(in_ward(), med_type="21") == ""
    allowed = Policy(category_changes=frozenset({("21", "22")}))
    assert category(in_ward(allowed), med_type="22") == ""
    assert category(in_ward(allowed), med_type="52") == "ET13-01"


def test_back_is_a_setting() -> None:
    assert category(in_ward().change("10:05", **DAY_FIELDS), med_type="21") == "ET13-01"
    assert category(in_ward(Policy(reverse_category_change=True)).change("10:05", **DAY_FIELDS), med_type="21") == ""


@pytest.mark.parametrize("name", ["dise_codg", "dise_name", "oprn_oprt_code", "oprn_oprt_name"])
def test_day_surgery_needs_its_fields(name: str) -> None:
    assert category(in_ward(), **(DAY_FIELDS | {name: ""})) == "ET13-04"


def test_an_interim_settlement_holds_the_category() -> None:
    assert category(in_ward().settle("S1", "1"), **DAY_FIELDS) == "ET13-03"


def test_the_same_category_again_is_no_change() -> None:
    assert category(in_ward().change("10:05", **DAY_FIELDS), **DAY_FIELDS) == ""


def test_a_long_stay_and_a_missing_catalogue_are_pointed_out() -> None:
    life = in_ward()
    life.now = datetime(2026, 3, 3, 10, 5, tzinfo=SHANGHAI)
    assert life.judged("2403", change("10:05:00", **DAY_FIELDS), CATALOGUE).warnings == ()
    life.now += timedelta(minutes=1)
    assert "超过 24 小时" in life.judged("2403", change("10:05:00", **DAY_FIELDS), CATALOGUE).warnings[0]
    assert "目录" in life.judged("2403", change("10:05:00", **DAY_FIELDS)).warnings[0]


def test_hunan_has_its_own_code_of_ordinary() -> None:
    life = Life().exchange("2401", admission("10:05", med_type="2101"), {"result": {"mdtrt_id": MDTRT}}).ward("10:05")
    message = change("10:05", **DAY_FIELDS)
    for province, code in (("national", "ET13-01"), ("hunan", "")):
        verdict = judge(
            "2403", message, life.stay, life.now, POLICY, contracts()[province].rules, day_surgery=CATALOGUE
        )
        assert code_of(verdict.refusal) == code


def test_kinds_of_vouchers_are_those_of_the_contract() -> None:
    assert get_args(VoucherKind) == KINDS


def test_an_empty_history_is_a_stay_too() -> None:
    stay: Stay = Life().stay
    assert (stay.presence, stay.alignment, stay.settlement, stay.unknown) == ("registered", "not_in_ward", "none", ())
