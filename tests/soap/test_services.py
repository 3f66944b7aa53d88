"""What the services make of an answer: every field in place, nothing lost, nothing that breaks a reader."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gateway.contract.model import Problem
from gateway.exchange.call import Reply
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import NoAnswer, State
from gateway.soap.services import PROBLEM, STATUS, json_reply, write_reply
from tests.hostile.ways import JSON_INPUT, JSON_PATH, JSON_TYPE, STRING, TYPED, json_answer
from tests.running import Answer, House

PUBLISHED = ["infcode", "inf_refmsgid", "err_msg", "warn_msg", "msgid", "code", "retry", "output"]


def result_of(answer: Answer) -> ET.Element:
    """The wrapper of a typed answer, or the document inside a string answer."""
    root = ET.fromstring(answer.text)
    inner = root.find(".//{*}CallResult")
    found = ET.fromstring(inner.text or "") if inner is not None else root[0][0]
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    return found


def platform_says(platform: FakePlatform, **answer: Any) -> None:
    platform.script("1101", json.dumps({"infcode": 0, **answer}, ensure_ascii=False).encode())


@pytest.mark.parametrize("way", [TYPED, STRING], ids=lambda way: way.name)
def test_every_field_is_in_its_place(gateway: House, platform: FakePlatform, way: Any) -> None:
    platform_says(platform, inf_refmsgid="R1", err_msg="E", warn_msg="W", output={"baseinfo": {"psn_no": "P1"}})
    found = result_of(gateway.http(way.path, way.body()))
    assert [child.tag for child in found] == PUBLISHED
    row = gateway.newest()
    assert row is not None
    assert [child.text or "" for child in found][:7] == ["0", "R1", "E", "W", row.msgid, "", ""]
    assert found.findtext("output/baseinfo/psn_no") == "P1"


@pytest.mark.parametrize("way", [TYPED, STRING], ids=lambda way: way.name)
def test_a_decline_keeps_the_platforms_words(gateway: House, platform: FakePlatform, way: Any) -> None:
    platform_says(platform, infcode=999, err_msg="参保人 <未> 登记 & 无效", output=None)
    found = result_of(gateway.http(way.path, way.body()))
    told = {child.tag: child.text or "" for child in found}
    assert (told["infcode"], told["err_msg"], told["code"], told["retry"]) == (
        "999", "参保人 <未> 登记 & 无效", "GW-3000", "yes",
    )  # fmt: skip


@pytest.mark.parametrize("way", [TYPED, STRING], ids=lambda way: way.name)
def test_control_characters_of_the_platform_do_not_break_the_answer(
    gateway: House, platform: FakePlatform, way: Any
) -> None:
    name = "张\x00\x0b\x1f三\ufffe\uffff\r\n<四>"
    platform_says(platform, err_msg="a\x01b", output={"baseinfo": {"psn_name": name, "psn_no": "\x02"}})
    found = result_of(gateway.http(way.path, way.body()))
    assert found.findtext("output/baseinfo/psn_name") == "张三\r\n<四>"
    assert found.findtext("err_msg") == "ab"
    row = gateway.newest()
    assert row is not None
    assert b"\\u000b" in (gateway.bodies(row).platform_answer or b""), "the journal keeps it as it came"


def test_the_typed_answer_has_only_what_its_schema_has_and_the_string_answer_everything(
    gateway: House, platform: FakePlatform
) -> None:
    output = {"more": {"x": [1, 2]}, "baseinfo": {"colour": "red", "psn_no": "P1"}, "insuinfo": {"balc": 1.10}}
    platform_says(platform, output=output)
    typed = result_of(gateway.http(TYPED.path, TYPED.body()))
    assert [child.tag for child in typed.iter() if child.tag in ("more", "colour")] == []
    assert [row.findtext("balc") for row in typed.findall("output/insuinfo")] == ["1.1"]
    told = result_of(gateway.http(STRING.path, STRING.body()))
    assert told.findtext("output/baseinfo/colour") == "red"
    assert [found.text for found in told.findall("output/more/x")] == ["1", "2"]


@pytest.mark.parametrize("output", [None, "", {}, [], "text", 5, [{"a": 1}], {"baseinfo": "text"}, {"baseinfo": [1]}])
def test_an_output_of_any_shape_is_answered(gateway: House, platform: FakePlatform, output: Any) -> None:
    platform_says(platform, output=output)
    for way in (TYPED, STRING):
        assert result_of(gateway.http(way.path, way.body())).findtext("infcode") == "0"
    answer = gateway.http(JSON_PATH, json.dumps({"input": JSON_INPUT}).encode(), JSON_TYPE)
    assert json_answer(answer)["output"] == ({} if output in (None, "") else output)


@pytest.mark.parametrize("number", ["1E+400", "1E-400", "9" * 40, "-0", "1e5"])
def test_numbers_no_machine_can_hold_are_passed_on(gateway: House, platform: FakePlatform, number: str) -> None:
    platform.script("1101", f'{{"infcode": 0, "output": {{"baseinfo": {{"age": {number}}}}}}}'.encode())
    found = result_of(gateway.http(STRING.path, STRING.body())).findtext("output/baseinfo/age")
    assert found is not None
    assert float(found) == float(number)
    answer = gateway.http(JSON_PATH, json.dumps({"input": JSON_INPUT}).encode(), JSON_TYPE)
    assert float(json_answer(answer)["output"]["baseinfo"]["age"]) == float(number)


@pytest.mark.parametrize("infcode", ["--1", "²", "1" * 30, "E01", "-"])
def test_a_strange_infcode_is_passed_on(gateway: House, platform: FakePlatform, infcode: str) -> None:
    platform_says(platform, infcode=infcode)
    answer = gateway.http(JSON_PATH, json.dumps({"input": JSON_INPUT}).encode(), JSON_TYPE)
    assert (answer.status, json_answer(answer)["infcode"]) == (200, infcode)
    assert result_of(gateway.http(TYPED.path, TYPED.body())).findtext("infcode") == infcode


def test_json_in_the_string_service_is_answered_in_json(gateway: House, platform: FakePlatform) -> None:
    platform_says(platform, inf_refmsgid="R1", output={"baseinfo": {"psn_name": "张三"}})
    body = STRING.body(json.dumps({"input": JSON_INPUT}))
    inner = ET.fromstring(gateway.http(STRING.path, body).text).find(".//{*}CallResult")
    assert inner is not None
    found = json.loads(inner.text or "")
    assert list(found) == PUBLISHED
    assert (found["infcode"], found["output"]) == (0, {"baseinfo": {"psn_name": "张三"}})


def test_an_unknown_outcome_is_told_in_every_form(gateway: House, platform: FakePlatform) -> None:
    platform.script("2404", NoAnswer("读取超时"))
    data = "<data><mdtrt_id>M1</mdtrt_id><psn_no>P1</psn_no></data>"
    body = TYPED.body(data).replace(b"Txn1101", b"Txn2404")
    found = result_of(gateway.http("/soap/inpatient", body))
    assert [found.findtext(name) for name in ("infcode", "code", "retry")] == ["-1", "GW-4101", "same"]
    row = gateway.newest()
    assert row is not None
    assert (row.state, row.msgid) == (State.IN_DOUBT, found.findtext("msgid"))


# --------------------------------------------------------------------- writing


def test_problems_follow_the_output_as_published() -> None:
    problem = Problem("diseinfo", "2", "diag_code", "诊断代码", "<x>", "length", "太长")
    reply = Reply("-1", code="GW-1101", retry="no", problems=(problem, problem))
    root = ET.fromstring(f"<r>{write_reply(reply, '')}</r>")
    assert [child.tag for child in root] == [*STATUS, "output", "problem", "problem"]
    assert [part.tag for part in root[-1]] == list(PROBLEM)
    assert root[-1].findtext("value") == "<x>"
    found = json_reply(reply)
    assert found["problem"][1] == {name: getattr(problem, name) for name in PROBLEM}
    assert found["infcode"] == -1
    assert "problem" not in json_reply(Reply("0"))
