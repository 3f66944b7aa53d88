"""The settlement list of one settlement, filled from what is known of the stay and what the hospital told of it.

The gateway knows numbers, times, money, and the records of diagnoses and operations; the rest only the hospital can tell
(``SettlementList``). Nothing is made up: what nobody has told stays empty, and the quality rules say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.contract.interface import Interface
from gateway.contract.model import Contract, Node, Problem, Transaction
from gateway.faults import CONTENT_WRONG, Refused
from gateway.rules.completeness import MAIN, is_blank
from gateway.rules.judge import judge
from gateway.rules.list_quality import Report, check
from gateway.rules.list_view import Told
from gateway.rules.message import Row, text
from gateway.rules.policy import Policy
from gateway.rules.stay import Settled, Stay
from gateway.rules.terms import TermBook, codes_asked, no_catalogs
from gateway.stays.desk import Judged
from gateway.stays.list_values import of_rows, of_settlement, of_stay
from gateway.stays.messages import diagnoses, known_fields

Message = dict[str, Any]
SETLINFO: Final = "setlinfo"
STATUS_NODE: Final = "stastinfo"
_AS_REGISTERED: Final = {
    "medcasno": "medrcdno",
    "coner_name": "coner_name",
    "coner_tel": "tel",
    "chfpdr_name": "chfpdr_name",
    "adm_dept_code": "adm_dept_codg",
    "adm_dept_name": "adm_dept_name",
    "insuplc": "insuplc_admdvs",
}
"""Field of the list -> of 2401, 2403."""
_AS_DISCHARGED: Final = {
    "dscg_dept_code": "dscg_dept_codg",
    "dscg_dept_name": "dscg_dept_name",
    "dscg_way": "dscg_way",
}
"""Field of the list -> of 2402."""
REASONS_MAX: Final = 10
"""Fields spelled out in a reason."""


@dataclass(frozen=True, slots=True)
class ListForm:
    """Who uploads, and as which transaction: ``4101A``, the full layout ``4101``, or empty for what the province's file says."""

    code: str
    name: str
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list as it would be uploaded now, and what the rules say of it.

    Args:
        refusal: of any rule, entry-time rules included.
        problems: fields that break the interface.
        told: whether the hospital has told its part.
    """

    infno: str
    setl_id: str
    message: Message
    report: Report
    refusal: Refused | None
    problems: tuple[Problem, ...]
    told: bool

    @property
    def allowed(self) -> bool:
        """Whether the exchange would send it."""
        return self.refusal is None and not self.problems

    @property
    def code(self) -> str:
        """Of what refuses it; empty when nothing does."""
        if self.refusal is not None:
            return self.refusal.fault.code
        return CONTENT_WRONG.code if self.problems else ""

    @property
    def reason(self) -> str:
        """Why it cannot be uploaded, for staff; empty when it can."""
        missing = "" if self.told else "院方尚未告知清单各项（SettlementList）"
        wrong = "；".join(one.text for one in self.problems[:REASONS_MAX])
        ruled = self.refusal.text if self.refusal else ""
        return "" if self.allowed else "；".join(filter(None, (missing, ruled, wrong)))


def final_settlements(stay: Stay) -> list[Settled]:
    """Settlements that want a list by themselves: one list for each; an interim one only when somebody asks for it."""
    return [one for one in stay.settlements if not one.interim]


def list_transaction(contract: Contract, wanted: str) -> Transaction:
    """The one wanted, else the one that the province's file names (``settlement_list``), else 4101A; one it does not have falls through."""
    known = contract.transactions
    order = (wanted, str(contract.settings.get("settlement_list", "")), "4101A", "4101")
    return known[next(infno for infno in order if infno in known)]


def list_message(
    judged: Judged, settled: Settled, transaction: Transaction, form: ListForm, day_surgery: Collection[str] = ()
) -> Message:
    """The 4101 or 4101A of a settlement: the same list, told in the fields that the transaction has.

    Args:
        transaction: as the province has it; only its fields are written.
        day_surgery: 医疗类别 that are 日间手术.
    """
    stay, told = judged.stay, _told_of(judged.stay, settled)
    about = told.get(SETLINFO, {})
    rows: dict[str, list[Row]] = {
        "diseinfo": [_diagnosis(row) for row in diagnoses(stay)],
        "oprninfo": _operations(stay),
        "payinfo": list(told.get("payinfo") or settled.funds),
        **{name: list(told.get(name, ())) for name in ("opspdiseinfo", "icuinfo", "bldinfo", "iteminfo")},
    }
    certain = _certain(stay, settled, form)
    values = {**_derived(judged, settled, rows, day_surgery), **_given(about), **certain}
    message: Message = {}
    for node in transaction.input.nodes:
        if not node.repeat:
            message[node.name] = _fields(node, values)
        elif found := [_fields(node, {**certain, **row}) for row in rows.get(node.name, ())]:
            message[node.name] = found
        elif not node.optional and node.name == "diseinfo":
            message[node.name] = []
    return message


