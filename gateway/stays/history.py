"""What happened to one stay, as it was told and acknowledged; :func:`gateway.stays.derive.derive` makes a Stay of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

WardEventKind = Literal["ward_in", "ward_in_void", "transfer", "ward_out", "recall"]
RecordKind = Literal["diagnoses", "operations", "emergency_fees", "settlement_list"]
AdoptionSource = Literal["query", "import"]

Facts = Mapping[str, Any]
"""JSON values only (text, numbers, lists, objects); amounts and counts as text. Keys: ``gateway.stays.facts``."""

LEFT_HOSPITAL: Final = "0"
"""``in_hospital`` of an adoption (``inhosp_stas`` of 5201): no longer there."""


@dataclass(frozen=True, slots=True)
class WardEvent:
    """One version of one event of the hospital (``/soap/hospital``); every version is kept and all come here (C1).

    ``ward_in_void`` carries the ``event_id`` of the event it takes back.
    """

    event_id: str
    kind: WardEventKind
    received_at: datetime
    event_time: str = ""
    """Raw text; empty for a void."""
    ward_code: str = ""
    ward_name: str = ""
    recorded_time: str = ""
    """Raw text; when the hospital recorded it (补录)."""
    reason: str = ""
    operator: str = ""
    serial: int = 0
    """Order of receipt within the store; decides before ``received_at``, which the clocks of several nodes tell."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One exchange about the stay that may be in force: CONFIRMED, or open (INTENDED, IN_DOUBT, ESCALATED).

    ``facts`` is empty while it is open.
    """

    exchange_id: int
    infno: str
    state: str
    received_at: datetime
    undone_by: int | None = None
    finished_at: datetime | None = None
    operator: str = ""
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """The hospital's own record, whole each time; the highest ``version`` counts, among equal ones the last received."""

    kind: RecordKind
    version: int
    received_at: datetime
    rows: tuple[Mapping[str, Any], ...] = ()
    operator: str = ""
    visit: Mapping[str, str] = field(default_factory=dict)
    """``emergency_visit`` of emergency fees: ``ipt_otp_no, mdtrt_id?, begntime, setl_id?``; empty otherwise."""
    serial: int = 0
    """Order of receipt within the store, whatever the clocks of several nodes tell."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a query (5201, 5202) or an import file told of the stay; facts are keyed as those of an exchange."""

    source: AdoptionSource
    at: datetime
    infno: str = ""
    """``5201`` or ``5202``; empty for an import."""
    facts: Facts = field(default_factory=dict)
    after: int = 0
    """The newest confirmed exchange about the stay when the question was asked: what is confirmed later is newer."""
    exchange_id: int = 0
    """Number of the query in the journal; decides which is newer where the times are equal."""


@dataclass(frozen=True, slots=True)
class EarlierEnd:
    """Another stay of the same person: its times as raw text, whatever is known of them."""

    mdtrt_id: str
    ipt_no: str
    begntime: str = ""
    endtime: str = ""


@dataclass(frozen=True, slots=True)
class Approved:
    """An approved extraction of emergency fees (ET-10): the cut time it was made with, as raw text."""

    cut: str
    at: datetime
    operator: str
    content: str = ""
    """Digest of the rows that were approved."""
    serial: int = 0
    """Order of receipt within the store, whatever the clocks of several nodes tell."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one caller was told of the emergency fees of a stay, so that two callers can be compared (ET-10)."""

    client: str
    operator: str
    cut: str
    """As the platform writes it."""
    rows_in: int
    total_in: str
    content: str
    """Digest of the rows inside."""
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """Everything known of one stay. Order within the tuples does not matter."""

    ipt_no: str = ""
    mdtrt_id: str = ""
    psn_no: str = ""
    events: tuple[WardEvent, ...] = ()
    exchanges: tuple[Acknowledged, ...] = ()
    records: tuple[Record, ...] = ()
    adoptions: tuple[Adopted, ...] = ()
    earlier_stays: tuple[EarlierEnd, ...] = ()
    approvals: tuple[Approved, ...] = ()
