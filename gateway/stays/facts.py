"""What is kept of a confirmed exchange: the small extract that outlives its body, so that no gate unpacks bodies.

Keys (present where the transaction has them): ``mdtrt_id psn_no ipt_no begntime endtime med_type dise_codg die_date
setl_id mid_setl_flag`` as printed; ``figures``, ``funds`` of 2304; ``form`` the fields of 2401, 2402, 2403 without credential; ``diagnoses``,
``operations`` rows; ``fees`` rows of 2301; ``removed`` row numbers of 2302; ``list_status`` ``{setl_id: stas_type}`` of
4102 and 4103, ``list_id`` of 4101; ``in_hospital`` of 5201. An import file uses the same keys, and ``settlements`` rows
(``setl_id, begntime, mid_setl_flag``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.rules.message import body, rows

ABOUT_STAYS: Final = frozenset(
    {"2301", "2302", "2303", "2304", "2305", "2401", "2402", "2403", "2404", "2405", "4101", "4102", "4103", "5201", "5202"}
)  # fmt: skip
"""Transactions (and their letter forms) that say something about a stay."""
ANSWER_TELLS: Final = frozenset({"2401", "2304", "4101", "4103"})
"""Those of which the answer says more than the message did (:func:`answered`)."""
ALL_FEES: Final = "0000"
"""``feedetl_sn`` of a 2302 that removes every unsettled row (2302.yaml)."""

_KEYS: Final = (
    "mdtrt_id", "psn_no", "ipt_no", "ipt_otp_no", "begntime", "endtime", "med_type", "dise_codg", "die_date",
    "setl_id", "mid_setl_flag",
)  # fmt: skip
_FIGURES: Final = (
    "medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "hosp_part_amt", "fulamt_ownpay_amt", "overlmt_selfpay", "acct_pay",
    "psn_cash_pay", "psn_name", "psn_cert_type", "certno", "gend", "naty", "brdy", "insutype",
)  # fmt: skip
"""Of a 2304: what a settlement list is compared with, and what its full form (4101) says again."""
_NOT_KEPT: Final = frozenset({"mdtrt_cert_no", "card_sn", "exp_content"})
"""A credential is used once and kept by nobody."""
_NODES: Final = (dict, list)
"""As a tuple: ``dict | list`` would be put together anew for every leaf."""
_FEE: Final = (
    "feedetl_sn", "init_feedetl_sn", "mdtrt_id", "fee_ocur_time", "cnt", "det_item_fee_sumamt", "med_list_codg",
    "medins_list_codg",
)  # fmt: skip


def base(infno: str) -> str:
    """``2304A`` -> ``2304``: letter forms say the same of a stay."""
    return infno[:4]


def extract(infno: str, message: Any, output: Any) -> dict[str, dict[str, Any]]:
    """Facts of one confirmed exchange by ``mdtrt_id``: a 2301 may carry rows of several stays.

    Args:
        infno: transaction number, letter forms included.
        message: national message as checked.
        output: the answer's output; may be empty.

    Returns:
        Nothing for a transaction that says nothing of a stay; the key is empty where no ``mdtrt_id`` is told (4102).
    """
    kind = base(infno)
    if kind not in ABOUT_STAYS:
        return {}
    if kind in ("2301", "2302"):
        return {key: facts | {"mdtrt_id": key} for key, facts in _of_rows(kind, message).items()}
    if kind in ("5201", "5202"):
        return dict(_of_query(kind, output))
    facts = answered(infno, _of_one(kind, message), output)
    return {str(facts.get("mdtrt_id", "")): facts}


def answered(infno: str, facts: Mapping[str, Any], output: Any) -> dict[str, Any]:
    """Facts of the message with what the answer adds.

    Args:
        facts: as :func:`extract` makes them of the message and an empty output.
        output: of the answer.
    """
    kind, told = base(infno), _answer(output)
    found = dict(facts)
    if kind in ("2401", "2304"):
        found |= {name: value for name, value in _known(told).items() if name in ("mdtrt_id", "setl_id")}
    if kind == "2304":
        found |= _figures(output)
    if kind == "4101":
        found["list_id"] = str(told.get("setl_list_id", ""))
    if kind == "4103":
        found["list_status"] = dict.fromkeys(facts["list_status"], str(told.get("stas_type") or ""))
    return found


def _of_one(kind: str, message: Any) -> dict[str, Any]:
    form = body(message)
    facts = _known(form)
    if kind in ("2401", "2402", "2403"):
        facts["form"] = _row(form)
        facts["diagnoses"] = [_row(row) for row in rows(message, "diseinfo")]
    if kind == "4101":
        facts["operations"] = [_row(row) for row in rows(message, "oprninfo")]
        facts["diagnoses"] = [_row(row) for row in rows(message, "diseinfo")]
    if kind == "4103":
        facts = {"list_status": {str(form.get("setl_id", "")): ""}}
    if kind == "4102":
        facts["list_status"] = {
            str(r.get("setl_id", "")): str(r.get("stas_type", "")) for r in rows(message, "stastinfo")
        }
    return facts


def _figures(output: Any) -> dict[str, Any]:
    told = _answer(output)
    figures = {name: str(plain(told[name])) for name in _FIGURES if told.get(name) not in (None, "")}
    funds = [
        {name: str(plain(row[name])) for name in ("fund_pay_type", "fund_payamt") if row.get(name) not in (None, "")}
        for row in rows(output, "setldetail")
    ]
    return {name: found for name, found in (("figures", figures), ("funds", funds)) if found}


def _of_rows(kind: str, message: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows(message, "feedetail" if kind == "2301" else "data"):
        facts = found.setdefault(str(row.get("mdtrt_id", "")), {"fees": []} if kind == "2301" else {"removed": []})
        if kind == "2301":
            facts["fees"].append({name: plain(row[name]) for name in _FEE if _leaf(name, row.get(name))})
        else:
            facts["removed"].append(str(row.get("feedetl_sn", "")))
    return found


def _of_query(kind: str, output: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of a query every visit it shows; an empty answer shows none."""
    if kind == "5201":
        for row in rows(output, "mdtrtinfo"):
            facts = _known(row) | {"in_hospital": str(row.get("inhosp_stas", ""))}
            yield str(row.get("mdtrt_id", "")), facts | {"form": _row(row)}
        return
    shown: dict[str, list[dict[str, Any]]] = {}
    for row in rows(output, "diseinfo"):
        shown.setdefault(str(row.get("mdtrt_id", "")), []).append(_row(row))
    for mdtrt_id, diagnoses in shown.items():
        yield mdtrt_id, {"mdtrt_id": mdtrt_id, "diagnoses": diagnoses}


def _answer(output: Any) -> Mapping[str, Any]:
    return body(output) if output else {}


def _known(form: Mapping[str, Any]) -> dict[str, Any]:
    found = ((name, form.get(name)) for name in _KEYS)
    return {name: plain(value) for name, value in found if value not in (None, "") and _leaf(name, value)}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a row; nearly all are texts, so these are told by their type and asked nothing else."""
    return {
        name: value if type(value) is str else plain(value)
        for name, value in row.items()
        if (type(value) is str and name not in _NOT_KEPT) or _leaf(name, value)
    }


def _leaf(name: str, value: Any) -> bool:
    return name not in _NOT_KEPT and value is not None and not isinstance(value, _NODES)


def plain(value: Any) -> Any:
    """A leaf as JSON keeps it; amounts and counts become text, never a float."""
    return format(value, "f") if type(value) is Decimal else value
