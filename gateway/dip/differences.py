"""The difference list against what the DIP system has: 缺失, 不一致, 多余 (ET-09)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

from gateway.rules.times import minute_of, shown
from gateway.store.stay_feed import Episode, EpisodeQuery, StayFeed

Kind = Literal["缺失", "不一致", "多余"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "setl_id": ("setl_id", "结算ID", "结算id", "结算编号"),
    "mdtrt_id": ("mdtrt_id", "就诊ID", "就诊id"),
    "ipt_no": ("ipt_no", "住院号"),
    "adm_time": ("adm_time", "adm_date", "入院日期", "入院时间"),
    "dscg_time": ("dscg_time", "dscg_date", "出院日期", "出院时间"),
}
"""Columns of the file by the names they may have."""
KEYS: Final = ("setl_id", "mdtrt_id", "ipt_no")
"""What a row is found by, the first that it has."""
ROWS_MAX: Final = 1_000_000
_DATE: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?")


class FileWrong(ValueError):
    """The file is not what it should be; the text is for staff."""


@dataclass(frozen=True, slots=True)
class DipRow:
    """One case as the DIP system has it."""

    line: int
    setl_id: str = ""
    mdtrt_id: str = ""
    ipt_no: str = ""
    adm_time: str = ""
    dscg_time: str | None = None
    """None where the file has no such column."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the list."""

    kind: Kind
    setl_id: str
    mdtrt_id: str
    ipt_no: str
    text: str
    line: int = 0
    """Of the file; 0 for what it lacks."""


def settled_stays(feed: StayFeed) -> list[Episode]:
    """Every stay with a settlement in force that ends it."""
    return feed.episodes(EpisodeQuery(settlement=("settled", "listed"), order="t_set", limit=ROWS_MAX))


def read_rows(raw: bytes) -> list[DipRow]:
    """The rows of a file: first line the column names; UTF-8 or GBK; comma, semicolon or tab.

    Raises:
        FileWrong: a column is missing or named twice, a line has another number of columns, a row names no case.
    """
    text = _text(raw)
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise FileWrong(f"不是 CSV 文件：{error}") from None
    if not lines:
        raise FileWrong("文件是空的，第一行应为列名")
    places = _places([name.strip() for name in lines[0]])
    return list(_rows(lines, places))


def _text(raw: bytes) -> str:
    for charset in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    raise FileWrong("文件既不是 UTF-8 也不是 GBK")


def _places(names: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for column, allowed in COLUMNS.items():
        found = [place for place, name in enumerate(names) if name in allowed]
        if len(found) > 1:
            raise FileWrong(f"列 {'、'.join(names[place] for place in found)} 是同一内容，只能有一列")
        places |= {column: found[0]} if found else {}
    if "adm_time" not in places:
        raise FileWrong("缺少列 入院日期（adm_time）")
    if not any(key in places for key in KEYS):
        raise FileWrong("缺少列 结算ID（setl_id）、就诊ID（mdtrt_id）或住院号（ipt_no），至少要有一列")
    return places


def _rows(lines: Sequence[Sequence[str]], places: Mapping[str, int]) -> Iterator[DipRow]:
    if len(lines) > ROWS_MAX:
        raise FileWrong(f"超过 {ROWS_MAX} 行")
    for number, line in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(lines[0]):
            raise FileWrong(f"第 {number} 行有 {len(line)} 列，列名有 {len(lines[0])} 列")
        row = DipRow(number, **{column: line[place].strip() for column, place in places.items()})
        if not any(getattr(row, key) for key in KEYS):
            raise FileWrong(f"第 {number} 行没有结算ID、就诊ID 或住院号")
        yield row


def differences(
    settled: Sequence[Episode], rows: Sequence[DipRow], since: str = "", before: str = ""
) -> list[Difference]:
    """What the DIP system lacks, has otherwise, or has too much.

    Args:
        settled: every stay with a settlement in force.
        since: only those who left (出院时间) from here on must be in the file; text as the platform writes times.
        before: and before this.
    """
    by = {key: {getattr(one, key): one for one in settled if getattr(one, key)} for key in KEYS}
    seen: dict[str, int] = {}
    found: list[Difference] = []
    for row in rows:
        ours = next((one for key in KEYS if (one := by[key].get(getattr(row, key)))), None)
        if ours is None:
            found.append(_of_row("多余", row, "网关没有该例有效的医保结算（未结算、已撤销或不是本机构经网关办理）"))
        elif ours.key in seen:
            found.append(_of_row("多余", row, f"与第 {seen[ours.key]} 行是同一次结算"))
        else:
            seen[ours.key] = row.line
            found += [_of_row("不一致", row, text) for text in _compared(row, ours)]
    found += [
        Difference("缺失", one.setl_id, one.mdtrt_id, one.ipt_no, f"医保已结算，入院时间 {one.t_set}，DIP 系统没有该例")
        for one in settled
        if one.key not in seen and (not since or _left(one) >= since) and (not before or _left(one) < before)
    ]
    return found


def _left(one: Episode) -> str:
    """By what a case belongs to a month: 出院时间, where that is not known 医保入院时间."""
    return one.t_dsc or one.t_set


def _of_row(kind: Kind, row: DipRow, text: str) -> Difference:
    return Difference(kind, row.setl_id, row.mdtrt_id, row.ipt_no, text, row.line)


def _compared(row: DipRow, ours: Episode) -> Iterator[str]:
    if row.setl_id and row.setl_id != ours.setl_id:
        yield f"结算ID：DIP {row.setl_id}，医保结算 {ours.setl_id}"
    for key, label in (("mdtrt_id", "就诊ID"), ("ipt_no", "住院号")):
        given, known = getattr(row, key), getattr(ours, key)
        if given and known and given != known:
            yield f"{label}：DIP {given}，网关 {known}"
    yield from _time("入院时间", row.adm_time, ours.t_set)
    if row.dscg_time is not None and ours.t_dsc:
        yield from _time("出院时间", row.dscg_time, ours.t_dsc)


def _time(label: str, given: str, expected: str) -> Iterator[str]:
    """To the minute where the file has it, to the day where it has only that."""
    minute, wanted = minute_of(given), minute_of(expected)
    if wanted is None:
        yield f"{label}：网关没有结算时的值，DIP 为 {given}"
    elif minute is not None:
        if minute != wanted:
            yield f"{label}：DIP {shown(minute)}，医保结算 {shown(wanted)}"
    elif (day := _day(given)) is None:
        yield f"{label}：DIP 的值 {given[:40]!r} 不是日期或时间，医保结算 {shown(wanted)}"
    elif day != wanted.date():
        yield f"{label}：DIP {day}，医保结算 {wanted.date()}"


def _day(given: str) -> date | None:
    found = _DATE.fullmatch(given)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
