"""The comparison finds every difference, whichever side it is on, and names it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.compare import ABSENT, Check, Printed, compare
from tests.demo.story import NUMBERS, SETL, STAY, ledger, received, recorded

Ledger = dict[str, Any]


def different(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.subject, check.field) for check in checks if not check.equal]


def test_three_sides_that_agree() -> None:
    checks = compare(received(), recorded(), ledger())
    assert different(checks) == []
    # the refusal, four exchanges and the repeat; each leaf of the messages; the stay with two lines; the settlement
    assert {check.subject for check in checks} >= {
        "01 2401 入院办理",
        "06 2304 交易2304",
        f"就诊 {STAY}",
        f"结算 {SETL}",
    }
    assert sum(check.detail for check in checks) > 40


def test_what_the_platform_has_otherwise_is_named_with_both_values() -> None:
    altered = ledger()
    altered["settlements"][0]["psn_cash_pay"] = Decimal("10.01")
    (check,) = [check for check in compare(received(), recorded(), altered) if not check.equal]
    assert (check.subject, check.field) == (f"结算 {SETL}", "psn_cash_pay")
    assert (check.client, check.journal, check.platform) == ("10.00", "10.00", "10.01")


def _set(path: str, value: Any) -> Callable[[Ledger], None]:
    def change(books: Ledger) -> None:
        *way, last = path.split("/")
        place: Any = books
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value

    return change


LEDGER_CHANGES: list[tuple[Callable[[Ledger], None], str, str]] = [
    (_set("stays/0/begntime", "2026-11-18 10:05:00"), f"就诊 {STAY}", "begntime"),
    (_set("stays/0/endtime", ""), f"就诊 {STAY}", "endtime"),
    (_set("stays/0/ipt_no", "ZY2"), f"就诊 {STAY}", "ipt_no/ipt_otp_no"),
    (_set("stays/0/state", "in_hospital"), f"就诊 {STAY}", "state"),
    (_set("stays/0/fees/sumamt", Decimal("35.74")), f"就诊 {STAY}", "费用合计"),
    (_set("stays/0/fees/count", 3), f"就诊 {STAY}", "费用条数"),
    (_set("stays/0/fee_lines/1/det_item_fee_sumamt", Decimal("9.99")), f"就诊 {STAY}", "费用明细 ZY1-2"),
    (_set("stays/0/diagnoses/1/diag_code", "J18.901"), f"就诊 {STAY}", "诊断"),
    (_set("settlements/0/medfee_sumamt", Decimal("35.72")), f"结算 {SETL}", "medfee_sumamt"),
    (_set("settlements/0/fund_pay_sumamt", Decimal(0)), f"结算 {SETL}", "fund_pay_sumamt"),
    (_set("settlements/0/acct_pay", Decimal("5.7")), f"结算 {SETL}", "acct_pay"),
    (_set("settlements/0/state", "revoked"), f"结算 {SETL}", "state"),
    (_set("settlements/0/msgid", NUMBERS["2402"]), f"结算 {SETL}", "msgid"),
    (_set(f"requests/{NUMBERS['2301']}", 2), "03 2301 交易2301", "平台收到次数"),
    (_set(f"executed/{NUMBERS['2402']}", "2405"), "04 2402 交易2402", "平台办理"),
    (_set("requests/H44080000001202611211015009999", 1), "全部交易", "报文数（msgid）"),
]


@pytest.mark.parametrize(("change", "subject", "field"), LEDGER_CHANGES)
def test_every_altered_field_of_the_ledger_is_found(change: Callable[[Ledger], None], subject: str, field: str) -> None:
    altered = ledger()
    change(altered)
    assert (subject, field) in different(compare(received(), recorded(), altered))


def test_a_second_settlement_at_the_platform_is_found() -> None:
    altered = ledger()
    altered["settlements"].append({**altered["settlements"][0], "setl_id": "twice"})
    checks = compare(received(), recorded(), altered)
    (check,) = [one for one in checks if one.subject == "结算 twice" and one.field == "setl_id"]
    assert (check.client, check.journal, check.platform, check.equal) == (ABSENT, ABSENT, "twice", False)


def test_a_stay_that_the_platform_lost_is_found() -> None:
    altered = {**ledger(), "stays": []}
    assert (f"就诊 {STAY}", "mdtrt_id") in different(compare(received(), recorded(), altered))


RECEIPT = {
    "step": 7,
    "output": {
        "title": "出院结算收据",
        "admitted": "2026-11-18 09:12",
        "item": [
            {"name": "mdtrt_id", "value": STAY},
            {"name": "setl_id", "value": SETL},
            {"name": "discharged", "value": "2026-11-21 15:30"},
            {"name": "medfee_sumamt", "value": "35.73"},
        ],
    },
}


def on_paper(admitted: str = "2026-11-18 09:12", sums: str = "35.73") -> list[tuple[str, str]]:
    printed = Printed.read(RECEIPT)
    printed = replace(printed, admitted=admitted, items={**printed.items, "medfee_sumamt": sums})
    return different(compare(received(), recorded(), ledger(), printed=[printed]))


def test_a_voucher_says_what_was_settled() -> None:
    assert on_paper() == []
    assert on_paper(admitted="2026-11-18 09:13") == [("出院结算收据 07", "入院时间")]
    assert on_paper(sums="35.74") == [("出院结算收据 07", "医疗费总额")]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("state", "IN_DOUBT", "state"),
        ("infcode", "-1", "infcode"),
        ("code", "GW-3000", "code"),
        ("sent_msgid", "H44080000001202611211015009998", "msgid"),
        ("msgid", "H44080000001202611211015009998", "日志中的条数"),
    ],
)
def test_every_altered_column_of_the_journal_is_found(name: str, value: str, field: str) -> None:
    rows = recorded()
    altered: dict[str, Any] = {name: value}
    rows[-1] = replace(rows[-1], **altered)
    assert ("05 2304 交易2304", field) in different(compare(received(), rows, ledger()))


def test_a_row_that_the_journal_lacks_and_one_too_many_are_found() -> None:
    rows = recorded()
    assert ("04 2402 交易2402", "日志中的条数") in different(compare(received(), [*rows[:3], rows[4]], ledger()))
    stranger = replace(rows[-1], msgid="H44080000001202611211015009997")
    assert ("全部交易", "笔数") in different(compare(received(), [*rows, stranger], ledger()))


def test_a_repeat_that_was_answered_with_another_settlement_is_found() -> None:
    told = received()
    output = copy.deepcopy(told[-1].output)
    output["setlinfo"]["setl_id"] = "44080020000000000100000002"
    told[-1] = replace(told[-1], output=output)
    found = different(compare(told, recorded(), ledger()))
    assert ("06 2304 交易2304", "应答 setlinfo[1].setl_id") in found


def _other(value: Any) -> Any:
    return value + Decimal("0.01") if isinstance(value, Decimal) else value + "x"


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Keys and indexes that lead to each leaf."""
    if not isinstance(value, dict | list):
        return [way]
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    return [found for step, item in steps for found in _places(item, (*way, step))]


