"""The report on the statements of a hospital: ``yibao his check``, and at start-up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.his.ways import HisRecords, HisSettings, open_records, strange_files
from gateway.stays.hospital import CHANGED_AT, ROW_ID, SUBJECTS, TECHNICAL, HisError, Subject, WrongRow
from gateway.stays.hospital_rows import read_row

SAMPLE_ROWS: Final = 50
SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one statement, or of the line to the HIS.

    Args:
        ok: None where there is nothing to judge.
        notes: what staff should know, but may leave as it is.
        columns: those of the problems that quote nothing of a patient's row, so that they may be logged.
    """

    what: str
    ok: bool | None
    text: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What it comes to, without a value of any row."""
        return "；".join((self.text, *self.columns))


def check(settings: HisSettings) -> Iterator[Finding]:
    """Connect, then look at every statement with some of its rows. Reads only; never raises :class:`HisError`."""
    try:
        records, wrong = open_records(settings)
    except HisError as error:
        yield Finding("HIS", False, str(error))
        return
    try:
        try:
            server = records.server()
        except HisError as error:
            yield Finding("HIS", False, f"无法连接：{error}")
            return
        yield Finding("HIS", True, f"已连接 {server}；只读：{records.guard}", facts={"server": server})
        for name, subject in SUBJECTS.items():
            yield _statement(records, subject, wrong.get(name, ""))
        for file in strange_files(settings):
            yield Finding(file, None, "不是本网关认识的文件，没有使用")
    finally:
        records.close()


def _statement(records: HisRecords, subject: Subject, wrong: str) -> Finding:
    file = records.file_of(subject.name)
    if wrong:
        return Finding(file, False, wrong)
    if subject.name not in records.subjects():
        return Finding(file, None, f"没有此文件，不提供{subject.label}")
    begun = time.monotonic()
    try:
        names = records.columns(subject.name)
        given = records.sample(subject.name, SAMPLE_ROWS)
        page = records.changed(subject.name, rows_max=SAMPLE_ROWS)
    except HisError as error:
        return Finding(file, False, str(error))
    took_ms = round((time.monotonic() - begun) * 1000)
    rows = [read_row(subject, row, records.charset) for row in given]
    bad = [row for row in rows if isinstance(row, WrongRow)]
    columns = tuple(_technical(given))
    problems = (*(str(row) for row in bad[:SHOWN_MAX]), *columns)
    text = f"{subject.label}：抽查 {len(given)} 行，{len(bad)} 行不能用，{took_ms} ms"
    facts = {"columns": names, "rows": len(given), "wrong": len(bad), "elapsed_ms": took_ms, "read": len(page.rows)}
    return Finding(file, not problems, text, problems, tuple(_notes(subject, names, given)), facts, columns)


def _technical(given: list[dict[str, Any]]) -> Iterator[str]:
    """Rows that a reading by change would never meet, or could not tell apart."""
    if empty := sum(row[CHANGED_AT] is None for row in given):
        yield f"{CHANGED_AT} 有 {empty} 行为空，这些行永远不会被读到"
    if any(row[ROW_ID] is None for row in given):
        yield f"{ROW_ID} 有空值，无法逐页读取"
    numbers = [row[ROW_ID] for row in given]
    if len(set(map(str, numbers))) < len(numbers):
        yield f"{ROW_ID} 有重复，两行会被当作一行"


def _notes(subject: Subject, names: tuple[str, ...], given: list[dict[str, Any]]) -> Iterator[str]:
    known = {column.name: column for column in subject.columns}
    if unknown := [name for name in names if name not in known and name not in TECHNICAL]:
        yield f"以下列不在文档中，没有使用：{'、'.join(unknown)}"
    if absent := [name for name, column in known.items() if name not in names and not column.required]:
        yield f"没有提供的可选列：{'、'.join(absent)}"
    floats = {name for row in given for name, value in row.items() if isinstance(value, float) and name in known}
    if amounts := [name for name in sorted(floats) if known[name].kind == "amount"]:
        yield f"{'、'.join(amounts)} 在 HIS 中是二进制浮点数，金额可能不精确，宜用 CAST 写成定点数"
