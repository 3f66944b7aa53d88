"""C4, C5, C6 of the entry-time rules: what hospitals write, one normalised value; durations of ET-05."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.stay import EpisodeTime, Moment
from gateway.rules.times import (
    SHANGHAI,
    TimeUnreadable,
    ahead_s,
    difference_hours,
    difference_text,
    minute_of,
    moment,
    read_instant,
    stay_days,
    to_minute,
)

FROM, TO = datetime(1901, 1, 1), datetime(2198, 1, 1)  # noqa: DTZ001  Hypothesis wants them naive
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("raw", "shanghai"),
    [
        ("2026-03-01T16:30:00Z", "2026-03-02 00:30:00"),  # vector 14
        ("2026-03-01T16:30Z", "2026-03-02 00:30:00"),
        ("2026-03-01 16:30:00 +00:00", "2026-03-02 00:30:00"),
        ("2026-03-02T00:30:00+08:00", "2026-03-02 00:30:00"),
        ("2026-03-02T00:30:00+0800", "2026-03-02 00:30:00"),
        ("2026-03-01T11:30:00-05:00", "2026-03-02 00:30:00"),
        ("2026-03-02 00:30", "2026-03-02 00:30:00"),
        ("2026-03-02T00:30:59.999", "2026-03-02 00:30:00"),
        ("2026/3/2 0:30:59", "2026-03-02 00:30:00"),
        ("20260302003059", "2026-03-02 00:30:00"),
        ("202603020030", "2026-03-02 00:30:00"),
        ("20260301163000Z", "2026-03-02 00:30:00"),
        ("  2026-03-02 00:30:00 ", "2026-03-02 00:30:00"),
        ("2026-12-31T20:00:00Z", "2027-01-01 04:00:00"),
        ("1986-06-01 12:00:00", "1986-06-01 12:00:00"),  # a summer in which the clock was put on: never followed
    ],
)
def test_what_hospitals_write(raw: str, shanghai: str) -> None:
    read = moment(raw, "ward_in")
    assert read is not None
    assert (read.text, read.raw) == (shanghai, raw)


@pytest.mark.parametrize(
    "raw",
    ["", " ", "2026-03-01", "20260301", "10:05", "2026-02-30 10:05", "2026-03-01 24:00:00", "2026-03-01 10:60",
     "2026-03-01 10:05:60", "2026-03/01 10:05", "2026-03-01T10:05:00+25:00", "2026-03-01 10:05 下午", "1700000000",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "２０２６-03-01 10:05", "2026-03-01 10:05:00\n;", "x" * 9999],
)  # fmt: skip
def test_what_is_no_time(raw: str) -> None:
    with pytest.raises(TimeUnreadable):
        read_instant(raw)
    assert minute_of(raw) is None
    assert moment(raw, "ward_in") is None


@given(
    st.datetimes(FROM, TO, timezones=st.just(UTC)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_an_offset_is_converted_and_the_minute_truncated(instant: datetime, zone: timezone) -> None:
    local = instant.astimezone(zone)
    read = moment(local.isoformat(), "ward_in")
    assert read is not None
    assert read.instant == instant
    assert timedelta(0) <= read.instant - read.minute < timedelta(minutes=1)
    assert read.minute.utcoffset() == timedelta(hours=8)
    assert (read.minute.second, read.minute.microsecond) == (0, 0)


@given(st.datetimes(FROM, TO))
def test_a_naive_time_is_shanghai_in_every_form(told: datetime) -> None:
    forms = [
        told.strftime(form) for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M:%S")
    ]
    assert {read_instant(form) for form in forms} == {told.replace(microsecond=0, tzinfo=SHANGHAI)}


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_named_unreadable(raw: str) -> None:
    try:
        assert read_instant(raw).tzinfo is not None
    except TimeUnreadable as error:
        assert "时间" in str(error)


def test_ahead_is_measured_before_truncation() -> None:
    told = at("2026-03-10 12:00:30")
    assert told.minute == NOW
    assert ahead_s(told, NOW) == 30
    assert ahead_s(at("2026-03-10 11:59:30"), NOW) == -30


def test_the_minute_is_shanghai_s_whatever_the_clock_s_zone() -> None:
    assert to_minute(NOW.astimezone(UTC)).isoformat() == "2026-03-10T12:00:00+08:00"


def at(raw: str) -> Moment:
    found = moment(raw, "ward_in")
    assert found is not None
    return found


# ------------------------------------------------------------------ durations


def times(ward: str = "", out: str = "", discharged: str = "") -> EpisodeTime:
    return EpisodeTime(
        t_ward=moment(ward, "ward_in"), t_wout=moment(out, "ward_out"), t_dsc=moment(discharged, "2402")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ward", "out", "text", "hours"),
    [
        ("2026-03-01 10:05", "2026-03-01 16:05", "6小时0分", "6.00"),  # vector 43
        ("2026-03-01 08:00", "2026-03-07 12:12", "6天4小时12分", "148.20"),
        ("2026-03-01 08:00", "2026-03-02 08:00", "1天0小时0分", "24.00"),
        ("2026-03-01 10:05:59", "2026-03-01 10:25:01", "20分", "0.33"),
        ("2026-03-10 10:00", "", "2小时0分（在科）", "2.00"),  # vector 44
        ("", "2026-03-01 16:05", "—", None),
        ("2026-03-02 10:05", "2026-03-01 16:05", "—", None),
        ("", "", "—", None),
    ],
)
def test_difference_of_ward_out_and_ward_in(ward: str, out: str, text: str, hours: str | None) -> None:
    assert difference_text(times(ward, out), NOW) == text
    assert difference_hours(times(ward, out), NOW) == (None if hours is None else Decimal(hours))


@pytest.mark.parametrize(
    ("ward", "discharged", "days"),
    [
        ("2026-06-12 10:00", "2026-06-15 09:00", 3),  # the example of the national text (Q84, item 19)
        ("2026-03-01 10:05", "2026-03-01 16:05", 1),  # vector 43
        ("2026-03-01 23:59", "2026-03-02 00:01", 1),
        ("2026-03-01 10:05", "", None),
        ("", "2026-03-01 16:05", None),
    ],
)
def test_days_of_a_stay(ward: str, discharged: str, days: int | None) -> None:
    assert stay_days(times(ward, discharged=discharged), 1) == days


def test_a_same_day_stay_may_count_nothing() -> None:
    assert stay_days(times("2026-03-01 10:05", discharged="2026-03-01 16:05"), 0) == 0
