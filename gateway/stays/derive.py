"""History -> Stay: everything about a stay follows from what was told and acknowledged (entry-time rules, section 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.rules.policy import Policy
from gateway.rules.stay import (
    Alignment,
    Approval,
    EarlierStay,
    EmergencyVisit,
    EpisodeTime,
    FeeRow,
    Moment,
    Presence,
    Row,
    Settled,
    Settlement,
    Stay,
    Told,
    Unknown,
    Uploaded,
    WardIn,
)
from gateway.rules.times import minute_of, moment
from gateway.stays.facts import ALL_FEES, base
from gateway.stays.history import LEFT_HOSPITAL, Acknowledged, Adopted, Approved, EarlierEnd, History, Record, WardEvent

OPEN: Final = frozenset({"INTENDED", "IN_DOUBT", "ESCALATED"})
CONFIRMED: Final = "CONFIRMED"
INTERIM: Final = "1"

_Known = Acknowledged | Adopted


def derive(history: History, policy: Policy) -> Stay:
    """The stay as it stands now.

    Args:
        history: in any order; of exchanges those of another stay under the same ``ipt_no`` are left out.
        policy: of it only ``not_wards`` (C3).
    """
    own = _own(history)
    confirmed = [exchange for exchange in own.exchanges if exchange.state == CONFIRMED]
    events = events_in_force(own.events)
    ward = first_ward_in(events, own.events, confirmed, policy)
    presence_fact = _presence_fact(confirmed, own.adoptions)
    times = _times(events, ward, confirmed, own.adoptions, presence_fact)
    settlements = _settlements(confirmed, own.adoptions)
    times = replace(times, t_set=settlements[-1].t_set if settlements else None)
    registration = _registration(confirmed, own.adoptions)
    changes = [exchange for exchange in confirmed if base(exchange.infno) == "2403"]
    change = changes[-1] if changes else None
    return Stay(
        ipt_no=own.ipt_no,
        mdtrt_id=own.mdtrt_id,
        psn_no=own.psn_no,
        presence=_presence(confirmed, presence_fact, times),
        alignment=alignment(times),
        settlement=_settlement(settlements, confirmed),
        times=times,
        unknown=tuple(Unknown(e.infno, e.exchange_id, e.state) for e in own.exchanges if e.state in OPEN),
        ward_in=_ward_in(ward) if ward else None,
        wards=_wards(events, ward),
        changed_at=_at(change) if change else None,
        changed_to=_of_exchange(change, "begntime") if change else None,
        ward_at_change=_ward_at(change, own.events, confirmed, policy) if change else None,
        died=_died(presence_fact),
        registration=registration,
        med_type=str(registration.get("med_type", "")),
        dise_codg=str(registration.get("dise_codg", "")),
        discharge=_form(presence_fact) if times.t_dsc else {},
        fees=_fees(confirmed),
        settlements=settlements,
        diagnoses=_told(own.records, "diagnoses"),
        operations=_told(own.records, "operations"),
        list_told=_told(own.records, "settlement_list"),
        uploaded=_uploaded(confirmed, own.adoptions),
        emergency=_emergency(own.records),
        approval=_approval(own.approvals),
        earlier=tuple(_earlier(other) for other in own.earlier_stays),
        adopted=_adopted(times, presence_fact),
    )


def alignment(times: EpisodeTime) -> Alignment:
    """``T_ins == T_ward``, never kept (section 3)."""
    if times.t_ward is None:
        return "not_in_ward"
    same = times.t_ins is not None and times.t_ins.minute == times.t_ward.minute
    return "aligned" if same else "differs"


def _own(history: History) -> History:
    """Exchanges in their order, without those that say they are about another stay; the ids filled in."""
    ordered = sorted(history.exchanges, key=lambda exchange: exchange.exchange_id)
    admissions = [e.facts.get("mdtrt_id", "") for e in ordered if e.state == CONFIRMED and base(e.infno) == "2401"]
    adopted = [a.facts.get("mdtrt_id", "") for a in sorted(history.adoptions, key=_order)]
    mdtrt_id = history.mdtrt_id or next((found for found in (*reversed(admissions), *reversed(adopted)) if found), "")
    facts = [e.facts for e in reversed(ordered)] + [a.facts for a in history.adoptions]
    return replace(
        history,
        mdtrt_id=mdtrt_id,
        ipt_no=history.ipt_no or _first(facts, "ipt_no", "ipt_otp_no"),
        psn_no=history.psn_no or _first(facts, "psn_no"),
        exchanges=tuple(e for e in ordered if e.facts.get("mdtrt_id", mdtrt_id) in ("", mdtrt_id)),
        adoptions=tuple(a for a in history.adoptions if a.facts.get("mdtrt_id", mdtrt_id) in ("", mdtrt_id)),
    )


def _first(facts: Iterable[Mapping[str, Any]], *names: str) -> str:
    return next((str(fact[name]) for fact in facts for name in names if fact.get(name)), "")


# ------------------------------------------------------------------ ward events (C1, C2, C3)


@dataclass(frozen=True, slots=True)
class Event:
    """The version of an event that counts, with its time read."""

    version: WardEvent
    time: Moment


def events_in_force(versions: Iterable[WardEvent]) -> list[Event]:
    """Of each event the version that counts, in the order of their times; voids and unreadable times left out.

    A HIS may number a stay in a ward and use that number for coming and going alike, so kinds are kept apart; a void
    takes back the ward-in of its number.
    """
    grouped: dict[tuple[str, str], list[WardEvent]] = {}
    for version in versions:
        kind = "ward_in" if version.kind == "ward_in_void" else version.kind
        grouped.setdefault((version.event_id, kind), []).append(version)
    found = [_read(counting(same)) for same in grouped.values()]
    return sorted((event for event in found if event), key=_event_order)


def counting(versions: Sequence[WardEvent]) -> WardEvent:
    """Of one event's versions the one that counts: the newest ``recorded_time``, else the last received (contract)."""
    ordered = sorted(versions, key=lambda version: (version.serial, version.received_at))
    current = ordered[0]
    for version in ordered[1:]:
        if _replaces(version, current):
            current = version
    return current


