"""XML from strangers: one hardened way in, and the small helpers to write it."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from gateway.contract.charset import claims_utf8, declared_in_xml, decode, without_declaration
from gateway.faults import DTD_FORBIDDEN, REQUEST_EMPTY, TOO_DEEP, TOO_LARGE, XML_MALFORMED, Unreadable

_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
NEEDS_ESCAPE: Final = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_PROLOG: Final = re.compile(rb"(?:[ \t\r\n]|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)


def _parser() -> etree.XMLParser:
    # One parser a document: lxml serialises the use of a shared one behind a lock.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def parse(body: bytes, in_header: str = "") -> tuple[etree._Element, str]:
    """Parse a document of unknown charset.

    Args:
        body: the bytes as they came.
        in_header: charset of the Content-Type header, if any.

    Returns:
        The root element and the codec to answer in.

    Raises:
        Unreadable: GW-1001 malformed (with line and column), GW-1002 DOCTYPE, GW-1003 charset, GW-1006 one text too
            large, GW-1007 too deep, GW-1010 empty.
    """
    if not body.strip():
        raise Unreadable(REQUEST_EMPTY)
    in_xml = declared_in_xml(body)
    if claims_utf8(body, in_xml=in_xml, in_header=in_header):
        try:
            return _root(body), "utf-8"
        except Unreadable:
            decode(body, in_xml=in_xml, in_header=in_header)  # a wrong charset is the better reason
            raise
    text, codec = decode(body, in_xml=in_xml, in_header=in_header)
    return as_document(without_declaration(text)), codec


def parse_text(text: str) -> etree._Element:
    """Parse XML that came as text inside another message; its own encoding declaration no longer counts."""
    if not text.strip():
        raise Unreadable(REQUEST_EMPTY, "request 参数为空")
    return as_document(without_declaration(text.lstrip("\ufeff \t\r\n")))


def as_document(text: str) -> etree._Element:
    """The root of a document that is text already; a declaration in it must not name another charset than UTF-8."""
    return _root(text.encode("utf-8", "surrogatepass"))


def _root(body: bytes) -> etree._Element:
    # a DOCTYPE can only stand before the root element: refused before the parser sees what it declares
    prolog = _PROLOG.match(body)
    if prolog is not None and body.startswith(b"<!DOCTYPE", prolog.end()):
        raise Unreadable(DTD_FORBIDDEN)
    try:
        return etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as error:
        raise _named(error) from None


def _named(error: etree.XMLSyntaxError) -> Unreadable:
    message = str(error)
    if "depth" in message.lower():
        return Unreadable(TOO_DEEP)
    if "huge" in message.lower() or "too long" in message.lower():
        return Unreadable(TOO_LARGE, "单个文本节点超过 10 MB")
    line, column = error.position
    return Unreadable(XML_MALFORMED, f"第 {line} 行第 {column} 列：{message.partition(', line')[0][:200]}")


def local(tag: str) -> str:
    """Local name of a Clark name."""
    return tag.rpartition("}")[2]


def escape(text: str) -> str:
    """Text for an element: markup escaped, a carriage return kept as a reference, what XML cannot carry removed."""
    if NEEDS_ESCAPE.search(text) is None:
        return text
    return _ILLEGAL.sub("", text).translate(_ESCAPES)


def illegal_character(text: str) -> str:
    """The first character of ``text`` that XML 1.0 cannot carry, as ``U+000B``; else empty."""
    match = _ILLEGAL.search(text)
    return f"U+{ord(match.group()):04X}" if match else ""
