"""What people remarked about stays under review (ET-05): each with name and time, kept as written, never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select

from gateway.exchange import entries
from gateway.stays.ports import StayRef
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.remark_tables import review_remark
from gateway.store.stays import packed, parts, unpacked

TEXT_CHARS_MAX: Final = 500

INSERT = insert(review_remark)
BY_VISIT = (
    select(review_remark)
    .where(review_remark.c.mdtrt_id.in_(bindparam("mdtrt_ids", expanding=True)))
    .order_by(review_remark.c.id)
)
# made before the visit was registered: they are about every visit under this number
BY_NUMBER = (
    select(review_remark)
    .where(review_remark.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)), review_remark.c.mdtrt_id.is_(None))
    .order_by(review_remark.c.id)
)


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark.

    Args:
        operator: who made it, as the operator log names people.
    """

    id: int
    text: str
    operator: str
    at: datetime


class SqlRemarks:
    """Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def add(self, ref: StayRef, text: str, operator: str, now: datetime) -> int:
        """Keep a remark about a stay, cut to :data:`TEXT_CHARS_MAX`; its number."""
        row = {
            "ipt_no": entries.identity_or_none(ref.ipt_no, "ipt_no"),
            "mdtrt_id": entries.identity_or_none(ref.mdtrt_id, "mdtrt_id"),
            "operator": entries.short(operator, "operator"),
            "received_at": entries.to_ms(now),
            "packed": packed({"text": entries.plain(text)[:TEXT_CHARS_MAX]}),
        }

        def job(connection: Connection) -> int:
            made: int = Veiled(connection).execute(INSERT, row).inserted_primary_key[0]
            return made

        return self._backend.write(job)

    def of(self, refs: Sequence[StayRef]) -> dict[StayRef, tuple[Remark, ...]]:
        """The remarks about each of these stays, newest first; a stay without any is not in it."""
        by_visit = _kept([ref.mdtrt_id for ref in refs], "mdtrt_id")
        by_number = _kept([ref.ipt_no for ref in refs], "ipt_no")

        def job(connection: Connection) -> tuple[dict[str, list[Remark]], dict[str, list[Remark]]]:
            veiled = Veiled(connection)
            visits, numbers = (
                _read(veiled, BY_VISIT, "mdtrt_ids", by_visit),
                _read(veiled, BY_NUMBER, "ipt_nos", by_number),
            )
            return _grouped(visits, "mdtrt_id"), _grouped(numbers, "ipt_no")

        visits, numbers = self._backend.read(job)
        found: dict[StayRef, tuple[Remark, ...]] = {}
        for ref in refs:
            own = [*visits.get(by_visit.get(ref.mdtrt_id, ""), ()), *numbers.get(by_number.get(ref.ipt_no, ""), ())]
            if own:
                found[ref] = tuple(sorted(own, key=lambda one: -one.id))
        return found


def _kept(given: Sequence[str], column: str) -> dict[str, str]:
    """Each name as it stands in the table."""
    return {one: entries.identity(one, column) for one in given if one}


def _read(veiled: Veiled, statement: Any, name: str, names: dict[str, str]) -> Iterator[Any]:
    for part in parts(list(dict.fromkeys(names.values()))):
        yield from veiled.execute(statement, {name: part}).all()


def _grouped(rows: Iterator[Any], column: str) -> dict[str, list[Remark]]:
    found: dict[str, list[Remark]] = defaultdict(list)
    for row in rows:
        text = str(unpacked(row.packed).get("text", ""))
        found[getattr(row, column)].append(Remark(row.id, text, row.operator, entries.from_ms(row.received_at)))
    return found
