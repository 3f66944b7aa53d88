"""One row of a HIS as a database gives it -> a row of the port, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.rules.times import SHANGHAI, TimeUnreadable, read_instant
from gateway.stays.hospital import (
    CHANGED_AT,
    IPT_NO,
    ROW_ID,
    SUBJECTS,
    VOID,
    Column,
    Mark,
    Page,
    Point,
    Row,
    Subject,
    SubjectName,
    WrongRow,
)

CELL_CHARS_MAX = 4000
_DAY = "%Y-%m-%d"
_TIME = "%Y-%m-%d %H:%M:%S"


class _Wrong(Exception):
    """What a cell holds cannot be meant."""


def read_row(subject: Subject, given: Mapping[str, Any], charset: str) -> Row | WrongRow:
    """Read one row.

    Args:
        given: column -> value of the driver; columns that are not documented are left out.
        charset: of text that comes as bytes (Oracle ``UTL_RAW.CAST_TO_RAW`` on a US7ASCII database).
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for column in subject.columns:
        try:
            value = _value(column, given.get(column.name), charset)
        except _Wrong as wrong:
            problems.append(f"{column.name}（{column.label}）{wrong}")
            continue
        if value is not None:
            found[column.name] = value
        elif column.required:
            problems.append(f"{column.name}（{column.label}）为空")
    if problems:
        return WrongRow(str(given.get(ROW_ID, "")), tuple(problems), str(found.get(IPT_NO, "")))
    return found


def page_of(
    subject: SubjectName, given: Sequence[Mapping[str, Any]], *, charset: str, last: bool, without_void: bool = False
) -> Page:
    """Rows as a database gave them, as a page of the port."""
    read = [(str(row.get(ROW_ID, "")), read_row(SUBJECTS[subject], row, charset)) for row in given]
    good = [(number, row) for number, row in read if not isinstance(row, WrongRow)]
    good = [(number, row) for number, row in good if not (without_void and is_void(row))]
    end = given[-1] if given else None
    mark = Mark(end[CHANGED_AT], end[ROW_ID]) if end else None
    wrong = [row for _, row in read if isinstance(row, WrongRow)]
    return Page([row for _, row in good], wrong, mark, last, [number for number, _ in good])


def page_of_stay(
    subject: SubjectName, given: Sequence[Mapping[str, Any]], *, charset: str, since: Point | None
) -> Page:
    """Rows of one stay, in no order: whole without those that the HIS has voided, since a point with them."""
    page = page_of(subject, given, charset=charset, last=True, without_void=since is None)
    dated = [row for row in given if row.get(CHANGED_AT) is not None]
    newest = max(dated, key=lambda row: row[CHANGED_AT], default=None)
    return replace(page, mark=Mark(newest[CHANGED_AT], newest[ROW_ID]) if newest else None)


def is_void(row: Row) -> bool:
    """Whether the HIS has taken the row back."""
    return row.get(VOID) == "1"


def _value(column: Column, given: Any, charset: str) -> Any:
    if isinstance(given, (bytes, bytearray, memoryview)):
        given = _decoded(bytes(given), charset)
    if isinstance(given, str):
        # CHAR columns are padded; a NUL ends what some old programs wrote
        given = given.replace("\x00", "").strip(" \t\r\n\u3000")
    if given is None or given == "":
        return None
    value = _READERS[column.kind](column, given)
    if column.choices and value not in column.choices:
        raise _Wrong(f"为 {str(value)[:20]!r}，应为 {'、'.join(column.choices)}")
    return value


def _decoded(given: bytes, charset: str) -> str:
    try:
        return given.decode(charset)
    except UnicodeDecodeError as error:
        raise _Wrong(f"不是 {charset} 字节，请核对 his.bytes_charset") from error


def _text(_: Column, given: Any) -> str:
    if isinstance(given, (datetime, date)):
        raise _Wrong("应为文本，现为日期；请在语句中用 TO_CHAR 或 CONVERT 写成文本")
    text = _number_text(given) if isinstance(given, (float, Decimal)) else str(given)
    if len(text) > CELL_CHARS_MAX:
        raise _Wrong(f"长达 {len(text)} 字，上限 {CELL_CHARS_MAX}")
    if "\ufffd" in text:
        raise _Wrong("含无法识别的字符，请核对数据库字符集（docs/operating/his-databases.md）")
    return text


def _number_text(given: float | Decimal) -> str:
    """A code that a HIS keeps as a number: ``12``, never ``12.0`` or ``1E+1``."""
    number = given if isinstance(given, Decimal) else Decimal(repr(given))
    if not number.is_finite():
        raise _Wrong("不是数")
    return str(int(number)) if number == number.to_integral_value() else format(number, "f")


def _moment(given: Any) -> datetime:
    if isinstance(given, datetime):
        return given.astimezone(SHANGHAI) if given.tzinfo else given
    if isinstance(given, date):
        raise _Wrong("只有日期，没有时分")
    try:
        return read_instant(str(given))
    except TimeUnreadable as error:
        raise _Wrong(str(error)) from error


def _time(_: Column, given: Any) -> str:
    # strftime does not pad years before 1000 on every system
    moment = _moment(given)
    if moment.year < 1900:
        raise _Wrong(f"为 {moment.year} 年，不是真实时间；没有时间请给空值")
    return moment.strftime(_TIME)


def _date(_: Column, given: Any) -> str:
    if isinstance(given, str):
        try:
            given = datetime.strptime(given[:10].replace("/", "-"), _DAY)  # noqa: DTZ007 - a day has no zone
        except ValueError:
            try:
                given = datetime.strptime(given[:8], "%Y%m%d")  # noqa: DTZ007
            except ValueError:
                raise _Wrong(f"为 {given[:20]!r}，应为 yyyy-MM-dd") from None
    if not isinstance(given, date) or given.year < 1850:
        raise _Wrong(f"为 {str(given)[:20]!r}，应为 yyyy-MM-dd")
    return given.strftime(_DAY)


def _number(given: Any) -> Decimal:
    try:
        number = (
            given if isinstance(given, Decimal) else Decimal(repr(given) if isinstance(given, float) else str(given))
        )
    except InvalidOperation:
        raise _Wrong(f"为 {str(given)[:20]!r}，不是数") from None
    if not number.is_finite():
        raise _Wrong("不是数")
    return number


def _integer(_: Column, given: Any) -> int:
    number = _number(given)
    if number != number.to_integral_value():
        raise _Wrong(f"为 {number}，应为整数")
    return int(number)


def _amount(column: Column, given: Any) -> Decimal:
    number = _number(given)
    if abs(number) >= 10**12:
        raise _Wrong("超出范围")
    exact = number.quantize(Decimal(1).scaleb(-column.scale))
    if exact != number:
        raise _Wrong(f"为 {str(number)[:30]}，小数超过 {column.scale} 位；请在语句中用 ROUND 写明如何取舍")
    return exact


_READERS = {"text": _text, "time": _time, "date": _date, "integer": _integer, "amount": _amount}
