"""Who is registered, who is taken for dead, and that whoever was sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.fakes import MemoryJournal, MemoryNodes
from gateway.exchange.nodes import (
    TWINS_MAX,
    Membership,
    NoName,
)
from gateway.exchange.ports import JournalUnavailable, NodeFacts, NodeState, Outcome, Query, Registration, State
from gateway.faults import IN_DOUBT
from tests.exchange.kit import CLIENT, Hospital
from tests.store.samples import NOW, intent

EVERY_S = 3.0
SILENCE_S = 15.0
DOUBT = Outcome(State.IN_DOUBT, NOW, err_msg=IN_DOUBT.title, code=IN_DOUBT.code)


@dataclass
class Cluster:
    """Nodes on one registry; time passes as the test says."""

    ticks: float = 0.0
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    registry: MemoryNodes = field(init=False)
    living: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.registry = MemoryNodes(self.journal)

    def node(self, name: str, *, pid: int = 1, place: str = "", started: bool = True) -> Membership:
        self.living.add(pid)
        membership = Membership(
            self.registry,
            name,
            NodeFacts(place=place, pid=pid, silence_s=SILENCE_S),
            clock=self.clock,
            monotonic=lambda: self.ticks,
            heartbeat_s=EVERY_S,
            lives=lambda pid: pid in self.living,
        )
        if started:
            membership.start()
        return membership

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.ticks)

    def pass_(self, seconds: float, *nodes: Membership) -> None:
        """``nodes`` take their turns meanwhile."""
        end = self.ticks + seconds
        while self.ticks < end:
            self.ticks += EVERY_S
            for node in nodes:
                node.turn()

    def state(self, name: str) -> NodeState:
        return next(node.state for node in self.registry.nodes() if node.registration.name == name)

    def begin(self, node: Membership) -> int:
        mine = node.current()
        return self.journal.intend(intent(node=mine.name, epoch=mine.epoch)).id

    def of(self, exchange_id: int) -> Any:
        row = self.journal.get(exchange_id)
        assert row is not None
        return row


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


# ------------------------------------------------------------ registration


def test_a_node_registers_and_lives(cluster: Cluster) -> None:
    node = cluster.node("a")
    assert node.current() == Registration("a", 1)
    assert node.still_mine(node.current())
    assert not node.still_mine(Registration("a", 2))
    assert node.well()


def test_a_second_process_of_a_name_gets_another(cluster: Cluster) -> None:
    nodes = [cluster.node("a") for _ in range(TWINS_MAX)]
    assert [node.current().name for node in nodes] == ["a", *(f"a#{number}" for number in range(2, TWINS_MAX + 1))]
    with pytest.raises(NoName, match=r"store\.node"):
        cluster.node("a")
    assert all(node.still_mine(node.current()) for node in nodes)


def test_who_left_leaves_the_name(cluster: Cluster) -> None:
    node = cluster.node("a")
    left = cluster.begin(node)
    node.leave()
    assert cluster.of(left).state is State.IN_DOUBT
    assert not node.still_mine(Registration("a", 1))
    assert cluster.node("a").current() == Registration("a", 3)


def test_the_next_life_on_the_same_machine_need_not_wait(cluster: Cluster) -> None:
    left = cluster.begin(cluster.node("a", pid=7, place="here"))
    assert cluster.node("a", pid=8, place="elsewhere").current().name == "a#2", "it cannot see whether 7 lives"
    assert cluster.node("a", pid=9, place="here").current().name == "a#3", "7 lives"
    cluster.living.remove(7)
    assert cluster.of(left).state is State.INTENDED
    assert cluster.node("a", pid=10, place="here").current() == Registration("a", 2)
    row = cluster.of(left)
    assert (row.state, row.code) == (State.IN_DOUBT, IN_DOUBT.code)


def test_on_a_store_of_one_process_it_inherits(cluster: Cluster) -> None:
    left = cluster.begin(cluster.node("a"))
    cluster.registry.alone = True
    assert cluster.node("b").current() == Registration("b", 1)
    assert cluster.of(left).state is State.IN_DOUBT
    assert cluster.node("b").current() == Registration("b", 2)


def test_a_store_of_one_process_is_not_asked_before_sending(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under hundreds of calls its answer may be late, and nobody else could have taken over anything meanwhile."""
    node = cluster.node("a")
    cluster.registry.alone = True
    monkeypatch.setattr(cluster.registry, "holds", lambda _: False)
    assert node.still_mine(node.current())
    assert not node.still_mine(Registration("a", 2))
    assert not node.still_mine(Registration("b", 1))


