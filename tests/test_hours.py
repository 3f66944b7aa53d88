"""When the platform is closed."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hours import closed_until, read_closing

SHANGHAI = timezone(timedelta(hours=8))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("closed", "now", "opens"),
    [
        ("23:30-00:30", "11-22 23:29:59", None),
        ("23:30-00:30", "11-22 23:30", "11-23 00:30"),
        ("23:30-00:30", "11-22 00:00", "11-22 00:30"),
        ("23:30-00:30", "11-22 00:30", None),
        ("02:00-04:00", "11-22 03:59:59.999", "11-22 04:00"),
        ("02:00-04:00", "11-22 01:59", None),
        ("22:00-00:00", "11-22 23:00", "11-23 00:00"),
        ("2026-11-22 20:00/2026-11-23 08:00", "11-22 20:00", "11-23 08:00"),
        ("2026-11-22T20:00/2026-11-23T08:00", "11-23 08:00", None),
    ],
)
def test_closed_until(closed: str, now: str, opens: str | None) -> None:
    assert closed_until([read_closing(closed)], at(now)) == (at(opens) if opens else None)


def test_closings_that_touch_count_as_one() -> None:
    closings = [read_closing(text) for text in ("23:00-00:00", "2026-11-23 00:00/2026-11-23 06:00", "05:30-06:30")]
    assert closed_until(closings, at("11-22 23:10")) == at("11-23 06:30")


@pytest.mark.parametrize(
    "text", ["", "23:30", "24:30-25:00", "08:00-08:00", "2026-12-31 20:00/2026-12-31 19:00", "夜间"]
)
def test_what_is_no_closing_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="停办时间应写作"):
        read_closing(text)


@given(st.times(), st.times(), st.timedeltas(timedelta(0), timedelta(days=800)))
def test_it_opens_later_than_now_and_is_open_then(begin: time, end: time, after: timedelta) -> None:
    first, last = f"{begin:%H:%M}", f"{end:%H:%M}"
    if first == last:
        return
    closing = read_closing(f"{first}-{last}")
    now = at("01-01 00:00") + after
    opens = closed_until([closing], now)
    if opens is not None:
        assert now < opens <= now + timedelta(days=1)
        assert closed_until([closing], opens) is None
        assert closed_until([closing], opens - timedelta(seconds=1)) == opens
