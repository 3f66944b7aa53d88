"""Stays that began elsewhere are taken over, one by one or a whole hospital (``yibao stays adopt``)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.exchange.ports import Query
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from gateway.simulator.ledger import Episode
from gateway.stays.ports import StayRef
from tests.running import MAPPINGS, House, _built, call
from tests.simulation import messages
from tests.stays.ways import REGISTERED, WARD_IN, Stay

OPEN = 200


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    """The old front end, and the gateway that takes over: two stores before one platform."""
    simulator = Simulator(MAPPINGS, seed=23)
    folders = [tmp_path_factory.mktemp(name) for name in ("old", "new")]
    with (
        serve(simulator, port=0) as server,
        _built(folders[0], server.url, verify="false") as old,
        _built(folders[1], server.url) as new,
    ):
        yield House(old, lambda: 0, simulator), House(new, lambda: 0, simulator)


def adopt(house: House, stay: dict[str, Any], *, query: bool = False) -> dict[str, Any]:
    return posted(house, json.dumps({"stay": stay, "operator": "医保办", "query": query}).encode())


def posted(house: House, body: bytes) -> dict[str, Any]:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/-/stays/adopt", "REMOTE_ADDR": "127.0.0.1",
               "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}  # fmt: skip
    answered: dict[str, Any] = json.loads(call(house.gateway.admin, environ).body)
    return answered


def test_a_whole_hospital(houses: tuple[House, House]) -> None:
    _, new = houses
    stays = [_lies_there(new, WARD_IN if number % 4 == 0 else REGISTERED) for number in range(OPEN)]
    for number, stay in enumerate(stays):
        row = {"ipt_no": stay.ipt_no, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}
        if number % 2 == 0:
            row |= {"ward_in_time": WARD_IN, "ward_code": "A03"}
        from_platform = number % 3 != 0
        if not from_platform:
            row |= {"begntime": WARD_IN if number % 4 == 0 else REGISTERED, "in_hospital": "1", "med_type": "21"}
        told = adopt(new, row, query=from_platform)
        assert told.get("adopted"), told
    expected = {0: "", 1: "ET02-02", 2: "ET02-01", 3: "ET02-02"}
    for number, stay in enumerate(stays):
        taken = Stay(new, "json", stay.psn_no, stay.mdtrt_id, stay.ipt_no)
        missing = taken.ask("StayStatus")["missing"]
        assert (missing[0]["code"] if missing else "") == expected[number % 4], (number, missing)
        if number < 12:
            told = taken.call("2402", taken.discharge())
            assert told.code == expected[number % 4]
    log = [entry.act for entry in new.gateway.store.operator_log.entries(limit=1000)]
    assert log.count("stays.adopt") == OPEN


def _lies_there(house: House, begntime: str) -> Stay:
    """A stay that the platform has from somewhere else."""
    assert house.simulator is not None
    ledger = house.simulator._ledger
    person = ledger.find_or_invent(f"440899196103{len(ledger.episodes):05d}X", "在院病人", date(2026, 2, 20))
    stay = Stay(house, "json", person.psn_no, ledger.next_id("1"))
    info = messages.admission(stay.psn_no, stay.ipt_no)["mdtrtinfo"]
    ledger.admit(
        Episode(stay.mdtrt_id, "stay", stay.psn_no, "H44080000001", stay.ipt_no, begntime, "in_hospital", info)
    )
    return stay


def test_what_cannot_be_taken_over_says_why(houses: tuple[House, House]) -> None:
    _, new = houses
    told = adopt(new, {"mdtrt_id": "M1", "begntime": "昨天", "ward_in_time": "2026-02-20 10:05", "bed": "3"})
    for word in ("psn_no", "begntime", "ipt_no", "ward_code", "bed"):
        assert word in told["error"]
    assert "operator" in posted(new, b"[]")["error"]


def test_a_stay_met_before_anybody_adopted_it(houses: tuple[House, House]) -> None:
    old, new = houses
    stay = Stay(old, "json").admit()
    taken = Stay(new, "typed", stay.psn_no, stay.mdtrt_id, stay.ipt_no)
    taken.refused("2402", taken.discharge(), "ET02-02")
    taken.ward_in()
    taken.refused("2402", taken.discharge(), "ET02-01")
    taken.done("2403", taken.change(WARD_IN))
    taken.done("2402", taken.discharge())


def test_facts_of_a_journal_of_before(houses: tuple[House, House], tmp_path: Path) -> None:
    """A store of the version before has bodies and no facts; they are made when the gateway starts."""
    old, _ = houses
    stay = Stay(old, "json").admit().aligned()
    journal = old.gateway.store.journal
    before = journal.stays.known(_named(stay)).history
    newest = journal.search(Query(limit=1))[0].id

    def forget(connection: Any) -> None:
        connection.exec_driver_sql("DELETE FROM stay_fact")
        connection.exec_driver_sql(f"INSERT INTO stay_backfill (below) VALUES ({newest + 1})")

    old.gateway.store._backend.write(forget)
    assert journal.stays.known(_named(stay)).history.exchanges == ()
    old.gateway.fill_facts()
    assert journal.stays.known(_named(stay)).history.exchanges == before.exchanges
    assert journal.stays.unfilled(["2401"], 10) == []


def _named(stay: Stay) -> StayRef:
    return StayRef(mdtrt_id=stay.mdtrt_id)


def test_the_whole_history_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``yibao stays show`` beside nothing else that has the store open."""
    simulator = Simulator(MAPPINGS, seed=24)
    with serve(simulator, port=0) as server, _built(tmp_path, server.url) as gateway:
        stay = Stay(House(gateway, lambda: 0, simulator), "json").admit()
        stay.ward_in(reason="绿色通道")
        stay.done("2403", stay.change(WARD_IN))
    config = tmp_path / "gateway.toml"
    assert read_settings(config).store.url.endswith("yibao.db")
    capsys.readouterr()
    assert main(["stays", "show", stay.ipt_no, "--config", str(config), "--operator", "医保办"]) == 0
    shown = capsys.readouterr().out
    for text in ("入科时间", WARD_IN, "绿色通道", "2403", "医保入院时间", "可以办理出院。"):
        assert text in shown
    assert stay.psn_no not in shown
    assert main(["stays", "show", stay.mdtrt_id, "--json", "--unmasked", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["psn_no"], told["state"]["alignment"]) == (stay.psn_no, "aligned")
    assert {"2401", "入科", "2403", "平台查询 5202"} == {one["what"] for one in told["story"]}
    assert main(["stays", "show", "nobody", "--config", str(config)]) == 1
    assert "没有" in capsys.readouterr().err
