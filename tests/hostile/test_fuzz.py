"""Random bytes, broken envelopes and strange trees at every address: always a well-formed answer, never an exception.

``YIBAO_FUZZ_EXAMPLES`` sets how many of each kind (``make fuzz``).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.ways import (
    JSON_INPUT,
    JSON_PATH,
    JSON_TYPE,
    NAMESPACE,
    SOAP_WAYS,
    VERSIONS,
    SoapWay,
    envelope,
    json_served,
)
from tests.running import Answer, House

EXAMPLES = int(os.environ.get("YIBAO_FUZZ_EXAMPLES", "40"))
ANSWER_S_MAX = 10
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
SOAP_STATUSES = (200, 400, 500)
JSON_STATUSES = (200, 400)
OUR_FAILURE = re.compile(r'(?<!value)(?:>|&gt;)GW-5[0-9]{3}|"code":"GW-5')
"""A code where an answer has its code or begins its text; what a caller sent may read the same and is quoted in the middle."""
CONTENT_TYPES = st.sampled_from(
    ["text/xml", "text/xml; charset=utf-8", "text/xml; charset=gbk", "application/soap+xml; charset=utf-16", "", "x;;=",
     "application/soap+xml", "text/xml; charset=klingon", "text/xml; charset=\x00", "multipart/related; charset="]
)  # fmt: skip


@pytest.fixture
def served(gateway: House) -> Any:
    """After each fuzz test every address still serves."""
    yield gateway
    for way in SOAP_WAYS.values():
        way.served(gateway)
    json_served(gateway)


def answered(ask: Callable[[], Answer]) -> Answer:
    started = time.monotonic()
    answer = ask()
    assert time.monotonic() - started < ANSWER_S_MAX
    return answer


def assert_soap(answer: Answer) -> None:
    assert answer.status in SOAP_STATUSES
    root = ET.fromstring(answer.text.partition("?>")[2])
    assert root.tag in [f"{{{namespace}}}Envelope" for namespace in VERSIONS.values()]
    (body,) = list(root)
    assert len(body) == 1
    assert not OUR_FAILURE.search(answer.text), "nothing a caller sends is our failure"


def assert_json(answer: Answer) -> None:
    assert answer.status in JSON_STATUSES
    assert answer.content_type == "application/json; charset=utf-8"
    assert not str(json.loads(answer.body)["code"]).startswith("GW-5"), "nothing a caller sends is our failure"


# ---------------------------------------------------------------------- XML

ways = st.sampled_from(sorted(SOAP_WAYS.values(), key=lambda way: way.name))
versions = st.sampled_from(sorted(VERSIONS))
texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.sampled_from(
    ["head", "input", "request", "infno", "data", "Txn1101", "Call", "arg0", "Inxml", "TransNo", "mdtrt_cert_type",
     "opter", "request_id", "a", "名", "x-y", "row", "Body", "Header", "indata", "diseinfo"]
)  # fmt: skip
attributes = st.dictionaries(
    st.sampled_from(["href", "id", "encodingStyle", "type", "nil", "xmlns", "s:mustUnderstand", "b"]),
    texts.filter(str.isprintable),
    max_size=2,
)


def element(name: str, given_attributes: dict[str, str], inner: list[str]) -> str:
    shown = "".join(f" {key}={quoteattr(value)}" for key, value in given_attributes.items())
    return f"<{name}{shown}>{''.join(inner)}</{name}>"


trees = st.recursive(
    texts.map(escape), lambda inner: st.builds(element, names, attributes, st.lists(inner, max_size=3)), max_leaves=12
)


@given(st.binary(max_size=300), ways, CONTENT_TYPES)
@FUZZ
def test_fuzz_random_bytes(served: House, body: bytes, way: SoapWay, content_type: str) -> None:
    assert_soap(answered(lambda: served.http(way.path, body, content_type)))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[SoapWay, bytes]:
    """A good envelope with a piece cut out, doubled, overwritten or torn."""
    way = draw(ways)
    body = bytearray(way.body(version=draw(versions)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        piece = draw(
            st.one_of(
                st.binary(max_size=12),
                st.just(bytes(body[start:end]) * 2),
                st.sampled_from(
                    [b"", b"<", b"&", b"]]>", b"\0", b"<!--", b"<![CDATA[", b"\xff\xfe", "张".encode("gbk")]
                ),
            )
        )
        body[start:end] = piece
    return way, bytes(body)


@given(mutated(), CONTENT_TYPES)
@FUZZ
def test_fuzz_mutated_envelopes(served: House, case: tuple[SoapWay, bytes], content_type: str) -> None:
    way, body = case
    assert_soap(answered(lambda: served.http(way.path, body, content_type)))


@given(trees, ways, versions)
@FUZZ
def test_fuzz_trees_in_the_body(served: House, tree: str, way: SoapWay, version: str) -> None:
    assert_soap(answered(lambda: served.http(way.path, envelope(tree, version).encode())))


@given(trees, ways)
@FUZZ
def test_fuzz_trees_in_the_operation(served: House, tree: str, way: SoapWay) -> None:
    start, _, rest = way.wrap("").partition(">")
    close = rest.rpartition("<")[2]
    body = envelope(f"{start}>{tree}<{close}").encode()
    assert_soap(answered(lambda: served.http(way.path, body)))


@given(trees | texts, ways)
@FUZZ
def test_fuzz_payloads(served: House, payload: str, way: SoapWay) -> None:
    assert_soap(answered(lambda: served.http(way.path, envelope(way.wrap(escape(payload))).encode("utf-8", "replace"))))


@given(st.lists(trees, max_size=4), versions)
@FUZZ
def test_fuzz_typed_messages(served: House, nodes: list[str], version: str) -> None:
    body = envelope(f'<Txn2401 xmlns="{NAMESPACE}">{"".join(nodes)}</Txn2401>', version)
    assert_soap(answered(lambda: served.http("/soap/inpatient", body.encode())))


# --------------------------------------------------------------------- JSON

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("310"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=200), CONTENT_TYPES)
@FUZZ
def test_fuzz_json_bytes(served: House, body: bytes, content_type: str) -> None:
    assert_json(answered(lambda: served.http(JSON_PATH, body, content_type)))


@given(values, st.sampled_from(["2401", "2304", "2301", "1101", "3101", "2161"]))
@FUZZ
def test_fuzz_json_values(served: House, value: Any, infno: str) -> None:
    for document in (value, {"input": value}, {"head": value, "input": JSON_INPUT}, {"input": {"data": value}}):
        body = json.dumps(document).encode()
        assert_json(answered(lambda body=body: served.http(f"/api/v1/transactions/{infno}", body, JSON_TYPE)))  # type: ignore[misc]


@given(values, texts)
@FUZZ
def test_fuzz_json_in_the_string_service(served: House, value: Any, infno: str) -> None:
    for number in ("1101", infno):
        request = escape(json.dumps({"input": {"data": value}}))
        body = envelope(f"<Call><infno>{escape(number)}</infno><request>{request}</request></Call>")
        assert_soap(answered(lambda body=body: served.http("/soap/exchange", body.encode())))  # type: ignore[misc]
