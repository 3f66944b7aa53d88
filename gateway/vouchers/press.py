"""What draws the PDF of a print, with the fonts of this hospital, and says beforehand which characters it cannot draw."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gateway.vouchers.sheet import Print, Sheet

if TYPE_CHECKING:
    from gateway.vouchers.typefaces import Typefaces

log = structlog.get_logger(__name__)

_NAMED_MAX: Final = 20
"""Characters named in one warning."""


class Press:
    """Draws prints; what draws is imported, and its fonts are opened, when the first one is needed.

    A font file that cannot be used never stops a print: it is told in the log and beside every print that lacks a
    character, and ``yibao config check`` names it.

    Args:
        fonts: TrueType files of the hospital (``[vouchers] fonts``), asked in this order after the bundled one.
    """

    def __init__(self, fonts: Sequence[Path] = ()) -> None:
        self._files = fonts
        self._opening = threading.Lock()
        self._faces: Typefaces | None = None
        self._unusable: tuple[str, ...] = ()

    def pdf(self, print_: Print) -> bytes:
        """One print as PDF."""
        from gateway.vouchers.pdf import pdf

        return pdf(print_, self._opened())

    def missing(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Characters of these texts that no font has, each once, in their order."""
        rare = "".join(dict.fromkeys(one for text in texts for one in text if not _common(one)))
        return self._opened().missing(rare) if rare else ()

    def warnings(self, texts: Iterable[str]) -> tuple[str, ...]:
        """What staff must know before these texts are put on paper; empty when every character is there."""
        lacking = self.missing(texts)
        if not lacking:
            return ()
        from gateway.vouchers.typefaces import code_point

        named = "、".join(f"{_visible(one)}{code_point(one)}" for one in lacking[:_NAMED_MAX])
        more = f" 等 {len(lacking)} 个字" if len(lacking) > _NAMED_MAX else ""
        text = f"打印字体中没有 {named}{more}，PDF 上只印出编码；请信息科在 [vouchers] fonts 中加入有此字的字体"
        return (text, *self._unusable)

    def _opened(self) -> Typefaces:
        # the fonts take a third of a second and more, and most gateways never draw one
        with self._opening:
            if self._faces is None:
                from gateway.vouchers.typefaces import Typefaces

                usable, self._unusable = sort_out(self._files)
                for problem in self._unusable:
                    log.error("font_unusable", detail=problem)
                self._faces = Typefaces(usable)
            return self._faces


def sort_out(files: Iterable[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Font files that can be used, and of the others what is wrong with them (Chinese)."""
    from gateway.vouchers.typefaces import FontUnusable, opened

    usable, problems = [], []
    for file in files:
        try:
            opened(file)
            usable.append(file)
        except FontUnusable as error:
            problems.append(str(error))
    return usable, tuple(problems)


def texts_of(sheet: Sheet) -> Iterator[str]:
    """Every text that a sheet puts on paper."""
    yield from (sheet.title, sheet.hospital, *sheet.notes, *sheet.signatures)
    for group in sheet.groups:
        yield group.label
        for item in group.items:
            yield from (item.label, item.value)
    for table in sheet.tables:
        yield from (table.label, *(column.label for column in table.columns))
        yield from (cell for row in table.rows for cell in row)


def _common(character: str) -> bool:
    """What the bundled font has for certain, so that it need not be opened for the texts of nearly everybody."""
    # the plane of GB 2312 as GBK writes it: Python's own gb2312 has another 间隔号 than names do
    return " " <= character <= "~" or min(character.encode("gbk", "ignore"), default=0) >= 0xA1


def _visible(character: str) -> str:
    return character if character.isprintable() else ""
