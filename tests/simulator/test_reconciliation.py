"""The centre's side of 3202: what it declines, what it tells, and differences planted in its books."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest

from gateway.simulator import Simulator
from gateway.simulator.faults import FaultWrong
from gateway.simulator.ledger import Declined

INSTITUTION = "H44080000001"
DAY = "2026-11-20"


def zipped(*rows: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "".join(f"{row}\n" for row in rows))
    return file.getvalue()


def uploaded(hospital: Any, content: bytes) -> str:
    node = {"in": base64.b64encode(content).decode(), "filename": "a.txt.zip", "fixmedins_code": INSTITUTION}
    return str(hospital.do("9101", {"fsUploadIn": node})["file_qury_no"])


def asked(hospital: Any, content: bytes, count: int, total: str = "0") -> Any:
    data = {"setl_optins": "440800", "file_qury_no": uploaded(hospital, content), "stmt_begndate": "2026-11-01",
            "stmt_enddate": "2026-11-30", "medfee_sumamt": total, "fund_pay_sumamt": "0", "cash_payamt": "0",
            "fixmedins_setl_cnt": count, "clr_type": "21"}  # fmt: skip
    return hospital.do("3202", {"data": data})


@pytest.mark.parametrize(
    ("content", "count", "why"),
    [
        (b"no zip", 0, "ZIP"),
        (zipped("S\tM\tP\t1\t0\t0"), 1, "7 列"),
        (zipped("S\tM\tP\t1\tnull\t0\t0"), 1, "不为空"),
        (zipped("S\tM\tP\tx\t0\t0\t0"), 1, "不是数值"),
        (zipped("S\tM\tP\t1\t0\t0\t0"), 2, "不符"),
    ],
)
def test_a_file_that_is_not_as_agreed_is_declined(hospital: Any, content: bytes, count: int, why: str) -> None:
    with pytest.raises((Declined, AssertionError), match=why):
        asked(hospital, content, count, "1.00")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"kind": "nothing"},
        {"kind": "missing"},
        {"kind": "missing", "setl_id": "S-NONE"},
        {"kind": "missing", "setl_id": "S-NONE", "amount": "1"},
        {"kind": "extra", "psn_no": "P", "amount": "much", "insutype": "310", "clr_type": "11", "day": DAY},
        {"kind": "extra", "psn_no": 1, "amount": "1", "insutype": "310", "clr_type": "11", "day": DAY},
    ],
)
def test_what_cannot_be_planted_is_refused_and_nothing_is(wish: dict[str, Any], simulator: Simulator) -> None:
    with pytest.raises(FaultWrong):
        simulator.plant(wish)
    assert simulator.planted() == []
