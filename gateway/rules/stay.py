"""A stay as the rules see it: three facts, the canonical times, what was uploaded (entry-time rules, sections 2 and 3).

``gateway.stays.derive`` builds it; nothing else does, and nothing keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

Presence = Literal["registered", "in_ward", "discharged", "cancelled"]
Alignment = Literal["not_in_ward", "differs", "aligned"]
Settlement = Literal["none", "pre_settled", "interim", "settled", "listed"]

Row = Mapping[str, Any]
"""A row in national field names, leaves as the contract reads them."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One time with its provenance (C1, C5). Two moments are equal for the rules when their ``minute`` is equal."""

    minute: datetime
    """Aware, Asia/Shanghai, truncated to the minute."""
    instant: datetime
    """The same before truncation; orders events within a minute, and is what C6 compares with the clock."""
    raw: str
    """As it was told."""
    origin: str
    """``ward_in``, ``ward_out``, ``2401`` ... (an acknowledged exchange), ``query`` (5201), ``import``."""
    by: str = ""
    """Operator, where one was told."""
    at: datetime | None = None
    """When the gateway came to know it."""
    ref: str = ""
    """``event_id``, or the number of the exchange."""

    @property
    def text(self) -> str:
        """As the platform writes it: ``yyyy-MM-dd HH:mm:ss``."""
        return self.minute.strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class EpisodeTime:
    """The one view every screen, voucher, payload and the DIP system read (C7)."""

    t_reg: Moment | None = None
    """入院登记时间: 2401 ``begntime``."""
    t_ward: Moment | None = None
    """入科时间: the first valid ward-in."""
    t_wout: Moment | None = None
    """出科时间: the last ward-out, unless the patient came back since."""
    t_dsc: Moment | None = None
    """出院时间: 2402 ``endtime`` while that 2402 is in force."""
    t_ins: Moment | None = None
    """医保入院时间: the newest of acknowledged 2401, acknowledged 2403, 5201 answer, import."""
    t_set: Moment | None = None
    """结算快照入院时间 of the last settlement in force."""


@dataclass(frozen=True, slots=True)
class WardIn:
    """The ward-in that gives ``t_ward``."""

    event_id: str
    ward_code: str
    ward_name: str
    operator: str
    reason: str
    recorded: Moment | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """An exchange about the stay nobody knows the end of: INTENDED, IN_DOUBT or ESCALATED."""

    infno: str
    exchange_id: int
    state: str


@dataclass(frozen=True, slots=True)
class FeeRow:
    """A fee row uploaded by 2301 and in force (not removed by 2302)."""

    feedetl_sn: str
    init_feedetl_sn: str
    occurred: Moment | None
    cnt: Decimal
    amount: Decimal
    item: str = ""
    """``medins_list_codg``; empty in rows of before it was kept, as is the next."""
    national: str = ""
    """``med_list_codg``."""
    settled_by: int = 0
    """Number of the settlement in force that took it; 0 while unsettled."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement in force with its frozen copy of ``t_ins`` (``T_set``)."""

    setl_id: str
    exchange_id: int
    interim: bool
    t_set: Moment | None
    at: datetime
    listed: str = ""
    """Number of the settlement list of 4101/4101A in force (the ``setl_id`` where the answer has none)."""
    list_status: str = ""
    """``stas_type`` of the newest acknowledged 4102 or 4103 (0, 1, 2, 3); empty without one."""
    figures: Row = field(default_factory=dict)
    """What the platform answered: total, fund, personal and hospital part, sex and birthday of the person."""
    funds: tuple[Row, ...] = ()
    """``fund_pay_type``, ``fund_payamt`` of each fund."""


@dataclass(frozen=True, slots=True)
class Told:
    """The hospital's own record (diagnoses, operations), whole, of its highest version."""

    version: int
    rows: tuple[Row, ...]
    received_at: datetime
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Diagnoses the platform acknowledged last, and what it showed afterwards when asked (5202)."""

    infno: str
    exchange_id: int
    at: datetime
    rows: tuple[Row, ...]
    read_back: tuple[Row, ...] | None = None
    """Rows of the first 5202 answer after it; None = not asked yet."""


@dataclass(frozen=True, slots=True)
class EarlierStay:
    """Another stay of the same person, for the overlap of ET01-05."""

    mdtrt_id: str
    ipt_no: str
    begntime: Moment | None
    endtime: Moment | None


@dataclass(frozen=True, slots=True)
class EmergencyVisit:
    """The emergency visit that ended in this admission, with its fee rows (ET-10)."""

    ipt_otp_no: str
    mdtrt_id: str
    begntime: Moment | None
    setl_id: str
    rows: tuple[Row, ...]
    version: int
    observation: Moment | None = None
    """Start of 留观, where the visit has one."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Emergency fees approved for a cut time; void when ``t_ward`` moves (ET10-02)."""

    cut: datetime
    at: datetime
    operator: str
    content: str = ""
    """Digest of the rows that were approved."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Everything the rules may know of one stay."""

    ipt_no: str
    mdtrt_id: str
    psn_no: str
    presence: Presence
    alignment: Alignment
    settlement: Settlement
    times: EpisodeTime = field(default_factory=EpisodeTime)
    unknown: tuple[Unknown, ...] = ()
    ward_in: WardIn | None = None
    wards: tuple[str, ...] = ()
    """Ward codes in the order of the patient's way, for the 转科 chain."""
    changed_at: datetime | None = None
    """When the newest 2403 was acknowledged."""
    changed_to: Moment | None = None
    """``begntime`` of the newest acknowledged 2403."""
    ward_at_change: Moment | None = None
    """``t_ward`` as it was known when that 2403 was sent: tells a later correction (ET02-04) from a change never made."""
    died: date | None = None
    """Day of death, where the 2402 in force or a query told it."""
    registration: Row = field(default_factory=dict)
    """Fields of the last acknowledged 2401/2403, by the names of 2403, so that the next 2403 changes nothing else."""
    med_type: str = ""
    dise_codg: str = ""
    discharge: Row = field(default_factory=dict)
    """``dscginfo`` of the 2402 in force; empty otherwise."""
    fees: tuple[FeeRow, ...] = ()
    settlements: tuple[Settled, ...] = ()
    """Those in force, oldest first."""
    diagnoses: Told | None = None
    operations: Told | None = None
    list_told: Told | None = None
    """What the hospital told for its settlement list: one row, by node."""
    uploaded: Uploaded | None = None
    emergency: tuple[EmergencyVisit, ...] = ()
    approval: Approval | None = None
    earlier: tuple[EarlierStay, ...] = ()
    adopted: bool = False
    """Whether ``t_ins`` or the in-hospital state rests on a query or an import."""
