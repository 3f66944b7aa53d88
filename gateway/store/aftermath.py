"""After a restore: the platform's own list of settlements beside the journal, until the lost time is accounted for.

The list is the platform's result of 3202, its export, or whatever names ``msgid`` and what became of it. What is only
there is taken into the journal as ESCALATED and holds its visit, so that the HIS cannot settle it once more; what was
undone there is marked undone here, so that its answer is given to nobody any more.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select

from gateway.exchange import entries
from gateway.exchange.msgid import INSTITUTION_LENGTH, slot_of
from gateway.exchange.ports import ProofKind, State
from gateway.exchange.states import OPEN
from gateway.faults import ESCALATED
from gateway.store import statements as sql
from gateway.store._backend import Backend, StoreError
from gateway.store.marks import set_mark
from gateway.store.restore import GAP_SINCE, GAP_UNTIL, SET_HIGH, Gap, read_gap
from gateway.store.tables import busy, exchange

KEYS: Final = ("psn_no", "mdtrt_id", "setl_id")
UNDONE: Final = frozenset({"1", "revoked", "reversed", "撤销", "冲正", "退费"})
"""What ``refd_setl_flag`` or ``state`` say of a settlement that is no longer in force."""
COLUMNS_3202: Final = (*KEYS, "msgid", "stmt_rslt", "refd_setl_flag", "memo", "medfee_sumamt")
"""The result file of 3202 has no headings (transactions/3202.yaml, file_layout); later columns are not needed."""
LINES_MAX: Final = 1_000_000

BY_MSGID = select(exchange).where(exchange.c.msgid == bindparam("of_msgid"))
HOLDER = select(busy.c.exchange_id).where(busy.c.business_key == bindparam("key"))
IN_FORCE_SINCE = (
    select(exchange)
    .where(exchange.c.safety == "money", exchange.c.state == State.CONFIRMED.value, exchange.c.undone_by.is_(None))
    .where(exchange.c.received_at >= bindparam("since"), exchange.c.infno.not_in(["2601"]))
    .order_by(exchange.c.id)
)
INSERT_BUSY = insert(busy)


@dataclass(frozen=True, slots=True)
class Listed:
    """One settlement as the platform lists it."""

    msgid: str
    infno: str
    keys: tuple[tuple[str, str], ...]
    amount: str
    undone: bool

    def __str__(self) -> str:
        shown = "，".join(f"{kind} {value}" for kind, value in self.keys)
        return f"{self.infno or '结算'} msgid {self.msgid}，{shown}，金额 {self.amount or '未列'}"


@dataclass(frozen=True, slots=True)
class Compared:
    """The list beside the journal."""

    same: int = 0
    only_there: list[Listed] = field(default_factory=list)
    """The journal knows nothing of it, or says that it was not done."""
    undone_there: list[tuple[int, Listed]] = field(default_factory=list)
    """In force here (by number), undone there."""
    only_here: list[tuple[int, str]] = field(default_factory=list)
    """In force here (number and msgid) and not in the list."""


def read_list(path: Path) -> list[Listed]:
    """The platform's list: JSON (rows, or an object with ``settlements``), or text with tabs or commas.

    Args:
        path: text without headings is the result file of 3202.

    Raises:
        StoreError: the file cannot be read, or a line names no ``msgid``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"清单 {path} 无法读取（须为 UTF-8 文本）：{error}") from error
    try:
        rows = _json_rows(text) if text.lstrip()[:1] in ("[", "{") else _text_rows(text)
    except (ValueError, csv.Error) as error:
        raise StoreError(f"清单 {path} 不是合法的 JSON 或文本表格：{error}") from error
    return [_listed(path, number, row) for number, row in enumerate(rows, 1)]


def _json_rows(text: str) -> list[Mapping[str, Any]]:
    given = json.loads(text, parse_float=str, parse_int=str)
    rows = given.get("settlements") if isinstance(given, dict) else given
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("应为对象的数组，或含 settlements 数组的对象")
    return rows


