"""A print as PDF, with the characters it needs embedded."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4, A5, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, KeepInFrame, Paragraph, SimpleDocTemplate, Spacer, Table

from gateway.vouchers.sheet import PAPERS, Group, Item, Print
from gateway.vouchers.sheet import Table as SheetTable
from gateway.vouchers.typefaces import Typefaces

MARGIN_MM: Final = 10
SIZES: Final = {"A4": A4, "A5": landscape(A5)}
_WORDS: Final = (3, 0.31)
_AMOUNTS: Final = (4, 0.58)
"""Cells per row, and the label's share of one; names of funds are long and their amounts short."""
_FRAME: Final = 6
"""Points that the library keeps free around the flow."""
_PAD: Final = 1.6
"""Points around the text of a cell."""
_LINE: Final = ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey)
_SIDES: Final = ("TOP", "BOTTOM", "LEFT", "RIGHT")
_PADDING: Final = tuple((f"{side}PADDING", (0, 0), (-1, -1), _PAD) for side in _SIDES)
_NO_PADDING: Final = tuple((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in _SIDES)


def pdf(print_: Print, faces: Typefaces) -> bytes:
    """One print, as many pages as it needs; every page has its number and the voucher's."""
    return _Drawing(print_, faces).bytes()


class _Drawing:
    def __init__(self, print_: Print, faces: Typefaces) -> None:
        self._print = print_
        self._faces = faces
        self._width, self._height = SIZES[PAPERS[print_.sheet.kind]]
        self._usable = self._width - 2 * MARGIN_MM * mm
        body = ParagraphStyle("body", fontName=faces.main, fontSize=8, leading=10.5, wordWrap="CJK")
        self._body = body
        self._label = ParagraphStyle("label", body, textColor=colors.HexColor("#555555"))
        self._small = ParagraphStyle("small", body, fontSize=7, leading=9)
        self._number = ParagraphStyle("number", self._small, alignment=TA_RIGHT)
        self._head = ParagraphStyle("head", self._small, textColor=self._label.textColor)
        self._head_number = ParagraphStyle("head_number", self._head, alignment=TA_RIGHT)
        self._heading = ParagraphStyle("heading", body, fontSize=9.5, leading=13, spaceBefore=3)
        self._hospital = ParagraphStyle("hospital", body, fontSize=11, leading=14, alignment=TA_CENTER)
        self._title = ParagraphStyle("title", body, fontSize=16, leading=21, alignment=TA_CENTER)
        self._mark = ParagraphStyle("mark", body, fontSize=14, leading=18, alignment=TA_CENTER, textColor=colors.red)

    def bytes(self) -> bytes:
        target = io.BytesIO()
        sheet = self._print.sheet
        document = SimpleDocTemplate(
            target,
            pagesize=(self._width, self._height),
            leftMargin=MARGIN_MM * mm - _FRAME,
            rightMargin=MARGIN_MM * mm - _FRAME,
            topMargin=MARGIN_MM * mm - _FRAME,
            bottomMargin=(MARGIN_MM + 4) * mm - _FRAME,
            title=f"{sheet.title} {self._print.number}",
            author=sheet.hospital,
            lang="zh-CN",
        )
        document.build(list(self._flow()), onFirstPage=self._footer, onLaterPages=self._footer)
        return target.getvalue()

    def _flow(self) -> Iterable[Flowable]:
        sheet = self._print.sheet
        yield self._text(sheet.hospital, self._hospital)
        yield self._text(sheet.title, self._title)
        if self._print.marks:
            yield self._text("【" + "】【".join(self._print.marks) + "】", self._mark)
        yield Spacer(1, 2 * mm)
        for group in sheet.groups:
            yield from self._group(group)
        for table in sheet.tables:
            yield from self._table(table)
        yield Spacer(1, 1.5 * mm)
        for note in (*sheet.notes, *self._print.remarks):
            yield self._text(note, self._small)
        if sheet.signatures:
            yield Spacer(1, 3 * mm)
            yield self._row_of([self._text(f"{one}：", self._body) for one in sheet.signatures])

    def _group(self, group: Group) -> Iterable[Flowable]:
        if group.label:
            yield self._text(group.label, self._heading)
        yield self._grid(group.items, *(_AMOUNTS if group.label else _WORDS))

    def _grid(self, items: Sequence[Item], per_row: int, label_share: float) -> Flowable:
        """Label and value side by side; what is too long for its cell has a row of its own."""
        cell = self._usable / per_row
        rows: list[list[Item]] = [[]]
        for item in items:
            wide = self._is_wide(item.value, cell * (1 - label_share))
            if rows[-1] and (wide or len(rows[-1]) == per_row):
                rows.append([])
            rows[-1].append(item)
            if wide:
                rows.append([])
        # a row cannot go over a page: a value of hundreds of characters is drawn smaller instead
        tables = [
            KeepInFrame(
                self._usable, self._height / 2, [self._grid_row(row, per_row, cell * label_share)], mode="shrink"
            )
            for row in rows
            if row
        ]
        return Table([[table] for table in tables], colWidths=[self._usable], style=[_LINE, *_NO_PADDING])

    def _grid_row(self, items: Sequence[Item], per_row: int, label: float) -> Table:
        cell = self._usable / per_row
        wide = len(items) == 1 and self._is_wide(items[0].value, cell - label)
        value = self._usable - label if wide else cell - label
        cells = [
            part
            for item in items
            for part in (self._text(item.label, self._label), self._text(item.value or "—", self._body))
        ]
        blank = 0 if wide else per_row - len(items)
        return Table(
            [[*cells, *[""] * (2 * blank)]],
            colWidths=[label, value] * (len(items) + blank),
            style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_PADDING],
        )

    def _is_wide(self, text: str, room: float) -> bool:
        size = self._body.fontSize
        width: float = sum(stringWidth(piece, name, size) for name, piece in self._faces.runs(text))
        return width > room - 2 * _PAD

    def _table(self, table: SheetTable) -> Iterable[Flowable]:
        yield self._text(table.label, self._heading)
        if len(table.columns) == 2:
            # a name and an amount: as pairs they need a third of the height
            yield self._grid([Item("", *row) for row in table.rows], *_AMOUNTS)
            return
        total = sum(column.width for column in table.columns)
        styles = [self._number if column.number else self._small for column in table.columns]
        heads = [self._head_number if column.number else self._head for column in table.columns]
        head = [self._text(column.label, style) for column, style in zip(table.columns, heads, strict=True)]
        rows = [[self._text(cell, style) for cell, style in zip(row, styles, strict=True)] for row in table.rows]
        yield Table(
            [head, *rows],
            colWidths=[self._usable * column.width / total for column in table.columns],
            repeatRows=1,
            splitInRow=1,
            style=[
                _LINE,
                ("LINEABOVE", (0, 0), (-1, 0), 0.5, colors.black),
                ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *_PADDING,
            ],
        )

    def _row_of(self, cells: Sequence[Flowable]) -> Table:
        return Table([list(cells)], colWidths=[self._usable / len(cells)] * len(cells), style=_PADDING)

    def _text(self, text: str, style: ParagraphStyle) -> Paragraph:
        pieces = (f'<font name="{escape(name)}">{escape(piece)}</font>' for name, piece in self._faces.runs(text))
        return Paragraph("".join(pieces), style)

    def _footer(self, canvas: Any, document: Any) -> None:
        shown = self._print
        left = f"凭证号 {shown.number}　第 {shown.count} 次打印　{shown.printed_at}　经手人 {shown.operator}"
        canvas.saveState()
        x, y = MARGIN_MM * mm, MARGIN_MM * mm
        for name, piece in self._faces.runs(left):
            canvas.setFont(name, 7.5)
            canvas.drawString(x, y, piece)
            x += canvas.stringWidth(piece, name, 7.5)
        canvas.setFont(self._faces.main, 7.5)
        canvas.drawRightString(self._width - MARGIN_MM * mm, y, f"第 {document.page} 页")
        canvas.restoreState()
