"""Days and times as people write them: read, or named as unreadable; never an overflow."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.days import Span, day, day_problems, moment, span
from gateway.exchange.entries import SHANGHAI

TIMES = st.builds(datetime.combine, st.dates(date(1900, 1, 1), date(9998, 12, 31)), st.times())


@given(st.dates(date(1900, 1, 1), date(9998, 12, 31)))
@settings(max_examples=40)
def test_a_day_is_from_its_beginning_to_the_next(one: date) -> None:
    found = span({"since": one.isoformat(), "until": one.isoformat()})
    assert found.problems == ()
    assert found.since == datetime(one.year, one.month, one.day, tzinfo=SHANGHAI)
    assert found.until is not None
    assert found.until - found.since == timedelta(days=1)


@given(TIMES, st.sampled_from(["minutes", "seconds"]), st.sampled_from(" T"))
@settings(max_examples=40)
def test_a_time_is_that_moment(one: datetime, precision: str, between: str) -> None:
    text = one.isoformat(between, precision)
    wanted = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    assert span({"since": text, "until": text}) == Span(wanted, wanted)


@given(st.text(max_size=30))
@settings(max_examples=60)
def test_whatever_is_written_is_read_or_named(text: str) -> None:
    found = span({"since": text, "until": text})
    assert bool(text and found.since is None) == bool(found.problems)
    assert (day(text) is None) <= (len(list(day_problems({"since": text, "until": ""}))) == bool(text))


@pytest.mark.parametrize(
    "text",
    ["9999-12-31", "0001-01-01", "2026-02-30", "2026-11-21 24:00", "2026-W01-1", "20261121", "2026-11-21T08:30:00+00:00", "昨天"],
)  # fmt: skip
def test_what_is_no_day_of_ours_is_none(text: str) -> None:
    assert moment(text) is None
    assert day(text) is None
    assert text in span({"since": "", "until": text}).problems[0]


def test_nothing_asked_for_is_no_problem() -> None:
    assert span({"since": "", "until": ""}) == Span()
    assert list(day_problems({"since": "", "until": ""})) == []
