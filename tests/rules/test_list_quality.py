"""The quality rules of the settlement list: a sound list passes, each rule finds what it is about and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.interface import Interface
from gateway.contract.quality import FACTS
from gateway.mappings import data_root, load_all
from gateway.rules.judge import judge
from gateway.rules.list_quality import QualityRefused, check, list_quality
from gateway.rules.list_verbs import VERBS
from gateway.rules.list_view import Told, in_codes, minutes
from gateway.rules.policy import Policy
from gateway.rules.stay import Told as ListTold
from gateway.rules.terms import codes_asked
from gateway.rules.times import SHANGHAI
from gateway.stays.history import EarlierEnd
from tests.rules.lists import DOCTOR, FIGURES, contract, item, of, problems, report, settled, sound, spoiled, surgery
from tests.stays.kit import DAY, NEXT, fee

ROW = sound()["diseinfo"][0]


def diagnosis(code: str, main: str = "0", **more: str) -> dict[str, str]:
    return ROW | {"diag_code": code, "diag_name": code, "maindiag_flag": main} | more


def icu(begin: str, end: str, lasted: str) -> dict[str, str]:
    return {"scs_cutd_ward_type": "1", "scs_cutd_inpool_time": begin, "scs_cutd_exit_time": end,
            "scs_cutd_sum_dura": lasted}  # fmt: skip


# ------------------------------------------------------------------ the table


def test_the_schema_and_the_engine_have_the_same_verbs() -> None:
    schema = json.loads((data_root() / "mappings/schema/settlement-list.schema.json").read_bytes())
    assert set(schema["$defs"]["check"]["properties"]) == set(VERBS)


def test_the_whole_catalogue_is_there_for_every_province() -> None:
    wanted = {*range(1, 71), *range(71, 99), *range(101, 121), *range(121, 130), *range(131, 143), *range(151, 156)}
    for one in load_all().values():
        found = {int(rule.rule_id[3:6]) for rule in one.rules.quality.rules}
        assert found == wanted, one.province
        assert all(rule.source and rule.text for rule in one.rules.quality.rules)


def test_every_placeholder_of_a_text_is_a_field() -> None:
    quality = contract().rules.quality
    for rule in quality.rules:
        for one in re.findall(r"\{([^}]*)\}", rule.text):
            node, slash, name = one.rpartition("/")
            known = name in FACTS.get(node, ()) or f"{node or rule.rows}/{name}" in quality.labels
            assert one in ("found", "expected") or known, (rule.rule_id, one, slash)


# ------------------------------------------------------------------ lists


@pytest.mark.parametrize("infno", ["4101A", "4101"])
def test_a_sound_list_passes_and_what_cannot_be_told_is_unchecked(infno: str) -> None:
    found = report(sound(infno), infno)
    assert problems(found) == set()
    assert found.count("passed") >= 70
    assert of(found, "SL-044").result == "unchecked"
    assert of(found, "SL-044").text == "没有下载目录 1307"
    assert of(found, "SL-131").result == ("passed" if infno == "4101" else "unchecked")
    assert of(found, "SL-029").result == "not_applicable"


CATALOGS = {
    "1307": {"J18.900": ("肺炎",), "I10.x00x002": ("高 血 压",)},
    "1308": {"32.4100": ("肺叶切除术",)},
}
RECORDED = {"die_flag": "0", "qltctrl_date": NEXT, "anst_fee": Decimal("0.00"), "bill_sumamt": Decimal("100.00"),
            "dscg_trt_rslt_code": "1", "drug_dicm_flag": "0"}  # fmt: skip
"""A medical record that agrees with the sound list."""


def test_with_catalogs_and_record_every_rule_that_can_be_asked_is() -> None:
    found = report(sound(), record=RECORDED, terms=CATALOGS)
    assert problems(found) == set()
    results = {rule: of(found, rule).result for rule in ("SL-044", "SL-045", "SL-046", "SL-046A", "SL-067", "SL-140")}
    assert set(results.values()) == {"passed"}
    for rule in contract().rules.quality.rules:
        reasons = [check.args["reason"] for check in rule.checks if check.verb == "unchecked"]
        assert all(len(reason) >= 12 for reason in reasons), f"{rule.rule_id} says why it is never asked"
    never = {rule.rule_id for rule in contract().rules.quality.rules if rule.checks[0].verb == "unchecked"}
    assert never == {"SL-088", "SL-095", "SL-096", "SL-098", "SL-113", "SL-114", "SL-115", "SL-116", "SL-120", "SL-127",
                     "SL-128", "SL-138", "SL-141", "SL-142"}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "change", "part"),
    [
        ("SL-044", {"diseinfo.1": {"diag_code": "I10.x99"}}, "I10.x99"),
        ("SL-045", {"oprninfo.0": {"oprn_oprt_code": "32.4199"}}, "32.4199"),
        ("SL-046", {"diseinfo.0": {"diag_name": "支气管肺炎"}}, "【肺炎】，现为【支气管肺炎】"),
        ("SL-046A", {"oprninfo.0": {"oprn_oprt_name": "肺切除"}}, "【肺叶切除术】，现为【肺切除】"),
    ],
)
def test_codes_and_names_are_held_against_the_catalogs(rule: str, change: dict[str, Any], part: str) -> None:
    found = report(spoiled(change), terms=CATALOGS)
    assert problems(found) == {rule}
    assert part in of(found, rule).text


def test_a_chinese_diagnosis_is_not_looked_up_among_the_western_ones() -> None:
    message = spoiled({"diseinfo": [ROW, diagnosis("A17.01", diag_type="2")]})
    assert of(report(message, terms=CATALOGS), "SL-044").result == "passed"


@pytest.mark.parametrize(
    ("rule", "change", "told", "part"),
    [
        ("SL-067", {}, {"qltctrl_date": DAY}, DAY),
        ("SL-069", {}, {"die_flag": "1"}, "离院方式却为 1"),
        ("SL-069A", {"setlinfo": {"dscg_way": "5"}}, {}, "死亡标志却为 0"),
        ("SL-069A", {"setlinfo": {"dscg_way": "5"}}, {"die_flag": ""}, "死亡标志却为 空"),
        ("SL-087", {"diseinfo": [diagnosis("C34.900", "1")]}, {}, "病理号"),
        ("SL-089", {"diseinfo": [diagnosis("T88.700", "1"), diagnosis("Y57.900")]}, {}, "过敏标志为 0"),
        ("SL-119", {}, {"anst_fee": Decimal("300.00")}, "有麻醉费 300.00"),
        ("SL-140", {}, {"bill_sumamt": Decimal("99.98")}, "99.98"),
        ("SL-153", {"diseinfo": [diagnosis("E11.900", "1")]}, {}, "治愈"),
    ],
)
def test_the_medical_record_is_compared(rule: str, change: dict[str, Any], told: dict[str, Any], part: str) -> None:
    found = report(spoiled(change), record=RECORDED | told)
    assert rule in problems(found)
    assert part in of(found, rule).text
    assert of(report(spoiled(change)), rule).result == "unchecked", "nobody told the record"


def test_the_record_of_another_settlement_is_none_of_this_one() -> None:
    life = settled()
    stay = replace(life.stay, list_told=ListTold(1, ({"setlinfo": {"setl_id": "S9"}, "record": RECORDED},), life.now))
    about = Told("4101A", sound(), stay, stay.settlements[0], life.now)
    assert of(check(about, contract().rules.quality, {}), "SL-140").result == "unchecked"


def test_only_what_the_rules_want_is_looked_up() -> None:
    message = spoiled({"diseinfo": [ROW, ROW, diagnosis("A17.01", diag_type="2"), diagnosis("")]})
    assert codes_asked(contract().rules.quality, message) == {"1307": {"J18.900"}, "1308": {"32.4100"}}
    assert codes_asked(contract().rules.quality, {}) == {"1307": set(), "1308": set()}


SPOILED: list[tuple[str, dict[str, Any], str, str]] = [
    # rule, what is changed, a part of the text, the field it stands beside
    ("SL-002", {"setlinfo": {"medcasno": None}}, "病案号", "setlinfo/medcasno"),
    ("SL-006", {"setlinfo": {"dscg_caty": None}}, "出院科别", "setlinfo/dscg_caty"),
    ("SL-007", {"diseinfo": [diagnosis("J18.900")]}, "缺少主诊断", "diseinfo/maindiag_flag"),
    ("SL-008", {"diseinfo.1": {"diag_name": ""}}, "I10.x00x002", "diseinfo/diag_name"),
    ("SL-010", {"oprninfo.0": {"oprn_oprt_begntime": None}}, "肺叶切除术", "oprninfo/oprn_oprt_begntime"),
    ("SL-012", {"oprninfo.0": {"anst_way": "01"}}, "麻醉医师未填写", "oprninfo/anst_dr_code"),
    ("SL-013", {"oprninfo.0": {"anst_dr_code": DOCTOR}}, "麻醉方式未填写", "oprninfo/anst_way"),
    ("SL-016", {"setlinfo": {"resp_nurs_code": ""}}, "责任护士", "setlinfo/resp_nurs_code"),
    ("SL-024", {"setlinfo": {"dscg_way": "2", "acp_medins_name": "无"}}, "转院（2）", "setlinfo/acp_medins_name"),
    ("SL-026", {"setlinfo": {"days_rinp_flag_31": "2"}}, "目的必填", "setlinfo/days_rinp_pup_31"),
    ("SL-027", {"setlinfo": {"days_rinp_flag_31": "1", "days_rinp_pup_31": "化疗"}}, "化疗", "setlinfo/days_rinp_pup_31"),
    ("SL-028", {"bldinfo": [{"bld_cat": "1", "bld_amt": 2}]}, "输血【1】", "bldinfo/bld_unt"),
    ("SL-029", {"oprninfo": [surgery(oprn_oprt_code="96.7101")]}, "呼吸机", "setlinfo/vent_used_dura"),
    ("SL-031", {"setlinfo": {"trt_type": "77"}}, "填写值 77", "setlinfo/trt_type"),
    ("SL-032", {"setlinfo": {"dscg_way": "7"}}, "离院方式 7", "setlinfo/dscg_way"),
    ("SL-033", {"setlinfo": {"dscg_way": "9"}}, "请核实", "setlinfo/dscg_way"),
    ("SL-039", {"setlinfo": {"poscode": "52400"}}, "52400", "setlinfo/poscode"),
    ("SL-040", {"setlinfo": {"nwb_bir_wt": Decimal(150)}}, "150", "setlinfo/nwb_bir_wt"),
    ("SL-041", {"setlinfo": {"nwb_adm_wt": Decimal(3205)}}, "3205", "setlinfo/nwb_adm_wt"),
    ("SL-042", {"setlinfo": {"mul_nwb_bir_wt": "2500、2600"}}, "逗号", "setlinfo/mul_nwb_bir_wt"),
    ("SL-043", {"setlinfo": {"vent_used_dura": "1/25/00"}}, "1/25/00", "setlinfo/vent_used_dura"),
    ("SL-047", {"diseinfo.1": {"diag_code": "高血压"}}, "高血压", "diseinfo/diag_code"),
    ("SL-048", {"setlinfo": {"chfpdr_code": "0001"}}, "0001", "setlinfo/chfpdr_code"),
    ("SL-048A", {"oprninfo.0": {"oper_dr_code": "0001"}}, "0001", "oprninfo/oper_dr_code"),
    ("SL-049", {"setlinfo": {"curr_addr": "123456"}}, "123456", "setlinfo/curr_addr"),
    ("SL-051", {"setlinfo": {"dscg_time": f"{DAY} 09:00:00"}}, f"{DAY} 10:05:00", "setlinfo/adm_time"),
    ("SL-052", {"setlinfo": {"adm_time": f"{DAY} 10:06:00"}}, f"{DAY} 10:05:00", "setlinfo/adm_time"),
    ("SL-053", {"setlinfo": {"dscg_time": NEXT}}, NEXT, "setlinfo/dscg_time"),
    ("SL-056", {"oprninfo.0": {"oprn_oprt_begntime": f"{DAY} 10:04:00"}}, "不在住院期间", "oprninfo/oprn_oprt_begntime"),
    ("SL-056", {"oprninfo.0": {"oprn_oprt_endtime": f"{NEXT} 16:01:00"}}, "不在住院期间", "oprninfo/oprn_oprt_begntime"),
    ("SL-057", {"oprninfo.0": {"oprn_oprt_endtime": f"{DAY} 13:00:00"}}, "早于开始时间", "oprninfo/oprn_oprt_endtime"),
    ("SL-058", {"oprninfo.0": {"anst_begntime": f"{DAY} 15:30:00"}}, "麻醉起止", "oprninfo/anst_begntime"),
    ("SL-059", {"icuinfo": [icu(f"{DAY} 09:00:00", f"{DAY} 12:00:00", "0/3/0")]}, "进出时间异常", "icuinfo/scs_cutd_inpool_time"),
    ("SL-059A", {"icuinfo": [icu(f"{DAY} 11:00:00", f"{DAY} 13:00:00", "0/2/0"),
                             icu(f"{DAY} 12:00:00", f"{DAY} 14:00:00", "0/2/0")]}, "重叠", "icuinfo/scs_cutd_inpool_time"),
    ("SL-060", {"icuinfo": [icu(f"{DAY} 11:00:00", f"{DAY} 13:00:00", "0/3/0")]}, "0/2/0", "icuinfo/scs_cutd_sum_dura"),
    ("SL-061", {"icuinfo": [icu(f"{DAY} 11:00:00", "2026-03-09 13:00:00", "7/2/0")]}, "超过住院时间", "icuinfo/scs_cutd_sum_dura"),
    ("SL-062", {"setlinfo": {"vent_used_dura": "2/0/0"}}, "2/0/0", "setlinfo/vent_used_dura"),
    ("SL-063", {"setlinfo": {"pwcry_afadm_coma_dura": "2/0/0"}}, "2/0/0", "setlinfo/pwcry_afadm_coma_dura"),
    ("SL-064", {"setlinfo": {"setl_end_date": DAY}}, DAY, "setlinfo/setl_end_date"),
    ("SL-065", {"setlinfo": {"lv1_nurscare_days": Decimal(2)}}, "大于住院天数 1", "setlinfo/spga_nurscare_days"),
    ("SL-066", {"setlinfo": {"dcla_time": f"{DAY} 12:00:00"}}, f"{NEXT} 16:00:00", "setlinfo/dcla_time"),
    ("SL-071", {"diseinfo.1": {"maindiag_flag": "1"}}, "现有 2 个", "diseinfo/maindiag_flag"),
    ("SL-072", {"diseinfo": [diagnosis("J18.900", "1"), diagnosis("J18.900")]}, "J18.900", "diseinfo/diag_code"),
    ("SL-073", {"diseinfo": [diagnosis("A01.000", "1"), diagnosis("J18.900"), diagnosis("J18.900")]}, "J18.900", "diseinfo/diag_code"),
    ("SL-074", {"diseinfo": [diagnosis("X59.900", "1")]}, "X59.900", "diseinfo/diag_code"),
    ("SL-075", {"diseinfo": [diagnosis("B96.200", "1")]}, "B96.200", "diseinfo/diag_code"),
    ("SL-076", {"diseinfo.0": {"adm_cond_type": "4"}}, "入院病情", "diseinfo/adm_cond_type"),
    ("SL-077", {"diseinfo": [diagnosis("R50.900", "1"), diagnosis("J18.900")]}, "R50.900", "diseinfo/diag_code"),
    ("SL-078", {"diseinfo": [diagnosis("T81.400", "1")]}, "T81.400", "diseinfo/diag_code"),
    ("SL-080", {"diseinfo.1": {"diag_code": "N80.000"}}, "N80.000", "diseinfo/diag_code"),
    ("SL-082", {"diseinfo.1": {"diag_code": "P22.000"}}, "45 岁", "diseinfo/diag_code"),
    ("SL-085", {"diseinfo.1": {"diag_code": "T24.200"}}, "T31", "diseinfo/diag_code"),
    ("SL-086", {"diseinfo.1": {"diag_code": "S72.000"}}, "外部原因", "diseinfo/diag_code"),
    ("SL-090", {"diseinfo": [diagnosis("E10.900", "1"), diagnosis("E10.200")]}, "【E10.900】与【E10.200】", "diseinfo/diag_code"),
    ("SL-091", {"diseinfo": [diagnosis("K80.200", "1"), diagnosis("K81.000")]}, "K80.0", "diseinfo/diag_code"),
    ("SL-094", {"diseinfo.1": {"diag_code": "Z51.100"}}, "Z51.100", "diseinfo/diag_code"),
    ("SL-101", {"oprninfo.0": {"oprn_oprt_type": "2"}}, "现有 0 个", "oprninfo/oprn_oprt_type"),
    ("SL-102", {"oprninfo.0": {"oprn_oprt_code": "00.4500"}}, "00.4500", "oprninfo/oprn_oprt_code"),
    ("SL-103", {"oprninfo": [surgery(), surgery(oprn_oprt_type="2")]}, "32.4100", "oprninfo/oprn_oprt_code"),
    ("SL-103A", {"oprninfo": [surgery(), surgery(oprn_oprt_type="2", oprn_oprt_begntime=f"{DAY} 14:30:00")]}, "同一天", "oprninfo/oprn_oprt_code"),
    ("SL-104", {"oprninfo.0": {"oprn_oprt_code": "68.4100"}}, "68.4100", "oprninfo/oprn_oprt_code"),
    ("SL-108", {"oprninfo.0": {"oprn_oprt_code": "37.8301"}}, "导线", "oprninfo/oprn_oprt_code"),
    ("SL-111", {"oprninfo": [surgery(oprn_oprt_code="12.5100x001"), surgery(oprn_oprt_type="2", oprn_oprt_code="12.5200x001")]}, "12.5300", "oprninfo/oprn_oprt_code"),
    ("SL-124", {"setlinfo": {"vent_used_dura": "0/20/0"}, "oprninfo": [surgery(oprn_oprt_code="96.7201")]}, "0/20/0", "setlinfo/vent_used_dura"),
    ("SL-125", {"setlinfo": {"vent_used_dura": "0/20/0"}}, "0/20/0", "setlinfo/vent_used_dura"),
    ("SL-126", {"setlinfo": {"pwcry_bfadm_coma_dura": "0/1/0"}}, "非颅脑损伤", "setlinfo/pwcry_afadm_coma_dura"),
    ("SL-129A", {"setlinfo": {"refldept_dept": "A03"}}, "A03", "setlinfo/refldept_dept"),
    ("SL-136", {"payinfo": [{"fund_pay_type": "310100", "fund_payamt": Decimal("69.98")}]}, "69.98", "payinfo/fund_payamt"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "change", "text", "place"), SPOILED, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_rule_finds_what_it_is_about(rule: str, change: dict[str, Any], text: str, place: str) -> None:
    assert rule not in problems(report(sound()))
    found = of(report(spoiled(change)), rule)
    assert (found.result, found.place) == ("problem", place), found
    assert text in found.text


FULL: list[tuple[str, dict[str, Any], str]] = [
    ("SL-034", {"setlinfo": {"certno": "440899198005010019"}}, "440899198005010019"),
    ("SL-035", {"setlinfo": {"brdy": "1980-05-02"}}, "1980-05-01"),
    ("SL-036", {"setlinfo": {"gend": "2"}}, "性别 2"),
    ("SL-037", {"setlinfo": {"age": Decimal("45.5")}}, "45.5"),
    ("SL-038", {"setlinfo": {"age": Decimal(46)}}, "45岁"),
    ("SL-038", {"setlinfo": {"age": None, "nwb_age": 3, "brdy": "2026-02-26"}}, "4天"),
    ("SL-050", {"iteminfo": [item("06", "-1.00"), item("09", "101.00")]}, "-1.00"),
    ("SL-054", {"setlinfo": {"act_ipt_days": 2}}, "应为 1"),
    ("SL-055", {"setlinfo": {"act_ipt_days": 0}}, "0"),
    ("SL-117", {"iteminfo": [item("09", "100.00")]}, "无手术费"),
    ("SL-118", {"oprninfo": []}, "无手术编码"),
    ("SL-131", {"iteminfo": [item("06", "60.00"), item("09", "39.98")]}, "99.98"),
    ("SL-132", {"setlinfo": {"psn_ownpay": Decimal("9.98")}}, "99.98"),
    ("SL-134", {"iteminfo": [item("06", "60.00"), item("09", "40.00", claa_sumfee=Decimal("39.00"))]}, "39.00"),
]


@pytest.mark.parametrize(("rule", "change", "text"), FULL, ids=lambda one: one if isinstance(one, str) else "")
def test_the_full_layout_has_more_to_check(rule: str, change: dict[str, Any], text: str) -> None:
    assert rule not in problems(report(sound("4101"), "4101"))
    found = of(report(spoiled(change, "4101"), "4101"), rule)
    assert found.result == "problem"
    assert text in found.text


@pytest.mark.parametrize(
    ("figures", "rule"),
    [
        ({"medfee_sumamt": Decimal("100.02")}, "SL-133"),
        ({"psn_part_amt": Decimal("29.00")}, "SL-135"),
        ({"psn_part_amt": Decimal("130.00")}, "SL-137"),
        ({"fund_pay_sumamt": Decimal("60.00")}, "SL-136"),
    ],
)
def test_money_is_compared_with_the_settlement(figures: dict[str, Decimal], rule: str) -> None:
    assert rule in problems(report(sound(), life=settled(**figures)))


def test_a_cent_is_tolerated_and_a_settlement_without_figures_is_unchecked() -> None:
    assert "SL-133" not in problems(report(sound(), life=settled(medfee_sumamt=Decimal("100.01"))))
    bare = report(sound(), life=settled(**dict.fromkeys(FIGURES, "")))
    assert {of(bare, rule).result for rule in ("SL-133", "SL-135", "SL-136", "SL-137")} == {"unchecked"}


def test_an_operation_before_the_ward_in_is_a_warning_within_its_emergency_visit() -> None:
    early = spoiled({"oprninfo.0": {"oprn_oprt_begntime": f"{DAY} 08:30:00"}})
    assert "SL-056" in problems(report(early))
    life = settled()
    life.record("emergency_fees", fee("e1", "08:00"), ipt_otp_no="J1", begntime=f"{DAY} 07:00")
    found = report(early, life=life)
    assert "SL-056" not in problems(found)
    assert of(found, "SL-056A").level == "warn"
    assert of(found, "SL-056A").result == "problem"


def test_an_overlapping_stay_of_the_same_person() -> None:
    life = settled()
    life.earlier = [EarlierEnd("M0", "ZY0", "2026-03-01 08:00:00", f"{DAY} 12:00:00")]
    found = of(report(sound(), life=life), "SL-155")
    assert found.result == "problem"
    assert "ZY0" in found.text
    life.earlier = [EarlierEnd("M0", "ZY0", "2026-02-01 08:00:00", f"{DAY} 10:05:00")]
    assert of(report(sound(), life=life), "SL-155").result == "passed"


def test_a_list_of_an_outpatient_needs_no_ward() -> None:
    message = spoiled({"setlinfo": {"adm_time": None, "dscg_time": None, "adm_caty": None, "opsp_diag_caty": "内科"}})
    found = problems(report(message))
    assert not found & {"SL-004", "SL-005", "SL-006"}


# ------------------------------------------------------------------ levels and the guard


def test_a_hospital_may_change_the_level_of_a_rule() -> None:
    message = spoiled({"setlinfo": {"chfpdr_code": "0001"}})
    assert of(report(message, levels={"SL-048": "warn"}), "SL-048").level == "warn"
    off = report(message, levels={"SL-048": "off"})
    assert "SL-048" not in {one.rule_id for one in off.findings}


def test_the_guard_refuses_with_every_finding_and_tells_warnings() -> None:
    life = settled()
    message = spoiled({"setlinfo": {"dscg_way": "2", "medcasno": "", "poscode": "1"}})
    verdict = judge("4101A", message, life.stay, life.now, Policy(), contract().rules)
    assert isinstance(verdict.refusal, QualityRefused)
    assert verdict.refusal.fault.code == "GW-1103"
    assert [one.rule for one in verdict.refusal.problems] == ["SL-002", "SL-024"]
    assert verdict.refusal.problems[0].node == "setlinfo"
    assert verdict.refusal.problems[0].label == "病案号"
    assert "SL-039" in verdict.evidence["SL"]
    assert verdict.evidence["SL"].startswith("清单质控：通过")
    message["setlinfo"] |= {"dscg_way": "1", "medcasno": "B1"}
    passed = judge("4101A", message, life.stay, life.now, Policy(), contract().rules)
    assert passed.refusal is None
    assert passed.warnings == ("SL-039 【邮编】1 应为6位数字",)
    assert list_quality.__name__ == "list_quality"


@pytest.mark.parametrize(
    ("before", "wanted", "code"),
    [("", "1", ""), ("0", "1", ""), ("1", "0", "GW-1427"), ("2", "0", "GW-1427"), ("3", "0", ""), ("3", "1", ""),
     ("0", "2", "GW-1427"), ("", "3", "GW-1427"), ("1", "1", "")],
)  # fmt: skip
def test_4102_moves_a_list_only_as_an_institution_may(before: str, wanted: str, code: str) -> None:
    life = settled().listing(before)
    message = {"data": {"stastinfo": [{"psn_no": "P1", "setl_id": "S1", "stas_type": wanted}]}}
    assert life.code("4102", message) == code
    elsewhere = {"data": {"stastinfo": [{"psn_no": "P1", "setl_id": "S9", "stas_type": wanted}]}}
    assert life.code("4102", elsewhere) == "", "what the gateway knows nothing of passes"


@pytest.mark.parametrize("status", ["1", "2", "3"])
def test_a_list_that_is_not_editable_is_not_uploaded_anew(status: str) -> None:
    life = settled().listing(status)
    assert life.code("4101A", sound()) == "GW-1427"
    assert settled().listing("0").code("4101A", sound()) == ""


# ------------------------------------------------------------------ reading values


@pytest.mark.parametrize(
    ("code", "sets", "held"),
    [
        ("B95.000", ("B95-B97",), True),
        ("B97.900", ("B95-B97",), True),
        ("B98.000", ("B95-B97",), False),
        ("00.4300", ("00.40-00.43",), True),
        ("00.4400", ("00.40-00.43",), False),
        ("K80.000x002", ("K80",), True),
    ],
)
def test_sets_of_codes(code: str, sets: tuple[str, ...], held: bool) -> None:
    assert in_codes(code, sets) is held


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59))
@settings(max_examples=25)
def test_durations_count_minutes(days: int, hours: int, rest: int) -> None:
    assert minutes(f"{days}/{hours}/{rest}") == days * 1440 + hours * 60 + rest


@given(st.recursive(st.text(max_size=12) | st.none() | st.integers() | st.decimals(allow_nan=True),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)),
       st.sampled_from(["setlinfo", "diseinfo", "oprninfo", "icuinfo", "payinfo", "bldinfo"]))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_whatever_stands_in_a_list_a_rule_answers(value: Any, node: str) -> None:
    """A list that is read from a caller may hold anything where a table asks for less."""
    life = settled()
    life.now = datetime(2026, 3, 5, tzinfo=SHANGHAI)
    message = sound()
    target = message.get(node)
    if isinstance(target, dict):
        message[node] = {name: value if not isinstance(value, dict | list) else str(value) for name in target}
    else:
        message[node] = [
            dict.fromkeys(("diag_code", "oprn_oprt_begntime", "fund_payamt", "scs_cutd_inpool_time"), str(value))
        ]
    report(message, life=life)


def test_several_transfers_are_a_chain_of_codes() -> None:
    codec = Interface(contract()).input("4101A")

    def problems_of(chain: str) -> list[str]:
        _, found = codec.check(spoiled({"setlinfo": {"refldept_dept": chain}}))
        return [one.rule for one in found.problems]

    assert problems_of("A03→A04") == []
    assert problems_of("A03→A04→A03") == []
    assert problems_of("A03→nowhere") == ["code"]
    assert problems_of("A03→") == ["code"]
