"""The story of a stay has words for whatever may have happened to it."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from gateway import clock
from gateway.stays.history import History, Record, RecordKind, WardEvent, WardEventKind
from gateway.stays.story import story

NOW = clock.now()


@pytest.mark.parametrize("kind", get_args(RecordKind))
def test_every_record_of_the_hospital_is_a_step(kind: RecordKind) -> None:
    (step,) = story(History(records=(Record(kind, 3, NOW, ({}, {}), "编码员"),)))
    assert (step["by"], step["detail"]) == ("编码员", "版本 3，2 行")
    assert step["what"] not in ("", kind)


@pytest.mark.parametrize("kind", get_args(WardEventKind))
def test_every_event_of_a_ward_is_a_step(kind: WardEventKind) -> None:
    event = WardEvent("E1", kind, NOW, ward_code="0401", event_time="2026-11-17 01:15:00", operator="护士")
    earlier = Record("diagnoses", 1, NOW - timedelta(seconds=1))
    first, step = story(History(events=(event,), records=(earlier,)))
    assert (first["what"], step["what"] in ("", kind), "0401" in step["detail"]) == ("院内诊断", False, True)
