"""Figures, charts, rights, passwords, sessions: the parts that need no page."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mappings
from gateway.console import sessions
from gateway.console.areas import RIGHTS
from gateway.console.flashes import KEPT_MAX, Flashes
from gateway.console.passwords import Passwords, generated
from gateway.console.rights import RightsError, read_rights
from gateway.console.running import charts
from gateway.exchange.entries import SHANGHAI, to_ms
from gateway.exchange.ports import State
from gateway.figures import FAILED, LATE, FigureBook, Tally
from gateway.store.accounts import Session, User
from gateway.store.figures import Figure
from tests.console.kit import CHEAP, Bench

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=SHANGHAI)
ENDED = [state for state in State if state not in (State.INTENDED, State.RECEIVED)]


class Rows:
    """A journal's rows as a list; numbers become visible as a test wants."""

    def __init__(self) -> None:
        self.rows: dict[int, Figure] = {}

    def first_since(self, since: datetime) -> int | None:
        return min((row.id for row in self.rows.values() if row.received_ms >= to_ms(since)), default=None)

    def after(self, exchange_id: int, count: int) -> list[Figure]:
        return [self.rows[number] for number in sorted(self.rows) if number > exchange_id][:count]

    def of(self, ids: list[int]) -> list[Figure]:
        return [self.rows[number] for number in ids]


def figure(number: int, state: State, minutes_ago: float = 1, spent_ms: int = 40, infno: str = "2401") -> Figure:
    received = to_ms(NOW - timedelta(minutes=minutes_ago))
    ended = None if state in (State.INTENDED, State.RECEIVED) else received + spent_ms
    return Figure(number, infno, state, received, ended, spent_ms)


@given(
    st.lists(st.tuples(st.sampled_from(ENDED), st.integers(0, 90_000), st.booleans(), st.booleans()), max_size=60),
    st.randoms(use_true_random=False),
)
def test_each_exchange_is_counted_once_however_it_comes(plan, random) -> None:  # type: ignore[no-untyped-def]
    source = Rows()
    book = FigureBook(source, lambda: NOW)  # type: ignore[arg-type]
    late: list[Figure] = []
    for number, (state, spent, opened, is_late) in enumerate(plan, 1):
        done = figure(number, state, spent_ms=spent)
        if is_late and number < LATE:
            late.append(done)  # its writer commits after larger numbers are seen
        else:
            source.rows[number] = figure(number, State.INTENDED) if opened else done
        if random.random() < 0.4:
            book.catch_up()
    book.catch_up()
    for number, (state, spent, *_) in enumerate(plan, 1):
        source.rows[number] = figure(number, state, spent_ms=spent)
    book.catch_up()
    book.catch_up()
    total = book.of_window(timedelta(hours=1)).get("2401", Tally())
    # a number smaller than the first that was ever seen, and late, lies before the book's beginning
    first = min((number for number in source.rows), default=0)
    assert total.count == len(plan) or first == 0
    assert total.failed == sum(state in FAILED for state, *_ in plan)
    assert sum(part.count for _, part in book.series(timedelta(hours=1), 60)) == total.count
    assert book.open_count == 0


def test_what_is_older_than_a_day_is_forgotten() -> None:
    source, now = Rows(), [NOW]
    book = FigureBook(source, lambda: now[0])  # type: ignore[arg-type]
    source.rows = {1: figure(1, State.CONFIRMED), 2: figure(2, State.DECLINED, infno="2304")}
    book.catch_up()
    assert set(book.of_window(timedelta(hours=1))) == {"2401", "2304"}
    now[0] = NOW + timedelta(hours=25)
    book.catch_up()
    assert book.of_window(timedelta(hours=48)) == {}


def test_figures_of_the_journal_itself(own: Bench) -> None:
    for state in (State.CONFIRMED, State.DECLINED, State.INTENDED):
        own.exchange(state, busy_keys=(state.value,))
    own.parts.figures.catch_up()
    tally = own.parts.figures.of_window(timedelta(hours=1))["2401"]
    assert (tally.count, tally.failed, own.parts.figures.open_count) == (2, 1, 1)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=200))
def test_a_quantile_is_a_bound_that_holds(spent: list[int]) -> None:
    tally = Tally()
    for number, value in enumerate(spent):
        tally.add(Figure(number, "1", State.CONFIRMED, 0, value, value))
    for share in (0.5, 0.95, 1.0):
        bound = tally.quantile_ms(share)
        assert bound is not None
        assert bound <= max(spent)
        assert sum(value <= bound for value in spent) >= share * len(spent)


