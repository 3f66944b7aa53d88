"""The person on call: lists doubts, reads the evidence, settles one; and replies that never reached the hospital."""

from __future__ import annotations

import base64
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import Exchange, Outcome, Proof, ProofKind, Query, State
from gateway.store import open_store
from tests.commands.helpers import running, write_config, yibao
from tests.servers import free_ports
from tests.simulation import messages
from tests.store.samples import LATER, NOW, intent, outcome

WAIT_S_MAX = 20


@dataclass(frozen=True)
class Night:
    """A gateway that serves, and what was left to people before it began."""

    config: Path
    folder: Path
    port: int
    platform_port: int
    escalated: list[int]

    def newest(self, infno: str) -> Exchange:
        store = open_store(f"sqlite:///{self.folder}/yibao.db", node="test", read_only=True)
        try:
            return store.journal.search(Query(infno=infno, limit=1))[0]
        finally:
            store.close()

    def request(self, infno: str, message: Any) -> bytes:
        body = json.dumps({"input": message}).encode()
        proof = base64.b64encode("his:口令-Passw0rd".encode()).decode()
        head = (
            f"POST /api/v1/transactions/{infno} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {proof}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body

    def call(self, infno: str, message: Any) -> Any:
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S_MAX) as line:
            line.sendall(self.request(infno, message))
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def call_and_go_away(self, infno: str, message: Any) -> None:
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S_MAX) as line:
            line.sendall(self.request(infno, message))
            while self.newest(infno).state is not State.INTENDED:
                time.sleep(0.01)

    def until(self, infno: str, reply: str) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while self.newest(infno).reply != reply:
            assert time.monotonic() < deadline, self.newest(infno)
            time.sleep(0.02)


def escalate(folder: Path, count: int) -> list[int]:
    store = open_store(f"sqlite:///{folder}/yibao.db", node="node-1")
    store.upgrade()
    ids = []
    for number in range(count):
        row = store.journal.intend(intent(business_key=f"mdtrt_id:M{number}"))
        store.journal.finish(row.id, outcome(State.IN_DOUBT))
        store.journal.add_proof(row.id, Proof(ProofKind.REVERSE, LATER, "将要发出", "2601", "m1", b'{"psn_no":"P1"}'))
        note = Proof(ProofKind.DECISION, LATER, "ESCALATED：冲正被拒绝", "2304")
        doubt = Outcome(State.ESCALATED, NOW, infcode="-1", err_msg="已转人工", code="GW-4120")
        ids.append(store.journal.resolve(row.id, doubt, [note]).id)
    store.close()
    return ids


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    platform_port, port = free_ports(2)
    config = write_config(folder, platform=f"http://127.0.0.1:{platform_port}", port=port)
    escalated = escalate(folder, 4)
    simulated = ("simulate", "--port", platform_port, "--seed", 7, "--config", config)
    with (
        running(folder / "simulator.err", *simulated),
        running(folder / "serve.err", "serve", "--config", config),
    ):
        yield Night(config, folder, port, platform_port, escalated)


def test_the_list_shows_what_waits_for_a_person(night: Night) -> None:
    ran = yibao("doubts", "list", "--config", night.config, "--json")
    assert ran.code == 0, ran.err
    assert set(night.escalated[-1:]) <= {row["id"] for row in json.loads(ran.out)}
    assert "ESCALATED" in yibao("doubts", "list", "--config", night.config).out


def test_show_tells_the_evidence_and_the_moves(night: Night) -> None:
    wanted = night.escalated[-1]
    ran = yibao("doubts", "show", wanted, "--config", night.config)
    assert ran.code == 0, ran.err
    assert "冲正被拒绝" in ran.out
    assert f"yibao doubts resolve {wanted}" in ran.out
    told = json.loads(yibao("doubts", "show", wanted, "--config", night.config, "--json").out)
    assert [one["kind"] for one in told["proofs"]] == ["reverse", "decision"]
    assert told["moves"] == ["confirmed", "not-done", "reversed"]
    assert yibao("doubts", "show", 4711, "--config", night.config).code == 1


@pytest.mark.parametrize(
    ("number", "as_", "state"),
    [(0, "confirmed", "CONFIRMED"), (1, "not-done", "NOT_DONE"), (2, "reversed", "REVERSED")],
)
def test_a_named_person_settles_it_once(night: Night, number: int, as_: str, state: str, tmp_path: Path) -> None:
    wanted = night.escalated[number]
    given = [
        "doubts",
        "resolve",
        wanted,
        "--as",
        as_,
        "--operator",
        "王工",
        "--reason",
        "平台页面",
        "--config",
        night.config,
    ]
    if as_ == "confirmed":
        (tmp_path / "output.json").write_text('{"setlinfo": {"setl_id": "S7"}}', encoding="utf-8")
        given += ["--output", tmp_path / "output.json"]
    ran = yibao(*given, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["state"] == state
    again = yibao(*given)
    assert again.code == 1
    assert "不在待人工核对之列" in again.err
    told = json.loads(yibao("doubts", "show", wanted, "--config", night.config, "--json", "--unmasked").out)
    assert "王工" in told["proofs"][-1]["detail"]
    assert told["moves"] == []
    assert ({"kind": "setl_id", "value": "S7"} in told["keys"]) is (as_ == "confirmed")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--as", "done", "--operator", "王工", "--reason", "看过"], 2),
        (["--as", "confirmed", "--operator", " ", "--reason", "看过"], 2),
        (["--as", "confirmed", "--operator", "王工"], 2),
    ],
)
def test_wrong_words_are_refused(night: Night, options: list[str], code: int) -> None:
    ran = yibao("doubts", "resolve", night.escalated[3], *options, "--config", night.config)
    assert ran.code == code
    assert ran.err


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"as": "confirmed"}', b'{"as": [], "operator": "a", "reason": "b"}']
)
def test_the_address_answers_bad_bodies_in_words(night: Night, body: bytes) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{night.port}/-/doubts/{night.escalated[3]}", body)
    with urllib.request.urlopen(asked, timeout=WAIT_S_MAX) as answer:
        told = json.loads(answer.read())
    assert told["resolved"] is False
    assert told["error"]


def test_a_reply_that_went_out_is_marked_and_one_that_broke_too(night: Night) -> None:
    psn_no = night.call("1101", messages.person("440899198507241014"))["output"]["baseinfo"]["psn_no"]
    assert night.call("2401", messages.admission(psn_no, "Z1"))["infcode"] == 0
    night.until("2401", "written")
    fault = json.dumps({"infno": "2401", "kind": "delay", "seconds": 1}).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{night.platform_port}/_sim/faults", fault, WAIT_S_MAX).close()
    night.call_and_go_away("2401", messages.admission(psn_no, "Z2"))
    night.until("2401", "broken")
    again = night.call("2401", messages.admission(psn_no, "Z2"))
    assert again["infcode"] == 0
    night.until("2401", "written")
