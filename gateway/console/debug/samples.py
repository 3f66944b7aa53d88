"""Values to begin with, so that a vendor need not type what the simulator knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.console.debug.messages import REQUEST_ID
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
    "atddr_no": "D440800000126",
    "chfpdr_name": "周文博",
    "adm_diag_dscr": "高血压病",
    "adm_dept_codg": "A03",
    "adm_dept_name": "内科",
    "adm_bed": "0312",
    "dscg_maindiag_code": "I10.x00x002",
    "dscg_maindiag_name": "高血压病",
    "diag_dept": "A03",
    "dise_dor_no": "D440800000126",
    "dise_dor_name": "周文博",
    "dscg_dept_codg": "A03",
    "dscg_dept_name": "内科",
    "dscg_bed": "0312",
    "dscg_way": "1",
    "med_list_codg": "001204000060000-120400006",
    "medins_list_codg": "FW120406",
    "det_item_fee_sumamt": "10.00",
    "medfee_sumamt": "10.00",
    "cnt": "1",
    "pric": "10.00",
    "bilg_dept_codg": "A03",
    "bilg_dept_name": "内科",
    "bilg_dr_codg": "D440800000126",
    "bilg_dr_name": "周文博",
    "hosp_appr_flag": "1",
    "mid_setl_flag": "0",
}
_FRESH: Final = ("ipt_no", "ipt_otp_no", "feedetl_sn")
"""Numbers that the HIS gives, each once."""


def samples(
    transaction: Transaction, ledger: Mapping[str, Any] | None, now: datetime, *, stay: str = ""
) -> dict[str, str]:
    """Form values for the required fields.

    Args:
        ledger: the simulator's, None without one.
        stay: a ``mdtrt_id`` of the ledger; empty takes the newest.
    """
    begins = not _asks_for(transaction.input.nodes, "mdtrt_id")
    fresh = dict.fromkeys(_FRESH, f"LT{now:%m%d%H%M%S}")
    found = _from_ledger(ledger or {}, stay, begins=begins)
    known = dict(_FIXED) | fresh | found
    form: dict[str, str] = {}
    _fill("", transaction.input.root, transaction.input.nodes, known, now, form)
    if transaction.safety == "money":
        form[REQUEST_ID] = fresh["feedetl_sn"]
    return form


def _asks_for(nodes: Iterable[Node], name: str) -> bool:
    return any(name in {spec.name for spec in node.fields} or _asks_for(node.children, name) for node in nodes)


def _from_ledger(ledger: Mapping[str, Any], stay: str, *, begins: bool) -> dict[str, str]:
    """Somebody and their newest stay; where a stay begins (2401), somebody who has none."""
    stays = [row for row in ledger.get("stays", []) if not stay or row.get("mdtrt_id") == stay]
    found = stays[-1] if stays and not begins else {}
    persons, there = ledger.get("persons", []), {row.get("psn_no") for row in ledger.get("stays", [])}
    wanted = [
        row
        for row in persons
        if (row.get("psn_no") not in there if begins else row.get("psn_no") == found.get("psn_no"))
    ]
    person: Mapping[str, Any] = next(iter([*wanted, *persons]), {})
    known = {name: str(person[name]) for name in _PERSON if person.get(name)}
    known |= {name: str(found[name]) for name in _STAY if found.get(name)}
    settled = [row for row in ledger.get("settlements", []) if row.get("mdtrt_id") == known.get("mdtrt_id")]
    known |= {"setl_id": str(settled[-1]["setl_id"])} if settled else {}
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
