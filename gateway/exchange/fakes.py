"""Journal and registry in memory: small, real, gone with the process. For tests of whoever needs one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.exchange import entries
from gateway.exchange.ports import (
    Bodies,
    Busy,
    Exchange,
    InForce,
    Intent,
    JournalUnavailable,
    MsgidBlock,
    Node,
    NodeFacts,
    NodeState,
    Outcome,
    Proof,
    Query,
    Registration,
    RequestIdTaken,
    Resent,
    ResentAlready,
    State,
)
from gateway.exchange.states import FREE, OPEN, UNRESOLVED
from gateway.exchange.stay_fakes import MemoryStays


class MemoryJournal:
    """``Journal`` in dictionaries. ``available`` False makes every method raise ``JournalUnavailable``, as a dead database would."""

    def __init__(self) -> None:
        self.available = True
        self._rows: dict[int, Exchange] = {}
        self._bodies: dict[int, Bodies] = {}
        self._requests: dict[tuple[str, str], int] = {}
        self._busy: dict[str, int] = {}
        self._proofs: dict[int, list[Proof]] = {}
        self._resends: dict[int, int] = {}
        self._next_slot: dict[str, int] = {}
        self._lock = threading.Lock()
        self.stays = MemoryStays(self._guarded, self._rows.__getitem__)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            self._check()
            yield

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        with self._lock:
            self._check()
            return self._holder(entries.identity(client, "client"), entries.identity(request_id, "request_id"))

    def intend(self, intent: Intent) -> Exchange:
        row, keys = entries.intended(intent), entries.busy_keys(intent)
        with self._lock:
            self._check()
            holder = self._holder(row.client, row.request_id)
            if holder is not None and (not _gives_way(holder) or intent.seen not in (None, holder.id)):
                raise RequestIdTaken(holder)
            same = self._alike(row.infno, row.business_key, row.content_hash) if intent.once else []
            if same and (_stands(same[0]) or entries.overtaken_by(intent, max(one.id for one in same))):
                raise InForce(same[0])
            for key in keys:
                if key in self._busy:
                    raise Busy(self._rows[self._busy[key]])
            self.stays.check_versions(intent.stay_versions)
            self._must_be_the_first(intent.resends)
            written = self._insert(row, intent, None, takes_request=True)
            self.stays.intended(written.id, intent.stay, intent.stay_versions)
            self._busy |= dict.fromkeys(keys, written.id)
            return written

    def find_same(self, infno: str, business_key: str, content_hash: str) -> Exchange | None:
        named = entries.short(infno, "infno"), entries.identity(business_key, "business_key"), content_hash
        with self._lock:
            self._check()
            return next(iter(self._alike(*named)), None)

    def find_busy(self, business_key: str) -> Exchange | None:
        with self._lock:
            self._check()
            holder = self._busy.get(entries.identity(business_key, "business_key"))
            return None if holder is None else self._rows[holder]

    def finish(self, exchange_id: int, outcome: Outcome, begun: Exchange | None = None) -> Exchange:
        del begun
        with self._lock:
            self._check()
            row = self._rows.get(exchange_id)
            before = entries.check_edge(row, exchange_id, outcome.state, of=(State.INTENDED,))
            after = replace(before, **entries.ended(outcome), keys=entries.key_pairs(before.keys, outcome.keys))
            self._close(after, outcome)
            self._bodies[exchange_id] = replace(
                self._bodies[exchange_id],
                platform_answer=outcome.platform_answer,
                **_wire(outcome, self._bodies[exchange_id].wire_request),
            )
            return after

    def resolve(self, exchange_id: int, outcome: Outcome, proofs: Sequence[Proof] = ()) -> Exchange:
        with self._lock:
            self._check()
            row = self._rows.get(exchange_id)
            after = entries.resolved(entries.check_edge(row, exchange_id, outcome.state, of=UNRESOLVED), outcome)
            self._close(after, outcome)
            if outcome.proof_answer is not None:
                self._bodies[exchange_id] = replace(self._bodies[exchange_id], proof_answer=outcome.proof_answer)
            self._proofs.setdefault(exchange_id, []).extend(proofs)
            return after

    def add_proof(self, exchange_id: int, proof: Proof) -> None:
        with self._lock:
            self._check()
            if exchange_id not in self._rows:
                raise ValueError(f"no exchange {exchange_id}")
            self._proofs.setdefault(exchange_id, []).append(proof)

    def proofs(self, exchange_id: int) -> list[Proof]:
        with self._lock:
            self._check()
            return list(self._proofs.get(exchange_id, ()))

    def doubts(self, due: datetime, limit: int = 100) -> list[Exchange]:
        entries.check_limit(limit)
        with self._lock:
            self._check()
            found = [row for row in self._rows.values() if row.state is State.IN_DOUBT]
        return [row for row in found if row.next_try_at is None or row.next_try_at <= due][:limit]

    def postpone(self, exchange_id: int, tries: int, next_try_at: datetime) -> bool:
        with self._lock:
            self._check()
            row = self._rows.get(exchange_id)
            if row is None or row.state is not State.IN_DOUBT or row.tries != tries:
                return False
            later = entries.from_ms(entries.to_ms(next_try_at))
            self._rows[exchange_id] = replace(row, tries=tries + 1, next_try_at=later)
            return True

    def mark_replies(self, replies: Sequence[tuple[int, str, datetime]]) -> None:
        marks = [
            (number, entries.check_reply(reply), entries.from_ms(entries.to_ms(at))) for number, reply, at in replies
        ]
        with self._lock:
            self._check()
            for exchange_id, reply, at in marks:
                row = self._rows.get(exchange_id)
                if row is not None and row.state is State.CONFIRMED and row.reply != entries.WRITTEN:
                    self._rows[exchange_id] = replace(row, reply=reply, reply_at=at)

    def untold(self, since: datetime, before: datetime, limit: int = 100) -> list[Exchange]:
        entries.check_limit(limit)
        with self._lock:
            self._check()
            found = [row for row in self._rows.values() if row.received_at >= since and row.safety == "money"]
            found.sort(key=_by_time)
        return [
            row
            for row in found
            if row.in_force and row.reply != entries.WRITTEN and row.finished_at and row.finished_at < before
        ][:limit]

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        row = entries.recorded(intent, outcome)
        with self._lock:
            self._check()
            self._must_be_the_first(intent.resends)
            holder = self._holder(row.client, row.request_id)
            free = holder is None or _gives_way(holder)
            written = self._insert(row, intent, outcome, takes_request=free)
            if (facts := outcome.stay or intent.stay) and row.state is State.CONFIRMED:
                self.stays.confirmed(written.id, facts, ())
            self.stays.adopted(outcome.adopts)
            return written

    def resends(self, exchange_id: int) -> Resent:
        with self._lock:
            self._check()
            originals = {again: original for original, again in self._resends.items()}
            return Resent(originals.get(exchange_id), self._resends.get(exchange_id))

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
            if query.by_time:
                return sorted(self._before(found, query.before_id), key=_by_time, reverse=True)[:limit]
        return sorted(found, key=lambda row: row.id, reverse=True)[:limit]

    def _before(self, found: list[Exchange], before_id: int | None) -> list[Exchange]:
        """What comes after the row of that number in a list by time; a number never given is that of the next one below."""
        if before_id is None:
            return found
        last = max((number for number in self._rows if number <= before_id), default=None)
        if last is None:
            return []
        place = self._rows[last].received_at, before_id
        return [row for row in found if _by_time(row) < place]

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

    def _must_be_the_first(self, original: int | None) -> None:
        if original is not None and original in self._resends:
            raise ResentAlready(self._resends[original])

    def _check(self) -> None:
        if not self.available:
            raise JournalUnavailable("the journal was made unavailable")

    def _holder(self, client: str, request_id: str | None) -> Exchange | None:
        exchange_id = self._requests.get((client, request_id or ""))
        return None if exchange_id is None else self._rows[exchange_id]

    def _alike(self, infno: str, business_key: str, content_hash: str) -> list[Exchange]:
        """Those that stand first, each newest first."""
        wanted = (infno, business_key, content_hash)
        same = [row for row in self._rows.values() if (row.infno, row.business_key, row.content_hash) == wanted]
        return sorted(same, key=lambda row: (_stands(row), row.id), reverse=True)

    def _close(self, row: Exchange, outcome: Outcome) -> None:
        """Keep the row, free its keys when it is closed, end what its confirmation ends."""
        self._rows[row.id] = row
        if row.state not in OPEN:
            self._busy = {key: holder for key, holder in self._busy.items() if holder != row.id}
        if row.state is State.CONFIRMED:
            self.stays.confirmed(row.id, outcome.stay, self._end_others(row, outcome))

    def _end_others(self, row: Exchange, outcome: Outcome) -> list[int]:
        """Ids of those in force no more."""
        before = dict(self._rows)
        self._end(row, outcome)
        return [other.id for other in before.values() if self._rows[other.id] is not other]

    def _end(self, row: Exchange, outcome: Outcome) -> None:
        for other in list(self._rows.values()):
            if other.in_force and other.id < row.id and other.infno in outcome.ends and _same_visit(row, other):
                self._rows[other.id] = replace(other, undone_by=row.id)
        if not outcome.ends_msgid:
            return
        for other in list(self._rows.values()):
            if other.in_force and other.msgid == entries.identity(outcome.ends_msgid, "msgid"):
                for ended in list(self._rows.values()):
                    if ended.undone_by == other.id:
                        self._rows[ended.id] = replace(ended, undone_by=None)
                self._rows[other.id] = replace(other, undone_by=row.id)

    def _insert(self, row: Exchange, intent: Intent, outcome: Outcome | None, *, takes_request: bool) -> Exchange:
        if row.msgid and any(row.msgid == other.msgid for other in self._rows.values()):
            raise JournalUnavailable(f"msgid {row.msgid} is already in the journal")
        written = replace(row, id=len(self._rows) + 1)
        self._rows[written.id] = written
        charset = entries.short(intent.caller_charset, "charset")
        answer = outcome.platform_answer if outcome else None
        self._bodies[written.id] = Bodies(
            intent.caller_request, charset, intent.platform_request, answer, **_wire(outcome, intent.wire_request)
        )
        if intent.evidence:
            self._proofs[written.id] = list(intent.evidence)
        if intent.resends is not None:
            self._resends[intent.resends] = written.id
        if row.request_id and takes_request:
            self._requests[row.client, row.request_id] = written.id
        return written


def _wire(outcome: Outcome | None, prepared: bytes | None) -> dict[str, Any]:
    wire = outcome.wire if outcome else None
    return {"wire_request": prepared or (wire.request if wire else None), "wire_answer": wire.answer if wire else None}


class MemoryNodes:
    """``NodeRegistry`` over the rows of a :class:`MemoryJournal`.

    Args:
        alone: as a store would be that admits one process only.
    """

    def __init__(self, journal: MemoryJournal, *, alone: bool = False) -> None:
        self.alone = alone
        self._journal = journal
        self._nodes: dict[str, Node] = {}

    def nodes(self) -> list[Node]:
        with self._journal._lock:
            self._journal._check()
            held = Counter(row.node for row in self._journal._rows.values() if row.state is State.INTENDED)
            return [replace(self._nodes[name], open=held[name]) for name in sorted(self._nodes)]

    def claim(
        self, name: str, before: Node | None, facts: NodeFacts, now: datetime, outcome: Outcome
    ) -> tuple[Registration, int] | None:
        mine = Registration(entries.identity(name, "node"), before.registration.epoch + 1 if before else 1)
        with self._journal._lock:
            self._journal._check()
            if not _same_life(self._nodes.get(mine.name), before):
                return None
            at = entries.from_ms(entries.to_ms(now))
            if self.alone:
                self._nodes = {key: _ended(node, NodeState.DEAD) for key, node in self._nodes.items()}
            self._nodes[mine.name] = Node(mine, NodeState.RUNNING, 0, at, at, facts)
            return mine, self._doubt(
                outcome, lambda row: self.alone or (row.node == mine.name and row.epoch < mine.epoch)
            )

    def beat(self, registration: Registration, now: datetime) -> bool:
        with self._journal._lock:
            self._journal._check()
            if not self._in_force(registration):
                return False
            node = self._nodes[registration.name]
            at = entries.from_ms(entries.to_ms(now))
            self._nodes[registration.name] = replace(node, beat=node.beat + 1, heartbeat_at=at)
            return True

    def holds(self, registration: Registration) -> bool:
        with self._journal._lock:
            self._journal._check()
            return self._in_force(registration)

    def declare_dead(self, node: Node, outcome: Outcome) -> int | None:
        with self._journal._lock:
            self._journal._check()
            if not self._in_force(node.registration) or self._nodes[node.registration.name].beat != node.beat:
                return None
            return self._end(node.registration, NodeState.DEAD, outcome)

    def leave(self, registration: Registration, outcome: Outcome) -> int:
        with self._journal._lock:
            self._journal._check()
            return self._end(registration, NodeState.ENDED, outcome) if self._in_force(registration) else 0

    def sweep(self, outcome: Outcome) -> int:
        with self._journal._lock:
            self._journal._check()
            return self._doubt(
                outcome, lambda row: row.epoch > 0 and not self._in_force(Registration(row.node, row.epoch))
            )

    def _in_force(self, registration: Registration) -> bool:
        node = self._nodes.get(registration.name)
        return node is not None and node.state is NodeState.RUNNING and node.registration == registration

    def _end(self, registration: Registration, state: NodeState, outcome: Outcome) -> int:
        self._nodes[registration.name] = _ended(self._nodes[registration.name], state)
        return self._doubt(outcome, lambda row: row.node == registration.name and row.epoch <= registration.epoch)

    def _doubt(self, outcome: Outcome, left: Callable[[Exchange], bool]) -> int:
        found = [row for row in self._journal._rows.values() if row.state is State.INTENDED and left(row)]
        for row in found:
            self._journal._rows[row.id] = replace(row, **entries.ended(outcome))
        return len(found)


def _same_life(now: Node | None, before: Node | None) -> bool:
    if now is None or before is None:
        return now is before
    return (now.registration, now.beat) == (before.registration, before.beat)


def _ended(node: Node, state: NodeState) -> Node:
    if node.state is not NodeState.RUNNING:
        return node
    raised = Registration(node.registration.name, node.registration.epoch + 1)
    return replace(node, state=state, registration=raised)


def _stands(row: Exchange) -> bool:
    return row.state in OPEN or row.in_force


def _gives_way(holder: Exchange) -> bool:
    return holder.state in FREE or (holder.state is State.CONFIRMED and holder.undone_by is not None)


def _same_visit(row: Exchange, other: Exchange) -> bool:
    kind, values = entries.visit_of(row)
    shared = not kind or any((kind, value) in other.keys for value in values)
    settlements = [[value for name, value in one.keys if name == "setl_id"] for one in (row, other)]
    return shared and row.institution == other.institution and entries.same_settlement(*settlements)


def _by_time(row: Exchange) -> tuple[datetime, int]:
    return row.received_at, row.id


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
        and (query.before_id is None or query.by_time or row.id < query.before_id)
    )
