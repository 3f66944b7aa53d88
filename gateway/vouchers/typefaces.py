"""The fonts of a PDF: one that travels with the program, and what a hospital adds for rare characters in names.

The bundled one has every character of GBK and of the first two Han blocks of Unicode. A character that no font has is
written as its code point and named; it is never left out.
"""

from __future__ import annotations

import io
import lzma
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

BUNDLED: Final = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.ttf.xz"
_REGISTERING = threading.Lock()
_SPACES: Final = frozenset("\t\n\r\v\f")


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
        self._fonts = [_registered("voucher", lzma.decompress(BUNDLED.read_bytes()))]
        for path in more:
            try:
                self._fonts.append(_registered(f"voucher:{path}", path.read_bytes()))
            except (OSError, TTFError) as error:
                raise FontUnusable(f"字体 {path} 无法使用：{error}") from error

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
        return (character, font.fontName) if font else (f"〔U+{ord(character):04X}〕", self.main)

    def _font_of(self, character: str) -> Any:
        return next((font for font in self._fonts if ord(character) in font.face.charToGlyph), None)


def _registered(name: str, content: bytes) -> Any:
    """Known to the library by name, once per process."""
    with _REGISTERING:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, io.BytesIO(content)))
        return pdfmetrics.getFont(name)
