"""Changes of stays in the order they became visible, and what is kept up to date from them: one row per stay.

A number is given when a change is first read, not when it is written: with several writers a row of a smaller number
could become visible after a larger one was read, and be lost to whoever reads with a cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    exists,
    func,
    select,
)

from gateway.exchange import entries
from gateway.stays.ports import StayRef
from gateway.store import feed_statements as sql
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.fee_tables import fee_work
from gateway.store.stay_tables import (
    episode_time,
    fee_approval,
    hospital_record,
)
from gateway.store.stays import parts

NUMBERED: Final = "numbered"
"""The reader that stands for the last number given."""
NUMBERED_AT_ONCE_MAX: Final = 5000

ChangeKind = Literal["exchange", "ward", "adopted"]


@dataclass(frozen=True, slots=True)
class Change:
    """That something about a stay has changed.

    ``serial`` is the number of the exchange or of the ward event; of an adoption its time in milliseconds.
    """

    seq_no: int
    ref: StayRef
    kind: ChangeKind
    serial: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """One stay in a list: the three facts and the times of ``EpisodeTime``, to the minute, as the platform writes them."""

    ipt_no: str
    mdtrt_id: str
    psn_no: str
    presence: str
    alignment: str
    settlement: str
    setl_id: str = ""
    """Of the last settlement in force."""
    ward_code: str = ""
    ward_name: str = ""
    t_reg: str = ""
    t_ward: str = ""
    t_wout: str = ""
    t_dsc: str = ""
    t_ins: str = ""
    t_set: str = ""
    fees_count: int | None = None
    """Rows of 2301 in force; None in a row that the program before wrote."""
    fees_sum: str = ""
    """Their amount in yuan."""

    @property
    def key(self) -> str:
        """What it is kept under: its ``mdtrt_id``, before there is one its 住院号."""
        return f"mdtrt:{self.mdtrt_id}" if self.mdtrt_id else f"ipt:{self.ipt_no}"


@dataclass(frozen=True, slots=True)
class EpisodeQuery:
    """Which stays, in which order. Every condition given must hold.

    ``order``: a column of :class:`Episode`; those without a value come last.
    """

    presence: Sequence[str] = ()
    alignment: Sequence[str] = ()
    settlement: Sequence[str] = ()
    ipt_no: str = ""
    mdtrt_id: str = ""
    psn_no: str = ""
    ward_code: str = ""
    ward_from: str = ""
    """Of ``t_ward``, as the platform writes times."""
    ward_before: str = ""
    set_from: str = ""
    set_before: str = ""
    dsc_from: str = ""
    dsc_before: str = ""
    fees: Literal["", "waiting", "bad", "chosen"] = ""
    """Only stays that the upload of fees left something of."""
    emergency: bool = False
    """Only stays with emergency fees that nobody has approved since they were told, with the present ``t_ward``."""
    registered: bool = False
    """Only stays registered at the platform (2401): the HIS tells the wards of others too, who pay by themselves."""
    order: str = "t_ward"
    descending: bool = True
    limit: int = 5000
    skip: int = 0


@dataclass(frozen=True, slots=True)
class WorkEntry:
    """A stay that could not be aligned by itself, and why."""

    mdtrt_id: str
    ipt_no: str
    psn_no: str
    t_ins: str
    t_ward: str
    code: str
    reason: str
    msgid: str
    tries: int
    tried_at: datetime


class StayFeed:
    """The changes and what is kept from them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # ------------------------------------------------------------- changes

    def changes(self, after: int, limit: int) -> list[Change]:
        """Changes with a number above ``after``, in their order. A number once given stays."""
        self._number()
        wanted = {"after": after, "count": limit}
        return self._backend.read(lambda connection: [*map(_change, Veiled(connection).execute(sql.CHANGES, wanted))])

    def changes_of(self, ipt_nos: Sequence[str], mdtrt_id: str) -> list[Change]:
        """Every numbered change of one stay, in their order."""
        wanted = {
            "ipt_nos": [entries.identity(ipt_no, "ipt_no") for ipt_no in ipt_nos] or ["-"],
            "mdtrt_id": entries.identity(mdtrt_id or "-", "mdtrt_id"),
        }
        return self._backend.read(
            lambda connection: [*map(_change, Veiled(connection).execute(sql.CHANGES_OF, wanted))]
        )

    def _number(self) -> None:
        """Every change there is by now has one afterwards; those that come meanwhile may wait for the next who asks."""
        first = {"count": 1}
        if self._backend.read(lambda connection: connection.execute(sql.UNNUMBERED, first).first()) is None:
            return
        while self._backend.write(_give_numbers) == NUMBERED_AT_ONCE_MAX:
            pass

    # ------------------------------------------------------------ episodes

    def reader(self, name: str) -> tuple[int, str] | None:
        """How far a reader has come, and its mark; None when it never began."""
        row = self._backend.read(lambda connection: Veiled(connection).execute(sql.READER, {"reader": name}).first())
        return None if row is None else (row.seq_no, row.mark or "")

    def every_stay(self) -> list[StayRef]:
        """By every name that was ever told."""
        found = self._backend.read(lambda connection: Veiled(connection).execute(sql.EVERY_STAY).all())
        return [StayRef(row.ipt_no or "", row.mdtrt_id or "") for row in found]

    def last_number(self) -> int:
        """The number of the newest change, all of them numbered."""
        self._number()
        return self._backend.read(lambda connection: Veiled(connection).execute(sql.LAST_NUMBER).scalar()) or 0

    def of_same_numbers(self, ipt_nos: Collection[str]) -> dict[str, list[str]]:
        """``mdtrt_id`` of the rows under each 住院号: one that was registered anew has several."""
        kept = {entries.identity(ipt_no, "ipt_no"): ipt_no for ipt_no in sorted(ipt_nos)}

        def job(connection: Connection) -> dict[str, list[str]]:
            veiled, found = Veiled(connection), dict[str, list[str]]()
            for part in parts(list(kept)):
                for row in veiled.execute(sql.SAME_NUMBERS, {"ipt_nos": part}):
                    found.setdefault(kept[row.ipt_no], []).append(row.mdtrt_id)
            return found

        return self._backend.read(job) if kept else {}

    def begin(self, name: str, seq_no: int, mark: str, episodes: Sequence[Episode]) -> None:
        """Replace every row, and let the reader go on after ``seq_no``."""
        rows = {one.key: _episode_row(one) for one in episodes}

        def job(connection: Connection) -> None:
            veiled = Veiled(connection)
            connection.execute(sql.DELETE_READER, {"reader": name})
            connection.execute(sql.DELETE_EPISODES)
            if rows:
                veiled.execute(sql.INSERT_EPISODE, list(rows.values()))
            connection.execute(sql.INSERT_READER, {"reader": name, "seq_no": seq_no, "mark": mark})

        self._backend.write(job)

    def refresh(self, name: str, old: int, new: int, episodes: Sequence[Episode]) -> bool:
        """Put rows in place of those of the same stays and move the reader, unless another has moved it meanwhile."""
        rows = {one.key: _episode_row(one) for one in episodes}
        gone = sorted({*rows, *(f"ipt:{one.ipt_no}" for one in episodes if one.mdtrt_id and one.ipt_no)})
        moved = {"of_reader": name, "old_seq_no": old, "new_seq_no": new}

        def job(connection: Connection) -> bool:
            veiled = Veiled(connection)
            if connection.execute(sql.MOVE_READER, moved).rowcount == 0:
                return False
            if gone:
                veiled.execute(sql.DELETE_EPISODE, [{"stay_key": key} for key in gone])
            if rows:
                veiled.execute(sql.INSERT_EPISODE, list(rows.values()))
            return True

        return self._backend.write(job)

    def episodes(self, query: EpisodeQuery) -> list[Episode]:
        """The list: one statement, whatever its length."""
        statement = _selected(query)
        return self._backend.read(lambda connection: [*map(_episode, Veiled(connection).execute(*statement))])

    def count(self, query: EpisodeQuery) -> int:
        """How many stays of the list there are; counted no further than ``query.limit``."""
        statement, named = _counted(query)
        return self._backend.read(lambda connection: Veiled(connection).execute(statement, named).scalar()) or 0

    def episodes_that(self, query: EpisodeQuery, wanted: Callable[[Any], bool], scanned_max: int) -> list[Episode]:
        """The page of ``query`` of those whose columns that are not veiled say so; only the names of the page are opened.

        Args:
            wanted: asked of each row, with what no column tells; text may be None there.
            scanned_max: rows looked through at most.
        """
        statement, named = _selected(replace(query, limit=scanned_max, skip=0))

        def page(rows: Sequence[Any]) -> Sequence[Any]:
            return [row for row in rows if wanted(row)][query.skip : query.skip + query.limit]

        return self._backend.read(lambda plain: [*map(_episode, Veiled(plain).execute(statement, named, page))])

    # ------------------------------------------------------------ work list

    def work(self) -> list[WorkEntry]:
        """What could not be aligned, newest first."""
        return self._backend.read(lambda connection: [*map(_work_entry, Veiled(connection).execute(sql.WORK))])

    def set_work(self, entry: WorkEntry) -> None:
        """Put a stay on the work list or renew its reason; ``tries`` goes on from what is kept."""
        row = _work_row(entry)

        def job(connection: Connection) -> None:
            veiled = Veiled(connection)
            of = {"mdtrt_id": row["mdtrt_id"]}
            tries = veiled.execute(sql.WORK_OF, of).scalar() or 0
            veiled.execute(sql.DELETE_WORK, of)
            veiled.execute(sql.INSERT_WORK, row | {"tries": tries + entry.tries})

        self._backend.write(job)

    def end_work(self, mdtrt_ids: Sequence[str]) -> None:
        """Take stays off the work list."""
        gone = [{"mdtrt_id": entries.identity(mdtrt_id, "mdtrt_id")} for mdtrt_id in mdtrt_ids]
        if gone:
            self._backend.write(lambda connection: Veiled(connection).execute(sql.DELETE_WORK, gone).rowcount)


