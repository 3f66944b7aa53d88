"""医保审核 of one stay: each thing that is wrong is found once, and nothing in a stay where nothing is."""

from __future__ import annotations

import pytest

from gateway.rules.review import CLOSING, SURPLUS, TIMES, TOPICS, findings
from tests.stays.kit import DAY, IPT, NEXT, Life, diagnoses, operation


def ordinary() -> Life:
    """In its ward since 10:05, aligned."""
    return Life().reg("08:10").ward("10:05").change("10:05")


def ended(life: Life) -> Life:
    """Left its ward and the hospital, settled, listed."""
    return life.tell("ward_out", "o1", f"{NEXT} 15:00", ward_code="A").leave().settle().listing()


def found(life: Life) -> list[str]:
    return [one.code for one in findings(life.stay, life.policy)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(ordinary()) == []
    whole = ordinary().record("operations", operation("51.2300", "1"), operation("47.0100"))
    assert found(ended(whole)) == []


@pytest.mark.parametrize(
    ("life", "codes"),
    [
        (Life().reg(), ["ET02-02"]),
        (Life().reg("08:10").ward("10:05"), ["ET02-01"]),
        (ordinary().record("operations", operation("51.2300"), operation("47.0100")), ["ET03-01"]),
        (ordinary().record("operations", operation("51.2300", "1"), operation("47.0100", "1")), ["ET03-01"]),
        (ordinary().record("operations", operation("", "1")), ["ET03-03"]),
        (ordinary().record("operations", operation("无", "1", "无")), []),
        (ordinary().record("diagnoses", *diagnoses("A00", "B00", "C00")), ["ET03-02"]),
        (ordinary().fees(("f1", "09:30"), ("f2", "11:00")), ["ET02-05"]),
        (ordinary().change("11:00", state="IN_DOUBT"), ["GW-1425"]),
        (ordinary().leave().settle().listing(), ["时间"]),
        (ordinary().tell("ward_out", "o1", f"{NEXT} 15:00", ward_code="A").leave(), ["办结"]),
        (ordinary().tell("ward_out", "o1", f"{NEXT} 15:00", ward_code="A").leave().settle(), ["办结"]),
        (ended(ordinary().fees(("f1", f"{NEXT} 17:00"))), ["时间"]),
        (ordinary().tell("ward_out", "o1", f"{NEXT} 17:00", ward_code="A").leave().settle().listing(), ["时间"]),
        (ended(ordinary()).tell("ward_in", "e1", f"{DAY} 10:20", ward_code="A"), ["ET02-01", "ET08-01"]),
    ],
)
def test_each_thing_that_is_wrong_is_named(life: Life, codes: list[str]) -> None:
    assert found(life) == codes
    assert life.stay.ipt_no == IPT
    assert all(one.text for one in findings(life.stay, life.policy))
    assert all(code in TOPICS or code in (TIMES, CLOSING, SURPLUS) for code in codes), "a code has words beside it"


def test_of_a_cancelled_admission_nothing_is_said() -> None:
    life = Life().reg().exchange("2404", {"data": {"mdtrt_id": "M1", "psn_no": "P1"}})
    assert (life.stay.presence, found(life)) == ("cancelled", [])
