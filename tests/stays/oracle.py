"""The gates once more, slowly and straight from the text of the entry-time rules; shares nothing with ``derive``.

Every question is answered by looking through the whole history anew; nothing is folded, grouped or kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.stays.history import Acknowledged, Adopted, History, WardEvent

SHANGHAI = ZoneInfo("Asia/Shanghai")
OPEN = {"INTENDED", "IN_DOUBT", "ESCALATED"}


def instant(raw: str) -> datetime:
    """C4: what the tests write is ISO; without an offset it is Shanghai time."""
    read = datetime.fromisoformat(raw)
    return (read if read.tzinfo else read.replace(tzinfo=SHANGHAI)).astimezone(SHANGHAI)


def minute(raw: str) -> datetime:
    """C5: cut, not rounded."""
    return instant(raw).replace(second=0, microsecond=0)


# ------------------------------------------------------------------ C1: the ward-in


def dead(version: WardEvent, versions: list[WardEvent]) -> bool:
    """Taken back, or replaced by a newer version of the same event that was not taken back itself."""
    if dead_by_void(version, versions):
        return True
    others = [other for other in versions if other.kind == "ward_in" and other.event_id == version.event_id]
    return any(newer(other, version) for other in others if not dead_by_void(other, versions))


def newer(one: WardEvent, other: WardEvent) -> bool:
    """The newest recorded_time, else the last received (contract)."""
    later = (one.received_at, one.serial) > (other.received_at, other.serial)
    if not (one.recorded_time and other.recorded_time):
        return later
    return (instant(one.recorded_time), later) > (instant(other.recorded_time), False)


def dead_by_void(version: WardEvent, versions: list[WardEvent]) -> bool:
    return any(
        other.kind == "ward_in_void"
        and other.event_id == version.event_id
        and (
            (other.received_at, other.serial) > (version.received_at, version.serial)
            or not version.recorded_time
            or instant(version.recorded_time) <= other.received_at
        )
        for other in versions
    )


def of_recall(version: WardEvent, history: History) -> bool:
    """ET-07: the row a HIS writes when it takes a patient back is no new ward-in."""
    here = instant(version.event_time)
    others = [e for e in history.events if e.kind == "ward_in" and e.event_id != version.event_id]
    if not any(instant(other.event_time) < here for other in others):
        return False
    recalls = [event for event in history.events if event.kind == "recall"]
    for recall in recalls:
        replaced = any(newer(other, recall) for other in recalls if other.event_id == recall.event_id)
        if instant(recall.event_time) <= here and not replaced:
            return True
    return any(
        e.infno == "2402" and e.state == "CONFIRMED" and e.undone_by and minute(e.facts["endtime"]) <= minute(version.event_time)
        for e in history.exchanges
    )  # fmt: skip


def t_ward(history: History, not_wards: frozenset[str] = frozenset()) -> datetime | None:
    versions = list(history.events)
    candidates = [
        minute(version.event_time)
        for version in versions
        if version.kind == "ward_in" and version.ward_code not in not_wards
        if not dead(version, versions) and not of_recall(version, history)
    ]
    return min(candidates) if candidates else None


# ------------------------------------------------------------------ what the platform knows


def confirmed(history: History, *infnos: str) -> list[Acknowledged]:
    return [e for e in history.exchanges if e.state == "CONFIRMED" and e.infno in infnos]


def known_at(one: Acknowledged | Adopted) -> datetime:
    return one.at if isinstance(one, Adopted) else one.finished_at or one.received_at


def t_ins(history: History) -> datetime | None:
    words: list[Acknowledged | Adopted] = [*confirmed(history, "2401", "2403")]
    words += [adopted for adopted in history.adoptions if adopted.infno == "5201"]
    words = [word for word in words if word.facts.get("begntime")]
    if not words:
        return None
    newest = words[0]
    for word in words:
        if known_at(word) > known_at(newest):
            newest = word
    return minute(newest.facts["begntime"])


def discharged(history: History) -> bool:
    words: list[tuple[datetime, bool]] = [(known_at(e), e.infno == "2402") for e in confirmed(history, "2402", "2405")]
    words += [(a.at, a.facts["in_hospital"] == "0") for a in history.adoptions if a.facts.get("in_hospital")]
    return max(words)[1] if words else False


def unsettled_early(history: History, ward: datetime) -> bool:
    """Whether a fee row before the ward-in is still at the platform."""
    for upload in confirmed(history, "2301"):
        for row in upload.facts["fees"]:
            if minute(row["fee_ocur_time"]) >= ward:
                continue
            number = row["feedetl_sn"]
            gone = any(
                removal.exchange_id > upload.exchange_id
                and (
                    number in removal.facts["removed"]
                    or ("0000" in removal.facts["removed"] and not settled_between(history, upload, removal))
                )
                for removal in confirmed(history, "2302")
            )
            again = any(
                later.exchange_id > upload.exchange_id and number in [r["feedetl_sn"] for r in later.facts["fees"]]
                for later in confirmed(history, "2301")
            )
            if not gone and not again:
                return True
    return False


def settled_between(history: History, upload: Acknowledged, removal: Acknowledged) -> bool:
    """0000 removes only what no settlement in force has taken by then (2302.yaml); one takes what none has taken."""
    taker = None
    for number in range(upload.exchange_id + 1, removal.exchange_id):
        if taker is not None and taker.undone_by == number:
            taker = None
        if taker is None:
            taker = next((one for one in confirmed(history, "2304") if one.exchange_id == number), None)
    return taker is not None


# ------------------------------------------------------------------ the gates


def open_change(history: History) -> bool:
    return any(e.infno == "2403" and e.state in OPEN for e in history.exchanges)


def aligned(history: History) -> bool:
    ward = t_ward(history)
    return ward is not None and ward == t_ins(history)


def ahead(history: History, now: datetime) -> bool:
    """C6: the raw value of the ward-in that counts lies more than 90 seconds in the future."""
    ward = t_ward(history)
    return ward is not None and ward > now + timedelta(seconds=90)


def may_discharge(history: History, endtime: str, now: datetime) -> bool:
    """ET-02: pass iff."""
    ward = t_ward(history)
    return (
        ward is not None
        and ward == t_ins(history)
        and not open_change(history)
        and not discharged(history)
        and not any(e.infno == "2404" and e.state == "CONFIRMED" for e in history.exchanges)
        and ward < minute(endtime)
        and not unsettled_early(history, ward)
        and not ahead(history, now)
    )


def may_settle(history: History, now: datetime) -> bool:
    """ET-01, settlement gate."""
    return aligned(history) and not ahead(history, now)


def may_change_fees(history: History) -> bool:
    """ET-07: not after a discharge or a settlement in force, nor while the undoing of one is unknown."""
    settled = any(e.undone_by is None and e.facts.get("mid_setl_flag") != "1" for e in confirmed(history, "2304"))
    unknown = any(e.infno == "2405" and e.state in OPEN for e in history.exchanges)
    return not discharged(history) and not settled and not unknown