def _text_rows(text: str) -> list[Mapping[str, Any]]:
    lines = [line for line in text.splitlines() if line.strip()]
    parted = list(csv.reader(lines, delimiter="\t" if "\t" in (lines or [""])[0] else ","))
    headed = bool(parted) and "msgid" in parted[0]
    names: Sequence[str] = parted[0] if headed else COLUMNS_3202
    return [dict(zip(names, row, strict=False)) for row in parted[headed:]]


def _listed(path: Path, number: int, row: Mapping[str, Any]) -> Listed:
    def value(name: str) -> str:
        return str(row.get(name) or "").strip()

    if slot_of(value("msgid")) is None:
        raise StoreError(f"清单 {path} 第 {number} 笔没有合法的 msgid：{value('msgid')!r}")
    keys = tuple((kind, value(kind)) for kind in KEYS if value(kind))
    undone = value("refd_setl_flag") in UNDONE or value("state") in UNDONE
    return Listed(value("msgid"), value("infno"), keys, value("medfee_sumamt"), undone)


# ------------------------------------------------------------------ comparing


def compare(backend: Backend, listed: Iterable[Listed], since: datetime | None = None) -> Compared:
    """The list beside the journal; changes nothing.

    Args:
        listed: what the platform has.
        since: from when on the list is complete; default a day before the copy was taken.

    Raises:
        StoreError: no restore is waiting to be accounted for.
    """
    rows = list({line.msgid: line for line in listed}.values())
    return backend.read(lambda connection: _compare(connection, rows, _open_gap(connection), since))


def _open_gap(connection: Connection) -> Gap:
    gap = read_gap(connection)
    if gap is None:
        raise StoreError("数据库没有待核对的恢复")
    return gap


def _compare(connection: Connection, listed: Sequence[Listed], gap: Gap, since: datetime | None) -> Compared:
    found = Compared()
    same = 0
    for line in listed:
        row = connection.execute(BY_MSGID, {"of_msgid": entries.identity(line.msgid, "msgid")}).first()
        here = row is not None and State(row.state) in OPEN | {State.CONFIRMED, State.REVERSED}
        in_force = row is not None and row.state == State.CONFIRMED.value and row.undone_by is None
        if not here:
            found.only_there.append(line)
        elif in_force and line.undone:
            assert row is not None
            found.undone_there.append((row.id, line))
        else:
            same += 1
    names = {line.msgid for line in listed}
    start = since or gap.since - timedelta(days=1)
    for row in connection.execute(IN_FORCE_SINCE, {"since": entries.to_ms(start)}):
        if row.msgid not in names:
            found.only_here.append((row.id, row.msgid))
    return Compared(same, found.only_there, found.undone_there, found.only_here)


# ------------------------------------------------------------------ taking over


def take_over(backend: Backend, found: Compared, now: datetime, operator: str, institution: str) -> list[int]:
    """Take what the list told into the journal, in one commit; running it again adds nothing.

    Args:
        found: of :func:`compare`, just now.
        operator: a named person.
        institution: whose settlements these are, where the msgid does not tell.

    Returns:
        The numbers of the rows taken in, each ESCALATED.
    """

    def job(connection: Connection) -> list[int]:
        gap = _open_gap(connection)
        taken = [
            _take_in(connection, line, gap, now, operator)
            for line in found.only_there
            if not line.undone and not _known(connection, line)
        ]
        if found.undone_there:
            _undo(connection, found.undone_there, now, operator)
        _raise_above(connection, [*found.only_there, *(line for _, line in found.undone_there)], institution)
        return taken

    return backend.write(job)


def _known(connection: Connection, line: Listed) -> bool:
    """Taken in before, or there under the same number as not done: that one cannot be had twice."""
    return connection.execute(BY_MSGID, {"of_msgid": entries.identity(line.msgid, "msgid")}).first() is not None


