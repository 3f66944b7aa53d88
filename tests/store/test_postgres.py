"""PostgreSQL: several nodes, races that the database decides, a server that dies and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from gateway.exchange.ports import Exchange, JournalUnavailable, Query, RequestIdTaken, State
from gateway.store import Store, StoreError, open_store
from tests.pg import PgServer
from tests.store.samples import intent, outcome


@pytest.fixture
def nodes(pg_url: str) -> Iterator[list[Store]]:
    stores = [open_store(pg_url, node=f"n{number}") for number in range(2)]
    at_once([store.upgrade for store in stores])
    yield stores
    for store in stores:
        store.close()


def at_once(jobs: list[Callable[[], object]]) -> list[object]:
    """What each job returned or raised, all begun at the same moment."""
    barrier = Barrier(len(jobs), timeout=30)

    def run(job: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return job()
        except (RequestIdTaken, ValueError) as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_two_nodes_upgrade_at_once(nodes: list[Store]) -> None:
    assert [store.check() for store in nodes] == [[], []]


@pytest.mark.parametrize("before", [None, State.DECLINED])
def test_one_node_gets_the_request_id(nodes: list[Store], before: State | None) -> None:
    for number in range(8):
        request_id = f"R{number}"
        if before is not None:
            row = nodes[0].journal.intend(intent(request_id=request_id))
            nodes[0].journal.finish(row.id, outcome(before))
        jobs = [_intending(store, request_id) for store in nodes for _ in range(3)]
        results = at_once(jobs)
        winners = [result for result in results if isinstance(result, Exchange)]
        losers = [result for result in results if isinstance(result, RequestIdTaken)]
        assert len(winners) == 1
        assert [loser.holder for loser in losers] == winners * 5
        assert nodes[1].journal.find_request("his", request_id) == winners[0]


def test_one_node_finishes(nodes: list[Store], pg_url: str) -> None:
    row = nodes[0].journal.intend(intent())
    jobs = [_finishing(store, row.id, state) for store, state in zip(nodes, ENDS, strict=True)]
    with psycopg.connect(pg_url) as holder, ThreadPoolExecutor(1) as pool:
        # both have read INTENDED and stand before the change when the row is let go
        holder.execute("SELECT 1 FROM exchange WHERE id = %s FOR UPDATE", (row.id,))
        racing = pool.submit(at_once, jobs)
        _until_waiting(pg_url, len(jobs))
        holder.rollback()
        results = racing.result(30)
    assert sorted(type(result).__name__ for result in results) == ["Exchange", "ValueError"]
    assert nodes[0].journal.get(row.id) in results


def _until_waiting(pg_url: str, count: int) -> None:
    """Return when ``count`` connections wait for a lock; fail after 30 s."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 30
    with psycopg.connect(pg_url, autocommit=True) as connection:
        while connection.execute(question).fetchone() != (count,):
            assert time.monotonic() < deadline


ENDS = (State.CONFIRMED, State.DECLINED)


def _intending(store: Store, request_id: str) -> Callable[[], object]:
    attempt = intent(request_id=request_id)
    return lambda: store.journal.intend(attempt)


def _finishing(store: Store, exchange_id: int, state: State) -> Callable[[], object]:
    # no answer: otherwise the primary key of its bytes would decide the race by chance
    end = outcome(state, platform_answer=None, keys=[("setl_id", state.value)])
    return lambda: store.journal.finish(exchange_id, end)


def test_a_commit_is_durable_even_where_the_server_is_set_otherwise(pg_url: str) -> None:
    with psycopg.connect(pg_url, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit=off', current_database()); END $$"
        )
    store = open_store(pg_url, node="甲" * 40)
    shown = store._backend.write(lambda found: found.exec_driver_sql("SHOW synchronous_commit").scalar())
    store.close()
    assert shown == "on"


def test_read_only(nodes: list[Store], pg_url: str) -> None:
    row = nodes[0].journal.intend(intent())
    reader = open_store(pg_url, node="console", read_only=True)
    assert reader.journal.get(row.id) == row
    with pytest.raises(JournalUnavailable, match="reading only"):
        reader.journal.finish(row.id, outcome())
    reader.close()


def test_a_server_that_dies_and_comes_back(nodes: list[Store], pg_server: PgServer) -> None:
    journal = nodes[0].journal
    rows = [journal.intend(intent()) for _ in range(5)]
    pg_server.crash()
    try:
        assert not journal.ready()
        with pytest.raises(JournalUnavailable):
            journal.intend(intent(request_id="while it was dead"))
        with pytest.raises(JournalUnavailable):
            journal.get(rows[0].id)
        with pytest.raises(StoreError, match="连接不上数据库 postgresql"):
            nodes[0].upgrade()
        assert "数据库无法读取" in nodes[0].check()[0]
    finally:
        pg_server.start()
    assert journal.ready()
    assert journal.search(Query()) == rows[::-1]
    assert journal.finish(rows[0].id, outcome()).state is State.CONFIRMED


def test_a_restart_between_two_calls_goes_unnoticed(nodes: list[Store], pg_server: PgServer) -> None:
    journal = nodes[0].journal
    row = journal.intend(intent())
    pg_server.crash()
    pg_server.start()
    assert journal.finish(row.id, outcome()).state is State.CONFIRMED
    pg_server.crash()
    pg_server.start()
    assert journal.get(row.id) is not None


def test_an_error_in_the_database_says_nothing_of_the_patient(nodes: list[Store], pg_url: str) -> None:
    row = nodes[0].journal.intend(intent(request_id="440102198001010011"))
    with pytest.raises(JournalUnavailable) as caught:
        nodes[1].journal.intend(intent(msgid=row.msgid, request_id="440102198001010012"))
    assert "ux_exchange_msgid" in str(caught.value)
    assert "440102198001010012" not in str(caught.value)
