"""What staff do about one stay: 入院信息变更, 出院办理 and its revocation. The gate is shown before the button.

Every page asks the rules what the exchange would ask them, and the exchange asks them again before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from gateway.console.stays.finding import found, not_found
from gateway.console.stays.people import name_shown
from gateway.console.stays.words import address, named
from gateway.console.visit import Visit
from gateway.contract.model import Field
from gateway.exchange.stay_rules import CATEGORY
from gateway.faults import CHANGE_BEFORE_WARD
from gateway.stays.desk import Judged
from gateway.stays.discharge import DischargeSheet, Gate, discharge_sheet, gate
from gateway.stays.messages import diagnoses, discharge_fields, discharge_message, undo_message
from jobs.alignment import change_message

Told = Mapping[str, Any]
NOTHING: Final[Told] = {}
ASKED: Final = ("endtime", "dscg_way", "insutype", "dscg_dept_codg", "dscg_dept_name", "dscg_bed", "die_date")
"""Fields of 2402 that the form has; a province's further ones come from the HIS."""
VALUE_CHARS_MAX: Final = 500
REASON_CHARS_MIN: Final = 4
REASON_CHARS_MAX: Final = 200


# ------------------------------------------------------------ 入院信息变更


def alignment(visit: Visit) -> Response:
    """One stay: both times, and the button where it is legal."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _alignment(visit, judged)


def _alignment(visit: Visit, judged: Judged, told: Told = NOTHING, status: int = 200) -> Response:
    gate_ = gate_of(visit, "2403", change_message(judged.stay, visit.parts.interface), judged)
    if judged.stay.alignment == "not_in_ward":
        # a 2403 that changes something else may be sent before the ward-in; this one has nothing to change to
        fault = CHANGE_BEFORE_WARD
        gate_ = replace(gate_, allowed=False, code=fault.code, text=fault.title, action=fault.action, way_out="ward")
    return visit.show(
        "stays/alignment.html",
        status,
        stay=judged.stay,
        name=name_shown(visit, judged.stay),
        gate=gate_,
        told=told,
        plain=visit.may("exchange.body"),
    )


def align(visit: Visit) -> Response:
    """Send the 2403."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    stay = judged.stay
    told = visit.do("stay_align", ipt_no=stay.ipt_no, mdtrt_id=stay.mdtrt_id)
    if not told["ok"]:
        return _alignment(visit, anew(visit, judged), told, 409)
    visit.say("入院信息变更已完成：医保入院时间与入科时间一致。")
    return visit.go(address(stay))


# ------------------------------------------------------------------ 出院办理


def discharge(visit: Visit) -> Response:
    """出院办理: the gate first, the operations, the form."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _discharge(visit, judged, {})


def _discharge(
    visit: Visit, judged: Judged, given: Mapping[str, str], told: Told = NOTHING, status: int = 200
) -> Response:
    transaction = visit.parts.interface.operation("2402")
    fields = [spec for node in transaction.input.nodes if not node.repeat for spec in node.fields]
    values = discharge_fields(judged.stay, judged.history) | dict(given)
    return visit.show(
        "stays/discharge.html",
        status,
        stay=judged.stay,
        name=name_shown(visit, judged.stay),
        sheet=sheet(visit, judged, values),
        diagnoses=diagnoses(judged.stay),
        fields=[_asked(visit, spec, values) for name in ASKED for spec in fields if spec.name == name],
        told=told,
        plain=visit.may("exchange.body"),
    )


def sheet(visit: Visit, judged: Judged, given: Mapping[str, str]) -> DischargeSheet:
    """What the gate says of the 2402 that would be sent."""
    parts = visit.parts
    message = discharge_message(judged.stay, judged.history, parts.interface.operation("2402"), given)
    return discharge_sheet(judged.stay, message, parts.clock(), parts.stays.policy, parts.interface.contract.rules)


def _asked(visit: Visit, spec: Field, values: Mapping[str, str]) -> dict[str, Any]:
    codes = visit.parts.interface.contract.codes.get(spec.codes or "")
    value = values.get(spec.name, "")
    choices = dict(codes.values) if codes else {}
    return {
        "name": spec.name,
        "label": {"endtime": "出院时间"}.get(spec.name, spec.label),
        "required": spec.required,
        "choices": choices if len(choices) <= 60 else {},
        "value": value[:16] if spec.type == "datetime" else value,
        "length": spec.length or 30,
        "hint": {"datetime": "2026-11-21 15:30", "date": "2026-11-21，仅死亡时"}.get(spec.type, ""),
    }


def send_discharge(visit: Visit) -> Response:
    """Send the 2402."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    given = {name: visit.form[name].strip()[:VALUE_CHARS_MAX] for name in ASKED if visit.form.get(name, "").strip()}
    told = sent(visit, "stay_discharge", judged, given=_with_seconds(given))
    if not told["ok"]:
        return _discharge(visit, anew(visit, judged), given, told, 409)
    visit.say(done("出院办理已完成。", told))
    return visit.go(address(judged.stay))


