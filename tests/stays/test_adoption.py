"""Stays that began elsewhere are taken over, one by one or a whole hospital (``yibao stays adopt``)."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.commands import stays as commands
from gateway.exchange.ports import Query
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from gateway.simulator.ledger import Episode
from gateway.stays.ports import StayRef
from tests.commands.helpers import write_config, yibao
from tests.running import MAPPINGS, House, _built, call
from tests.servers import in_process
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


def test_a_whole_hospital(houses: tuple[House, House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All open stays from 5201 and 5202, cut off on the way, gone on with, and once more when some have changed."""
    _, new = houses
    stays = [_lies_there(new, WARD_IN if number % 4 == 0 else REGISTERED) for number in range(OPEN)]
    rows = [{"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "ipt_no": stay.ipt_no} for stay in stays]
    for row in rows[::2]:
        row |= {"ward_in_time": WARD_IN, "ward_code": "A03"}
    file, kept = tmp_path / "open.csv", tmp_path / "report.jsonl"
    write_rows(file, [*rows, {"mdtrt_id": "M-NOWHERE", "psn_no": stays[0].psn_no}])
    with in_process(new.gateway.admin) as port:
        config = write_config(tmp_path, listen_more=f'[listen.admin]\naddress = "127.0.0.1:{port}"')
        asked = ("stays", "adopt", file, "--query", "--report", kept, "--operator", "医保办", "--config", config)
        with monkeypatch.context() as cut:
            cut.setattr("gateway.commands.stays._ask", _until(OPEN // 2, commands._ask))
            ran = yibao(*asked)
        assert (ran.code, f"还有 {OPEN // 2 + 1} 行没有办理" in ran.err) == (1, True), ran.err
        with kept.open("ab") as report:
            report.write(b'{"line": 101, "mdtrt')  # the power failed while this was written
        ran = yibao(*asked)
        assert (ran.code, "1 行没有接入" in ran.err, "5201" in ran.out) == (1, True, True), (ran.out, ran.err)
        told = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
        assert [one.get("outcome") for one in told] == ["adopted"] * OPEN + [None]
        _gates_are_right(new, stays)
        changed = new.simulator._ledger.episodes[stays[1].mdtrt_id]  # type: ignore[union-attr]
        changed.begntime = "2026-02-21 08:00:00"
        ran = yibao(*(one for one in asked if one not in ("--report", kept)), "--json")
        again = json.loads(ran.out[ran.out.index("[\n") :])
    assert [one.get("outcome") for one in again[:3]] == ["known", "differing", "known"]
    assert again[1]["differences"] == [{"what": "医保入院时间", "before": REGISTERED, "after": "2026-02-21 08:00:00"}]
    assert "error" in again[OPEN]
    log = [entry.act for entry in new.gateway.store.operator_log.entries(limit=1000)]
    assert log.count("stays.adopt") == 2 * (OPEN + 1)


def _until(count: int, ask: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Ctrl-C after so many answers."""
    answered = iter(range(count))

    def asks(*given: Any) -> dict[str, Any]:
        if next(answered, None) is None:
            raise KeyboardInterrupt
        return ask(*given)

    return asks


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)


def test_rows_of_a_file_may_tell_everything_themselves(houses: tuple[House, House]) -> None:
    _, new = houses
    for number in range(4):
        stay = _lies_there(new, WARD_IN if number == 0 else REGISTERED)
        row = {"ipt_no": stay.ipt_no, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "in_hospital": "1"}
        row |= {"begntime": WARD_IN if number == 0 else REGISTERED, "med_type": "21"}
        if number % 2 == 0:
            row |= {"ward_in_time": WARD_IN, "ward_code": "A03"}
        told = adopt(new, row)
        assert (told["outcome"], told["differences"]) == ("adopted", []), told
        assert adopt(new, row)["outcome"] == "known"
        _gate_is_right(new, number, stay)


def test_a_report_that_is_none_is_not_written_over(tmp_path: Path) -> None:
    file, report = tmp_path / "open.csv", tmp_path / "notes.txt"
    write_rows(file, [{"mdtrt_id": "M1", "psn_no": "P1"}])
    report.write_text("not a report\n", encoding="utf-8")
    config = write_config(tmp_path)
    ran = yibao("stays", "adopt", file, "--query", "--report", report, "--config", config)
    assert (ran.code, "第 1 行不是接入报告" in ran.err) == (1, True)
    assert report.read_text(encoding="utf-8") == "not a report\n"
    for wrong in ((), (file, "--his"), ("--his",)):
        assert yibao("stays", "adopt", *wrong, "--config", config).code == 2


def test_the_numbers_may_come_from_the_his(houses: tuple[House, House], tmp_path: Path) -> None:
    _, new = houses
    stays = [_lies_there(new, REGISTERED) for _ in range(3)]
    url = f"sqlite:///{tmp_path / 'his.db'}"
    folder = tmp_path / "statements"
    folder.mkdir()
    with closing(sqlite3.connect(tmp_path / "his.db")) as his, his:
        his.execute("CREATE TABLE stay (ipt_no, mdtrt_id, psn_no, psn_name, begntime, endtime, void, changed_at)")
        for number, stay in enumerate(stays):
            left = "2026-02-25 09:00:00" if number == 2 else None
            row = (stay.ipt_no, stay.mdtrt_id, stay.psn_no, "甲", REGISTERED, left, "0", f"2026-02-20 09:00:0{number}")
            his.execute("INSERT INTO stay VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        himself = ("ZF1", None, None, "乙", REGISTERED, None, "0", "2026-02-20 09:00:09")
        his.execute("INSERT INTO stay VALUES (?, ?, ?, ?, ?, ?, ?, ?)", himself)
    (folder / "inpatients.sql").write_text(
        "SELECT ipt_no AS row_id, changed_at, ipt_no, mdtrt_id, psn_no, psn_name, '2026-02-20 09:00:00' AS begntime,"
        " endtime, void AS void_flag FROM stay",
        encoding="utf-8",
    )
    with in_process(new.gateway.admin) as port:
        more = f'[listen.admin]\naddress = "127.0.0.1:{port}"\n[his]\nurl = "{url}"\nstatements = "{folder}"'
        config = write_config(tmp_path, listen_more=more)
        ran = yibao("stays", "adopt", "--his", "--query", "--json", "--config", config)
    assert "1 位在院病人没有就诊 ID" in ran.err
    told = json.loads(ran.out[ran.out.index("[\n") :])
    assert [(one["mdtrt_id"], one["outcome"]) for one in told] == [(stay.mdtrt_id, "adopted") for stay in stays[:2]]


def _gates_are_right(new: House, stays: Sequence[Stay]) -> None:
    for number, stay in enumerate(stays):
        _gate_is_right(new, number, stay, discharge=number >= OPEN - 12)


def _gate_is_right(new: House, number: int, stay: Stay, *, discharge: bool = True) -> None:
    """In a ward are those of even numbers, and the platform has the ward's time of every fourth."""
    expected = {0: "", 1: "ET02-02", 2: "ET02-01", 3: "ET02-02"}[number % 4]
    taken = Stay(new, "json", stay.psn_no, stay.mdtrt_id, stay.ipt_no)
    missing = taken.ask("StayStatus")["missing"]
    assert (missing[0]["code"] if missing else "") == expected, (number, missing)
    if discharge:
        assert taken.call("2402", taken.discharge()).code == expected


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
