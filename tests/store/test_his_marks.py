"""How far the HIS was read is kept in place of what was there, on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.store import open_store
from tests.sqlite import new_sqlite
from tests.store.samples import NOW


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_the_last_place_counts_and_subjects_do_not_mix(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("pg_url") if backend == "postgresql" else new_sqlite(tmp_path / "marks.db")
    store = open_store(url, node="n")
    try:
        store.upgrade()
        assert store.his_marks.find("ward_events") == {}
        store.his_marks.keep("ward_events", {"mark": 1, "left": {"7": "科室为空"}}, NOW)
        store.his_marks.keep("diagnoses", {"mark": 5}, NOW)
        store.his_marks.keep("ward_events", {"mark": 2}, NOW)
        assert store.his_marks.find("ward_events") == {"mark": 2}
        assert store.his_marks.find("diagnoses") == {"mark": 5}
    finally:
        store.close()
