"""When a platform is closed: every day between two times, or once between two moments (GW-4005). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_DAILY = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")
_ONCE = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d)/(\d{4}-\d\d-\d\d[ T]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Daily:
    """From ``begin`` to ``end`` of the wall clock, over midnight when ``end`` is earlier; the end itself is open."""

    begin: time
    end: time

    def until(self, now: datetime) -> datetime | None:
        """When it opens again, or None when it is open."""
        at = now.time()
        over_midnight = self.end <= self.begin
        closed = (at >= self.begin or at < self.end) if over_midnight else self.begin <= at < self.end
        if not closed:
            return None
        opens = datetime.combine(now.date(), self.end, now.tzinfo)
        return opens if opens > now else opens + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Once:
    """A maintenance announced with its dates."""

    begin: datetime
    end: datetime

    def until(self, now: datetime) -> datetime | None:
        """When it opens again, or None when it is open."""
        end = self.end.replace(tzinfo=now.tzinfo)
        return end if self.begin.replace(tzinfo=now.tzinfo) <= now < end else None


Closing = Daily | Once


def read_closing(text: str) -> Closing:
    """One line of ``platform.closed``: ``23:30-00:30``, or ``2026-12-31 20:00/2027-01-01 08:00``.

    Raises:
        ValueError: it is neither, or ends before it begins.
    """
    daily, once = _DAILY.fullmatch(text.strip()), _ONCE.fullmatch(text.strip())
    try:
        if daily:
            begin, end = (time.fromisoformat(part) for part in daily.groups())
            if begin != end:
                return Daily(begin, end)
        if once:
            first, last = (datetime.fromisoformat(part) for part in once.groups())
            if first < last:
                return Once(first, last)
    except ValueError:
        pass
    raise ValueError(f"停办时间应写作 23:30-00:30 或 2026-12-31 20:00/2027-01-01 08:00，现为 {text!r}")


def closed_until(closings: Sequence[Closing], now: datetime) -> datetime | None:
    """When the platform opens, or None when it is open now. Closings that touch one another count as one.

    Args:
        now: aware, Asia/Shanghai.
    """
    opens: datetime | None = None
    at = now
    for _ in range(len(closings) + 1):
        found = [end for closing in closings if (end := closing.until(at)) is not None]
        if not found:
            return opens
        opens = at = max(found)
    return opens
