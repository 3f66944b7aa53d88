"""The course of a stay as a picture: wards, what was sent to the insurance, what was refused, money; SVG made here.

Distances are not to scale: an admission of an hour and a ward round of a month both stay readable. Later is further right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from gateway.console.shown import STATES, free_text
from gateway.exchange.ports import Exchange, State
from gateway.rules.stay import Stay
from gateway.rules.times import SHANGHAI, moment
from gateway.stays.facts import base
from gateway.stays.history import Acknowledged, History, WardEvent
from gateway.stays.story import RECORDS

WIDTH: Final = 1060
LEFT: Final = 84
RIGHT: Final = 24
LANES: Final = {"ward": 52, "sent": 104, "refused": 152, "money": 200}
"""Middle of each lane."""
HEIGHT: Final = 246
LANE_TITLES: Final = {"ward": "病区", "sent": "医保交易", "refused": "未办成", "money": "费用"}
DRAWN_MAX: Final = 80
LABEL_WIDTH: Final = 46
"""Pixels that a label needs before the next one may stand."""
TICK_WIDTH: Final = 78
EVENTS: Final[Mapping[str, str]] = {
    "ward_in": "入科",
    "ward_in_void": "取消入科",
    "transfer": "转科",
    "ward_out": "出科",
    "recall": "拉回科室",
}
_SHORT: Final[Mapping[str, str]] = {
    "2401": "登记",
    "2402": "出院",
    "2403": "变更",
    "2404": "撤销登记",
    "2405": "撤销出院",
    "2303": "预结算",
    "2304": "结算",
    "2305": "撤销结算",
    "2301": "费用",
    "2302": "费用撤销",
    "4101": "清单",
    "4102": "清单状态",
}
_MONEY: Final = frozenset({"2301", "2302", "2303", "2304", "2305"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    ``at`` is when it happened, ``told_at`` when the gateway came to know it; of an exchange they are the same.
    """

    at: datetime
    told_at: datetime
    lane: str
    title: str
    short: str
    detail: str
    by: str
    kind: str
    """A colour's meaning: ``ok``, ``warn`` ..."""
    exchange_id: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """Where a step stands; ``label`` is empty where there is no room."""

    x: float
    y: float
    kind: str
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A ward, from when to when."""

    x: float
    width: float
    label: str
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Line:
    """A time that matters, across all lanes."""

    x: float
    label: str
    kind: str
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws."""

    dots: Sequence[Dot]
    bars: Sequence[Bar]
    lines: Sequence[Line]
    ticks: Sequence[tuple[float, str]]
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT

    @property
    def lanes(self) -> list[tuple[str, int]]:
        """Title and middle of each lane."""
        return [(LANE_TITLES[name], y) for name, y in LANES.items()]


# ------------------------------------------------------------------ steps


def steps(history: History, rows: Sequence[Exchange], names: Mapping[str, str], *, plain: bool) -> list[Step]:
    """Everything that happened, in the order it happened.

    Args:
        rows: of the journal about the stay; of them those that did not come about are taken, the others are in ``history``.
        names: transactions by number.
        plain: whether free texts may be shown as they are.
    """
    found = [
        *(_event(one, plain=plain) for one in history.events),
        *(_exchange(one, names) for one in history.exchanges),
        *(
            _adopted(one.at, f"平台查询 {one.infno}" if one.source == "query" else "导入接入")
            for one in history.adoptions
        ),
        *(_refused(row, names, plain=plain) for row in rows if row.state in _NOT_DONE),
        *(
            Step(one.at, one.at, "money", "急诊费用审核通过", "急诊", f"截止 {one.cut}", one.operator, "ok")
            for one in history.approvals
        ),
        *(
            Step(one.received_at, one.received_at, "", RECORDS[one.kind], "", f"版本 {one.version}，{len(one.rows)} 行",
                 one.operator, "idle")
            for one in history.records
        ),
    ]  # fmt: skip
    shown = (replace(step, by=free_text(step.by, plain=plain)) for step in found)
    return sorted(shown, key=lambda step: (step.at, step.told_at))


_NOT_DONE: Final = (State.REFUSED, State.DECLINED, State.NOT_SENT, State.NOT_DONE, State.REVERSED)


def _event(event: WardEvent, *, plain: bool) -> Step:
    told = moment(event.event_time, event.kind)
    ward = " ".join(filter(None, (event.ward_code, event.ward_name)))
    recorded = f"录入 {event.recorded_time}" if event.recorded_time else ""
    reason = f"原因 {free_text(event.reason, plain=plain)}" if event.reason else ""
    detail = "，".join(filter(None, (ward, f"事件 {event.event_id}", recorded, reason)))
    kind = "idle" if event.kind == "ward_in_void" else "run"
    at = told.instant if told else event.received_at
    return Step(at, event.received_at, "ward", EVENTS[event.kind], EVENTS[event.kind], detail, event.operator, kind)


def _exchange(one: Acknowledged, names: Mapping[str, str]) -> Step:
    number = base(one.infno)
    title, kind = STATES[State(one.state)]
    undone = "，已撤销" if one.undone_by is not None else ""
    at = (one.finished_at or one.received_at).astimezone(SHANGHAI)
    lane = "money" if number in _MONEY else "sent"
    detail = "，".join(filter(None, (f"{title}{undone}", *_facts(one))))
    named = f"{one.infno} {names.get(one.infno, '')}".strip()
    shade = "idle" if undone else kind
    return Step(at, at, lane, named, _SHORT.get(number, one.infno), detail, one.operator, shade, one.exchange_id)


