"""Totals and lines that no detail tells of, without a store and a platform."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.reconcile.cases import Detail, asked_again, insutypes_of, over, unexplained, untyped
from gateway.reconcile.compare import KINDS, Amounts, Difference, Kind, Line, yuan
from gateway.store.recon import Case, NewCase, Part
from tests.exchange.kit import START

LINE = Line(7, "2207", "M7", "S7", "V7", "P7", "2026-11-21", "440800", "310", "11", Amounts(yuan("10.05")), yuan("1"))
TOTAL = Part("2026-11-21", "total", "440800", "310", "11", "uneven", 1, -1005, 0, 5, 100, "不平", 33, START)
DETAIL = replace(TOTAL, kind="detail", insutype="-", state="even", exchange_id=34)


def detail(state: Any, *insutypes: str) -> Detail:
    return Detail(replace(DETAIL, state=state), insutypes=frozenset(insutypes))


def difference(exchange_id: int | None) -> Difference:
    return Difference(Kind.ONLY_HERE, "", "S7", "M7", "P7", "V7", False, exchange_id, None, None)


@pytest.mark.parametrize(
    ("of_detail", "opens"),
    [
        (detail("even"), True),
        (detail("uneven", "310"), False),
        (detail("uneven", ""), False),
        (detail("uneven", "390"), True),
        (detail("failed"), False),
    ],
)
def test_a_total_is_a_case_unless_its_detail_says_why(of_detail: Detail, opens: bool) -> None:
    found = list(unexplained([TOTAL, replace(TOTAL, clr_type="21", state="even")], [of_detail]))
    assert bool(found) is opens
    for case in found:
        assert (case.kind, case.exchange_id, case.content["ours"]["medfee_sumamt"]) == ("total_uneven", 33, "-10.05")


def test_a_total_that_failed_or_is_even_is_none() -> None:
    assert not list(unexplained([replace(TOTAL, state="failed"), replace(TOTAL, state="even")], [detail("even")]))


def test_whose_total_a_difference_makes_uneven() -> None:
    assert insutypes_of([difference(7)], [LINE]) == {"310"}
    assert insutypes_of([difference(None), difference(8)], [LINE]) == {""}, "a line that only the platform has"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (replace(LINE, insutype="-"), "不知道险种，"),
        (replace(LINE, clr_type="-"), "不知道清算类别，"),
        (replace(LINE, insutype="-", clr_type="-", refund=True), "不知道险种、清算类别，"),
    ],
)
def test_a_line_without_types_is_a_case(line: Line, said: str) -> None:
    (case,) = untyped([LINE, line])
    assert (case.kind, case.exchange_id, case.content["refund"]) == ("no_type", 7, line.refund)
    assert said in case.content["cause"]


def kept(new: NewCase) -> Case:
    return Case(1, "2026-11-21", new.kind, "open", new.setl_optins, new.clr_type, new.msgid, new.exchange_id,
                {**new.content, "key": new.key}, START, START + timedelta(days=1))  # fmt: skip


@pytest.mark.parametrize(
    ("total", "of_detail", "is_over"),
    [
        ("even", "even", True),
        ("even", None, True),
        ("failed", "even", False),
        ("uneven", "failed", False),
        ("uneven", "uneven", True),
        (None, "even", False),
    ],
)
def test_a_total_is_over_when_it_is_even_or_its_detail_tells_why(total: Any, of_detail: Any, is_over: bool) -> None:
    (new,) = unexplained([TOTAL], [detail("even")])
    totals = [replace(TOTAL, state=total)] if total else []
    assert over(totals, [detail(of_detail)] if of_detail else [])(kept(new)) is is_over
    assert asked_again([kept(new)]) == {("440800", "310", "11")}


def test_any_other_case_is_over_when_its_group_was_compared() -> None:
    case = kept(NewCase("only_here", "440800", "11", "M7", 7, "S7|", {}))
    even, other = replace(TOTAL, state="even"), replace(TOTAL, state="even", insutype="390")
    assert over([TOTAL], [detail("even")])(case)
    assert not over([even], [detail("failed")])(case)
    assert over([even, other], [])(case)
    assert not over([even, replace(other, state="failed")], [])(case)
    assert not over([], [])(case)
    assert asked_again([case]) == set()
    (line,) = untyped([replace(LINE, clr_type="-")])
    assert over([], [])(kept(line)), "the journal alone tells"


def test_every_kind_has_a_name() -> None:
    assert set(KINDS) == set(Kind)
    assert KINDS["no_type"] == "类别不明"  # type: ignore[index]  # as pages look it up