def _give_numbers(connection: Connection) -> int:
    """How many were given, under the lock of the reader that stands for the last: two never number at the same time."""
    last = connection.execute(sql.LOCK_READER, {"reader": NUMBERED}).scalar()
    if last is None:
        connection.execute(sql.INSERT_READER, {"reader": NUMBERED, "seq_no": 0, "mark": None})
        last = 0
    found = connection.execute(sql.UNNUMBERED, {"count": NUMBERED_AT_ONCE_MAX}).scalars().all()
    if found:
        numbers = [{"change_id": one, "new_seq_no": last + n} for n, one in enumerate(found, 1)]
        connection.execute(sql.GIVE_NUMBER, numbers)
        moved = {"of_reader": NUMBERED, "old_seq_no": last, "new_seq_no": last + len(found)}
        connection.execute(sql.MOVE_READER, moved)
    return len(found)


def _change(row: Any) -> Change:
    return Change(
        row.seq_no,
        StayRef(row.ipt_no or "", row.mdtrt_id or ""),
        row.kind,
        row.serial,
        entries.from_ms(row.received_at),
    )


_TEXTS: Final = tuple(name for name in Episode.__dataclass_fields__ if name != "fees_count")


def _episode(row: Any) -> Episode:
    return Episode(fees_count=row.fees_count, **{name: getattr(row, name) or "" for name in _TEXTS})


