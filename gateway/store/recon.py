"""What reconciliation found: parts of a day, and cases that are opened, seen again and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection

from gateway.exchange import entries
from gateway.store import recon_statements as sql
from gateway.store._backend import Backend
from gateway.store._keys import sealing_of
from gateway.store._veil import Veiled
from gateway.store._veil_past import WORDS, packed_words, seal_told
from gateway.store.stays import packed, unpacked

PartKind = Literal["total", "detail"]
PartState = Literal["even", "uneven", "failed"]
CaseState = Literal["open", "closed"]
ALL_TYPES: Final = "-"
"""``insutype`` of a detail, which covers all; Oracle takes empty text for NULL."""
_AMOUNTS: Final = ("medfee_cents", "fund_cents", "acct_cents", "cash_cents")


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison of a day: a total (3201) or a detail (3202). Amounts in cents, of our side."""

    day: str
    kind: PartKind
    setl_optins: str
    insutype: str
    clr_type: str
    state: PartState
    line_count: int
    medfee_cents: int
    fund_cents: int
    acct_cents: int
    cash_cents: int
    told: str
    """The platform's words, or why it could not be compared."""
    exchange_id: int | None
    """The 3201 or 3202."""
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class NewCase:
    """A difference as it was found."""

    kind: str
    setl_optins: str
    clr_type: str
    msgid: str
    exchange_id: int | None
    key: str
    """By which it is the same difference when it is found again."""
    content: Mapping[str, Any]
    """JSON values: ``cause``, ``setl_id``, ``psn_no``, ``mdtrt_id``, ``refund``, ``ours``, ``theirs``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A difference as it is kept."""

    id: int
    day: str
    kind: str
    state: CaseState
    setl_optins: str
    clr_type: str
    msgid: str
    exchange_id: int | None
    content: Mapping[str, Any]
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What one run over a day has found.

    Args:
        parts: every comparison.
        cases: every difference.
        over: whether a case of the day that this run has not found again is to be closed.
    """

    day: str
    parts: Sequence[Part]
    cases: Sequence[NewCase]
    over: Callable[[Case], bool]


class SqlRecon:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def keep(self, found: Compared, now: datetime) -> list[Case]:
        """Put a run in the place of the one before, in one commit: new cases open, found ones stay open, others close.

        Returns:
            the cases of the day.
        """

        def job(plain: Connection) -> list[Case]:
            connection = Veiled(plain)
            connection.execute(sql.DROP_PARTS, {"of_day": found.day})
            for part in found.parts:
                connection.execute(sql.INSERT_PART, _part_row(part))
            before = [_case(row) for row in connection.execute(sql.CASES_OF, {"of_day": found.day})]
            _merge(connection, found, before, entries.to_ms(now))
            seal_told(plain, sealing_of(plain))
            return [_case(row) for row in connection.execute(sql.CASES_OF, {"of_day": found.day})]

        return self._backend.write(job)

    def parts(self, first: str, last: str) -> list[Part]:
        """Comparisons of days from ``first`` to ``last`` (``yyyy-MM-dd``), in their order."""
        days = {"first": first, "last": last}
        found = self._backend.read(lambda connection: Veiled(connection).execute(sql.PARTS, days).all())
        return [_part(row) for row in found]

    def cases(
        self, first: str, last: str, states: Sequence[CaseState] = ("open",), limit: int = 1000, skip: int = 0
    ) -> list[Case]:
        """Cases of these days."""
        wanted = {"first": first, "last": last, "states": list(states), "count": limit, "skip": skip}
        return self._cases(sql.CASES, wanted)

    def newest_cases(self, states: Sequence[CaseState], limit: int, skip: int = 0) -> list[Case]:
        """Cases of every day, those of the last day first."""
        return self._cases(sql.NEWEST_CASES, {"states": list(states), "count": limit, "skip": skip})

    def _cases(self, statement: Any, wanted: Mapping[str, Any]) -> list[Case]:
        return self._backend.read(
            lambda connection: [_case(row) for row in Veiled(connection).execute(statement, wanted)]
        )

    def open_cases(self, most: int) -> int:
        """How many are open; counted no further than ``most``."""
        wanted = {"most": most}
        return self._backend.read(lambda connection: connection.execute(sql.OPEN_CASES, wanted).scalar()) or 0

    def case(self, case_id: int) -> Case | None:
        def job(connection: Connection) -> Case | None:
            row = Veiled(connection).execute(sql.CASE, {"case_id": case_id}).one_or_none()
            return None if row is None else _case(row)

        return self._backend.read(job)

    def counts(self, first: str, last: str) -> dict[str, dict[str, int]]:
        """Day -> state -> how many cases."""
        days = {"first": first, "last": last}
        found: dict[str, dict[str, int]] = {}
        for row in self._backend.read(lambda connection: connection.execute(sql.COUNT_CASES, days).all()):
            found.setdefault(row.day, {})[row.state] = row.rows_counted
        return found

    def unsettled_days(self) -> list[str]:
        """Days with open cases, or with a comparison that could not be made or did not come out even."""

        def job(connection: Connection) -> set[str]:
            return {row.day for asked in (sql.OPEN_DAYS, sql.UNFINISHED_DAYS) for row in connection.execute(asked)}

        return sorted(self._backend.read(job))


def _merge(connection: Veiled, found: Compared, before: Sequence[Case], now: int) -> None:
    known = {(case.setl_optins, case.clr_type, case.content["key"]): case for case in before}
    for new in found.cases:
        content = packed({**new.content, "key": new.key})
        case = known.pop((new.setl_optins, new.clr_type, new.key), None)
        if case is not None:
            connection.execute(sql.SEEN, _seen(case.id, new.kind, new.exchange_id, content, now, None))
            continue
        row = {"day": found.day, "kind": new.kind, "state": "open", "setl_optins": new.setl_optins,
               "clr_type": new.clr_type, "msgid": entries.identity_or_none(new.msgid, "msgid"),
               "exchange_id": new.exchange_id, "packed": content, "opened_at": now, "seen_at": now}  # fmt: skip
        connection.execute(sql.INSERT_CASE, row)
    for case in known.values():
        if case.state == "open" and found.over(case):
            content = packed(case.content)
            seen = entries.to_ms(case.seen_at)
            connection.execute(sql.SEEN, _seen(case.id, case.kind, case.exchange_id, content, seen, now))


def _seen(
    case_id: int, kind: str, exchange_id: int | None, content: bytes, seen: int, closed: int | None
) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "new_kind": kind,
        "new_state": "open" if closed is None else "closed",
        "new_exchange_id": exchange_id,
        "packed": content,
        "new_seen_at": seen,
        "new_closed_at": closed,
    }


def _part_row(part: Part) -> dict[str, Any]:
    amounts = {name: getattr(part, name) for name in _AMOUNTS}
    return {
        "day": part.day,
        "kind": part.kind,
        "setl_optins": part.setl_optins,
        "insutype": part.insutype,
        "clr_type": part.clr_type,
        "state": part.state,
        "line_count": part.line_count,
        **amounts,
        "told": None,
        "packed": packed_words(part.told),
        "exchange_id": part.exchange_id,
        "checked_at": entries.to_ms(part.checked_at),
    }


def _part(row: Any) -> Part:
    names = ("day", "kind", "setl_optins", "insutype", "clr_type", "state", "line_count", *_AMOUNTS)
    given = {name: getattr(row, name) for name in names}
    told = row.told or "" if row.packed is None else unpacked(row.packed)[WORDS]
    return Part(**given, told=told, exchange_id=row.exchange_id, checked_at=entries.from_ms(row.checked_at))


def _case(row: Any) -> Case:
    return Case(
        id=row.id,
        day=row.day,
        kind=row.kind,
        state=row.state,
        setl_optins=row.setl_optins,
        clr_type=row.clr_type,
        msgid=row.msgid or "",
        exchange_id=row.exchange_id,
        content=unpacked(row.packed),
        opened_at=entries.from_ms(row.opened_at),
        seen_at=entries.from_ms(row.seen_at),
        closed_at=None if row.closed_at is None else entries.from_ms(row.closed_at),
    )
