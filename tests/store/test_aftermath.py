"""Settle, copy, settle more, restore, compare with the platform's ledger: nothing is doubled, nothing stays unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.exchange.ports import Query, State
from gateway.simulator import Simulator, serve
from gateway.store import StoreError
from gateway.store.aftermath import Compared, read_list
from tests.commands.helpers import yibao
from tests.running import MAPPINGS, House, _built
from tests.simulation import messages


@dataclass
class Hospital:
    """Stays at one simulator, through whatever life of the gateway there is."""

    simulator: Simulator
    url: str
    folder: Path
    house: House | None = None
    stays: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def settled(self) -> list[str]:
        """setl_id that the platform holds in force."""
        return [one["setl_id"] for one in self.simulator.ledger()["settlements"] if one["state"] == "settled"]

    def call(self, infno: str, message: Any, request_id: str | None = None) -> dict[str, Any]:
        assert self.house is not None
        head = {"request_id": request_id} if request_id else {}
        body = json.dumps({"head": head, "input": message}).encode()
        answer = self.house.http(f"/api/v1/transactions/{infno}", body, "application/json")
        return dict(json.loads(answer.body))

    def done(self, infno: str, message: Any, request_id: str | None = None) -> Any:
        answer = self.call(infno, message, request_id)
        assert str(answer["infcode"]) == "0", answer
        return answer["output"]

    def admit(self, name: str) -> None:
        psn_no = self.done("1101", messages.person("440899198507241014"))["baseinfo"]["psn_no"]
        mdtrt_id = self.done("2401", messages.admission(psn_no, name))["result"]["mdtrt_id"]
        event = json.dumps(messages.ward_event(name, "E1", "2026-02-20 09:12:00")).encode()
        assert self.house is not None
        assert self.house.http("/api/v1/hospital/WardIn", event, "application/json").status == 200
        rows = [messages.fee(psn_no, mdtrt_id, f"{name}-1", 12_345, med_type="21")]
        self.done("2301", {"feedetail": rows})
        message = messages.stay_settlement(psn_no, mdtrt_id, messages.total(rows))
        self.stays[name] = {"psn_no": psn_no, "mdtrt_id": mdtrt_id, "settle": message}

    def settle(self, name: str, request_id: str | None = None) -> Any:
        output = self.done("2304", self.stays[name]["settle"], request_id)
        self.stays[name]["setl_id"] = output["setlinfo"]["setl_id"]
        return output

    def revoke(self, name: str) -> None:
        stay = self.stays[name]
        self.done("2305", messages.undo(stay["psn_no"], stay["mdtrt_id"], setl_id=stay["setl_id"]))

    def serving(self) -> Any:
        return _built(self.folder, self.url)

    def take(self, gateway: Gateway) -> None:
        self.house = House(gateway, lambda: sum(self.simulator.ledger()["requests"].values()))


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    simulator = Simulator(MAPPINGS, seed=11)
    with serve(simulator, port=0) as server:
        yield Hospital(simulator, server.url, tmp_path)


def test_what_was_settled_after_the_copy_is_not_settled_again(hospital: Hospital) -> None:
    copy, ledger = hospital.folder / "copy", hospital.folder / "ledger.json"
    with hospital.serving() as gateway:
        hospital.take(gateway)
        for name in ("A", "B", "C", "D"):
            hospital.admit(name)
        hospital.settle("A")
        hospital.settle("B", "REQ-B")
        assert yibao("db", "backup", copy, "--config", hospital.config).code == 0
        # what the copy cannot know: two settlements more, and one of before undone
        hospital.settle("C")
        hospital.settle("D", "REQ-D")
        hospital.revoke("B")
    used = set(hospital.simulator.ledger()["requests"])
    ran = yibao("db", "restore", copy, "--config", hospital.config, "--replace", "yibao.db")
    assert ran.code == 0, ran.err

    with hospital.serving() as gateway:
        hospital.take(gateway)
        before = sum(hospital.simulator.ledger()["requests"].values())
        for name, request_id in (("A", None), ("B", "REQ-B"), ("C", None), ("D", "REQ-D")):
            assert hospital.call("2304", hospital.stays[name]["settle"], request_id)["code"] == "GW-4008"
        assert hospital.call("1101", messages.person("440899198507241014"))["infcode"] in ("0", 0)
        after = set(hospital.simulator.ledger()["requests"]) - used
        assert sum(hospital.simulator.ledger()["requests"].values()) == before + 1
        assert len(after) == 1
        assert min(after) > max(used)

    ledger.write_text(json.dumps(hospital.simulator.ledger(), default=str), encoding="utf-8")
    ran = yibao("db", "reconcile", ledger, "--config", hospital.config, "--json")
    found = json.loads(ran.out)
    by_name = {one["setl_id"]: one["msgid"] for one in hospital.simulator.ledger()["settlements"]}
    assert found == {
        "same": 1,
        "only_there": [by_name[hospital.stays[name]["setl_id"]] for name in ("C", "D")],
        "undone_there": [by_name[hospital.stays["B"]["setl_id"]]],
        "only_here": [],
        "taken_in": [],
    }
    numbers: list[int] = []
    for _ in range(2):
        # the second run finds everything in its place
        ran = yibao("db", "reconcile", ledger, "--config", hospital.config, "--operator", "张三", "--json")
        assert ran.code == 0, ran.err
        taken = json.loads(ran.out)["taken_in"]
        numbers = taken or numbers
    assert (taken, len(numbers)) == ([], 2)
    closing = ("--close", "--operator", "张三")
    assert yibao("db", "reconcile", "--config", hospital.config, *closing).code == 2
    ran = yibao("db", "reconcile", "--config", hospital.config, *closing, "--reason", "与经办机构对平")
    assert (ran.code, "恢复办理全部交易" in ran.out) == (0, True)
    assert yibao("db", "check", "--config", hospital.config).code == 0

    with hospital.serving() as gateway:
        hospital.take(gateway)
        again = hospital.done("2304", hospital.stays["A"]["settle"])
        assert again["setlinfo"]["setl_id"] == hospital.stays["A"]["setl_id"]
        for name, request_id in (("C", None), ("D", "REQ-D"), ("C", "NEW")):
            assert hospital.call("2304", hospital.stays[name]["settle"], request_id)["code"] == "GW-1425"
        # a person settles C with what the platform shows, and D as undone by hand
        row = gateway.store.journal.get(numbers[0])
        assert row is not None
        assert (row.infno, row.state, row.client) == ("2304", State.ESCALATED, "yibao db reconcile")
        output = {"setlinfo": {"setl_id": hospital.stays["C"]["setl_id"], "mdtrt_id": hospital.stays["C"]["mdtrt_id"]}}
        gateway.resolver.by_operator(numbers[0], State.CONFIRMED, "张三", "平台页面可见", output)
        for request_id in (None, "REQ-C"):
            assert hospital.call("2304", hospital.stays["C"]["settle"], request_id)["code"] == "GW-1426"
        # the stale answer of B is given no more: it is settled anew, once
        hospital.settle("B", "REQ-B")
        hospital.revoke("C")
        hospital.settle("C")
    assert sorted(hospital.settled) == sorted(stay["setl_id"] for stay in hospital.stays.values())
    per_stay = [one["mdtrt_id"] for one in hospital.simulator.ledger()["settlements"] if one["state"] == "settled"]
    assert sorted(per_stay) == sorted({stay["mdtrt_id"] for stay in hospital.stays.values()})


def test_there_is_nothing_to_reconcile_without_a_restore(hospital: Hospital) -> None:
    with hospital.serving() as gateway:
        hospital.take(gateway)
        with pytest.raises(StoreError, match="没有待核对的恢复"):
            gateway.store.reconcile([])
        with pytest.raises(StoreError, match="没有待核对的恢复"):
            gateway.store.take_over(Compared(), gateway.exchange._clock(), "张三")
        assert gateway.store.journal.search(Query(limit=1)) == []


MSGID = "H44080000001202611210900000000"


@pytest.mark.parametrize(
    ("text", "undone", "amount"),
    [
        (f"P1\tM1\tS1\t{MSGID}\t0\t1\t\t12.30\n", True, "12.30"),
        (f"P1\tM1\tS1\t{MSGID}\t0\t0\n", False, ""),
        (f"msgid,setl_id,psn_no,mdtrt_id,medfee_sumamt\n{MSGID},S1,P1,M1,1.5\n", False, "1.5"),
        (json.dumps([{"msgid": MSGID, "setl_id": "S1", "psn_no": "P1", "mdtrt_id": "M1", "state": "revoked"}]), True, ""),
        (f'{{"settlements": [{{"msgid": "{MSGID}", "setl_id": "S1", "psn_no": "P1", "mdtrt_id": "M1", "medfee_sumamt": 10.10}}]}}', False, "10.10"),
    ],
)  # fmt: skip
def test_forms_of_the_list(text: str, undone: bool, amount: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(text, encoding="utf-8")
    (line,) = read_list(path)
    assert (line.msgid, line.undone, line.amount) == (MSGID, undone, amount)
    assert dict(line.keys) == {"psn_no": "P1", "mdtrt_id": "M1", "setl_id": "S1"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "不是合法的 JSON"),
        ('{"rows": 1}', "应为对象的数组"),
        ("P1\tM1\tS1\tno msgid\n", "第 1 笔没有合法的 msgid"),
        ('[{"psn_no": "P1"}]', "第 1 笔没有合法的 msgid"),
        ("\udcff", "无法读取"),
    ],
)
def test_a_list_that_cannot_be_meant(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=words):
        read_list(path)
