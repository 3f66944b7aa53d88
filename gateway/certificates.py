"""When the certificates we hold, and the one that the platform shows, end; told 60, 30 and 7 days before."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

log = structlog.get_logger(__name__)

ALARM_DAYS: Final = (60, 30, 7, 0)
"""A line in the log each time fewer days are left; the last one: it has ended."""
PLATFORM: Final = "platform"
"""What the platform's own certificate is called."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The first certificate of a file to end."""

    name: str
    ends: datetime
    days_left: int
    """Whole days; negative when it has ended."""

    @property
    def alarm(self) -> int | None:
        """The smallest of :data:`ALARM_DAYS` that it is within; None while all is well."""
        return step_of(self.days_left)


def step_of(days_left: int, first: int = ALARM_DAYS[0]) -> int | None:
    """The smallest of :data:`ALARM_DAYS` that a certificate is within; None while all is well.

    Args:
        first: days before which nothing is said, in the place of the first of them.
    """
    steps = (first, *(days for days in ALARM_DAYS if days < first))
    return min((days for days in steps if days_left < days), default=None)


def ending(name: str, file: Path, now: datetime) -> Ending:
    """The certificate in ``file`` (PEM, one or more) that ends first.

    Args:
        name: what it is for.
        now: aware.

    Raises:
        OSError, ValueError: cannot be read.
    """
    ends = min(found.not_valid_after_utc for found in x509.load_pem_x509_certificates(file.read_bytes()))
    return _ending(name, ends, now)


def _ending(name: str, ends: datetime, now: datetime) -> Ending:
    return Ending(name, ends, math.floor((ends - now).total_seconds() / 86400))


class CertificateWatch:
    """Looks at the files anew each time it is asked, so that a replaced one counts at once.

    Args:
        files: what it is for -> PEM file.
        clock: aware time.
    """

    def __init__(self, files: Mapping[str, Path], clock: Callable[[], datetime]) -> None:
        self._files = files
        self._clock = clock
        self._alarmed: dict[str, int | None] = {}
        self._shown: dict[str, datetime] = {}

    def show(self, name: str, ends: datetime) -> None:
        """Take notice of a certificate that another side has shown; the newest counts."""
        self._shown[name] = ends

    def days_left(self) -> dict[str, int]:
        """Days left of each, with a line in the log for each that came closer; one that cannot be read is left out."""
        found: dict[str, int] = {}
        for name, file in self._files.items():
            try:
                one = ending(name, file, self._clock())
            except (OSError, ValueError) as error:
                log.warning("certificate_unreadable", certificate=name, reason=type(error).__name__)
                continue
            found[name] = one.days_left
            self._tell(one)
        for name, ends in tuple(self._shown.items()):
            one = _ending(name, ends, self._clock())
            found[name] = one.days_left
            self._tell(one)
        return found

    def _tell(self, one: Ending) -> None:
        if self._alarmed.get(one.name) == one.alarm:
            return
        self._alarmed[one.name] = one.alarm
        if one.alarm is not None:
            level = log.warning if one.alarm > ALARM_DAYS[2] else log.error
            level("certificate_ends", certificate=one.name, ends=f"{one.ends:%Y-%m-%d}", days_left=one.days_left)
