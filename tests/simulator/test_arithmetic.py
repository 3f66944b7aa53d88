"""The figures of a settlement: to the cent, never negative, the same before and after."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.simulator import Simulator
from gateway.simulator.arithmetic import POLICIES, settle, split

amounts = st.decimals(min_value=0, max_value=Decimal("99999999.99"), places=2)
codes = st.sampled_from(["XN02BEA000", "C0101", "c9", "001101", "T0001"])
lines = st.tuples(amounts, codes, st.sampled_from(["", "0", "1", "2"]))


@pytest.mark.parametrize(
    ("kind", "rows", "used", "balance", "account", "expected"),
    [
        # total, own, first, scope, deductible, fund, account, cash; by hand from docs/using/simulator.md
        ("stay", [("1000.00", "X", "")], "0", "0", False, "1000 0 0 1000 500 400 0 600"),
        ("stay", [("1000.00", "X", "2")], "0", "50", True, "1000 1000 0 0 0 0 50 950"),
        ("stay", [("1000.00", "C", "")], "0", "0", False, "1000 0 100 900 500 320 0 680"),
        ("stay", [("0.01", "X", "")], "500", "9", True, "0.01 0 0 0.01 0 0.01 0 0"),
        ("stay", [("0.02", "X", "")], "500", "9", True, "0.02 0 0 0.02 0 0.02 0 0"),
        ("stay", [("300.00", "X", "")], "0", "1000", True, "300 0 0 300 300 0 300 0"),
        ("visit", [("0.06", "C", ""), ("10.00", "X", "0")], "0", "1", True, "10.06 0 0.01 10.05 0 8.04 1 1.02"),
        ("purchase", [("20.00", "X", "")], "0", "5", True, "20 0 0 20 0 0 5 15"),
    ],
)
def test_by_hand(kind: Any, rows: Any, used: str, balance: str, account: bool, expected: str) -> None:
    figures = settle(
        (split(Decimal(amount), code, approval) for amount, code, approval in rows),
        POLICIES[kind],
        deductible_used=Decimal(used),
        balance=Decimal(balance),
        use_account=account,
    )
    got = (figures.total, figures.full_self_pay, figures.first_self_pay, figures.in_scope, figures.deductible,
           figures.fund, figures.account, figures.cash)  # fmt: skip
    assert got == tuple(map(Decimal, expected.split()))


@given(
    rows=st.lists(lines, max_size=40),
    kind=st.sampled_from(sorted(POLICIES)),
    used=st.sampled_from(["0", "123.45", "500", "900"]),
    balance=amounts,
    account=st.booleans(),
    refunded=st.integers(0, 40),
)
def test_adds_up_and_is_never_negative(
    rows: Any, kind: Any, used: str, balance: Decimal, account: bool, refunded: int
) -> None:
    splits = [split(*row) for row in rows]
    splits += [split(-amount, code, approval) for amount, code, approval in rows[:refunded]]
    figures = settle(
        splits, POLICIES[kind], deductible_used=Decimal(used), balance=balance, use_account=account
    )  # fmt: skip
    assert figures.total == sum(part.amount for part in splits)
    assert figures.total == figures.fund + figures.account + figures.cash
    assert figures.total == figures.full_self_pay + figures.first_self_pay + figures.in_scope
    assert figures.balance == balance - figures.account
    money = (figures.fund, figures.account, figures.cash, figures.full_self_pay, figures.first_self_pay,
             figures.in_scope, figures.deductible, figures.balance)  # fmt: skip
    assert all(value >= 0 and value == value.quantize(Decimal("0.01")) for value in money)
    assert figures.deductible + Decimal(used) <= max(POLICIES[kind].deductible, Decimal(used))


@given(row=lines)
def test_a_line_splits_without_rest_and_its_refund_is_the_mirror(row: Any) -> None:
    whole, refund = split(*row), split(-row[0], *row[1:])
    assert whole.amount == whole.full_self_pay + whole.first_self_pay + whole.in_scope
    parts = ("amount", "full_self_pay", "first_self_pay", "in_scope")
    assert all(getattr(whole, name) == -getattr(refund, name) for name in parts)


visits = itertools.count(1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows=st.lists(lines, min_size=1, max_size=12), account=st.booleans())
def test_pre_settlement_equals_settlement(hospital: Any, simulator: Simulator, rows: Any, account: bool) -> None:
    number = next(visits)
    patient = hospital.person(f"4408021990{number:08d}")
    stay = hospital.admit(patient, f"ZY{number}")
    details = [
        {"feedetl_sn": f"F{place}", "mdtrt_id": stay, "psn_no": patient, "det_item_fee_sumamt": str(amount),
         "cnt": "1", "pric": str(amount), "med_list_codg": code, "hosp_appr_flag": approval}
        for place, (amount, code, approval) in enumerate(rows)
    ]  # fmt: skip
    hospital.do("2301", {"feedetail": details})
    total, flag = str(sum(amount for amount, _, _ in rows)), "1" if account else "0"
    before = simulator.ledger()["settlements"]
    trial = hospital.settle("2303", patient, stay, total, acct_used_flag=flag)
    assert simulator.ledger()["settlements"] == before
    settled = hospital.settle("2304", patient, stay, total, acct_used_flag=flag)
    own = {"setl_id", "medins_setl_id"}
    assert {key: value for key, value in settled["setlinfo"].items() if key not in own} == {
        key: value for key, value in trial["setlinfo"].items() if key not in own
    }
    assert trial["setldetail"] == settled["setldetail"]
