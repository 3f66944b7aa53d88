"""The port of what is kept about stays: events and records of the hospital, facts of exchanges, adoptions.

The fake shares the commits of ``MemoryJournal`` (``gateway/exchange/stay_fakes.py``), the tables are in
``gateway/store/stays.py``; both pass ``tests/conformance/test_stay_records.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.stays.history import Adopted, Approved, Extracted, Facts, History, Record, WardEvent

Told = Literal["new", "corrected", "same"]
"""What became of something told: kept, kept as a correction, or known already."""


@dataclass(frozen=True, slots=True)
class StayRef:
    """How somebody names a stay: by its 住院号, its ``mdtrt_id`` or one of its settlements."""

    ipt_no: str = ""
    mdtrt_id: str = ""
    setl_id: str = ""

    def __str__(self) -> str:
        return self.ipt_no or self.mdtrt_id or self.setl_id


@dataclass(frozen=True, slots=True)
class StayFact:
    """What one exchange tells of one stay; an upload for two visits has two."""

    mdtrt_id: str = ""
    ipt_no: str = ""
    psn_no: str = ""
    setl_id: str = ""
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a query told of one stay: how it is named, the person, the facts."""

    ref: StayRef
    psn_no: str
    adopted: Adopted


Versions = Mapping[str, int]
"""Of a stay, by each of its names."""


@dataclass(frozen=True, slots=True)
class Known:
    """A history with the versions it was read at.

    ``versions`` has a number for every name of the stay, 0 where nothing was kept yet. It changes with everything that
    may change the history, also with an exchange that begins, so whoever decides by a history can make sure that it
    still holds (``StayChanged``).
    """

    history: History
    versions: Versions


class StayChanged(Exception):
    """A version is another than the one the decision was made by; nothing was written."""


class StayRecords(Protocol):
    """What is kept about stays. Nothing is ever changed or removed; every method returns after its effect is durable.

    Every method raises ``JournalUnavailable`` when the store cannot be read or written. Two stays are apart by their
    ``ipt_no``: an ``event_id`` need be unique only within one of them.
    """

    def known(self, ref: StayRef) -> Known:
        """Everything kept of one stay, in a fixed number of statements; an empty history when nothing is."""
        ...

    def tell(
        self, ipt_no: str, mdtrt_id: str, event: WardEvent, client: str, judged_at: Versions | None = None
    ) -> Told:
        """Keep a version of an event, unless it equals the last one of the same stay, kind and ``event_id``.

        Args:
            judged_at: versions by which it was judged that the event may be kept; None where nothing was to be judged.

        Raises:
            StayChanged: one of ``judged_at`` is another now.
        """
        ...

    def keep(self, ipt_no: str, record: Record, client: str) -> Told:
        """Keep a record of the hospital, unless the last one of this kind and version is the same."""
        ...

    def adopt(self, ref: StayRef, psn_no: str, adopted: Adopted) -> None:
        """Keep what a query or an import file told of a stay."""
        ...

    def approve(self, ipt_no: str, approved: Approved, judged_at: Versions) -> None:
        """Keep that an extraction of emergency fees was approved (ET-10). Raises ``StayChanged`` as :meth:`tell`."""
        ...

    def extracted(self, ipt_no: str, extracted: Extracted) -> None:
        """Keep what a caller was told of the emergency fees; it changes nothing of the stay."""
        ...

    def extractions(self, ipt_no: str) -> list[Extracted]:
        """Of each caller what it was told last, by name."""
        ...


def names_of(ref: StayRef) -> tuple[str, ...]:
    """The version keys of what a stay is named by, sorted so that two never wait for each other."""
    named = ((f"ipt:{ref.ipt_no}", ref.ipt_no), (f"mdtrt:{ref.mdtrt_id}", ref.mdtrt_id))
    return tuple(sorted(key for key, value in named if value))


def names_of_facts(facts: Sequence[StayFact]) -> tuple[str, ...]:
    """The version keys of the stays that an exchange is about, sorted."""
    return tuple(sorted({name for one in facts for name in names_of(StayRef(one.ipt_no, one.mdtrt_id))}))
