"""Which address is served by what."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.fake_platform import FakePlatform
from gateway.http.router import Lazily
from tests.hostile.ways import SOAP_WAYS
from tests.running import House, scripted_house

WSDL = Path(__file__).parents[2] / "wsdl"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("router"), FakePlatform()) as running:
        yield running


def get(gateway: House, path: str, **environ: str) -> Any:
    return gateway.http(path, b"", None, REQUEST_METHOD="GET", **environ)


def test_the_first_page_lists_every_service(gateway: House) -> None:
    answer = get(gateway, "/")
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    for path in WSDL.glob("*.wsdl"):
        assert f"http://127.0.0.1:8080/soap/{path.stem}?wsdl" in answer.text
    for way in SOAP_WAYS.values():
        assert f"{way.path}?wsdl" in answer.text


def test_openapi_and_schemas_are_served_as_they_are(gateway: House) -> None:
    answer = get(gateway, "/api/v1/openapi.json")
    assert answer.body == (WSDL / "openapi.json").read_bytes()
    assert json.loads(answer.body)["openapi"]
    schema = next(iter(sorted((WSDL / "xsd").glob("*.xsd"))), None)
    if schema is not None:
        assert get(gateway, f"/soap/exchange?xsd={schema.stem}").body == schema.read_bytes()


@pytest.mark.parametrize(
    "path", ["/soap", "/soap/", "/soap/nobody", "/soap/exchange?xsd=../../conf/demo", "/soap/exchange?xsd=nobody",
             "/api/v1", "/api/v1/transactions", "/favicon.ico", "/soap/xsd/1", "/%2e%2e/etc/passwd"],
)  # fmt: skip
def test_an_address_of_nobody_is_a_404_that_says_so(gateway: House, path: str) -> None:
    answer = get(gateway, path)
    found = json.loads(answer.body)
    assert (answer.status, found["code"], found["infcode"]) == (404, "GW-1017", -1)


def test_a_slash_too_many_is_forgiven(gateway: House) -> None:
    assert get(gateway, "/soap/person/?wsdl").status == 200


def test_a_service_is_built_once_on_its_first_call_and_anew_after_a_reload() -> None:
    built: list[str] = []
    together = threading.Barrier(4)

    def build(name: str) -> Any:
        built.append(name)
        return lambda environ, start_response: []

    services = Lazily(lambda: ["a"], build)
    found: list[Any] = []

    def one() -> None:
        together.wait(10)
        found.append(services.get("a"))

    crowd = [threading.Thread(target=one) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(10)
    assert built == ["a"]
    assert len(set(map(id, found))) == 1
    assert services.get("b") is None
    services.forget()
    assert services.get("a") is not found[0]
    assert built == ["a", "a"]
