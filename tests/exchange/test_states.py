"""The table of edges is the one of the design, no more and no less."""

from __future__ import annotations

import itertools

import pytest

from gateway.exchange.ports import State
from gateway.exchange.states import EDGES, FREE, OPEN, RECORDED, SENT, UNRESOLVED, may_move

DESIGN = """
RECEIVED -> REFUSED INTENDED
INTENDED -> CONFIRMED DECLINED NOT_SENT IN_DOUBT
IN_DOUBT -> CONFIRMED DECLINED NOT_DONE REVERSED ESCALATED
ESCALATED -> CONFIRMED NOT_DONE REVERSED
"""
ALLOWED = {
    (State(before), State(after))
    for before, _, afters in (line.partition(" -> ") for line in DESIGN.split("\n") if line)
    for after in afters.split()
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_every_edge(before: State, after: State) -> None:
    assert may_move(before, after) is ((before, after) in ALLOWED)


def test_every_state_has_its_place() -> None:
    assert set(EDGES) == set(State)
    assert {state for state, afters in EDGES.items() if not afters} == FREE | {State.CONFIRMED}
    assert not FREE & OPEN
    assert FREE | OPEN | {State.CONFIRMED, State.RECEIVED} == set(State)
    assert UNRESOLVED < OPEN
    assert {State.REFUSED} == RECORDED - SENT
