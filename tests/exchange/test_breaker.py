"""The breaker: what opens it, what half-opens it, what closes it; any sequence of events."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.breaker import CLASSES, Breaker, BreakerPolicy, Condition, Permit

POLICY = BreakerPolicy(bad_min=3, bad_share=0.5, window_s=60, slow_s=20, pause_s=10, pause_s_max=40)


@dataclass
class Site:
    """A breaker and its time."""

    breaker: Breaker = field(default_factory=lambda: Breaker(POLICY))
    now: float = 1000.0

    def call(self, safety: str = "money", *, answered: bool = True, seconds: float = 0.1) -> bool:
        """Ask, send, hear; whether leave was given."""
        permit = self.breaker.ask(safety, self.now)
        if not isinstance(permit, Permit):
            return False
        flight = self.breaker.sent(safety, self.now)
        self.now += seconds
        self.breaker.heard(flight, self.now, answered=answered)
        self.breaker.leave(permit)
        return True

    def fail(self, safety: str = "money", times: int = 3) -> None:
        for _ in range(times):
            assert self.call(safety, answered=False)

    def condition(self, safety: str = "money") -> Condition:
        return self.breaker.conditions()[safety]


@pytest.fixture
def site() -> Site:
    return Site()


def test_bad_results_open_their_class_and_no_other(site: Site) -> None:
    site.fail(times=2)
    assert site.condition() is Condition.CLOSED
    site.fail(times=1)
    assert site.condition() is Condition.OPEN
    assert not site.call()
    assert [site.call(name) for name in ("read", "repeatable", "state")] == [True] * 3


def test_slow_answers_are_bad_and_refusals_are_not(site: Site) -> None:
    for _ in range(3):
        assert site.call(seconds=20.1)
    assert site.condition() is Condition.OPEN
    other = Site()
    for _ in range(9):
        assert other.call(seconds=20.0)
    assert other.condition() is Condition.CLOSED


def test_who_hangs_is_bad_before_the_answer_and_counts_once(site: Site) -> None:
    flights = [site.breaker.sent("money", site.now) for _ in range(3)]
    site.now += 21
    assert not site.call()
    for flight in flights:
        site.breaker.heard(flight, site.now, answered=False)
    assert site.condition() is Condition.OPEN
    assert site.breaker.blocked("money", site.now) == 10, "the stragglers do not lengthen the pause"


def test_a_minority_of_failures_does_not_open(site: Site) -> None:
    for _ in range(20):
        assert site.call(seconds=1)
        assert site.call(seconds=1)
        assert site.call(answered=False, seconds=1)
    assert site.condition() is Condition.CLOSED


def test_what_failed_on_our_side_says_nothing(site: Site) -> None:
    for _ in range(9):
        site.breaker.heard(site.breaker.sent("money", site.now), site.now, answered=None)
    assert site.condition() is Condition.CLOSED


def test_old_results_are_forgotten(site: Site) -> None:
    site.fail(times=2)
    site.now += 61
    site.fail(times=2)
    assert site.condition() is Condition.CLOSED


def test_a_read_half_opens_and_one_good_call_closes(site: Site) -> None:
    site.fail()
    assert site.call("read")
    assert site.condition() is Condition.OPEN, "before the pause is over a read proves nothing"
    site.now += 10
    assert not site.call(), "money is never the probe"
    assert site.call("read")
    assert site.condition() is Condition.HALF_OPEN
    first = site.breaker.ask("money", site.now)
    assert isinstance(first, Permit)
    assert first.trial
    assert site.breaker.ask("money", site.now) == 1.0, "one at a time"
    site.breaker.leave(first)
    assert site.call()
    assert site.condition() is Condition.CLOSED


def test_a_bad_trial_doubles_the_pause_up_to_its_limit(site: Site) -> None:
    site.fail()
    for pause_s in (20, 40, 40):
        site.now += 60
        assert site.call("read")
        assert site.call(answered=False)
        assert site.breaker.blocked("money", site.now) == pause_s
    site.now += 60
    assert site.call("read")
    assert site.call()
    site.fail()
    assert site.breaker.blocked("money", site.now) == 10


def test_reads_probe_for_themselves(site: Site) -> None:
    site.fail("read")
    assert not site.call("read")
    assert not site.breaker.probe_due(site.now)
    site.now += 10
    assert site.breaker.probe_due(site.now)
    probe = site.breaker.ask("read", site.now)
    assert isinstance(probe, Permit)
    assert not site.breaker.probe_due(site.now)
    assert not site.call("read")
    site.breaker.leave(probe)
    assert site.call("read")
    assert site.condition("read") is Condition.CLOSED


def test_what_was_sent_before_the_opening_closes_nothing(site: Site) -> None:
    early = site.breaker.sent("money", site.now)
    read = site.breaker.sent("read", site.now)
    site.fail()
    site.now += 10
    site.breaker.heard(read, site.now, answered=True)
    site.breaker.heard(early, site.now, answered=True)
    assert site.condition() is Condition.OPEN


def test_what_the_resolver_sends_meanwhile_counts(site: Site) -> None:
    site.fail("read")
    flight = site.breaker.sent("read", site.now)
    site.breaker.heard(flight, site.now + 0.1, answered=True)
    assert site.condition("read") is Condition.CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.booleans(), st.floats(0, 30), st.floats(0, 40), st.booleans()), max_size=60
)


@given(EVENTS)
@settings(max_examples=200, deadline=None)
def test_any_sequence_keeps_the_promises(events: list[tuple[str, bool, float, float, bool]]) -> None:
    site = Site()
    hanging: list[tuple[Permit, object]] = []
    for safety, answered, seconds, pause, hangs in events:
        was = site.condition(safety)
        permit = site.breaker.ask(safety, site.now)
        if isinstance(permit, Permit):
            if was is Condition.OPEN:
                assert safety == "read", "only a read is let through an open breaker"
            flight = site.breaker.sent(safety, site.now)
            if hangs:
                hanging.append((permit, flight))
            else:
                site.now += seconds
                site.breaker.heard(flight, site.now, answered=answered)
                site.breaker.leave(permit)
        else:
            assert was is not Condition.CLOSED or site.condition(safety) is Condition.OPEN
            assert 1.0 <= permit <= POLICY.pause_s_max
        trials = [one for one, flight in hanging if one.trial]
        assert len({one.safety for one in trials}) == len(trials), "one trial per class"
        site.now += pause
    for permit, flight in hanging:
        site.breaker.heard(flight, site.now, answered=True)  # type: ignore[arg-type]
        site.breaker.leave(permit)
    # a platform that answers well again is used again, whatever was before
    for _ in range(3):
        site.now += POLICY.pause_s_max
        for safety in CLASSES:
            site.call(safety)
    assert set(site.breaker.conditions().values()) == {Condition.CLOSED}
