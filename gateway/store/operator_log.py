"""The operator log: who did or looked at what, each row bound to the one before it, none ever changed.

A row carries a digest over its content and the digest of the row before. The newest digest stands in a row of its own
too, and whoever anchors the log writes it elsewhere: cutting off the end of the table does not reach those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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
        self, *, operator: str = "", subject: str = "", before: int | None = None, limit: int = 100
    ) -> list[OperatorEntry]:
        """Rows, newest first.

        Args:
            operator, subject: only theirs; empty for all.
            before: only rows with a smaller number, for the next page.
            limit: 1 to 1,000.
        """
        statement = sql.operator_log_page(operator, subject, before, limit)
        found = self._backend.read(lambda connection: connection.execute(statement).all())
        return [_entry(row) for row in found]

    def verify(self, tell: Callable[[int], None] = lambda _: None) -> BrokenEntry | None:
        """The first row that does not hold, None when all do.

        Args:
            tell: told now and then how many rows have been looked at.
        """
        # the head first: what is appended meanwhile stands behind it
        head: Any = self._backend.read(lambda connection: connection.execute(sql.OPERATOR_HEAD).one_or_none())
        if head is None:
            return BrokenEntry(0, "链头记录已被删除")
        last, at_head, keyed = "", "", False
        for seq, (row, digest) in enumerate(self._rows(), 1):
            if row.seq != seq:
                return BrokenEntry(seq, f"第 {seq} 条已被删除")
            if row.hash != digest(last):
                return BrokenEntry(seq, f"第 {seq} 条的内容或位置被改动")
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

    def _rows(self) -> Iterator[tuple[Any, Callable[[str], str]]]:
        """Each row, and the digest it should have after another."""
        after = 0
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
