"""Each verb by itself, in both directions, with what it cannot translate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from gateway.contract.dialect.dates import compile_pattern
from gateway.mappings.dialect_goldens import GoldenReply
from tests.contract.dialect_kit import dialect, flaws, operation, read


def written(answer: list[dict[str, Any]], output: Any, *, infno: str = "9100") -> etree._Element:
    """The payload of the answer to ``output``, parsed."""
    made = dialect((), answer, infno=infno)
    element = made.write(made.read(operation("<in/>"), "utf-8"), GoldenReply("0", output=output))
    text = element[0].text or ""
    return etree.fromstring(text.partition("?>")[2])


def test_rename_copies_many_fields_of_one_node() -> None:
    steps = [{"rename": {"from": "brxx", "to": "data", "fields": {"xm": "name", "bz/nr": "memo"}}}]
    call = read(steps, "<brxx><xm> 张三 </xm><bz><nr>急</nr></bz></brxx>")
    assert call.message == {"data": {"name": " 张三 ", "memo": "急"}}
    assert call.unknown == ()


def test_given_but_empty_stays_empty_and_absent_stays_absent() -> None:
    steps = [{"rename": {"to": "data", "fields": {"xm": "name", "bz": "memo"}}}]
    assert read(steps, "<xm/>").message == {"data": {"name": ""}}


def test_a_value_where_a_node_came_is_a_problem() -> None:
    call = read([{"rename": {"fields": {"a/b": "top"}}}], "<a><b><c>1</c></b></a>")
    assert call.message == {}
    assert [(p.rule, p.field) for p in call.problems] == [("shape", "top")]
    assert "院内字段 a/b（" in call.problems[0].text


def test_a_value_given_twice_is_a_problem() -> None:
    call = read([{"rename": {"fields": {"a": "top"}}}], "<a>1</a><a>2</a>")
    assert [p.rule for p in call.problems] == ["repeat"]


def test_an_attribute_is_read_by_its_name_and_does_not_hide_the_text() -> None:
    call = read([{"rename": {"to": "data", "fields": {"a": "name", "a/@k": "memo"}}}], '<a k="7">x</a>')
    assert call.message == {"data": {"name": "x", "memo": "7"}}


def test_move_takes_a_whole_national_node_and_makes_lists_of_repeated_ones() -> None:
    steps = [{"move": {"from": "rows", "to": "rows"}}]
    call = read(steps, "<rows><sn>1</sn><subs><no>a</no></subs></rows>")
    assert call.message == {"rows": [{"sn": "1", "subs": [{"no": "a"}]}]}


def test_move_of_everything_can_be_refined_by_later_steps() -> None:
    steps = [
        {"move": {"from": ".", "to": "."}},
        {"code": {"from": "data/gend", "to": "data/gend", "table": "sex"}},
    ]
    call = read(steps, "<data><name>x</name><gend>女</gend></data><rows><sn>1</sn></rows>")
    assert call.message == {"data": {"name": "x", "gend": "2"}, "rows": [{"sn": "1"}]}


def test_move_keeps_a_second_node_for_the_check_to_see() -> None:
    call = read([{"move": {"from": "data", "to": "data"}}], "<data><name>a</name></data><data><name>b</name></data>")
    assert call.message == {"data": [{"name": "a"}, {"name": "b"}]}


def test_each_runs_per_row_with_fields_of_the_head_in_every_row() -> None:
    steps = [
        {
            "each": {
                "from": "ms/m",
                "to": "rows",
                "steps": [
                    {"rename": {"fields": {"/jzh": "sn"}}},
                    {"unit": {"from": "je", "to": "amt", "factor": "0.01", "scale": 2}},
                    {"each": {"from": "z", "to": "subs", "steps": [{"move": {"from": ".", "to": "no"}}]}},
                ],
            }
        }
    ]
    call = read(steps, "<jzh>J</jzh><ms><m><je>150</je><z>1</z><z>2</z></m><m><je>x</je></m></ms>")
    assert call.message == {
        "rows": [{"sn": "J", "amt": "1.50", "subs": [{"no": "1"}, {"no": "2"}]}, {"sn": "J", "amt": "x"}]
    }
    (problem,) = call.problems
    assert (problem.node, problem.row, problem.field, problem.value, problem.rule) == ("rows", "2", "amt", "x", "type")
    assert "院内字段 ms/m/je（国家字段 rows/amt 金额）第 2 行" in problem.text
    assert call.unknown == ()


def test_each_joins_rows_below_repeated_parents_and_appends_to_earlier_rows() -> None:
    steps = [
        {"each": {"from": "zz", "to": "rows", "steps": [{"rename": {"fields": {"h": "sn"}}}]}},
        {"each": {"from": "q/qt", "to": "rows", "steps": [{"rename": {"fields": {"h": "sn"}}}]}},
    ]
    call = read(steps, "<q><qt><h>2</h></qt></q><q><qt><h>3</h></qt></q><zz><h>1</h></zz>")
    assert call.message == {"rows": [{"sn": "1"}, {"sn": "2"}, {"sn": "3"}]}


@pytest.mark.parametrize("data", ["", "<ms/>", "<ms>  </ms>", "<ms><m/></ms>"])
def test_each_without_rows_writes_nothing(data: str) -> None:
    steps = [{"each": {"from": "ms/m", "to": "rows", "steps": [{"rename": {"fields": {"a": "sn"}}}]}}]
    assert read(steps, data).message == {}


def test_each_only_first_flattens_a_single_row() -> None:
    steps = [{"each": {"from": "z", "to": "data", "only": "first", "steps": []}}]
    assert [flaw.text for flaw in flaws(steps)] == ["节点 data 不重复，不能用 each 写入。"]
    answer = [{"each": {"from": "rows", "to": ".", "only": "first", "steps": [{"rename": {"fields": {"sn": "h"}}}]}}]
    root = written(answer, {"rows": [{"sn": "1"}, {"sn": "2"}]})
    assert [e.text for e in root.iter("h")] == ["1"]


def test_a_message_that_is_a_list_is_written_with_a_dot() -> None:
    steps = [{"each": {"from": "r", "to": ".", "steps": [{"rename": {"fields": {"h": "sn"}}}]}}]
    assert read(steps, "<r><h>1</h></r><r><h>2</h></r>", infno="9200").message == [{"sn": "1"}, {"sn": "2"}]
    assert read(steps, "", infno="9200").message == []
    answer = [{"each": {"from": ".", "to": "rs/r", "steps": [{"rename": {"fields": {"sn": "h"}}}]}}]
    root = written(answer, [{"sn": "1"}, {"sn": "2"}], infno="9200")
    assert [e.text for e in root.iter("h")] == ["1", "2"]


def test_code_translates_both_ways_the_first_listed_wins_on_the_way_back() -> None:
    steps = [{"code": {"from": "xb", "to": "data/gend", "table": "sex"}}]
    assert read(steps, "<xb> M </xb>").message == {"data": {"gend": "1"}}
    root = written([{"code": {"from": "data/gend", "to": "xb", "table": "sex"}}], {"data": {"gend": "1"}})
    assert root.findtext("data/xb") == "男"


def test_code_outside_the_table_is_a_problem_and_the_value_stays() -> None:
    steps = [{"code": {"from": "xb", "to": "data/gend", "table": "sex"}}]
    call = read(steps, "<xb>?</xb>")
    assert call.message == {"data": {"gend": "?"}}
    (problem,) = call.problems
    assert (problem.node, problem.field, problem.label, problem.rule) == ("data", "gend", "性别", "code")
    assert "男、M、女" in problem.text


def test_code_otherwise() -> None:
    steps = [{"code": {"from": "xb", "to": "data/gend", "table": "sex", "otherwise": 9}}]
    call = read(steps, "<xb>?</xb>")
    assert (call.message, call.problems) == ({"data": {"gend": "9"}}, ())


def test_an_answer_that_cannot_be_translated_stays_and_is_said_in_the_message() -> None:
    root = written([{"code": {"from": "data/gend", "to": "xb", "table": "sex"}}], {"data": {"gend": "9"}})
    assert root.findtext("data/xb") == "9"
    assert "对照表 sex" in (root.findtext("msg") or "")


@pytest.mark.parametrize(
    ("patterns", "given", "field", "expected"),
    [
        ("yyyyMMddHHmmss", "20261121083059", "begntime", "2026-11-21 08:30:59"),
        ("yyyy-MM-dd'T'HH:mm", "2026-11-21T08:30", "begntime", "2026-11-21 08:30:00"),
        ("yyyy/M/d", "2026/1/2", "brdy", "2026-01-02"),
        (["yyyyMMdd", "yyyy年M月d日"], "2026年1月2日", "brdy", "2026-01-02"),
        ("yyyyMMdd HH:mm:ss", "20261121 08:30:59", "brdy", "2026-11-21"),
        ("yyyyMMdd", "20261121", "begntime", "2026-11-21 00:00:00"),
    ],
)
def test_date_in(patterns: Any, given: str, field: str, expected: str) -> None:
    call = read([{"date": {"from": "rq", "to": f"data/{field}", "pattern": patterns}}], f"<rq>{given}</rq>")
    assert (call.message, call.problems) == ({"data": {field: expected}}, ())


@pytest.mark.parametrize("given", ["20260230", "2026-1-1", "202611", "２０２６１１２１", "99999999", "0"])
def test_date_unreadable(given: str) -> None:
    call = read([{"date": {"from": "rq", "to": "data/brdy", "pattern": "yyyyMMdd"}}], f"<rq>{given}</rq>")
    assert [(p.rule, p.value) for p in call.problems] == [("date", given)]
    assert call.message == {"data": {"brdy": given}}


def test_date_words_for_no_date() -> None:
    steps = [{"date": {"from": "rq", "to": "data/brdy", "pattern": "yyyyMMdd", "empty": ["00000000", 19000101]}}]
    assert read(steps, "<rq>19000101</rq>").message == {"data": {"brdy": ""}}


def test_date_out_reads_what_platforms_send() -> None:
    for given in ("2026-11-21 08:30:00", "2026-11-21T08:30:00", "2026-11-21 08:30", "2026-11-21 08:30:00.000"):
        root = written(
            [{"date": {"from": "data/begntime", "to": "rq", "pattern": "yyyyMMddHHmm"}}], {"data": {"begntime": given}}
        )
        assert root.findtext("data/rq") == "202611210830"


@pytest.mark.parametrize(
    "pattern", ["yyyyMM", "yyMMdd", "yyyyMMddyyyy", "yyyy-MM-dd'T", "yyyyMMdd hh:mm", "", "YYYY-MM-DD"]
)
def test_patterns_that_mean_nothing(pattern: str) -> None:
    with pytest.raises(ValueError, match="日期格式"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("factor", "scale", "given", "expected"),
    [
        ("0.01", 2, "512345", "5123.45"),
        ("0.01", 2, "-1", "-0.01"),
        ("0.01", None, "100", "1.00"),
        ("100", 0, "5123.45", "512345"),
        ("1000", 0, "0.5", "500"),
        ("0.01", 2, "9999999999999999", "99999999999999.99"),
    ],
)
def test_unit(factor: str, scale: int | None, given: str, expected: str) -> None:
    verb = {"from": "je", "to": "data/amt", "factor": factor} | ({} if scale is None else {"scale": scale})
    assert read([{"unit": verb}], f"<je>{given}</je>").message == {"data": {"amt": expected}}


@pytest.mark.parametrize(
    "given", ["五", "1,000", "1e3", "NaN", "Infinity", "0x10", "１２", "--1", "1.2.3", "1" * 40, "."]
)
def test_unit_of_no_number(given: str) -> None:
    call = read([{"unit": {"from": "je", "to": "data/amt", "factor": "0.01", "scale": 2}}], f"<je>{given}</je>")
    assert [p.rule for p in call.problems] == ["type"]


def test_unit_never_rounds_money_unless_told() -> None:
    verb: dict[str, Any] = {"from": "je", "to": "data/amt", "factor": "0.01", "scale": 2}
    call = read([{"unit": verb}], "<je>12.5</je>")
    assert [p.rule for p in call.problems] == ["scale"]
    assert read([{"unit": {**verb, "rounding": "half_up"}}], "<je>12.5</je>").message == {"data": {"amt": "0.13"}}


def test_unit_out_of_a_decimal() -> None:
    root = written(
        [{"unit": {"from": "data/amt", "to": "je", "factor": 100, "scale": 0}}], {"data": {"amt": Decimal("1E+2")}}
    )
    assert root.findtext("data/je") == "10000"


def test_constant_and_default() -> None:
    steps = [
        {"rename": {"to": "data", "fields": {"bz": "memo"}}},
        {"constant": {"to": "top", "value": "01"}},
        {"default": {"to": "data/memo", "value": "无"}},
        {"default": {"to": "data/gend", "value": 9}},
    ]
    assert read(steps, "<bz></bz>").message == {"top": "01", "data": {"memo": "无", "gend": "9"}}
    assert read(steps, "<bz>有</bz>").message["data"]["memo"] == "有"


def test_concat_leaves_out_what_is_blank() -> None:
    steps = [{"concat": {"from": ["a", "b", "c"], "to": "data/memo", "with": "-"}}]
    assert read(steps, "<a>1</a><b> </b><c>3</c>").message == {"data": {"memo": "1-3"}}
    assert read(steps, "").message == {}


def test_lookup_writes_several_fields_and_reports_a_missing_row_once() -> None:
    steps = [{"lookup": {"from": "ks", "table": "dept", "to": {"code": "data/memo", "name": "data/name"}}}]
    assert read(steps, "<ks>101</ks>").message == {"data": {"memo": "A03", "name": "内科"}}
    assert read(steps, "<ks>102</ks>").message == {"data": {"memo": "A04", "name": ""}}
    call = read(steps, "<ks>999</ks>")
    assert (call.message, [p.rule for p in call.problems]) == ({}, ["code"])


def test_function_gives_its_own_reason() -> None:
    steps = [{"function": {"name": "gender_from_certno", "from": "sfzh", "to": "data/gend"}}]
    assert read(steps, "<sfzh>440102198001010013</sfzh>").message == {"data": {"gend": "1"}}
    assert read(steps, "<sfzh> </sfzh>").message == {"data": {"gend": ""}}
    (problem,) = read(steps, "<sfzh>440102198001010014</sfzh>").problems
    assert "校验位" in problem.text


def test_all_problems_are_told_at_once() -> None:
    steps = [
        {"code": {"from": "xb", "to": "data/gend", "table": "sex"}},
        {"date": {"from": "rq", "to": "data/brdy", "pattern": "yyyyMMdd"}},
        {"unit": {"from": "je", "to": "data/amt", "factor": "0.01", "scale": 2}},
    ]
    call = read(steps, "<xb>x</xb><rq>y</rq><je>z</je>")
    assert [p.rule for p in call.problems] == ["code", "date", "type"]


def test_unknown_names_what_nobody_reads_once_and_not_what_is_ignored() -> None:
    steps = [{"each": {"from": "m", "to": "rows", "steps": [{"rename": {"fields": {"h": "sn"}}}]}}]
    data = "<m><h>1</h><x>1</x></m><m><h>2</h><x>2</x></m><y><z>3</z></y><leer/><bz>!</bz><m2 a='1'/>"
    call = read(steps, data, ignored=["bz"])
    assert call.unknown == ("xml/data/m/x", "xml/data/y", "xml/data/m2")


# ------------------------------------------------------------------ mistakes in a dialect


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"rename": {"to": "data", "fields": {"a": "nmae"}}}], "data/nmae 不在国家接口中，是否为 name"),
        ([{"rename": {"fields": {"a": "dat/name"}}}], "节点 dat 不在国家接口中，是否为 data"),
        ([{"rename": {"fields": {"a": "data"}}}], "data 是节点，不是字段"),
        ([{"rename": {"fields": {"a": "rows/sn"}}}], "节点 rows 可重复，须用 each"),
        ([{"rename": {"fields": {"a//b": "top"}}}], "路径“a//b”写法有误"),
        ([{"rename": {"fields": {"a": "top", "b": "top"}}}], "top 已由前面的步骤写过"),
        ([{"each": {"from": "a", "to": "data", "steps": []}}], "节点 data 不重复"),
        ([{"each": {"from": "a", "to": "top", "steps": []}}], "top 是字段，不是节点"),
        ([{"each": {"from": "a", "to": ".", "steps": []}}], "各行会互相覆盖"),
        ([{"code": {"from": "a", "to": "top", "table": "nope"}}], "没有对照表“nope”"),
        ([{"lookup": {"from": "a", "table": "nope", "to": {"x": "top"}}}], "没有资料表“nope”"),
        ([{"lookup": {"from": "a", "table": "dept", "to": {"x": "top"}}}], "没有列“x”"),
        ([{"function": {"name": "eval", "from": "a", "to": "top"}}], "没有函数“eval”"),
        ([{"function": {"name": "certno_to_18", "from": ["a", "b"], "to": "top"}}], "需要 1 个值"),
        ([{"date": {"from": "a", "to": "data/brdy", "pattern": "yyyy-mm"}}], "缺少月 MM"),
        ([{"move": {"from": "a", "to": "nope"}}], "nope 不在国家接口中"),
        ([{"default": {"to": "nope", "value": 1}}], "nope 不在国家接口中"),
    ],
)
def test_flaws_of_requests(steps: list[dict[str, Any]], said: str) -> None:
    (flaw,) = flaws(steps)
    assert said in flaw.text
    assert flaw.file == "transactions/t.yaml"
    assert flaw.path[:2] == ("request", 0) or said.startswith("top 已")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"rename": {"fields": {"data/nmae": "a"}}}], "是否为 name"),
        ([{"rename": {"fields": {"data/name": "a", "data/memo": "a/b"}}}], "冲突"),
        ([{"each": {"from": "rows", "to": ".", "steps": []}}], "各行会互相覆盖"),
        ([{"rename": {"fields": {"rows/sn": "a"}}}], "须用 each"),
    ],
)
def test_flaws_of_answers(steps: list[dict[str, Any]], said: str) -> None:
    (flaw,) = flaws((), steps)
    assert said in flaw.text


def test_callbacks_and_unknown_transactions_cannot_be_translated() -> None:
    assert "没有可由院内调用的交易 6204" in flaws(infno="6204")[0].text
    assert "没有可由院内调用的交易 1" in flaws(infno="1")[0].text
