"""Two real gateways on one PostgreSQL: one pauses, one dies, both are called at once. Nothing is sent twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import NodeState, Query, State
from tests.commands.helpers import yibao
from tests.kills.house import Gateway
from tests.kills.test_kills import BOUNDARIES, KILLS, WAYS, Stay, _die
from tests.nodes.relay import relay
from tests.nodes.story import both_nodes_had_calls, every_twin_is_one_call
from tests.nodes.two import Two, go_on, two, until
from tests.pg import PgServer

DEATHS = max(2, KILLS // 20)
"""Kills of one of two nodes; YIBAO_KILLS says how many there are of a single one."""


@pytest.fixture
def place(tmp_path: Path, pg_server: PgServer) -> Iterator[Two]:
    with two(tmp_path, pg_server.fresh()) as built:
        yield built


def walk(gateway: Gateway, stay: Stay, target: str) -> None:
    for infno in WAYS[target][:-1]:
        answer = gateway.final(infno, stay.message(infno), f"{stay.ipt_no}-{infno}")
        assert str(answer["infcode"]) == "0", answer
        stay.learn(infno, answer.get("output"))


def rows(place: Two, infno: str) -> list[Any]:
    return [row for row in place.store.journal.search(Query(infno=infno, limit=100)) if row.msgid]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("infno", ["2304", "2402"])
def test_who_was_paused_past_the_takeover_sends_nothing(place: Two, infno: str) -> None:
    stay = Stay(1)
    with (
        place.houses["a"].gateway(stop_at=f"before_send:{infno}") as paused,
        place.houses["b"].gateway() as other,
        ThreadPoolExecutor(1) as pool,
    ):
        walk(other, stay, infno)
        message = stay.message(infno)
        waiting = pool.submit(paused.call, infno, message, "R")
        pid = place.until_stopped("a")
        try:
            first = rows(place, infno)[0]
            assert (first.state, first.node, first.epoch) == (State.INTENDED, "a", 1)
            answer = other.final(infno, message, "R")
            assert str(answer["infcode"]) == "0", answer
            assert place.row("a").state is NodeState.DEAD
            before = place.ledger()
        finally:
            go_on(pid)
        told = waiting.result(60)
        assert str(told["infcode"]) != "0", "it has sent nothing and knows of no outcome"
        assert place.ledger()["requests"] == before["requests"], "nothing left it"
        until(lambda: place.row("a").state is NodeState.RUNNING, "it does not register again")
        assert place.row("a").registration.epoch == 3
        again = paused.final(infno, message, "R")
        assert (str(again["infcode"]), again["msgid"]) == ("0", answer["msgid"])
        _listed(place)
    ledger = place.ledger()
    executed = [msgid for msgid, of in ledger["executed"].items() if of == infno]
    assert executed == [answer["msgid"]]
    assert ledger["requests"][answer["msgid"]] == 1
    assert ledger["requests"].get(first.msgid, 0) == (1 if infno == "2402" else 0), "only the other may repeat a state"


def _listed(place: Two) -> None:
    """What the operator sees."""
    listed = json.loads(yibao("nodes", "--json", "--config", place.houses["b"].config).out)
    assert {one["name"]: (one["state"], one["epoch"]) for one in listed} == {"a": ("running", 3), "b": ("running", 1)}
    assert all(one["heartbeat_age_s"] < 60 for one in listed)
    assert "127.0.0.1" in yibao("nodes", "--config", place.houses["b"].config).out


@pytest.mark.timeout(120 + 30 * DEATHS)
def test_what_a_killed_node_left_is_settled_by_the_other(place: Two) -> None:
    targets = ("2304", "2402", "2301", "2305")
    with place.houses["b"].gateway() as other:
        for number in range(DEATHS):
            boundary, target = BOUNDARIES[(1 + 2 * number + number // 3) % 6], targets[number % 4]
            stay = Stay(number)
            with place.houses["a"].gateway(die_at=f"{boundary}:{target}") as dying:
                request_id = _die(dying, stay, target)
            answer = other.final(target, stay.message(target), request_id)
            assert str(answer["infcode"]) == "0", (boundary, target, answer)
            assert sum(row.in_force for row in rows(place, target) if row.request_id == request_id) == 1
    ledger = place.ledger()
    settled = [one["mdtrt_id"] for one in ledger["settlements"] if one["state"] == "settled"]
    assert len(settled) == len(set(settled))
    for state in (State.INTENDED, State.IN_DOUBT, State.ESCALATED):
        assert place.store.journal.search(Query(states=(state,))) == []


@pytest.mark.timeout(180)
def test_equal_requests_over_two_nodes_are_one_call(place: Two) -> None:
    with (
        place.houses["a"].gateway(),
        place.houses["b"].gateway(),
        relay([place.houses[name].port for name in ("a", "b")]) as port,
    ):
        every_twin_is_one_call(place, Gateway(None, port))  # type: ignore[arg-type]  # no process of ours
        both_nodes_had_calls(place)
