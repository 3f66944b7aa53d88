"""What a settlement list says again of the settlement: only what can be read in one way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.interface import Interface
from gateway.mappings import load
from gateway.rules.stay import Settled
from gateway.stays.desk import Judged
from gateway.stays.list_values import of_rows, of_settlement, of_stay
from gateway.stays.lists import ListForm, list_message, list_transaction
from tests.rules.lists import settled

FORM = ListForm("H44080000001", "演示医院")
PAID = {"psn_part_amt": "30.00", "fulamt_ownpay_amt": "10.00", "overlmt_selfpay": "0.00"}


def answered(**figures: str) -> Settled:
    (one,) = settled().stay.settlements
    return replace(one, figures=figures)


@pytest.mark.parametrize(
    ("province", "wanted", "infno"),
    [
        ("national", "", "4101A"),
        ("guangdong", "", "4101A"),
        ("hunan", "", "4101"),
        ("hunan", "4101A", "4101A"),
        ("guangdong", "4101", "4101"),
    ],
)
def test_which_transaction_a_province_takes(province: str, wanted: str, infno: str) -> None:
    assert list_transaction(load(province), wanted).infno == infno


def test_a_province_without_the_one_wanted_gets_the_other() -> None:
    contract = load()
    without = replace(contract, transactions={k: v for k, v in contract.transactions.items() if k != "4101A"})
    assert list_transaction(without, "4101A").infno == "4101"


@given(part=st.integers(0, 10**9), full=st.integers(0, 10**9))
def test_own_money_is_the_whole_of_what_the_person_bore(part: int, full: int) -> None:
    figures = {"psn_part_amt": Decimal(part) / 100, "fulamt_ownpay_amt": Decimal(full) / 100, "overlmt_selfpay": "0"}
    found = of_settlement(answered(**{name: str(value) for name, value in figures.items()}))
    if full > part:
        assert "psn_selfpay" not in found
    else:
        assert Decimal(found["psn_selfpay"]) + Decimal(found["psn_ownpay"]) == figures["psn_part_amt"]


@pytest.mark.parametrize("more", [{"overlmt_selfpay": "0.01"}, {"overlmt_selfpay": ""}, {"psn_part_amt": "x"}])
def test_what_can_be_read_in_two_ways_is_left_to_the_hospital(more: dict[str, str]) -> None:
    assert of_settlement(answered(**PAID))["psn_selfpay"] == "20.00"
    assert "psn_selfpay" not in of_settlement(answered(**{**PAID, **more}))


def test_papers_and_insurance_are_told_only_where_the_lists_agree() -> None:
    papers = {"01": "01", "02": "04", "04": "06", "06": "07", "16": "03", "90": None, "": None}
    for given_, wanted in papers.items():
        assert of_settlement(answered(psn_cert_type=given_))["patn_cert_type"] == wanted
    values = load().codes["mdcs_type"].values
    for insutype in load().codes["insutype"].values:
        found = of_settlement(answered(insutype=insutype))["hi_type"]
        assert found == (insutype if insutype in values else None)


@pytest.mark.parametrize(
    ("born", "told"),
    [("1980-05-01", ("age", "45")), ("2026-03-01", ("nwb_age", "1")), ("", None), ("2027-01-01", None)],
)
def test_age_is_in_years_from_the_first_year_on_else_in_days(born: str, told: tuple[str, str] | None) -> None:
    found = of_stay(answered(brdy=born), "", "", ())
    ages = {name: value for name, value in found.items() if "age" in name}
    assert ages == (dict([told]) if told else {})


def test_a_day_surgery_is_told_from_a_stay_and_a_day_is_one() -> None:
    one = answered()
    assert one.t_set is not None
    day = one.t_set.text
    assert of_stay(one, day, "28", {"28"}) == {"ipt_med_type": "2", "act_ipt_days": "1"}
    assert of_stay(one, "", "21", {"28"}) == {"ipt_med_type": "1"}


def test_blood_of_several_kinds_is_not_put_into_one_field() -> None:
    blood = {"bld_cat": "1", "bld_amt": "200", "bld_unt": "1"}
    empty: dict[str, list[dict[str, str]]] = {"diseinfo": [], "oprninfo": [], "bldinfo": [blood]}
    assert of_rows(empty)["bld_amt"] == "200"
    assert of_rows({**empty, "bldinfo": [blood, blood]})["bld_amt"] is None


@pytest.mark.parametrize("province", ["national", "guangdong", "hebei", "hunan", "jiangsu"])
def test_both_transactions_tell_the_same_list(province: str) -> None:
    life = settled()
    judged, (one,) = Judged(life.stay, life.history, {}), life.stay.settlements
    interface = Interface(load(province))
    messages: list[dict[str, Any]] = []
    for infno in ("4101A", "4101"):
        message = list_message(judged, one, interface.contract.transactions[infno], FORM)
        _, found = interface.input(infno).check(message)
        wrong = [problem for problem in found.problems if problem.rule != "required"]
        assert not wrong, "nothing is filled in that the interface does not take"
        messages.append(message)
    short, full = (message["setlinfo"] for message in messages)
    shared = short.keys() & full.keys()
    assert {name: short[name] for name in shared} == {name: full[name] for name in shared}
    assert {"adm_time", "dscg_time", "setl_id"} <= shared
