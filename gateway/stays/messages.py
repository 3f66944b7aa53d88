"""What a clerk sends about a stay: messages made of what is known of it and the few fields a person gives.

Nothing clinical is made up: diagnoses are those the hospital told, else those the platform has; the operation is the one
that the hospital's record marks as the main one (ET-03).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.contract.model import Transaction
from gateway.rules.completeness import MAIN, is_blank, ordered, valid
from gateway.rules.message import Row, text
from gateway.rules.stay import Stay
from gateway.stays.facts import base
from gateway.stays.history import History

Message = dict[str, Any]

_DISCHARGE_AS_ADMITTED: Final = {
    "dscg_dept_codg": "adm_dept_codg",
    "dscg_dept_name": "adm_dept_name",
    "dscg_bed": "adm_bed",
}
_CONFIRMED: Final = "CONFIRMED"


def known_fields(stay: Stay, history: History) -> dict[str, Any]:
    """Fields of every acknowledged 2401 and 2403, the newer over the older; the last admission stands over all."""
    found: dict[str, Any] = {}
    for one in sorted(history.exchanges, key=lambda one: one.exchange_id):
        if one.state == _CONFIRMED and base(one.infno) in ("2401", "2403"):
            found |= one.facts.get("form", {})
    return {**found, **stay.registration, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}


def main_operation(stay: Stay) -> Row:
    """The one row that the hospital marks as 主手术; empty where there is none, or more than one (ET03-01)."""
    rows = stay.operations.rows if stay.operations else ()
    mains = [row for row in rows if not is_blank(row) and text(row, "oprn_oprt_type") == MAIN]
    return mains[0] if len(mains) == 1 else {}


def discharge_fields(stay: Stay, history: History) -> dict[str, str]:
    """What the form of 出院办理 begins with: by the names of 2402 ``dscginfo``, for a person to check and complete."""
    known = known_fields(stay, history)
    found = {name: known.get(of) for name, of in _DISCHARGE_AS_ADMITTED.items()}
    found |= {"insutype": known.get("insutype"), "endtime": stay.times.t_wout.text if stay.times.t_wout else ""}
    return {name: str(value) for name, value in found.items() if value}


def discharge_message(stay: Stay, history: History, transaction: Transaction, given: Mapping[str, str]) -> Message:
    """The 2402 of a stay.

    Args:
        transaction: 2402 as the province has it.
        given: what the person gave, by the names of ``dscginfo``; empty values are left out.
    """
    main = main_operation(stay)
    known = known_fields(stay, history)
    known.pop("endtime", None)
    known |= discharge_fields(stay, history)
    known |= {name: value for name, value in given.items() if name not in ("mdtrt_id", "psn_no")}
    known |= {name: text(main, name) for name in ("oprn_oprt_code", "oprn_oprt_name")}
    return _filled(transaction, known, stay)


def undo_message(stay: Stay) -> Message:
    """The 2405 of a stay."""
    return {"data": {"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}}


def _filled(transaction: Transaction, known: Mapping[str, Any], stay: Stay) -> Message:
    message: Message = {}
    for node in transaction.input.nodes:
        names = {spec.name for spec in node.fields}
        if not node.repeat:
            message[node.name] = {
                name: value for name, value in known.items() if name in names and value not in ("", None)
            }
        elif node.name == "diseinfo":
            message[node.name] = [_diagnosis(row, names, stay) for row in diagnoses(stay)]
    return message


def diagnoses(stay: Stay) -> list[Row]:
    """Those the hospital told, in their order; without a record those the platform acknowledged."""
    if stay.diagnoses is not None:
        return valid(stay.diagnoses.rows)
    return ordered(stay.uploaded.rows) if stay.uploaded else []


def _diagnosis(row: Row, names: set[str], stay: Stay) -> Message:
    whole = {**row, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}
    return {name: value for name, value in whole.items() if name in names and value not in ("", None)}
