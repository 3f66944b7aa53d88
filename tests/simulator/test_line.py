"""The simulator over real sockets: addresses, limits, and each way a line goes wrong."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.simulator import Simulator, SimulatorServer
from gateway.simulator.faults import KINDS

from .conftest import INSTITUTION, MAPPINGS, Hospital, fee_rows, filled, settle_row

PATIENCE_S = 10


class Line:
    """One HTTP connection, kept alive."""

    def __init__(self, url: str, timeout: float = PATIENCE_S) -> None:
        self.http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        self.http.request(method, path, body=body)
        response = self.http.getresponse()
        return response.status, response.read()

    def json(self, method: str, path: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        return json.loads(self.call(method, path, body)[1])


@pytest.fixture
def line(server: SimulatorServer) -> Any:
    opened = Line(server.url)
    yield opened
    opened.http.close()


@pytest.fixture
def admission(server: SimulatorServer, messages: Hospital) -> bytes:
    """A 2401 with two diagnoses that the platform would accept."""
    psn_no = server.simulator.ledger()["persons"][0]["psn_no"]
    rows = [{"psn_no": psn_no, "diag_srt_no": number} for number in (1, 2)]
    message = filled("2401", {"mdtrtinfo": {"psn_no": psn_no, "ipt_no": "ZY9"}, "diseinfo": rows})
    return json.dumps(messages.envelope("2401", message)).encode()


def stays(server: SimulatorServer) -> int:
    return len(server.simulator.ledger()["stays"])


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


def fault(line: Line, kind: str, **more: Any) -> None:
    assert line.json("POST", "/_sim/faults", {"infno": "2401", "kind": kind} | more)["kind"] == kind


# ------------------------------------------------------------------ addresses and limits


@pytest.mark.parametrize(
    "path",
    [
        "/2401",
        "/fsi/api/rsfComIfsService/callService",
        "/fsi/api/rsfComIfsService/callService/2401",
        "/ebus/x/hsa/hgs/2401?a=1",
    ],
)
def test_addresses(server: SimulatorServer, line: Line, admission: bytes, path: str) -> None:
    status, body = line.call("POST", path, admission)
    assert (status, json.loads(body)["infcode"], stays(server)) == (200, 0, 1)


def test_whole_stay_and_visit_on_one_connection(server: SimulatorServer, line: Line) -> None:
    hospital = Hospital(lambda infno, body: line.call("POST", f"/{infno}", body)[1])
    patient = hospital.person()
    stay = hospital.admit(patient)
    hospital.do("2301", {"feedetail": fee_rows(patient, stay, *["10.10"] * 120)})
    hospital.discharge(patient, stay)
    hospital.do("2304", {"data": settle_row(patient, stay, "1212.00")})
    visit = hospital.visit(patient)
    hospital.see(patient, visit)
    hospital.fees("2204", patient, visit, "3.00")
    hospital.settle("2207", patient, visit, "3.00")
    shown = line.json("GET", "/_sim/ledger")
    assert [one["state"] for one in shown["settlements"]] == ["settled", "settled"]
    assert shown["stays"][0]["fees"] == {"count": 120, "sumamt": 1212.0, "unsettled_sumamt": 0.0}
    assert sum(shown["requests"].values()) == 9


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("POST", "/x"), ("POST", "/_sim/x"), ("DELETE", "/2401")])
def test_unknown_address(line: Line, method: str, path: str) -> None:
    status, body = line.call(method, path, b"{}" if method == "POST" else None)
    assert status == 404
    assert "地址" in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 67108865", 413),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length: abc", 400),
        ("Content-Length: -1", 400),
        ("Transfer-Encoding: chunked", 411),
        ("X-None: 1", 411),
    ],
)
def test_limits(server: SimulatorServer, headers: str, status: int) -> None:
    with socket.create_connection(address(server), PATIENCE_S) as raw:
        raw.sendall(f"POST /2401 HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        assert raw.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_large_body_gets_its_refusal_and_not_a_broken_pipe(line: Line) -> None:
    status, _ = line.call("POST", "/2401", bytes(64 * 1024 * 1024 + 1))
    assert status == 413


def test_caller_that_hangs_up_in_the_middle(server: SimulatorServer, line: Line, admission: bytes) -> None:
    with socket.create_connection(address(server), PATIENCE_S) as raw:
        raw.sendall(b"POST /2401 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n" + admission[:50])
    assert line.call("POST", "/2401", admission)[0] == 200
    assert stays(server) == 1


def test_page(line: Line) -> None:
    fault(line, "lose-reply", times=3)
    status, body = line.call("GET", "/")
    page = body.decode()
    assert status == 200
    assert "医保平台模拟器" in page
    assert "2401：lose-reply，还有 3 次" in page
    assert all(f"<td>{kind}</td>" in page for kind in KINDS)


def test_stopped_server_answers_nobody(simulator: Simulator) -> None:
    server = SimulatorServer(simulator, "127.0.0.1", 0)
    kept = Line(server.url)
    assert kept.call("GET", "/_sim/faults")[0] == 200
    server.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        kept.call("GET", "/_sim/faults")
    with pytest.raises(ConnectionRefusedError):
        Line(server.url).call("GET", "/_sim/faults")
    kept.http.close()


# ------------------------------------------------------------------ control


def test_faults_are_listed_used_up_and_cleared(line: Line, admission: bytes) -> None:
    fault(line, "refuse", times=2)
    assert line.json("GET", "/_sim/faults") == [{"infno": "2401", "kind": "refuse", "times": 2, "seconds": 0.0}]
    assert "演练" in json.loads(line.call("POST", "/2401", admission)[1])["err_msg"]
    assert line.json("GET", "/_sim/faults")[0]["times"] == 1
    assert line.json("DELETE", "/_sim/faults") == []
    assert json.loads(line.call("POST", "/2401", admission)[1])["infcode"] == 0


def test_fault_for_another_transaction_waits(line: Line, admission: bytes) -> None:
    fault(line, "refuse", infno="2402")
    assert json.loads(line.call("POST", "/2401", admission)[1])["infcode"] == 0
    assert len(line.json("GET", "/_sim/faults")) == 1


def test_star_hits_anything(line: Line, admission: bytes) -> None:
    fault(line, "refuse", infno="*")
    assert json.loads(line.call("POST", "/2401", admission)[1])["infcode"] == -1
    assert line.json("GET", "/_sim/faults") == []


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "explode"}, {}, {"kind": ["refuse"]}, {"kind": "refuse", "times": 0}, {"kind": "refuse", "times": 1.5},
        {"kind": "refuse", "times": True}, {"kind": "refuse", "seconds": -1}, {"kind": "refuse", "seconds": "2"},
        {"kind": "refuse", "seconds": 10**400}, {"kind": "refuse", "infno": "2999"}, {"kind": "refuse", "infno": [1]},
        {"kind": "refuse", "color": "red"},
    ],
)  # fmt: skip
def test_fault_that_cannot_be(line: Line, wish: dict[str, Any]) -> None:
    status, body = line.call("POST", "/_sim/faults", json.dumps(wish).encode())
    assert status == 400
    assert re.search("[\u4e00-\u9fff]", json.loads(body)["error"])
    assert line.json("GET", "/_sim/faults") == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"seed": "x"}', b'{"seed": true}', b'{"sead": 1}'])
def test_reset_that_cannot_be(line: Line, body: bytes) -> None:
    assert line.call("POST", "/_sim/reset", body)[0] == 400


def test_reset_empties(server: SimulatorServer, line: Line, admission: bytes) -> None:
    line.call("POST", "/2401", admission)
    fault(line, "refuse")
    assert line.json("POST", "/_sim/reset", {"seed": 3}) == {"seed": 3}
    assert (stays(server), line.json("GET", "/_sim/faults")) == (0, [])
    assert line.call("POST", "/_sim/reset", b"")[0] == 200
    assert server.simulator.ledger()["seed"] == 3


# ------------------------------------------------------------------ each fault


def test_refuse_executes_nothing(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "refuse")
    answer = json.loads(line.call("POST", "/2401", admission)[1])
    assert (answer["infcode"], stays(server)) == (-1, 0)


def test_delay_executes_late_and_answers(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "delay", seconds=0.2)
    began = time.monotonic()
    answer = json.loads(line.call("POST", "/2401", admission)[1])
    assert time.monotonic() - began >= 0.2
    assert (answer["infcode"], stays(server)) == (0, 1)


def test_delay_has_executed_nothing_while_it_waits(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "delay", seconds=3600)
    impatient = Line(server.url, timeout=0.2)
    with pytest.raises(TimeoutError):
        impatient.call("POST", "/2401", admission)
    impatient.http.close()
    assert stays(server) == 0


def test_late_reply_has_executed_while_it_waits(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "late-reply", seconds=3600)
    impatient = Line(server.url, timeout=0.5)
    with pytest.raises(TimeoutError):
        impatient.call("POST", "/2401", admission)
    impatient.http.close()
    until(lambda: stays(server) == 1)


def test_late_reply_comes(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "late-reply", seconds=0.2)
    began = time.monotonic()
    assert json.loads(line.call("POST", "/2401", admission)[1])["infcode"] == 0
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("kind", "executed"), [("lose-request", 0), ("lose-reply", 1)])
def test_line_closed(server: SimulatorServer, line: Line, admission: bytes, kind: str, executed: int) -> None:
    fault(line, kind)
    with pytest.raises(http.client.RemoteDisconnected):
        line.call("POST", "/2401", admission)
    assert stays(server) == executed
    assert server.simulator.ledger()["requests"] == {json.loads(admission)["msgid"]: 1}


def test_late_request_is_executed_after_the_line_died(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "late-request", seconds=0.3)
    with pytest.raises(http.client.RemoteDisconnected):
        line.call("POST", "/2401", admission)
    assert stays(server) == 0
    until(lambda: stays(server) == 1)


def test_late_request_does_not_outlive_a_reset(server: SimulatorServer, line: Line, admission: bytes) -> None:
    received = server.simulator.receive("2401", {}, admission)
    server.simulator.reset()
    assert json.loads(server.simulator.execute(received).body)["infcode"] == -1
    assert stays(server) == 0


def test_late_request_finds_itself_reversed(server: SimulatorServer, line: Line, admission: bytes) -> None:
    envelope = json.loads(admission)
    psn_no = envelope["input"]["mdtrtinfo"]["psn_no"]
    received = server.simulator.receive("2401", {}, admission)
    hospital = Hospital(lambda infno, body: line.call("POST", f"/{infno}", body)[1])
    given = {"data": {"psn_no": psn_no, "omsgid": envelope["msgid"], "oinfno": "2401"}}
    hospital.refused("2601", given, msgid=f"{INSTITUTION}202611211030009999")
    assert "已冲正" in json.loads(server.simulator.execute(received).body)["err_msg"]
    assert stays(server) == 0


def test_drop_row_loses_one(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "drop-row")
    assert json.loads(line.call("POST", "/2401", admission)[1])["infcode"] == 0
    assert len(server.simulator.ledger()["stays"][0]["diagnoses"]) == 1


def test_reset_of_the_line(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "reset")
    with socket.create_connection(address(server), PATIENCE_S) as raw:
        raw.sendall(b"POST /2401 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(admission) + admission)
        with pytest.raises(ConnectionResetError):
            raw.recv(100)
    assert stays(server) == 0


def test_http_500(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "http-500")
    assert line.call("POST", "/2401", admission)[0] == 500
    assert stays(server) == 0


def test_garbage(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "garbage")
    status, body = line.call("POST", "/2401", admission)
    assert status == 200
    with pytest.raises(ValueError, match=r".*"):
        json.loads(body)
    assert stays(server) == 1


def test_wrong_charset(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "wrong-charset")
    line.http.request("POST", "/2401", body=admission)
    response = line.http.getresponse()
    body = response.read()
    assert response.headers.get_content_charset() == "utf-8"
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert json.loads(body.decode("gbk"))["infcode"] == 0
    assert stays(server) == 1


def test_truncated(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "truncated")
    with pytest.raises(http.client.IncompleteRead):
        line.call("POST", "/2401", admission)
    assert stays(server) == 1


def test_wrong_length(server: SimulatorServer, line: Line, admission: bytes) -> None:
    """Who believes the length has half an answer."""
    fault(line, "wrong-length")
    _, half = line.call("POST", "/2401", admission)
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated|delimiter"):
        json.loads(half)
    assert stays(server) == 1


def test_duplicate_reply_poisons_a_line_that_is_used_again(
    server: SimulatorServer, line: Line, admission: bytes
) -> None:
    fault(line, "duplicate-reply")
    with socket.create_connection(address(server), PATIENCE_S) as raw:
        head = b"POST /2401 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(admission)
        raw.sendall(head + admission)
        seen = b""
        while seen.count(b"inf_refmsgid") < 2 or not seen.endswith(b"}"):
            piece = raw.recv(65536)
            assert piece
            seen += piece
    first, second = re.findall(rb'"inf_refmsgid":"(\d+)"', seen)
    assert first == second
    assert stays(server) == 1


def test_bad_signature(server: SimulatorServer, line: Line, admission: bytes) -> None:
    fault(line, "bad-signature")
    status, body = line.call("POST", "/2401", admission)
    assert (status, json.loads(body)) == (401, {"code": 401, "message": "签名不一致"})
    assert stays(server) == 0


def test_every_kind_is_tested_here() -> None:
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def address(server: SimulatorServer) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


# ------------------------------------------------------------------ the process


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway.simulator", "--port", "0", "--mappings", str(MAPPINGS), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=MAPPINGS.parent)


def test_process_says_ready_serves_and_stops() -> None:
    given = ("--seed", "4", "--signing", "tif", "--tif-paasid", "p", "--tif-secret", "s", "--path-per-service")
    with run(*given) as process:
        assert process.stdout
        ready = process.stdout.readline()
        url = ready.strip().removeprefix("simulator ready at ")
        line = Line(url)
        assert line.json("GET", "/_sim/ledger")["seed"] == 4
        assert line.call("POST", "/fsi/api/signInSignOutService/signIn", b"{}")[0] == 401
        assert line.call("POST", "/9001", b"{}")[0] == 404
        line.http.close()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--signing", "tif"), 2, "--secret"),
        (("--mappings", "/nowhere"), 1, "no transaction tables"),
        (("--institution", "nameless"), 2, "CODE=NAME"),
    ],
)
def test_process_refuses_to_start(arguments: tuple[str, ...], code: int, text: str) -> None:
    with run(*arguments) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, text in said, "Traceback" in said) == (code, True, False)
