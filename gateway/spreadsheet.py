"""Rows for spreadsheets: CSV that Excel opens as it is, without a cell that it would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

BOM: Final = "\ufeff"
"""Without it Excel reads UTF-8 as the system's charset."""
_RUNS: Final = re.compile(r"[\s\u3000]*(?:[=+@＝＋＠]|[-－](?!\d+(?:\.\d+)?\Z))|[\t\r\n]")
"""How a text begins that a spreadsheet would take for a formula; a plain negative number is none."""


def cell(value: object) -> str:
    """One value as text; a stranger's text that begins like a formula gets an apostrophe before it."""
    if value is None:
        return ""
    text = value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if _RUNS.match(text) else text


def line(values: Iterable[object]) -> str:
    """One line of the file."""
    out = io.StringIO()
    csv.writer(out).writerow([cell(value) for value in values])
    return out.getvalue()
