"""The common envelope: what goes out and how an answer is read (mappings/envelope.yaml)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mappings
from gateway.contract.envelope import (
    Garbage,
    Sender,
    head_problems,
    read_answer,
    unknown_in_head,
    write_request,
)
from gateway.contract.model import Contract

NOW = datetime(2026, 11, 21, 9, 5, 7, tzinfo=timezone(timedelta(hours=8)))
SENDER = Sender("H44080000001", "演示医院", "440800", "440100", "MBS_LOCAL", "V1.0")
HEAD = {"opter": "0001", "opter_name": "张三", "opter_type": "1"}


@cache
def contract() -> Contract:
    return mappings.load("national")


def written(message: Any, **head: str) -> Any:
    body = write_request(contract(), SENDER, HEAD | head, "2401", "M1", NOW, message)
    return json.loads(body, parse_float=Decimal)


def test_every_field_of_the_table_is_there_in_its_order() -> None:
    sent = written({"data": {}})
    assert list(sent) == [field.name for field in contract().request_envelope]
    assert (sent["infno"], sent["msgid"], sent["inf_time"]) == ("2401", "M1", "2026-11-21 09:05:07")


def test_areas_default_to_the_institutions_and_give_way_to_the_callers() -> None:
    sent = written({})
    assert (sent["mdtrtarea_admvs"], sent["insuplc_admdvs"]) == ("440800", "440100")
    sent = written({}, mdtrtarea_admvs="310000", insuplc_admdvs="")
    assert (sent["mdtrtarea_admvs"], sent["insuplc_admdvs"]) == ("310000", "440100")


def test_a_caller_cannot_write_what_is_the_gateways() -> None:
    sent = written({}, infno="9999", msgid="X", fixmedins_code="X", infver="X", inf_time="X")
    assert (sent["infno"], sent["msgid"], sent["fixmedins_code"], sent["infver"]) == (
        "2401",
        "M1",
        "H44080000001",
        "V1.0",
    )


def test_empty_numbers_are_zero_wherever_they_stand() -> None:
    sent = written({"a": {"n": None, "t": "", "d": Decimal("1.50")}, "rows": [{"n": None}, {"inner": [{"n": None}]}]})
    assert sent["input"] == {
        "a": {"n": 0, "t": "", "d": Decimal("1.50")},
        "rows": [{"n": 0}, {"inner": [{"n": 0}]}],
    }


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"opter": ""}, "opter", "required"),
        ({"opter_type": ""}, "opter_type", "required"),
        ({"opter_name": "赵" * 51}, "opter_name", "length"),
        ({"insuplc_admdvs": "4408001"}, "insuplc_admdvs", "length"),
        ({"opter_name": "张\x0b"}, "opter_name", "character"),
    ],
)
def test_what_is_wrong_with_a_head_is_told(change: dict[str, str], field: str, rule: str) -> None:
    (problem,) = head_problems(contract(), HEAD | change)
    assert (problem.node, problem.field, problem.rule) == ("head", field, rule)
    assert field in problem.text


def test_a_good_head_has_no_problems_and_names_nobody_reads_are_told() -> None:
    assert head_problems(contract(), HEAD | {"opter_name": "赵" * 50}) == []
    head = HEAD | {"request_id": "R", "mac": "M", "ip": "I", "infver": "V", "fixmedins_code": "H", "mood": "good"}
    assert unknown_in_head(contract(), head) == ["head/mood"]


# -------------------------------------------------------------------- answers


def answer(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("infcode", "read", "success"),
    [(0, "0", True), ("0", "0", True), (" 0 ", "0", True), (-1, "-1", False), ("999", "999", False), (0.5, "0.5", False),
     (False, "false", False), ("成功", "成功", False)],
)  # fmt: skip
def test_infcode_is_read_as_number_and_as_text(infcode: Any, read: str, success: bool) -> None:
    found = read_answer(answer(infcode=infcode))
    assert (found.infcode, found.success) == (read, success)


def test_a_province_may_mean_something_else_by_success() -> None:
    assert read_answer(answer(infcode=1), {"1"}).infcode == "0"
    assert read_answer(answer(infcode=0), {"1"}).infcode == "-1"
    assert read_answer(answer(infcode=2), {"1"}).infcode == "2"


def test_the_other_fields_are_text_and_the_output_stays() -> None:
    found = read_answer(
        b"\xef\xbb\xbf"
        + answer(infcode=0, inf_refmsgid=123, err_msg=None, warn_info="W", output={"a": [1, "x"]}, more=1)
    )
    assert (found.inf_refmsgid, found.err_msg, found.warn_msg, found.output) == ("123", "", "W", {"a": [1, "x"]})
    assert read_answer(answer(infcode=0)).output is None


def test_amounts_stay_exact() -> None:
    found = read_answer(b'{"infcode": 0, "output": {"a": 0.10, "b": 1234567890123456789012.30}}')
    assert [str(value) for value in found.output.values()] == ["0.10", "1234567890123456789012.30"]


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{}", b'{"infcode": ""}', b'{"infcode": null}', b"<html/>", b'{"infcode": 0',
     '{"infcode": 0, "err_msg": "张"}'.encode("gbk"), b'{"infcode": NaN}', b"\xff\xfe", b'{"infcode":0,"a":' + b"[" * 200],
)  # fmt: skip
def test_what_is_no_answer_is_garbage(body: bytes) -> None:
    with pytest.raises(Garbage) as caught:
        read_answer(body)
    assert str(caught.value)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_garbage(body: bytes) -> None:
    try:
        assert read_answer(body).infcode
    except Garbage as error:
        told = str(error)
    else:
        told = "answer"
    assert told