def _take_in(connection: Connection, line: Listed, gap: Gap, now: datetime, operator: str) -> int:
    reason = f"平台有这一笔而交易日志没有（{gap} 的记录因恢复而丢失），由 {operator} 依平台清单补记"
    visit = next((f"mdtrt_id:{value}" for kind, value in line.keys if kind == "mdtrt_id"), "")
    row = _row(line.infno, State.ESCALATED, now, "money") | {
        "institution": line.msgid[:INSTITUTION_LENGTH],
        "msgid": line.msgid,
        "business_key": visit or None,
        "err_msg": f"{ESCALATED.title}：{reason}",
        "code": ESCALATED.code,
        "infcode": "-1",
    }
    number = _insert(connection, row)
    keys = [{"exchange_id": number, "kind": kind, "value": value} for kind, value in entries.key_pairs(line.keys)]
    if keys:
        connection.execute(sql.INSERT_KEY, keys)
    if visit and connection.execute(HOLDER, {"key": visit}).scalar() is None:
        connection.execute(INSERT_BUSY, {"business_key": visit, "exchange_id": number})
    _tell(connection, number, now, f"{reason}：{line}")
    return number


def _undo(connection: Connection, undone: Sequence[tuple[int, Listed]], now: datetime, operator: str) -> None:
    """One line of the journal stands for the undoing that it does not know."""
    row = _row("", State.REFUSED, now, "read") | {"err_msg": f"由 {operator} 依平台清单补记的撤销，共 {len(undone)} 笔"}
    number = _insert(connection, row)
    connection.execute(sql.UNDO, {"ids": [exchange_id for exchange_id, _ in undone], "new_undone_by": number})
    for exchange_id, line in undone:
        _tell(connection, exchange_id, now, f"平台清单表明已撤销或冲正，由 {operator} 补记：{line}")


def _row(infno: str, state: State, now: datetime, safety: str) -> dict[str, Any]:
    at = entries.to_ms(now)
    given = {"infno": infno or None, "state": state.value, "safety": safety, "client": "yibao db reconcile"}
    return given | {"received_at": at, "finished_at": at, "elapsed_ms": 0}


def _insert(connection: Connection, row: Mapping[str, Any]) -> int:
    inserted = connection.execute(insert(exchange), dict(row)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def _tell(connection: Connection, exchange_id: int, now: datetime, detail: str) -> None:
    seq: int = connection.execute(sql.LAST_SEQ, {"exchange_id": exchange_id}).scalar_one()
    told = {"at": entries.to_ms(now), "kind": ProofKind.OPERATOR.value, "detail": entries.plain(detail)}
    empty = {"infno": None, "msgid": None, "request": None, "answer": None}
    connection.execute(sql.INSERT_PROOF, {"exchange_id": exchange_id, "seq": seq + 1, **told, **empty})


def _raise_above(connection: Connection, listed: Iterable[Listed], institution: str) -> None:
    """The list shows numbers that were really used: none of them again."""
    highest: dict[str, int] = {}
    for line in listed:
        of = line.msgid[:INSTITUTION_LENGTH] or institution
        highest[of] = max(highest.get(of, 0), (slot_of(line.msgid) or 0) + 1)
    for of, slot in highest.items():
        stored = connection.execute(sql.LOCK_HIGH, {"institution": of}).scalar()
        if stored is None:
            connection.execute(sql.INSERT_HIGH, {"institution": of, "next_slot": slot})
        elif stored < slot:
            connection.execute(SET_HIGH, {"of_institution": of, "raised": slot})


def close_gap(backend: Backend) -> Gap:
    """Say that the lost time is accounted for: every transaction is carried again.

    Raises:
        StoreError: no restore is waiting to be accounted for.
    """

    def job(connection: Connection) -> Gap:
        gap = _open_gap(connection)
        for name in (GAP_SINCE, GAP_UNTIL):
            set_mark(connection, name, "")
        return gap

    return backend.write(job)
