"""What a 2302 would take back: the rows, their sum, why it may not be."""

from __future__ import annotations

from decimal import Decimal

from gateway.stays.facts import ALL_FEES
from gateway.stays.fee_undo import ROWS_MAX, fee_undo
from tests.stays.kit import MDTRT, Life, fee


def life(*rows: tuple[str, str]) -> Life:
    return Life().reg("08:10").ward("10:05").change("10:05").fees(*rows)


THREE = (("f1", "11:00"), ("f2", "12:00"), ("f3", "13:00"))


def test_chosen_rows_are_named_with_their_sum() -> None:
    found = fee_undo(life(*THREE).stay, ["f1", "f3"])
    assert ([row.feedetl_sn for row in found.rows], found.problems, found.whole) == (["f1", "f3"], (), False)
    assert found.amount == sum((row.amount for row in found.rows), Decimal(0)) > 0
    whole = fee_undo(life(*THREE).stay, [ALL_FEES])
    assert (len(whole.rows), whole.whole, whole.problems) == (3, True, ())


def test_what_is_gone_settled_too_much_or_nothing_is_said() -> None:
    assert "没有选择" in fee_undo(life(*THREE).stay, []).problems[0]
    assert "f9" in fee_undo(life(*THREE).stay, ["f1", "f9"]).problems[0]
    assert "f1" in fee_undo(life(*THREE).remove("f1").stay, ["f1"]).problems[0]
    interim = life(*THREE).settle(mid="1").fees(("f4", "14:00"))
    assert "已结算" in fee_undo(interim.stay, ["f1", "f4"]).problems[0]
    assert [row.feedetl_sn for row in fee_undo(interim.stay, [ALL_FEES]).rows] == ["f4"]
    assert "没有未结算" in fee_undo(life(*THREE).remove(ALL_FEES).stay, [ALL_FEES]).problems[0]
    many = life(*((f"g{number}", "11:00") for number in range(ROWS_MAX + 1)))
    assert f"最多撤销 {ROWS_MAX}" in fee_undo(many.stay, [f"g{number}" for number in range(ROWS_MAX + 1)]).problems[0]


def test_a_refund_goes_with_what_it_refunds() -> None:
    there, refund = life(*THREE), fee("r1", "15:00", init="f1", amount="-10.00", cnt="-1") | {"mdtrt_id": MDTRT}
    there.exchange("2301", {"feedetail": [refund]})
    assert "r1" in fee_undo(there.stay, ["f1"]).problems[0]
    both = fee_undo(there.stay, ["f1", "r1"])
    assert (both.problems, both.amount) == ((), Decimal(0))