@given(st.floats(0, 1e9, allow_nan=False))
def test_the_top_of_a_chart_is_round_and_high_enough(value: float) -> None:
    top = charts.ceiling(value)
    assert top >= value
    assert value <= 1 or top <= value * 2.6


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=100))
def test_bars_stay_in_the_picture(values: list[int]) -> None:
    chart = charts.bars(values, [value // 3 for value in values], [""] * len(values), [""] * len(values))
    for bar in (*chart.bars, *chart.front):
        assert bar.x >= 0
        assert bar.x + bar.width <= charts.WIDTH
        assert bar.y >= 0
        assert bar.height >= 0
        assert bar.y + bar.height <= charts.HEIGHT
    assert chart.empty == (not any(values))


def test_a_line_is_broken_where_nothing_is() -> None:
    chart = charts.line([None, 5.0, 7.0, None, 9.0, None], [""] * 6)
    assert chart.line.count("M") == 2
    assert chart.line.count("L") == 1
    assert len(chart.dots) == 1
    assert charts.line([None, None], ["", ""]).empty


@given(st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=20), st.floats(0.1, 100))
def test_a_threshold_is_always_in_the_picture(values: list[float | None], limit: float) -> None:
    chart = charts.line(values, [""] * len(values), limit=limit)
    assert chart.limit is not None
    assert charts.TOP <= chart.limit <= charts.HEIGHT - charts.BOTTOM


# ------------------------------------------------------------------- rights


def test_the_rights_that_come_with_the_program_are_right() -> None:
    roles = read_rights(mappings.data_root() / "conf" / "rights.yaml", RIGHTS)
    assert {"insurance", "cashier", "ward", "pharmacy", "operations", "it", "auditor", "vendor"} == set(roles)
    three = {"exchange.see", "exchange.body", "exchange.act"}
    assert {frozenset(role.rights & three) for role in roles.values()} >= {
        frozenset({"exchange.see"}),
        frozenset(three),
    }


GOOD = "roles: {a: {title: 甲, rights: [x, y]}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "roles"),
        ("[1]", "roles"),
        ("roles: {}", "roles"),
        ("roles: {a: 1}", "a"),
        ("roles: {a: {title: 甲}}", "a"),
        ("roles: {a: {title: 甲, rights: x}}", "a"),
        ("roles: {a: {title: 甲, rights: [x, z]}}", "z"),
        ("roles: {a: {title: 甲, rights: [x]}}", "没有角色拥有 y"),
        ("roles: {a: {title: 甲, rights: [x, y]}}\nmore: 1", "roles"),
        ("a: [", "YAML"),
    ],
)
def test_a_wrong_rights_file_is_refused_in_words(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "rights.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert read_rights(file, ["x", "y"])["a"].may("x")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RightsError, match=told):
        read_rights(file, ["x", "y"])
    with pytest.raises(RightsError, match="无法读取"):
        read_rights(tmp_path / "none.yaml", ["x"])


# ---------------------------------------------------------------- passwords


def test_a_password_is_right_or_it_is_not() -> None:
    passwords = Passwords(CHEAP)
    kept = passwords.make("口令-Passw0rt-é")
    assert kept.startswith("$argon2id$")
    assert passwords.right(kept, "口令-Passw0rt-é")
    for kept_, given_ in ((kept, "x"), (None, "口令-Passw0rt-é"), ("no hash", "x"), (kept, "")):
        assert not passwords.right(kept_, given_)


@pytest.mark.parametrize("bad", ["short", "aaaaaaaaaaaaaa", "my-password-77", "x" * 129, "wanghe-2026-77"])
def test_bad_passwords_are_named(bad: str) -> None:
    assert Passwords(CHEAP).objection(bad, "wanghe")


def test_generated_passwords_are_good_and_differ() -> None:
    made = {generated() for _ in range(50)}
    assert len(made) == 50
    assert not any(Passwords(CHEAP).objection(password, "wang") for password in made)


# ----------------------------------------------------------------- sessions


TOKEN = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=80)
"""Tokens are drawn URL-safe; HMAC pads its key with zero bytes, so a NUL at the end would make no difference."""


@given(TOKEN, TOKEN)
def test_the_mark_of_one_session_is_not_that_of_another(token: str, other: str) -> None:
    assert sessions.csrf_right(token, sessions.csrf_of(token))
    assert token == other or not sessions.csrf_right(token, sessions.csrf_of(other))
    assert not sessions.csrf_right(token, other)
    assert token not in (sessions.csrf_of(token), sessions.token_hash(token))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_a_session_ends_when_either_time_is_over(idle_s: int, age_s: int, locked: bool) -> None:
    age_s = max(age_s, idle_s)
    user = User("a", "甲", "it", "h", NOW, locked=locked)
    session = Session(user, NOW - timedelta(seconds=age_s), NOW - timedelta(seconds=idle_s))
    over = locked or idle_s > 1800 + 60 or age_s > 43200
    assert sessions.expired(session, NOW, 1800, 43200) == over


def test_a_line_is_said_once_and_few_are_kept() -> None:
    flashes = Flashes()
    for number in range(KEPT_MAX + 5):
        flashes.put(str(number), "ok", "x")
    assert flashes.take("0") is None
    assert flashes.take(str(KEPT_MAX)) == ("ok", "x")
    assert flashes.take(str(KEPT_MAX)) is None
