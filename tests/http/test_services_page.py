"""Every request printed in docs/using/services.zh-CN.md is sent as printed, and gets the answer printed below it."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from lxml import etree

from gateway import app
from gateway.http.identity import Clients
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "using" / "services.zh-CN.md"
TIMES = ("msgid", "inf_refmsgid", "jylsh", "setl_time", "age")
"""What depends on when it is asked."""
MSGID = re.compile(r"H44080000001[0-9]{18}")
SIMULATOR = "127.0.0.1:8090"
CONFIG = """\
production = false

[platform]
url = "{simulator}"

[store]
url = "sqlite:///{folder}/yibao.db"

[[clients]]
name = "his"
addresses = ["127.0.0.0/8"]
workstation = {{ opter = "0001", opter_name = "张三" }}

[[clients]]
name = "zhuyuan"
password = "zy-2026"

[[clients]]
name = "zizhuji"
api_key = "k-7c1f"
transactions = ["1101", "5*"]
"""


@dataclass(frozen=True)
class Printed:
    """One HTTP message of the page."""

    start: str
    headers: dict[str, str]
    body: str
    line: int


def messages() -> list[Printed]:
    """Everything the page prints as ``http``, in order."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        printed(found[1], text.count("\n", 0, found.start()) + 1)
        for found in re.finditer(r"```http\n(.*?)\n```", text, re.S)
    ]


def printed(block: str, line: int) -> Printed:
    head, _, body = block.partition("\n\n")
    start, *fields = head.split("\n")
    return Printed(start, dict(field.split(": ", 1) for field in fields), body, line)


@dataclass(frozen=True)
class Desk:
    """The gateway's address, and the simulator behind it."""

    port: int
    simulator: Simulator

    def post(self, request: Printed) -> tuple[int, str, str] | None:
        """Status, Content-Type and text of the answer to a request of the page; None to what it asks of the simulator."""
        method, path, _ = request.start.split()
        if request.headers.get("Host") == SIMULATOR:
            self.simulator.add_fault(json.loads(request.body))
            return None
        charset = request.headers["Content-Type"].partition("charset=")[2] or "utf-8"
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as line:
            line.request(method, path, request.body.encode(charset), request.headers)
            answer = line.getresponse()
            content_type = answer.headers["Content-Type"]
            return answer.status, content_type, answer.read().decode(content_type.partition("charset=")[2])

    def done(self) -> dict[str, str]:
        """What the platform has carried out, by msgid; queries that the gateway asks of its own change nothing."""
        found: dict[str, str] = self.simulator.ledger()["executed"]
        return found


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The three clients that the page names, before a platform whose numbers are fixed."""
    simulator = Simulator(ROOT / "mappings", seed=0)
    with serve(simulator, port=0) as platform:
        config = tmp_path / "gateway.toml"
        config.write_text(CONFIG.format(simulator=platform.url, folder=tmp_path), encoding="utf-8")
        gateway = app.build(read_settings(config))
        with make_server("127.0.0.1", 0, gateway.router, handler_class=Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield Desk(server.server_port, simulator)
            finally:
                server.shutdown()
                thread.join()
                gateway.close()


def shape(text: str) -> Any:
    """What a body says, whatever its layout; a text inside that is XML or JSON itself is opened too."""
    text = text.strip()
    if text.startswith("{"):
        return timeless(json.loads(text, parse_float=str))
    if text.startswith("<"):
        root = etree.fromstring(re.sub(r"^<\?xml[^>]*\?>\s*", "", text))
        return [(element.tag, leaf(element)) for element in root.iter("{*}*")]
    return MSGID.sub("*", text)


def leaf(element: etree._Element) -> Any:
    name = etree.QName(element).localname
    return "*" if name in TIMES and element.text else "" if len(element) else shape(element.text or "")


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "*" if key in TIMES and item else timeless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return MSGID.sub("*", value) if isinstance(value, str) else value


def test_examples(desk: Desk) -> None:
    answer: tuple[int, str, str] | None = None
    answered = 0
    for message in messages():
        if not message.start.startswith("HTTP/"):
            answer = desk.post(message)
            continue
        assert answer is not None
        status, content_type, text = answer
        told = (int(message.start.split()[1]), message.headers["Content-Type"])
        assert (status, content_type) == told, message.line
        declared = re.match(r'<\?xml version="1.0" encoding="([^"]+)"', text)
        assert declared is None or declared[0] in message.body, message.line
        assert shape(text) == shape(message.body), message.line
        answered += 1
    assert answered >= 10


def test_a_repeat_is_answered_and_not_sent(desk: Desk) -> None:
    requests = [message for message in messages() if not message.start.startswith("HTTP/")]
    person = next(message for message in requests if message.start.split()[1].endswith("/1101"))
    admission = next(message for message in requests if "<Txn2401" in message.body)
    assert desk.post(person) is not None
    first = desk.post(admission)
    done = desk.done()
    assert first is not None
    assert "<infcode>0</infcode>" in first[2]
    assert desk.post(admission) == first
    assert desk.done() == done


def test_digest(tmp_path: Path) -> None:
    """The printed digest is right for the printed password, nonce and time."""
    (block,) = re.findall(r"```xml\n(<wsse:Security.*?)\n```", PAGE.read_text(encoding="utf-8"), re.S)
    security = etree.fromstring(block)
    created = datetime.fromisoformat(str(security.findtext(".//{*}Created")))
    assert len(base64.b64decode(str(security.findtext(".//{*}Nonce")))) == 16
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(simulator="http://127.0.0.1:1", folder=tmp_path), encoding="utf-8")
    clients = Clients(read_settings(config).clients, lambda: created)
    assert clients.identify({}, "10.0.0.9", security).name == "zhuyuan"
