"""From when until when, as people write it over a list: a day, or a time to the minute or second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.exchange.entries import SHANGHAI

NAMES: Final = ("since", "until")
FORMS: Final = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
YEARS: Final = range(1900, 9999)
"""Within them the next day and the last month can be told too."""


@dataclass(frozen=True, slots=True)
class Span:
    """``since`` to before ``until``, either of which may be open; ``problems`` are sentences about what cannot be read."""

    since: datetime | None = None
    until: datetime | None = None
    problems: tuple[str, ...] = ()


def span(given: Mapping[str, str]) -> Span:
    """What ``since`` and ``until`` of an address ask for; the day of ``until`` is in it, the minute is not.

    Args:
        given: what cannot be read in it counts as not given.
    """
    problems = tuple(
        f"时间“{given[name]}”无法识别，应如 2026-11-21 或 2026-11-21 08:30"
        for name in NAMES
        if given[name] and moment(given[name]) is None
    )
    until = moment(given["until"])
    if until is not None and day(given["until"]) is not None:
        until += timedelta(days=1)
    return Span(moment(given["since"]), until, problems)


def day_problems(given: Mapping[str, str]) -> Iterator[str]:
    """Sentences about ``since`` and ``until`` where a list knows days only."""
    for name in NAMES:
        if given[name] and day(given[name]) is None:
            yield f"日期“{given[name]}”无法识别，应如 2026-11-21"


def moment(text: str) -> datetime | None:
    """A day or a time, of Shanghai; None where it is none, or is centuries away."""
    return next((found for form in FORMS if (found := _read(text.replace("T", " ", 1), form))), None)


def day(text: str) -> datetime | None:
    """The beginning of a day, of Shanghai; None where it is none."""
    return _read(text, FORMS[0])


def _read(text: str, form: str) -> datetime | None:
    try:
        found = datetime.strptime(text, form).replace(tzinfo=SHANGHAI)
    except ValueError:
        return None
    return found if found.year in YEARS else None
