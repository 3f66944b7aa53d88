"""Where reading of a HIS goes on: a point of change as the database has it, kept as JSON, and moved back by the overlap."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.stays.hospital import Point

OVERLAP_NUMBERS: Final = 1000
"""Overlap where ``changed_at`` is a growing number, which tells no time."""
_TEXTS: Final = ("%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


def written(point: Point) -> list[str]:
    """A point as JSON: its kind and its value."""
    if isinstance(point, datetime):
        return ["time", point.isoformat()]
    return ["text", point] if isinstance(point, str) else ["number", str(point)]


def read(kept: Any) -> Point:
    """What :func:`written` gave."""
    kind, text = kept
    if kind == "time":
        return datetime.fromisoformat(text)
    return Decimal(text) if kind == "number" else str(text)


def alike(one: Point, other: Point) -> bool:
    """Whether two points can be compared; they cannot once the statement gives ``changed_at`` in another form."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return (one.tzinfo is None) == (other.tzinfo is None)
    return written(one)[0] == written(other)[0]


def not_before(one: Point, other: Point) -> bool:
    """Whether a point is not before another; both are alike."""
    return one >= other  # type: ignore[operator]


def earlier(one: Point, other: Point) -> Point:
    """The earlier of two points that are alike."""
    return other if not_before(one, other) else one


def back(point: Point, seconds: float) -> Point:
    """The point moved back: by seconds, or by :data:`OVERLAP_NUMBERS`; a text that is no time stays."""
    if isinstance(point, datetime):
        return point - timedelta(seconds=seconds)
    if not isinstance(point, str):
        return point - OVERLAP_NUMBERS
    found = _time_in(point)
    return point if found is None else (found[0] - timedelta(seconds=seconds)).strftime(found[1])


def moment_like(sample: Point, now: datetime) -> Point | None:
    """``now`` in the form of a point; None where points are numbers, or texts that are no times.

    Args:
        now: aware, Asia/Shanghai; a HIS's own clock is taken to show the same.
    """
    if isinstance(sample, datetime):
        return now if sample.tzinfo else now.replace(tzinfo=None)
    found = _time_in(sample) if isinstance(sample, str) else None
    return now.strftime(found[1]) if found else None


def _time_in(text: str) -> tuple[datetime, str] | None:
    for form in _TEXTS:
        try:
            return datetime.strptime(text, form), form  # noqa: DTZ007 - the HIS's own clock, which has no zone
        except ValueError:
            continue
    return None
