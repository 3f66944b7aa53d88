"""The registry of the verb ``function``: what no other verb can say, as pure functions of texts.

A function takes as many texts as its signature names and returns a text, or raises ValueError with a Chinese
sentence about the value. Each is tested by name in ``tests/contract/test_dialect_functions.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from inspect import signature

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def certno_to_18(certno: str) -> str:
    """An identity number of 15 digits as one of 18 (GB 11643); 18 stay as they are, ``x`` in capitals."""
    number = certno.strip().upper()
    if len(number) == 15 and _digits(number):
        return _with_check(number[:6] + "19" + number[6:])
    return _checked(number)


def birth_date_from_certno(certno: str) -> str:
    """The date of birth (yyyy-MM-dd) in an identity number."""
    digits = certno_to_18(certno)[6:14]
    try:
        return datetime.strptime(digits, "%Y%m%d").strftime("%Y-%m-%d")  # noqa: DTZ007  a date without a zone
    except ValueError:
        raise ValueError(f"身份证号中的出生日期“{digits}”不存在") from None


def gender_from_certno(certno: str) -> str:
    """1 男 or 2 女 (code list ``gend``), from the 17th digit of an identity number."""
    return "1" if int(certno_to_18(certno)[16]) % 2 else "2"


def _checked(number: str) -> str:
    if len(number) != 18 or not _digits(number[:17]):
        raise ValueError("身份证号应为 15 位或 18 位数字")
    if _with_check(number[:17]) != number:
        raise ValueError("身份证号的校验位不对")
    return number


def _with_check(first17: str) -> str:
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first17, strict=True))
    return first17 + _CHECKS[total % 11]


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


FUNCTIONS: Mapping[str, Callable[..., str]] = {
    "certno_to_18": certno_to_18,
    "birth_date_from_certno": birth_date_from_certno,
    "gender_from_certno": gender_from_certno,
}


def argument_count(name: str) -> int:
    """How many values the function ``name`` takes."""
    return len(signature(FUNCTIONS[name]).parameters)
