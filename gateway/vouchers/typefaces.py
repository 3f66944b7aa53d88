"""The fonts of a PDF: one that travels with the program, and what a hospital adds for rare characters in names.

The bundled one has every character of GBK and of the first two Han blocks of Unicode. A character that no font has is
written as its code point and named; it is never left out.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

BUNDLED: Final = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.ttf.xz"
_REGISTERING = threading.Lock()
_SPACES: Final = frozenset("\t\n\r\v\f")
_CODE_POINT: Final = re.compile(r"<([0-9A-F]{5,6})>")


class FontUnusable(Exception):
    """A configured font file cannot be read; the text says which and why."""


class Typefaces:
    """Characters by the first font that has them.

    Args:
        more: TrueType files, asked in this order after the bundled one.

    Raises:
        FontUnusable: a file of ``more``.
    """

    def __init__(self, more: Sequence[Path] = ()) -> None:
        self._fonts = [_registered("voucher", lzma.decompress(BUNDLED.read_bytes())), *map(opened, more)]

    @property
    def main(self) -> str:
        name: str = self._fonts[0].fontName
        return name

    def runs(self, text: str) -> Iterator[tuple[str, str]]:
        """The text in pieces, each with the name of its font."""
        piece, of = "", self.main
        for character in text:
            shown, name = self._shown(character)
            if name != of and piece:
                yield of, piece
                piece = ""
            piece, of = piece + shown, name
        if piece:
            yield of, piece

    def missing(self, text: str) -> tuple[str, ...]:
        """Characters that no font has, each once."""
        return tuple(dict.fromkeys(one for one in text if one not in _SPACES and self._font_of(one) is None))

    def _shown(self, character: str) -> tuple[str, str]:
        if character in _SPACES:
            return " ", self.main
        font = self._font_of(character)
        return (character, font.fontName) if font else (code_point(character), self.main)

    def _font_of(self, character: str) -> Any:
        # glyph 0 is the box that stands for what a font does not have
        return next((font for font in self._fonts if font.face.charToGlyph.get(ord(character))), None)


class _Font(TTFont):  # type: ignore[misc]
    """A font whose characters above U+FFFF can be copied and searched too.

    reportlab 5.1 writes them into the ToUnicode map with five digits; the map holds UTF-16 (ISO 32000-1, 9.10.3).
    """

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - the library's name
        super().addObjects(doc)
        for name, stream in doc.idToObject.items():
            if name.startswith("toUnicodeCMap:"):
                stream.content = _CODE_POINT.sub(_as_utf16, stream.content)


def _as_utf16(found: re.Match[str]) -> str:
    return f"<{chr(int(found[1], 16)).encode('utf-16-be').hex().upper()}>"


def code_point(character: str) -> str:
    """What is printed for a character that no font has: ``〔U+20BB7〕``."""
    return f"〔U+{ord(character):04X}〕"


def opened(path: Path) -> Any:
    """The font in a TrueType file (``.ttf``, the first of a ``.ttc``, characters of one's own in ``.tte``).

    Raises:
        FontUnusable: it cannot be read, or holds outlines that a PDF of ours cannot carry (OpenType with CFF).
    """
    try:
        return _registered(f"voucher:{path}", path.read_bytes())
    except OSError as error:
        raise FontUnusable(f"字体 {path} 无法读取：{error.strerror}") from error
    except (TTFError, struct.error, IndexError, KeyError, ValueError) as error:
        raise FontUnusable(f"字体 {path} 不是可用的 TrueType 字体（.ttf、.ttc 或 .tte）：{error}") from error


def _registered(name: str, content: bytes) -> Any:
    """Known to the library by name, once per process."""
    with _REGISTERING:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(_Font(name, io.BytesIO(content)))
        return pdfmetrics.getFont(name)
