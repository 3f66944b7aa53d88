"""Names of patients out of the journal: the newest that is certain, in one statement, protected or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.exchange.ports import State
from gateway.store import Store, open_store
from tests.sqlite import new_sqlite
from tests.store.samples import intent, outcome


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(new_sqlite(tmp_path / "names.db"), node="n1")
    yield found
    found.close()


def told(store: Store, infno: str, *keys: tuple[str, str]) -> None:
    store.journal.record(intent(infno=infno, safety="read", keys=keys), outcome(State.CONFIRMED))


def test_the_newest_name_of_each(store: Store) -> None:
    told(store, "1101", ("psn_no", "P1"), ("psn_name", "张三"))
    told(store, "1101", ("psn_no", "P1"), ("psn_name", "张三丰"))
    told(store, "5201", ("psn_no", "P2"), ("psn_name", "李四"))
    told(store, "2304", ("psn_no", "P3"), ("psn_name", "王五"))  # what the HIS wrote; nobody has confirmed it
    told(store, "5201", ("psn_no", "P1"))
    assert store.names.of(["P1", "P2", "P3", "P9", "", "P1"]) == {"P1": "张三丰", "P2": "李四"}
    assert store.names.of([]) == {}


def test_an_answer_about_several_names_nobody(store: Store) -> None:
    told(store, "1101", ("psn_no", "P1"), ("psn_no", "P2"), ("psn_name", "张三"))
    told(store, "5201", ("psn_no", "P1"), ("psn_name", "张三"), ("psn_name", "李四"))
    assert store.names.of(["P1", "P2"]) == {}


def test_more_than_one_statement_can_take(store: Store) -> None:
    numbers = [f"P{number:04d}" for number in range(450)]
    for number in numbers[::90]:
        told(store, "1101", ("psn_no", number), ("psn_name", f"名{number}"))
    assert store.names.of(numbers) == {number: f"名{number}" for number in numbers[::90]}
