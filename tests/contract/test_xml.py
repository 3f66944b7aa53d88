"""The one XML parser that faces strangers, and what is written back."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.xml import escape, illegal_character, local, parse, parse_text
from gateway.faults import Unreadable


def code(body: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        parse(body)
    return caught.value.fault.code


@pytest.mark.parametrize("body", [b"", b" \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_nothing_is_named(body: bytes) -> None:
    assert code(body) in ("GW-1010", "GW-1001")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE a><a/>",
        b"<?xml version='1.0'?>\n<!-- x --><?p <!DOCTYPE ?><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b"<!DOCTYPE",
        "<!DOCTYPE a><a/>".encode("utf-16"),
    ],
)
def test_a_doctype_is_refused_before_it_is_read(body: bytes) -> None:
    assert code(body) == "GW-1002"


@pytest.mark.parametrize(
    "body", [b"<a><![CDATA[<!DOCTYPE x><!ENTITY y>]]></a>", b"<!-- <!DOCTYPE a> --><a/>", b"<a b='&lt;!DOCTYPE'/>"]
)
def test_a_doctype_that_is_only_text_is_text(body: bytes) -> None:
    assert parse(body)[0].tag == "a"


def test_a_broken_message_that_speaks_of_doctype_is_broken() -> None:
    assert code(b"<a><![CDATA[<!DOCTYPE x>]]></b>") == "GW-1001"


@pytest.mark.parametrize("depth", [257, 10_000, 200_000])
def test_too_deep_is_named(depth: int) -> None:
    assert code(b"<a>" * depth + b"</a>" * depth) == "GW-1007"


def test_one_text_above_ten_megabytes_is_named() -> None:
    assert parse(b"<a>" + b"x" * 9_000_000 + b"</a>")[0].tag == "a"
    assert code(b"<a>" + b"x" * 11_000_000 + b"</a>") == "GW-1006"


def test_where_it_is_broken_is_told() -> None:
    with pytest.raises(Unreadable) as caught:
        parse("<a>\n  <姓名>张三</姓>\n</a>".encode())
    assert caught.value.fault.code == "GW-1001"
    assert "第 2 行" in caught.value.text


def test_comments_and_instructions_are_not_there() -> None:
    root, _ = parse("<a><!-- 张 -->x<?p y?><b/></a>".encode())
    assert [child.tag for child in root] == ["b"]


def test_text_in_a_message_has_no_charset_of_its_own() -> None:
    assert parse_text('\ufeff <?xml version="1.0" encoding="GBK"?><a>张三</a>').text == "张三"
    with pytest.raises(Unreadable):
        parse_text(" \n")


def test_local_names() -> None:
    assert (local("{urn:x}a"), local("a"), local("{}a")) == ("a", "a", "a")


@given(st.text())
def test_what_is_escaped_is_read_back_without_what_xml_cannot_carry(text: str) -> None:
    back = ET.fromstring(f"<a>{escape(text)}</a>".encode("utf-8", "surrogatepass")).text or ""
    assert back == "".join(character for character in text if not illegal_character(character))


@given(st.characters())
def test_the_illegal_are_those_the_parser_refuses(character: str) -> None:
    try:
        ET.fromstring(f"<a>{character}</a>".encode()) if character not in "<&" else None
        readable = True
    except (ET.ParseError, UnicodeEncodeError):
        readable = False
    assert readable == (illegal_character(character) == "")


@given(st.binary(max_size=80))
def test_any_bytes_are_a_tree_or_a_named_fault(body: bytes) -> None:
    try:
        root, codec = parse(body)
        told = codec if isinstance(root.tag, str) else ""
    except Unreadable as error:
        told = error.fault.code
    assert told in ("utf-8", "utf-16", "gbk") or told.startswith("GW-10")