def _episode_row(one: Episode) -> dict[str, Any]:
    widths = ("ipt_no", "mdtrt_id", "psn_no", "setl_id")
    row: dict[str, Any] = {name: getattr(one, name) or None for name in _TEXTS}
    row |= {name: entries.identity_or_none(getattr(one, name), name) for name in widths}
    row["ward_name"] = entries.short(one.ward_name, "ward_name") or None
    return {"stay_key": entries.identity(one.key, "stay_key"), **row, "fees_count": one.fees_count}


_FEES: Final = {
    "waiting": select(fee_work.c.mdtrt_id).where(fee_work.c.waiting > 0),
    "bad": select(fee_work.c.mdtrt_id).where(fee_work.c.bad > 0),
    "chosen": select(fee_work.c.mdtrt_id).where(fee_work.c.wish.is_not(None)),
}


_APPROVED: Final = (
    select(fee_approval.c.id)
    .where(
        fee_approval.c.ipt_no == hospital_record.c.ipt_no,
        fee_approval.c.cut == episode_time.c.t_ward,
        fee_approval.c.received_at >= hospital_record.c.received_at,
    )
    .correlate(hospital_record, episode_time)
)
_UNAPPROVED: Final = (
    select(hospital_record.c.id)
    .where(
        hospital_record.c.ipt_no == episode_time.c.ipt_no,
        hospital_record.c.kind == "emergency_fees",
        ~exists(_APPROVED),
    )
    .correlate(episode_time)
)


