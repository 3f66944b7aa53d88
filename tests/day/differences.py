"""Differences of all five kinds between the two books: planted in the platform's, in the journal, and left by lost answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.day.hospital import Hospital, Settled

Key = tuple[str, str, bool]
"""Kind of a case, what it is about (``setl_id`` or msgid), whether it is about a refund."""

CAUSES: Final[Mapping[str, Sequence[str]]] = {
    "in_doubt": ("结果未明",),
    "revoked_one_side": ("平台已撤销结算", "平台没有撤销", "没有办成"),
    "amount_differs": ("金额不一致",),
    "only_there": ("日志中没有",),
    "only_here": ("平台没有这笔结算",),
}
"""What the cause of each kind says, in one of these ways."""
_OF_ROW: Final = ("exchange_body", "exchange_key", "request_key", "stay_fact")


@dataclass
class Differences:
    """Plants differences, and takes them back.

    Args:
        plant: a wish to ``/_sim/differences``.
        journal: the gateway's SQLite file, written to behind its back.
    """

    plant: Callable[[Mapping[str, Any]], Any]
    journal: Path
    expected: set[Key] = field(default_factory=set)
    _planted: int = 0
    _repairs: list[Callable[[sqlite3.Connection], None]] = field(default_factory=list)

    def dearer_there(self, one: Settled, amount: str) -> None:
        self._at_the_platform(kind="amount", setl_id=one.setl_id, amount=amount)
        self.expected.add(("amount_differs", one.setl_id, False))

    def missing_there(self, one: Settled) -> None:
        self._at_the_platform(kind="missing", setl_id=one.setl_id)
        self.expected.add(("only_here", one.setl_id, False))

    def revoked_there(self, one: Settled, institution: str) -> None:
        msgid = f"{institution}20000101000000{self._planted:04d}"
        self._at_the_platform(kind="revoked", setl_id=one.setl_id)
        self.expected.add(("revoked_one_side", msgid, True))

    def not_revoked_there(self, one: Settled) -> None:
        self._at_the_platform(kind="unrevoked", setl_id=one.setl_id)
        self.expected.add(("revoked_one_side", one.setl_id, True))

    def more_there(self, psn_no: str, amount: str, day: str) -> None:
        msgid = f"H0000000000020000101000000{self._planted:04d}"
        self._at_the_platform(kind="extra", psn_no=psn_no, amount=amount, insutype="310", clr_type="11", day=day)
        self.expected.add(("only_there", msgid, False))

    def _at_the_platform(self, **wish: str) -> None:
        self.plant(wish)
        self._planted += 1

    # -------------------------------------------------------------- in the journal

    def not_done_here(self, one: Settled) -> None:
        """The journal says that the settlement was not done."""
        with self._writing() as connection:
            number, msgid = _row_of(connection, one)
            connection.execute("UPDATE exchange SET state = 'NOT_DONE' WHERE id = ?", (number,))
        self._repairs.append(
            lambda connection: _execute(connection, "UPDATE exchange SET state = 'CONFIRMED' WHERE id = ?", (number,))
        )
        self.expected.add(("revoked_one_side", msgid, False))

    def lost_here(self, one: Settled) -> None:
        """The journal has never heard of the settlement."""
        with self._writing() as connection:
            number, msgid = _row_of(connection, one)
            kept = [("exchange", *_taken(connection, "exchange", "id", number))]
            kept += [(table, *_taken(connection, table, "exchange_id", number)) for table in _OF_ROW]
        self._repairs.append(lambda connection: _put_back(connection, kept))
        self.expected.add(("only_there", msgid, False))

    def in_doubt(self, hospital: Hospital, numbers: Sequence[int], fault: Callable[[Mapping[str, Any]], Any]) -> None:
        """Visits whose 2207 the platform has executed without telling, and whose reversal does not come through."""
        line = hospital.line("doubts")
        line._weather._chance = 0.0
        for number in numbers:
            message = hospital.before_settlement(line, number)
            fault({"infno": "2601", "kind": "lose-request", "times": 100_000})
            fault({"infno": "2207", "kind": "lose-reply", "times": 1})
            answer = line.call("2207", message, f"doubt-{number}")
            assert answer["code"] in ("GW-4101", "GW-4102"), answer
            self.expected.add(("in_doubt", str(answer["msgid"]), False))
        line.close()

    def repaired(self) -> None:
        """The journal is as it was."""
        with self._writing() as connection:
            for repair in self._repairs:
                repair(connection)

    def _writing(self) -> Any:
        return _Writing(self.journal)


class _Writing:
    """A transaction on the gateway's file while the gateway serves."""

    def __init__(self, journal: Path) -> None:
        self._connection = sqlite3.connect(journal, timeout=30)

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, wrong: object, *_: object) -> None:
        with closing(self._connection) as connection:
            connection.rollback() if wrong else connection.commit()


def _row_of(connection: sqlite3.Connection, one: Settled) -> tuple[int, str]:
    found = connection.execute(
        "SELECT e.id, e.msgid FROM exchange e JOIN exchange_key k ON k.exchange_id = e.id WHERE k.kind = 'setl_id'"
        " AND k.value = ? AND e.infno IN ('2207', '2304') AND e.state = 'CONFIRMED'",
        (one.setl_id,),
    ).fetchall()
    (row,) = found
    return int(row[0]), str(row[1])


def _execute(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    assert connection.execute(statement, values).rowcount == 1


def _taken(connection: sqlite3.Connection, table: str, column: str, number: int) -> tuple[list[tuple[Any, ...]]]:
    rows = connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", (number,)).fetchall()
    connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
    return (rows,)


def _put_back(connection: sqlite3.Connection, kept: Sequence[tuple[str, list[tuple[Any, ...]]]]) -> None:
    for table, rows in kept:
        for row in rows:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
