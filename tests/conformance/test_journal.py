"""Every implementation of the port ``Journal`` behaves like this."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Exchange, Intent, Journal, JournalUnavailable, Query, RequestIdTaken, State
from tests.store.samples import INSTITUTION, LATER, NOW, intent, outcome, refusal

FREE = [State.REFUSED, State.NOT_SENT, State.DECLINED]
HELD = [State.INTENDED, State.CONFIRMED, State.IN_DOUBT]
SENT = [State.CONFIRMED, State.DECLINED, State.NOT_SENT, State.IN_DOUBT]

same_journal = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25, print_blob=True
)


def held_in(journal: Journal, state: State) -> Exchange:
    """An exchange in ``state`` that holds the request id R1."""
    given_intent = intent(request_id="R1")
    if state is State.REFUSED:
        return journal.record(given_intent, refusal())
    row = journal.intend(given_intent)
    return row if state is State.INTENDED else journal.finish(row.id, outcome(state))


# ---------------------------------------------------------------- writing and reading


def test_an_intent_is_kept_whole(journal: Journal) -> None:
    given_intent = intent(request_id="R1")
    row = journal.intend(given_intent)
    assert row == Exchange(
        id=row.id,
        infno="2304",
        state=State.INTENDED,
        safety="money",
        client="his",
        channel="typed",
        institution=INSTITUTION,
        province="guangdong",
        msgid=given_intent.msgid,
        request_id="R1",
        content_hash="c" * 64,
        opter="0001",
        mapping_version="abc123",
        received_at=NOW,
        finished_at=None,
        infcode="",
        inf_refmsgid="",
        err_msg="",
        warn_msg="",
        code="",
        elapsed_ms=0,
        keys=(("mdtrt_id", "M1"), ("psn_no", "P1")),
    )
    assert journal.get(row.id) == row
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert bodies.caller_request == given_intent.caller_request
    assert bodies.caller_charset == "gb18030"
    assert bodies.platform_request == given_intent.platform_request
    assert bodies.platform_answer is None


def test_times_come_back_aware_in_shanghai_to_the_millisecond(journal: Journal) -> None:
    row = journal.intend(intent(received_at=NOW.replace(microsecond=123999)))
    stored = journal.get(row.id)
    assert stored is not None
    assert stored.received_at == row.received_at == NOW.replace(microsecond=123000)
    assert stored.received_at.utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize("state", SENT)
def test_finish_moves_to(journal: Journal, state: State) -> None:
    row = journal.intend(intent())
    ended = outcome(
        state, err_msg="参数错误", warn_msg="提醒", code="GW-3000", keys=[("setl_id", "S1"), ("psn_no", "P1")]
    )
    after = journal.finish(row.id, ended)
    assert after == replace(
        row,
        state=state,
        finished_at=LATER,
        infcode="0",
        inf_refmsgid="440000202611210830150001",
        err_msg="参数错误",
        warn_msg="提醒",
        code="GW-3000",
        elapsed_ms=1800,
        keys=(("mdtrt_id", "M1"), ("psn_no", "P1"), ("setl_id", "S1")),
    )
    assert journal.get(row.id) == after
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert bodies.platform_answer == b'{"infcode":0}'


@pytest.mark.parametrize("state", [State.RECEIVED, State.REFUSED, State.INTENDED])
def test_finish_refuses_other_edges(journal: Journal, state: State) -> None:
    row = journal.intend(intent())
    with pytest.raises(ValueError, match="no way from INTENDED"):
        journal.finish(row.id, outcome(state))
    assert journal.get(row.id) == row


@pytest.mark.parametrize("state", [*SENT, State.REFUSED])
def test_an_end_is_final(journal: Journal, state: State) -> None:
    row = held_in(journal, state)
    with pytest.raises(ValueError, match=f"no way from {state}"):
        journal.finish(row.id, outcome(State.CONFIRMED, err_msg="second"))
    assert journal.get(row.id) == row


def test_finish_of_nothing(journal: Journal) -> None:
    with pytest.raises(ValueError, match="no exchange 4711"):
        journal.finish(4711, outcome())


def test_only_one_of_many_finishes(journal: Journal) -> None:
    row = journal.intend(intent())
    outcomes = [outcome(SENT[number % 4], err_msg=str(number)) for number in range(8)]
    results = _at_once([lambda end=end: journal.finish(row.id, end) for end in outcomes], ValueError)  # type: ignore[misc]
    winners = [result for result in results if isinstance(result, Exchange)]
    assert len(winners) == 1
    assert journal.get(row.id) == winners[0]


def test_unknown_ids(journal: Journal) -> None:
    assert journal.get(4711) is None
    assert journal.bodies(4711) is None
    assert journal.find_request("his", "R1") is None


@pytest.mark.parametrize("state", [State.REFUSED, *SENT])
def test_record_writes_the_end_at_once(journal: Journal, state: State) -> None:
    given_intent = intent(infno="5201", safety="read", request_id="R1")
    row = journal.record(given_intent, outcome(state, keys=[("mdtrt_id", "M2")]))
    assert row.state is state
    assert row.finished_at == LATER
    assert row.keys == (("mdtrt_id", "M1"), ("mdtrt_id", "M2"), ("psn_no", "P1"))
    assert journal.get(row.id) == row == journal.find_request("his", "R1")
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert (bodies.platform_request, bodies.platform_answer) == (given_intent.platform_request, b'{"infcode":0}')


@pytest.mark.parametrize("state", [State.RECEIVED, State.INTENDED])
def test_record_refuses_what_is_not_an_end(journal: Journal, state: State) -> None:
    with pytest.raises(ValueError, match="is not final"):
        journal.record(intent(), outcome(state))


def test_a_refusal_needs_neither_msgid_nor_bytes_for_the_platform(journal: Journal) -> None:
    given_intent = intent(msgid=None, platform_request=None, keys=())
    first, second = journal.record(given_intent, refusal()), journal.record(given_intent, refusal())
    assert first.msgid is None
    assert first.id != second.id
    bodies = journal.bodies(first.id)
    assert bodies is not None
    assert bodies.platform_request is None


@pytest.mark.parametrize("missing", ["msgid", "platform_request"])
def test_an_intent_needs_what_will_be_sent(journal: Journal, missing: str) -> None:
    with pytest.raises(ValueError, match="exact bytes"):
        journal.intend(intent(**{missing: None}))


def test_naive_times_are_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="without zone"):
        journal.intend(intent(received_at=datetime(2026, 11, 21)))  # noqa: DTZ001


def test_a_msgid_is_unique(journal: Journal) -> None:
    row = journal.intend(intent())
    with pytest.raises(JournalUnavailable):
        journal.intend(intent(msgid=row.msgid, request_id="R9"))
    assert journal.find_request("his", "R9") is None
    assert [found.id for found in journal.search(Query())] == [row.id]


# ---------------------------------------------------------------- what comes in is not always well-behaved


@given(body=st.one_of(st.none(), st.binary(max_size=5000)), answer=st.one_of(st.none(), st.binary(max_size=5000)))
@same_journal
def test_bytes_come_back_exactly(journal: Journal, body: bytes | None, answer: bytes | None) -> None:
    row = journal.record(intent(caller_request=body or b"", platform_request=body), outcome(platform_answer=answer))
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert (bodies.caller_request, bodies.platform_request, bodies.platform_answer) == (body or b"", body, answer)


def test_large_bytes_come_back_exactly(journal: Journal) -> None:
    large = bytes(range(256)) * 4 * 1024 * 5
    row = journal.intend(intent(caller_request=large, platform_request=large + b"\0"))
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert (bodies.caller_request, bodies.platform_request) == (large, large + b"\0")


@given(
    text=st.text(st.characters(exclude_categories=())), key=st.text(st.characters(exclude_categories=()), min_size=1)
)
@same_journal
def test_no_text_can_break_a_write(journal: Journal, text: str, key: str) -> None:
    for odd in (text, text * 200, "\ud800" + text, text + "\0"):
        row = journal.record(
            intent(request_id=odd + key, opter=odd, client=odd, channel=odd, keys=[("psn_no", odd + key)], msgid=None),
            refusal(err_msg=odd, warn_msg=odd, infcode=odd),
        )
        assert journal.get(row.id) == row
        assert journal.find_request(odd, odd + key) == row
        assert journal.search(Query(keys=[("psn_no", odd + key)], client=odd, request_id=odd + key, limit=1)) == [row]


def test_texts_too_long_for_a_column_stay_apart(journal: Journal) -> None:
    first = journal.intend(intent(request_id="x" * 5000 + "1", keys=[("psn_no", "y" * 5000 + "1")]))
    second = journal.intend(intent(request_id="x" * 5000 + "2", keys=[("psn_no", "y" * 5000 + "2")]))
    assert journal.find_request("his", "x" * 5000 + "1") == first
    assert journal.search(Query(keys=[("psn_no", "y" * 5000 + "2")])) == [second]


def test_keys_are_kept_once_and_empty_ones_not_at_all(journal: Journal) -> None:
    row = journal.intend(intent(keys=[("psn_no", "P1"), ("psn_no", "P1"), ("ipt_no", "")]))
    assert row.keys == (("psn_no", "P1"),)
    assert journal.get(row.id) == row
    assert journal.search(Query(keys=[("ipt_no", "")])) == []


def test_an_empty_request_id_is_none(journal: Journal) -> None:
    journal.intend(intent(request_id=""))
    assert journal.intend(intent(request_id="")).request_id is None


# ---------------------------------------------------------------- request_id


@pytest.mark.parametrize("state", HELD)
def test_a_held_request_id_is_taken(journal: Journal, state: State) -> None:
    holder = held_in(journal, state)
    with pytest.raises(RequestIdTaken) as caught:
        journal.intend(intent(request_id="R1"))
    assert caught.value.holder == holder
    assert journal.find_request("his", "R1") == holder
    assert len(journal.search(Query())) == 1


@pytest.mark.parametrize("state", FREE)
def test_after_nothing_was_done_the_request_id_is_free(journal: Journal, state: State) -> None:
    held_in(journal, state)
    again = journal.intend(intent(request_id="R1"))
    assert journal.find_request("his", "R1") == again


def test_request_ids_belong_to_their_client(journal: Journal) -> None:
    journal.intend(intent(request_id="R1"))
    other = journal.intend(intent(request_id="R1", client="pacs"))
    assert journal.find_request("pacs", "R1") == other


@pytest.mark.parametrize("end", [State.REFUSED, State.CONFIRMED])
@pytest.mark.parametrize("state", HELD)
def test_a_record_never_takes_a_held_request_id(journal: Journal, state: State, end: State) -> None:
    holder = held_in(journal, state)
    row = journal.record(intent(request_id="R1"), outcome(end))
    assert row.request_id == "R1"
    assert journal.get(row.id) == row
    assert journal.find_request("his", "R1") == holder


@pytest.mark.parametrize("end", [State.REFUSED, State.CONFIRMED])
@pytest.mark.parametrize("state", FREE)
def test_a_record_takes_a_free_request_id(journal: Journal, state: State, end: State) -> None:
    held_in(journal, state)
    row = journal.record(intent(request_id="R1"), outcome(end))
    assert journal.find_request("his", "R1") == row


@pytest.mark.parametrize("before", [None, *FREE])
def test_of_many_only_one_gets_the_request_id(journal: Journal, before: State | None) -> None:
    if before is not None:
        held_in(journal, before)
    attempts = [intent(request_id="R1") for _ in range(8)]
    results = _at_once([_intending(journal, attempt) for attempt in attempts], RequestIdTaken)
    winners = [result for result in results if isinstance(result, Exchange)]
    losers = [result for result in results if isinstance(result, RequestIdTaken)]
    assert len(winners) == 1
    assert {loser.holder.id for loser in losers} == {winners[0].id}
    assert journal.find_request("his", "R1") == winners[0]
    assert len(journal.search(Query(request_id="R1", states=[State.INTENDED]))) == 1


def test_a_refusal_racing_with_an_intent_never_gets_in_its_way(journal: Journal) -> None:
    for number in range(10):
        request_id = f"R{number}"
        jobs = [_intending(journal, intent(request_id=request_id))]
        jobs += [lambda r=request_id: journal.record(intent(request_id=r), refusal()) for _ in range(3)]  # type: ignore[misc]
        results = _at_once(jobs, RequestIdTaken)
        assert [type(result) for result in results] == [Exchange] * 4
        assert journal.find_request("his", request_id) == results[0]


# ---------------------------------------------------------------- search


def _some(journal: Journal) -> list[Exchange]:
    first = journal.intend(intent(infno="2401", request_id="R1", received_at=NOW))
    second = journal.record(
        intent(infno="5201", client="pacs", received_at=NOW + timedelta(hours=1), keys=[("psn_no", "P2")]), outcome()
    )
    third = journal.record(
        intent(infno="2304", request_id="R1", received_at=NOW + timedelta(hours=2), keys=[("psn_no", "P1")]), refusal()
    )
    return [first, second, third]


def test_search_by_each_condition(journal: Journal) -> None:
    first, second, third = _some(journal)
    assert journal.search(Query()) == [third, second, first]
    assert journal.search(Query(keys=[("psn_no", "P1")])) == [third, first]
    assert journal.search(Query(keys=[("psn_no", "P1"), ("mdtrt_id", "M1")])) == [first]
    assert journal.search(Query(keys=[("mdtrt_id", "P1")])) == []
    assert journal.search(Query(msgid=second.msgid)) == [second]
    assert journal.search(Query(request_id="R1")) == [third, first]
    assert journal.search(Query(infno="5201")) == [second]
    assert journal.search(Query(client="pacs")) == [second]
    assert journal.search(Query(states=[State.INTENDED, State.REFUSED])) == [third, first]
    assert journal.search(Query(code="GW-1101")) == [third]
    assert journal.search(Query(since=NOW + timedelta(hours=1))) == [third, second]
    assert journal.search(Query(until=NOW + timedelta(hours=1))) == [first]
    assert journal.search(Query(keys=[("psn_no", "P1")], states=[State.REFUSED], client="his", until=NOW)) == []


def test_pages_hold_everything_once(journal: Journal) -> None:
    for number in range(7):
        journal.record(intent(keys=[("psn_no", f"P{number % 2}")]), outcome())
    everything = [row.id for row in journal.search(Query())]
    for keys, expected in (([], everything), ([("psn_no", "P0")], everything[::2])):
        seen: list[int] = []
        while page := journal.search(Query(keys=keys, limit=2, before_id=seen[-1] if seen else None)):
            seen += [row.id for row in page]
        assert seen == expected


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_bounds(journal: Journal, limit: int) -> None:
    with pytest.raises(ValueError, match="a page holds"):
        journal.search(Query(limit=limit))


def test_count_by_state(journal: Journal) -> None:
    _some(journal)
    assert journal.count_by_state(NOW) == {"INTENDED": 1, "CONFIRMED": 1, "REFUSED": 1}
    assert journal.count_by_state(NOW + timedelta(hours=1)) == {"CONFIRMED": 1, "REFUSED": 1}
    assert journal.count_by_state(NOW + timedelta(days=1)) == {}


# ---------------------------------------------------------------- after a crash


def test_what_a_dead_process_left_open_is_in_doubt(journal: Journal) -> None:
    left = [journal.intend(intent(node="a")), journal.intend(intent(node="a", request_id="r"))]
    other = journal.intend(intent(node="b"))
    ended = journal.intend(intent(node="a"))
    journal.finish(ended.id, outcome())
    assert journal.doubt_abandoned("a", outcome(State.IN_DOUBT, code="GW-4101", platform_answer=None)) == 2
    found = [journal.get(row.id) for row in [*left, other, ended]]
    assert [row.state for row in found if row] == [State.IN_DOUBT, State.IN_DOUBT, State.INTENDED, State.CONFIRMED]
    held = journal.find_request("his", "r")
    assert held is not None
    assert (held.state, held.code, held.finished_at) == (State.IN_DOUBT, "GW-4101", LATER)
    assert journal.doubt_abandoned("a", outcome(State.IN_DOUBT)) == 0


# ---------------------------------------------------------------- numbers


def test_numbers_start_at_the_second_and_never_go_back(journal: Journal) -> None:
    now = datetime(2026, 11, 21, 8, 30, 15, 900000, tzinfo=SHANGHAI)
    second = int(now.timestamp()) * 10_000
    first = journal.next_msgids(INSTITUTION, now, 100)
    assert (first.institution, first.first, first.end) == (INSTITUTION, second, second + 100)
    assert journal.next_msgids(INSTITUTION, now - timedelta(days=1), 10_000).first == second + 100
    assert journal.next_msgids(INSTITUTION, now, 1).first == second + 10_100
    later = journal.next_msgids(INSTITUTION, now + timedelta(seconds=5), 1)
    assert later.first == second + 50_000
    assert journal.next_msgids("H44080300019", now, 1).first == second


@pytest.mark.parametrize("count", [0, -5, 10_001])
def test_a_block_has_bounds(journal: Journal, count: int) -> None:
    with pytest.raises(ValueError, match="a block holds"):
        journal.next_msgids(INSTITUTION, NOW, count)


def test_blocks_of_many_threads_are_disjoint(journal: Journal) -> None:
    blocks = _at_once([lambda: journal.next_msgids(INSTITUTION, NOW, 7)] * 24, JournalUnavailable)
    slots = [slot for block in blocks for slot in range(block.first, block.end)]  # type: ignore[attr-defined]
    assert len(set(slots)) == 24 * 7


def test_ready(journal: Journal) -> None:
    assert journal.ready()


# ---------------------------------------------------------------- helpers


def _intending(journal: Journal, attempt: Intent) -> Callable[[], object]:
    return lambda: journal.intend(attempt)


def _at_once(jobs: list[Callable[[], object]], expected: type[Exception]) -> list[object]:
    """What each job returned or raised, all begun at the same moment."""
    barrier = Barrier(len(jobs), timeout=30)

    def run(job: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return job()
        except expected as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))
