"""The journal in memory: small, real, gone with the process. For tests of whoever needs a ``Journal``."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gateway.exchange import entries
from gateway.exchange.ports import (
    Bodies,
    Exchange,
    Intent,
    JournalUnavailable,
    MsgidBlock,
    Outcome,
    Query,
    RequestIdTaken,
    State,
)


class MemoryJournal:
    """``Journal`` in dictionaries. ``available`` False makes every method raise ``JournalUnavailable``, as a dead database would."""

    def __init__(self) -> None:
        self.available = True
        self._rows: dict[int, Exchange] = {}
        self._bodies: dict[int, Bodies] = {}
        self._requests: dict[tuple[str, str], int] = {}
        self._next_slot: dict[str, int] = {}
        self._lock = threading.Lock()

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        with self._lock:
            self._check()
            return self._holder(entries.identity(client, "client"), entries.identity(request_id, "request_id"))

    def intend(self, intent: Intent) -> Exchange:
        row = entries.intended(intent)
        with self._lock:
            self._check()
            holder = self._holder(row.client, row.request_id)
            if holder is not None and holder.state not in entries.FREE:
                raise RequestIdTaken(holder)
            return self._insert(row, intent, None, takes_request=True)

    def finish(self, exchange_id: int, outcome: Outcome) -> Exchange:
        with self._lock:
            self._check()
            before = entries.check_edge(self._rows.get(exchange_id), exchange_id, outcome.state)
            after = replace(before, **entries.ended(outcome), keys=entries.key_pairs(before.keys, outcome.keys))
            self._rows[exchange_id] = after
            self._bodies[exchange_id] = replace(self._bodies[exchange_id], platform_answer=outcome.platform_answer)
            return after

    def doubt_abandoned(self, node: str, outcome: Outcome) -> int:
        with self._lock:
            self._check()
            left = [row for row in self._rows.values() if row.state is State.INTENDED and row.node == node]
            for row in left:
                self._rows[row.id] = replace(row, **entries.ended(outcome))
            return len(left)

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        row = entries.recorded(intent, outcome)
        with self._lock:
            self._check()
            holder = self._holder(row.client, row.request_id)
            free = holder is None or holder.state in entries.FREE
            return self._insert(row, intent, outcome.platform_answer, takes_request=free)

    def get(self, exchange_id: int) -> Exchange | None:
        with self._lock:
            self._check()
            return self._rows.get(exchange_id)

    def bodies(self, exchange_id: int) -> Bodies | None:
        with self._lock:
            self._check()
            return self._bodies.get(exchange_id)

    def search(self, query: Query) -> list[Exchange]:
        limit = entries.check_limit(query.limit)
        with self._lock:
            self._check()
            found = [row for row in self._rows.values() if _matches(row, query)]
        return sorted(found, key=lambda row: row.id, reverse=True)[:limit]

    def count_by_state(self, since: datetime) -> Mapping[str, int]:
        with self._lock:
            self._check()
            return Counter(row.state.value for row in self._rows.values() if row.received_at >= since)

    def next_msgids(self, institution: str, now: datetime, count: int) -> MsgidBlock:
        earliest = entries.check_block(now, count)
        with self._lock:
            self._check()
            first = max(earliest, self._next_slot.get(institution, 0))
            self._next_slot[institution] = first + count
            return MsgidBlock(institution, first, first + count)

    def ready(self) -> bool:
        return self.available

    def _check(self) -> None:
        if not self.available:
            raise JournalUnavailable("the journal was made unavailable")

    def _holder(self, client: str, request_id: str | None) -> Exchange | None:
        exchange_id = self._requests.get((client, request_id or ""))
        return None if exchange_id is None else self._rows[exchange_id]

    def _insert(self, row: Exchange, intent: Intent, answer: bytes | None, *, takes_request: bool) -> Exchange:
        if row.msgid and any(row.msgid == other.msgid for other in self._rows.values()):
            raise JournalUnavailable(f"msgid {row.msgid} is already in the journal")
        written = replace(row, id=len(self._rows) + 1)
        self._rows[written.id] = written
        charset = entries.short(intent.caller_charset, "charset")
        self._bodies[written.id] = Bodies(intent.caller_request, charset, intent.platform_request, answer)
        if row.request_id and takes_request:
            self._requests[row.client, row.request_id] = written.id
        return written


def _matches(row: Exchange, query: Query) -> bool:
    keys = entries.key_pairs(query.keys)
    return (
        (not query.keys or (len(keys) == len(set(query.keys)) and set(keys) <= set(row.keys)))
        and (not query.msgid or row.msgid == entries.identity(query.msgid, "msgid"))
        and (not query.request_id or row.request_id == entries.identity(query.request_id, "request_id"))
        and (not query.infno or row.infno == entries.short(query.infno, "infno"))
        and (not query.client or row.client == entries.identity(query.client, "client"))
        and (not query.states or row.state in query.states)
        and (not query.code or row.code == entries.short(query.code, "code"))
        and (query.since is None or row.received_at >= query.since)
        and (query.until is None or row.received_at < query.until)
        and (query.before_id is None or row.id < query.before_id)
    )
