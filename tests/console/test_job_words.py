"""Timetables in words."""

from __future__ import annotations

import pytest

from gateway.console.jobs.words import timetable_called
from gateway.settings.jobs import Jobs


@pytest.mark.parametrize(
    ("when", "called"),
    [
        ("every 5m", "每 5 分钟"),
        ("every 90s", "每 90 秒"),
        ("every 1h", "每 1 小时"),
        ("40 6 * * *", "每天 06:40"),
        ("5 6,18 * * *", "每天 06:05、18:05"),
        ("*/10 6-22 * * *", "6 至 22 点，每 10 分钟"),
        ("*/10 * * * *", "每 10 分钟"),
        ("7 * * * *", "每小时第 7 分"),
        ("30 3 * * mon", "每周一 03:30"),
        ("30 3 * * mon-fri", "周一至周五 03:30"),
        ("30 3 * * tue,sat", "每周二、周六 03:30"),
        ("30 3 1 * *", "每月 1 日 03:30"),
        ("30 3 1 6 *", "30 3 1 6 *"),
        ("30 3 1 * mon", "30 3 1 * mon"),
        ("1-5 3 * * *", "1-5 3 * * *"),
        ("30 */2 * * *", "30 */2 * * *"),
        ("30 3 * * last", "30 3 * * last"),
        ("", ""),
    ],
)
def test_a_timetable_is_told_in_words_or_as_it_is(when: str, called: str) -> None:
    assert timetable_called(when) == called


def test_every_timetable_that_comes_with_the_program_has_words() -> None:
    for name, times in Jobs().times.items():
        assert timetable_called(times.when) != times.when, name
