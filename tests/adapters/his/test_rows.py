"""Cells as drivers give them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.times import SHANGHAI
from gateway.stays.hospital import SUBJECTS, Column, Subject, WrongRow
from gateway.stays.hospital_rows import read_row


def cell(kind: Any, value: Any, scale: int = 2) -> Any:
    """The one cell of a row: its value, None when empty, or the text of what is wrong."""
    subject = Subject("fees", "", (Column("x", "列", kind, scale=scale),))
    found = read_row(subject, {"row_id": 1, "x": value}, "gb18030")
    return str(found) if isinstance(found, WrongRow) else found.get("x")


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("text", "ZY1   ", "ZY1"),
        ("text", "陈建国\x00\x00", "陈建国"),
        ("text", "\u3000", None),
        ("text", "陈建国".encode("gbk"), "陈建国"),
        ("text", 12, "12"),
        ("text", 12.0, "12"),
        ("text", Decimal("1E+3"), "1000"),
        ("time", datetime(2026, 3, 1, 8, 5, 6, 999999), "2026-03-01 08:05:06"),  # noqa: DTZ001
        ("time", datetime(2026, 3, 1, 8, 5, tzinfo=SHANGHAI), "2026-03-01 08:05:00"),
        ("time", "20260301080506", "2026-03-01 08:05:06"),
        ("time", "2026-03-01T00:05:00Z", "2026-03-01 08:05:00"),
        ("date", date(1950, 1, 2), "1950-01-02"),
        ("date", datetime(1950, 1, 2), "1950-01-02"),  # noqa: DTZ001
        ("date", "19500102", "1950-01-02"),
        ("date", "1950/01/02 00:00:00", "1950-01-02"),
        ("integer", Decimal("3.0"), 3),
        ("amount", 0.1, Decimal("0.10")),
        ("amount", "12.5", Decimal("12.50")),
        ("amount", Decimal("-3"), Decimal("-3.00")),
        ("amount", None, None),
    ],
)
def test_is_read(kind: str, given: Any, read: Any) -> None:
    assert cell(kind, given) == read


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("text", b"\xff\xff", "bytes_charset"),
        ("text", "张\ufffd", "字符集"),
        ("text", "x" * 4001, "上限"),
        ("text", datetime(2026, 1, 1), "TO_CHAR"),  # noqa: DTZ001
        ("text", float("nan"), "不是数"),
        ("time", date(2026, 3, 1), "没有时分"),
        ("time", datetime(1, 1, 1), "不是真实时间"),  # noqa: DTZ001
        ("time", "2026-02-30 10:00", "不存在"),
        ("date", "1950-13-01", "yyyy-MM-dd"),
        ("integer", "1.5", "整数"),
        ("amount", 0.1 + 0.2, "小数超过 2 位"),
        ("amount", "十元", "不是数"),
        ("amount", "Infinity", "不是数"),
        ("amount", Decimal(10) ** 13, "范围"),
    ],
)
def test_is_refused_with_a_reason(kind: str, given: Any, why: str) -> None:
    assert why in cell(kind, given)


anything = st.one_of(
    st.none(), st.text(max_size=30), st.binary(max_size=10), st.integers(), st.floats(), st.decimals(), st.dates(),
    st.datetimes(), st.booleans(),
)  # fmt: skip


@given(st.sampled_from(list(SUBJECTS.values())), st.data())
def test_whatever_a_driver_gives_is_a_row_or_a_reason(subject: Subject, data: st.DataObject) -> None:
    row = {column.name: data.draw(anything) for column in subject.columns}
    found = read_row(subject, {"row_id": 1, **row}, "gb18030")
    if isinstance(found, WrongRow):
        assert found.problems
    else:
        assert all(value not in (None, "") for value in found.values())


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_is_never_rounded(amount: Decimal) -> None:
    assert cell("amount", amount) == amount
    assert cell("amount", str(amount)) == amount
    assert cell("amount", float(amount)) == amount
