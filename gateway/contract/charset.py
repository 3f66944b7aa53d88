"""Which charset a text is in, and how it is written back.

A declaration in the XML and one in the HTTP header often disagree in old HIS. Then the bytes decide between them. Where
the only declaration says GBK and the bytes are UTF-8, nothing tells who is right, and reading on would upload garbled
names: that is refused.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from gateway.faults import CHARSET_WRONG, Unreadable

_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "gbk": "gbk",
    "gb2312": "gb2312",
    "gb_2312-80": "gb2312",
    "cp936": "gbk",
    "windows-936": "gbk",
    "x-gbk": "gbk",
    "gb18030": "gb18030",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
}
# What a label is read with: writers of "GB2312" mean GBK, and GB18030 reads every GBK text.
# Latin-1 is what HTTP stacks write when nobody told them anything; no Chinese text is in it.
_READ_AS = {"gbk": "gb18030", "gb2312": "gb18030", "ascii": "utf-8", "iso-8859-1": "utf-8"}
_CHINESE = ("gbk", "gb2312", "gb18030")
_UTF8 = ("", "utf-8", "utf8")
_LABELS = {"ascii": "US-ASCII"}
_TWO_BYTES_END = "\u07ff"
_DECLARATION = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'<>]{1,60})["']""")
_DECLARATION_TEXT = re.compile(r"^\s*<\?xml[^>]*\?>")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def codec_of(label: str) -> str:
    """Python codec for a declared charset. Raises ``Unreadable(CHARSET_WRONG)`` for one we do not speak."""
    codec = _CODECS.get(label.strip().strip("\"'").lower())
    if codec is None:
        raise Unreadable(CHARSET_WRONG, f"不支持的字符集 {label[:60]!r}，可用 UTF-8、UTF-16、GBK、GB18030")
    return codec


def label_of(codec: str) -> str:
    """The name to declare for a codec (``gbk`` -> ``GBK``)."""
    return _LABELS.get(codec, codec.upper())


def header_charset(content_type: str) -> str:
    """The charset parameter of a Content-Type header, or an empty string."""
    return _in_known_header(content_type) if len(content_type) <= _HEADER_CHARS_KEPT else _in_header(content_type)


def _in_header(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'")
    return ""


_HEADER_CHARS_KEPT = 200
_in_known_header = lru_cache(256)(_in_header)
"""Each client sends the same header with every call."""


def declared_in_xml(body: bytes) -> str:
    """The encoding of an XML declaration, or an empty string."""
    match = _DECLARATION.match(body[:400])
    return match.group(1).decode("ascii", "replace") if match else ""


def _by_first_bytes(body: bytes) -> str:
    if body[:1] == b"<" and body[1:2] != b"\x00":  # as nearly every message begins
        return ""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            return codec
    if body[1:2] == b"\x00":
        return "utf-16-le"
    return "utf-16-be" if body[:1] == b"\x00" else ""


def claims_utf8(body: bytes, *, in_xml: str = "", in_header: str = "") -> bool:
    """Whether nothing speaks against UTF-8, so that the parser can have the bytes as they are."""
    return in_xml.lower() in _UTF8 and in_header.lower() in _UTF8 and not _by_first_bytes(body)


def decode(body: bytes, *, in_xml: str = "", in_header: str = "") -> tuple[str, str]:
    """Decode a text whose charset was declared inside, in the HTTP header, in both or in none.

    Returns:
        The text without byte order mark, and the codec to answer in.

    Raises:
        Unreadable: ``CHARSET_WRONG`` names the charset and the first bad byte.
    """
    shape = _by_first_bytes(body)
    if shape == "utf-32":
        raise Unreadable(CHARSET_WRONG, "不支持 UTF-32")
    if shape:
        text = _strictly(body, shape)
        return text.removeprefix("\ufeff"), "utf-16" if shape.startswith("utf-16") else shape
    declared = [codec_of(label) for label in (in_xml, in_header) if label]
    candidates = [codec for codec in dict.fromkeys(declared) if not codec.startswith("utf-16")]
    if declared and not candidates:
        raise Unreadable(CHARSET_WRONG, "声明为 UTF-16，实际字节不是")
    if len(candidates) == 2 and "utf-8" in candidates and not body.isascii():
        other = candidates[0] if candidates[1] == "utf-8" else candidates[1]
        candidates = ["utf-8"] if _is_chinese_utf8(body) else [other]
    codec = candidates[0] if candidates else "utf-8"
    if codec in _CHINESE and not body.isascii() and _is_chinese_utf8(body):
        raise Unreadable(CHARSET_WRONG, f"声明为 {label_of(codec)}，实际字节是 UTF-8")
    return _strictly(body, codec, guessed=not candidates), codec


def _is_chinese_utf8(body: bytes) -> bool:
    """Strict UTF-8 with a character of three bytes or more, as every hanzi is.

    Characters of two bytes prove nothing: 目 in GBK is Ŀ in UTF-8.
    """
    try:
        return max(body.decode("utf-8"), default="") > _TWO_BYTES_END
    except UnicodeDecodeError:
        return False


def _strictly(body: bytes, codec: str, *, guessed: bool = False) -> str:
    try:
        return body.decode(_READ_AS.get(codec, codec))
    except UnicodeDecodeError as error:
        said = f"声明为 {label_of(codec)}"
        if guessed or codec in ("ascii", "iso-8859-1"):
            said = ("未声明字符集" if guessed else said) + "，按 UTF-8 读"
        raise Unreadable(CHARSET_WRONG, f"{said}，但第 {error.start + 1} 字节起无法解码") from None


def without_declaration(text: str) -> str:
    """XML text without its declaration, which no longer tells the truth once the text is decoded."""
    return _DECLARATION_TEXT.sub("", text, count=1)


def encode_xml(text: str, codec: str) -> bytes:
    """Encode XML text; what the charset cannot write goes as a character reference, never as ``?``.

    Only for text whose markup is ASCII: a reference inside a tag would not be XML.
    """
    return text.encode(codec, "xmlcharrefreplace")
