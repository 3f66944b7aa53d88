"""人民币大写: amounts as receipts write them out (票据法, 支付结算办法 附件一《正确填写票据和结算凭证的基本规定》)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"
_PLACES: Final = ("", "拾", "佰", "仟")
_MYRIADS: Final = ("", "万", "亿", "万亿")
YUAN_MAX: Final = 10**16
"""The first amount that has no name here; the national amounts have 14 digits before the point."""


def capitals(amount: Decimal) -> str:
    """An amount in capital characters.

    Args:
        amount: yuan, two decimals at most, |amount| < 10**16.

    Raises:
        ValueError: more decimals than 分, or too large.
    """
    cents = amount * 100
    if not amount.is_finite() or cents != cents.to_integral_value() or abs(amount) >= YUAN_MAX:
        raise ValueError(f"{amount} 不能写成人民币大写")
    yuan, rest = divmod(abs(int(cents)), 100)
    sign = "负" if cents < 0 else ""
    return f"人民币{sign}{_yuan(yuan, rest)}{_rest(yuan, rest)}"


def _yuan(yuan: int, rest: int) -> str:
    if yuan:
        return f"{_number(yuan)}元"
    return "" if rest else "零元"


def _rest(yuan: int, rest: int) -> str:
    jiao, fen = divmod(rest, 10)
    if not rest:
        return "整"
    if not fen:
        return f"{_DIGITS[jiao]}角整"
    if jiao:
        return f"{_DIGITS[jiao]}角{_DIGITS[fen]}分"
    return f"{'零' if yuan else ''}{_DIGITS[fen]}分"


def _number(value: int) -> str:
    """A positive integer, group by group; a gap of any length is one 零."""
    text, gap = "", False
    for place in range(len(_MYRIADS) - 1, -1, -1):
        group = value // 10000**place % 10000
        if not group:
            gap = bool(text)
            continue
        if text and (gap or group < 1000):
            text += "零"
        # 万亿 stands before 亿: 壹万贰仟亿, not 壹万亿贰仟亿
        unit = "万" if place == 3 and value // 10000**2 % 10000 else _MYRIADS[place]
        text, gap = text + _group(group) + unit, False
    return text


def _group(group: int) -> str:
    text, gap = "", False
    for place in range(3, -1, -1):
        digit = group // 10**place % 10
        if digit:
            text += ("零" if gap else "") + _DIGITS[digit] + _PLACES[place]
            gap = False
        else:
            gap = bool(text)
    return text
