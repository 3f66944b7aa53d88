"""After a restore: the platform's own list of settlements beside the journal, until the lost time is accounted for.

The list is the platform's result of 3202, its export, or whatever names ``msgid`` and what became of it. What is only
there is taken into the journal as ESCALATED and holds its visit, so that the HIS cannot settle it once more; what was
undone there is marked undone here, so that its answer is given to nobody any more.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from gateway.exchange import entries
from gateway.exchange.msgid import INSTITUTION_LENGTH, slot_of
from gateway.exchange.ports import Busy, Exchange, Intent, Journal, Outcome, Proof, ProofKind, Query, State
from gateway.exchange.states import FREE
from gateway.faults import ESCALATED, IN_DOUBT, RESTORED, TAKEN_IN_BEFORE, Refused
from gateway.store import statements as sql
from gateway.store._backend import Backend, StoreError
from gateway.store.marks import read_mark, set_mark
from gateway.store.restore import GAP_SINCE, GAP_UNTIL, RESTORED_EVER, SET_HIGH, Gap, read_gap
from gateway.store.tables import exchange

KEYS: Final = ("psn_no", "mdtrt_id", "setl_id")
UNDONE: Final = frozenset({"1", "revoked", "reversed", "撤销", "冲正", "退费"})
"""What ``refd_setl_flag`` or ``state`` say of a settlement that is no longer in force."""
COLUMNS_3202: Final = (*KEYS, "msgid", "stmt_rslt", "refd_setl_flag", "memo", "medfee_sumamt")
"""The result file of 3202 has no headings (transactions/3202.yaml, file_layout); later columns are not needed."""
LINES_MAX: Final = 1_000_000

CLIENT: Final = "yibao db reconcile"
TAKEN_IN: Final = "taken-in"
"""Stands for the content of an exchange that is known from the platform's list alone: any repeat may be it."""
SETTLEMENTS: Final = ("2102", "2102A", "2207", "2207A", "2304", "2304A")
"""What the platform lists; admissions and the like stand in no list of settlements."""
SETTLES: Final = {"23": "2304", "24": "2304", "22": "2207"}
"""What settles a visit, by the transactions that the journal has of it; the list of 3202 does not say."""

IN_FORCE_SINCE = (
    select(exchange.c.id, exchange.c.msgid)
    .where(exchange.c.safety == "money", exchange.c.state == State.CONFIRMED.value, exchange.c.undone_by.is_(None))
    .where(exchange.c.received_at >= bindparam("since"), exchange.c.infno.in_(SETTLEMENTS))
    .order_by(exchange.c.id)
)


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


def compare(backend: Backend, journal: Journal, listed: Iterable[Listed], since: datetime | None = None) -> Compared:
    """The list beside the journal; changes nothing.

    Args:
        journal: of the restored store, ``backend`` beneath it.
        listed: what the platform has.
        since: from when on the list is complete; default a day before the copy was taken.

    Raises:
        StoreError: no restore is waiting to be accounted for.
    """
    gap = backend.read(_open_gap)
    start = {"since": entries.to_ms(since or gap.since - timedelta(days=1))}
    lines = {line.msgid: line for line in listed}
    in_force = backend.read(lambda connection: connection.execute(IN_FORCE_SINCE, start).all())
    only_here = [(row.id, row.msgid) for row in in_force if row.msgid not in lines]
    found = Compared(only_here=only_here)
    same = 0
    for line in lines.values():
        row = _by_msgid(journal, line.msgid)
        if row is None or row.state in FREE - {State.REVERSED}:
            found.only_there.append(line)
        elif row.in_force and line.undone:
            found.undone_there.append((row.id, line))
        else:
            same += 1
    return replace(found, same=same)


def _by_msgid(journal: Journal, msgid: str) -> Exchange | None:
    return next(iter(journal.search(Query(msgid=msgid, limit=1))), None)


def _open_gap(connection: Connection) -> Gap:
    gap = read_gap(connection)
    if gap is None:
        raise StoreError("数据库没有待核对的恢复")
    return gap


# ------------------------------------------------------------------ taking over


def take_over(backend: Backend, journal: Journal, found: Compared, now: datetime, operator: str) -> list[int]:
    """Take what the list told into the journal; run again after a break it goes on where it was.

    Args:
        found: of :func:`compare`, just now.
        operator: a named person.

    Returns:
        The numbers of the exchanges taken in, each ESCALATED.
    """
    gap = backend.read(_open_gap)
    backend.write(lambda connection: _raise_above(connection, [line.msgid for line in found.only_there]))
    # a number that is here as not done is not taken in again: what it stands for is shown, and a person decides
    missing = [line for line in found.only_there if not line.undone and _by_msgid(journal, line.msgid) is None]
    taken = [_take_in(journal, line, gap, now, operator) for line in missing]
    if found.undone_there:
        _undo(backend, journal, found.undone_there, now, operator)
    return taken


