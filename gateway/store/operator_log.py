"""The operator log: who did or looked at what, each row bound to the one before it, none ever changed.

A row carries a digest over its content and the digest of the row before. The newest digest stands in a row of its own
too, and whoever anchors the log writes it elsewhere: cutting off the end of the table does not reach those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import Connection

from gateway.exchange import entries
from gateway.exchange.ports import JournalUnavailable
from gateway.masking import mask_text
from gateway.protect import Sealing
from gateway.store import statements as sql
from gateway.store._backend import Backend
from gateway.store._keys import sealing_of

NAME_CHARS_MAX: Final = 64
SUBJECT_CHARS_MAX: Final = 200
DETAIL_CHARS_MAX: Final = 4000
_PAGE_ROWS: Final = 1000
CUT_ROWS: Final = 500
"""Rows removed per transaction."""


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """One row: ``operator`` did ``act`` to ``subject`` (``exchange 7``); ``hash`` binds it to the row before."""

    seq: int
    at: datetime
    operator: str
    act: str
    subject: str
    detail: str
    hash: str


@dataclass(frozen=True, slots=True)
class BrokenEntry:
    """Where the chain does not hold any more, and why, in a sentence for staff."""

    seq: int
    reason: str


class OperatorLog:
    """Append-only; changing or removing a row breaks the chain.

    Args:
        clock: the real clock.
    """

    def __init__(self, backend: Backend, clock: Callable[[], datetime]) -> None:
        self._backend = backend
        self._clock = clock
        self._anchor: Callable[[int, str], None] = lambda _seq, _digest: None

    def anchor(self, write: Callable[[int, str], None]) -> None:
        """Tell ``write`` the number and digest of every row from now on, so that they are known outside the store."""
        self._anchor = write

    def append(self, operator: str, act: str, subject: str, detail: str = "") -> int:
        """Keep what ``operator`` did; durable when it returns.

        Args:
            operator: name of the person, or of the program that acted for one.
            act: what was done, dotted (``journal.show``, ``doubts.resolve``).
            subject: what it was done to, by number (``exchange 7``); personal data in it is masked.
            detail: anything else worth knowing; personal data in it is masked.

        Returns:
            the number of the row.

        Raises:
            ValueError: no name or no act.
            JournalUnavailable: nothing was written; what was to be logged must not happen then.
        """
        row = {
            "at": entries.to_ms(self._clock()),
            "operator": _name(operator),
            "act": _name(act),
            "subject": _masked(subject, SUBJECT_CHARS_MAX),
            "detail": _masked(detail, DETAIL_CHARS_MAX),
        }
        seq, digest = self._backend.write(lambda connection: _append(connection, row))
        self._anchor(seq, digest)
        return seq

    def entries(
        self,
        *,
        operator: str = "",
        subject: str = "",
        acts: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[OperatorEntry]:
        """Rows, newest first: between two times by time, else in the order of writing (they differ where the clock was set).

        Args:
            operator, subject, acts: only theirs; empty for all.
            since, until: only rows from then on, and from before then; aware.
            before: only rows with a smaller number, for the next page.
            limit: 1 to 1,000.
        """
        first, end = (entries.to_ms(moment) if moment is not None else None for moment in (since, until))
        by_time = before is not None and (first is not None or end is not None)

        def job(connection: Connection) -> list[OperatorEntry]:
            place = connection.execute(sql.OPERATOR_PLACE, {"before": before}).scalar() if by_time else None
            statement = sql.operator_log_page(operator, subject, acts, first, end, before, limit, place)
            return [_entry(row) for row in connection.execute(statement).all()]

        return self._backend.read(job)

    def verify(self, tell: Callable[[int], None] = lambda _: None) -> BrokenEntry | None:
        """The first row that does not hold, None when all do.

        Args:
            tell: told now and then how many rows have been looked at.
        """
        # the head first: what is appended meanwhile stands behind it
        head: Any = self._backend.read(lambda connection: connection.execute(sql.OPERATOR_HEAD).one_or_none())
        if head is None:
            return BrokenEntry(0, "链头记录已被删除")
        anchor = self._read_anchor()
        while True:
            broken = self._verify(head, anchor, tell)
            moved = self._read_anchor()
            if broken is None or moved == anchor:
                return broken
            # rows were removed at the end of their time while others were looked at
            anchor = moved

    def cut(self, before: datetime, between: Callable[[], object] = lambda: None) -> int:
        """Remove the oldest rows, all from before that time, in small batches; the chain can be verified as before.

        What stands in for them is the anchor: the first row that is kept and the digest of the one before it, signed with
        the audit key.

        Args:
            before: the newest row always stays.
            between: called between two batches.

        Returns:
            how many rows were removed.

        Raises:
            ValueError: the chain does not hold; what shows it must not be removed.
        """
        if broken := self.verify():
            raise ValueError(f"操作日志不完整（{broken.reason}），为保留证据不予清理：见 yibao audit verify")
        first, upto = self._read_anchor().seq, self._kept_from(before)
        for kept_from in range(min(first + CUT_ROWS, upto), upto + CUT_ROWS, CUT_ROWS) if upto > first else ():
            self._backend.write(partial(_cut, kept_from=min(kept_from, upto)))
            between()
        return max(0, upto - first)

    def due(self, before: datetime) -> int:
        """How many rows :meth:`cut` would remove."""
        return max(0, self._kept_from(before) - self._read_anchor().seq)

    def _kept_from(self, before: datetime) -> int:
        def job(connection: Connection) -> int:
            newest: int = connection.execute(sql.OPERATOR_HEAD).one().seq
            since = {"since": entries.to_ms(before)}
            found: int | None = connection.execute(sql.LOG_KEPT_FROM, since).scalar()
            return newest if found is None else found

        return self._backend.read(job)

    def _read_anchor(self) -> _Anchor:
        return self._backend.read(_anchor)

    def _verify(self, head: Any, anchor: _Anchor, tell: Callable[[int], None]) -> BrokenEntry | None:
        if not anchor.signed:
            return BrokenEntry(anchor.seq, "起点记录被改动：最早的各条可能被删除")
        last, at_head, keyed = anchor.before_hash, "", anchor.keyed
        for seq, (row, digest) in enumerate(self._rows(anchor.seq - 1), anchor.seq):
            if row.seq != seq:
                return BrokenEntry(seq, f"第 {seq} 条已被删除")
            if row.hash != digest(last):
                return BrokenEntry(seq, f"第 {seq} 条的内容或位置被改动")
            if seq == anchor.seq and anchor.cut and not anchor.keyed and row.key_version is not None:
                return BrokenEntry(seq, "起点记录不是用密钥写的，而其后各条是：最早的各条可能被删除")
            if keyed and row.key_version is None:
                return BrokenEntry(seq, f"第 {seq} 条不是用密钥写的，其前各条是")
            last, keyed = row.hash, row.key_version is not None
            at_head = last if seq == head.seq else at_head
            if seq % _PAGE_ROWS == 0:
                tell(seq)
        if at_head != (head.hash or ""):
            return BrokenEntry(head.seq, f"链头为第 {head.seq} 条，表中没有它：末尾被删除或改写")
        protected = self._backend.read(lambda connection: sealing_of(connection).audit_version is not None)
        if protected and not keyed:
            # the first keys write a row of their own
            return BrokenEntry(head.seq, "数据库已启用密钥，而操作日志没有一条是用密钥写的：全部被改写")
        return None

    def head(self) -> tuple[int, str]:
        """Number and digest of the newest row; (0, "") while there is none."""
        row: Any = self._backend.read(lambda connection: connection.execute(sql.OPERATOR_HEAD).one())
        return row.seq, row.hash or ""

    def _rows(self, after: int) -> Iterator[tuple[Any, Callable[[str], str]]]:
        """Each row, and the digest it should have after another."""
        while page := self._page(after):
            yield from page
            after = page[-1][0].seq

    def _page(self, after: int) -> list[tuple[Any, Callable[[str], str]]]:
        values = {"after": after, "count": _PAGE_ROWS}

        def job(connection: Connection) -> list[tuple[Any, Callable[[str], str]]]:
            sealing, found = sealing_of(connection), connection.execute(sql.OPERATOR_LOG_AFTER, values).all()
            return [(row, partial(_digest, sealing, row._mapping)) for row in found]

        return self._backend.read(job)


def _append(connection: Connection, row: dict[str, Any]) -> tuple[int, str]:
    head = connection.execute(sql.LOCK_OPERATOR_HEAD).one_or_none()
    if head is None:
        raise JournalUnavailable("the head of the operator log is missing")
    sealing = sealing_of(connection)
    numbered = {**row, "seq": head.seq + 1, "key_version": sealing.audit_version}
    digest = _digest(sealing, numbered, head.hash or "")
    connection.execute(sql.INSERT_OPERATOR_LOG, {**numbered, "hash": digest})
    moved = connection.execute(
        sql.MOVE_OPERATOR_HEAD, {"seen": head.seq, "new_seq": numbered["seq"], "new_hash": digest}
    )
    if moved.rowcount != 1:
        raise JournalUnavailable("another entry was appended at the same moment")
    return numbered["seq"], digest


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Where the chain begins: ``keyed`` as the row there was; ``signed`` says whether the signature holds."""

    seq: int
    before_hash: str
    keyed: bool
    signed: bool

    @property
    def cut(self) -> bool:
        return self.seq > 1


