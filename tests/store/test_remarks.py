"""Remarks of people about stays: each with name and time, the newest first, never mixed, sealed where there are keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.stays.ports import StayRef
from gateway.store import open_store
from gateway.store.remarks import TEXT_CHARS_MAX
from tests.protect.keys import MemoryKeys
from tests.sqlite import new_sqlite
from tests.store.samples import NOW

FIRST, SECOND = StayRef("Z1", "M1"), StayRef("Z1", "M2")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "keys"])
def test_a_remark_is_about_its_stay_alone(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("pg_url") if backend == "postgresql" else new_sqlite(tmp_path / "remarks.db")
    store = open_store(url, node="n", keys=MemoryKeys() if backend == "keys" else None)
    try:
        store.upgrade()
        before = StayRef("Z1", "")
        store.remarks.add(before, "登记前", "李敏（li）", NOW)
        store.remarks.add(FIRST, "主手术待核对", "李敏（li）", NOW)
        store.remarks.add(FIRST, "x" * 2000 + "\0", "王芳（wang）", NOW + timedelta(minutes=1))
        found = store.remarks.of([FIRST, SECOND, StayRef("Z9", "M9"), StayRef("", "")])
        assert [one.text[:3] for one in found[FIRST]] == ["xxx", "主手术", "登记前"]
        assert len(found[FIRST][0].text) == TEXT_CHARS_MAX
        assert (found[FIRST][1].operator, found[FIRST][1].at) == ("李敏（li）", NOW)
        assert [one.text for one in found[SECOND]] == ["登记前"]
        assert set(found) == {FIRST, SECOND}
        assert store.remarks.of([]) == {}
    finally:
        store.close()
