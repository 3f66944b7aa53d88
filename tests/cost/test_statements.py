"""What a durable exchange asks of the store, counted: statements and commits, the same on every machine.

A statement more is seen here before anybody feels it. A change that pays for one on purpose changes the figure, and says
in its message what it buys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gateway.episodes import Episodes
from gateway.exchange.call import Reply
from gateway.exchange.ports import Query
from gateway.exchange.receipts import Receipts
from gateway.exchange.stay_rules import StayRules
from gateway.rules.policy import Policy
from gateway.stays.desk import StayDesk
from gateway.store import Store, open_store
from tests.exchange.kit import Hospital
from tests.simulation import messages
from tests.sqlite import new_sqlite


@dataclass(frozen=True)
class Cost:
    """``read``: statements on reading connections; ``written``: those of the writing one, queries among them."""

    read: int
    written: int
    commits: int


class Counted(Hospital):
    """A hospital on a store of its own; what runs beside runs when the test says so."""

    def __init__(self, store: Store, file: Path) -> None:
        journal = store.journal
        self._database = file.resolve().as_uri()
        self._store = store
        self._beside: list[Callable[[], None]] = []
        desk = StayDesk(journal.stays, Policy(), lambda: self.clock())
        rules = StayRules(desk, journal, lambda: self.clock(), later=self._beside.append)
        super().__init__(journal, rules=rules)
        self.receipts = Receipts(journal, lambda: self.clock())
        self.episodes = Episodes(store.stay_feed, journal.stays, Policy())
        self.episodes.turn()  # the first makes all rows

    def cost_of(self, act: Callable[[], object]) -> Cost:
        """What ``act`` asks of the store; one after another, so that nothing of others is among it."""
        counts = Counter[str]()

        # gateways of other tests may run in this process, with stores of their own
        def statement(connection: Any, *_: Any) -> None:
            if connection.engine.url.database != self._database:
                return
            counts["written" if connection.connection.driver_connection.in_transaction else "read"] += 1

        def committed(connection: Any) -> None:
            counts["commits"] += connection.engine.url.database == self._database

        event.listen(Engine, "before_cursor_execute", statement)
        event.listen(Engine, "commit", committed)
        try:
            act()
        finally:
            event.remove(Engine, "before_cursor_execute", statement)
            event.remove(Engine, "commit", committed)
        return Cost(counts["read"], counts["written"], counts["commits"])

    def costs(self, infno: str, message: Mapping[str, Any]) -> dict[str, Cost]:
        """Of a call, and of what nobody waits for: what is asked back, the mark of the reply, the row of the list."""
        replies: list[Reply] = []

        def read_back() -> None:
            while self._beside:
                self._beside.pop()()

        found = {"call": self.cost_of(lambda: replies.append(self.call(infno, message)))}
        assert replies[0].infcode == "0", replies
        self.receipts.told(replies[0], written=True)
        found["asked back"] = self.cost_of(read_back)
        found["reply"] = self.cost_of(self.receipts.keep)
        found["list"] = self.cost_of(self.episodes.turn)
        return found


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    file = tmp_path_factory.mktemp("cost") / "yibao.db"
    store = open_store(new_sqlite(file), node="n1")
    store.upgrade()
    hospital = Counted(store, file)
    hospital.admit("Z0")  # whatever is asked once in a life of a process has been asked
    hospital.costs("2401", messages.admission(hospital.psn_no, "Z0-1"))
    yield hospital
    store.close()


def test_what_an_admission_and_its_fees_ask_of_the_store(hospital: Counted) -> None:
    admitted = hospital.costs("2401", messages.admission(hospital.psn_no, "Z1"))
    (row,) = hospital.journal.search(Query(keys=[("ipt_no", "Z1")], infno="2401"))
    mdtrt_id = dict(row.keys)["mdtrt_id"]
    fees = hospital.costs("2301", hospital.fees(mdtrt_id, 5))
    assert admitted == {
        "call": Cost(read=2, written=18, commits=2),
        "asked back": Cost(read=0, written=6, commits=1),
        "reply": Cost(read=0, written=1, commits=1),
        "list": Cost(read=9, written=7, commits=2),
    }
    assert fees == {
        "call": Cost(read=6, written=15, commits=2),
        "asked back": Cost(read=0, written=0, commits=0),
        "reply": Cost(read=0, written=0, commits=0),
        "list": Cost(read=8, written=7, commits=2),
    }


def test_many_replies_are_one_commit(hospital: Counted) -> None:
    replies = [hospital.call("2401", messages.admission(hospital.psn_no, f"Z3-{n}")) for n in range(4)]
    for reply in replies:
        hospital.receipts.told(reply, written=True)
    assert hospital.cost_of(hospital.receipts.keep) == Cost(read=0, written=1, commits=1)
