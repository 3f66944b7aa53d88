"""How exchanges end, told to metrics and to the log."""

from __future__ import annotations

from typing import Protocol

import structlog

from gateway.exchange.ports import Exchange as Entry

log = structlog.get_logger(__name__)


class Observer(Protocol):
    """Is told how each exchange ended, for metrics."""

    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None: ...

    def observe_platform(self, infno: str, seconds: float) -> None: ...

    def count_fault(self, code: str) -> None: ...


def observe(observer: Observer, entry: Entry) -> None:
    """Count an exchange that has come to an answer, and write its line."""
    seconds = ((entry.finished_at or entry.received_at) - entry.received_at).total_seconds()
    observer.count_exchange(entry.infno, entry.state, entry.client, seconds)
    if entry.elapsed_ms:
        observer.observe_platform(entry.infno, entry.elapsed_ms / 1000)
    if entry.code:
        observer.count_fault(entry.code)
    log.info("exchange", msgid=entry.msgid, infno=entry.infno, client=entry.client, state=entry.state.value,
             code=entry.code, seconds=round(seconds, 3))  # fmt: skip
