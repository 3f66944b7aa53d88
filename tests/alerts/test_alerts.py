"""Alerts: facts against thresholds, raised once and cleared once, over nodes, over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.alerts import rules
from gateway.alerts.watch import AlertWatch, Facts
from gateway.exchange.ports import JournalUnavailable, NodeFacts, Outcome, State
from gateway.figures import FigureBook, Tally
from gateway.settings import AlertSettings
from gateway.store import Store, open_store
from gateway.store.alerts import Found
from gateway.store.figures import Figure
from tests.console.kit import written
from tests.sqlite import new_sqlite

GIVEN = AlertSettings(calls_min=10, slow_s=2, doubts=3, platform_s=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(new_sqlite(tmp_path / "alerts.db"), node="n1")
    found.upgrade()
    yield found
    found.close()


@dataclass
class Truth:
    """What a watch is told."""

    counts: tuple[int, int, int] = (0, 0, 0)
    reachable: bool | None = True
    jobs: list[tuple[str, str, str]] = field(default_factory=list)
    dip: int = 0
    days: dict[str, int] = field(default_factory=dict)
    second: float = 0.0
    broken: bool = False

    def told(self) -> tuple[int, int, int]:
        if self.broken:
            raise JournalUnavailable("no store")
        return self.counts

    def watch(self, store: Store, node: str = "n1", given: AlertSettings = GIVEN) -> AlertWatch:
        facts = Facts(
            self.told,
            lambda: self.reachable,
            lambda: self.jobs,
            lambda: self.dip,
            lambda: self.days,
            (Path("/no/such/yet"),),
        )
        book = FigureBook(store.figures, clock.now, timedelta(minutes=given.window_min))
        return AlertWatch(given, store.alerts, book, facts, lambda: node, clock.now, lambda: self.second)


def open_rules(store: Store) -> list[tuple[str, str, str]]:
    return [(one.rule, one.subject, one.node) for one in store.alerts.open()]


def test_raised_once_cleared_once_whoever_looks(store: Store) -> None:
    truth = Truth(counts=(1, 3, 2), jobs=[("backup", "备份数据库", "磁盘满")], dip=2)
    nodes = [truth.watch(store, "n1"), truth.watch(store, "n2")]
    for _ in range(3):
        for watch in nodes:
            watch.turn()
    assert open_rules(store) == [
        ("escalated", "", ""), ("doubts", "", ""), ("untold", "", ""), ("jobs", "backup", ""), ("dip", "", ""),
    ]  # fmt: skip
    since = [one.raised_at for one in store.alerts.open()]
    truth.counts, truth.dip = (2, 3, 2), 5
    truth.watch(store, "n3").turn()
    assert [one.raised_at for one in store.alerts.open()] == since, "a restart or another count is no news"
    truth.counts, truth.jobs, truth.dip = (0, 0, 0), [], 0
    for watch in nodes:
        watch.turn()
    assert (open_rules(store), len(store.alerts.cleared(10))) == ([], 5)
    truth.counts = (1, 0, 0)
    nodes[0].turn()
    assert (open_rules(store), len(store.alerts.cleared(10))) == ([("escalated", "", "")], 5)


def test_what_cannot_be_looked_at_stays_as_it_is(store: Store) -> None:
    truth = Truth(counts=(1, 0, 0))
    watch = truth.watch(store)
    watch.turn()
    truth.broken, truth.counts, truth.days = True, (0, 0, 0), {"sm2": 3}
    watch.turn()
    assert open_rules(store) == [("escalated", "", ""), ("certificate", "sm2", "n1")]
    assert store.alerts.open()[1].kind == "bad"


def test_the_line_is_told_after_a_while_and_each_node_has_its_own(store: Store) -> None:
    truth = Truth(reachable=False)
    watch = truth.watch(store, "n1")
    store.nodes.claim("n1", None, NodeFacts(), clock.now(), Outcome(State.IN_DOUBT, clock.now()))
    watch.turn()
    assert open_rules(store) == []
    truth.second = 31
    watch.turn()
    assert open_rules(store) == [("platform", "", "n1")]
    Truth().watch(store, "n2").turn()
    assert open_rules(store) == [("platform", "", "n1")], "n1 lives: its line is its own"
    (node,) = store.nodes.nodes()
    store.nodes.leave(node.registration, Outcome(State.IN_DOUBT, clock.now()))
    Truth().watch(store, "n2").turn()
    assert open_rules(store) == [], "what a node left that is no more, another clears"
    truth.reachable, truth.second = None, 100
    watch.turn()
    assert open_rules(store) == [], "it is closed, which is no failure"


def test_errors_and_durations_come_from_the_journal(store: Store) -> None:
    for number in range(12):
        written(store.journal, State.DECLINED if number % 2 else State.CONFIRMED, busy_keys=(f"k{number}",))
        written(store.journal, State.REFUSED, busy_keys=(f"r{number}",))
    given = GIVEN.model_copy(update={"error_share": 0.24})
    Truth().watch(store, given=given).turn()
    assert open_rules(store) == [("errors", "", "")]
    assert "24 笔中 6 笔" in store.alerts.open()[0].told


def tally(failed: int, good: int, spent_ms: int = 10) -> Tally:
    found = Tally()
    for number in range(failed + good):
        state = State.NOT_SENT if number < failed else State.CONFIRMED
        found.add(Figure(number, "2401", state, 0, spent_ms, spent_ms))
    return found


def test_catalogs_that_have_nothing_newer_are_no_errors() -> None:
    """Every night each of them is asked for, and answers with a refusal."""
    asked, broken = Tally(), Tally()
    for number in range(30):
        asked.add(Figure(number, "1306", State.DECLINED, 0, 10, 10))
        broken.add(Figure(number, "1306", State.NOT_SENT, 0, 10, 10))
    assert list(rules.of_figures(GIVEN, {"1306": asked})) == []
    assert (asked.count, asked.failed, broken.failed) == (30, 0, 30)
    both = tally(failed=30, good=0)
    both.merge(asked)
    assert rules.error_share(both) == 0.5
    assert [one.rule for one in rules.of_figures(GIVEN, {"1306": broken})] == ["errors"]


@settings(max_examples=60)
@given(failed=st.integers(0, 60), good=st.integers(0, 60), spent_ms=st.integers(0, 9000))
def test_a_measure_is_raised_above_its_threshold_and_kept_down_to_four_fifths(
    failed: int, good: int, spent_ms: int
) -> None:
    found = {one.rule: one for one in rules.of_figures(GIVEN, {"2401": tally(failed, good, spent_ms)})}
    count = failed + good
    share = failed / count if count else 0
    raised = count >= GIVEN.calls_min and share > GIVEN.error_share
    assert ("errors" in found and not found["errors"].keeps) == raised
    if count >= GIVEN.calls_min and share <= GIVEN.error_share * rules.STILL_BAD:
        assert "errors" not in found
    if spent_ms > GIVEN.slow_s * 1000 and count >= GIVEN.calls_min:
        assert (found["slow"].subject, found["slow"].keeps) == ("2401", False)
    if spent_ms <= 1500:
        assert "slow" not in found


@pytest.mark.parametrize(
    ("first", "days", "found"),
    [
        (60, 60, None),
        (60, 59, ("warn", "60")),
        (60, 30, ("warn", "60")),
        (60, 29, ("warn", "30")),
        (60, 7, ("warn", "30")),
        (60, 6, ("bad", "7")),
        (60, 0, ("bad", "7")),
        (60, -1, ("bad", "0")),
        (90, 75, ("warn", "90")),
        (90, 59, ("warn", "60")),
        (20, 29, None),
        (20, 19, ("warn", "20")),
        (5, 6, None),
        (5, 4, ("bad", "5")),
    ],
)
def test_a_certificate_is_told_by_days_left(first: int, days: int, found: tuple[str, str] | None) -> None:
    settings_ = AlertSettings(certificate_days=first)
    told = [*rules.of_certificates(settings_, {"platform": days}, "n1")]
    assert [(one.kind, one.step) for one in told] == ([found] if found else [])
    assert all((str(days) if days >= 0 else "已到期") in one.told for one in told)


def test_each_step_of_a_certificate_is_raised_anew(store: Store) -> None:
    truth = Truth()
    watch = truth.watch(store)
    seen = []
    for days in (61, 59, 45, 29, 8, 6, 3, -1, 400):
        truth.days = {"platform": days}
        watch.turn()
        seen.append([(one.kind, one.told) for one in store.alerts.open()])
    assert seen == [
        [],
        *[[("warn", "platform 还有 59 天到期")]] * 2,
        *[[("warn", "platform 还有 29 天到期")]] * 2,
        *[[("bad", "platform 还有 6 天到期")]] * 2,
        [("bad", "platform 已到期")],
        [],
    ]
    assert len(store.alerts.cleared(10)) == 4


def test_the_disk_and_every_rule_has_its_words() -> None:
    low = [*rules.of_disk(GIVEN, {"/a": 10, "/b": 1100, "/c": 9000}, "n1")]
    assert [(one.subject, one.keeps) for one in low] == [("/a", False), ("/b", True)]
    assert set(rules.thresholds(GIVEN)) == set(rules.RULES)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["escalated", "doubts"]), st.sampled_from(["n1", "n2"]), st.booleans())))
def test_whatever_comes_and_goes_an_alert_is_open_exactly_while_it_was_last_found(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, str, bool]]
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('story') / 'a.db'}", node="n1")
    try:
        store.upgrade()
        want: set[str] = set()
        for rule, node, there in story:
            found = [Found(rule, "bad", "有")] if there else []
            changed = store.alerts.settle(found, {rule}, node, clock.now())
            assert (len(changed.raised), len(changed.cleared)) == (
                there and rule not in want,
                not there and rule in want,
            )
            want = want | {rule} if there else want - {rule}
            assert {one.rule for one in store.alerts.open()} == want
    finally:
        store.close()
