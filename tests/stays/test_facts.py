"""What is kept of a confirmed exchange, against the national tables."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mappings import load
from gateway.stays.facts import ABOUT_STAYS, extract
from gateway.stays.history import Acknowledged
from tests.stays.kit import MDTRT, Life, admission, change, diagnoses, fee_rows, leaving


def test_an_admission_is_known_by_the_answer() -> None:
    facts = extract("2401", admission("08:10", mdtrt_cert_no="SECRET", geso_val=3), {"result": {"mdtrt_id": "M7"}})
    assert list(facts) == ["M7"]
    told = facts["M7"]
    assert (told["begntime"], told["ipt_no"], told["psn_no"], told["med_type"]) == (
        "2026-03-02 08:10",
        "ZY1",
        "P1",
        "21",
    )
    assert told["form"]["adm_bed"] == "1床"
    assert "SECRET" not in json.dumps(facts, ensure_ascii=False)
    assert told["diagnoses"][0]["diag_code"] == "I10.x00"


def test_an_upload_for_two_stays_has_two_facts() -> None:
    rows = fee_rows(("f1", "11:00"))["feedetail"] + fee_rows(("f2", "12:00"), mdtrt_id="M2")["feedetail"]
    facts = extract("2301", {"feedetail": rows}, None)
    assert {key: [row["feedetl_sn"] for row in told["fees"]] for key, told in facts.items()} == {
        MDTRT: ["f1"],
        "M2": ["f2"],
    }
    assert facts["M2"]["mdtrt_id"] == "M2"
    assert facts["M2"]["fees"][0]["cnt"] == "1", "counts and amounts as text"


def test_letter_forms_say_the_same() -> None:
    message = {"data": {"mdtrt_id": MDTRT, "psn_no": "P1", "mid_setl_flag": "1", "medfee_sumamt": Decimal("5.00")}}
    output = {"setlinfo": {"setl_id": "S1", "mdtrt_id": MDTRT}}
    assert extract("2304A", message, output) == extract("2304", message, output)
    assert extract("2304", message, output)[MDTRT] == {
        "mdtrt_id": MDTRT, "psn_no": "P1", "mid_setl_flag": "1", "setl_id": "S1",
    }  # fmt: skip


def test_the_revoking_answer_does_not_name_what_is_revoked() -> None:
    """The answer of 2305 carries an id of its own (2305.yaml)."""
    message = {"data": {"mdtrt_id": MDTRT, "psn_no": "P1", "setl_id": "S1"}}
    assert extract("2305", message, {"setlinfo": {"setl_id": "R1", "mdtrt_id": MDTRT}})[MDTRT]["setl_id"] == "S1"


def test_a_query_tells_of_every_visit_it_shows() -> None:
    rows = [{"mdtrt_id": number, "begntime": "2026-03-02 10:05:00", "inhosp_stas": "1"} for number in ("M1", "M2")]
    assert {key: facts["in_hospital"] for key, facts in extract("5201", {}, {"mdtrtinfo": rows}).items()} == {
        "M1": "1",
        "M2": "1",
    }
    assert extract("5201", {}, None) == {}
    assert extract("5202", {}, {"diseinfo": diagnoses("A", "B")})[MDTRT]["diagnoses"][1]["diag_code"] == "B"


def test_a_list_is_known_by_its_settlement() -> None:
    message = {"data": {"stastinfo": [{"psn_no": "P1", "setl_id": "S1", "stas_type": "1"}]}}
    assert extract("4102", message, None) == {"": {"list_status": {"S1": "1"}}}


@pytest.mark.parametrize("infno", ["1101", "2207", "3201", "9001"])
def test_others_say_nothing_of_a_stay(infno: str) -> None:
    assert extract(infno, {"data": {"mdtrt_id": MDTRT}}, {}) == {}


def test_everything_named_is_a_transaction() -> None:
    assert set(load().transactions) >= ABOUT_STAYS


def test_a_node_of_the_agent_does_not_hide_the_visit() -> None:
    message = {"agnterinfo": {"agnter_name": "张三"}, **admission("08:10")}
    assert extract("2401", message, {"result": {"mdtrt_id": "M7"}})["M7"]["ipt_no"] == "ZY1"


JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["mdtrt_id", "setl_id", "data", "result", "diseinfo", "feedetail", "stastinfo", "cnt"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(sorted(ABOUT_STAYS)), JSON, JSON)
def test_facts_are_json_whatever_the_message(infno: str, message: Any, output: Any) -> None:
    assert json.loads(json.dumps(extract(infno, message, output), ensure_ascii=False)) is not None


# ------------------------------------------------------------------ what derive makes of them


def test_removed_rows_and_interim_settlements() -> None:
    life = (
        Life()
        .reg()
        .ward("10:05")
        .change("10:05")
        .fees(("f1", "11:00"), ("f2", "11:00"))
        .settle("S1", "1")
        .fees(("f3", "12:00"))
    )
    assert {row.feedetl_sn: row.settled_by for row in life.stay.fees} == {"f1": 4, "f2": 4, "f3": 0}
    assert [row.feedetl_sn for row in life.remove("0000").stay.fees] == ["f1", "f2"], "0000 takes what is unsettled"
    assert {row.feedetl_sn: row.settled_by for row in life.revoke("S1").stay.fees} == {"f1": 0, "f2": 0}
    assert life.remove("0000").stay.fees == ()


def test_the_next_change_starts_from_the_last_one() -> None:
    life = Life().reg().ward("10:05").change("10:05", adm_bed="9床")
    assert (life.stay.registration["adm_bed"], life.stay.registration["ipt_otp_no"]) == ("9床", "ZY1")
    assert Life().reg().stay.registration["ipt_otp_no"] == "ZY1", "2401 calls it ipt_no"
    assert Life().reg().change("08:10", med_type="28").stay.med_type == "28"


def test_presence_follows_the_newest_word() -> None:
    life = Life().reg()
    walk = [life.stay.presence]
    for step in (
        lambda: life.ward("10:05"),
        life.leave,
        life.back,
        lambda: life.query("10:05", "0", "16:00"),
        life.back,
    ):
        step()
        walk.append(life.stay.presence)
    assert walk == ["registered", "in_ward", "discharged", "in_ward", "discharged", "in_ward"]
    assert life.exchange("2404", {"data": {"mdtrt_id": MDTRT, "psn_no": "P1"}}).stay.presence == "cancelled"


def test_a_reversed_admission_is_cancelled() -> None:
    life = Life().reg()
    assert life.stay.presence == "registered"
    life.exchanges[0] = replace(life.exchanges[0], undone_by=9)
    assert life.stay.presence == "cancelled"


def test_settlement_follows_its_exchanges() -> None:
    life = Life().reg().ward("10:05").change("10:05")
    walk = [life.stay.settlement]
    for step in (
        lambda: life.exchange("2303", {"data": {"mdtrt_id": MDTRT}}), lambda: life.settle("S1", "1"), lambda: life.settle("S2"),
        lambda: life.listing("1", "S2"), lambda: life.revoke("S2"), lambda: life.revoke("S1"),
    ):  # fmt: skip
        step()
        walk.append(life.stay.settlement)
    assert walk == ["none", "pre_settled", "interim", "settled", "listed", "interim", "none"]


def test_a_settlement_list_status_counts_without_the_list() -> None:
    """The list went up through the old front end; its status was changed through the gateway."""
    life = Life().reg().ward("10:05").change("10:05").leave().settle()
    facts = extract("4102", {"data": {"stastinfo": [{"setl_id": "S1", "stas_type": "2"}]}}, None)[""]
    life.exchanges.append(Acknowledged(9, "4102", "CONFIRMED", life.tick(), None, life.tick(), "", facts))
    assert (life.stay.settlement, life.stay.settlements[0].list_status) == ("listed", "2")


def test_a_ward_in_after_a_discharge_is_a_recall_once_that_is_undone() -> None:
    """Without a Recall told: HIS writes a ward-in row when it takes the patient back (ET-07)."""
    life = Life().reg().ward("10:05").change("10:05").leave("16:00").ward("17:00", "e9").void("e1")
    assert life.stay.times.t_ward is not None
    assert life.stay.times.t_ward.ref == "e9", (
        "the discharge stands: the first ward-in was entered wrongly and entered anew"
    )
    assert life.back().stay.times.t_ward is None


def test_the_last_ward_out_is_that_of_the_discharge() -> None:
    life = Life().reg().ward("10:05")
    walk = []
    for step in (
        lambda: life.tell("ward_out", "o1", "12:00", ward_code="A"),
        lambda: life.tell("transfer", "t1", "12:00", ward_code="B"),  # out of one ward and into the next
        lambda: life.tell("ward_out", "o2", "16:00", ward_code="B"),
        lambda: life.tell("recall", "r1", "16:30", ward_code="B"),
        lambda: life.tell("ward_out", "o3", "18:00", ward_code="B"),
    ):
        step()
        out = life.stay.times.t_wout
        walk.append(out.text[11:16] if out else "")
    assert walk == ["12:00", "", "16:00", "", "18:00"]


def test_death_is_told_by_the_discharge() -> None:
    life = Life().reg().ward("10:05").change("10:05").leave("10:25", die_date="2026-03-02")
    assert str(life.stay.died) == "2026-03-02"
    assert life.back().stay.died is None


def test_other_stays_of_the_same_number_are_left_out() -> None:
    life = Life().reg("08:10")
    other = extract("2401", admission("06:00"), {"result": {"mdtrt_id": "OLD"}})["OLD"]
    life.exchanges.append(Acknowledged(5, "2401", "CONFIRMED", life.tick(), None, life.tick(), "", other))
    assert life.stay.times.t_reg is not None
    assert life.stay.times.t_reg.text == "2026-03-02 08:10:00"


def test_the_messages_of_the_kit_have_the_nodes_of_the_tables() -> None:
    transactions = load().transactions
    for infno, message in (
        ("2401", admission("08:10")),
        ("2402", leaving("16:00")),
        ("2403", change("10:05")),
        ("2301", fee_rows(("f", "1"))),
    ):
        nodes = {node.name: {field.name for field in node.fields} for node in transactions[infno].input.nodes}
        for name, value in message.items():
            rows = value if isinstance(value, list) else [value]
            known = nodes[name] | ({"mdtrt_id"} if name == "diseinfo" else set())
            assert set().union(*rows) <= known, (infno, name)
