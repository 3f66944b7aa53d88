"""What the hospital charges more in the day of ``make run``, and for whom."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, select

from adapters.his.database import DatabaseRecords
from adapters.his.sample import tables
from adapters.his.statements import read_statements
from gateway.demo.office import CHOSEN, ROWS, TOO_EARLY, WRONG_SUM, Lying, charge, lying, make_his
from gateway.mappings import data_root

ROW = {
    "mdtrt_id": "M1", "medins_list_codg": "FW1", "med_list_codg": "0012", "memo": "Ⅱ级护理", "cnt": "2", "pric": "12.00",
    "det_item_fee_sumamt": "24.00", "bilg_dept_codg": "A03", "bilg_dept_name": "内科", "bilg_dr_codg": "D1",
    "bilg_dr_name": "周文博",
}  # fmt: skip


def line(infno: str, sent: dict[str, Any], infcode: str = "0") -> dict[str, Any]:
    return {"infno": infno, "sent": sent, "infcode": infcode}


def aligned(number: int, *, infcode: str = "0") -> dict[str, Any]:
    sent = {"adminfo": {"mdtrt_id": f"M{number}", "ipt_otp_no": f"ZY{number}", "begntime": "2026-11-20 10:05:00"}}
    return line("2403", sent, infcode)


def charged(number: int) -> dict[str, Any]:
    return line("2301", {"feedetail": [ROW | {"mdtrt_id": f"M{number}"}]})


def test_only_who_lies_in_a_ward_and_was_charged_something_is_charged_more() -> None:
    told = [aligned(1), charged(1), aligned(2), aligned(3), charged(3), aligned(5, infcode="-1")]
    told += [line("2402", {"dscginfo": {"mdtrt_id": "M3"}}), line("WardIn", {"ipt_no": "ZY7"}), line("2402", {"dscginfo": {}}, "-1")]  # fmt: skip
    assert [(one.ipt_no, one.since, len(one.charged)) for one in lying(told)] == [
        ("ZY1", datetime(2026, 11, 20, 10, 5), 1)  # noqa: DTZ001 - the HIS's own clock, which has no zone
    ]
    many = [each for number in range(CHOSEN + 2) for each in (aligned(number), charged(number))]
    assert len(lying(many)) == CHOSEN


def test_the_gateway_reads_what_was_charged_and_two_rows_of_each_cannot_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'his.db'}"
    since = datetime(2026, 11, 20, 10, 5)  # noqa: DTZ001
    make_his(url)
    charge(url, [Lying(f"ZY{number}", f"M{number}", since, [ROW] * (ROWS + 9)) for number in (1, 2)])
    statements, wrong_ones = read_statements(data_root() / "conf" / "his")
    assert not wrong_ones
    with closing(DatabaseRecords(make_url(url), statements)) as records:
        rows = records.of_stay("fees", "ZY2").rows
    assert len(rows) == ROWS
    wrong = [n for n, row in enumerate(rows) if row["cnt"] * row["pric"] != row["det_item_fee_sumamt"]]
    early = [n for n, row in enumerate(rows) if str(row["fee_ocur_time"]) < str(since)]
    assert (wrong, early) == ([WRONG_SUM], [TOO_EARLY])
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(select(tables.ITEMS.c.dj)).scalars().all() == [Decimal("12.00")]
    engine.dispose()
