"""The 日间手术病种目录 as it was downloaded: what a change of category is judged by where no file is named."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from gateway import clock
from gateway.catalogs.day_surgery import day_surgery
from gateway.contract.catalogs import Record
from gateway.store import Store, open_store
from gateway.store.catalogs import NewVersion
from tests.sqlite import new_sqlite

COLUMNS = (("qua_oprn_oprt_name", "手术操作名称"), ("qua_oprn_oprt_code", "手术操作代码"))
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=clock.SHANGHAI)


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    found = open_store(new_sqlite(tmp_path / "c.db"), node="n")
    found.upgrade()
    yield found
    found.close()


def imported(store: Store, ver: str, *rows: tuple[str, str, str, bool]) -> None:
    version = store.catalogs.begin(NewVersion("1311", "0", ver, True, "sha", None, len(rows), COLUMNS), "日间", NOW)
    records = [Record(f"R{number}", code, name, "", "", "", valid, ver, (f"{name}术", operation))
               for number, (code, name, operation, valid) in enumerate(rows)]  # fmt: skip
    store.catalogs.add(version, records, lines_before=0, lines_after=len(rows))
    store.catalogs.put_in_force(version, (), NOW)


def test_the_version_in_force_is_read_and_the_next_one_after_it(store: Store) -> None:
    catalogue = day_surgery(None, store.catalogs, lambda: NOW)
    assert catalogue() is None
    imported(
        store,
        "V1",
        ("D1", "胆囊结石", "51.2300,51.2200", True),
        ("D1", "胆囊结石", "51.2400", True),
        ("D2", "x", "1", False),
    )
    found = catalogue()
    assert found is not None
    assert list(found) == ["D1"]
    assert found["D1"].operations == {"51.2300", "51.2200", "51.2400"}
    assert (found["D1"].dise_name, found["D1"].operation_names) == ("胆囊结石", ("胆囊结石术",))
    assert catalogue() is found, "not read again"
    imported(store, "V2", ("D3", "y", "04.4300", True))
    after = catalogue() or {}
    assert {code: set(one.operations) for code, one in after.items()} == {"D1": {"51.2400"}, "D3": {"04.4300"}}


def test_one_with_nothing_valid_judges_nobody(store: Store) -> None:
    imported(store, "V1", ("D1", "x", "1", False))
    assert day_surgery(None, store.catalogs, lambda: NOW)() is None
