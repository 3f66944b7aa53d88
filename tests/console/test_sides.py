"""Both sides of a message beside each other: every field once, what differs is marked, what is personal is masked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.exchanges.reading import HIDDEN, Reader
from gateway.console.exchanges.sides import (
    ROWS_PAGE,
    Answer,
    Pair,
    Request,
    amendments,
    asked,
    matched,
    told,
)
from gateway.contract.dialect import Carried
from gateway.contract.model import CodeList, Field, Node, Side

SUB = Node("subs", "子项", repeat=True, fields=(Field("no", "序号", "string"),))
ROW = Node(
    "rows",
    "明细",
    repeat=True,
    fields=(Field("sn", "流水号", "string"), Field("amt", "金额", "decimal")),
    children=(SUB,),
)
DATA = Node(
    "data", "数据", repeat=False,
    fields=(Field("psn_name", "姓名", "string"), Field("gend", "性别", "string", codes="gend"),
            Field("begntime", "入院时间", "datetime"), Field("memo", "备注", "string")),
)  # fmt: skip
SIDE = Side(nodes=(DATA, ROW))
LIST = Side(root=(Field("sn", "流水号", "string"),), root_repeat=True)
CODES = {"gend": CodeList("gend", "性别", {"1": "男", "2": "女"})}
PLAIN, MASKED = Reader(CODES, plain=True), Reader(CODES, plain=False)
TIME = {"his": "20261121081200", "read": "2026-11-21 08:12:00", "sent": "2026-11-21 10:09:00"}


def pairs(request: Request, reader: Reader = PLAIN, side: Side = SIDE) -> dict[tuple[str, int, str], Pair]:
    return {
        (section.path, row.number, pair.name): pair
        for section in asked(side, request, reader)
        for row in section.rows
        for pair in row.pairs
    }


def request(given: Any, sent: Any, **more: Any) -> Request:
    return Request(given, more.pop("checked", given), sent, **more)


def test_an_entry_time_that_a_rule_amended_is_told_with_all_that_became_of_it() -> None:
    carried = [
        Carried(((("ryrq",), TIME["his"]),), ("data", "begntime")),
        Carried(((("xb",), "男"),), ("data", "gend")),
        Carried((), ("data", "gend")),
        Carried((), ("data", "memo")),
    ]
    read = {"data": {"begntime": TIME["read"], "gend": "1", "memo": "方言补"}}
    sent = {"data": {"begntime": TIME["sent"], "gend": "1", "memo": "方言补", "psn_name": "张三丰"}}
    evidence = [
        {"changes": [{"rule": "ET-01", "place": "data/begntime", "before": "", "after": ""}]},
        None,
        {"changes": 7},
    ]
    found = pairs(request(read, sent, carried=carried, amended=amendments(evidence)))
    time = found["data", 1, "begntime"]
    assert (time.his, time.his_text, time.text, time.mark, time.rule) == ("ryrq", TIME["his"], TIME["sent"], "amended", "ET-01")  # fmt: skip
    sex = found["data", 1, "gend"]
    assert (sex.his, sex.his_text, sex.text, sex.meaning, sex.mark) == ("xb", "男", "1", "男", "converted")
    assert (found["data", 1, "memo"].mark, found["data", 1, "memo"].his) == ("filled", "")
    assert found["data", 1, "psn_name"].mark == "filled"


def test_who_may_not_see_bodies_sees_the_difference_and_no_person() -> None:
    carried = [Carried(((("xm",), "张三丰"),), ("data", "psn_name")), Carried(((("ryrq",), TIME["his"]),), ("data", "begntime")),
               Carried(((("a",), "腹痛三天"), (("b",), "王医生")), ("data", "memo"))]  # fmt: skip
    read = {"data": {"psn_name": "张三丰", "begntime": TIME["read"], "memo": "腹痛三天王医生"}}
    sent = {"data": read["data"] | {"begntime": TIME["sent"]}}
    found = pairs(request(read, sent, carried=carried), MASKED)
    assert (found["data", 1, "psn_name"].his_text, found["data", 1, "psn_name"].text) == ("张**", "张**")
    assert (found["data", 1, "begntime"].his_text, found["data", 1, "begntime"].text) == (TIME["his"], TIME["sent"])
    assert (found["data", 1, "memo"].his, found["data", 1, "memo"].his_text) == ("a + b", HIDDEN)


@pytest.mark.parametrize("stray", ["440899198507241019", "13800138000", "欧阳明月", "1985072413800138000"])
@pytest.mark.parametrize("name", ["begntime", "gend"])
def test_a_person_in_the_wrong_field_stays_hidden(stray: str, name: str) -> None:
    """A refused message has fields that are not what the table says."""
    carried = [Carried(((("x",), stray),), ("data", name))]
    for sent in (None, {"data": {name: stray}}, {"data": {name: "1"}}):
        found = pairs(request({"data": {name: stray}}, sent, checked={"data": {}}, carried=carried), MASKED)
        assert stray not in str(found), sent


def test_what_was_refused_is_beside_what_it_was_read_as() -> None:
    given_ = {"data": {"begntime": "gestern", "gend": "1"}}
    found = pairs(request(given_, None, checked={"data": {"gend": "1"}}))
    assert (found["data", 1, "begntime"].his_text, found["data", 1, "begntime"].text) == ("gestern", "gestern")
    assert {pair.mark for pair in found.values()} == {""}


def test_what_did_not_go_out_and_what_no_table_has() -> None:
    found = pairs(request({"data": {"memo": "急", "strange": "x"}}, {"data": {"extra": "y"}}))
    assert found["data", 1, "memo"].mark == "left"
    assert (found["data", 1, "strange"].label, found["data", 1, "strange"].mark) == ("接口规范之外", "left")
    assert found["data", 1, "extra"].mark == "filled"
    assert "440899198507241019" not in str(pairs(request({"data": {"440899198507241019": "x"}}, {}), MASKED))


def test_rows_that_a_rule_put_in_another_order_are_compared_with_themselves() -> None:
    rows: list[dict[str, Any]] = [
        {"sn": "a", "amt": "1"},
        {"sn": "b", "amt": "2"},
        {"sn": "c", "amt": "3", "subs": [{"no": "7"}]},
    ]
    found = pairs(request({"rows": rows}, {"rows": [rows[2], rows[0] | {"amt": "9"}, rows[1]]}))
    assert {key: pair.mark for key, pair in found.items() if pair.mark} == {("rows", 1, "amt"): "amended"}
    assert found["rows/subs", 1, "no"].text == "7"
    assert matched([{"a": 1}, {"a": 2}], [{"a": 2}]) == [None, 0]


def test_long_lists_are_paged_and_nothing_is_lost() -> None:
    rows = [{"sn": str(number), "amt": Decimal(number)} for number in range(2 * ROWS_PAGE + 3)]
    given_ = request({"data": {"memo": "x"}, "rows": rows}, {"data": {"memo": "x"}, "rows": rows})
    seen = []
    for page in (1, 2, 3, 4):
        data, section = asked(SIDE, given_, PLAIN, page)
        assert data.count == 1, "what is short stays on every page"
        assert (section.count, section.pages, section.columns) == (len(rows), 3, [("sn", "流水号", "sn"), ("amt", "金额", "amt")])  # fmt: skip
        seen += [row.pairs[0].text for row in section.rows]
        if page == 3:
            break
    assert seen == [row["sn"] for row in rows]


def test_a_message_that_is_a_list() -> None:
    carried = [Carried(((("r", 2, "xh"), "b"),), (2, "sn"))]
    found = pairs(request([{"sn": "a"}, {"sn": "b"}], [{"sn": "a"}, {"sn": "b"}], carried=carried), side=LIST)
    assert (found["", 2, "sn"].his, found["", 2, "sn"].mark) == ("r/xh", "")
    assert found["", 1, "sn"].mark == "filled"


def test_an_answer_says_what_of_it_reached_the_his() -> None:
    output = {"data": {"psn_name": "张三丰", "memo": "m", "begntime": TIME["read"]}, "rows": [{"sn": "1"}]}
    carried = [
        Carried(((("data", "psn_name"), "张三丰"),), ("xm",)),
        Carried(((("data", "begntime"), TIME["read"]),), ("sj",)),
    ]
    body = {"xm": "张三丰", "sj": "20261121"}
    found = {pair.name: pair for one in told(SIDE, Answer(output, body, carried), PLAIN) for row in one.rows for pair in row.pairs}  # fmt: skip
    assert (found["psn_name"].his, found["psn_name"].mark) == ("xm", "")
    assert (found["begntime"].his_text, found["begntime"].mark) == ("20261121", "converted")
    assert (found["memo"].his, found["memo"].mark, found["sn"].mark) == ("", "left", "left")
    masked = {pair.name: pair for one in told(SIDE, Answer(output, body, carried), MASKED) for row in one.rows for pair in row.pairs}  # fmt: skip
    assert (masked["psn_name"].his_text, masked["memo"].text) == ("张**", HIDDEN)
    typed = {pair.name: pair for one in told(SIDE, Answer({"data": {"memo": "m", "x": "y"}}, known_only=True), PLAIN) for row in one.rows for pair in row.pairs}  # fmt: skip
    assert (typed["memo"].his, typed["x"].mark) == ("memo", "left")


texts = st.sampled_from(["", "a", "b", "2026-11-21", "12.5"])
messages = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(st.sampled_from(["psn_name", "gend", "begntime", "strange"]), texts, max_size=4),
        "rows": st.lists(
            st.fixed_dictionaries({}, optional={"sn": texts, "amt": texts, "subs": st.just([{"no": "1"}])}), max_size=3
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(given_=messages, sent=st.none() | messages, page=st.integers(1, 3))
def test_no_value_of_either_side_is_left_out(given_: dict[str, Any], sent: dict[str, Any] | None, page: int) -> None:
    found = asked(SIDE, request(given_, sent), PLAIN, page)
    shown = [pair for one in found for row in one.rows for pair in row.pairs]

    def values(message: Any) -> list[str]:
        data = [text for text in (message or {}).get("data", {}).values() if text]
        rows = [row[name] for row in (message or {}).get("rows", []) for name in ("sn", "amt") if row.get(name)]
        return sorted(data + rows)

    listed = [pair for pair in shown if pair.name != "no"]
    assert sorted(pair.his_text for pair in listed if pair.his_text) == values(given_)
    assert sorted(pair.text for pair in listed if pair.text) == values(given_ if sent is None else sent)
    assert all(bool(pair.mark) == (pair.his_text != pair.text) for pair in shown)