LEAVES = [
    (at, side, way)
    for at, row in enumerate(recorded())
    for side in ("sent", "output")
    for way in _places(getattr(row, side))
    if way
]


@given(st.sampled_from(LEAVES))
def test_any_altered_leaf_of_a_recorded_message_is_found(place: tuple[int, str, tuple[Any, ...]]) -> None:
    at, side, way = place
    rows = recorded()
    message: Any = copy.deepcopy(getattr(rows[at], side))
    parent: Any = message
    for step in way[:-1]:
        parent = parent[step]
    parent[way[-1]] = _other(parent[way[-1]])
    rows[at] = replace(rows[at], **{side: message})
    kind = "请求" if side == "sent" else "应答"
    found = different(compare(received(), rows, ledger()))
    assert any(field.startswith(f"{kind} ") and field.endswith(f".{way[-1]}") for _, field in found)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_numbers_are_compared_as_numbers(amount: Decimal) -> None:
    told, rows = received(), recorded()
    at = 2
    told[at] = replace(told[at], sent={**told[at].sent, "x": {"y": f"{amount:.6f}"}})
    rows[at] = replace(rows[at], sent={**rows[at].sent, "x": {"y": amount}})
    assert different(compare(told, rows, ledger())) == []


def test_texts_are_compared_as_texts() -> None:
    told, rows = received(), recorded()
    told[2] = replace(told[2], sent={**told[2].sent, "x": {"y": "1"}})
    rows[2] = replace(rows[2], sent={**rows[2].sent, "x": {"y": "01"}})
    assert different(compare(told, rows, ledger())) == [("03 2301 交易2301", "请求 x[1].y")]


@pytest.mark.parametrize(
    ("code", "infcode", "state", "seen"),
    [("GW-3000", "-1", "DECLINED", 1), ("GW-4001", "-1", "NOT_SENT", 0), ("GW-4101", "", "IN_DOUBT", 1)],
)
def test_other_ends_of_an_exchange_agree_too(code: str, infcode: str, state: str, seen: int) -> None:
    told, rows, books = received()[:4], recorded()[:4], ledger()
    told[3] = replace(told[3], infcode="-1", code=code, output={})
    rows[3] = replace(rows[3], infcode=infcode, code=code, state=state, output={})
    books["requests"][told[3].msgid] = seen
    del books["executed"][told[3].msgid]
    found = [check for check in compare(told, rows, books) if check.subject == told[3].subject]
    assert [check.field for check in found if not check.equal] == []
    assert ("平台收到次数" in [check.field for check in found]) == (state != "IN_DOUBT")
    books["requests"][told[3].msgid] = 2
    twice = different(compare(told, rows, books))
    assert ((told[3].subject, "平台收到次数") in twice) == (state != "IN_DOUBT")


def test_one_side_alone_proves_nothing() -> None:
    assert not Check("s", "f", "1", None, None).equal
    assert Check("s", "f", "1", "1", None).equal
    assert not Check("s", "f", "1", "1", "2").equal
