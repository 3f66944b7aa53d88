"""One suite over every way to a hospital's records: in memory, SQLite, PostgreSQL, SOAP services; others where a URL of theirs is set.

``YIBAO_TEST_HIS_ORACLE_URL``, ``YIBAO_TEST_HIS_MSSQL_URL``, ``YIBAO_TEST_HIS_MYSQL_URL`` name databases whose user may make
and drop the tables ``yb_t_events`` and ``yb_t_fees``; without one of them the database of the journal's suite is taken
(``YIBAO_TEST_ORACLE_URL`` ...).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Unicode, create_engine, insert, make_url

from adapters.his._engines import VENDORS
from adapters.his.database import DatabaseRecords
from adapters.his.sample.tables import Money
from adapters.his.statements import parse
from adapters.his.ways import open_records
from gateway.settings import His as Settings
from gateway.stays.hospital import HisMisconfigured, HospitalRecords, Mark, Point, SubjectName
from gateway.stays.hospital_fake import MemoryHospital
from tests.adapters.his.service import His, files, served


def named_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Databases that only some machines have."""
    given = {
        name: environment.get(f"YIBAO_TEST_HIS_{name.upper()}_URL") or environment.get(f"YIBAO_TEST_{name.upper()}_URL")
        for name in ("oracle", "mssql", "mysql")
    }
    return {name: url for name, url in given.items() if url}


OTHERS = named_in(os.environ)
BASE = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001 - the HIS's own clock, which has no zone
LATER = BASE + timedelta(minutes=30)

metadata = MetaData()
EVENTS = Table(
    "yb_t_events",
    metadata,
    Column("row_id", Integer, primary_key=True, autoincrement=False),
    Column("changed_at", DateTime),
    Column("event_id", String(20)),
    Column("kind", String(20)),
    Column("ipt_no", String(20)),
    Column("ward_code", String(20)),
    Column("ward_name", Unicode(50)),
    Column("event_time", DateTime),
    Column("operator", Unicode(20)),
)
FEES = Table(
    "yb_t_fees",
    metadata,
    Column("row_id", Integer, primary_key=True, autoincrement=False),
    Column("changed_at", DateTime),
    *(Column(name, Unicode(40)) for name in ("ipt_no", "feedetl_sn", "medins_list_codg", "bilg_dept_codg")),
    *(Column(name, Unicode(40)) for name in ("bilg_dept_name", "bilg_dr_codg", "bilg_dr_name")),
    Column("fee_ocur_time", DateTime),
    *(Column(name, Money) for name in ("det_item_fee_sumamt", "cnt", "pric")),
    Column("void_flag", String(1)),
)


def event(number: int, minute: int, **more: Any) -> dict[str, Any]:
    at = BASE + timedelta(minutes=minute)
    return {"row_id": number, "changed_at": at, "event_id": f"E{number}", "kind": "ward_in", "ipt_no": f"ZY{number % 3}",
            "ward_code": "0201", "ward_name": "心血管内科病区", "event_time": at, "operator": "护士陈", **more}  # fmt: skip


def fee(number: int, **more: Any) -> dict[str, Any]:
    return {"row_id": number, "changed_at": BASE, "ipt_no": "ZY1", "feedetl_sn": str(number), "medins_list_codg": "Y0001",
            "bilg_dept_codg": "K1", "bilg_dept_name": "内科", "bilg_dr_codg": "D1", "bilg_dr_name": "林静",
            "fee_ocur_time": BASE, "det_item_fee_sumamt": Decimal("0.30"), "cnt": Decimal(3), "pric": Decimal("0.1"),
            "void_flag": None, **more}  # fmt: skip


# many rows of one moment, as a nightly job leaves them; two that cannot be used
EVENT_ROWS = [
    *(event(number, 10) for number in range(1, 8)),
    event(8, 5),
    event(9, 20, kind="unknown"),
    event(10, 20, ipt_no=None),
    event(11, 30, ipt_no="ZY1", kind="ward_out"),
    event(12, 0, changed_at=None),
]
FEE_ROWS = [
    fee(1),
    fee(2, det_item_fee_sumamt=Decimal("-0.30"), cnt=Decimal(-3)),
    fee(3, ipt_no="ZY2", det_item_fee_sumamt=Decimal("0.305")),
    fee(4, ipt_no="ZY4"),
    fee(5, ipt_no="ZY4", changed_at=LATER),
    fee(6, ipt_no="ZY4", changed_at=LATER, void_flag="1"),
    fee(7, ipt_no="ZY4", changed_at=None),
]


def his_of(url: str, his: dict[SubjectName, str]) -> DatabaseRecords:
    statements = {name: parse(name, Path(f"{name}.sql"), sql) for name, sql in his.items()}
    return DatabaseRecords(make_url(url), statements)


