"""What is said once on the next page, kept per session."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

KEPT_MAX: Final = 1000


class Flashes:
    """One line per session; the oldest give way."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, session: str, kind: str, text: str) -> None:
        """Say ``text`` on the next page; ``kind`` is ``ok`` or ``bad``."""
        with self._lock:
            self._lines[session] = (kind, text)
            while len(self._lines) > KEPT_MAX:
                self._lines.popitem(last=False)

    def take(self, session: str) -> tuple[str, str] | None:
        """What is to be said, once."""
        with self._lock:
            return self._lines.pop(session, None)
