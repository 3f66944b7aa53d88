"""What is kept about stays, in memory: the part of ``MemoryJournal`` that is ``gateway.stays.ports.StayRecords``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from gateway.exchange.ports import Exchange, State
from gateway.exchange.states import OPEN
from gateway.stays import assemble
from gateway.stays.assemble import STAY_INFNOS, Elsewhere, FactRow, Rows
from gateway.stays.history import Acknowledged, Adopted, Approved, EarlierEnd, Extracted, Record, WardEvent
from gateway.stays.ports import (
    Adoption,
    Known,
    StayChanged,
    StayFact,
    StayRef,
    Told,
    Versions,
    names_of,
    names_of_facts,
)


class MemoryStays:
    """Stays in lists.

    Args:
        guarded: enters the lock of the journal, and raises while that is unavailable.
        exchange: a row of the journal; called with the lock held.
    """

    def __init__(
        self, guarded: Callable[[], AbstractContextManager[None]], exchange: Callable[[int], Exchange]
    ) -> None:
        self._guarded = guarded
        self._exchange = exchange
        self._facts: dict[int, tuple[StayFact, ...]] = {}
        self._events: list[tuple[StayRef, WardEvent]] = []
        self._records: list[tuple[str, Record]] = []
        self._adoptions: list[tuple[StayRef, str, Adopted]] = []
        self._approvals: list[tuple[str, Approved]] = []
        self._extracted: dict[tuple[str, str], Extracted] = {}
        self._versions: dict[str, int] = {}

    def known(self, ref: StayRef) -> Known:
        with self._guarded():
            rows = self._all()
            mdtrt_id = ref.mdtrt_id or self._settled_stay(ref.setl_id)
            names = assemble.names(replace(ref, mdtrt_id=mdtrt_id), assemble.links_of(rows))
            kept = Rows(
                facts=[row for row in rows.facts if self._concerns(row.fact, names)],
                events=[one for one in rows.events if one[0].ipt_no in names.ipt_nos or _same(one[0], names.mdtrt_id)],
                records=[one for one in rows.records if one[0] in names.ipt_nos],
                adoptions=[
                    one for one in rows.adoptions if one[0].ipt_no in names.ipt_nos or _same(one[0], names.mdtrt_id)
                ],
                approvals=[one for ipt_no, one in self._approvals if ipt_no in names.ipt_nos],
            )
            earlier = self._earlier(assemble.psn_no(names, kept), names.mdtrt_id, rows)
            versions = {name: self._versions.get(name, 0) for name in names.keys}
            return Known(assemble.history(ref, names, kept, earlier), versions)

    def tell(
        self, ipt_no: str, mdtrt_id: str, event: WardEvent, client: str, judged_at: Versions | None = None
    ) -> Told:
        del client
        with self._guarded():
            self.check_versions(judged_at or {})
            ref = StayRef(ipt_no, mdtrt_id)
            same = [
                (told, one)
                for told, one in self._events
                if (told.ipt_no, one.event_id, one.kind) == (ipt_no, event.event_id, event.kind)
            ]
            if same and same[-1] == (
                ref,
                replace(event, received_at=same[-1][1].received_at, serial=same[-1][1].serial),
            ):
                return "same"
            self._events.append((ref, replace(event, serial=len(self._events) + 1)))
            self.raise_versions(names_of(ref))
            return "corrected" if same else "new"

    def keep(self, ipt_no: str, record: Record, client: str) -> Told:
        del client
        with self._guarded():
            same = [
                one
                for told, one in self._records
                if (told, one.kind, one.version) == (ipt_no, record.kind, record.version)
            ]
            if same and (same[-1].rows, same[-1].visit) == (record.rows, record.visit):
                return "same"
            self._records.append((ipt_no, replace(record, serial=len(self._records) + 1)))
            self.raise_versions(names_of(StayRef(ipt_no)))
            return "corrected" if same else "new"

    def adopt(self, ref: StayRef, psn_no: str, adopted: Adopted) -> None:
        with self._guarded():
            self.adopted([Adoption(ref, psn_no, adopted)])

    def approve(self, ipt_no: str, approved: Approved, judged_at: Versions) -> None:
        with self._guarded():
            self.check_versions(judged_at)
            self._approvals.append((ipt_no, replace(approved, serial=len(self._approvals) + 1)))
            self.raise_versions(names_of(StayRef(ipt_no)))

    def extracted(self, ipt_no: str, extracted: Extracted) -> None:
        with self._guarded():
            self._extracted[ipt_no, extracted.client] = extracted

    def extractions(self, ipt_no: str) -> list[Extracted]:
        with self._guarded():
            return [one for (of, _), one in sorted(self._extracted.items()) if of == ipt_no]

    # ------------------------------------------- in the commits of the journal

    def check_versions(self, versions: Versions) -> None:
        for name, version in versions.items():
            if self._versions.get(name, 0) != version:
                raise StayChanged(name)

    def intended(self, exchange_id: int, facts: Sequence[StayFact], judged_at: Versions) -> None:
        self._facts[exchange_id] = tuple(facts)
        self.raise_versions({*judged_at, *names_of_facts(facts)})

    def confirmed(self, exchange_id: int, facts: Sequence[StayFact], ended: Iterable[int]) -> None:
        if facts:
            self._facts[exchange_id] = tuple(facts)
        concerned = [one for found in (exchange_id, *ended) for one in self._facts.get(found, ())]
        self.raise_versions(names_of_facts(concerned))

    def adopted(self, told: Iterable[Adoption]) -> None:
        for one in told:
            self._adoptions.append((one.ref, one.psn_no, one.adopted))
            self.raise_versions(names_of(one.ref))

    def raise_versions(self, names: Iterable[str]) -> None:
        for name in names:
            self._versions[name] = self._versions.get(name, 0) + 1

    # ------------------------------------------------------------------ rows

    def _all(self) -> Rows:
        facts = [
            _row(one, self._exchange(exchange_id))
            for exchange_id, given in sorted(self._facts.items())
            for one in given
            if self._exchange(exchange_id).state in OPEN | {State.CONFIRMED}
        ]
        return Rows(facts, self._events, self._records, self._adoptions)

    def _settled_stay(self, setl_id: str) -> str:
        found = [one.mdtrt_id for given in self._facts.values() for one in given if setl_id and one.setl_id == setl_id]
        return next((mdtrt_id for mdtrt_id in found if mdtrt_id), "")

    def _concerns(self, fact: StayFact, names: assemble.Names) -> bool:
        if fact.ipt_no in names.ipt_nos or (names.mdtrt_id and fact.mdtrt_id == names.mdtrt_id):
            return True
        return bool(names.mdtrt_id and fact.setl_id) and self._settled_stay(fact.setl_id) == names.mdtrt_id

    def _earlier(self, psn_no: str, mdtrt_id: str, rows: Rows) -> list[EarlierEnd]:
        told = [
            (adopted.after, serial, Elsewhere(adopted.infno, ref.mdtrt_id, ref.ipt_no, adopted.facts))
            for serial, (ref, psn, adopted) in enumerate(rows.adoptions, 1)
            if psn == psn_no and ref.mdtrt_id not in ("", mdtrt_id)
        ]
        told += [
            (
                row.exchange.exchange_id,
                0,
                Elsewhere(row.exchange.infno, row.fact.mdtrt_id, row.fact.ipt_no, row.exchange.facts),
            )
            for row in rows.facts
            if row.fact.psn_no == psn_no
            and row.fact.mdtrt_id not in ("", mdtrt_id)
            and row.exchange.infno in STAY_INFNOS
            and (row.exchange.state, row.exchange.undone_by) == (State.CONFIRMED.value, None)
        ]
        found = [one for *_, one in sorted(told, key=lambda one: one[:2])]
        return assemble.earlier_ends(found) if psn_no else []


def _same(ref: StayRef, mdtrt_id: str) -> bool:
    return bool(mdtrt_id) and ref.mdtrt_id == mdtrt_id


def _row(fact: StayFact, row: Exchange) -> FactRow:
    facts = fact.facts if row.state is State.CONFIRMED else {}
    told = Acknowledged(
        exchange_id=row.id,
        infno=row.infno,
        state=row.state.value,
        received_at=row.received_at,
        undone_by=row.undone_by,
        finished_at=row.finished_at,
        operator=row.opter,
        facts=facts,
    )
    return FactRow(replace(fact, facts=facts), told)
