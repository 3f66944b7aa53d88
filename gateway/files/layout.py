"""The national file layout: one text in a ZIP, a record per line, TAB between columns, ``null`` for what is empty."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.files.unpack import LIMITS, FileWrong, Limits, texts

NULL: Final = "null"
_BREAKING: Final = str.maketrans("\t\r\n", "   ")
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)


def packed(name: str, rows: Iterable[Sequence[str]]) -> bytes:
    """A ZIP with one text member; the same rows make the same bytes.

    Args:
        name: of the member.
        rows: columns as text; an empty one is written as ``null`` (transport facts, section 2).
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        text = "".join("\t".join(column.translate(_BREAKING) or NULL for column in row) + "\n" for row in rows)
        archive.writestr(zipfile.ZipInfo(name, _MOMENT), text.encode(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def rows(path: Path, widths: Sequence[int], limits: Limits = LIMITS) -> Iterator[list[str]]:
    """The records of a received file, one at a time; ``null`` is empty. A file without records has none.

    Args:
        path: of a ZIP or a plain text.
        widths: numbers of columns that a record may have; the smallest is filled up to by nobody.

    Raises:
        FileWrong: as :func:`texts`, or a record with another number of columns.
    """
    for name, lines in texts(path, limits):
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            columns = ["" if column == NULL else column for column in line.split("\t")]
            if len(columns) not in widths:
                wanted = "、".join(map(str, widths))
                raise FileWrong(f"{name[:100]} 第 {number} 行有 {len(columns)} 列，应为 {wanted} 列")
            yield columns