# ------------------------------------------------------------------ silence


def test_who_is_silent_is_taken_over_once(cluster: Cluster) -> None:
    silent, watching, third = cluster.node("a"), cluster.node("b"), cluster.node("c")
    left = cluster.begin(silent)
    cluster.pass_(SILENCE_S, watching, third)
    assert cluster.of(left).state is State.INTENDED
    cluster.pass_(2 * EVERY_S, watching, third)
    assert (cluster.state("a"), cluster.of(left).state) == (NodeState.DEAD, State.IN_DOUBT)
    assert not silent.still_mine(Registration("a", 1))
    assert not silent.well()
    assert (watching.current().epoch, third.current().epoch) == (1, 1)


def test_who_finds_itself_declared_dead_registers_anew(cluster: Cluster) -> None:
    paused, watching = cluster.node("a"), cluster.node("b")
    begun_before = paused.current()
    cluster.pass_(30, watching)
    late = cluster.begin(paused)
    assert not paused.still_mine(begun_before)
    paused.turn()
    assert paused.current() == Registration("a", 3)
    assert paused.still_mine(paused.current())
    assert not paused.still_mine(begun_before), "what was begun before stays with the others"
    assert cluster.of(late).state is State.IN_DOUBT, "swept: it was begun under the epoch that is no more"
    assert paused.well()


def test_a_node_of_the_same_machine_whose_process_is_gone_need_not_be_waited_for(cluster: Cluster) -> None:
    left = cluster.begin(cluster.node("a", pid=7, place="here"))
    watching = cluster.node("b", pid=8, place="here")
    cluster.pass_(EVERY_S, watching)
    assert cluster.of(left).state is State.INTENDED
    cluster.living.remove(7)
    cluster.pass_(EVERY_S, watching)
    assert cluster.of(left).state is State.IN_DOUBT


def test_whoever_was_paused_itself_has_not_heard_the_others(cluster: Cluster) -> None:
    one, other = cluster.node("a"), cluster.node("b")
    cluster.pass_(EVERY_S, one, other)
    cluster.ticks += 3600
    one.turn()
    assert cluster.state("b") is NodeState.RUNNING
    other.turn()
    one.turn()
    assert cluster.state("b") is NodeState.RUNNING


def test_a_store_that_was_down_kills_nobody(cluster: Cluster) -> None:
    one, other = cluster.node("a"), cluster.node("b")
    cluster.pass_(EVERY_S, one, other)
    cluster.journal.available = False
    for _ in range(100):
        cluster.ticks += EVERY_S
        for node in (one, other):
            with pytest.raises(JournalUnavailable):
                node.turn()
    assert not one.well(), "a balancer sends calls elsewhere"
    assert not one.still_mine(one.current()), "who cannot ask does not send"
    cluster.journal.available = True
    cluster.pass_(2 * EVERY_S, one, other)
    assert {cluster.state("a"), cluster.state("b")} == {NodeState.RUNNING}
    assert one.well()


def test_a_slow_answer_of_the_store_is_not_believed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    node, asked = cluster.node("a"), []
    holds = cluster.registry.holds

    def slow(registration: Registration) -> bool:
        asked.append(registration)
        cluster.ticks += 2.0 if len(asked) < 3 else 0.0
        return holds(registration)

    monkeypatch.setattr(cluster.registry, "holds", slow)
    assert node.still_mine(node.current())
    assert len(asked) == 3
    monkeypatch.setattr(cluster.registry, "holds", lambda _: bool(setattr(cluster, "ticks", cluster.ticks + 2)) or True)
    assert not node.still_mine(node.current())