def _told_of(stay: Stay, settled: Settled) -> Mapping[str, Any]:
    """What the hospital told of this list; nothing where it told of another settlement of the same stay."""
    told: Mapping[str, Any] = stay.list_told.rows[0] if stay.list_told and stay.list_told.rows else {}
    return told if told.get(SETLINFO, {}).get("setl_id") in (None, "", settled.setl_id) else {}


def _certain(stay: Stay, settled: Settled, form: ListForm) -> dict[str, str]:
    """What nobody else may say otherwise: numbers, and the times of the settlement (ET-09)."""
    times = {"adm_time": settled.t_set, "dscg_time": stay.times.t_dsc}
    known = {"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "setl_id": settled.setl_id}
    known |= {"fixmedins_code": form.code, "fixmedins_name": form.name}
    return known | {name: told.text for name, told in times.items() if told is not None}


def _derived(
    judged: Judged, settled: Settled, rows: Mapping[str, Sequence[Row]], day_surgery: Collection[str]
) -> dict[str, Any]:
    stay = judged.stay
    registered, discharged = known_fields(stay, judged.history), stay.discharge
    left = stay.times.t_dsc.text if stay.times.t_dsc and not settled.interim else ""
    found: dict[str, Any] = {name: registered.get(of) for name, of in _AS_REGISTERED.items()}
    found |= {name: discharged.get(of) for name, of in _AS_DISCHARGED.items()}
    found |= of_settlement(settled) | of_rows(rows)
    found |= of_stay(settled, left, text(registered, "med_type") or stay.med_type, day_surgery)
    if settled.t_set and not settled.interim:
        found["setl_begn_date"] = settled.t_set.text[:10]
    found["setl_end_date"] = left[:10]
    mains = [row for row in rows["diseinfo"] if text(row, "maindiag_flag") == MAIN]
    found["maindiag_flag"] = MAIN if mains else None
    return _given(found)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _diagnosis(row: Row) -> Row:
    """2401 calls 入院病情 ``adm_cond``; the list's own field is there when the hospital told it by that name."""
    return {**row, "adm_cond_type": row.get("adm_cond_type") or row.get("adm_cond")}


def _operations(stay: Stay) -> list[Row]:
    told = [row for row in stay.operations.rows if not is_blank(row)] if stay.operations else []
    return [
        {**row, "oprn_oprt_date": row.get("oprn_oprt_date") or text(row, "oprn_oprt_begntime")[:10]}
        for row in sorted(told, key=lambda row: text(row, "oprn_oprt_type") != MAIN)
    ]


def _fields(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    names = [spec.name for spec in node.fields]
    return {name: values[name] for name in names if values.get(name) not in (None, "")}


def list_sheet(
    judged: Judged,
    settled: Settled,
    interface: Interface,
    form: ListForm,
    now: datetime,
    policy: Policy,
    own: Message | None = None,
    *,
    terms: TermBook = no_catalogs,
) -> Sheet:
    """The list as it would be uploaded now, and what every rule says: the same functions that the exchange asks.

    Args:
        own: a list that the hospital has filled itself, instead of the gateway's.
        terms: looks up what catalogs say of its codes.
    """
    stay, table = judged.stay, interface.contract.rules
    transaction = list_transaction(interface.contract, form.transaction)
    message, found = interface.input(transaction.infno).check(
        own if own is not None else list_message(judged, settled, transaction, form, table.day_surgery)
    )
    assert isinstance(message, dict)
    known = terms(codes_asked(table.quality, message))
    verdict = judge(transaction.infno, message, stay, now, policy, table, send_as=transaction.send_as, terms=known)
    report = check(Told(transaction.infno, message, stay, settled, now, known), table.quality, policy.list_levels)
    return Sheet(
        transaction.infno,
        settled.setl_id,
        message,
        report,
        verdict.refusal,
        tuple(found.problems),
        stay.list_told is not None,
    )


def status_message(stay: Stay, setl_id: str, status: str) -> Message:
    """The 4102 that moves a list to ``status``."""
    return {"data": {STATUS_NODE: [{"psn_no": stay.psn_no, "setl_id": setl_id, "stas_type": status}]}}


def status_question(stay: Stay, setl_id: str) -> Message:
    """The 4103 that asks how a list stands."""
    return {"data": {"psn_no": stay.psn_no, "setl_id": setl_id}}
