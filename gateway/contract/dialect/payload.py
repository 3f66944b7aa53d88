"""The text a hospital puts into a string parameter: Base64 or plain, XML or JSON, to a plain tree and back.

Only :class:`gateway.faults.Refused` leaves this module for bad input, whatever the bytes are.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from decimal import Decimal
from typing import Any, Literal

import msgspec
from lxml import etree

from gateway import faults
from gateway.faults import Refused

Form = Literal["xml", "json"]
Packing = Literal["plain", "base64"]

DEPTH_MAX = 128
"""Levels of nesting; the deepest national message has five."""

_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
_ENCODING = re.compile(r"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gbk": "gbk",
    "gb2312": "gbk",  # what Windows calls gb2312 is code page 936
    "cp936": "gbk",
    "gb18030": "gb18030",
    "utf-16": "utf-16",
    "utf-16le": "utf-16",
    "utf-16be": "utf-16",
}


def charset_named(name: str) -> str:
    """The charset we write for a declared name.

    Raises:
        Refused: CHARSET_WRONG for a name that is none of UTF-8, UTF-16, GBK, GB2312, GB18030.
    """
    charset = _CHARSETS.get(name.strip().lower().replace("_", "-"))
    if charset is None:
        raise Refused(faults.CHARSET_WRONG, f"不支持的字符集“{name}”。")
    return charset


def declared_charset(text: str) -> str | None:
    """The charset named in an XML declaration, None without one."""
    declaration = _DECLARATION.match(text)
    encoding = _ENCODING.search(declaration.group()) if declaration else None
    return charset_named(encoding.group(1)) if encoding else None


def detect_packing(text: str) -> Packing:
    """XML begins with ``<``, JSON with a bracket; neither is a character of Base64."""
    return "plain" if text.lstrip("\ufeff \t\r\n")[:1] in ("<", "{", "[", "") else "base64"


def detect_form(text: str) -> Form:
    """Whether readable text is JSON, by its first character."""
    return "json" if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") else "xml"


def unpack(text: str, charset: str) -> tuple[str, str]:
    """Base64 to text: by its byte order mark, else its XML declaration, else ``charset``.

    Returns:
        the text and the charset its bytes were in.

    Raises:
        Refused: PAYLOAD_WRONG, CHARSET_WRONG.
    """
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(faults.PAYLOAD_WRONG, "参数不是合法的 Base64。") from None
    used = _charset_of(raw, charset)
    try:
        # GB18030 reads every GBK byte pair and the few characters Windows adds to it
        return raw.decode("gb18030" if used == "gbk" else used).removeprefix("\ufeff"), used
    except UnicodeDecodeError as error:
        raise Refused(faults.CHARSET_WRONG, f"载荷第 {error.start + 1} 字节不是 {used.upper()} 编码。") from None


def _charset_of(raw: bytes, charset: str) -> str:
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return name
    return declared_charset(raw[:200].decode("latin-1")) or charset


def parse(text: str, form: Form) -> dict[str, Any]:
    """Text to a tree; leaves stay the text they were, also JSON numbers.

    Raises:
        Refused: XML_MALFORMED, DTD_FORBIDDEN, JSON_MALFORMED, TOO_DEEP.
    """
    return _parse_xml(text) if form == "xml" else _parse_json(text)


# ---------------------------------------------------------------------- XML


def _parse_xml(text: str) -> dict[str, Any]:
    text = text.lstrip("\ufeff \t\r\n")
    _refuse_doctype(text)
    start = _DECLARATION.match(text)
    body = text[start.end() :] if start else text
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body.encode("utf-8", "surrogatepass"), parser)
    except etree.XMLSyntaxError as error:
        raise _xml_refusal(error) from None
    value = element_value(root)
    return value if isinstance(value, dict) else {"#text": value} if value.strip() else {}


def _xml_refusal(error: etree.XMLSyntaxError) -> Refused:
    line, column = error.position
    if "depth" in str(error.msg).lower():
        return Refused(faults.TOO_DEEP, f"载荷第 {line} 行。")
    return Refused(faults.XML_MALFORMED, f"载荷第 {line} 行第 {column} 列。")


def _refuse_doctype(text: str) -> None:
    """Look at the prolog only: the same letters inside a CDATA section are somebody's text."""
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if text.startswith("<?", at):
            end, width = text.find("?>", at), 2
        elif text.startswith("<!--", at):
            end, width = text.find("-->", at), 3
        else:
            break
        if end < 0:
            return
        at = end + width
    if text[at : at + 9].upper() == "<!DOCTYPE":
        raise Refused(faults.DTD_FORBIDDEN, "载荷含 DOCTYPE。")


