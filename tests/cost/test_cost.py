"""What the façade costs must not creep up: a count of executed bytecodes, the same on every machine however busy.

The count sees what Python does, not what lxml and msgspec do inside; ``make bench`` measures both (docs/inside/speed.md).
A change that pays more on purpose renews the figures: ``python -m tests.cost``.
"""

from __future__ import annotations

import json

import pytest

from tests.cost.counting import FIGURES, RISE_MAX, VERSION, counts


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    return counts()


@pytest.mark.parametrize("case", ["small", "500 rows"])
def test_the_facade_costs_no_more_than_it_did(counted: dict[str, int], case: str) -> None:
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert VERSION in known, f"no figures of Python {VERSION} yet: python -m tests.cost"
    limit = known[VERSION][case] * RISE_MAX
    assert counted[case] <= limit, f"{case}: {counted[case]:,} bytecodes, {known[VERSION][case]:,} are known"


def test_it_is_the_same_every_time(counted: dict[str, int]) -> None:
    assert counts()["small"] == pytest.approx(counted["small"], rel=0.001)