def _take_in(journal: Journal, line: Listed, gap: Gap, now: datetime, operator: str) -> int:
    """ESCALATED, in the steps that the states allow; it holds its visit until a person settles it."""
    reason = f"平台有这一笔而交易日志没有（{gap} 的记录因恢复而丢失），由 {operator} 依平台清单补记"
    visit = next((f"mdtrt_id:{value}" for kind, value in line.keys if kind == "mdtrt_id"), "")
    intent = replace(
        _line_of_ours(line.infno or _settling(journal, line), "money", line.msgid[:INSTITUTION_LENGTH], now),
        content_hash=TAKEN_IN,
        msgid=line.msgid,
        keys=line.keys,
        business_key=visit,
        # nobody knows them any more; the resolver cannot read them and leaves the exchange to a person
        platform_request=b"",
    )
    try:
        row = journal.intend(intent)
    except Busy:
        # held by what was open in the copy: a person settles that first
        row = journal.intend(replace(intent, business_key=""))
    text = f"{ESCALATED.title}：{reason}"
    journal.finish(row.id, Outcome(State.IN_DOUBT, now, err_msg=text, code=IN_DOUBT.code))
    proof = Proof(ProofKind.OPERATOR, now, f"{reason}：{line}", row.infno)
    journal.resolve(row.id, Outcome(State.ESCALATED, now, infcode="-1", err_msg=text, code=ESCALATED.code), [proof])
    return row.id


def _settling(journal: Journal, line: Listed) -> str:
    visits = [(kind, value) for kind, value in line.keys if kind == "mdtrt_id"]
    known = journal.search(Query(keys=visits, states=(State.CONFIRMED,), limit=50)) if visits else []
    return next((SETTLES[row.infno[:2]] for row in known if row.infno[:2] in SETTLES), "")


def _line_of_ours(infno: str, safety: str, institution: str, now: datetime) -> Intent:
    return Intent(
        infno=infno,
        safety=safety,
        client=CLIENT,
        channel="reconcile",
        institution=institution,
        received_at=now,
        mapping_version="",
        caller_request=b"",
        caller_charset="",
    )


def _undo(
    backend: Backend, journal: Journal, undone: Sequence[tuple[int, Listed]], now: datetime, operator: str
) -> None:
    """One line of the journal stands for the undoing that it does not know."""
    text = f"由 {operator} 依平台清单补记的撤销，共 {len(undone)} 笔"
    row = journal.record(_line_of_ours("", "read", "", now), Outcome(State.REFUSED, now, err_msg=text))
    changed = {"ids": [exchange_id for exchange_id, _ in undone], "new_undone_by": row.id}
    backend.write(lambda connection: connection.execute(sql.UNDO, changed).rowcount)
    for exchange_id, line in undone:
        detail = f"平台清单表明已撤销或冲正，由 {operator} 补记：{line}"
        journal.add_proof(exchange_id, Proof(ProofKind.OPERATOR, now, detail))


def _raise_above(connection: Connection, msgids: Iterable[str]) -> None:
    """The list shows numbers that were really used: none of them again."""
    highest: dict[str, int] = {}
    for msgid in msgids:
        of = msgid[:INSTITUTION_LENGTH]
        highest[of] = max(highest.get(of, 0), (slot_of(msgid) or 0) + 1)
    for of, slot in sorted(highest.items()):
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


# ------------------------------------------------------------------ serving


class AfterRestore:
    """What a restore forbids, asked before anything but a query is sent.

    Args:
        backend: of the store, ``journal`` above it.
    """

    def __init__(self, backend: Backend, journal: Journal) -> None:
        self._backend = backend
        self._journal = journal
        self._closed = False
        self._ever: bool | None = None

    def __call__(self, infno: str, visits: Sequence[str]) -> None:
        """Let the call pass.

        Raises:
            Refused: GW-4008, the lost time is not accounted for; GW-1426, the platform's list had the same already.
            JournalUnavailable: the store cannot be read.
        """
        if self._ever is None:
            self._ever = self._backend.read(lambda connection: read_mark(connection, RESTORED_EVER)) is not None
        if not self._ever:
            return
        self._must_be_closed()
        held = self._journal.find_same(infno, visits[0], TAKEN_IN) if visits else None
        if held is not None and held.in_force:
            raise Refused(TAKEN_IN_BEFORE, f"{infno}，msgid {held.msgid}，编号 {held.id}")

    def _must_be_closed(self) -> None:
        gap = None if self._closed else self._backend.read(read_gap)
        # only a restore opens a gap, and that needs a store that nobody serves
        self._closed = gap is None
        if gap is not None:
            raise Refused(RESTORED, f"{gap} 的交易没有记录")
