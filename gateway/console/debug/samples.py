"""Values to begin with, so that a vendor need not type what the simulator knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.contract.model import Field, Node, Transaction

_PERSON: Final = ("psn_no", "psn_name", "certno", "insutype", "insuplc_admdvs", "psn_cert_type", "gend", "brdy", "naty")
_STAY: Final = ("mdtrt_id", "ipt_no", "ipt_otp_no", "begntime")
_FIXED: Final[Mapping[str, str]] = {
    "mdtrt_cert_type": "02",
    "psn_cert_type": "01",
    "insutype": "310",
    "opter_no": "0001",
    "mac": "00-00-00-00-00-00",
    "ip": "127.0.0.1",
    "med_type": "21",
    "diag_type": "1",
    "diag_srt_no": "1",
    "maindiag_flag": "1",
    "diag_code": "I10.x00x002",
    "diag_name": "高血压病",
    "vali_flag": "1",
    "acct_used_flag": "1",
    "psn_setlway": "01",
    "setl_type": "2",
    "page_num": "1",
    "page_size": "20",
}


def samples(
    transaction: Transaction, ledger: Mapping[str, Any] | None, now: datetime, *, stay: str = ""
) -> dict[str, str]:
    """Form values for the required fields.

    Args:
        ledger: the simulator's, None without one.
        stay: a ``mdtrt_id`` of the ledger; empty takes the newest.
    """
    known = dict(_FIXED) | _from_ledger(ledger or {}, stay)
    form: dict[str, str] = {}
    _fill("", transaction.input.root, transaction.input.nodes, known, now, form)
    return form


def _from_ledger(ledger: Mapping[str, Any], stay: str) -> dict[str, str]:
    stays = [row for row in ledger.get("stays", []) if not stay or row.get("mdtrt_id") == stay]
    found = stays[-1] if stays else {}
    persons = ledger.get("persons", [])
    person = next((row for row in persons if row.get("psn_no") == found.get("psn_no")), persons[0] if persons else {})
    known = {name: str(person[name]) for name in _PERSON if person.get(name)}
    known |= {name: str(found[name]) for name in _STAY if found.get(name)}
    if "certno" in known:
        known["mdtrt_cert_no"] = known["certno"]
    if "ipt_no" in known:
        known.setdefault("ipt_otp_no", known["ipt_no"])
    return known


def _fill(
    place: str,
    fields: tuple[Field, ...],
    nodes: tuple[Node, ...],
    known: Mapping[str, str],
    now: datetime,
    form: dict[str, str],
) -> None:
    for spec in fields:
        if value := _value(spec, known, now):
            form[f"{place}{spec.name}"] = value
    for node in nodes:
        _fill(f"{place}{node.name}.0.", node.fields, node.children, known, now, form)


def _value(spec: Field, known: Mapping[str, str], now: datetime) -> str:
    if spec.name in known and (spec.required or spec.name in _STAY):
        return known[spec.name]
    if not spec.required:
        return ""
    if spec.type == "datetime":
        return f"{now:%Y-%m-%d %H:%M}:00"
    return f"{now:%Y-%m-%d}" if spec.type == "date" else ""
