"""Rows cut out of the text say what parsing every leaf says: the same message, the same problems, the same fault."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.codec import Codec, Findings
from gateway.contract.model import CodeList, Field, Node, Side
from gateway.contract.plain_rows import Cut, VouchedRow, VouchedRows, parse_apart, parse_text_apart
from gateway.contract.xml import parse, parse_text
from gateway.faults import Unreadable
from tests.contract.row_kit import AROUND, FEE, NESTED, PLAIN, SEX, SIDE, printed, row, told

CODEC = Codec(SIDE, {"sex": SEX})


def envelope(content: str, opening: str = "<Txn1>", closing: str = "</Txn1>") -> str:
    return f'<e:Envelope xmlns:e="urn:e" xmlns:p="urn:p" xmlns:q="urn:q"><e:Body>{opening}{content}{closing}</e:Body></e:Envelope>'


def cutter(text: str) -> Cut | None:
    return CODEC.cut(text, ("Body", "Txn1"))


def parsed_whole(body: bytes, charset: str) -> Any:
    try:
        root, codec = parse(body, charset)
    except Unreadable as fault:
        return fault.fault.code, fault.text
    holders = [holder for body in root for holder in body]
    return codec, [told(*CODEC.check(CODEC.read_xml(holder))) for holder in holders]


def parsed_apart(body: bytes, charset: str) -> Any:
    try:
        root, codec, cut = parse_apart(body, charset, cutter)
    except Unreadable as fault:
        return fault.fault.code, fault.text
    holders = [holder for body in root for holder in body]
    return codec, [told(*CODEC.check(CODEC.read_xml(holder, cut=cut))) for holder in holders]


def read(document: str) -> tuple[Any, Cut | None]:
    root, _, cut = parse_apart(document.encode(), "", cutter)
    return CODEC.read_xml(root[0][0], cut=cut), cut


# ---------------------------------------------------------------- the same

OPENINGS = st.sampled_from(
    [("<Txn1>", "</Txn1>")] * 6
    + [("<p:Txn1>", "</p:Txn1>"), ('<Txn1 xmlns="urn:yibao">', "</Txn1>"), ("<Txn2>", "</Txn2>"), ("", "")]
    + [("<Txn1/><Txn1>", "</Txn1>"), ("<Txn1><in>", "</in></Txn1>"), ("<!DOCTYPE x><Txn1>", "</Txn1>")]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        before, after = draw(AROUND)
        parts.append(before + "".join(draw(st.lists(row(), max_size=3))) + after)
    whole = envelope("".join(parts), *draw(OPENINGS))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(whole)))
        whole = whole[:place] + draw(st.sampled_from(["", "<", "&", ">", "x", "</fee>", "<fee>"])) + whole[place + 1 :]
    return whole


@given(documents(), st.sampled_from(["utf-8", "utf-8", "gb18030", "utf-16"]))
@settings(max_examples=60, deadline=None)
def test_rows_cut_out_are_read_as_if_they_had_been_parsed(document: str, charset: str) -> None:
    body = document.encode(charset, "surrogatepass" if charset.startswith("utf") else "replace")
    assert parsed_apart(body, charset) == parsed_whole(body, charset)


@given(documents())
@settings(max_examples=20, deadline=None)
def test_so_are_those_of_a_message_that_came_as_text(document: str) -> None:
    def outcome(apart: bool) -> Any:
        try:
            root, cut = parse_text_apart(document, cutter) if apart else (parse_text(document), None)
        except Unreadable as fault:
            return fault.text
        return [told(*CODEC.check(CODEC.read_xml(holder, cut=cut))) for body in root for holder in body]

    assert outcome(apart=True) == outcome(apart=False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"<p:fee>{PLAIN.replace('no>', 'none:no>')}</p:fee>", id="a leaf's prefix that nobody declared"),
        pytest.param(f"<p:fee>{PLAIN}</p:fee><none:fee>{PLAIN}</none:fee>", id="a row's prefix that nobody declared"),
        pytest.param("<fee><no>1</no><amount>1</amount><memo>/></fee>", id="an end that is none"),
        pytest.param(f"<fee>{PLAIN.replace('张三 三', 'a' + chr(13) + 'b')}</fee>", id="a carriage return"),
        pytest.param(f'<!--<fee>{PLAIN}</fee>--><fee yibao.rows="0"/>', id="a mark for what is in a comment"),
    ],
)
def test_what_means_more_than_it_looks_is_left_to_the_parser(content: str) -> None:
    body = envelope(content).encode()
    assert parsed_apart(body, "") == parsed_whole(body, "")


# ------------------------------------------------------------ what is cut


def test_plain_rows_are_vouched_for_and_typed() -> None:
    message, cut = read(envelope(f"<serial>9</serial><person><name>张三</name></person>\n<fee>{PLAIN}</fee>" * 1))
    assert cut is not None
    assert cut.skeleton == envelope(
        '<serial>9</serial><person yibao.rows="0"/><fee yibao.rows="1"/>',
    )
    assert type(message["person"]) is VouchedRow
    assert type(message["fee"]) is VouchedRows
    assert (message["fee"].by, message["fee"].doubtful) == (CODEC._shapes[id(FEE)], [])
    checked, found = CODEC.check(message)
    assert found == Findings()
    assert printed(checked) == printed(
        {
            "serial": "9",
            "person": {"name": "张三"},
            "fee": [
                {
                    "no": "1",
                    "amount": Decimal("-1.50"),
                    "count": 7,
                    "day": "2026-02-28",
                    "sex": "1",
                    "memo": "张三 三",
                }
            ],
        }
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            f"<p:fee><p:{PLAIN[1:].replace('</', '</p:').replace('><', '><p:').replace('<p:/p:', '</p:')}</p:fee>",
            id="a prefix",
        ),
        pytest.param(f"<p:fee>{PLAIN}</p:fee>", id="leaves without the prefix of their row"),
        pytest.param(f'<fee xmlns="">{PLAIN}</fee>', id="no namespace, as Axis writes it"),
        pytest.param(f"<fee>\r\n\t{PLAIN.replace('><', '>' + chr(10) + '<')}\n</fee>", id="indented"),
        pytest.param(PLAIN.join(("<fee>", "</fee>")).replace("<sex>1</sex>", "<sex/>"), id="an empty element"),
        pytest.param(PLAIN.join(("<fee>", "</fee>")).replace("<sex>1</sex>", "<sex />"), id="one with a space"),
        pytest.param(PLAIN.join(("<fee>", "</fee>")).replace("<sex>1</sex>", "<sex></sex>"), id="one with two tags"),
    ],
)
def test_rows_are_plain_as_generated_clients_write_them(rows: str) -> None:
    message, cut = read(envelope(rows * 3))
    assert cut is not None
    assert cut.skeleton.count("yibao.rows") == 1
    assert len(message["fee"]) == 3
    assert message["fee"].doubtful == []


def test_a_row_that_is_not_plain_is_parsed_and_checked_in_its_place() -> None:
    other = f"<fee>{PLAIN.replace('张三 三', 'A&amp;B').replace('<no>1', '<no>1234')}</fee>"
    message, cut = read(envelope(f"<fee>{PLAIN}</fee><fee>{PLAIN}</fee>{other}<fee>{PLAIN}</fee>"))
    assert cut is not None
    assert message["fee"].doubtful == [2]
    checked, found = CODEC.check(message)
    assert [(problem.node, problem.row, problem.field) for problem in found.problems] == [("fee", "3", "no")]
    assert isinstance(checked, dict)
    assert [row["memo"] for row in checked["fee"]] == ["张三 三", "张三 三", "A&B", "张三 三"]


def test_a_value_that_no_pattern_can_judge_leaves_its_rows_to_the_check() -> None:
    message, _ = read(envelope(f"<fee>{PLAIN}</fee><fee>{PLAIN.replace('02-28', '02-30')}</fee>"))
    assert message["fee"].doubtful == [0, 1]
    _, found = CODEC.check(message)
    assert [(problem.row, problem.field, problem.rule) for problem in found.problems] == [("2", "day", "date")]


def test_rows_are_checked_anew_by_tables_that_were_renewed_meanwhile() -> None:
    message, _ = read(envelope(f"<fee>{PLAIN}</fee>"))
    renewed = Codec(SIDE, {"sex": CodeList("sex", "性别", {"2": "女"})})
    _, found = renewed.check(message)
    assert [(problem.row, problem.field, problem.rule) for problem in found.problems] == [("1", "sex", "code")]


def test_one_who_writes_otherwise_is_not_looked_at_row_for_row() -> None:
    """References in the first rows: what follows is parsed, too."""
    odd = f"<fee>{PLAIN.replace('张三', '&amp;')}</fee>"
    assert cutter(envelope(odd * 3 + f"<fee>{PLAIN}</fee>" * 9)) is None


def test_an_odd_row_here_and_there_does_not_end_it() -> None:
    odd, fee = f"<fee>{PLAIN.replace('张三', '&amp;')}</fee>", f"<fee>{PLAIN}</fee>"
    message, _ = read(envelope(fee * 40 + (odd + fee) * 6))
    assert message["fee"].doubtful == [40, 42, 44, 46, 48, 50]


def test_many_rows_are_some_runs_and_keep_their_numbers() -> None:
    wrong = PLAIN.replace("02-28", "02-30")
    message, cut = read(envelope(f"<fee>{PLAIN}</fee>" * 2100 + f"<fee>{wrong}</fee>"))
    assert cut is not None
    assert [len(rows) for _, rows in cut.runs] == [2000, 101]
    _, found = CODEC.check(message)
    assert [(problem.row, problem.field) for problem in found.problems] == [("2101", "day")]


def test_rows_with_hardly_anything_in_them_are_not_given_a_place_for_each_field() -> None:
    wide = Codec(
        Side(nodes=(Node("r", "行", True, fields=tuple(Field(f"f{n}", "", "string") for n in range(50))),)), {}
    )
    assert wide.cut(envelope("<r></r>" * 100), ("Body", "Txn1")) is not None
    assert wide.cut(envelope("<r></r>" * 5000), ("Body", "Txn1")) is None


@pytest.mark.parametrize(
    "document",
    [
        envelope(f"<!--<fee>{PLAIN}</fee>-->"),
        envelope(f"<![CDATA[<fee>{PLAIN}</fee>]]>"),
        envelope(f"<other><fee>{PLAIN}</fee></other>"),
        envelope(f"<fee>{PLAIN}</fee>", "<Txn1/><Txn1>"),
        envelope(f"<fee>{PLAIN}</fee>", "", ""),
        envelope(f'<fee yibao.rows="0"/><fee>{PLAIN}</fee>'),
        envelope(f"<fee>{PLAIN}</fee>&none;"),
    ],
)
def test_marks_that_do_not_come_back_where_rows_belong_are_not_believed(document: str) -> None:
    """Nothing is lost to a comment, and nobody can write a mark himself."""
    try:
        _, _, cut = parse_apart(document.encode(), "", cutter)
    except Unreadable as fault:
        assert "第 1 行" in fault.text
    else:
        assert cut is None


def test_a_malformed_document_is_told_of_at_its_own_place() -> None:
    document = envelope(f"<fee>\n{PLAIN}\n</fee>\n<fee>\n{PLAIN}</fee>\n<x>")
    assert cutter(document) is not None
    with pytest.raises(Unreadable, match="第 6 行"):
        parse_apart(document.encode(), "", cutter)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param((NESTED,), id="with nodes of its own"),
        pytest.param(
            (Node("a", "", True, fields=(FEE.fields[0],)), Node("b", "", True, fields=(Field("a", "", "string"),))),
            id="its name again",
        ),
        pytest.param((Node("fee", "", True, fields=(Field("0", "", "string"),)),), id="no name of XML"),
        pytest.param((Node("fee", "", True, fields=(Field("day", "", "date", length=4),)),), id="a field nothing fits"),
        pytest.param((Node("fee", "", True),), id="without fields"),
    ],
)
def test_nodes_that_are_not_rows_of_leaves_are_left_to_the_parser(nodes: tuple[Node, ...]) -> None:
    codec = Codec(Side(nodes=nodes), {})
    assert (
        codec.cut(
            envelope("<fee><no>1</no><day>2026</day><0>1</0></fee><a><no>1</no></a><bill><no>1</no></bill>"),
            ("Body", "Txn1"),
        )
        is None
    )