def _with_seconds(given: Mapping[str, str]) -> dict[str, str]:
    """``2026-11-21T15:30`` and ``2026-11-21 15:30`` as the national table writes a time."""
    end = given.get("endtime", "").replace("T", " ")
    return {**given, **({"endtime": f"{end}:00" if len(end) == len("2026-11-21 15:30") else end} if end else {})}


# ------------------------------------------------------------ 出院办理撤销


def revoke(visit: Visit) -> Response:
    """出院办理撤销: the gate, and why it is done."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _revoke(visit, judged)


def _revoke(visit: Visit, judged: Judged, told: Told = NOTHING, status: int = 200, reason: str = "") -> Response:
    return visit.show(
        "stays/revoke.html",
        status,
        stay=judged.stay,
        name=name_shown(visit, judged.stay),
        gate=gate_of(visit, "2405", undo_message(judged.stay), judged),
        told=told,
        reason=reason,
        plain=visit.may("exchange.body"),
    )


def send_revoke(visit: Visit) -> Response:
    """Send the 2405."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    reason = visit.form.get("reason", "").strip()
    if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
        text = f"请写明撤销的原因（{REASON_CHARS_MIN} 到 {REASON_CHARS_MAX} 字），会记入操作日志"
        return _revoke(visit, judged, {"error": text}, 422, reason[:REASON_CHARS_MAX])
    told = sent(visit, "stay_undo", judged, reason=reason)
    if not told["ok"]:
        return _revoke(visit, anew(visit, judged), told, 409, reason)
    visit.say(done("出院办理已撤销。现在可以拉回科室、调整费用；再次出院时重新校验。", told))
    return visit.go(address(judged.stay))


# -------------------------------------------------------------------- shared


def gate_of(visit: Visit, infno: str, message: Mapping[str, Any], judged: Judged) -> Gate:
    """What the rules say of a message now."""
    parts, table = visit.parts, visit.parts.interface.contract.rules
    catalogue = parts.day_surgery() if CATEGORY in table.of(infno) else None
    return gate(infno, message, judged.stay, parts.clock(), parts.stays.policy, table, catalogue)


def sent(visit: Visit, operation: str, judged: Judged, **more: Any) -> dict[str, Any]:
    """What came of an act about a stay in this person's name."""
    assert visit.user is not None
    numbers = {"ipt_no": "", "mdtrt_id": "", **named(judged.stay)}
    return visit.do(operation, user=visit.user.name, **numbers, **more)


def anew(visit: Visit, judged: Judged) -> Judged:
    """The stay after an attempt: what it changed is shown at once."""
    return found(visit, named(judged.stay)) or judged


def done(text: str, told: Told) -> str:
    """The line on the next page."""
    before = "此前已经办理过，没有再发。" if told.get("repeated") else text
    return f"{before}提示：{told['warn_msg']}" if told.get("warn_msg") else before
