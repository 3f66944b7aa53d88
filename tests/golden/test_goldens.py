"""Every core transaction through both services, compared with files written from the tables (tests/golden/README.md)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
import yaml

from gateway.exchange.fake_platform import FakePlatform
from tests.running import House, scripted_house

HERE = Path(__file__).parent
GOLDENS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and (path / "national.json").is_file())
MSGID = re.compile(r"H44080000001[0-9]{18}")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
FILES = {"typed.xml", "string.xml", "national.json", "answer.json", "typed-reply.xml", "string-reply.xml"}


@pytest.fixture(scope="module")
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture(scope="module")
def houses(platform: FakePlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], House]]:
    """One gateway per way in: the same message by another way would be answered from the journal."""
    with ExitStack() as stack:

        def opened(way: str) -> House:
            found = stack.enter_context(scripted_house(tmp_path_factory.mktemp(way), platform))
            # the stay of the goldens: what the rules ask for before 2303, 2304 and 2402 is fulfilled
            found.lies_in_ward("MD20261110000001", "44080000000000000001", "MZ20261121001", "2026-11-10 08:10:00")
            return found

        yield functools.cache(opened)


@pytest.fixture
def gateway(houses: Callable[[str], House], request: pytest.FixtureRequest) -> House:
    return houses(request.function.__name__)


def read(infno: str, name: str) -> str:
    return (HERE / infno / name).read_text(encoding="utf-8")


def canonical(xml: str) -> str:
    """Prefixes, attribute order and blanks between elements are nobody's business."""
    return ET.canonicalize(xml, strip_text=True, rewrite_prefixes=True)


def exact(text: str | bytes) -> Any:
    """JSON with amounts as Decimal: 10.10 and 10.1 are the same amount, 10.1 and the float nearest to it are not."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def group(infno: str) -> str:
    table = yaml.safe_load(
        (HERE.parents[1] / "mappings" / "transactions" / f"{infno}.yaml").read_text(encoding="utf-8")
    )
    return str(table["group"])


def assert_sent(infno: str, platform: FakePlatform) -> str:
    """The platform was sent the golden message; returns its msgid. The gateway's own queries may follow it."""
    sent = exact(next(one.body for one in reversed(platform.requests) if one.infno == infno))
    msgid = str(sent["msgid"])
    assert MSGID.fullmatch(msgid)
    assert MOMENT.fullmatch(sent["inf_time"])
    wanted = exact(read(infno, "national.json").replace("{msgid}", msgid).replace("{inf_time}", sent["inf_time"]))
    assert sent == wanted
    assert list(sent) == list(wanted)
    assert [list(node) for node in rows(sent["input"])] == [list(node) for node in rows(wanted["input"])]
    return msgid


def rows(message: Any) -> Iterator[dict[str, Any]]:
    """Every object of a message, to compare the order of fields too."""
    for item in message if isinstance(message, list) else [message]:
        if isinstance(item, dict):
            yield item
            for value in item.values():
                yield from rows(value)


def test_the_core_is_complete_and_every_golden_names_its_table() -> None:
    core = "9001 1101 2201 2203 2204 2206 2207 2208 2301 2302 2303 2304 2305 2401 2402 2403 2404 2405 2601 5201"
    assert sorted(core.split()) == GOLDENS
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for infno in GOLDENS:
        assert f"| `{infno}` | `transactions/{infno}.yaml` " in readme
        assert {path.name for path in (HERE / infno).iterdir()} == FILES


@pytest.mark.parametrize("infno", GOLDENS)
def test_typed(gateway: House, platform: FakePlatform, infno: str) -> None:
    platform.script(infno, read(infno, "answer.json").encode())
    answer = gateway.http(f"/soap/{group(infno)}", read(infno, "typed.xml").encode())
    assert answer.status == 200, answer.text
    msgid = assert_sent(infno, platform)
    assert canonical(answer.text) == canonical(read(infno, "typed-reply.xml").replace("{msgid}", msgid))


@pytest.mark.parametrize("infno", GOLDENS)
def test_string(gateway: House, platform: FakePlatform, infno: str) -> None:
    platform.script(infno, read(infno, "answer.json").encode())
    inner = f"<infno>{infno}</infno><request>{escape(read(infno, 'string.xml'))}</request>"
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        f'<Call xmlns="urn:yibao:gateway:v1">{inner}</Call></s:Body></s:Envelope>'
    )
    answer = gateway.http("/soap/exchange", body.encode(), "application/soap+xml; charset=utf-8")
    assert answer.status == 200, answer.text
    msgid = assert_sent(infno, platform)
    result = ET.fromstring(answer.text).find(".//{urn:yibao:gateway:v1}CallResult")
    assert result is not None
    assert canonical(result.text or "") == canonical(read(infno, "string-reply.xml").replace("{msgid}", msgid))


@pytest.mark.parametrize("infno", GOLDENS)
def test_json(gateway: House, platform: FakePlatform, infno: str) -> None:
    # the golden of the platform is at the same time the input of the JSON address
    platform.script(infno, read(infno, "answer.json").encode())
    golden = exact(read(infno, "national.json"))
    head = {name: golden[name] for name in ("opter", "opter_name", "opter_type", "insuplc_admdvs", "sign_no")}
    raw = json.dumps(json.loads(read(infno, "national.json"), parse_float=str)["input"], ensure_ascii=False)
    body = f'{{"head": {json.dumps(head)}, "input": {raw}}}'
    answer = gateway.http(f"/api/v1/transactions/{infno}", body.encode(), "application/json")
    assert answer.status == 200
    assert_sent(infno, platform)
    assert exact(answer.body)["output"] == (exact(read(infno, "answer.json")).get("output") or {})
