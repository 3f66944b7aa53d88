"""One leaf of a message: what its field takes, read into its type, or the sentence that says what is wrong.

:func:`reader` compiles a field into a function. It answers the ordinary case itself and leaves everything else to the
full rule, so that the fast way can only ever say yes to what the rule would take as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from gateway.contract.model import Field
from gateway.contract.xml import illegal_character

Reader = Callable[[Any], Any]
"""A value that is present -> the typed value. Raises :class:`Wrong`."""

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DATETIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_XSD_DATETIME: Final = re.compile(r"([0-9-]{10})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")
_NO_DIGITS: Final = re.compile("[^0-9]")
_SHANGHAI: Final = timezone(timedelta(hours=8))
_NUMERIC: Final = (str, int, Decimal)
"""As a tuple, because ``str | int`` would be put together anew for every leaf."""
_EXPONENT_MAX: Final = 60
_INTEGER_DIGITS_MAX: Final = 18
"""Digits of a whole number whose table gives no length; JSON readers on the other side end at 64 bits."""
_TEXT_CHARS_MAX: Final = 1 << 30


class Wrong(Exception):
    """A leaf value that does not fit its field; carries the rule and the sentence."""

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        self.text = text
        super().__init__(text)


def _string(spec: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("type", "应为文本" + ("，JSON 中请加引号" if isinstance(value, int | Decimal) else ""))
    if spec.length is not None and len(value) > spec.length:
        raise Wrong("length", f"长度 {len(value)} 超过 {spec.length} 个字符")
    # nearly every text is printable, and nothing printable is illegal: asking that first saves a search per leaf
    if not value.isprintable() and (bad := illegal_character(value)):
        raise Wrong("character", f"含有不能上传的字符 {bad}")
    return value


def printable(value: Decimal) -> bool:
    """Whether it can be written out without exponent: 1E-999999999 would fill the memory with zeros."""
    return (
        value.is_finite() and abs(int(value.as_tuple().exponent)) <= _EXPONENT_MAX and value.adjusted() <= _EXPONENT_MAX
    )


def _digits(value: Any) -> tuple[str, str, str]:
    """Sign, whole part and fraction of a number as printed."""
    if isinstance(value, bool) or not isinstance(value, _NUMERIC):
        raise Wrong("type", "应为数字")
    if isinstance(value, Decimal) and not printable(value):
        raise Wrong("precision", "数字过大或小数位过多")
    match = _NUMBER.fullmatch(format(value, "f") if isinstance(value, Decimal) else str(value))
    if match is None:
        raise Wrong("type", "应为数字")
    return match[1], match[2], match[3] or ""


def _integer(spec: Field, value: Any) -> int:
    sign, whole, fraction = _digits(value)
    if fraction:
        raise Wrong("scale", "应为整数")
    digits_max = _INTEGER_DIGITS_MAX if spec.length is None else spec.length
    if len(whole.lstrip("0")) > digits_max:
        raise Wrong("length", f"超过 {digits_max} 位数字")
    return int(sign + (whole.lstrip("0") or "0"))


def _decimal(spec: Field, value: Any) -> Decimal:
    sign, whole, fraction = _digits(value)
    if spec.scale is not None and len(fraction) > spec.scale:
        raise Wrong("scale", f"小数 {len(fraction)} 位，超过 {spec.scale} 位")
    whole_max = (spec.precision or 40) - (spec.scale or 0)
    if len(whole.lstrip("0")) > whole_max:
        raise Wrong("precision", f"整数部分超过 {whole_max} 位")
    return Decimal(f"{sign}{whole}.{fraction}" if fraction else sign + whole)


def _calendar(text: str, pattern: re.Pattern[str], shown: str) -> None:
    match = pattern.fullmatch(text)
    if match is None:
        raise Wrong("date", f"应为 {shown}")
    if not _in_calendar(text):
        raise Wrong("date", "日历上没有这一天或这一刻")


@lru_cache(1024)
def _in_calendar(text: str) -> bool:
    """Rows of one upload share few moments, so most are known already."""
    try:
        datetime(*map(int, _NO_DIGITS.split(text)))  # type: ignore[arg-type]  # noqa: DTZ001  only whether there is one
    except ValueError:
        return False
    return True


def _date(spec: Field, value: Any) -> str:
    text = _string(spec, value)
    _calendar(text, _DATE, "yyyy-MM-dd")
    return text


def _datetime(spec: Field, value: Any) -> str:
    """The national form as printed; an ``xs:dateTime`` is converted to Shanghai time, never string-cut (rule C4)."""
    text = _string(spec, value)
    if (iso := _XSD_DATETIME.fullmatch(text)) is not None:
        text = _in_shanghai(iso)
    _calendar(text, _DATETIME, "yyyy-MM-dd HH:mm:ss")
    return text


def _in_shanghai(iso: re.Match[str]) -> str:
    day, clock, offset = iso.groups()
    if offset is None:
        return f"{day} {clock}"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(_SHANGHAI)
    except (ValueError, OverflowError):
        raise Wrong("date", "应为 yyyy-MM-dd HH:mm:ss 的有效日期") from None
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _string_reader(spec: Field) -> Reader:
    length_max = _TEXT_CHARS_MAX if spec.length is None else spec.length

    def read(value: Any) -> str:
        if type(value) is str and len(value) <= length_max and value.isprintable():
            return value
        return _string(spec, value)

    return read


def _integer_reader(spec: Field) -> Reader:
    digits_max = _INTEGER_DIGITS_MAX if spec.length is None else spec.length

    def read(value: Any) -> int:
        if type(value) is str and len(value) <= digits_max and value.isascii() and value.isdigit():
            return int(value)
        return _integer(spec, value)

    return read


def _decimal_reader(spec: Field) -> Reader:
    whole_max = (spec.precision or 40) - (spec.scale or 0)
    fraction = "+" if spec.scale is None else f"{{1,{spec.scale}}}"
    plain = re.compile(f"-?[0-9]{{1,{max(1, whole_max)}}}" + ("" if spec.scale == 0 else f"(?:\\.[0-9]{fraction})?"))
    fits = plain.fullmatch if whole_max > 0 else _never

    def read(value: Any) -> Decimal:
        if type(value) is str and fits(value):
            return Decimal(value)
        return _decimal(spec, value)

    return read


def _never(_value: str) -> None:
    """A field without a place before the point is left to the full rule."""


_COMPILERS: Final[dict[str, Callable[[Field], Reader]]] = {
    "string": _string_reader,
    "text": _string_reader,
    "integer": _integer_reader,
    "decimal": _decimal_reader,
    "date": lambda spec: partial(_date, spec),
    "datetime": lambda spec: partial(_datetime, spec),
}


def reader(spec: Field) -> Reader:
    """The function that reads ``spec``."""
    return _COMPILERS[spec.type](spec)


# ------------------------------------------------------- as it stands in XML


class Plain(NamedTuple):
    """What an ordinary value of a field looks like in the text of a document, and how a column of them is read."""

    pattern: str
    """Matches what the full rule takes as it is, and nothing that means more than itself in XML."""
    typed: Callable[[str], Any] | None
    """Makes the typed value; None: the text is the value."""
    dated: bool = False
    """What matches must also be asked of the calendar (:func:`all_in_calendar`)."""


_PLAIN_CHARACTER: Final = "[^<>&\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
"""``>`` too: ``]]>`` is no text. A carriage return is read as a line feed by an XML parser."""
_PLAIN_CHARS_MAX: Final = 100_000
"""Far below what the XML parser takes as one text."""
_PLAIN_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PLAIN_MOMENT: Final = _PLAIN_DAY + " [0-9]{2}:[0-9]{2}:[0-9]{2}"


def plain(spec: Field) -> Plain | None:
    """The plain form of ``spec``, not empty; None where the table leaves none."""
    return _PLAIN[spec.type](spec)


def _plain_string(spec: Field) -> Plain:
    chars_max = _PLAIN_CHARS_MAX if spec.length is None else min(spec.length, _PLAIN_CHARS_MAX)
    return Plain(f"{_PLAIN_CHARACTER}{{1,{chars_max}}}+", None)


def _plain_integer(spec: Field) -> Plain:
    digits_max = _INTEGER_DIGITS_MAX if spec.length is None else spec.length
    return Plain(f"-?[0-9]{{1,{digits_max}}}+", int)


def _plain_decimal(spec: Field) -> Plain | None:
    whole_max = (spec.precision or 40) - (spec.scale or 0)
    fraction_max = _EXPONENT_MAX if spec.scale is None else spec.scale
    fraction = f"(?:\\.[0-9]{{1,{fraction_max}}}+)?" if fraction_max else ""
    return Plain(f"-?[0-9]{{1,{whole_max}}}+{fraction}", Decimal) if whole_max > 0 else None


def _plain_date(spec: Field) -> Plain | None:
    fits = spec.length is None or spec.length >= len("yyyy-MM-dd")
    return Plain(_PLAIN_DAY, None, dated=True) if fits else None


def _plain_datetime(spec: Field) -> Plain | None:
    fits = spec.length is None or spec.length >= len("yyyy-MM-dd HH:mm:ss")
    return Plain(_PLAIN_MOMENT, None, dated=True) if fits else None


def all_in_calendar(texts: Iterable[str]) -> bool:
    """Whether there are such days and moments, given as they are printed."""
    return all(map(_in_calendar, texts))


_PLAIN: Final[dict[str, Callable[[Field], Plain | None]]] = {
    "string": _plain_string,
    "text": _plain_string,
    "integer": _plain_integer,
    "decimal": _plain_decimal,
    "date": _plain_date,
    "datetime": _plain_datetime,
}
