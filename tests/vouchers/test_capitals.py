"""人民币大写 reads back as the amount it was written from."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vouchers.capitals import capitals

DIGITS = {digit: value for value, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}
UNITS = {"拾": 10, "佰": 100, "仟": 1000}


def read(text: str) -> Decimal:
    """The amount, by a reader that shares nothing with the writer."""
    text = text.removeprefix("人民币")
    sign = -1 if text.startswith("负") else 1
    text = text.removeprefix("负").removesuffix("整")
    yuan, found, rest = text.partition("元")
    if not found:
        yuan, rest = "", text
    cents = 0
    if "角" in rest:
        jiao, _, rest = rest.partition("角")
        cents += 10 * DIGITS[jiao[-1]]
    if "分" in rest:
        cents += DIGITS[rest.removesuffix("分")[-1]]
    return sign * (Decimal(_number(yuan)) + Decimal(cents) / 100)


def _number(text: str) -> int:
    for unit, value in (("亿", 10**8), ("万", 10**4)):
        if unit in text:
            high, _, low = text.rpartition(unit)
            return _number(high) * value + _number(low)
    total = digit = 0
    for character in text:
        if character in UNITS:
            total, digit = total + digit * UNITS[character], 0
        else:
            digit = DIGITS[character]
    return total + digit


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_amount_reads_back(cents: int) -> None:
    amount = Decimal(cents) / 100
    text = capitals(amount)
    assert read(text) == amount
    assert "零零" not in text
    assert not any(f"零{unit}" in text for unit in "拾佰仟万亿元角") or text == "人民币零元整"
    assert text.endswith("分") == bool(abs(cents) % 10)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "人民币零元整"),
        ("0.05", "人民币伍分"),
        ("0.5", "人民币伍角整"),
        ("10", "人民币壹拾元整"),
        ("1.05", "人民币壹元零伍分"),
        ("1409.50", "人民币壹仟肆佰零玖元伍角整"),
        ("6007.14", "人民币陆仟零柒元壹角肆分"),
        ("107000.53", "人民币壹拾万柒仟元伍角叁分"),
        ("100000001", "人民币壹亿零壹元整"),
        ("1200000000000", "人民币壹万贰仟亿元整"),
        ("1000000000000", "人民币壹万亿元整"),
        ("-5.20", "人民币负伍元贰角整"),
    ],
)
def test_as_the_rules_of_the_central_bank_write_it(amount: str, text: str) -> None:
    assert capitals(Decimal(amount)) == text


@pytest.mark.parametrize("amount", ["0.001", "1E16", "NaN", "Infinity"])
def test_what_cannot_be_written_is_named(amount: str) -> None:
    with pytest.raises(ValueError, match="大写"):
        capitals(Decimal(amount))
