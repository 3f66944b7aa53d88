"""The codec against small tables made here: every rule, every place, and round trips of anything it accepts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.contract.codec import Codec
from gateway.contract.jsontext import dumps, loads
from gateway.contract.model import CodeList, Field, Node, Problem, Side

SEX = CodeList("sex", "性别", {"1": "男", "2": "女"})
SIDE = Side(
    root=(Field("serial", "流水号", "string", required=True, length=5),),
    nodes=(
        Node(
            "person",
            "人员",
            repeat=False,
            fields=(
                Field("name", "姓名", "string", required=True, length=4),
                Field("sex", "性别", "string", codes="sex"),
                Field("age", "年龄", "integer", length=3),
                Field("born", "出生日期", "date"),
                Field("came", "入院时间", "datetime"),
                Field("filled", "由规则填写", "string", required=True, filled_by="ET-01"),
            ),
        ),
        Node(
            "row",
            "明细",
            repeat=True,
            optional=True,
            fields=(Field("amount", "金额", "decimal", required=True, precision=6, scale=2),),
            children=(
                Node("drug", "药品", repeat=True, optional=True, fields=(Field("code", "代码", "string", length=3),)),
            ),
        ),
    ),
)
CODEC = Codec(SIDE, {"sex": SEX})


def xml(text: str) -> etree._Element:
    return etree.fromstring(f"<input>{text}</input>")


def read(text: str) -> tuple[Any, list[Problem], list[str]]:
    message, found = CODEC.check(CODEC.read_xml(xml(text)))
    return message, found.problems, found.unknown


def person(**fields: str) -> str:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in {"name": "张三", **fields}.items())
    return f"<serial>1</serial><person>{inner}</person>"


def only_problem(text: str) -> Problem:
    _, problems, _ = read(text)
    assert len(problems) == 1, problems
    return problems[0]


def test_reads_every_type() -> None:
    message, problems, unknown = read(
        person(sex="1", age="007", born="2000-02-29", came="2026-01-02 03:04:05") + "<row><amount>-1.50</amount></row>"
    )
    assert (problems, unknown) == ([], [])
    assert message == {
        "serial": "1",
        "person": {"name": "张三", "sex": "1", "age": 7, "born": "2000-02-29", "came": "2026-01-02 03:04:05"},
        "row": [{"amount": Decimal("-1.50")}],
    }
    assert str(message["row"][0]["amount"]) == "-1.50"


def test_empty_is_not_absent() -> None:
    message, problems, _ = read(person(sex="", age=""))
    assert problems == []
    assert message["person"] == {"name": "张三", "sex": "", "age": None}


def test_namespaces_order_and_comments_do_not_matter() -> None:
    document = etree.fromstring(
        '<i xmlns="urn:x"><person><age>5</age><name>李四</name></person><serial xmlns="">9</serial></i>'
    )
    message, found = CODEC.check(CODEC.read_xml(document))
    assert found.problems == []
    assert message == {"serial": "9", "person": {"name": "李四", "age": 5}}


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "张三李四王"}, "name", "length"),
        ({"sex": "3"}, "sex", "code"),
        ({"sex": "1 "}, "sex", "code"),
        ({"age": "1.0"}, "age", "scale"),
        ({"age": "1234"}, "age", "length"),
        ({"age": "abc"}, "age", "type"),
        ({"age": "1e2"}, "age", "type"),
        ({"age": "１２"}, "age", "type"),
        ({"age": "+1"}, "age", "type"),
        ({"born": "2025-02-29"}, "born", "date"),
        ({"born": "2025-2-9"}, "born", "date"),
        ({"born": "2025-02-09 00:00:00"}, "born", "date"),
        ({"came": "2026-01-02"}, "came", "date"),
        ({"came": "2026-01-02 24:00:00"}, "came", "date"),
        ({"name": "<b>x</b>"}, "name", "shape"),
    ],
)
def test_a_wrong_leaf_is_named(fields: dict[str, str], field: str, rule: str) -> None:
    problem = only_problem(person(**fields))
    assert (problem.node, problem.row, problem.field, problem.rule) == ("person", "", field, rule)
    assert problem.label in problem.text


def test_dates_of_xml_schema_are_converted_to_shanghai_time() -> None:
    message, problems, _ = read(person(came="2026-03-01T16:30:00Z"))
    assert problems == []
    assert message["person"]["came"] == "2026-03-02 00:30:00"


@pytest.mark.parametrize("amount", ["1.234", "12345.00", "1,00", "NaN", "", "--1", ".5", "5."])
def test_a_wrong_amount_is_named_with_its_row(amount: str) -> None:
    problem = only_problem(person() + f"<row><amount>1</amount></row><row><amount>{amount}</amount></row>")
    assert (problem.node, problem.row, problem.field) == ("row", "2", "amount")


def test_nested_rows_are_counted() -> None:
    problem = only_problem(person() + "<row><amount>1</amount><drug/><drug><code>1234</code></drug></row>")
    assert (problem.node, problem.row, problem.field, problem.rule) == ("row/drug", "1/2", "code", "length")


def test_every_problem_at_once() -> None:
    _, problems, unknown = read("<person><age>x</age><extra>1</extra></person><row/><strange/>")
    assert [(p.node, p.row, p.field, p.rule) for p in problems] == [
        ("", "", "serial", "required"),
        ("person", "", "name", "required"),
        ("person", "", "age", "type"),
        ("row", "1", "amount", "required"),
    ]
    assert unknown == ["person/extra", "strange"]


def test_a_missing_node_is_named_once() -> None:
    problem = only_problem("<serial>1</serial>")
    assert (problem.node, problem.field, problem.rule) == ("person", "", "required")


def test_a_single_node_given_twice_is_named() -> None:
    problem = only_problem(person() + "<person><name>x</name></person>")
    assert (problem.node, problem.rule) == ("person", "repeat")


def test_a_field_given_twice_is_named() -> None:
    assert only_problem("<serial>1</serial><serial>2</serial><person><name>x</name></person>").rule == "shape"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (5, "type"),
        (True, "type"),
        (Decimal("1.5"), "type"),
        ({"a": 1}, "shape"),
        (["a"], "shape"),
        ("\x0b", "character"),
    ],
)
def test_json_values_of_the_wrong_kind_are_named(value: Any, rule: str) -> None:
    _, found = CODEC.check({"serial": "1", "person": {"name": value}})
    assert [(p.field, p.rule) for p in found.problems] == [("name", rule)]


@pytest.mark.parametrize("value", [True, {"a": "1"}, [1], "x", Decimal("1E+60")])
def test_json_numbers_of_the_wrong_kind_are_named(value: Any) -> None:
    _, found = CODEC.check({"serial": "1", "person": {"name": "x"}, "row": [{"amount": value}]})
    assert [p.field for p in found.problems] == ["amount"]


def test_an_object_where_rows_belong_is_one_row() -> None:
    message, found = CODEC.check({"serial": "1", "person": {"name": "x"}, "row": {"amount": "1"}})
    assert found.problems == []
    assert message["row"] == [{"amount": Decimal(1)}]


@pytest.mark.parametrize("message", [None, [], "x", 5, {"person": "x"}, {"person": []}, {"row": ["x"]}, {"row": 5}])
def test_any_shape_is_answered_with_problems(message: Any) -> None:
    _, found = CODEC.check(message)
    assert found.problems


def test_code_lists_can_be_a_warning() -> None:
    lenient = Codec(SIDE, {"sex": SEX}, code_lists="warn")
    message, found = lenient.check({"serial": "1", "person": {"name": "x", "sex": "9"}})
    assert found.problems == []
    assert "值域" in found.warnings[0]
    assert message["person"]["sex"] == "9"


def test_writes_in_the_order_of_the_table_and_keeps_what_no_table_has() -> None:
    answer = {"row": {"amount": 1}, "person": {"name": "a<b", "more": {"x": [1, 2]}}, "serial": None}
    assert CODEC.write_xml(answer) == (
        "<serial/><person><name>a&lt;b</name><more><x>1</x><x>2</x></more></person><row><amount>1</amount></row>"
    )
    assert "more" not in CODEC.write_xml(answer, known_only=True)


def test_a_repeated_root_is_rows() -> None:
    codec = Codec(Side(root=(Field("x", "某", "string"),), root_repeat=True), {})
    assert codec.write_xml([{"x": "1"}, {"x": "2"}]) == "<row><x>1</x></row><row><x>2</x></row>"
    assert codec.write_xml({"x": "1"}) == "<row><x>1</x></row>"
    message, found = codec.check(codec.read_xml(xml("<row><x>1</x></row>")))
    assert (message, found.problems) == ([{"x": "1"}], [])


# -------------------------------------------------------- round trips

TEXT = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters=[chr(c) for c in range(32) if c not in (9, 10, 13)] + ["\ufffe", "\uffff"]),
    max_size=4,
)  # fmt: skip


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


ROW = st.builds(
    lambda required, more: {**required, **more},
    st.fixed_dictionaries({"amount": st.decimals(-9999, 9999, places=2, allow_nan=False)}),
    optional(drug=st.lists(optional(code=TEXT.map(lambda text: text[:3])), min_size=1, max_size=3)),
)
MESSAGE = st.builds(
    lambda message, rows: {**message, **rows},
    st.fixed_dictionaries(
        {
            "serial": TEXT.filter(bool),
            "person": st.builds(
                lambda name, more: {"name": name, **more},
                TEXT.filter(bool),
                optional(
                    sex=st.sampled_from(["1", "2", ""]),
                    age=st.none() | st.integers(-999, 999),
                    born=st.dates().map(lambda day: f"{day:%Y-%m-%d}".zfill(10)),
                    came=st.datetimes().map(lambda at: f"{at:%Y-%m-%d %H:%M:%S}".zfill(19)),
                ),
            ),
        }
    ),
    optional(row=st.lists(ROW, min_size=1, max_size=3)),
)


@given(MESSAGE, st.sampled_from(["utf-8", "gb18030"]))
def test_any_accepted_message_survives_xml(message: dict[str, Any], charset: str) -> None:
    accepted, found = CODEC.check(message)
    assert found.problems == []
    assert accepted == message
    text = f'<?xml version="1.0" encoding="{charset}"?><input>{CODEC.write_xml(message)}</input>'
    again, found = CODEC.check(CODEC.read_xml(etree.fromstring(text.encode(charset))))
    assert (again, found.problems, found.unknown) == (message, [], [])


@given(MESSAGE)
def test_any_accepted_message_survives_json(message: dict[str, Any]) -> None:
    body = dumps(message)
    again, found = CODEC.check(loads(body))
    assert (again, found.problems, found.unknown) == (message, [], [])
    assert json.loads(body, parse_float=Decimal) == message
