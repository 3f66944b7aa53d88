"""Fair shares: nobody is starved, whatever the arrival pattern."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.exchange.limits import FairQueue, Shares, Turn


def queue(places: int, *clients: str, sure: float = 0.5, **at_most: int) -> FairQueue:
    return FairQueue(Shares(places, clients, sure, at_most))


def arrive(turns: FairQueue, client: str, times: int = 1) -> list[Turn]:
    return [turns.arrive(client, lambda: None) for _ in range(times)]


def holding(turns: list[Turn]) -> int:
    return sum(turn.has_place for turn in turns)


def test_a_runaway_never_takes_what_is_kept_for_others() -> None:
    turns = queue(8, "runaway", "his")
    assert holding(arrive(turns, "runaway", 100)) == 6
    assert holding(arrive(turns, "his", 3)) == 2
    assert (turns.shares.all_held, turns.waiting) == (8, 95)


def test_alone_it_may_have_all() -> None:
    assert holding(arrive(queue(8, "his"), "his", 9)) == 8


def test_who_holds_fewest_goes_first_then_who_came_first() -> None:
    turns = queue(4, "a", "b", "c", sure=0)
    held = arrive(turns, "a", 4)
    waiting = [*arrive(turns, "a", 2), *arrive(turns, "b", 2), *arrive(turns, "c")]
    order: list[str] = []
    for turn in held:
        before = {one for one in waiting if one.has_place}
        turns.leave(turn)
        order += [one.client for one in waiting if one.has_place and one not in before]
    assert order == ["b", "c", "a", "a"]


def test_a_stranger_takes_from_what_is_common() -> None:
    turns = queue(4, "his", sure=0.5)
    assert holding(arrive(turns, "?", 5)) == 2
    assert holding(arrive(turns, "his", 5)) == 2


def test_a_ceiling_holds_also_where_places_are_free() -> None:
    turns = queue(8, "his", "lis", his=1)
    first, second = arrive(turns, "his", 2)
    assert (first.has_place, second.has_place) == (True, False)
    turns.leave(first)
    assert second.has_place


def test_giving_up_frees_the_queue() -> None:
    turns = queue(1, "his")
    first, second = arrive(turns, "his", 2)
    turns.leave(second)
    turns.leave(first)
    assert (turns.waiting, turns.shares.all_held) == (0, 0)
    with pytest.raises(ValueError, match="holds no place"):
        turns.shares.give_back("his")


class Hospital(RuleBasedStateMachine):
    """Any arrivals and departures of a few clients and a stranger."""

    @initialize(
        places=st.integers(1, 12),
        clients=st.sets(st.sampled_from(["a", "b", "c", "d"])),
        sure=st.just(0.0) | st.floats(0, 1),
        at_most=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 3)),
    )
    def begin(self, places: int, clients: set[str], sure: float, at_most: dict[str, int]) -> None:
        self.places, self.clients, self.at_most = places, clients, at_most
        self.each = int(places * sure / len(clients)) if clients else 0
        self.turns = FairQueue(Shares(places, clients, sure, at_most))
        self.here: list[Turn] = []

    @rule(client=st.sampled_from(["a", "b", "c", "d", "stranger"]), times=st.integers(1, 8))
    def come(self, client: str, times: int) -> None:
        self.here += arrive(self.turns, client, times)

    @rule(index=st.integers(0, 1000))
    def go(self, index: int) -> None:
        if not self.here:
            return
        leaver = self.here.pop(index % len(self.here))
        waiting = [turn for turn in self.here if not turn.has_place]
        held_before = {turn.client: self.held(turn.client) for turn in waiting}
        held_before[leaver.client] = self.held(leaver.client)
        self.turns.leave(leaver)
        for turn in waiting:
            if turn.has_place and not self.each:  # a sure place may come free for its owner alone
                passed_over = [
                    other for other in waiting
                    if not other.has_place and held_before[other.client] < held_before[turn.client]
                    and self.held(other.client) < self.at_most.get(other.client, self.places)
                ]  # fmt: skip
                assert not passed_over, "somebody with fewer places was passed over"

    def held(self, client: str) -> int:
        return sum(turn.has_place for turn in self.here if turn.client == client)

    @invariant()
    def promises(self) -> None:
        waiting = {turn.client for turn in self.here if not turn.has_place}
        total = sum(turn.has_place for turn in self.here)
        assert total == self.turns.shares.all_held <= self.places
        assert self.turns.waiting == len(self.here) - total
        for client in waiting:
            below_share = client in self.clients and self.held(client) < self.each
            assert not below_share or self.held(client) >= self.at_most.get(client, self.places), "starved in its share"
        kept = sum(max(self.each - self.held(client), 0) for client in self.clients)
        free = self.places - total - kept
        able = [client for client in waiting if self.held(client) < self.at_most.get(client, self.places)]
        assert not able or free <= 0, "a place is free and somebody waits"
        for client in waiting:
            turns = [turn.has_place for turn in self.here if turn.client == client]
            assert turns == sorted(turns, reverse=True), "first come, first served within a client"


TestHospital = Hospital.TestCase
TestHospital.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@given(st.lists(st.sampled_from(["runaway", "runaway", "runaway", "his"]), max_size=80), st.integers(4, 16))
@settings(deadline=None)
def test_within_its_share_a_client_never_waits(arrivals: list[str], places: int) -> None:
    turns = queue(places, "runaway", "his")
    mine: list[Turn] = []
    for client in arrivals:
        turn = turns.arrive(client, lambda: None)
        if client == "his":
            assert turn.has_place or len(mine) >= places // 4
            mine.append(turn)
            if len(mine) > places // 4:
                turns.leave(mine.pop(0))
