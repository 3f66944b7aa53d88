"""What one change of a stay means to the DIP system. Pure: the stay before and after it, derived from the same history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final, Literal

from gateway.rules.policy import Policy
from gateway.rules.stay import Moment, Settled, Stay
from gateway.stays.derive import CONFIRMED, derive
from gateway.stays.facts import base
from gateway.stays.history import Acknowledged, History

EventKind = Literal["settle", "resettle", "revoke", "list", "alignment"]
NEVER: Final = 0
"""The number of what was there before changes were numbered."""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered change: of an exchange, a ward event or an adoption, named by ``(kind, serial)``."""

    seq_no: int
    kind: str
    serial: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DipEvent:
    """One thing the DIP system is told. ``event_id`` is the same however often it is read."""

    event_id: str
    seq_no: int
    kind: EventKind
    at: str
    ipt_no: str
    mdtrt_id: str
    psn_no: str
    setl_id: str = ""
    mid_setl_flag: str = ""
    adm_time: str = ""
    """医保结算入院时间 of the settlement (``T_set``); of an alignment event ``T_ins``."""
    ward_time: str = ""
    dscg_time: str = ""
    list_id: str = ""
    alignment: str = ""


def events(history: History, steps: Sequence[Step], wanted: set[int], policy: Policy) -> list[DipEvent]:
    """What the changes with the numbers ``wanted`` mean.

    Args:
        history: of the stay, as it is now.
        steps: every numbered change of the stay, in their order.
    """
    known = {(step.kind, step.serial): step.seq_no for step in reversed(steps)}
    found: list[DipEvent] = []
    before: tuple[int, Stay] | None = None
    for last, step in zip([NEVER, *(one.seq_no for one in steps)], steps, strict=False):
        if step.seq_no in wanted:
            earlier = before[1] if before and before[0] == last else derive(_until(history, known, last), policy)
            after = derive(_until(history, known, step.seq_no), policy)
            # of two changes with the same cause, told under two names of the stay, the first counts
            if known[step.kind, step.serial] == step.seq_no:
                found += _of_step(step, earlier, after, history)
            before = (step.seq_no, after)
    return found


def _until(history: History, known: Mapping[tuple[str, int], int], seq_no: int) -> History:
    """The history as it was when that change had been made."""

    def there(kind: str, serial: int) -> bool:
        return known.get((kind, serial), NEVER) <= seq_no

    def undone(one: Acknowledged) -> Acknowledged:
        by = one.undone_by
        return one if by is None or there("exchange", by) else replace(one, undone_by=None)

    return replace(
        history,
        events=tuple(one for one in history.events if there("ward", one.serial)),
        exchanges=tuple(
            undone(one) for one in history.exchanges if one.state == CONFIRMED and there("exchange", one.exchange_id)
        ),
        adoptions=tuple(one for one in history.adoptions if there("adopted", _milliseconds(one.at))),
    )


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _of_step(step: Step, before: Stay, after: Stay, history: History) -> Iterator[DipEvent]:
    tell = _teller(step, after)
    had, has = ({one.setl_id: one for one in stay.settlements} for stay in (before, after))
    for setl_id in [one for one in had if one not in has]:
        yield tell("revoke", had[setl_id])
    for setl_id in [one for one in has if one not in had]:
        again = _settled_before(history, has[setl_id], step)
        yield tell("resettle" if again else "settle", has[setl_id])
    cause = next((one for one in history.exchanges if (step.kind, step.serial) == ("exchange", one.exchange_id)), None)
    if cause is not None and base(cause.infno) == "4101" and (one := has.get(str(cause.facts.get("setl_id", "")))):
        yield tell("list", one)
    if _aligned(before) != _aligned(after):
        yield tell("alignment", None)


def _settled_before(history: History, settled: Settled, step: Step) -> bool:
    """Whether the stay was settled before, in whole, and that was revoked."""
    return any(
        base(one.infno) == "2304" and one.state == CONFIRMED and one.exchange_id < (settled.exchange_id or step.serial)
        and str(one.facts.get("mid_setl_flag", "")) != "1" and one.facts.get("setl_id") != settled.setl_id
        for one in history.exchanges
    )  # fmt: skip


def _aligned(stay: Stay) -> tuple[str, str, str]:
    return stay.alignment, _text(stay.times.t_ins), _text(stay.times.t_ward)


def _teller(step: Step, stay: Stay) -> Callable[[EventKind, Settled | None], DipEvent]:
    def tell(kind: EventKind, settled: Settled | None) -> DipEvent:
        about = f"{kind}-{settled.setl_id}" if settled else kind
        return DipEvent(
            event_id=f"{step.seq_no}-{about}",
            seq_no=step.seq_no,
            kind=kind,
            at=step.at.isoformat(timespec="seconds"),
            ipt_no=stay.ipt_no,
            mdtrt_id=stay.mdtrt_id,
            psn_no=stay.psn_no,
            setl_id=settled.setl_id if settled else "",
            mid_setl_flag=("1" if settled.interim else "0") if settled else "",
            adm_time=_text(settled.t_set if settled else stay.times.t_ins),
            ward_time=_text(stay.times.t_ward),
            dscg_time=_text(stay.times.t_dsc),
            list_id=settled.listed if settled else "",
            alignment=stay.alignment,
        )

    return tell


def _text(moment: Moment | None) -> str:
    return moment.text if moment else ""


def shown(event: DipEvent) -> dict[str, object]:
    """As JSON."""
    return asdict(event)
