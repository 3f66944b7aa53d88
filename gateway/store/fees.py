"""How the upload of fees stands per stay: what waits, which rows could not go and why, and whom a person has chosen.

What is chosen stays chosen until its turn has come, so a batch that a restart broke off is gone on with. What has been
uploaded does not stand here: that is known from acknowledged exchanges alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, update

from gateway.exchange import entries
from gateway.stays.ports import StayRef
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.fee_tables import fee_work
from gateway.store.stays import packed, unpacked

Wish = Literal["look", "upload"]
"""``look``: compare with the HIS and send nothing."""
_COUNT_MAX: Final = 2**31 - 1

_ROW: Final = fee_work.c.id == bindparam("of_id")
ONE = select(fee_work.c.id).where(fee_work.c.mdtrt_id == bindparam("mdtrt_id"))
SEVERAL = select(fee_work).where(fee_work.c.mdtrt_id.in_(bindparam("mdtrt_ids", expanding=True)))
QUEUE = select(fee_work).where(fee_work.c.wish.is_not(None)).order_by(fee_work.c.id).limit(bindparam("count"))
COUNT_QUEUE = select(func.count()).select_from(fee_work).where(fee_work.c.wish.is_not(None))
TOTALS = select(
    func.count().label("stays"), func.sum(fee_work.c.waiting).label("waiting"), func.sum(fee_work.c.bad).label("bad")
).where((fee_work.c.waiting > 0) | (fee_work.c.bad > 0))
# written out: with a parameter SQLite does not see that the partial index fits
BAD_STAYS = select(func.count()).select_from(
    select(fee_work.c.bad)
    .where(fee_work.c.bad > literal_column("0"))
    .order_by(fee_work.c.bad)
    .limit(bindparam("most"))
    .subquery()
)
INSERT = insert(fee_work)
CHOOSE = update(fee_work).where(_ROW).values(wish=bindparam("new_wish"), wished_at=bindparam("new_wished_at"))
FORGET = update(fee_work).where(fee_work.c.wish.is_not(None)).values(wish=None, wished_at=None)
COUNTED = update(fee_work).where(_ROW).values(waiting=bindparam("new_waiting"), bad=bindparam("new_bad"))
LOOKED = (
    update(fee_work)
    .where(_ROW)
    .values(
        waiting=bindparam("new_waiting"),
        bad=bindparam("new_bad"),
        looked_at=bindparam("new_looked_at"),
        packed=bindparam("packed"),
    )
)
SERVED = update(fee_work).where(_ROW, fee_work.c.wished_at <= bindparam("served_at")).values(wish=None, wished_at=None)


@dataclass(frozen=True, slots=True)
class FeeWork:
    """One stay.

    Args:
        waiting: rows of the HIS that are not at the platform and may go.
        bad: rows that could not go.
        looked_at: of both; None before the first look.
        left: rows that could not go, with their reasons; JSON values (``jobs/fee_rows.py``).
        note: why nothing of the stay goes now; empty when it may.
        place: how far its fees were read in the HIS; JSON values (``jobs/fee_reading.py``).
    """

    mdtrt_id: str
    ipt_no: str
    wish: Wish | None = None
    wished_at: datetime | None = None
    waiting: int = 0
    bad: int = 0
    looked_at: datetime | None = None
    left: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeeTotals:
    """Over all stays: how many have something open, and how many rows."""

    stays: int = 0
    waiting: int = 0
    bad: int = 0


class SqlFees:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def choose(self, refs: Iterable[StayRef], wish: Wish, now: datetime) -> int:
        """Put stays in the queue; how many. One without an ``mdtrt_id`` has nothing to upload to."""
        chosen = [ref for ref in dict.fromkeys(refs) if ref.mdtrt_id]

        values = {"new_wish": wish, "new_wished_at": entries.to_ms(now)}

        def job(connection: Connection) -> None:
            for ref in chosen:
                connection.execute(CHOOSE, {"of_id": _row_of(connection, ref), **values})

        self._backend.write(job)
        return len(chosen)

    def forget(self) -> int:
        """Empty the queue; how many there were."""
        return self._backend.write(lambda connection: connection.execute(FORGET).rowcount)

    def queue(self, limit: int) -> list[FeeWork]:
        """Whose turn is next."""
        wanted = {"count": limit}
        return self._backend.read(lambda connection: [*map(_work, Veiled(connection).execute(QUEUE, wanted))])

    def queued(self) -> int:
        """How many wait for their turn."""
        return self._backend.read(lambda connection: connection.execute(COUNT_QUEUE).scalar()) or 0

    def of(self, mdtrt_ids: Sequence[str]) -> dict[str, FeeWork]:
        """By ``mdtrt_id``, in one statement; who was never looked at is not in it."""
        wanted = {"mdtrt_ids": [entries.identity(one, "mdtrt_id") for one in mdtrt_ids if one] or ["-"]}
        found = self._backend.read(lambda connection: [*map(_work, Veiled(connection).execute(SEVERAL, wanted))])
        return {one.mdtrt_id: one for one in found}

    def totals(self) -> FeeTotals:
        """Over all stays."""
        row = self._backend.read(lambda connection: connection.execute(TOTALS).one())
        return FeeTotals(row.stays, int(row.waiting or 0), int(row.bad or 0))

    def bad_stays(self, most: int) -> int:
        """How many stays have rows that could not go; counted no further than ``most``."""
        wanted = {"most": most}
        return self._backend.read(lambda connection: connection.execute(BAD_STAYS, wanted).scalar()) or 0

    def count(self, ref: StayRef, waiting: int, bad: int) -> None:
        """While a stay has its turn: how far it is."""
        counts = _counts(waiting, bad)
        self._backend.write(
            lambda connection: connection.execute(COUNTED, {"of_id": _row_of(connection, ref), **counts})
        )

    def keep(self, found: FeeWork, now: datetime, served: datetime | None = None) -> None:
        """Keep how a stay came out.

        Args:
            served: the wish that was carried out; a later one stays.
        """
        ref = StayRef(found.ipt_no, found.mdtrt_id)
        left = [dict(one) for one in found.left]
        content = packed({"left": left, "note": entries.plain(found.note), "place": dict(found.place)})
        values = {**_counts(found.waiting, found.bad), "new_looked_at": entries.to_ms(now), "packed": content}

        def job(connection: Connection) -> None:
            number = _row_of(connection, ref)
            Veiled(connection).execute(LOOKED, {"of_id": number, **values})
            if served is not None:
                connection.execute(SERVED, {"of_id": number, "served_at": entries.to_ms(served)})

        self._backend.write(job)


def _row_of(connection: Connection, ref: StayRef) -> int:
    """Of two who insert at once the unique number lets one through; the other is run again and finds it."""
    veiled, number = Veiled(connection), entries.identity(ref.mdtrt_id, "mdtrt_id")
    found: int | None = veiled.execute(ONE, {"mdtrt_id": number}).scalar()
    if found is not None:
        return found
    row = {"mdtrt_id": number, "ipt_no": entries.identity_or_none(ref.ipt_no, "ipt_no")}
    empty = {"wish": None, "wished_at": None, "waiting": 0, "bad": 0, "looked_at": None, "packed": None}
    made: int = veiled.execute(INSERT, row | empty).inserted_primary_key[0]
    return made


def _counts(waiting: int, bad: int) -> dict[str, int]:
    return {"new_waiting": min(waiting, _COUNT_MAX), "new_bad": min(bad, _COUNT_MAX)}


def _work(row: Any) -> FeeWork:
    kept: dict[str, Any] = unpacked(row.packed) if row.packed is not None else {}
    return FeeWork(
        mdtrt_id=row.mdtrt_id,
        ipt_no=row.ipt_no or "",
        wish=row.wish,
        wished_at=None if row.wished_at is None else entries.from_ms(row.wished_at),
        waiting=row.waiting,
        bad=row.bad,
        looked_at=None if row.looked_at is None else entries.from_ms(row.looked_at),
        left=kept.get("left", ()),
        note=kept.get("note", ""),
        place=kept.get("place", {}),
    )
