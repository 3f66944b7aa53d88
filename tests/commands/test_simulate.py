"""The lines that ``yibao simulate`` prints; that it starts and answers is in test_running.py."""

from __future__ import annotations

import json
import socket

import pytest

from gateway.commands.simulate_lines import TalkingSimulator, outcome
from gateway.mappings import data_root
from gateway.simulator.wire import Response
from tests.commands.helpers import yibao


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"infcode": 0}, "成功"),
        (200, {"infcode": "-1", "err_msg": "余额不足"}, "-1 余额不足"),
        (401, {"code": 401, "message": "签名不一致"}, "401 签名不一致"),
    ],
)
def test_the_outcome_in_words(status: int, body: dict[str, object], said: str) -> None:
    assert outcome(Response(status, json.dumps(body).encode())).plain == said


def test_a_body_that_is_no_object() -> None:
    assert outcome(Response(500, b"<html>")).plain == "500 "


def test_a_refused_request_and_a_pending_fault_are_both_told(capsys: pytest.CaptureFixture[str]) -> None:
    simulator = TalkingSimulator(data_root() / "mappings", seed=1)
    simulator.add_fault({"infno": "1101", "kind": "lose-request"})
    simulator.receive("1101", {}, b'{"infno": "1101", "msgid": "M1"}')
    simulator.handle("", {}, b"no json [red]")
    fault, refused = capsys.readouterr().out.splitlines()
    assert fault.endswith("1101    M1                              演练故障 lose-request")
    assert "?" in refused
    assert "-1 " in refused


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = yibao("simulate", "--port", port)
    assert (ran.code, ran.out, ran.err) == (1, "", f"无法监听 127.0.0.1:{port}：地址已被占用\n")
