"""The desk: only with the token, only what it knows, and every act of a person in the operator log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.desks import token_file
from gateway.desks.console import ConsoleDesk, SignInPolicy, answer_posted
from gateway.store import Store, open_store
from tests.sqlite import new_sqlite

POLICY = SignInPolicy(5, timedelta(minutes=15), timedelta(hours=12))
USER = {"operator": "王工（wang）", "name": "li", "full_name": "李主任", "role": "insurance", "password_hash": "h"}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = new_sqlite(tmp_path / "j.db") if request.param == "sqlite" else request.getfixturevalue("pg_url")
    opened = open_store(url, node="n1")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def desk(store: Store) -> ConsoleDesk:
    return ConsoleDesk(store, clock.now, POLICY)


def test_what_people_do_is_kept(desk: ConsoleDesk, store: Store) -> None:
    by = {"operator": "王工（wang）", "name": "li"}
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("add_user", USER, "users.add"),
        ("set_role", by | {"role": "it"}, "users.role"),
        ("set_password", by | {"password_hash": "h2"}, "users.password"),
        ("set_locked", by | {"locked": True}, "users.lock"),
        ("set_locked", by | {"locked": False}, "users.unlock"),
        ("sign_in", {"name": "li", "token_hash": "t" * 64, "address": "10.0.0.9"}, "console.sign_in"),
        ("note", {"operator": "李主任（li）", "act": "console.body", "subject": "exchange 7"}, "console.body"),
        ("sign_out", {"name": "li", "token_hash": "t" * 64}, "console.sign_out"),
    ]
    for operation, arguments, act in steps:
        assert desk.do(operation, arguments) == {"ok": True}
        assert store.operator_log.entries(limit=1)[0].act == act
    user = store.accounts.user("li")
    assert user is not None
    assert (user.role, user.password_hash, user.must_change, user.locked) == (
        "it",
        "h2",
        True,
        False,
    )
    assert store.operator_log.verify() is None


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("drop", {}),
        ("add_user", {"name": "x"}),
        ("note", {"operator": "a", "act": "b", "subject": "c", "more": 1}),
        ("set_role", {"operator": "a", "name": "nobody", "role": "it"}),
        ("set_password", {"operator": "a", "name": "nobody", "password_hash": "h"}),
        ("sign_in", {"name": "nobody", "token_hash": "t", "address": ""}),
        ("resolve", {"operator": "a", "exchange_id": 1, "wish": {}}),
        ("__init__", {}),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(desk: ConsoleDesk, operation: str, arguments: dict[str, Any]) -> None:
    answer = desk.do(operation, arguments)
    assert answer["ok"] is False
    assert answer["error"]


def test_a_name_is_given_once(desk: ConsoleDesk) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: desk.do("add_user", USER), range(4)))
    assert sorted(answer["ok"] for answer in answers) == [False, False, False, True]


def test_guesses_at_once_are_all_counted(desk: ConsoleDesk, store: Store) -> None:
    desk.do("add_user", USER)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: desk.do("attempt", {"name": "li"}), range(20)))
    assert sum(answer["ok"] for answer in answers) == POLICY.attempts_max
    assert desk.do("attempt", {"name": "nobody"}) == {"ok": True}


def test_a_good_sign_in_forgets_the_guesses(desk: ConsoleDesk, store: Store) -> None:
    desk.do("add_user", USER)
    for _ in range(3):
        desk.do("attempt", {"name": "li"})
    desk.do("sign_in", {"name": "li", "token_hash": "a" * 64, "address": ""})
    user = store.accounts.user("li")
    assert user is not None
    assert user.failures == 0
    assert store.accounts.session("a" * 64) is not None
    assert store.accounts.session("b" * 64) is None
    desk.do("set_locked", {"operator": "x", "name": "li", "locked": True})
    assert store.accounts.session("a" * 64) is None


@pytest.mark.parametrize(("token", "given"), [("", ""), ("t", ""), ("t", "T"), ("t", "é"), ("t", "tt"), ("", "t")])
def test_without_the_token_there_is_no_desk(desk: ConsoleDesk, store: Store, token: str, given: str) -> None:
    assert answer_posted(desk, token, given, "note", b'{"operator":"a","act":"b","subject":"c"}') is None
    assert store.operator_log.entries(limit=1) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"7"])
def test_arguments_that_cannot_be_read(desk: ConsoleDesk, body: bytes) -> None:
    answer = answer_posted(desk, "t", "t", "note", body)
    assert answer is not None
    assert answer["ok"] is False


def test_the_token_lies_beside_the_store_for_its_owner_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'y.db'}"
    assert token_file.read(url) == ""
    token_file.keep(url, "")
    assert list(tmp_path.iterdir()) == []
    for token in ("one", "two"):
        token_file.keep(url, token)
        assert token_file.read(url) == token
    assert (tmp_path / "y.db.console").stat().st_mode & 0o777 == 0o600
    token_file.keep("postgresql://u@h/d", "x")
    assert token_file.read("postgresql://u@h/d") == ""