def element_value(element: etree._Element, depth: int = 0) -> Any:
    """An element as a value: text, or a tree of its attributes (``@name``), children and stray text (``#text``).

    Raises:
        Refused: TOO_DEEP beyond :data:`DEPTH_MAX` levels.
    """
    if depth > DEPTH_MAX:
        raise Refused(faults.TOO_DEEP, f"载荷嵌套超过 {DEPTH_MAX} 层。")
    tree: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items() if name[:1] != "{"}  # type: ignore[index, str-bytes-safe]
    children = [child for child in element if isinstance(child.tag, str)]
    if not children and not tree:
        return element.text or ""
    for child in children:
        _add(tree, local_name(child), element_value(child, depth + 1))
    stray = "".join([element.text or "", *(child.tail or "" for child in element)])
    if stray.strip() or not children:
        tree["#text"] = stray
    return tree


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace: hospitals mix them up."""
    return str(element.tag).rpartition("}")[2]


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
            element.set(xml_name(name[1:]), clean(leaf_text(item)))
        else:
            for row in item if isinstance(item, list) else [item]:
                tag = xml_name(name)
                fill_element(etree.SubElement(element, f"{{{namespace}}}{tag}" if namespace else tag), row, namespace)


def xml_name(name: str) -> str:
    """``name`` if XML allows it, else the nearest that XML allows."""
    if _NAME.fullmatch(name) and name.isascii():
        return name
    try:
        etree.QName(name)
    except ValueError:
        return "_" + re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return name if ":" not in name and not name.startswith("{") else "_" + re.sub(r"[^A-Za-z0-9_.-]", "_", name)


# --------------------------------------------------------------------- JSON


def _parse_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(
            text.lstrip("\ufeff"),
            parse_float=str,
            parse_int=str,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise Refused(faults.JSON_MALFORMED, f"载荷第 {error.lineno} 行第 {error.colno} 列。") from None
    except RecursionError:
        raise Refused(faults.TOO_DEEP, f"载荷嵌套超过 {DEPTH_MAX} 层。") from None
    if not isinstance(value, dict):
        raise Refused(faults.JSON_MALFORMED, "载荷顶层不是对象。")
    tree: dict[str, Any] = _leaves_as_text(value)
    return tree


def _no_constant(word: str) -> str:
    raise Refused(faults.JSON_MALFORMED, f"{word} 不是合法的值。")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(faults.JSON_MALFORMED, f"键“{clean(twice)}”重复。")
    return tree


def _leaves_as_text(value: Any, depth: int = 0) -> Any:
    """``null`` becomes an empty text, ``true`` the word: a hospital's tables say what they mean."""
    if depth > DEPTH_MAX:
        raise Refused(faults.TOO_DEEP, f"载荷嵌套超过 {DEPTH_MAX} 层。")
    if isinstance(value, dict):
        return {name: _leaves_as_text(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_leaves_as_text(item, depth + 1) for item in value]
    if isinstance(value, str):
        _refuse_surrogates(value)
        return value
    return "" if value is None else str(value).lower()


def _refuse_surrogates(text: str) -> None:
    """Half a character (``\\ud800`` alone) can be written in no charset."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Refused(faults.JSON_MALFORMED, "含不成对的代理字符（\\ud800 至 \\udfff）。") from None


# ------------------------------------------------------------------ writing


def clean(text: str) -> str:
    """``text`` without the characters XML forbids."""
    return _FORBIDDEN.sub("", text)


def leaf_text(value: Any) -> str:
    """A leaf as text, decimals never in exponent form."""
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def write(tree: Any, form: Form, charset: str, root: str) -> str:
    """A tree as text in which every character can be written in ``charset``; XML carries its declaration."""
    return _write_xml(tree, charset, root) if form == "xml" else _write_json(tree, charset)


def pack(text: str, charset: str) -> str:
    """Base64 of ``text`` in ``charset``."""
    return base64.b64encode(text.encode(charset)).decode("ascii")


def _write_xml(tree: Any, charset: str, root: str) -> str:
    element = etree.Element(root)
    fill_element(element, tree)
    text = etree.tostring(element, encoding="unicode")
    writable = text.encode(charset, "xmlcharrefreplace").decode(charset)
    return f'<?xml version="1.0" encoding="{charset.upper()}"?>{writable}'


_json = msgspec.json.Encoder(decimal_format="number")


def _write_json(tree: Any, charset: str) -> str:
    text = _json.encode(_json_ready(tree)).decode("utf-8")
    return "".join(text if _writable(text, charset) else (_escaped(char, charset) for char in text))


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean(str(name)): _json_ready(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    if isinstance(value, Decimal):
        return value if value.is_finite() and value.adjusted() < 40 else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)  # the encoder's own integers end at 64 bits
    return clean(value) if isinstance(value, str) else value


def _writable(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(char: str, charset: str) -> str:
    if _writable(char, charset):
        return char
    return json.dumps(char)[1:-1]
