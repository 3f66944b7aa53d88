"""``judge``: the rules of one transaction in the order the table gives them; pure, so that every path asks the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.contract.model import RuleTable
from gateway.faults import Refused
from gateway.rules import (
    after_discharge,
    alignment,
    category,
    completeness,
    discharge,
    emergency,
    list_quality,
    settlement_list,
)
from gateway.rules.case import Case, DayOperation, Verdict
from gateway.rules.list_view import Terms
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay

RULES: Final[Mapping[str, Callable[[Case], None]]] = {
    "alignment": alignment.change,
    "discharge": discharge.discharge,
    "settlement": alignment.settlement,
    "operations": completeness.operations,
    "diagnoses": completeness.diagnoses,
    "fee_change": after_discharge.fee_change,
    "emergency_fees": emergency.not_settled_before,
    "cancel_admission": after_discharge.cancel_admission,
    "cancel_discharge": after_discharge.cancel_discharge,
    "cancel_settlement": after_discharge.cancel_settlement,
    "reversal": after_discharge.reversal,
    "settlement_list": settlement_list.settlement_list,
    "list_editable": settlement_list.editable,
    "list_quality": list_quality.list_quality,
    "list_status": settlement_list.status_change,
    "category": category.category,
}
"""Every name ``mappings/rules/entry-time.yaml`` may use."""


def judge(
    infno: str,
    message: Any,
    stay: Stay,
    now: datetime,
    policy: Policy,
    table: RuleTable,
    *,
    send_as: str | None = None,
    day_surgery: Mapping[str, DayOperation] | None = None,
    terms: Terms = MappingProxyType({}),
) -> Verdict:
    """Refuse, amend or pass one transaction about an insured inpatient stay.

    To be asked after repeats were answered from the journal and while no other exchange about the stay is on its way.
    A message about several stays (2301, 2302) is asked once for each.

    Args:
        infno: as the caller named it, letter forms included; ``send_as`` the number the province wants.
        message: national message as checked; never changed, an amended one is a copy.
        now: the gateway's clock, aware.
        day_surgery: 日间手术病种目录 by ``dise_codg``; None where there is none (未核对).
        terms: what catalogs say of the codes in a settlement list (``rules/terms.py``).
    """
    case = Case(infno, message, stay, now, policy, table, day_surgery, terms)
    try:
        for name in table.of(infno, send_as):
            RULES[name](case)
    except Refused as refusal:
        return Verdict(message, refusal, (), (), case.evidence)
    return Verdict(case.message, None, tuple(case.changes), tuple(case.warnings), case.evidence)
