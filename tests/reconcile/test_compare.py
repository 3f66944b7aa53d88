"""The pure comparison: whatever the two sides hold, every difference is named once, and only those."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.reconcile.compare import Amounts, Kind, Known, Line, Told, differences, read_told, totals, yuan

CENTS = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100)


def line(number: int, amounts: Amounts, *, refund: bool = False) -> Line:
    return Line(number, "2207", f"M{number}", f"S{number}", "V", "P", "2026-11-21", "440800", "310", "11",
                amounts, Decimal(0), refund)  # fmt: skip


def told(one: Line, result: str, **changes: object) -> Told:
    there = Told(one.psn_no, one.mdtrt_id, one.setl_id, one.msgid, result, one.refund, "", one.amounts)
    return replace(there, **changes)


LINES = st.lists(st.builds(Amounts, CENTS, CENTS, CENTS), max_size=8).map(
    lambda found: [line(number, amounts) for number, amounts in enumerate(found)]
)
FATES = st.lists(st.sampled_from(["even", "unmentioned", "amount", "gone", "extra", "doubt", "reversed"]), min_size=8)


@settings(max_examples=150, deadline=None)
@given(LINES, FATES, st.randoms(use_true_random=False))
def test_every_difference_is_found_once_and_nothing_else(lines: list[Line], fates: list[str], random: object) -> None:
    result: list[Told] = []
    known: dict[str, Known] = {}
    wanted: dict[str, Kind] = {}
    for one, fate in zip(lines, fates, strict=False):
        other = told(one, "1", setl_id="", mdtrt_id="", msgid=f"X{one.msgid}")
        if fate == "even":
            result.append(told(one, "0"))
        elif fate == "amount":
            more = one.amounts._replace(acct_pay=one.amounts.acct_pay + Decimal("0.01"))
            result.append(told(one, "3", amounts=more))
            wanted[one.setl_id] = Kind.AMOUNT
        elif fate == "gone":
            result.append(told(one, "2", msgid=""))
            wanted[one.setl_id] = Kind.ONLY_HERE
        elif fate != "unmentioned":
            result += [told(one, "0"), other]
            wanted[other.msgid] = {
                "extra": Kind.ONLY_THERE, "doubt": Kind.IN_DOUBT, "reversed": Kind.REVOKED
            }[fate]  # fmt: skip
            if fate != "extra":
                state = "IN_DOUBT" if fate == "doubt" else "REVERSED"
                known[other.msgid] = Known(7, "2207", state, fate == "doubt", in_force=False)
    random.shuffle(result)  # type: ignore[attr-defined]
    found = differences(lines, [*result, *result], known)
    assert {one.setl_id or one.msgid: one.kind for one in found} == wanted
    assert len(found) == len(wanted)
    assert all(one.cause for one in found)


@given(LINES)
@settings(max_examples=30, deadline=None)
def test_a_settlement_and_its_cancelling_are_nothing(lines: list[Line]) -> None:
    mirrored = [replace(one, amounts=Amounts(*(-part for part in one.amounts)), refund=True) for one in lines]
    sums, _, count = totals([*lines, *mirrored])
    assert sums == Amounts(Decimal(0), Decimal(0), Decimal(0))
    assert count == 2 * len(lines)
    assert all(len(one.columns) == 7 for one in mirrored)


@pytest.mark.parametrize(
    ("code", "amounts", "kind"),
    [
        ("0", Amounts(Decimal(1)), None),
        ("000000", None, None),
        ("0", Amounts(Decimal(2)), Kind.AMOUNT),
        ("2", None, Kind.ONLY_HERE),
        ("99", None, Kind.ONLY_HERE),
        ("000102", None, Kind.ONLY_HERE),
        ("000103", None, Kind.AMOUNT),
        ("3", Amounts(Decimal(1)), Kind.AMOUNT),
    ],
)
def test_the_codes_of_the_regions(code: str, amounts: Amounts | None, kind: Kind | None) -> None:
    one = line(1, Amounts(Decimal(1)))
    found = differences([one], [told(one, code, amounts=amounts)], {})
    assert [each.kind for each in found] == ([kind] if kind else [])


def test_a_result_of_seven_or_ten_columns_is_read() -> None:
    short = read_told(["P", "V", "S", "M", " 0 ", "1", "memo"])
    assert (short.amounts, short.refund, short.stmt_rslt) == (None, True, "0")
    assert read_told(["P", "V", "S", "M", "0", "0", "", "1.5", "", "0"]).amounts == Amounts(Decimal("1.50"))


@pytest.mark.parametrize("text", ["1,5", "NaN", "1e99", "--"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="金额"):
        yuan(text)