_SHOWN: Final = (("begntime", "入院时间"), ("endtime", "出院时间"), ("med_type", "医疗类别"), ("setl_id", "结算 ID"))


def _facts(one: Acknowledged) -> Iterator[str]:
    for name, label in _SHOWN:
        if value := one.facts.get(name):
            yield f"{label} {value}"
    if rows := one.facts.get("fees"):
        yield f"{len(rows)} 行，{money(sum((amount_of(row) for row in rows), Decimal(0)))} 元"
    if diagnoses := one.facts.get("diagnoses"):
        yield f"诊断 {len(diagnoses)} 条"


def amount_of(row: Mapping[str, object]) -> Decimal:
    """What a fee row costs, in yuan."""
    return Decimal(str(row.get("det_item_fee_sumamt") or 0))


def money(amount: Decimal) -> str:
    """``1,234.50``."""
    return f"{amount:,.2f}"


def _adopted(at: datetime, title: str) -> Step:
    return Step(at, at, "", title, "", "", "", "idle")


def _refused(row: Exchange, names: Mapping[str, str], *, plain: bool) -> Step:
    title, kind = STATES[row.state]
    at = row.received_at.astimezone(SHANGHAI)
    detail = f"{title}：{free_text(row.err_msg, plain=plain)}" if row.err_msg else title
    named = f"{row.infno} {names.get(row.infno, '')}".strip()
    return Step(at, at, "refused", named, row.code or row.infno, detail, row.opter, kind, row.id, row.code)


# ------------------------------------------------------------------ the picture


def picture(found: Sequence[Step], stay: Stay, now: datetime) -> Picture:
    """Where everything stands.

    Args:
        found: in the order it happened.
        now: ends the bar of a patient who is still in a ward.
    """
    drawn = [step for step in found if step.lane][-DRAWN_MAX:]
    marks = [*_marks(stay)]
    at = _places(sorted({step.at for step in drawn} | {when for when, _, _ in marks} | _open_end(stay, drawn, now)))
    return Picture(
        dots=[*_dots(drawn, at)],
        bars=[*_bars(stay, drawn, at)],
        lines=[Line(at[when], label, kind, 16 + 13 * (number % 2)) for number, (when, label, kind) in enumerate(marks)],
        ticks=[*_ticks(at)],
        left_out=sum(1 for step in found if step.lane) - len(drawn),
    )


def _marks(stay: Stay) -> Iterator[tuple[datetime, str, str]]:
    times = stay.times
    if times.t_ward:
        yield times.t_ward.minute, "入科时间", "ok" if stay.alignment == "aligned" else "warn"
    if times.t_ins and stay.alignment != "aligned":
        yield times.t_ins.minute, "医保入院时间", "warn"
    if times.t_dsc:
        yield times.t_dsc.minute, "出院时间", "ok"


def _open_end(stay: Stay, drawn: Sequence[Step], now: datetime) -> set[datetime]:
    in_ward = stay.presence == "in_ward" and any(step.lane == "ward" for step in drawn)
    return {now.astimezone(SHANGHAI)} if in_ward else set()


def _places(times: Sequence[datetime]) -> dict[datetime, float]:
    """Further right for later, further apart for longer, but never too far: the logarithm of the hours between."""
    if not times:
        return {}
    gaps = [0.0]
    for before, after in itertools.pairwise(times):
        gaps.append(gaps[-1] + 0.35 + math.log1p((after - before) / timedelta(hours=1)))
    room, whole = WIDTH - LEFT - RIGHT - 24, gaps[-1] or 1.0
    return {when: round(LEFT + 12 + room * gap / whole, 1) for when, gap in zip(times, gaps, strict=True)}


def _dots(drawn: Sequence[Step], at: Mapping[datetime, float]) -> Iterator[Dot]:
    free = dict.fromkeys(LANES, float("-inf"))
    for step in drawn:
        x = at[step.at]
        fits = x >= free[step.lane]
        if fits:
            free[step.lane] = x + LABEL_WIDTH
        title = "\n".join(filter(None, (f"{step.at:%Y-%m-%d %H:%M} {step.title}", step.detail, step.by)))
        yield Dot(x, LANES[step.lane], step.kind, step.short if fits else "", title)


def _bars(stay: Stay, drawn: Sequence[Step], at: Mapping[datetime, float]) -> Iterator[Bar]:
    """From each arrival in a ward to the next event of the ward lane, or to the end of the picture."""
    if stay.ward_in is None:
        return
    events = [step for step in drawn if step.lane == "ward" and step.short != EVENTS["ward_in_void"]]
    end = max(at.values()) if stay.presence == "in_ward" else _end(stay, at)
    for step, following in zip(events, [*events[1:], None], strict=True):
        if step.short == EVENTS["ward_out"]:
            continue
        until = at[following.at] if following else end
        if until is not None and until > at[step.at]:
            ward = step.detail.partition("，")[0]
            width = round(until - at[step.at], 1)
            yield Bar(at[step.at], width, ward[: int(width // 13)], ward, "run")


def _end(stay: Stay, at: Mapping[datetime, float]) -> float | None:
    """Where the patient left, where no ward-out was told."""
    return at.get(stay.times.t_dsc.minute) if stay.times.t_dsc else None


def _ticks(at: Mapping[datetime, float]) -> Iterator[tuple[float, str]]:
    free = float("-inf")
    for when, x in at.items():
        if x >= free:
            free = x + TICK_WIDTH
            yield x, f"{when:%m-%d %H:%M}"
