"""医保变更 (ET-13): the disease chosen from the catalogue 1311, the gate's verdict, before and after side by side, the button.

What is chosen stands in the address, so the page works without script and nothing is sent before the button.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.responses import Response

from gateway.catalogs.day_surgery import INFNO
from gateway.console.stays.acts import NOTHING, VALUE_CHARS_MAX, Told, anew, done, gate_of, sent
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.people import name_shown
from gateway.console.stays.words import address
from gateway.console.visit import Visit
from gateway.desks.seen import mark_of
from gateway.desks.stay_acts import CATEGORY, CHANGE, category_message, category_refusal
from gateway.faults import CATEGORY_FIELDS, CATEGORY_NOT_LISTED
from gateway.rules.case import DayOperation
from gateway.rules.message import text
from gateway.rules.stay import Row, Stay
from gateway.stays.desk import Judged
from gateway.stays.discharge import Gate
from gateway.stays.messages import Message, main_operation

SHOWN_MAX: Final = 20
TEXT_CHARS_MAX: Final = 100
_OF_THE_CHOICE: Final = frozenset({CATEGORY_FIELDS.code, CATEGORY_NOT_LISTED.code})
"""Refusals that another choice may end; before any other there is nothing to choose."""
_ALWAYS: Final = ("med_type", "dise_codg", "dise_name", "oprn_oprt_code", "oprn_oprt_name", "begntime")
"""Shown even where nothing of them changes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address or the form names.

    Args:
        entry: of the catalogue; None where there is no catalogue, or not this entry.
    """

    med_type: str
    dise_codg: str
    dise_name: str
    entry: DayOperation | None

    @property
    def given(self) -> dict[str, str]:
        """As the desk takes it."""
        return {name: getattr(self, name) for name in CATEGORY}


@dataclass(frozen=True, slots=True)
class Line:
    """One field of the 2403 before and after."""

    name: str
    label: str
    before: str
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


def category(visit: Visit) -> Response:
    """One stay: what may be chosen, and what the choice comes to."""
    judged = found(visit, visit.query)
    return not_found(visit) if judged is None else _page(visit, judged, visit.query)


def diseases(visit: Visit) -> Response:
    """The part of the page that narrows while one types."""
    judged = found(visit, visit.query)
    if judged is None:
        return not_found(visit)
    return visit.show("stays/diseases.html", choice=_choice(visit, visit.query), **_listed(visit, judged.stay))


def send(visit: Visit) -> Response:
    """Send the 2403 with another category."""
    judged = found(visit, visit.form)
    if judged is None:
        return not_found(visit)
    choice = _choice(visit, visit.form)
    told = sent(visit, "stay_category", judged, given=choice.given, seen=visit.form.get("seen", ""))
    if not told["ok"]:
        return _page(visit, anew(visit, judged), visit.form, told, 409)
    visit.say(done("医保类别已变更。", told))
    return visit.go(address(judged.stay))


def _page(visit: Visit, judged: Judged, given: Mapping[str, str], told: Told = NOTHING, status: int = 200) -> Response:
    stay, choice = judged.stay, _choice(visit, given)
    message = category_message(stay, visit.parts.interface, choice.given)
    gate = _gate(visit, judged, choice, message)
    open_ = _is_open(stay, gate)
    return visit.show(
        "stays/category.html",
        status,
        name=name_shown(visit, stay),
        gate=gate,
        choice=choice,
        open=open_,
        ready=open_ and gate.allowed and bool(choice.dise_codg),
        types=_types(visit),
        now_type=(stay.med_type, _meaning(visit, stay.med_type)),
        lines=list(lines(visit, stay, message)) if choice.dise_codg else [],
        same=_kept(stay, message),
        seen=mark_of(message),
        told=told,
        plain=visit.may("exchange.body"),
        **_listed(visit, stay),
    )


def _gate(visit: Visit, judged: Judged, choice: Choice, message: Message) -> Gate:
    gate = gate_of(visit, CHANGE, message, judged)
    table = visit.parts.interface.contract.rules
    other = {**choice.given, "dise_codg": ""}  # the choice made already is no change either
    why = category_refusal(judged.stay, table, other) if gate.allowed or gate.code in _OF_THE_CHOICE else None
    if why is None:
        return gate
    return replace(gate, allowed=False, code=why.fault.code, text=why.text, action=why.fault.action, warnings=())


def _is_open(stay: Stay, gate: Gate) -> bool:
    """Whether a choice could be sent at all."""
    return stay.presence != "cancelled" and (gate.allowed or gate.code in _OF_THE_CHOICE)


def _choice(visit: Visit, given: Mapping[str, str]) -> Choice:
    told = {name: given.get(name, "").strip()[:VALUE_CHARS_MAX] for name in CATEGORY}
    entry = (visit.parts.day_surgery() or {}).get(told["dise_codg"])
    med_type = told["med_type"] or next(iter(_types(visit)), "")
    return Choice(med_type, told["dise_codg"], entry.dise_name if entry else told["dise_name"], entry)


def _types(visit: Visit) -> dict[str, str]:
    """What it may become."""
    return {code: _meaning(visit, code) for code in sorted(visit.parts.interface.contract.rules.day_surgery)}


def _meaning(visit: Visit, med_type: str) -> str:
    codes = visit.parts.interface.contract.codes.get("med_type")
    return (codes.values.get(med_type) or "") if codes else ""


# ------------------------------------------------------------- the catalogue


def _listed(visit: Visit, stay: Stay) -> dict[str, Any]:
    """Entries to choose from, and where the catalogue comes from."""
    catalogue, main = visit.parts.day_surgery(), main_operation(stay)
    wanted = visit.query.get("q", "").strip()[:TEXT_CHARS_MAX]
    code = text(main, "oprn_oprt_code")
    rows = matching((catalogue or {}).values(), wanted, code)
    return {
        "stay": stay,
        "main": main,
        "main_code": code,
        "q": wanted,
        "has_catalogue": catalogue is not None,
        "from_file": visit.parts.settings.rules.day_surgery is not None,
        "held": visit.parts.store.catalogs.one(INFNO),
        "rows": rows[:SHOWN_MAX],
        "more": max(len(rows) - SHOWN_MAX, 0),
    }


def matching(entries: Iterable[DayOperation], wanted: str, operation: str) -> list[DayOperation]:
    """Entries whose code, name or operations contain ``wanted``; those that allow ``operation`` first.

    Args:
        wanted: in either case; empty: only those that allow ``operation``.
        operation: code of the main operation; empty where the record marks none.
    """
    sought = wanted.casefold()
    chosen = [one for one in entries if (_names(one, sought) if sought else operation in one.operations)]
    return sorted(chosen, key=lambda one: (operation not in one.operations, one.dise_codg))


def _names(one: DayOperation, sought: str) -> bool:
    texts = (one.dise_codg, one.dise_name, *one.operations, *one.operation_names)
    return any(sought in each.casefold() for each in texts)


# --------------------------------------------------------- before and after


def lines(visit: Visit, stay: Stay, message: Message) -> Iterator[Line]:
    """Fields of the form that matter or change, in the order of the table."""
    before, after = _before(stay), _form(message)
    transaction = visit.parts.interface.operation(CHANGE)
    fields = [spec for node in transaction.input.nodes if not node.repeat for spec in node.fields]
    order = [spec.name for spec in fields if spec.name not in _ALWAYS]
    labels = {spec.name: spec.label for spec in fields} | {"begntime": "入院时间"}
    for name in (*_ALWAYS, *order):
        line = Line(name, labels.get(name, name), _shown(visit, name, before), _shown(visit, name, after))
        if name in _ALWAYS or line.changes:
            yield line


def _shown(visit: Visit, name: str, row: Row) -> str:
    value = text(row, name)
    return f"{value} {_meaning(visit, value)}".strip() if name == "med_type" and value else value


def _kept(stay: Stay, message: Message) -> int:
    """How many fields go as they were acknowledged last."""
    before, after = _before(stay), _form(message)
    return sum(name not in _ALWAYS and text(before, name) == text(after, name) for name in after)


def _before(stay: Stay) -> Row:
    known: dict[str, Any] = {**stay.registration, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}
    known |= {"ipt_otp_no": stay.ipt_no, "med_type": stay.med_type, "dise_codg": stay.dise_codg}
    return {**known, "begntime": stay.times.t_ins.text if stay.times.t_ins else ""}


def _form(message: Message) -> Row:
    return next(node for node in message.values() if isinstance(node, dict))