def _selected(query: EpisodeQuery) -> tuple[Select[Any], dict[str, Any]]:
    """The statement, and the names it asks for."""
    wheres, named = _wheres(query)
    by = episode_time.c[query.order]
    # NULLS LAST is not said the same everywhere
    order = (case((by.is_(None), 1), else_=0), by.desc() if query.descending else by.asc(), episode_time.c.stay_key)
    return select(episode_time).where(*wheres).order_by(*order).limit(query.limit).offset(query.skip), named


def _counted(query: EpisodeQuery) -> tuple[Select[Any], dict[str, Any]]:
    """The number of those, as far as the limit."""
    wheres, named = _wheres(query)
    found = select(episode_time.c.stay_key).where(*wheres).limit(query.limit).subquery()
    return select(func.count()).select_from(found), named


def _wheres(query: EpisodeQuery) -> tuple[list[ColumnElement[bool]], dict[str, Any]]:
    """What is asked of a row; names stand in the tables veiled, so they are parameters."""
    column = episode_time.c
    named = {name: value for name in ("ipt_no", "mdtrt_id", "psn_no") if (value := getattr(query, name))}
    wheres: list[ColumnElement[bool]] = [column[name] == bindparam(name) for name in named]
    wheres += [column.ward_code == query.ward_code] if query.ward_code else []
    for name in ("presence", "alignment", "settlement"):
        wheres += [column[name].in_(list(given))] if (given := getattr(query, name)) else []
    times = (
        ("t_ward", query.ward_from, query.ward_before),
        ("t_set", query.set_from, query.set_before),
        ("t_dsc", query.dsc_from, query.dsc_before),
    )
    for name, start, end in times:
        wheres += [column[name] >= start] if start else []
        wheres += [column[name] < end] if end else []
    if query.fees:
        wheres.append(column.mdtrt_id.in_(_FEES[query.fees]))
    if query.registered:
        wheres.append(column.mdtrt_id.is_not(None))
    if query.emergency:
        wheres.append(exists(_UNAPPROVED))
    return wheres, named


def _work_entry(row: Any) -> WorkEntry:
    texts = {
        name: getattr(row, name) or "" for name in ("ipt_no", "psn_no", "t_ins", "t_ward", "code", "reason", "msgid")
    }
    return WorkEntry(mdtrt_id=row.mdtrt_id, tries=row.tries, tried_at=entries.from_ms(row.tried_at), **texts)


def _work_row(entry: WorkEntry) -> dict[str, Any]:
    texts: Mapping[str, str] = {name: getattr(entry, name) for name in ("ipt_no", "psn_no", "t_ins", "t_ward")}
    return {
        "mdtrt_id": entries.identity(entry.mdtrt_id, "mdtrt_id"),
        **{name: value or None for name, value in texts.items()},
        "code": entries.short(entry.code, "code") or None,
        "reason": entries.plain(entry.reason) or None,
        "msgid": entries.short(entry.msgid, "msgid") or None,
        "tried_at": entries.to_ms(entry.tried_at),
    }