@pytest.fixture(params=["memory", "sqlite", "postgresql", "soap", *OTHERS])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HospitalRecords]:
    if request.param == "memory":
        yield MemoryHospital({"ward_events": EVENT_ROWS, "fees": FEE_ROWS})
        return
    if request.param == "soap":
        service = His({"ward_events": EVENT_ROWS, "fees": FEE_ROWS})
        with served(service, tmp_path) as wsdl:
            folder = files(tmp_path / "his")
            yield open_records(Settings(service=service.url, wsdl=wsdl, statements=folder))[0]
        return
    if request.param == "postgresql":
        url = request.getfixturevalue("pg_url")
    else:
        url = OTHERS.get(request.param, f"sqlite:///{tmp_path}/his.db")
    engine = create_engine(make_url(url).set(drivername=VENDORS[request.param].driver))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(EVENTS), EVENT_ROWS)
        connection.execute(insert(FEES), FEE_ROWS)
    his = his_of(url, {"ward_events": "SELECT * FROM yb_t_events;", "fees": "SELECT f.* FROM yb_t_fees f -- 费用"})
    yield his
    his.close()
    metadata.drop_all(engine)
    engine.dispose()


def test_the_journals_database_serves_where_none_is_named_for_the_his() -> None:
    both = {"YIBAO_TEST_HIS_ORACLE_URL": "oracle://his", "YIBAO_TEST_ORACLE_URL": "oracle://journal"}
    assert named_in(both) == {"oracle": "oracle://his"}
    assert named_in({"YIBAO_TEST_ORACLE_URL": "oracle://journal", "YIBAO_TEST_HIS_MYSQL_URL": ""}) == {
        "oracle": "oracle://journal"
    }


def read_all(his: HospitalRecords, subject: SubjectName, rows_max: int, since: Point | None = None) -> list[str]:
    """Every row's event number or reason in order, page by page."""
    seen: list[str] = []
    mark: Mark | None = None
    for _ in range(100):
        page = his.changed(subject, since=since, after=mark, rows_max=rows_max)
        assert len(page.rows) + len(page.wrong) <= rows_max
        seen += [row["event_id"] for row in page.rows] + [f"!{row.row_id}" for row in page.wrong]
        if page.last:
            return seen
        mark = page.mark
    raise AssertionError("does not end")


@pytest.mark.parametrize("rows_max", [1, 2, 3, 500])
def test_pages_bring_every_row_once_in_the_order_of_change(records: HospitalRecords, rows_max: int) -> None:
    seen = read_all(records, "ward_events", rows_max)
    assert seen[:8] == ["E8", *(f"E{number}" for number in range(1, 8))]
    assert sorted(seen[8:]) == ["!10", "!9", "E11"]


def test_a_mark_from_before_is_where_reading_goes_on(records: HospitalRecords) -> None:
    first = records.changed("ward_events", rows_max=4)
    assert first.mark is not None
    again = records.changed("ward_events", since=first.mark.changed_at)
    assert [row["event_id"] for row in again.rows] == [*(f"E{number}" for number in range(1, 8)), "E11"]


def test_values_are_text_times_and_exact_amounts(records: HospitalRecords) -> None:
    row = records.changed("ward_events", rows_max=1).rows[0]
    assert row == {"event_id": "E8", "kind": "ward_in", "ipt_no": "ZY2", "ward_code": "0201",
                   "ward_name": "心血管内科病区", "event_time": "2026-03-01 08:05:00", "operator": "护士陈"}  # fmt: skip
    fees = records.of_stay("fees", "ZY1").rows
    assert sorted(row["det_item_fee_sumamt"] for row in fees) == [Decimal("-0.30"), Decimal("0.30")]
    assert all(isinstance(row["pric"], Decimal) and row["pric"] == Decimal("0.1") for row in fees)


def test_a_row_that_cannot_be_used_is_told_with_its_reason(records: HospitalRecords) -> None:
    page = records.changed("ward_events")
    reasons = {row.row_id: str(row) for row in page.wrong}
    assert "ward_in、ward_in_void" in reasons["9"]
    assert "ipt_no（住院号）为空" in reasons["10"]
    (wrong,) = records.of_stay("fees", "ZY2").wrong
    assert "小数超过 2 位" in str(wrong)
    assert wrong.ipt_no == "ZY2"


def test_rows_of_one_stay_only(records: HospitalRecords) -> None:
    assert {row["event_id"] for row in records.of_stay("ward_events", "ZY1").rows} == {"E1", "E4", "E7", "E11"}
    assert records.of_stay("ward_events", "nobody").rows == []


def test_rows_of_one_stay_since_a_point_with_those_voided_and_never_dated(records: HospitalRecords) -> None:
    whole = records.of_stay("fees", "ZY4")
    assert {row["feedetl_sn"] for row in whole.rows} == {"4", "5", "7"}, "what is voided is left out"
    assert whole.mark is not None
    since = records.of_stay("fees", "ZY4", since=whole.mark.changed_at)
    assert {row["feedetl_sn"]: row.get("void_flag", "") for row in since.rows} == {"5": "", "6": "1", "7": ""}
    assert since.mark is not None
    assert since.mark.changed_at == whole.mark.changed_at, "the newest change, in whatever form the database has it"
    nothing = records.of_stay("fees", "nobody", since=LATER)
    assert (nothing.rows, nothing.mark) == ([], None)


def test_what_the_hospital_does_not_supply_is_said(records: HospitalRecords) -> None:
    assert set(records.subjects()) == {"ward_events", "fees"}
    with pytest.raises(HisMisconfigured, match=r"orders\.(sql|toml)"):
        records.changed("orders")
