"""Files of the platform go when their time is over; each node looks after its own folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.files.shelf import Shelf

log = structlog.get_logger(__name__)

EVERY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """What ``files.keep_days`` says of a shelf.

    Args:
        clock: aware time.
    """

    shelf: Shelf
    keep_days: int
    clock: Callable[[], datetime]

    def sweep(self) -> int:
        """Remove what is older; how many files. Raises ``OSError``."""
        removed = self.shelf.sweep(self.clock() - timedelta(days=self.keep_days))
        if removed:
            log.info("files_removed", count=removed, keep_days=self.keep_days)
        return removed

    def turn(self) -> None:
        """One look, at the start and every day."""
        self.sweep()
