"""Looks into the store's file itself, past the code under test: what is durable at this very moment?"""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import dataclass
from pathlib import Path

_OPEN = "('INTENDED', 'IN_DOUBT', 'ESCALATED')"


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of a row that is asked about while the simulation runs."""

    id: int
    infno: str
    state: str
    msgid: str
    undone: bool = False


class Witness:
    """A reading connection of its own.

    Args:
        path: the SQLite file of the store.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)

    def by_msgid(self, msgid: str) -> Seen | None:
        """The exchange that was sent, or is about to be, under this number."""
        found = self._connection.execute(
            "SELECT id, infno, state, msgid, undone_by IS NOT NULL FROM exchange WHERE msgid = ?", (msgid,)
        ).fetchone()
        return Seen(*found[:4], bool(found[4])) if found else None

    def by_id(self, exchange_id: int) -> Seen:
        """One exchange."""
        found = self._connection.execute(
            "SELECT id, infno, state, msgid FROM exchange WHERE id = ?", (exchange_id,)
        ).fetchone()
        return Seen(*found)

    def request_bytes(self, exchange_id: int, kind: str = "platform_request") -> bytes | None:
        """What the journal says was sent; ``wire_request``: sealed."""
        found = self._connection.execute(
            "SELECT packed FROM exchange_body WHERE exchange_id = ? AND kind = ?", (exchange_id, kind)
        ).fetchone()
        return zlib.decompress(found[0]) if found else None

    def reversing(self, msgid: str) -> tuple[Seen, bytes] | None:
        """The doubtful exchange that a 2601 of this number is evidence of, and the bytes kept for it."""
        found = self._connection.execute(
            "SELECT e.id, e.infno, e.state, e.msgid, p.request FROM proof p JOIN exchange e ON e.id = p.exchange_id"
            " WHERE p.msgid = ? AND p.kind = 'reverse' AND p.request IS NOT NULL",
            (msgid,),
        ).fetchone()
        return (Seen(*found[:4]), zlib.decompress(found[4])) if found else None

    def open_about(self, keys: set[tuple[str, str]]) -> list[Seen]:
        """Open exchanges that share one of these business keys."""
        found = self._connection.execute(
            "SELECT e.id, e.infno, e.state, e.msgid, k.kind, k.value FROM exchange e"
            f" JOIN exchange_key k ON k.exchange_id = e.id WHERE e.state IN {_OPEN} ORDER BY e.id"
        ).fetchall()
        return list({row[0]: Seen(*row[:4]) for row in found if (row[4], row[5]) in keys}.values())

    def escalated(self) -> list[Seen]:
        """Exchanges that wait for a person."""
        found = self._connection.execute(
            "SELECT id, infno, state, msgid FROM exchange WHERE state = 'ESCALATED' ORDER BY id"
        ).fetchall()
        return [Seen(*row) for row in found]

    def unresolved(self) -> list[Seen]:
        """Exchanges in doubt, also those that wait for a person."""
        found = self._connection.execute(
            "SELECT id, infno, state, msgid FROM exchange WHERE state IN ('IN_DOUBT', 'ESCALATED') ORDER BY id"
        ).fetchall()
        return [Seen(*row) for row in found]

    def open_count(self, *, escalated: bool) -> int:
        """How many exchanges have no last word; those that wait for a person only when ``escalated``."""
        states = _OPEN if escalated else "('INTENDED', 'IN_DOUBT')"
        found = self._connection.execute(f"SELECT count(*) FROM exchange WHERE state IN {states}").fetchone()
        return int(found[0])

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()
