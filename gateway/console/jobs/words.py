"""A timetable of the configuration in words: ``40 6 * * *`` is 每天 06:40."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

UNITS: Final[Mapping[str, str]] = {"s": "秒", "m": "分钟", "h": "小时"}
DAYS: Final[Mapping[str, str]] = {
    "mon": "周一", "tue": "周二", "wed": "周三", "thu": "周四", "fri": "周五", "sat": "周六", "sun": "周日",
}  # fmt: skip
ANY: Final = "*"
_EVERY: Final = re.compile(r"every ([0-9]+)([smh])")
_HOURS: Final = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")


def timetable_called(when: str) -> str:
    """Words for what timetables say in practice; any other stays as it is written.

    Args:
        when: ``every 5m``, or a crontab with the days of the week by name (``JobTimes.when``).
    """
    if found := _EVERY.fullmatch(when):
        return f"每 {found[1]} {UNITS[found[2]]}"
    parts = when.split()
    if len(parts) != len(("minute", "hour", "day", "month", "weekday")) or parts[3] != ANY:
        return when
    minute, hour, on, _, weekday = parts
    at, days = _at(minute, hour), _days(on, weekday)
    if not at or days is None:
        return when
    return at if "每" in at and on == weekday == ANY else f"{days}{at}"


def _at(minute: str, hour: str) -> str:
    """``06:40``, ``6 至 22 点，每 10 分钟``; empty where it is none of these."""
    hours = hour.split(",")
    if minute.isdigit() and all(one.isdigit() for one in hours):
        return "、".join(f"{int(one):02d}:{int(minute):02d}" for one in hours)
    between = _HOURS.fullmatch(hour)
    if hour != ANY and not between:
        return ""
    often = f"每小时第 {int(minute)} 分" if minute.isdigit() else ""
    if minute.startswith("*/") and minute[2:].isdigit():
        often = f"每 {int(minute[2:])} 分钟"
    return f"{int(between[1])} 至 {int(between[2])} 点，{often}" if often and between else often


def _days(on: str, weekday: str) -> str | None:
    """``每天 ``, ``每周一 ``, ``每月 1 日 ``; None where it is none of these."""
    if on == weekday == ANY:
        return "每天 "
    if on.isdigit() and weekday == ANY:
        return f"每月 {int(on)} 日 "
    if on != ANY:
        return None
    first, _, last = weekday.partition("-")
    if first in DAYS and last in DAYS:
        return f"{DAYS[first]}至{DAYS[last]} "
    named = [DAYS.get(one, "") for one in weekday.split(",")]
    return f"每{'、'.join(named)} " if all(named) else None
