"""撤销已上传的费用 (2302): rows chosen, the gate's verdict, what will be undone named with its sum, a reason, the button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.console.stays.acts import NOTHING, REASON_CHARS_MAX, REASON_CHARS_MIN, Told, anew, done, gate_of, sent
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.listing import page_in
from gateway.console.stays.people import name_shown
from gateway.console.stays.words import address
from gateway.console.visit import Visit
from gateway.desks.stay_acts import FEE_UNDO, fee_undo_mark
from gateway.rules.alignment import early_fees
from gateway.rules.stay import FeeRow, Stay
from gateway.stays.desk import Judged
from gateway.stays.discharge import Gate
from gateway.stays.facts import ALL_FEES
from gateway.stays.fee_undo import ROWS_MAX, FeeUndo, fee_undo, unsettled

PAGE_ROWS: Final = 100
TEXT_CHARS_MAX: Final = 64
_MARK: Final = "fee:"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which of the rows are listed: a number or its beginning, a day, those before the ward-in."""

    sn: str
    day: str
    early: bool
    page: int


def undo(visit: Visit) -> Response:
    """The rows to choose from."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _choose(visit, judged)


def act(visit: Visit) -> Response:
    """``check``: name what would be undone; ``undo``: have it done."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    numbers = [ALL_FEES] if visit.form.get("whole") else _chosen(visit.form)
    plan = fee_undo(judged.stay, numbers)
    if visit.form.get("act") != "undo":
        problems = {"error": plan.problems[0], "problems": plan.problems[1:]} if plan.problems else NOTHING
        return _choose(visit, judged, problems, 422) if problems else _confirm(visit, judged, plan)
    reason = visit.form.get("reason", "").strip()
    if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
        text = f"请写明撤销的原因（{REASON_CHARS_MIN} 到 {REASON_CHARS_MAX} 字），会记入操作日志"
        return _confirm(visit, judged, plan, {"error": text}, 422, reason[:REASON_CHARS_MAX])
    told = sent(visit, "stay_fee_undo", judged, numbers=numbers, reason=reason, seen=visit.form.get("seen", ""))
    if not told["ok"]:
        now = anew(visit, judged)
        return _confirm(visit, now, fee_undo(now.stay, numbers), told, 409, reason)
    visit.say(done(_done(told, plan), told))
    return visit.go(address(judged.stay, "/fees/one"))


def _done(told: Told, plan: FeeUndo) -> str:
    after = (
        "可以重新上传。"
        if plan.whole
        else "撤销的行在 HIS 中改正之后自动上传；没有改动的不再自动上传，确要原样再传由 HIS 上传（2301）或由信息科以清单上传。"
    )
    return f"已撤销 {told.get('rows', 0)} 行，{told.get('amount', '')} 元（交易日志 {told.get('exchange_id', '')}）。{after}"


def _chosen(form: Mapping[str, str]) -> list[str]:
    return sorted(name.removeprefix(_MARK) for name in form if name.startswith(_MARK))


def _gate(visit: Visit, judged: Judged) -> Gate:
    """What the rules say of a 2302 now: of every row, since they do not look at which."""
    message = FeeUndo((), True, ()).message(judged.stay, visit.parts.interface.operation(FEE_UNDO))
    return gate_of(visit, FEE_UNDO, message, judged)


def _choose(visit: Visit, judged: Judged, told: Told = NOTHING, status: int = 200) -> Response:
    stay = judged.stay
    wanted, early = _narrowed(visit.query), {row.feedetl_sn for row in early_fees(stay, visit.parts.stays.policy)}
    rows = [row for row in stay.fees if _listed(row, wanted, early)]
    first, free = (wanted.page - 1) * PAGE_ROWS, unsettled(stay)
    return visit.show(
        "fees/undo.html",
        status,
        stay=stay,
        name=name_shown(visit, stay),
        gate=_gate(visit, judged),
        wanted=wanted,
        rows=[(row, _MARK + row.feedetl_sn, row.feedetl_sn in early) for row in rows[first : first + PAGE_ROWS]],
        chosen=set(_chosen(visit.form)),
        found=len(rows),
        last=max((len(rows) + PAGE_ROWS - 1) // PAGE_ROWS, 1),
        early=len(early),
        free=len(free),
        free_amount=_sum(free),
        rows_max=ROWS_MAX,
        told=told,
        plain=visit.may("exchange.body"),
    )


def _narrowed(query: Mapping[str, str]) -> Narrowed:
    sn, day = (query.get(name, "").strip()[:TEXT_CHARS_MAX] for name in ("sn", "day"))
    return Narrowed(sn, day, query.get("early") == "1", page_in(query))


def _listed(row: FeeRow, wanted: Narrowed, early: set[str]) -> bool:
    occurred = row.occurred.text if row.occurred else ""
    return (
        row.feedetl_sn.startswith(wanted.sn)
        and occurred.startswith(wanted.day)
        and (not wanted.early or row.feedetl_sn in early)
    )


def _sum(rows: Sequence[FeeRow]) -> str:
    return f"{FeeUndo(tuple(rows), True, ()).amount:f}"


def _confirm(
    visit: Visit, judged: Judged, plan: FeeUndo, told: Told = NOTHING, status: int = 200, reason: str = ""
) -> Response:
    stay: Stay = judged.stay
    times = sorted(row.occurred.text for row in plan.rows if row.occurred)
    return visit.show(
        "fees/undo_confirm.html",
        status,
        stay=stay,
        name=name_shown(visit, stay),
        gate=_gate(visit, judged),
        plan=plan,
        boxes=[_MARK + row.feedetl_sn for row in plan.rows],
        shown=plan.rows[:ROWS_MAX],
        since=times[0] if times else "",
        until=times[-1] if times else "",
        amount=_sum(plan.rows),
        seen=fee_undo_mark(stay, plan),
        reason=reason,
        told=told,
        plain=visit.may("exchange.body"),
    )
