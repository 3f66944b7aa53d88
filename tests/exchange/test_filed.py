"""9101 and 9102 through a whole gateway: handed on and over, and journaled by size and checksum."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.exchange.ports import Query
from gateway.files.layout import packed
from tests.running import House, house

INSTITUTION = "H44080000001"
NAME = "明细.txt.zip"
CONTENT = packed("明细.txt", [[hashlib.sha256(str(number).encode()).hexdigest()] for number in range(4_000)])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("files")) as running:
        yield running


def post(gateway: House, infno: str, node: str, **fields: str) -> Any:
    message = {"input": {node: {"filename": NAME, "fixmedins_code": INSTITUTION, **fields}}}
    path = f"/api/v1/transactions/{infno}"
    return json.loads(gateway.http(path, json.dumps(message).encode(), "application/json").body)


def upload(gateway: House, text: str) -> Any:
    return post(gateway, "9101", "fsUploadIn", **{"in": text})


def test_a_file_is_handed_on_and_over_and_the_journal_stays_small(gateway: House) -> None:
    last = gateway.newest()
    text = base64.b64encode(CONTENT).decode()
    sent = upload(gateway, text)
    assert sent["infcode"] == 0, sent
    number = sent["output"]["file_qury_no"]
    got = post(gateway, "9102", "fsDownloadIn", file_qury_no=number)
    node = got["output"]["fsDownloadOut"]
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (base64.b64decode(node["in"]), node["sha256"], node["size"]) == (CONTENT, digest, str(len(CONTENT)))
    rows = gateway.since(last)
    assert [row.infno for row in rows] == ["9101", "9102"]
    for row in rows:
        assert ("file_qury_no", number) in row.keys
        bodies = gateway.bodies(row)
        kept = [bodies.caller_request, bodies.platform_request, bodies.platform_answer]
        assert all(body is not None and len(body) < 2_000 for body in kept)
        assert any(digest.encode() in body for body in kept if body)
    found = gateway.gateway.store.journal.search(Query(keys=[("file_qury_no", number)]))
    assert [row.infno for row in found] == ["9102", "9101"]


def test_a_file_with_line_breaks_in_its_base64_is_the_same_file(gateway: House) -> None:
    output = upload(gateway, base64.encodebytes(CONTENT).decode())["output"]
    assert gateway.simulator is not None
    kept = {one["file_qury_no"]: one["sha256"] for one in gateway.simulator.ledger()["files"]}
    assert kept[output["file_qury_no"]] == hashlib.sha256(CONTENT).hexdigest()
    row = gateway.newest()
    assert row is not None
    assert len(gateway.bodies(row).caller_request or b"") < 2_000


@pytest.mark.parametrize("text", ["***", "sha256:" + "0" * 64, "YQ", "数据"])
def test_what_is_no_file_is_refused_with_its_place(gateway: House, text: str) -> None:
    sent = gateway.sent()
    answer = upload(gateway, text)
    assert answer["code"] == "GW-1101"
    assert "fsUploadIn in" in answer["err_msg"]
    assert gateway.sent() == sent


def test_a_refused_download_is_a_refusal(gateway: House) -> None:
    answer = post(gateway, "9102", "fsDownloadIn", file_qury_no="F-NONE")
    assert (answer["code"], answer["output"]) == ("GW-3000", {})
    assert "文件不存在" in answer["err_msg"]


@pytest.mark.parametrize("kind", ["truncated", "garbage"])
def test_a_broken_download_is_asked_for_once_more(gateway: House, kind: str) -> None:
    number = upload(gateway, base64.b64encode(CONTENT).decode())["output"]["file_qury_no"]
    assert gateway.simulator is not None
    gateway.simulator.add_fault({"infno": "9102", "kind": kind})
    answer = post(gateway, "9102", "fsDownloadIn", file_qury_no=number)
    assert base64.b64decode(answer["output"]["fsDownloadOut"]["in"]) == CONTENT


def test_a_download_that_stays_broken_is_no_success(gateway: House) -> None:
    number = upload(gateway, base64.b64encode(CONTENT).decode())["output"]["file_qury_no"]
    assert gateway.simulator is not None
    gateway.simulator.add_fault({"infno": "9102", "kind": "wrong-length", "times": 2})
    answer = post(gateway, "9102", "fsDownloadIn", file_qury_no=number)
    assert (answer["code"], answer["retry"]) == ("GW-4002", "yes")
