"""出院办理 before anything is sent (ET-04): operations in their order, the verdict with both values and the way out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.jsontext import dumps
from gateway.mappings import load
from gateway.stays.derive import derive
from gateway.stays.discharge import DischargeSheet, discharge_sheet, gate, operation_rows
from gateway.stays.messages import diagnoses, discharge_message, undo_message
from tests.stays.kit import DAY, IPT, MDTRT, PERSON, Life, operation, table
from tests.stays.kit import diagnoses as told_diagnoses

TRANSACTION = load().transactions["2402"]


def begun() -> Life:
    form = {"psn_no": PERSON, "ipt_no": IPT, "insutype": "310", "begntime": f"{DAY} 08:10:00", "med_type": "21",
            "adm_dept_codg": "A03", "adm_dept_name": "内科", "adm_bed": "12"}  # fmt: skip
    message = {"mdtrtinfo": form, "diseinfo": told_diagnoses("A00", "B00")}
    return Life().exchange("2401", message, {"result": {"mdtrt_id": MDTRT}})


def message(life: Life, **form: str) -> dict[str, Any]:
    history = life.history
    return discharge_message(derive(history, life.policy), history, TRANSACTION, form)


def sheet(life: Life, **form: str) -> DischargeSheet:
    return discharge_sheet(derive(life.history, life.policy), message(life, **form), life.now, life.policy, table())


def aligned(life: Life) -> Life:
    life.ward("10:05", ward="A03")
    info = {"mdtrt_id": MDTRT, "psn_no": PERSON, "ipt_otp_no": IPT, "begntime": f"{DAY} 10:05:00", "med_type": "21"}
    return life.exchange("2403", {"adminfo": info, "diseinfo": told_diagnoses("A00", "B00")}, {})


KINDS = st.sampled_from(["1", "2", ""])


@given(st.lists(st.tuples(KINDS, st.sampled_from(["A", "无", "", "-"])), max_size=6))
def test_main_first_nothing_lost_nothing_added(rows: list[tuple[str, str]]) -> None:
    told = [{"oprn_oprt_code": code, "oprn_oprt_name": code, "oprn_oprt_type": kind} for kind, code in rows]
    found = operation_rows(told)
    real = [kind for kind, code in rows if code == "A"]
    assert [one.main for one in found] == sorted((kind == "1" for kind in real), reverse=True)
    assert [one.number for one in found] == [*range(1, len(real) + 1)]
    assert {one.tag for one in found} <= {"主手术", "其他手术"}


def test_the_order_of_the_others_is_the_hospitals() -> None:
    found = operation_rows([operation("X"), operation("Y"), operation("M", "1")])
    assert [one.code for one in found] == ["M", "X", "Y"]


@pytest.mark.parametrize(
    ("steps", "code", "way"),
    [
        (lambda life: life, "ET02-02", "ward"),
        (lambda life: life.ward("10:05"), "ET02-01", "alignment"),
        (lambda life: aligned(life).ward("10:20"), "ET02-04", "alignment"),
        (lambda life: life.ward("10:05").exchange("2403", {}, state="IN_DOUBT"), "ET02-03", "doubt"),
        (lambda life: aligned(life).record("operations", operation("X")), "ET03-01", "record"),
        (lambda life: aligned(life).exchange("2301", {}, state="IN_DOUBT"), "GW-1425", "doubt"),
    ],
)
def test_the_verdict_names_the_way_out(steps: Any, code: str, way: str) -> None:
    found = sheet(steps(begun())).gate
    assert (found.allowed, found.code, found.way_out) == (False, code, way)
    assert found.text
    assert found.action


def test_both_values_and_who_told_the_ward_in() -> None:
    found = sheet(begun().ward("10:05:40")).gate
    assert (found.t_ins, found.t_ward, found.ward_by) == (f"{DAY} 08:10:00", f"{DAY} 10:05:00", "护士")
    assert found.ward_told_at


def test_a_stay_that_was_never_registered_has_nothing_to_discharge() -> None:
    life = Life().ward("10:05")
    stay = derive(replace(life.history, mdtrt_id=""), life.policy)
    found = gate("2402", {"dscginfo": {}}, stay, life.now, life.policy, table())
    assert (found.allowed, found.way_out) == (False, "register")


def test_when_it_passes_the_message_is_whole() -> None:
    life = aligned(begun()).record("operations", operation("X"), operation("M", "1"))
    found = sheet(life, endtime=f"{DAY} 18:00:00", dscg_way="1")
    assert found.gate.allowed
    assert (found.source, [one.code for one in found.operations]) == ("院内手术记录，版本 1", ["M", "X"])
    sent = message(life, endtime=f"{DAY} 18:00:00", dscg_way="1")
    form = sent["dscginfo"]
    expected = {"mdtrt_id": MDTRT, "psn_no": PERSON, "insutype": "310", "endtime": f"{DAY} 18:00:00", "dscg_way": "1",
                "oprn_oprt_code": "M", "dscg_dept_codg": "A03", "dscg_dept_name": "内科", "dscg_bed": "12"}  # fmt: skip
    assert {name: form.get(name) for name in expected} == expected
    assert [row["diag_code"] for row in sent["diseinfo"]] == ["A00", "B00"]
    assert json.loads(dumps(found.as_json()))["gate"]["allowed"] is True


def test_without_a_main_operation_none_is_chosen() -> None:
    assert "oprn_oprt_code" not in message(aligned(begun()).record("operations", operation("X")))["dscginfo"]


def test_nobody_can_give_another_stay() -> None:
    assert message(begun(), mdtrt_id="OTHER", psn_no="P9")["dscginfo"]["mdtrt_id"] == MDTRT


def test_the_hospitals_record_counts_before_what_was_uploaded() -> None:
    life = begun().record("diagnoses", *told_diagnoses("C00"))
    assert [row["diag_code"] for row in diagnoses(derive(life.history, life.policy))] == ["C00"]


def test_an_undo_is_judged_too() -> None:
    life = aligned(begun())
    stay = derive(life.history, life.policy)
    assert gate("2405", undo_message(stay), stay, life.now, life.policy, table()).allowed
