"""A small day of a hospital, whole: nothing open, three books equal to the cent; planted differences found, each with its cause."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.day.day import SMALL, Day, day, keys

pytestmark = pytest.mark.timeout(300)  # three processes; on a machine with much else to do they take their time


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with day(tmp_path_factory.mktemp("day"), SMALL, seed=20261122) as today:
        today.passes()
        yield today


def test_a_day_with_faults_ends_with_nothing_open_and_even_books(passed: Day) -> None:
    passed.is_even()
    assert passed.reconciled() == []
    assert len(passed.told()) > SMALL.visits
    assert passed.hospital.faults > 10


def test_differences_of_all_five_kinds_are_found_and_close_when_repaired(passed: Day) -> None:
    made = passed.planted()
    found = keys(passed.reconciled())
    assert found == made.expected
    assert {kind for kind, _, _ in found} == {
        "in_doubt",
        "revoked_one_side",
        "amount_differs",
        "only_there",
        "only_here",
    }
    passed.repaired(made)
    assert passed.rechecked() == []
    passed.is_even()
    assert passed.reconciled() == []