STEP = st.tuples(st.sampled_from(["turn", "turn", "turn", "pause", "begin", "send", "restart"]), st.integers(0, 2))


@given(steps=st.lists(STEP, max_size=80))
@settings(max_examples=150)
def test_what_is_sent_is_never_in_doubt(steps: list[tuple[str, int]]) -> None:
    """Whatever pauses and restarts there are: at the moment of the first byte nobody has taken the exchange over."""
    cluster = Cluster()
    nodes = [cluster.node(name, pid=number) for number, name in enumerate("abc")]
    begun: list[list[tuple[Registration, int]]] = [[], [], []]
    for kind, which in steps:
        cluster.ticks += EVERY_S * (4 if kind == "pause" else 1)
        node = nodes[which]
        if kind == "turn":
            node.turn()
        elif kind == "begin":
            begun[which].append((node.current(), cluster.begin(node)))
        elif kind == "restart":
            nodes[which], begun[which] = cluster.node("abc"[which], pid=which), []
        elif begun[which]:
            mine, exchange_id = begun[which].pop()
            assert node.still_mine(mine) == (
                cluster.of(exchange_id).state is State.INTENDED and _in_force(cluster, mine)
            )
    names = [node.current() for node in nodes]
    assert len(set(names)) == 3


def _in_force(cluster: Cluster, mine: Registration) -> bool:
    return any(one.registration == mine and one.state is NodeState.RUNNING for one in cluster.registry.nodes())


# ------------------------------------------------------- what the sender knows


def test_the_sender_says_that_nothing_left_and_the_doubt_is_over() -> None:
    """Others took over before the first byte; what they must wait for otherwise, the sender can tell them."""
    journal = MemoryJournal()

    def taken_over(_: Registration) -> bool:
        MemoryNodes(journal, alone=True).claim("b", None, NodeFacts(), NOW, DOUBT)
        return False

    hospital = Hospital(journal)
    stay = hospital.charged()
    hospital.exchange._sending._still_mine = taken_over
    reply = hospital.call("2304", hospital.settlement(stay), "R1")
    assert reply.retry == "same"
    asked = len(hospital.line.sent)
    hospital.exchange._sending._still_mine = lambda _: True
    hospital.run()
    told = hospital.exchange.outcome(CLIENT, request_id="R1")
    assert told is not None
    assert (told.state, told.code, told.retry) == ("NOT_DONE", "GW-4110", "yes")
    assert len(hospital.line.sent) == asked, "neither a query nor a reversal was needed"
    assert hospital.call("2304", hospital.settlement(stay), "R1").infcode == "0"


def test_a_resolver_that_was_taken_for_dead_reverses_nothing() -> None:
    hospital = Hospital()
    stay = hospital.charged()
    hospital.doubtful("2304", hospital.settlement(stay), "lose-reply", "R1")
    hospital.resolver._still_mine = lambda _: False
    hospital.run()
    assert hospital.line.count("2601") == 0
    doubtful = hospital.journal.search(Query(states=(State.IN_DOUBT,)))
    assert len(doubtful) == 1
    hospital.resolver._still_mine = lambda _: True
    hospital.run()
    assert hospital.line.count("2601") == 1


# -------------------------------------------------------------- this process


def test_a_heartbeat_without_a_store_is_left_out(cluster: Cluster) -> None:
    node = cluster.node("a")
    cluster.journal.available = False
    node.heartbeat()
    cluster.journal.available = True
    node.heartbeat()
    assert cluster.state("a") is NodeState.RUNNING


def test_leaving_without_a_store_is_no_error(cluster: Cluster) -> None:
    node = cluster.node("a")
    cluster.journal.available = False
    node.leave()
    cluster.journal.available = True
    assert cluster.state("a") is NodeState.RUNNING
