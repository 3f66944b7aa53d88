"""The sequence of ``msgid``: institution code, logical second, four digits (design, "msgid").

The sender's number of an exchange, written before sending and never used twice by any process of any node.
Numbers are slots: ``slot = epoch second * 10000 + four digits``. The journal reserves blocks of slots that never go
below what it has reserved before, so the second inside a ``msgid`` is logical: after a burst of more than 10,000 a
second or a clock that was set back it runs ahead of the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import structlog

from gateway.exchange.ports import Journal, MsgidBlock

log = structlog.get_logger(__name__)

INSTITUTION_LENGTH = 12
SLOTS_PER_SECOND = 10_000
BLOCK_COUNT = 500
BLOCK_AGE_S_MAX = 60
AHEAD_S_MAX = 60
"""Further ahead of the clock is an alert: it was set back, or more numbers are used than seconds have."""
_CHINA = timezone(timedelta(hours=8))


class MsgidSequence:
    """Numbers of one process for one institution, from blocks reserved in the journal.

    Args:
        journal: reserves the blocks, one durable write each.
        institution: code of the institution, exactly 12 letters and digits.
        clock: the time now, aware.
        block: numbers reserved at once; those left at a restart are never used.

    Raises:
        ValueError: the institution code is not 12 ASCII letters and digits.
    """

    def __init__(
        self, journal: Journal, institution: str, clock: Callable[[], datetime], block: int = BLOCK_COUNT
    ) -> None:
        if len(institution) != INSTITUTION_LENGTH or not (institution.isascii() and institution.isalnum()):
            raise ValueError(f"医疗机构编号应为 {INSTITUTION_LENGTH} 位字母或数字：{institution!r}")
        self._journal = journal
        self._institution = institution
        self._clock = clock
        self._count = block
        self._block = MsgidBlock(institution, 0, 0)
        self._last = 0
        self._alerted = False
        self._lock = threading.Lock()

    def next(self) -> str:
        """A ``msgid`` that nobody has had. Raises ``JournalUnavailable`` when a block is needed and cannot be reserved."""
        with self._lock:
            now = self._clock()
            if self._used_up(now):
                self._block = self._journal.next_msgids(self._institution, now, self._count)
                self._alert(self._block.first // SLOTS_PER_SECOND - _second(now))
            slot = self._block.first
            self._block = MsgidBlock(self._institution, slot + 1, self._block.end)
            self._last = slot
        return msgid_of(self._institution, slot)

    @property
    def ahead_s(self) -> int:
        """Seconds by which the last number's time runs ahead of the clock; 0 when it does not."""
        return max(0, self._last // SLOTS_PER_SECOND - _second(self._clock()))

    def _alert(self, ahead_s: int) -> None:
        """Once for each time that it comes to run ahead."""
        if (ahead_s > AHEAD_S_MAX) == self._alerted:
            return
        self._alerted = not self._alerted
        if self._alerted:
            log.error("msgid_runs_ahead", seconds=ahead_s)
        else:
            log.info("msgid_near_the_clock", seconds=max(0, ahead_s))

    def _used_up(self, now: datetime) -> bool:
        """Also true of an old block: its numbers would tell the platform a time long gone."""
        stale = _second(now) - self._block.first // SLOTS_PER_SECOND > BLOCK_AGE_S_MAX
        return stale or self._block.first >= self._block.end


def msgid_of(institution: str, slot: int) -> str:
    """The ``msgid`` of ``slot``: 12 characters, yyyyMMddHHmmss in Asia/Shanghai, 4 digits."""
    second, number = divmod(slot, SLOTS_PER_SECOND)
    moment = datetime.fromtimestamp(second, UTC).astimezone(_CHINA)
    return f"{institution}{moment:%Y%m%d%H%M%S}{number:04d}"


def slot_of(msgid: str) -> int | None:
    """The slot of a ``msgid`` in our form, whatever institution it names; None for any other text."""
    if len(msgid) != INSTITUTION_LENGTH + 18:
        return None
    when, number = msgid[INSTITUTION_LENGTH:-4], msgid[-4:]
    if not (when.isascii() and when.isdigit() and number.isascii() and number.isdigit()):
        return None
    try:
        moment = datetime.strptime(when, "%Y%m%d%H%M%S").replace(tzinfo=_CHINA)
    except ValueError:
        return None
    return int(moment.timestamp()) * SLOTS_PER_SECOND + int(number)


def _second(moment: datetime) -> int:
    return int(moment.timestamp() // 1)
