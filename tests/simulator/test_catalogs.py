"""Catalogs of the simulator: editions, pages, and commands that cannot be meant."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from gateway.simulator import Simulator
from gateway.simulator.faults import FaultWrong


def rows(hospital: Any, simulator: Simulator, infno: str, ver: str) -> list[list[str]]:
    told = hospital.do(infno, {"data": {"ver": ver}})
    content = simulator._ledger.files[told["file_qury_no"]].content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    assert len(lines) == int(told["data_cnt"])
    return [line.split("\t") for line in lines]


def test_an_edition_gives_only_what_is_newer(hospital: Any, simulator: Simulator) -> None:
    first = rows(hospital, simulator, "1306", "0")
    assert {len(row) for row in first} == {71}
    with pytest.raises(AssertionError, match="没有可下载的更新数据"):
        rows(hospital, simulator, "1306", "F001_20260105_A")
    done = simulator.command_catalogs({"infno": "1306", "act": "publish", "rows": 3})
    newer = rows(hospital, simulator, "1306", "F001_20260105_A")
    assert (len(newer), done["added"]) == (7, 5)
    assert len(rows(hospital, simulator, "1306", "v0000")) == 12 + 5
    with pytest.raises(AssertionError, match="版本号不存在"):
        rows(hospital, simulator, "1306", "F777")
    assert simulator.catalogs()[0]["rows"] == 17


def test_a_query_comes_in_pages(hospital: Any) -> None:
    data = {"updt_time": "2000-01-01", "page_num": 3, "page_size": 5}
    last = hospital.do("1312", {"data": data})
    assert (len(last["data"]), last["lastPage"], int(last["recordCounts"]), int(last["pages"])) == (2, "true", 12, 3)
    assert hospital.do("1312", {"data": data | {"updt_time": "2026-01-06", "page_num": 1}})["data"] == []


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"infno": "1101", "act": "publish"},
        {"infno": "1301"},
        {"infno": "1301", "act": "publish", "rows": -1},
        {"infno": "1301", "act": "publish", "rows": True},
        {"infno": "1301", "act": "publish", "more": 1},
        {"infno": "1301", "act": "break", "how": "otherwise"},
        {"infno": "1312", "act": "break", "how": "cut-zip"},
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(simulator: Simulator, wish: dict[str, Any]) -> None:
    with pytest.raises(FaultWrong):
        simulator.command_catalogs(wish)
    assert simulator._ledger.broken_catalogs == {}
