"""Every implementation of the port ``NodeRegistry`` behaves like this."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.exchange.fakes import MemoryJournal, MemoryNodes
from gateway.exchange.ports import Exchange, Node, NodeFacts, NodeRegistry, NodeState, Registration, State
from gateway.store import open_store
from tests.store.samples import LATER, NOW, intent, outcome

FACTS = NodeFacts("10.0.0.8:8080", "host boot space", 4711, "1.0", 12.5)
DOUBT = outcome(State.IN_DOUBT, code="GW-4101", platform_answer=None)


class Place:
    """A registry and the journal whose exchanges it puts in doubt."""

    def __init__(self, store: Any) -> None:
        self.journal = store.journal
        self.nodes: NodeRegistry = store.nodes
        self.alone = store.nodes.alone
        self._count = 0

    def register(self, name: str, facts: NodeFacts = FACTS) -> Registration:
        claimed = self.nodes.claim(name, self.node(name), facts, NOW, DOUBT)
        assert claimed is not None
        return claimed[0]

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes.nodes() if node.registration.name == name), None)

    def known(self, name: str) -> Node:
        node = self.node(name)
        assert node is not None
        return node

    def begin(self, mine: Registration) -> Exchange:
        self._count += 1
        row: Exchange = self.journal.intend(intent(node=mine.name, epoch=mine.epoch, request_id=f"R{self._count}"))
        return row

    def states(self, *rows: Exchange) -> list[State]:
        return [self.journal.get(row.id).state for row in rows]


@pytest.fixture
def place(opened: Any) -> Place:
    return Place(opened)


@pytest.fixture
def shared(place: Place) -> Place:
    """Of a store that admits several processes."""
    if place.alone:
        place.nodes._backend.alone = False  # type: ignore[attr-defined]  # the same statements, as another database would run them
    return place


def test_a_new_name(place: Place) -> None:
    assert place.nodes.nodes() == []
    assert place.nodes.claim("a", None, FACTS, NOW, DOUBT) == (Registration("a", 1), 0)
    assert place.nodes.nodes() == [Node(Registration("a", 1), NodeState.RUNNING, 0, NOW, NOW, FACTS)]
    assert place.nodes.holds(Registration("a", 1))
    assert not place.nodes.holds(Registration("a", 2))
    assert not place.nodes.holds(Registration("b", 1))


def test_a_heartbeat(place: Place) -> None:
    mine = place.register("a")
    assert place.nodes.beat(mine, LATER)
    assert place.nodes.beat(mine, LATER)
    node = place.known("a")
    assert (node.beat, node.started_at, node.heartbeat_at) == (2, NOW, LATER)
    assert not place.nodes.beat(replace(mine, epoch=2), LATER)
    assert not place.nodes.beat(Registration("b", 1), LATER)


def test_open_exchanges_are_counted(shared: Place) -> None:
    mine, other = shared.register("a"), shared.register("b")
    for node in (mine, mine, other):
        shared.begin(node)
    shared.journal.finish(shared.begin(mine).id, outcome())
    assert {node.registration.name: node.open for node in shared.nodes.nodes()} == {"a": 2, "b": 1}


def test_the_next_life_raises_the_epoch_and_doubts_what_was_left(shared: Place) -> None:
    mine, other = shared.register("a"), shared.register("b")
    left, ended, others = shared.begin(mine), shared.begin(mine), shared.begin(other)
    shared.journal.finish(ended.id, outcome())
    assert shared.nodes.claim("a", shared.node("a"), FACTS, LATER, DOUBT) == (Registration("a", 2), 1)
    assert shared.states(left, ended, others) == [State.IN_DOUBT, State.CONFIRMED, State.INTENDED]
    held = shared.journal.find_request("his", "R1")
    assert (held.state, held.code, held.finished_at) == (State.IN_DOUBT, "GW-4101", LATER)
    assert not shared.nodes.holds(mine)
    assert shared.nodes.holds(Registration("a", 2))


def test_what_a_version_without_epochs_left_is_doubted_by_the_same_name(shared: Place) -> None:
    left, others = shared.begin(Registration("a", 0)), shared.begin(Registration("b", 0))
    assert shared.nodes.sweep(DOUBT) == 0, "it may still be running"
    shared.register("a")
    assert shared.states(left, others) == [State.IN_DOUBT, State.INTENDED]


def test_a_name_is_taken_only_as_it_was_seen(shared: Place) -> None:
    mine = shared.register("a")
    seen = shared.known("a")
    assert shared.nodes.claim("a", None, FACTS, NOW, DOUBT) is None
    shared.nodes.beat(mine, LATER)
    assert shared.nodes.claim("a", seen, FACTS, NOW, DOUBT) is None, "it lives"
    assert shared.nodes.holds(mine)
    assert shared.nodes.claim("b", seen, FACTS, NOW, DOUBT) is None, "nobody had that name"


def test_declared_dead(shared: Place) -> None:
    mine, other = shared.register("a"), shared.register("b")
    left, others = shared.begin(mine), shared.begin(other)
    assert shared.nodes.declare_dead(shared.known("a"), DOUBT) == 1
    assert shared.states(left, others) == [State.IN_DOUBT, State.INTENDED]
    node = shared.known("a")
    assert (node.state, node.registration) == (NodeState.DEAD, Registration("a", 2))
    assert not shared.nodes.holds(mine)
    assert not shared.nodes.holds(node.registration), "nobody runs under it"
    assert not shared.nodes.beat(mine, LATER)
    assert shared.nodes.declare_dead(node, DOUBT) is None, "once"
    assert shared.register("a") == Registration("a", 3)


def test_whoever_has_beaten_is_not_dead(shared: Place) -> None:
    mine = shared.register("a")
    left, seen = shared.begin(mine), shared.known("a")
    shared.nodes.beat(mine, LATER)
    assert shared.nodes.declare_dead(seen, DOUBT) is None
    assert shared.states(left) == [State.INTENDED]


def test_an_intent_that_came_after_the_declaration_is_swept(shared: Place) -> None:
    mine, other = shared.register("a"), shared.register("b")
    shared.nodes.declare_dead(shared.known("a"), DOUBT)
    late, others = shared.begin(mine), shared.begin(other)
    assert shared.nodes.sweep(DOUBT) == 1
    assert shared.nodes.sweep(DOUBT) == 0
    assert shared.states(late, others) == [State.IN_DOUBT, State.INTENDED]


def test_leaving(shared: Place) -> None:
    mine = shared.register("a")
    left = shared.begin(mine)
    assert shared.nodes.leave(mine, DOUBT) == 1
    assert shared.states(left) == [State.IN_DOUBT]
    assert shared.known("a").state is NodeState.ENDED
    assert not shared.nodes.holds(mine)
    assert shared.nodes.leave(mine, DOUBT) == 0
    assert shared.register("a") == Registration("a", 3)


def test_where_one_process_is_admitted_it_inherits_everything(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'alone.db'}", node="a")
    store.upgrade()
    memory = MemoryJournal()
    _inherits(Place(store))
    _inherits(Place(SimpleNamespace(journal=memory, nodes=MemoryNodes(memory, alone=True))))
    store.close()


def _inherits(place: Place) -> None:
    assert place.alone
    first = place.register("a")
    left, old = place.begin(first), place.begin(Registration("node-1", 0))
    assert place.nodes.claim("b", None, FACTS, NOW, DOUBT) == (Registration("b", 1), 2)
    assert place.states(left, old) == [State.IN_DOUBT, State.IN_DOUBT]
    assert place.known("a").state is NodeState.DEAD
    assert not place.nodes.holds(first)


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    barrier = Barrier(len(jobs), timeout=30)

    def run(job: Callable[[], Any]) -> Any:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@pytest.mark.parametrize("before", [False, True])
def test_of_many_one_gets_the_name(shared: Place, before: bool) -> None:
    if before:
        shared.register("a")
    seen = shared.node("a")
    claims = at_once([lambda: shared.nodes.claim("a", seen, FACTS, NOW, DOUBT) for _ in range(6)])
    assert [claim for claim in claims if claim] == [(Registration("a", 2 if before else 1), 0)]


def test_of_many_one_declares_dead(shared: Place) -> None:
    mine = shared.register("a")
    left, seen = shared.begin(mine), shared.known("a")
    found = at_once([lambda: shared.nodes.declare_dead(seen, DOUBT) for _ in range(6)])
    assert sorted(str(one) for one in found) == ["1", *["None"] * 5]
    assert shared.states(left) == [State.IN_DOUBT]
