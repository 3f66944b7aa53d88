"""The text a hospital puts into a string parameter: Base64 or plain, XML or JSON, to a plain tree and back.

Only :class:`gateway.faults.Refused` leaves this module for bad input, whatever the bytes are.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal

from lxml import etree

from gateway.contract import charset as charsets
from gateway.contract import jsontext, xml
from gateway.contract.codec import as_text
from gateway.faults import JSON_MALFORMED, PAYLOAD_WRONG, Refused, Unreadable

Form = Literal["xml", "json"]
Packing = Literal["plain", "base64"]

_BLANK = "\ufeff \t\r\n"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[^\W\d][\w.-]*", re.ASCII)
_EXPONENT_MAX = 60
"""Decimals beyond this many digits stay in exponent form: written out, one number could fill the memory."""


@contextmanager
def refusing() -> Iterator[None]:
    """A payload that cannot be read is a refusal: the envelope around it was fine, so a SOAP Fault would mislead."""
    try:
        yield
    except Unreadable as error:
        raise Refused(error.fault, " ".join(f"载荷 {error.detail}".split())) from None


def codec_of(label: str) -> str:
    """Python codec for a declared charset. Raises ``Refused`` GW-1003 for one we do not speak."""
    with refusing():
        return charsets.codec_of(label)


def declared_codec(text: str) -> str | None:
    """The codec named in the XML declaration of a decoded text, None without one."""
    label = charsets.declared_in_xml(text[:400].lstrip(_BLANK).encode("utf-8", "replace"))
    return codec_of(label) if label else None


def detect_packing(text: str) -> Packing:
    """XML begins with ``<``, JSON with a bracket; neither is a character of Base64."""
    return "plain" if text.lstrip(_BLANK)[:1] in ("<", "{", "[", "") else "base64"


def detect_form(text: str) -> Form:
    """Whether readable text is JSON, by its first character."""
    return "json" if text.lstrip(_BLANK)[:1] in ("{", "[") else "xml"


def unpack(text: str, codec: str) -> tuple[str, str]:
    """Base64 to text: by its byte order mark or XML declaration, else ``codec``.

    Returns:
        the text, and the codec its bytes were in.

    Raises:
        Refused: PAYLOAD_WRONG, CHARSET_WRONG.
    """
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(PAYLOAD_WRONG, "参数不是合法的 Base64。") from None
    with refusing():
        return charsets.decode(raw, in_xml=charsets.declared_in_xml(raw), in_header=codec)


def parse(text: str, form: Form) -> dict[str, Any]:
    """Text to a tree of texts.

    Raises:
        Refused: XML_MALFORMED, DTD_FORBIDDEN, JSON_MALFORMED, TOO_DEEP, TOO_LARGE.
    """
    with refusing():
        if form == "json":
            return _object(jsontext.loads_strict(text.lstrip(_BLANK)))
        value = element_value(xml.parse_text(text))
    return value if isinstance(value, dict) else {"#text": value}


# ---------------------------------------------------------------------- XML


def element_value(element: etree._Element) -> Any:
    """An element as a value: text, or a tree of its attributes (``@name``), children and stray text (``#text``)."""
    if not len(element) and not element.attrib:
        return element.text or ""
    tree: dict[str, Any] = {f"@{name}": text for name, text in _attributes(element) if not name.startswith("{")}
    children = [child for child in element if isinstance(child.tag, str)]
    if not children and not tree:
        return element.text or ""
    for child in children:
        _add(tree, xml.local(child.tag), element_value(child))
    stray = "".join([element.text or "", *(child.tail or "" for child in element)])
    if stray.strip() or not children:
        tree["#text"] = stray
    return tree


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    for name, text in element.attrib.items():
        yield str(name), str(text)


def _add(tree: dict[str, Any], name: str, value: Any) -> None:
    if name not in tree:
        tree[name] = value
    elif isinstance(tree[name], list):
        tree[name].append(value)
    else:
        tree[name] = [tree[name], value]


def fill_element(element: etree._Element, value: Any, namespace: str | None = None) -> None:
    """Write a value into ``element``; names from outside that are no XML names are made into some.

    Args:
        element: receives text, attributes and children.
        value: a tree or a leaf.
        namespace: of the children; None = none.
    """
    if not isinstance(value, dict):
        element.text = clean(leaf_text(value))
        return
    for name, item in value.items():
        if name == "#text":
            element.text = clean(leaf_text(item))
        elif name.startswith("@"):
            element.set(_xml_name(name[1:]), clean(leaf_text(item)))
        else:
            tag = _xml_name(name)
            for row in item if isinstance(item, list) else [item]:
                fill_element(etree.SubElement(element, f"{{{namespace}}}{tag}" if namespace else tag), row, namespace)


def _xml_name(name: str) -> str:
    """``name`` if XML allows it, else the nearest that it allows (platforms send what no table foresees)."""
    if _NAME.fullmatch(name):
        return name
    try:
        allowed = etree.QName(name).localname == name and ":" not in name
    except ValueError:
        allowed = False
    return name if allowed else "_" + re.sub(r"[^A-Za-z0-9_.-]", "_", name)


# --------------------------------------------------------------------- JSON


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(JSON_MALFORMED, "载荷顶层不是对象。")
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(JSON_MALFORMED, "载荷含不成对的代理字符（U+D800 至 U+DFFF）。") from None
    tree: dict[str, Any] = _texts(value)
    return tree


def _texts(value: Any) -> Any:
    """Leaves as text: ``null`` empty, ``true`` the word; a hospital's own code tables say what they mean."""
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return leaf_text(value)


# ------------------------------------------------------------------ writing


def clean(text: str) -> str:
    """``text`` without the characters XML forbids."""
    return _FORBIDDEN.sub("", text)


def leaf_text(value: Any) -> str:
    """A leaf as text; decimals without exponent as far as that is sane."""
    if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) <= _EXPONENT_MAX):
        return str(value)
    return as_text(value)


def write(tree: Any, form: Form, codec: str, root: str) -> str:
    """A tree as text in which every character can be written in ``codec``; XML carries its declaration.

    Args:
        tree: what the steps of a dialect wrote.
        form: XML or JSON.
        codec: Python codec the hospital will store or send the text in.
        root: name of the XML root element.
    """
    return _write_xml(tree, codec, root) if form == "xml" else _write_json(tree, codec)


def pack(text: str, codec: str) -> str:
    """Base64 of ``text`` in ``codec``."""
    return base64.b64encode(text.encode(codec)).decode("ascii")


def _write_xml(tree: Any, codec: str, root: str) -> str:
    element = etree.Element(root)
    fill_element(element, tree)
    text = etree.tostring(element, encoding="unicode")
    writable = text.encode(codec, "xmlcharrefreplace").decode(codec)
    return f'<?xml version="1.0" encoding="{charsets.label_of(codec)}"?>{writable}'


def _write_json(tree: Any, codec: str) -> str:
    text = jsontext.dumps(_json_ready(tree)).decode("utf-8")
    if _writable(text, codec):
        return text
    return "".join(char if _writable(char, codec) else json.dumps(char)[1:-1] for char in text)


def _json_ready(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clean(str(name)): _json_ready(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)  # the encoder's own integers end at 64 bits
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    return clean(value) if isinstance(value, str) else value


def _writable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