def _anchor(connection: Connection) -> _Anchor:
    row: Any = connection.execute(sql.OPERATOR_ANCHOR).one_or_none()
    if row is None:
        return _Anchor(1, "", keyed=False, signed=False)
    before, keyed = row.before_hash or "", row.key_version is not None
    untouched = row.seq == 1 and not before and row.mac is None
    # rows of before there were keys may have been removed before there were any
    made_with = {sealing_of(connection).audit_version, row.key_version}
    signed = untouched or row.mac in [_signature(connection, row, version) for version in made_with]
    return _Anchor(row.seq, before, keyed, signed)


def _signature(connection: Connection, anchor: Any, made_with: int | None) -> str:
    # a row's content begins with a number: no digest of a row is a signature of an anchor
    content = ["anchor", anchor.seq, anchor.before_hash or "", anchor.key_version]
    return sealing_of(connection).chained(json.dumps(content).encode(), made_with)


def _cut(connection: Connection, kept_from: int) -> None:
    seen = _anchor(connection)
    if kept_from <= seen.seq:
        # run again, or another node was faster
        return
    gone, kept = connection.execute(sql.OPERATOR_LOG_AFTER, {"after": kept_from - 2, "count": 2}).all()
    anchor = SimpleNamespace(seq=kept_from, before_hash=gone.hash, key_version=kept.key_version)
    mac = _signature(connection, anchor, sealing_of(connection).audit_version)
    values = {f"new_{name}": value for name, value in vars(anchor).items()}
    if connection.execute(sql.MOVE_OPERATOR_ANCHOR, {**values, "new_mac": mac, "seen": seen.seq}).rowcount != 1:
        raise JournalUnavailable("another process moved the anchor of the operator log at the same moment")
    connection.execute(sql.DROP_OPERATOR_LOG, {"kept_from": kept_from})


def begin_keyed(connection: Connection, clock: Callable[[], datetime]) -> None:
    """The row with which the first keys begin to bind the chain, in the transaction that puts them to use."""
    row = {"at": entries.to_ms(clock()), "operator": "yibao", "act": "keys.begin", "subject": "store", "detail": None}
    _append(connection, row)


def _digest(sealing: Sealing, row: Any, before: str) -> str:
    """Over the content of a row and the digest of the row before."""
    content = [row[name] for name in ("seq", "at", "operator", "act", "subject", "detail", "key_version")]
    return sealing.chained(json.dumps([*content, before], separators=(",", ":")).encode(), row["key_version"])


def _name(text: str) -> str:
    found = entries.plain(text.strip())[:NAME_CHARS_MAX]
    if not found:
        raise ValueError("操作日志须写明何人、何事")
    return found


def _masked(text: str, chars_max: int) -> str | None:
    return entries.plain(mask_text(text))[:chars_max] or None


def _entry(row: Any) -> OperatorEntry:
    return OperatorEntry(
        row.seq, entries.from_ms(row.at), row.operator, row.act, row.subject or "", row.detail or "", row.hash
    )
