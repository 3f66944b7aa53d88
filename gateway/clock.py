"""The real clock, in the time of the interface."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""No daylight saving since 1991; naive times of hospital and platform are this (rule C4)."""


def now() -> datetime:
    """Now, aware, Asia/Shanghai."""
    return datetime.now(SHANGHAI)
