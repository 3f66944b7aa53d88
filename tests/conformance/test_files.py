"""9101 and 9102 on every way to a province, against the simulator, and against one that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.settlement.files import Files, UploadForm
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest, SettlementPlatform
from gateway.files.layout import packed, rows
from gateway.files.parcel import Parcel
from gateway.files.shelf import Shelf
from tests.conformance.test_ways import GM, INSTITUTION, SIGNED, WAYS, Province, Way, named

CONTENT = packed("明细.txt", [[f"{number:08d}", "甲", ""] for number in range(20_000)])
NAME = "明细.txt.zip"


class Files9:
    """A province with a shelf."""

    def __init__(self, way: Way, folder: Path) -> None:
        # the 国密 envelope has no infno: it stands in the address
        self.options: dict[str, Any] = {"url_per_infno": True} if way is GM else {}
        self.province = Province(way, folder)
        self.shelf = Shelf(folder / "files")

    def platform(self, form: UploadForm = "multipart", **changes: Any) -> SettlementPlatform:
        return self.province.platform(files=Files(form, self.shelf), **self.options, **changes)

    def upload(self, content: bytes = CONTENT) -> PlatformRequest:
        parcel = Parcel(NAME, content)
        node = {"in": parcel.reference, "filename": NAME, "fixmedins_code": INSTITUTION}
        return replace(self._request("9101", {"fsUploadIn": node}), parcel=parcel)

    def download(self, number: str) -> PlatformRequest:
        node = {"file_qury_no": number, "filename": NAME, "fixmedins_code": INSTITUTION}
        return replace(self._request("9102", {"fsDownloadIn": node}), wants_file=NAME)

    def _request(self, infno: str, message: Any) -> PlatformRequest:
        made = self.province.request(message)
        envelope = json.loads(made.body) | {"infno": infno}
        return PlatformRequest(infno, made.msgid, json.dumps(envelope, ensure_ascii=False).encode())

    def fault(self, kind: str) -> None:
        self.province.simulator.add_fault({"infno": "9102", "kind": kind})


@pytest.fixture
def files(way: Way, tmp_path: Path) -> Iterator[Files9]:
    running = Files9(way, tmp_path)
    yield running
    running.province.close()


def answered(body: bytes) -> Any:
    answer = json.loads(body)
    assert str(answer["infcode"]) == "0", answer
    return answer["output"]


@named(WAYS)
@pytest.mark.parametrize("form", ["multipart", "base64"])
def test_a_file_goes_there_and_comes_back_byte_for_byte(files: Files9, form: UploadForm) -> None:
    if files.province.way is GM and form == "multipart":
        form = "base64"  # all of its message is inside the envelope
    platform = files.platform(form)
    output = answered(platform.send(files.upload()).body)
    answer = platform.send(files.download(output["file_qury_no"]))
    node = answered(answer.body)["fsDownloadOut"]
    place = files.shelf.find(node["sha256"])
    assert place is not None
    assert place.read_bytes() == CONTENT
    assert node["size"] == str(len(CONTENT))
    assert len(list(rows(place, (3,)))) == 20_000
    assert len(answer.body) < 500


@named(SIGNED)
def test_a_wrong_secret_neither_gives_nor_takes_a_file(files: Files9) -> None:
    form: UploadForm = "base64" if files.province.way is GM else "multipart"
    number = answered(files.platform(form).send(files.upload()).body)["file_qury_no"]
    wrong = files.platform(form, **files.province.way.wrong)
    for request in (files.upload(), files.download(number)):
        with pytest.raises(NotSent):
            wrong.send(request)
    assert len(files.province.simulator.ledger()["files"]) == 1
    assert not list(files.shelf.folder.iterdir()) if files.shelf.folder.exists() else True


@named([WAYS[0]])
def test_no_file_is_said_in_the_envelope(files: Files9) -> None:
    answer = json.loads(files.platform().send(files.download("F-NONE")).body)
    assert str(answer["infcode"]) == "-1"
    assert "文件不存在" in answer["err_msg"]


@named([WAYS[0]])
@pytest.mark.parametrize("kind", ["truncated", "wrong-length", "garbage", "wrong-charset", "lose-reply", "http-500"])
def test_a_file_that_is_not_whole_leaves_nothing_behind_and_is_fetched_again(files: Files9, kind: str) -> None:
    platform = files.platform()
    number = answered(platform.send(files.upload()).body)["file_qury_no"]
    files.fault(kind)
    with pytest.raises(NoAnswer):
        platform.send(files.download(number))
    assert not files.shelf.folder.exists() or not list(files.shelf.folder.iterdir())
    assert answered(platform.send(files.download(number)).body)["fsDownloadOut"]["size"] == str(len(CONTENT))


@named([WAYS[0]])
def test_a_file_above_the_limit_is_not_taken(files: Files9) -> None:
    number = answered(files.platform().send(files.upload()).body)["file_qury_no"]
    files.shelf.bytes_max = 1000
    with pytest.raises(NoAnswer, match="过大"):
        files.platform().send(files.download(number))


@named([WAYS[0]])
def test_an_upload_without_its_place_in_the_message_is_not_sent(files: Files9) -> None:
    request = replace(files.upload(), body=b'{"infno":"9101","input":{}}')
    with pytest.raises(NotSent, match="不完整"):
        files.platform().send(request)
    assert files.province.simulator.ledger()["files"] == []
