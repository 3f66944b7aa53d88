"""The journal on SQLite against a floor written by hand: the same bytes, two inserts, two durable commits per exchange."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from bench.measure import Samples, Subject, interleaved
from bench.messages import Case
from bench.parts import SENDER, Parts
from gateway import clock
from gateway.contract.envelope import write_request
from gateway.exchange.content import business_keys, content_hash
from gateway.exchange.ports import Intent, Outcome, State
from gateway.store import open_store

JOURNAL: Final = "journal"
FLOOR: Final = "floor"
THREADS: Final = 16
_GROUP_MAX: Final = 64
_Job = tuple[str, tuple[object, ...], Future[None]]
"""A statement, its values, and who waits for it to be durable."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one exchange writes."""

    case: Case
    platform_request: bytes
    content: str
    keys: tuple[tuple[str, str], ...]
    output_keys: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, parts: Parts, case: Case) -> Written:
        contract = parts.interface.contract
        body = write_request(contract, SENDER, {}, case.infno, "0" * 30, clock.now(), case.message)
        keys = tuple(business_keys(case.message))
        return cls(case, body, content_hash(case.infno, case.message), keys, (("mdtrt_id", "MDTR000000000001"),))

    def intent(self, number: int) -> Intent:
        """The intent of the ``number``-th exchange of this run."""
        return Intent(
            infno=self.case.infno,
            safety="money",
            client="bench",
            channel="typed",
            institution=SENDER.fixmedins_code,
            received_at=clock.now(),
            mapping_version="0123456789abcdef",
            caller_request=self.case.soap,
            caller_charset="utf-8",
            request_id=f"HIS-{number:012d}",
            content_hash=self.content,
            msgid=f"{SENDER.fixmedins_code}{number:018d}",
            platform_request=self.platform_request,
            keys=self.keys,
            opter="0001",
            province="jiangsu",
            node="bench",
        )

    def outcome(self) -> Outcome:
        finished = clock.now() + timedelta(milliseconds=1)
        return Outcome(State.CONFIRMED, finished, self.case.answer, infcode="0", keys=self.output_keys, elapsed_ms=1)


class Floor:
    """What must be written and nothing else: one thread, one transaction for all that wait, one fsync for each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="floor")
        self._thread.start()

    def write(self, statement: str, values: tuple[object, ...]) -> None:
        """Returns when the row is durable."""
        done: Future[None] = Future()
        self._jobs.put((statement, values, done))
        done.result()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE intent (msgid TEXT PRIMARY KEY, caller BLOB, sent BLOB)")
        database.execute("CREATE TABLE outcome (msgid TEXT PRIMARY KEY, state TEXT, answer BLOB)")
        while (first := self._jobs.get()) is not None:
            group = [first]
            while len(group) < _GROUP_MAX and not self._jobs.empty() and (job := self._jobs.get()) is not None:
                group.append(job)
            _commit(database, group)
        database.close()


def _commit(database: sqlite3.Connection, group: Sequence[_Job]) -> None:
    try:
        database.execute("BEGIN IMMEDIATE")
        for statement, values, _ in group:
            database.execute(statement, values)
        database.execute("COMMIT")
    except sqlite3.Error as error:
        for _, _, done in group:
            done.set_exception(error)
        if database.in_transaction:
            database.execute("ROLLBACK")
        return
    for _, _, done in group:
        done.set_result(None)


INTENT: Final = "INSERT INTO intent VALUES (?, ?, ?)"
OUTCOME: Final = "INSERT INTO outcome VALUES (?, ?, ?)"


def measure(
    parts: Parts, case: Case, exchanges: int, rounds: int, folder: Path, progress: Callable[[], object]
) -> Samples:
    """Exchanges through both, from sixteen threads.

    Args:
        exchanges: per sample, over all threads.
        folder: on the disk whose fsync counts.
    """
    written = Written.of(parts, case)
    numbers = count(1)
    with _journal(folder, written) as journal, _floor(folder, written) as floor, ThreadPoolExecutor(THREADS) as threads:

        def subject(name: str, one: Callable[[int], None]) -> Subject:
            def run() -> None:
                for _ in threads.map(one, [next(numbers) for _ in range(exchanges)]):
                    pass

            return Subject(name, run, exchanges)

        return interleaved([subject(JOURNAL, journal), subject(FLOOR, floor)], rounds, progress)


@contextmanager
def _journal(folder: Path, written: Written) -> Iterator[Callable[[int], None]]:
    store = open_store(f"sqlite:///{folder / f'journal-{written.case.infno}.db'}", node="bench")
    store.upgrade()

    def one(number: int) -> None:
        entry = store.journal.intend(written.intent(number))
        store.journal.finish(entry.id, written.outcome())

    try:
        yield one
    finally:
        store.close()


@contextmanager
def _floor(folder: Path, written: Written) -> Iterator[Callable[[int], None]]:
    floor = Floor(folder / f"floor-{written.case.infno}.db")

    def one(number: int) -> None:
        msgid = f"{SENDER.fixmedins_code}{number:018d}"
        floor.write(INTENT, (msgid, written.case.soap, written.platform_request))
        floor.write(OUTCOME, (msgid, "CONFIRMED", written.case.answer))

    try:
        yield one
    finally:
        floor.close()
