"""Every request printed in docs/using/services.zh-CN.md is sent as printed, and gets the answer printed below it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway import app
from gateway.identity import Clients
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from tests.running import Answer, House

ROOT = Path(__file__).parents[1]
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


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The three clients that the page names, before a platform whose numbers are fixed."""
    simulator = Simulator(ROOT / "mappings", seed=0)
    with serve(simulator, port=0) as server:
        config = tmp_path / "gateway.toml"
        config.write_text(CONFIG.format(simulator=server.url, folder=tmp_path), encoding="utf-8")
        gateway = app.build(read_settings(config))
        try:
            yield House(gateway, simulator)
        finally:
            gateway.close()


def send(house: House, request: Printed) -> Answer | None:
    """The answer to a request of the page; None to what it asks of the simulator."""
    method, path, _ = request.start.split()
    if request.headers.get("Host") == SIMULATOR:
        house.simulator.add_fault(json.loads(request.body))
        return None
    content_type = request.headers["Content-Type"]
    charset = content_type.partition("charset=")[2] or "utf-8"
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    body = request.body.encode(charset)
    return house.http(path, body, content_type, **{**headers, "REQUEST_METHOD": method})


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


def test_examples(house: House) -> None:
    answer: Answer | None = None
    answered = 0
    for message in messages():
        if not message.start.startswith("HTTP/"):
            answer = send(house, message)
            continue
        assert answer is not None
        status = int(message.start.split()[1])
        assert (answer.status, answer.content_type) == (status, message.headers["Content-Type"]), message.line
        declared = re.match(r'<\?xml version="1.0" encoding="([^"]+)"', answer.text)
        assert declared is None or declared[0] in message.body, message.line
        assert shape(answer.text) == shape(message.body), message.line
        answered += 1
    assert answered >= 10


def test_a_repeat_is_answered_and_not_sent(house: House) -> None:
    requests = [message for message in messages() if not message.start.startswith("HTTP/")]
    person = next(message for message in requests if message.start.split()[1].endswith("/1101"))
    admission = next(message for message in requests if "<Txn2401" in message.body)
    assert send(house, person) is not None
    first = send(house, admission)
    sent = house.sent()
    again = send(house, admission)
    assert first is not None
    assert again is not None
    assert "<infcode>0</infcode>" in first.text
    assert again.body == first.body
    assert house.sent() == sent


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
