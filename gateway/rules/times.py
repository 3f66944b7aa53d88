"""Times as hospitals write them -> one normalised value (C4, C5, C6), and what is told of durations (ET-05)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from gateway.rules.stay import EpisodeTime, Moment

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China keeps one time and no daylight saving (C4)."""
YEARS: Final = range(1900, 2200)

_OFFSET: Final = r"(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
_FRACTION: Final = r"(?:[.,](?P<fraction>[0-9]{1,9}))?"
_SEPARATED: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<mark>[-/])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
    r"(?:[Tt]|[ ]+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})" + _FRACTION + r")?[ ]*" + _OFFSET
)
_COMPACT: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})[Tt]?"
    r"(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})" + _FRACTION + r")?" + _OFFSET
)


class TimeUnreadable(ValueError):
    """The text is no time, or lacks hours and minutes."""


def read_instant(raw: str) -> datetime:
    """The moment a text means, aware, in Shanghai (C4).

    Args:
        raw: ``2026-03-01 10:05``, seconds and fraction optional, ``T`` or blank between, ``/`` for ``-``;
            ``yyyyMMddHHmm[ss]``; ``Z`` or an offset is converted, without one it is Shanghai time.

    Raises:
        TimeUnreadable: nothing of that; a date alone is no time.
    """
    text = raw.strip()
    found = _SEPARATED.fullmatch(text) or _COMPACT.fullmatch(text)
    if found is None:
        raise TimeUnreadable(f"时间 {raw[:40]!r} 应为 yyyy-MM-dd HH:mm:ss，可带时区")
    year, month, day, hour, minute = (int(found[name]) for name in ("year", "month", "day", "hour", "minute"))
    micro = int((found["fraction"] or "0").ljust(6, "0")[:6])
    try:
        if year not in YEARS:
            raise ValueError(year)
        zone = _zone(found["offset"])
        return datetime(year, month, day, hour, minute, int(found["second"] or 0), micro, zone).astimezone(SHANGHAI)
    except ValueError:
        raise TimeUnreadable(f"时间 {raw[:40]!r} 在日历上不存在") from None


def _zone(offset: str | None) -> timezone:
    if offset is None:
        return SHANGHAI
    if offset in "Zz":
        return timezone(timedelta())
    shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-shift if offset[0] == "-" else shift)


def to_minute(instant: datetime) -> datetime:
    """Shanghai time truncated, never rounded, to the minute (C5)."""
    return instant.astimezone(SHANGHAI).replace(second=0, microsecond=0)


def moment(raw: str, origin: str, *, by: str = "", at: datetime | None = None, ref: str = "") -> Moment | None:
    """A :class:`Moment`, or None where there is no readable time."""
    try:
        instant = read_instant(raw)
    except TimeUnreadable:
        return None
    return Moment(to_minute(instant), instant, raw, origin, by, at, ref)


def minute_of(raw: object) -> datetime | None:
    """The normalised minute of a field of a message, None where it has no readable time."""
    found = moment(raw, "") if isinstance(raw, str) else None
    return found.minute if found else None


def ahead_s(told: Moment, now: datetime) -> float:
    """Seconds the raw value lies in the future of the gateway's clock; 0 or less when it does not (C6)."""
    return (told.instant - now).total_seconds()


def shown(minute: datetime | None) -> str:
    """As texts for staff show a time."""
    return minute.strftime("%Y-%m-%d %H:%M") if minute else "无"


# ------------------------------------------------------------------ durations (ET-05)

MISSING: Final = "—"
IN_WARD: Final = "在科"


def difference_text(times: EpisodeTime, now: datetime) -> str:
    """差值: last ward-out minus first ward-in as ``6天4小时12分``; running and marked 在科 before the ward-out (ET-05)."""
    span = _span(times, now)
    if span is None:
        return MISSING
    minutes = int(span.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    text = f"{days}天{hours}小时{rest}分" if days else f"{hours}小时{rest}分" if hours else f"{rest}分"
    return text if times.t_wout else f"{text}（{IN_WARD}）"


def difference_hours(times: EpisodeTime, now: datetime) -> Decimal | None:
    """The same in decimal hours, two places, for filtering; None where a time is missing (ET-05)."""
    span = _span(times, now)
    if span is None:
        return None
    return (Decimal(int(span.total_seconds())) / 3600).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _span(times: EpisodeTime, now: datetime) -> timedelta | None:
    """None, never 0, where a time is missing or the two contradict each other; who is discharged is in no ward."""
    if times.t_ward is None or (times.t_wout is None and times.t_dsc is not None):
        return None
    end = times.t_wout.minute if times.t_wout else to_minute(now)
    return end - times.t_ward.minute if end >= times.t_ward.minute else None


def stay_days(times: EpisodeTime, days_min: int) -> int | None:
    """住院天数: day of admission and day of discharge count as one (Q84 item 19).

    Args:
        days_min: what a same-day stay counts; 1 by default of the policy, 0 in some hospitals.
    """
    end = times.t_dsc or times.t_wout
    if times.t_ward is None or end is None or end.minute < times.t_ward.minute:
        return None
    return max(days_min, (end.minute.date() - times.t_ward.minute.date()).days)
