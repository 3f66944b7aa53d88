"""Every implementation of the port ``Journal`` behaves like this."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import (
    Busy,
    Exchange,
    InForce,
    Intent,
    Journal,
    JournalUnavailable,
    Proof,
    ProofKind,
    Query,
    RequestIdTaken,
    Resent,
    ResentAlready,
    State,
    Wire,
)
from gateway.exchange.states import EDGES, OPEN
from gateway.exchange.states import FREE as FREE_STATES
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


@pytest.mark.parametrize("wire", [None, Wire(b"<sent/>"), Wire(b"<sent/>", b"\xd5\xc5")])
def test_the_bytes_on_the_line_are_kept_beside_the_envelope(journal: Journal, wire: Wire | None) -> None:
    sent, read = journal.intend(intent(request_id=None)), intent(msgid=None, request_id=None)
    journal.finish(sent.id, outcome(State.IN_DOUBT, wire=wire))
    for row in (sent, journal.record(read, outcome(wire=wire))):
        bodies = journal.bodies(row.id)
        assert bodies is not None
        assert (bodies.wire_request, bodies.wire_answer) == ((wire.request, wire.answer) if wire else (None, None))
        assert bodies.platform_answer == b'{"infcode":0}'


def test_what_was_prepared_is_durable_with_the_intent(journal: Journal) -> None:
    row = journal.intend(intent(request_id=None, wire_request=b"<sealed/>"))
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert (bodies.wire_request, bodies.wire_answer) == (b"<sealed/>", None)
    journal.finish(row.id, outcome(wire=Wire(None, b"<answer/>")))
    bodies = journal.bodies(row.id)
    assert bodies is not None
    assert (bodies.wire_request, bodies.wire_answer) == (b"<sealed/>", b"<answer/>")


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


def test_lists_go_by_receipt_and_what_one_visit_has_by_writing(journal: Journal) -> None:
    late, early, same = (
        journal.record(intent(received_at=NOW + timedelta(seconds=second), keys=[("psn_no", "P1")]), outcome())
        for second in (9, 3, 3)
    )
    assert journal.search(Query()) == [late, same, early]
    assert journal.search(Query(infno=late.infno, until=NOW + timedelta(seconds=9))) == [same, early]
    assert journal.search(Query(keys=[("psn_no", "P1")])) == [same, early, late]


RECEIVED = st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(["2301", "2304"])), max_size=9)


@given(rows=RECEIVED, size=st.integers(1, 4), since=st.integers(-6, 6), infno=st.sampled_from([None, "2304"]))
@settings(parent=same_journal, max_examples=8)
def test_pages_of_a_window_are_the_window_whatever_the_clock_did(
    journal: Journal, rows: list[tuple[int, str]], size: int, since: int, infno: str | None
) -> None:
    client = f"c{uuid4().hex}"
    kept = [
        journal.record(intent(client=client, infno=of, received_at=NOW + timedelta(seconds=second)), outcome())
        for second, of in rows
    ]
    query = Query(client=client, infno=infno, since=NOW + timedelta(seconds=since), limit=size)
    seen: list[Exchange] = []
    while page := journal.search(replace(query, before_id=seen[-1].id if seen else None)):
        seen += page
    wanted = [row for row in kept if row.received_at >= query.since and infno in (None, row.infno)]
    assert seen == sorted(wanted, key=lambda row: (row.received_at, row.id), reverse=True)


def test_a_page_may_begin_at_a_number_that_was_never_given(journal: Journal) -> None:
    first, second, third = _some(journal)
    assert journal.search(Query(before_id=third.id + 1_000_000)) == [third, second, first]
    assert journal.search(Query(before_id=first.id - 1)) == []


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


# ---------------------------------------------------------------- doubts

KEY = "mdtrt_id:M1"


def brought_to(journal: Journal, state: State, **changes: object) -> Exchange:
    """A money exchange about M1 that has gone all the way to ``state``."""
    row = journal.intend(intent(**({"business_key": KEY, "once": True} | changes)))
    if state is State.INTENDED:
        return row
    if state in EDGES[State.INTENDED]:
        return journal.finish(row.id, outcome(state))
    journal.finish(row.id, outcome(State.IN_DOUBT))
    return journal.resolve(row.id, outcome(state))


MOVED = [state for state in State if state not in (State.RECEIVED, State.REFUSED)]


@pytest.mark.parametrize("after", list(State))
@pytest.mark.parametrize("before", MOVED)
def test_resolve_walks_the_table_and_nothing_else(journal: Journal, before: State, after: State) -> None:
    row = brought_to(journal, before)
    note = Proof(ProofKind.DECISION, LATER, "因为", "2304")
    if before in (State.IN_DOUBT, State.ESCALATED) and after in EDGES[before]:
        moved = journal.resolve(row.id, outcome(after, proof_answer=b"proof", code="GW-4110"), [note])
        assert (moved.state, moved.code, moved.elapsed_ms) == (after, "GW-4110", row.elapsed_ms)
        assert journal.get(row.id) == moved
        bodies = journal.bodies(row.id)
        assert bodies is not None
        assert (bodies.platform_answer, bodies.proof_answer) == (b'{"infcode":0}', b"proof")
        assert journal.proofs(row.id) == [note]
    else:
        with pytest.raises(ValueError, match=f"no way from {before} to {after}"):
            journal.resolve(row.id, outcome(after), [note])
        assert journal.get(row.id) == row
        assert journal.proofs(row.id) == []


@pytest.mark.parametrize("state", MOVED)
def test_a_visit_is_busy_while_its_exchange_is_open(journal: Journal, state: State) -> None:
    holder = brought_to(journal, state)
    other = intent(infno="2402", business_key=KEY, content_hash="d" * 64)
    if state in OPEN:
        assert journal.find_busy(KEY) == holder
        with pytest.raises(Busy) as caught:
            journal.intend(other)
        assert caught.value.holder == holder
        assert len(journal.search(Query())) == 1
    else:
        assert journal.find_busy(KEY) is None
        assert journal.find_busy(KEY) is None
        assert journal.find_busy("mdtrt_id:M2") is None
        row = journal.intend(other)
        assert journal.find_busy(KEY) == row


def test_every_visit_of_a_message_is_busy(journal: Journal) -> None:
    row = journal.intend(intent(business_key=KEY, busy_keys=[KEY, "mdtrt_id:M2", KEY]))
    with pytest.raises(Busy):
        journal.intend(intent(business_key="mdtrt_id:M2"))
    journal.finish(row.id, outcome())
    assert journal.intend(intent(business_key="mdtrt_id:M2"))


@pytest.mark.parametrize("state", MOVED)
def test_the_same_without_a_request_id_is_found_while_it_is_open_or_in_force(journal: Journal, state: State) -> None:
    holder = brought_to(journal, state)
    found = journal.find_same("2304", KEY, "c" * 64)
    assert found == holder
    if state in FREE_STATES:
        assert journal.intend(intent(business_key=KEY, once=True))
        return
    assert journal.find_same("2305", KEY, "c" * 64) is None
    assert journal.find_same("2304", "mdtrt_id:M2", "c" * 64) is None
    assert journal.find_same("2304", KEY, "d" * 64) is None
    with pytest.raises(InForce) as caught:
        journal.intend(intent(business_key=KEY, once=True))
    assert caught.value.holder == holder


@pytest.mark.parametrize("state", [state for state in MOVED if state in FREE_STATES])
def test_the_same_that_came_since_it_was_looked_for_is_not_passed_over(journal: Journal, state: State) -> None:
    first = brought_to(journal, state)
    with pytest.raises(InForce) as caught:
        journal.intend(intent(business_key=KEY, once=True, seen=0))
    assert caught.value.holder == first
    second = journal.intend(intent(business_key=KEY, once=True, seen=first.id))
    journal.finish(second.id, outcome(State.DECLINED))
    assert journal.find_same("2304", KEY, "c" * 64) == journal.get(second.id)
    with pytest.raises(InForce):
        journal.intend(intent(business_key=KEY, once=True, seen=first.id))
    # other content, and who does not ask for it once, are not concerned
    other = journal.intend(intent(business_key=KEY, content_hash="d" * 64, once=True, seen=0))
    journal.finish(other.id, outcome())
    assert journal.intend(intent(business_key=KEY, seen=0))


def test_what_stands_is_found_before_what_came_later(journal: Journal) -> None:
    first = journal.intend(intent(business_key=KEY))
    journal.finish(first.id, outcome())
    later = journal.intend(intent(business_key=KEY))
    journal.finish(later.id, outcome(State.DECLINED))
    assert journal.find_same("2304", KEY, "c" * 64) == journal.get(first.id)


@pytest.mark.parametrize("state", [state for state in MOVED if state in FREE_STATES])
def test_a_request_id_that_has_passed_on_since_it_was_looked_for_is_taken(journal: Journal, state: State) -> None:
    first = brought_to(journal, state, request_id="R1")
    with pytest.raises(RequestIdTaken) as caught:
        journal.intend(intent(request_id="R1", seen=0))
    assert caught.value.holder == first
    second = journal.intend(intent(request_id="R1", seen=first.id))
    journal.finish(second.id, outcome(State.DECLINED))
    with pytest.raises(RequestIdTaken):
        journal.intend(intent(request_id="R1", seen=first.id))
    assert journal.intend(intent(request_id="R1"))


@pytest.mark.parametrize("state", [State.NOT_DONE, State.REVERSED, State.ESCALATED])
def test_request_ids_after_a_doubt(journal: Journal, state: State) -> None:
    holder = brought_to(journal, state, request_id="R1")
    if state is State.ESCALATED:
        with pytest.raises(RequestIdTaken):
            journal.intend(intent(request_id="R1"))
        assert journal.find_request("his", "R1") == holder
    else:
        assert journal.intend(intent(request_id="R1"))


def confirmed(
    journal: Journal, infno: str, *keys: tuple[str, str], ends: tuple[str, ...] = (), **changes: object
) -> Exchange:
    row = journal.intend(intent(infno=infno, keys=keys[:1], **changes))
    return journal.finish(row.id, outcome(keys=keys[1:], ends=ends))


def undone_by(journal: Journal, row: Exchange) -> int | None:
    found = journal.get(row.id)
    assert found is not None
    return found.undone_by


def test_what_an_undo_ends(journal: Journal) -> None:
    admitted = confirmed(journal, "2401", ("psn_no", "P1"), ("mdtrt_id", "M1"), request_id="R1")
    other_stay = confirmed(journal, "2401", ("psn_no", "P1"), ("mdtrt_id", "M2"))
    other_kind = confirmed(journal, "2403", ("mdtrt_id", "M1"))
    elsewhere = confirmed(journal, "2401", ("mdtrt_id", "M1"), institution="H44080300019")
    undo = confirmed(journal, "2404", ("mdtrt_id", "M1"), ends=("2401",))
    assert undone_by(journal, admitted) == undo.id
    assert [undone_by(journal, row) for row in (other_stay, other_kind, elsewhere, undo)] == [None] * 4
    assert journal.intend(intent(request_id="R1")).request_id == "R1"


def test_a_settlement_is_ended_by_its_own_revocation_only(journal: Journal) -> None:
    visit = ("mdtrt_id", "M1")
    first, second = (confirmed(journal, "2207", visit, ("setl_id", number)) for number in ("S1", "S2"))
    undo = confirmed(journal, "2208", visit, ("setl_id", "S1"), ("setl_id", "S9"), ends=("2207",))
    assert (undone_by(journal, first), undone_by(journal, second)) == (undo.id, None)


def test_without_a_visit_the_person_counts_and_without_a_person_all(journal: Journal) -> None:
    one, other = (confirmed(journal, "2503", ("psn_no", person)) for person in ("P1", "P2"))
    undo = confirmed(journal, "2504", ("psn_no", "P1"), ends=("2503",))
    assert (undone_by(journal, one), undone_by(journal, other)) == (undo.id, None)
    everything = confirmed(journal, "2504", ends=("2503",))
    assert (undone_by(journal, one), undone_by(journal, other)) == (undo.id, everything.id)


def test_only_a_confirmation_ends_anything(journal: Journal) -> None:
    first = confirmed(journal, "2402", ("mdtrt_id", "M1"))
    declined = journal.intend(intent(infno="2405", keys=[("mdtrt_id", "M1")]))
    journal.finish(declined.id, outcome(State.DECLINED, ends=("2402",)))
    doubt = journal.intend(intent(infno="2405", keys=[("mdtrt_id", "M1")]))
    journal.finish(doubt.id, outcome(State.IN_DOUBT, ends=("2402",)))
    assert undone_by(journal, first) is None
    journal.resolve(doubt.id, outcome(ends=("2402",)))
    assert undone_by(journal, first) == doubt.id


def test_a_reversal_ends_by_msgid_and_what_that_had_ended_is_in_force_again(journal: Journal) -> None:
    settled = confirmed(journal, "2304", ("mdtrt_id", "M1"))
    revoked = confirmed(journal, "2305", ("mdtrt_id", "M1"), ends=("2304",))
    row = journal.intend(intent(infno="2601"))
    reversal = journal.finish(row.id, outcome(ends_msgid=revoked.msgid))
    assert (undone_by(journal, settled), undone_by(journal, revoked)) == (None, reversal.id)


def test_evidence_keeps_its_order_and_bytes(journal: Journal) -> None:
    row = brought_to(journal, State.IN_DOUBT)
    proofs = [
        Proof(kind, LATER + timedelta(seconds=n), f"第{n}次\0", "2601", "m" * 30, bytes([n]) * n, None if n else b"")
        for n, kind in enumerate(ProofKind)
    ]
    for proof in proofs:
        journal.add_proof(row.id, proof)
    kept = journal.proofs(row.id)
    assert [(one.kind, one.at, one.request, one.answer) for one in kept] == [
        (one.kind, one.at, one.request, one.answer) for one in proofs
    ]
    with pytest.raises(ValueError, match="no exchange 4711"):
        journal.add_proof(4711, proofs[0])
    assert journal.proofs(4711) == []


def test_doubts_come_back_when_they_are_due_and_one_claims_them(journal: Journal) -> None:
    first, second = (brought_to(journal, State.IN_DOUBT, business_key=f"k{n}", once=False) for n in range(2))
    brought_to(journal, State.ESCALATED, business_key="k9", once=False)
    assert [row.id for row in journal.doubts(NOW)] == [first.id, second.id]
    assert [row.id for row in journal.doubts(NOW, limit=1)] == [first.id]
    later = NOW + timedelta(minutes=5)
    assert journal.postpone(first.id, 0, later)
    assert not journal.postpone(first.id, 0, later)
    assert [row.id for row in journal.doubts(NOW)] == [second.id]
    [again, _] = journal.doubts(later)
    assert (again.id, again.tries, again.next_try_at) == (first.id, 1, later)
    journal.resolve(first.id, outcome(State.NOT_DONE))
    assert not journal.postpone(first.id, 1, later)
    assert not journal.postpone(4711, 0, later)


def test_of_many_only_one_claims_a_doubt(journal: Journal) -> None:
    row = brought_to(journal, State.IN_DOUBT)
    claims = _at_once([lambda: journal.postpone(row.id, 0, LATER)] * 8, ValueError)
    assert sorted(claims) == [False] * 7 + [True]  # type: ignore[type-var]


def test_of_many_about_one_visit_only_one_is_intended(journal: Journal) -> None:
    attempts = [intent(business_key=KEY, content_hash=f"{n:064}") for n in range(8)]
    results = _at_once([_intending(journal, attempt) for attempt in attempts], Busy)
    winners = [result for result in results if isinstance(result, Exchange)]
    assert len(winners) == 1
    assert all(result.holder == winners[0] for result in results if isinstance(result, Busy))


@pytest.mark.parametrize("closed_between", [False, True])
def test_of_many_twins_only_one_is_intended(journal: Journal, closed_between: bool) -> None:
    def attempt() -> object:
        row = journal.intend(intent(business_key=KEY, once=True))
        return journal.finish(row.id, outcome()) if closed_between else row

    results = _at_once([attempt] * 8, (Busy, InForce))
    assert sum(isinstance(result, Exchange) for result in results) == 1


def test_replies_that_reached_nobody(journal: Journal) -> None:
    money = brought_to(journal, State.CONFIRMED)
    brought_to(journal, State.DECLINED, business_key="k2")
    brought_to(journal, State.CONFIRMED, business_key="k3", safety="state")
    after = LATER + timedelta(seconds=1)
    assert [row.id for row in journal.untold(NOW, after)] == [money.id]
    assert journal.untold(NOW + timedelta(seconds=1), after) == []
    assert journal.untold(NOW, LATER) == []
    journal.mark_replies([(money.id, "broken", NOW)])
    assert [(row.reply, row.reply_at) for row in journal.untold(NOW, after)] == [("broken", NOW)]
    journal.mark_replies([(money.id, "written", LATER), (money.id, "broken", after)])
    journal.mark_replies([(money.id, "broken", after)])
    assert journal.untold(NOW, after) == []
    assert [one.reply_at for one in [journal.get(money.id)] if one] == [LATER], "of the one that was written"
    with pytest.raises(ValueError, match="a reply is written or broken"):
        journal.mark_replies([(money.id, "perhaps", NOW)])


def test_a_proven_confirmation_has_not_been_told_yet(journal: Journal) -> None:
    row = brought_to(journal, State.IN_DOUBT)
    journal.mark_replies([(row.id, "written", NOW)])
    journal.resolve(row.id, outcome())
    assert [found.id for found in journal.untold(NOW, LATER + timedelta(seconds=1))] == [row.id]


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


def _at_once(jobs: list[Callable[[], object]], expected: type[Exception] | tuple[type[Exception], ...]) -> list[object]:
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


# ------------------------------------------------------------------- sent again


def test_an_exchange_is_sent_again_once(journal: Journal) -> None:
    first = held_in(journal, State.NOT_SENT)
    assert journal.resends(first.id) == Resent()
    second = journal.intend(replace(intent(request_id="R1"), resends=first.id))
    assert journal.resends(first.id) == Resent(again=second.id)
    assert journal.resends(second.id) == Resent(original=first.id)
    journal.finish(second.id, outcome(State.DECLINED))
    for write in (journal.intend, lambda other: journal.record(other, refusal())):
        with pytest.raises(ResentAlready) as raised:
            write(replace(intent(request_id="R1"), resends=first.id))
        assert raised.value.again == second.id
    third = journal.record(replace(intent(request_id="R1"), resends=second.id), refusal())
    assert journal.resends(second.id) == Resent(first.id, third.id)
    assert len(journal.search(Query(limit=10))) == 3  # what came too late has left nothing


def test_of_two_who_send_again_at_the_same_moment_one_is_told_so(journal: Journal) -> None:
    first = held_in(journal, State.NOT_SENT)
    together = Barrier(2)

    def send() -> int:
        together.wait(20)
        try:
            return journal.intend(replace(intent(), resends=first.id)).id
        except ResentAlready as other:
            return -other.again

    with ThreadPoolExecutor(2) as pool:
        told = sorted(one.result(20) for one in [pool.submit(send), pool.submit(send)])
    assert told == [-told[1], told[1]]
    assert journal.resends(first.id).again == told[1]
