"""出院办理 as staff see it before anything is sent (ET-04): operations, and what the gate says with both values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from gateway.contract.model import RuleTable
from gateway.faults import VISIT_UNRESOLVED
from gateway.rules.case import DayOperation
from gateway.rules.completeness import MAIN, is_blank
from gateway.rules.judge import judge
from gateway.rules.message import Row, text
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay

WayOut = Literal["", "alignment", "ward", "doubt", "fees", "record", "revoke", "register", "settlement"]
"""Where staff go on from a refusal; the console knows the page, others show ``action``."""

TAGS: Final = {True: "主手术", False: "其他手术"}
_WAYS: Final[Mapping[str, WayOut]] = {
    "ET01-03": "ward",
    "ET01-04": "ward",
    "ET02-01": "alignment",
    "ET02-02": "ward",
    "ET02-03": "doubt",
    "ET02-04": "alignment",
    "ET02-05": "fees",
    "ET02-06": "register",
    "ET03-01": "record",
    "ET03-02": "record",
    "ET03-03": "record",
    "ET03-04": "record",
    "ET07-02": "revoke",
    "ET07-03": "settlement",
    "ET07-04": "doubt",
    "ET07-06": "revoke",
    "ET13-03": "settlement",
    "ET13-05": "revoke",
    VISIT_UNRESOLVED.code: "doubt",
}


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation of the coded record."""

    number: int
    main: bool
    tag: str
    """``主手术`` or ``其他手术``."""
    code: str
    name: str
    at: str
    surgeon: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What the rules say of a transaction now, with the values they compared and the way out."""

    allowed: bool
    code: str = ""
    text: str = ""
    action: str = ""
    """What to do, in a sentence."""
    way_out: WayOut = ""
    t_ins: str = ""
    t_ward: str = ""
    ward_by: str = ""
    """Who told the ward-in, and ..."""
    ward_told_at: str = ""
    """... when the gateway came to know it."""
    warnings: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DischargeSheet:
    """Everything the page 出院办理 shows before the button is pressed."""

    operations: tuple[OperationRow, ...]
    source: str
    """Where the operations come from: the hospital's record and its version; empty without a record."""
    refreshed_at: str
    """When that record was told."""
    gate: Gate

    def as_json(self) -> dict[str, Any]:
        """Plain values, for callers of the JSON address."""
        return asdict(self)


def operation_rows(rows: Sequence[Row]) -> tuple[OperationRow, ...]:
    """The operations of a record, main first (ET-04); a placeholder such as 无 is none (ET-03)."""
    found = [row for row in rows if not is_blank(row)]
    found.sort(key=lambda row: text(row, "oprn_oprt_type") != MAIN)
    return tuple(_operation(number, row) for number, row in enumerate(found, 1))


def _operation(number: int, row: Row) -> OperationRow:
    main = text(row, "oprn_oprt_type") == MAIN
    surgeon = text(row, "oper_dr_name"), text(row, "oper_dr_code")
    at = text(row, "oprn_oprt_begntime") or text(row, "oprn_oprt_date")
    code, name = text(row, "oprn_oprt_code"), text(row, "oprn_oprt_name")
    return OperationRow(number, main, TAGS[main], code, name, at, " ".join(filter(None, surgeon)))


def discharge_sheet(
    stay: Stay, message: Mapping[str, Any], now: datetime, policy: Policy, table: RuleTable
) -> DischargeSheet:
    """What stands on the page; nothing is sent and nothing kept.

    Args:
        message: the 2402 that would be sent (``messages.discharge_message``).
    """
    told = stay.operations
    return DischargeSheet(
        operations=operation_rows(told.rows if told else ()),
        source=f"院内手术记录，版本 {told.version}" if told else "",
        refreshed_at=told.received_at.strftime("%Y-%m-%d %H:%M:%S") if told else "",
        gate=gate("2402", message, stay, now, policy, table),
    )


def gate(
    infno: str,
    message: Mapping[str, Any],
    stay: Stay,
    now: datetime,
    policy: Policy,
    table: RuleTable,
    day_surgery: Mapping[str, DayOperation] | None = None,
) -> Gate:
    """What the rules say of ``message`` at this moment: the same functions that the exchange asks before it sends.

    Args:
        day_surgery: as :func:`gateway.rules.judge.judge` takes it.
    """
    return _with_values(_judged(infno, message, stay, now, policy, table, day_surgery), stay)


def _judged(
    infno: str,
    message: Mapping[str, Any],
    stay: Stay,
    now: datetime,
    policy: Policy,
    table: RuleTable,
    day_surgery: Mapping[str, DayOperation] | None,
) -> Gate:
    if not stay.mdtrt_id:
        return Gate(
            allowed=False, text="网关没有这次住院的入院登记（2401），也没有接入过",
            action="先在 HIS 办理医保入院登记。", way_out="register",
        )  # fmt: skip
    verdict = judge(infno, message, stay, now, policy, table, day_surgery=day_surgery)
    if verdict.refusal is not None:
        fault = verdict.refusal.fault
        way = _WAYS.get(fault.code, "")
        text_ = verdict.refusal.text
        return Gate(False, fault.code, text_, fault.action, way, evidence=verdict.evidence)
    if stay.unknown:
        named = "、".join(f"{one.infno}（交易日志编号 {one.exchange_id}）" for one in stay.unknown)
        fault = VISIT_UNRESOLVED
        return Gate(False, fault.code, f"{fault.title}：{named}", fault.action, "doubt")
    return Gate(allowed=True, warnings=verdict.warnings, evidence=verdict.evidence)


def _with_values(found: Gate, stay: Stay) -> Gate:
    times, ward = stay.times, stay.ward_in
    return replace(
        found,
        t_ins=times.t_ins.text if times.t_ins else "",
        t_ward=times.t_ward.text if times.t_ward else "",
        ward_by=ward.operator if ward else "",
        ward_told_at=ward.received_at.strftime("%Y-%m-%d %H:%M:%S") if ward else "",
    )
