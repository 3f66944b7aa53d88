"""Lists as files for a spreadsheet: logged before they are given, bounded, and what is cut is said in the last line."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from starlette.responses import Response, StreamingResponse

from gateway.console.visit import Visit
from gateway.spreadsheet import BOM, line

ROWS_MAX: Final = 20_000
PAGE_ROWS: Final = 500
"""Rows that leave at once."""


def exported(
    visit: Visit, name: str, wished: str, columns: Sequence[str], rows: Iterable[Sequence[object]], cut: str = ""
) -> Response:
    """A file, after the operator log has it.

    Args:
        name: of the file; also what the log says was taken.
        wished: the filters, for the log.
        rows: read as the file leaves; no more than ``ROWS_MAX`` and one of them.
        cut: a last line where ``rows`` are not all there are.
    """
    if not visit.note("console.export", name, wished or "全部"):
        return visit.show("templates/told.html", 503, title="不能导出", text="操作日志写不进去。")
    stamp = f"{visit.parts.clock():%Y%m%d-%H%M%S}"
    headers = {"Content-Disposition": f'attachment; filename="{name}-{stamp}.csv"'}
    return StreamingResponse(lines(columns, rows, cut), media_type="text/csv; charset=utf-8", headers=headers)


def lines(columns: Sequence[str], rows: Iterable[Sequence[object]], cut: str = "") -> Iterator[str]:
    """The file in pieces; its last line says what is not in it."""
    yield BOM + line(columns)
    left = iter(rows)
    inside = itertools.islice(left, ROWS_MAX)
    while piece := "".join(map(line, itertools.islice(inside, PAGE_ROWS))):
        yield piece
    if next(left, None) is not None:
        yield line([f"只导出前 {ROWS_MAX:,} 行，其余没有导出：请缩小条件，分几次导出"])
    elif cut:
        yield line([cut])