def _replaces(later: WardEvent, current: WardEvent) -> bool:
    """Whether what was received later is also the newer truth."""
    recorded, before = (moment(version.recorded_time, "") for version in (later, current))
    if recorded and before:
        return recorded.instant >= before.instant
    if current.kind == "ward_in_void" and later.kind != "ward_in_void":
        # a void may overtake the event it takes back; only what was recorded after it can bring the event back
        return recorded is not None and recorded.instant > current.received_at
    return True


def _read(version: WardEvent) -> Event | None:
    if version.kind == "ward_in_void":
        return None
    time = moment(
        version.event_time, version.kind, by=version.operator, at=version.received_at, ref=version.event_id
    )  # fmt: skip
    return Event(version, time) if time else None


def _event_order(event: Event) -> tuple[datetime, str, str]:
    return event.time.instant, event.version.event_id, event.version.kind


def first_ward_in(
    events: Sequence[Event], versions: Sequence[WardEvent], confirmed: Sequence[Acknowledged], policy: Policy
) -> Event | None:
    """The event that gives ``t_ward``: the first valid ward-in that is not the row a HIS writes on a recall."""
    entries = [e for e in events if e.version.kind == "ward_in" and e.version.ward_code not in policy.not_wards]
    return next((entry for entry in entries if not _of_recall(entry, events, versions, confirmed)), None)


def _of_recall(
    entry: Event, events: Sequence[Event], versions: Sequence[WardEvent], confirmed: Sequence[Acknowledged]
) -> bool:
    """Whether a ward-in is a recall: another came before it, and a recall or an undone discharge between them (ET-07)."""
    before = any(
        version.event_id != entry.version.event_id
        and version.kind == "ward_in"
        and (told := moment(version.event_time, "")) is not None
        and told.instant < entry.time.instant
        for version in versions
    )
    if not before:
        return False
    recalled = any(e.version.kind == "recall" and e.time.instant <= entry.time.instant for e in events)
    return recalled or any(
        (ended := _of_exchange(exchange, "endtime")) is not None and ended.minute <= entry.time.minute
        for exchange in confirmed
        if base(exchange.infno) == "2402" and exchange.undone_by is not None
    )


def _last_ward_out(events: Sequence[Event]) -> Moment | None:
    """The last ward-out, unless the patient was in a ward again at that time or later."""
    outs = [event.time for event in events if event.version.kind == "ward_out"]
    if not outs:
        return None
    back = any(e.version.kind != "ward_out" and e.time.instant >= outs[-1].instant for e in events)
    return None if back else outs[-1]


def _wards(events: Sequence[Event], ward: Event | None) -> tuple[str, ...]:
    """The patient's way through the wards from ``t_ward`` on; a ward told twice in a row counts once."""
    way: list[str] = []
    for event in events if ward else ():
        moved = event is ward or event.version.kind == "transfer"
        after = ward is not None and event.time.instant >= ward.time.instant
        if moved and after and event.version.ward_code and way[-1:] != [event.version.ward_code]:
            way.append(event.version.ward_code)
    return tuple(way)


