"""What the hospital tells of a stay is kept here, and what follows from all of it is asked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from gateway.faults import VISIT_BUSY, Refused
from gateway.rules.after_discharge import fee_change_allowed, recall_allowed
from gateway.rules.policy import Policy
from gateway.rules.stay import EmergencyVisit, Stay
from gateway.rules.terms import TermBook, no_catalogs
from gateway.rules.times import ahead_s, moment
from gateway.stays.derive import derive
from gateway.stays.history import History, Record, RecordKind, WardEvent, WardEventKind
from gateway.stays.ports import StayChanged, StayRecords, StayRef, Versions

T = TypeVar("T")
JUDGED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """A stay, and the versions of what it was derived from."""

    stay: Stay
    history: History
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the hospital is told: the stay as it stands after what it told, and remarks for staff."""

    stay: Stay
    warnings: tuple[str, ...] = ()
    refusal: Refused | None = None
    """Why a recall or a change of fees is not allowed."""


class StayDesk:
    """Keeps and tells of inpatient stays. Nothing of a stay is held between two calls.

    Args:
        records: where everything told is kept.
        policy: the switches of the rules.
        clock: the gateway's clock, aware.
        settled: the ``setl_id`` by which an emergency visit is settled as outpatient; by default as the hospital told it.
        terms: looks up what the catalogs in force say of codes (quality rules of the settlement list).
    """

    def __init__(
        self,
        records: StayRecords,
        policy: Policy,
        clock: Callable[[], datetime],
        settled: Callable[[EmergencyVisit], str] = lambda visit: visit.setl_id,
        *,
        terms: TermBook = no_catalogs,
    ) -> None:
        self.records = records
        self._settled = settled
        self.policy = policy
        self.terms = terms
        self.clock = clock

    def judged(self, ref: StayRef) -> Judged:
        """The stay as everything kept of it says."""
        known = self.records.known(ref)
        stay = derive(known.history, self.policy)
        if stay.emergency:
            stay = replace(stay, emergency=tuple(replace(one, setl_id=self._settled(one)) for one in stay.emergency))
        return Judged(stay, known.history, known.versions)

    def tell(self, kind: WardEventKind, told: Mapping[str, Any], client: str) -> Answered:
        """Keep an event of the ward.

        Args:
            told: arguments of the operation (contract, ``WardIn`` ...), checked.
            client: whose word it is.
        """
        return self._tell(kind, told, client, None)

    def _tell(self, kind: WardEventKind, told: Mapping[str, Any], client: str, judged_at: Versions | None) -> Answered:
        event = WardEvent(
            event_id=told["event_id"],
            kind=kind,
            received_at=self.clock(),
            event_time=told.get("event_time", ""),
            ward_code=told.get("ward_code", ""),
            ward_name=told.get("ward_name", ""),
            recorded_time=told.get("recorded_time", ""),
            reason=told.get("reason", ""),
            operator=told.get("operator", ""),
        )
        became = self.records.tell(told["ipt_no"], told.get("mdtrt_id", ""), event, client, judged_at)
        warnings = [*self._remarks(event)]
        if became == "corrected":
            warnings.append(f"事件 {event.event_id} 此前已上报，本次内容不同，按更正记录，原值保留")
        return Answered(self.judged(StayRef(told["ipt_no"])).stay, tuple(warnings))

    def _remarks(self, event: WardEvent) -> list[str]:
        """A time ahead of the clock is a fact told, so it is kept; what uses it is refused (C6)."""
        now = self.clock()
        told = moment(event.event_time, event.kind)
        if told is None or ahead_s(told, now) <= 0:
            return []
        return [f"上报的时间 {event.event_time} 晚于当前时间 {now:%Y-%m-%d %H:%M:%S}，请核对院内时钟"]

    def keep(
        self, kind: RecordKind, told: Mapping[str, Any], client: str, *, visit: Mapping[str, str] | None = None
    ) -> Answered:
        """Keep a record of the hospital, whole: diagnoses, operations, emergency fees."""
        rows: Sequence[Mapping[str, Any]] = told.get("rows", ())
        record = Record(
            kind=kind,
            version=told.get("version") or 0,
            received_at=self.clock(),
            rows=tuple(rows),
            operator=told.get("operator", ""),
            visit=visit or {},
        )
        became = self.records.keep(told["ipt_no"], record, client)
        text = f"版本 {record.version} 此前已上报，本次内容不同，以本次为准，原值保留"
        warnings = (text,) if became == "corrected" and visit is None else ()
        return Answered(self.judged(StayRef(told["ipt_no"])).stay, warnings)

    def recall(self, told: Mapping[str, Any], client: str) -> Answered:
        """Take a patient back into a ward: kept only when it is allowed (ET-07), judged and kept as one step."""

        def recalled() -> Answered:
            judged = self.judged(StayRef(told["ipt_no"]))
            refusal = recall_allowed(judged.stay)
            return (
                Answered(judged.stay, refusal=refusal)
                if refusal
                else self._tell("recall", told, client, judged.versions)
            )

        return as_one_step(recalled)

    def recall_allowed(self, ref: StayRef) -> Answered:
        """Whether the patient may be taken back into a ward (ET07-01, ET07-03, ET07-04)."""
        stay = self.judged(ref).stay
        return Answered(stay, refusal=recall_allowed(stay))

    def fee_change_allowed(self, ref: StayRef) -> Answered:
        """Whether a charge, refund or edit may be made (ET07-02, ET07-04)."""
        stay = self.judged(ref).stay
        return Answered(stay, refusal=fee_change_allowed(stay))


def as_one_step(judge_and_keep: Callable[[], T]) -> T:
    """What is judged by a stay and then kept, judged again whenever something was told or begun in between.

    Args:
        judge_and_keep: keeps by the versions that it judged by; raises ``StayChanged`` when they are others now.

    Raises:
        Refused: GW-1423, the stay changes faster than it can be judged.
    """
    for _ in range(JUDGED_MAX):
        try:
            return judge_and_keep()
        except StayChanged:
            continue
    raise Refused(VISIT_BUSY, "该次就诊的情况变化频繁")


def ward_in_time(stay: Stay) -> str:
    """入科时间 as the platform would write it; empty before ward-in."""
    return stay.times.t_ward.text if stay.times.t_ward else ""


def is_known(history: History) -> bool:
    """Whether anything at all was told of a stay."""
    return bool(history.events or history.exchanges or history.records or history.adoptions)
