"""One history out of what is kept: which names belong to a stay, and which rows. Pure; shared by every store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.stays.history import (
    LEFT_HOSPITAL,
    Acknowledged,
    Adopted,
    Approved,
    EarlierEnd,
    Facts,
    History,
    Record,
    WardEvent,
)
from gateway.stays.ports import StayFact, StayRef

STAY_INFNOS = ("2401", "2402", "2403", "2404", "2405")
"""Transactions that tell whether and when another stay of the same person began and ended."""


@dataclass(frozen=True, slots=True)
class Link:
    """That a 住院号 and an ``mdtrt_id`` belong together; ``serial`` is the exchange that says so, 0 for anything else."""

    ipt_no: str
    mdtrt_id: str
    serial: int = 0
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one stay. ``mdtrt_id`` is empty before it is registered."""

    mdtrt_id: str = ""
    ipt_nos: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Version keys, sorted."""
        named = [f"ipt:{ipt_no}" for ipt_no in self.ipt_nos]
        return tuple(sorted([*named, f"mdtrt:{self.mdtrt_id}"] if self.mdtrt_id else named))


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact of an exchange with the exchange's own columns."""

    fact: StayFact
    exchange: Acknowledged


@dataclass(frozen=True, slots=True)
class Rows:
    """What is kept under some names. Events and adoptions come with the names they were told under."""

    facts: Sequence[FactRow] = ()
    events: Sequence[tuple[StayRef, WardEvent]] = ()
    records: Sequence[tuple[str, Record]] = ()
    adoptions: Sequence[tuple[StayRef, str, Adopted]] = ()
    """Names, ``psn_no``, what was adopted."""
    approvals: Sequence[Approved] = ()


def names(ref: StayRef, links: Iterable[Link]) -> Names:
    """All names of the stay that ``ref`` names.

    Of several ``mdtrt_id`` under one 住院号 the newest that is in force counts: a registration that was taken back and
    made anew keeps the 住院号.
    """
    found = sorted(links, key=lambda link: (not link.undone, link.serial))
    mdtrt_id = ref.mdtrt_id or next((link.mdtrt_id for link in reversed(found) if _named(link, ref)), "")
    ipt_nos = dict.fromkeys(link.ipt_no for link in found if link.mdtrt_id == mdtrt_id and link.ipt_no)
    if ref.ipt_no:
        ipt_nos[ref.ipt_no] = None
    return Names(mdtrt_id, tuple(sorted(ipt_nos)))


def _named(link: Link, ref: StayRef) -> bool:
    return not ref.ipt_no or link.ipt_no == ref.ipt_no


def links_of(rows: Rows) -> list[Link]:
    """The links that the rows themselves show; more than were known before means that something came in between."""
    links = [
        Link(row.fact.ipt_no, row.fact.mdtrt_id, row.exchange.exchange_id, row.exchange.undone_by is not None)
        for row in rows.facts
        if row.fact.mdtrt_id and row.exchange.state == "CONFIRMED"
    ]
    links += [Link(ref.ipt_no, ref.mdtrt_id) for ref, _ in rows.events if ref.mdtrt_id]
    return links + [Link(ref.ipt_no, ref.mdtrt_id) for ref, _, _ in rows.adoptions if ref.mdtrt_id]


def history(ref: StayRef, of: Names, rows: Rows, earlier: Sequence[EarlierEnd] = ()) -> History:
    """The history of the stay ``of``; what was told under another ``mdtrt_id`` of the same 住院号 is left out.

    Args:
        ref: as it was asked for, for the 住院号 to show.
        rows: kept under the names.
        earlier: other stays of the same person.
    """
    facts = [row for row in rows.facts if row.fact.mdtrt_id in ("", of.mdtrt_id)]
    return History(
        ipt_no=ref.ipt_no or _newest_ipt_no(facts, rows) or next(iter(of.ipt_nos), ""),
        mdtrt_id=of.mdtrt_id,
        psn_no=psn_no(of, rows),
        events=tuple(event for told, event in rows.events if told.mdtrt_id in ("", of.mdtrt_id)),
        exchanges=tuple(row.exchange for row in facts),
        records=tuple(record for _, record in rows.records),
        adoptions=tuple(one for told, _, one in rows.adoptions if told.mdtrt_id in ("", of.mdtrt_id)),
        earlier_stays=tuple(earlier),
        approvals=tuple(rows.approvals),
    )


def _newest_ipt_no(facts: Sequence[FactRow], rows: Rows) -> str:
    told = [row.fact.ipt_no for row in facts if row.fact.ipt_no and row.exchange.state == "CONFIRMED"]
    told += [ref.ipt_no for ref, _, _ in rows.adoptions if ref.ipt_no and not told]
    return told[-1] if told else ""


def psn_no(of: Names, rows: Rows) -> str:
    """The person of the stay, as the newest row says."""
    told = [row.fact.psn_no for row in rows.facts if row.fact.psn_no and row.fact.mdtrt_id in ("", of.mdtrt_id)]
    told += [psn for ref, psn, _ in rows.adoptions if psn and ref.mdtrt_id in ("", of.mdtrt_id) and not told]
    return told[-1] if told else ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What an exchange or an adoption told of another stay of the same person."""

    infno: str
    """Of the exchange; of an adoption that of its query, or empty."""
    mdtrt_id: str
    ipt_no: str
    facts: Facts


def earlier_ends(found: Iterable[Elsewhere]) -> list[EarlierEnd]:
    """Other stays; ``found`` oldest first, since what is told later counts: a discharge is taken back, a stay cancelled."""
    ends: dict[str, EarlierEnd] = {}
    for told in found:
        known = ends.get(told.mdtrt_id, EarlierEnd(told.mdtrt_id, told.ipt_no))
        if told.infno == "2404":
            ends.pop(told.mdtrt_id, None)
            continue
        ends[told.mdtrt_id] = EarlierEnd(
            told.mdtrt_id,
            told.ipt_no or known.ipt_no,
            str(told.facts.get("begntime") or known.begntime),
            _endtime(told, known),
        )
    return list(ends.values())


def _endtime(told: Elsewhere, known: EarlierEnd) -> str:
    there = told.facts.get("in_hospital")
    if told.infno == "2405" or (there and there != LEFT_HOSPITAL):
        return ""
    return str(told.facts.get("endtime") or known.endtime)