def _ward_in(ward: Event) -> WardIn:
    version = ward.version
    recorded = moment(version.recorded_time, "ward_in", by=version.operator, at=version.received_at)
    return WardIn(
        event_id=version.event_id,
        ward_code=version.ward_code,
        ward_name=version.ward_name,
        operator=version.operator,
        reason=version.reason.strip(),
        recorded=recorded,
        received_at=version.received_at,
    )


def _ward_at(
    change: Acknowledged, versions: Sequence[WardEvent], confirmed: Sequence[Acknowledged], policy: Policy
) -> Moment | None:
    """``t_ward`` as it was known when ``change`` was sent."""
    known = [version for version in versions if version.received_at <= change.received_at]
    found = first_ward_in(events_in_force(known), known, confirmed, policy)
    return found.time if found else None


# ------------------------------------------------------------------ times and presence


def _all(confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> list[_Known]:
    return [*confirmed, *adoptions]


def _order(known: _Known) -> tuple[int, bool, datetime]:
    """What is newer, by the order of the journal: the clocks of several nodes are not the same.

    Exchanges of one stay come one after another. What was asked after an exchange was confirmed is newer than it; what
    is confirmed after the question was asked is newer than the answer.
    """
    adopted = isinstance(known, Adopted)
    return known.after if isinstance(known, Adopted) else known.exchange_id, adopted, _at(known)


def _at(known: _Known) -> datetime:
    return known.at if isinstance(known, Adopted) else known.finished_at or known.received_at


def _origin(known: _Known) -> str:
    return known.source if isinstance(known, Adopted) else known.infno


def _of_exchange(known: _Known, name: str) -> Moment | None:
    operator = known.operator if isinstance(known, Acknowledged) else ""
    reference = str(known.exchange_id or "")
    return moment(str(known.facts.get(name) or ""), _origin(known), by=operator, at=_at(known), ref=reference)


def _form(known: _Known | None) -> Row:
    return known.facts.get("form", {}) if known else {}


def _presence_fact(confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> _Known | None:
    """The newest word on whether the patient is in hospital: 2402, 2405, or a query that tells ``in_hospital``."""
    words: list[_Known] = [exchange for exchange in confirmed if base(exchange.infno) in ("2402", "2405")]
    words += [adopted for adopted in adoptions if adopted.facts.get("in_hospital")]
    return max(words, key=_order, default=None)


def _left(known: _Known | None) -> bool:
    if isinstance(known, Acknowledged):
        return base(known.infno) == "2402"
    return known is not None and known.facts["in_hospital"] == LEFT_HOSPITAL


def _times(
    events: Sequence[Event],
    ward: Event | None,
    confirmed: Sequence[Acknowledged],
    adoptions: Sequence[Adopted],
    presence_fact: _Known | None,
) -> EpisodeTime:
    registered = [exchange for exchange in confirmed if base(exchange.infno) == "2401"]
    insured = [
        known for known in _all(confirmed, adoptions) if _tells_admission(known) and _of_exchange(known, "begntime")
    ]
    newest = max(insured, key=_order, default=None)
    return EpisodeTime(
        t_reg=_of_exchange(registered[-1], "begntime") if registered else None,
        t_ward=ward.time if ward else None,
        t_wout=_last_ward_out(events),
        t_dsc=_of_exchange(presence_fact, "endtime") if presence_fact and _left(presence_fact) else None,
        t_ins=_of_exchange(newest, "begntime") if newest else None,
    )


def _tells_admission(known: _Known) -> bool:
    return known.infno in ("", "5201") if isinstance(known, Adopted) else base(known.infno) in ("2401", "2403")


def _presence(confirmed: Sequence[Acknowledged], presence_fact: _Known | None, times: EpisodeTime) -> Presence:
    admissions = [exchange for exchange in confirmed if base(exchange.infno) == "2401"]
    reversed_all = bool(admissions) and all(exchange.undone_by is not None for exchange in admissions)
    if reversed_all or any(base(exchange.infno) == "2404" for exchange in confirmed):
        return "cancelled"
    if _left(presence_fact):
        return "discharged"
    return "in_ward" if times.t_ward else "registered"


def _died(presence_fact: _Known | None) -> date | None:
    told = str(presence_fact.facts.get("die_date") or "") if presence_fact and _left(presence_fact) else ""
    try:
        return date.fromisoformat(told[:10]) if told else None
    except ValueError:
        return None


def _registration(confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> Row:
    """Fields of the newest 2401, 2403, 5201 or import, by the names of 2403."""
    words = [known for known in _all(confirmed, adoptions) if _tells_admission(known)]
    newest = max(words, key=_order, default=None)
    if newest is None:
        return {}
    named = {name: newest.facts[name] for name in ("med_type", "dise_codg", "begntime") if newest.facts.get(name)}
    form = named | dict(_form(newest))
    if "ipt_no" in form:
        form.setdefault("ipt_otp_no", form.pop("ipt_no"))
    return form


def _adopted(times: EpisodeTime, presence_fact: _Known | None) -> bool:
    return isinstance(presence_fact, Adopted) or (times.t_ins is not None and times.t_ins.origin in ("query", "import"))


# ------------------------------------------------------------------ fees and settlements


def _fees(confirmed: Sequence[Acknowledged]) -> tuple[FeeRow, ...]:
    """Rows in force: 2301 adds, 2302 removes what is unsettled at that time, a settlement takes what is there."""
    found: dict[str, FeeRow] = {}
    steps = [(exchange.exchange_id, exchange) for exchange in confirmed if base(exchange.infno) in _MOVES_FEES]
    steps += [(e.undone_by, e) for e in confirmed if base(e.infno) == "2304" and e.undone_by is not None]
    for number, exchange in sorted(steps, key=lambda step: step[0]):
        if base(exchange.infno) == "2301":
            found |= {row.feedetl_sn: row for row in map(_fee, exchange.facts.get("fees", ()))}
        elif base(exchange.infno) == "2302":
            found = _removed(found, set(exchange.facts.get("removed", ())))
        else:
            taken = number == exchange.exchange_id
            found = {sn: _taken(row, exchange.exchange_id if taken else 0, exchange) for sn, row in found.items()}
    return tuple(found.values())


_MOVES_FEES: Final = frozenset({"2301", "2302", "2304"})


def _removed(found: Mapping[str, FeeRow], numbers: Collection[str]) -> dict[str, FeeRow]:
    keep = {sn: row for sn, row in found.items() if sn not in numbers}
    return {sn: row for sn, row in keep.items() if row.settled_by or ALL_FEES not in numbers}


def _taken(row: FeeRow, by: int, settlement: Acknowledged) -> FeeRow:
    """The row as a settlement takes it, or as its revocation (``by`` 0) leaves it."""
    if by == 0:
        return replace(row, settled_by=0) if row.settled_by == settlement.exchange_id else row
    return row if row.settled_by else replace(row, settled_by=by)


def _fee(row: Mapping[str, Any]) -> FeeRow:
    return FeeRow(
        feedetl_sn=str(row.get("feedetl_sn", "")),
        init_feedetl_sn=str(row.get("init_feedetl_sn") or ""),
        occurred=moment(str(row.get("fee_ocur_time") or ""), "2301"),
        cnt=_number(row.get("cnt")),
        amount=_number(row.get("det_item_fee_sumamt")),
        item=str(row.get("medins_list_codg") or ""),
        national=str(row.get("med_list_codg") or ""),
    )


def _number(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)


def _settlements(confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> tuple[Settled, ...]:
    """Settlements in force, each with ``T_ins`` as it was when it was made."""
    revoked = {str(e.facts.get("setl_id", "")) for e in confirmed if base(e.infno) == "2305" and e.undone_by is None}
    known = _all(confirmed, adoptions)
    own = []
    for exchange in confirmed:
        if base(exchange.infno) == "2304" and exchange.undone_by is None:
            before = [
                e for e in known if _order(e) < _order(exchange) and _tells_admission(e) and e.facts.get("begntime")
            ]
            newest = max(before, key=_order, default=None)
            t_set = _of_exchange(newest, "begntime") if newest else None
            own.append(_settled(str(exchange.facts.get("setl_id", "")), exchange, exchange.facts, t_set))
    elsewhere = {
        str(row["setl_id"]): _settled(
            str(row["setl_id"]), adopted, row, moment(str(row.get("begntime") or ""), adopted.source)
        )
        for adopted in sorted(adoptions, key=_order)
        for row in adopted.facts.get("settlements", ())
        if str(row["setl_id"]) not in revoked
    }
    found = [*own, *(one for setl_id, one in elsewhere.items() if setl_id not in {mine.setl_id for mine in own})]
    return tuple(_listed(settled, confirmed, adoptions) for settled in sorted(found, key=_settled_order))


def _settled(setl_id: str, known: _Known, facts: Mapping[str, Any], t_set: Moment | None) -> Settled:
    return Settled(
        setl_id,
        known.exchange_id,
        str(facts.get("mid_setl_flag", "")) == INTERIM,
        t_set,
        _at(known),
        figures=facts.get("figures", {}),
        funds=tuple(facts.get("funds", ())),
    )


def _settled_order(settled: Settled) -> tuple[datetime, int]:
    return settled.at, settled.exchange_id


def _listed(settled: Settled, confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> Settled:
    lists = [
        exchange
        for exchange in confirmed
        if base(exchange.infno) == "4101" and exchange.facts.get("setl_id") == settled.setl_id
    ]
    words = [k for k in _all(confirmed, adoptions) if k.facts.get("list_status", {}).get(settled.setl_id)]
    newest = max(words, key=_order, default=None)
    status = str(newest.facts["list_status"][settled.setl_id]) if newest else ""
    number = str(lists[-1].facts.get("list_id") or settled.setl_id) if lists else settled.setl_id if status else ""
    return replace(settled, listed=number, list_status=status)


def _settlement(settlements: Sequence[Settled], confirmed: Sequence[Acknowledged]) -> Settlement:
    if any(settled.listed for settled in settlements):
        return "listed"
    if any(not settled.interim for settled in settlements):
        return "settled"
    if settlements:
        return "interim"
    money = [base(exchange.infno) for exchange in confirmed if base(exchange.infno) in ("2303", "2304", "2305")]
    return "pre_settled" if money[-1:] == ["2303"] else "none"


# ------------------------------------------------------------------ records


def _told(records: Iterable[Record], kind: str) -> Told | None:
    newest = max(
        (r for r in records if r.kind == kind), key=lambda r: (r.version, r.serial, r.received_at), default=None
    )
    return Told(newest.version, newest.rows, newest.received_at, newest.operator) if newest else None


def _uploaded(confirmed: Sequence[Acknowledged], adoptions: Sequence[Adopted]) -> Uploaded | None:
    """The diagnoses acknowledged last, with the newest 5202 answer since."""
    uploads = [e for e in confirmed if base(e.infno) in ("2401", "2402", "2403") and e.facts.get("diagnoses")]
    if not uploads:
        return None
    upload = uploads[-1]
    since = [a for a in adoptions if a.infno == "5202" and _order(a) >= _order(upload)]
    newest = max(since, key=_order, default=None)
    kind = "2" if base(upload.infno) == "2402" else "1"
    shown = (
        tuple(row for row in newest.facts.get("diagnoses", ()) if row.get("inout_diag_type", kind) == kind)
        if newest
        else None
    )
    return Uploaded(upload.infno, upload.exchange_id, _at(upload), tuple(upload.facts["diagnoses"]), shown)


def _emergency(records: Iterable[Record]) -> tuple[EmergencyVisit, ...]:
    """Of each emergency visit its newest record, in the order of their starts."""
    newest: dict[str, Record] = {}
    told = [record for record in records if record.kind == "emergency_fees"]
    for record in sorted(told, key=lambda r: (r.version, r.serial, r.received_at)):
        newest[record.visit.get("ipt_otp_no", "")] = record
    visits = [_visit(record) for record in newest.values()]
    return tuple(sorted(visits, key=lambda v: (v.begntime.instant.timestamp() if v.begntime else 0.0, v.ipt_otp_no)))


def _visit(record: Record) -> EmergencyVisit:
    told = record.visit
    return EmergencyVisit(
        ipt_otp_no=told.get("ipt_otp_no", ""),
        mdtrt_id=told.get("mdtrt_id", ""),
        begntime=moment(told.get("begntime", ""), "emergency_visit"),
        setl_id=told.get("setl_id", ""),
        rows=record.rows,
        version=record.version,
        observation=moment(told.get("observation_time", ""), "emergency_visit"),
    )


def _approval(approvals: Iterable[Approved]) -> Approval | None:
    newest = max(approvals, key=lambda approved: (approved.serial, approved.at), default=None)
    cut = minute_of(newest.cut) if newest else None
    return Approval(cut, newest.at, newest.operator, newest.content) if newest and cut else None


def _earlier(other: EarlierEnd) -> EarlierStay:
    begntime, endtime = moment(other.begntime, "earlier"), moment(other.endtime, "earlier")
    return EarlierStay(other.mdtrt_id, other.ipt_no, begntime, endtime)
