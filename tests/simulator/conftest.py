"""A hospital that talks to the simulator: messages are filled up from the tables, the interesting fields are given."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.simulator import Simulator, SimulatorServer, serve

MAPPINGS = Path(__file__).parents[2] / "mappings"
NOW = datetime(2026, 11, 21, 10, 30, tzinfo=timezone(timedelta(hours=8)))
INSTITUTION = "H44080000001"
PLAIN = {"decimal": 1, "integer": 1, "date": "2026-11-21", "datetime": "2026-11-21 10:00:00"}

Row = dict[str, Any]


@cache
def table(infno: str) -> Any:
    with (MAPPINGS / "transactions" / f"{infno}.yaml").open(encoding="utf-8") as file:
        return yaml.safe_load(file)


def filled(infno: str, given: Row) -> Row:
    """An input with every required field of the table; ``given`` maps node -> row or rows.

    The person and visit that one node names are those of every other node too.
    """
    message: Row = {}
    rows_given = [row for rows in given.values() for row in (rows if isinstance(rows, list) else [rows])]
    shared = {name: row[name] for row in rows_given for name in ("psn_no", "mdtrt_id") if name in row}
    for node in table(infno)["input"]:
        if node.get("parent") or (node.get("optional") and node["node"] not in given):
            continue
        plain = {f["name"]: shared.get(f["name"], PLAIN.get(f["type"], "1")) for f in node["fields"] if f["required"]}
        rows = given.get(node["node"], [{}] if node["repeat"] else {})
        message[node["node"]] = [plain | row for row in rows] if node["repeat"] else plain | rows
    return message


class Hospital:
    """Sends transactions through ``send`` and keeps count of its msgids."""

    def __init__(self, send: Callable[[str, bytes], bytes]) -> None:
        self.send = send
        self._numbers = itertools.count(1)

    def msgid(self) -> str:
        return f"{INSTITUTION}20261121103000{next(self._numbers):04d}"

    def envelope(self, infno: str, message: Any, **changes: Any) -> Row:
        return {
            "infno": infno,
            "msgid": self.msgid(),
            "mdtrtarea_admvs": "440800",
            "insuplc_admdvs": "440800",
            "recer_sys_code": "MBS_LOCAL",
            "infver": "V1.0",
            "opter_type": "1",
            "opter": "0001",
            "opter_name": "张三",
            "inf_time": "2026-11-21 10:30:00",
            "fixmedins_code": INSTITUTION,
            "fixmedins_name": "湛江模拟医院",
            "sign_no": "",
            "input": message,
        } | changes

    def post(self, envelope: Row) -> Row:
        body = json.dumps(envelope, ensure_ascii=False).encode()
        answer: Row = json.loads(self.send(envelope["infno"], body), parse_float=Decimal)
        return answer

    def ask(self, infno: str, given: Row | None = None, **changes: Any) -> Row:
        """The whole answer."""
        return self.post(self.envelope(infno, filled(infno, given or {}), **changes))

    def do(self, infno: str, given: Row | None = None, **changes: Any) -> Any:
        """The output of a transaction that must succeed."""
        answer = self.ask(infno, given, **changes)
        assert answer["infcode"] == 0, answer["err_msg"]
        return answer["output"]

    def refused(self, infno: str, given: Row | None = None, **changes: Any) -> str:
        """The text of a transaction that must be refused."""
        answer = self.ask(infno, given, **changes)
        assert answer["infcode"] == -1
        assert answer["output"] is None
        text: str = answer["err_msg"]
        assert text
        return text

    # -------------------------------------------------------------- steps

    def person(self, certno: str = "440802199001011234") -> str:
        output = self.do("1101", {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": certno}})
        psn_no: str = output["baseinfo"]["psn_no"]
        return psn_no

    def admit(self, psn_no: str, ipt_no: str = "ZY1", **changes: Any) -> str:
        info = {
            "psn_no": psn_no,
            "ipt_no": ipt_no,
            "begntime": "2026-11-10 08:10:00",
            "med_type": "21",
            "insutype": "310",
        }
        rows = [
            {"psn_no": psn_no, "diag_srt_no": 1, "diag_code": "K35.900", "diag_name": "急性阑尾炎", "maindiag_flag": "1"},
            {"psn_no": psn_no, "diag_srt_no": 2, "diag_code": "I10.x00", "diag_name": "高血压病", "maindiag_flag": "0"},
        ]  # fmt: skip
        output = self.do("2401", {"mdtrtinfo": info, "diseinfo": rows}, **changes)
        mdtrt_id: str = output["result"]["mdtrt_id"]
        return mdtrt_id

    def fees(self, infno: str, psn_no: str, mdtrt_id: str, *amounts: str, first: int = 1, **more: Any) -> Any:
        return self.do(infno, {"feedetail": fee_rows(psn_no, mdtrt_id, *amounts, first=first, **more)})

    def settle(self, infno: str, psn_no: str, mdtrt_id: str, total: str, **more: Any) -> Any:
        return self.do(infno, {"data": settle_row(psn_no, mdtrt_id, total, **more)})

    def discharge(self, psn_no: str, mdtrt_id: str) -> None:
        keys = {"psn_no": psn_no, "mdtrt_id": mdtrt_id}
        self.do("2402", {"dscginfo": keys | {"endtime": "2026-11-20 09:00:00"}, "diseinfo": [keys]})

    def visit(self, psn_no: str, number: str = "MZ1") -> str:
        data = {"psn_no": psn_no, "ipt_otp_no": number, "begntime": "2026-11-21 09:00:00"}
        mdtrt_id: str = self.do("2201", {"data": data})["data"]["mdtrt_id"]
        return mdtrt_id

    def see(self, psn_no: str, mdtrt_id: str, infno: str = "2203") -> None:
        info = {"psn_no": psn_no, "mdtrt_id": mdtrt_id, "med_type": "11", "begntime": "2026-11-21 09:00:00"}
        self.do(infno, {"mdtrtinfo": info, "diseinfo": [{"diag_srt_no": 1, "vali_flag": "1"}]})


def fee_rows(psn_no: str, mdtrt_id: str, *amounts: str, first: int = 1, **more: Any) -> list[Row]:
    return [
        {
            "feedetl_sn": f"F{number}",
            "psn_no": psn_no,
            "mdtrt_id": mdtrt_id,
            "chrg_bchno": "B1",
            "det_item_fee_sumamt": amount,
            "cnt": "1",
            "pric": amount,
            "med_list_codg": "XN02BEA000",
        }
        | more
        for number, amount in enumerate(amounts, first)
    ]


def settle_row(psn_no: str, mdtrt_id: str, total: str, **more: Any) -> Row:
    return {
        "psn_no": psn_no,
        "mdtrt_id": mdtrt_id,
        "medfee_sumamt": total,
        "chrg_bchno": "B1",
        "insutype": "310",
        "acct_used_flag": "0",
        "mid_setl_flag": "0",
    } | more


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(MAPPINGS, seed=7, clock=lambda: NOW)


@pytest.fixture
def hospital(simulator: Simulator) -> Hospital:
    return Hospital(lambda infno, body: simulator.handle(infno, {}, body).body)


@pytest.fixture
def server(simulator: Simulator) -> Iterator[SimulatorServer]:
    with serve(simulator, port=0) as running:
        yield running


@pytest.fixture
def messages() -> Hospital:
    """A hospital that only writes messages."""
    return Hospital(_no_line)


def _no_line(infno: str, body: bytes) -> bytes:
    raise AssertionError("this hospital has no line")
