"""Which charset bytes are in when declarations agree, disagree, lie or are missing."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.contract.charset import (
    codec_of,
    declared_in_xml,
    decode,
    encode_xml,
    header_charset,
    label_of,
    without_declaration,
)
from gateway.faults import Unreadable

HANZI = "患者张三丰，住院号１２３"


@pytest.mark.parametrize(
    ("label", "codec"),
    [("UTF-8", "utf-8"), ("utf8", "utf-8"), ("GBK", "gbk"), ("gb2312", "gb2312"), ("CP936", "gbk"), (" GB18030 ", "gb18030"),
     ("utf-16", "utf-16"), ('"gbk"', "gbk"), ("US-ASCII", "ascii"), ("ISO-8859-1", "iso-8859-1")],
)  # fmt: skip
def test_labels_of_the_world_are_known(label: str, codec: str) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize("label", ["klingon", "big5", "utf-7", "base64", "", "rot13", "idna", "x" * 500])
def test_other_labels_are_refused_by_name(label: str) -> None:
    with pytest.raises(Unreadable) as caught:
        codec_of(label)
    assert caught.value.fault.code == "GW-1003"
    assert label[:50] in caught.value.text
    assert len(caught.value.text) < 200


@pytest.mark.parametrize(
    ("header", "charset"),
    [("text/xml", ""), ("text/xml; charset=gbk", "gbk"), ('text/xml;charset="GBK"', "GBK"), ("", ""), (";;=;", ""),
     ("application/soap+xml; action=x; CharSet = utf-8", "utf-8"), ("text/xml; charset", "")],
)  # fmt: skip
def test_the_header_is_read(header: str, charset: str) -> None:
    assert header_charset(header) == charset


@pytest.mark.parametrize(
    ("body", "charset"),
    [(b"<?xml version='1.0' encoding='GBK'?><a/>", "GBK"), (b'<?xml version="1.0" encoding = "utf-8" standalone="yes"?>', "utf-8"),
     (b"<?xml version='1.0'?><a encoding='GBK'/>", ""), (b"<a/>", ""), (b'\r\n <?xml version="1.0" encoding="GBK"?>', "GBK")],
)  # fmt: skip
def test_the_declaration_is_read(body: bytes, charset: str) -> None:
    assert declared_in_xml(body) == charset


@pytest.mark.parametrize(
    ("codec", "in_xml", "in_header", "answered"),
    [
        ("utf-8", "", "", "utf-8"),
        ("utf-8", "UTF-8", "utf-8", "utf-8"),
        ("utf-8-sig", "GBK", "", "utf-8"),
        ("gbk", "GBK", "", "gbk"),
        ("gbk", "", "gbk", "gbk"),
        ("gbk", "GB2312", "GBK", "gb2312"),
        ("gb18030", "GB18030", "", "gb18030"),
        ("gbk", "GBK", "utf-8", "gbk"),
        ("gbk", "utf-8", "gbk", "gbk"),
        ("utf-8", "GBK", "utf-8", "utf-8"),
        ("utf-8", "utf-8", "GBK", "utf-8"),
        ("gbk", "GBK", "ISO-8859-1", "gbk"),
        ("utf-8", "UTF-8", "ISO-8859-1", "utf-8"),
        ("utf-8", "", "ISO-8859-1", "iso-8859-1"),
        ("utf-8", "utf-16", "utf-8", "utf-8"),
        ("utf-16", "", "", "utf-16"),
        ("utf-16", "utf-8", "gbk", "utf-16"),
        ("utf-16-be", "utf-16", "", "utf-16"),
    ],
)
def test_the_text_is_found(codec: str, in_xml: str, in_header: str, answered: str) -> None:
    text = f"<a>{HANZI}</a>"
    assert decode(text.encode(codec), in_xml=in_xml, in_header=in_header) == (text, answered)


@pytest.mark.parametrize(
    ("codec", "in_xml", "in_header", "where"),
    [
        ("utf-8", "GBK", "", "UTF-8"),
        ("utf-8", "", "gb18030", "UTF-8"),
        ("utf-8", "GBK", "gb2312", "UTF-8"),
        ("gbk", "UTF-8", "", "UTF-8"),
        ("gbk", "", "", "未声明"),
        ("gbk", "", "ISO-8859-1", "ISO-8859-1"),
        ("gbk", "utf-8", "ISO-8859-1", "按 UTF-8"),
        ("utf-8", "UTF-16", "", "UTF-16"),
        ("utf-32", "", "", "UTF-32"),
        ("utf-8", "klingon", "", "klingon"),
        ("utf-8", "", "klingon", "klingon"),
        ("big5", "GB2312", "UTF-8", "GB2312"),
    ],
)
def test_a_lie_is_named(codec: str, in_xml: str, in_header: str, where: str) -> None:
    text = "<a>醫療保險，張三豐瀧</a>" if codec == "big5" else f"<a>{HANZI}</a>"
    body = text.encode(codec) + (b"\xff\xff" if codec == "big5" else b"")
    with pytest.raises(Unreadable) as caught:
        decode(body, in_xml=in_xml, in_header=in_header)
    assert caught.value.fault.code == "GW-1003"
    assert where in caught.value.text


def test_two_bytes_that_are_both_charsets_are_what_was_declared() -> None:
    # 目 in GBK is the bytes of Ŀ in UTF-8; a short name must not turn a GBK message into something else
    body = "<a>目</a>".encode("gbk")
    assert body.decode("utf-8") == "<a>Ŀ</a>"
    for in_xml, in_header in (("GBK", ""), ("GBK", "utf-8"), ("utf-8", "gbk")):
        assert decode(body, in_xml=in_xml, in_header=in_header)[0] == "<a>目</a>"


CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=8)


@given(CHINESE, st.sampled_from([("GBK", ""), ("", "gbk"), ("GBK", "utf-8"), ("utf-8", "GBK"), ("GB18030", "")]))
def test_hanzi_in_gbk_are_read_however_the_other_side_is_declared(text: str, declared: tuple[str, str]) -> None:
    body = text.encode("gbk")
    assume(not _is_utf8(body))  # 騹丁 is one character of UTF-8: such bytes are refused or read as the other side says
    assert decode(body, in_xml=declared[0], in_header=declared[1])[0] == text


def _is_utf8(body: bytes) -> bool:
    try:
        return bool(body.decode())
    except UnicodeDecodeError:
        return False


@given(st.binary(max_size=60), st.sampled_from(["", "utf-8", "gbk", "gb18030", "utf-16", "iso-8859-1"]), st.sampled_from(["", "utf-8", "gbk", "utf-16"]))  # fmt: skip
def test_any_bytes_are_text_or_a_named_fault(body: bytes, in_xml: str, in_header: str) -> None:
    try:
        text, codec = decode(body, in_xml=in_xml, in_header=in_header)
    except Unreadable as error:
        code = error.fault.code
    else:
        code = ""
        assert encode_xml(text, codec).decode(codec) == text or codec in ("gbk", "ascii", "iso-8859-1")
        assert codec_of(label_of(codec)) == codec
    assert code in ("", "GW-1003")


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["utf-8", "gbk", "gb2312", "gb18030", "utf-16", "ascii", "iso-8859-1"]))  # fmt: skip
def test_nothing_is_lost_on_the_way_out(text: str, codec: str) -> None:
    encoded = encode_xml(text, codec).decode(codec)
    assert encoded.count("?") == text.count("?")
    for character in text:
        assert character in encoded or f"&#{ord(character)};" in encoded


def test_the_declaration_goes_with_the_bytes() -> None:
    assert without_declaration('<?xml version="1.0" encoding="GBK"?><a/>') == "<a/>"
    assert without_declaration("<a/>") == "<a/>"
