"""What happened to a stay, step by step, in the order the gateway came to know it: for whoever asks why it is as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.stays.history import Acknowledged, Adopted, History, Record, RecordKind, WardEvent, WardEventKind

_EVENTS: Final[Mapping[WardEventKind, str]] = {
    "ward_in": "入科",
    "ward_in_void": "取消入科",
    "transfer": "转科",
    "ward_out": "出科",
    "recall": "拉回科室",
}
RECORDS: Final[Mapping[RecordKind, str]] = {
    "diagnoses": "院内诊断",
    "operations": "院内手术",
    "emergency_fees": "急诊费用",
    "settlement_list": "结算清单各项",
}
"""What the hospital told of a stay, in a word."""
_SHOWN: Final = ("begntime", "endtime", "med_type", "setl_id", "mid_setl_flag", "in_hospital")


def story(history: History) -> Iterator[dict[str, Any]]:
    """``{"at", "what", "detail", "by"}`` of each step."""
    steps: list[tuple[datetime, dict[str, Any]]] = [
        *((one.received_at, _event(one)) for one in history.events),
        *((one.finished_at or one.received_at, _exchange(one)) for one in history.exchanges),
        *((one.received_at, _record(one)) for one in history.records),
        *((one.at, _adopted(one)) for one in history.adoptions),
        *((one.at, _step("急诊费用审核通过", f"截止 {one.cut}", one.operator)) for one in history.approvals),
    ]
    for at, step in sorted(steps, key=lambda found: found[0]):
        yield {"at": at.isoformat(sep=" ", timespec="seconds"), **step}


def _step(what: str, detail: str, by: str = "") -> dict[str, Any]:
    return {"what": what, "detail": detail, "by": by}


def _event(event: WardEvent) -> dict[str, Any]:
    ward = " ".join(filter(None, (event.ward_code, event.ward_name)))
    recorded = f"，录入 {event.recorded_time}" if event.recorded_time else ""
    reason = f"，原因 {event.reason}" if event.reason else ""
    return _step(
        _EVENTS[event.kind], f"{event.event_time} {ward}（事件 {event.event_id}{recorded}{reason}）", event.operator
    )


def _exchange(one: Acknowledged) -> dict[str, Any]:
    undone = f"，已由编号 {one.undone_by} 撤销" if one.undone_by is not None else ""
    shown = _values(one.facts)
    return _step(one.infno, f"编号 {one.exchange_id} {one.state}{undone} {shown}".strip(), one.operator)


def _record(record: Record) -> dict[str, Any]:
    return _step(RECORDS[record.kind], f"版本 {record.version}，{len(record.rows)} 行", record.operator)


def _adopted(one: Adopted) -> dict[str, Any]:
    what = f"平台查询 {one.infno}" if one.source == "query" else "导入"
    return _step(what, _values(one.facts) or f"{len(one.facts.get('diagnoses', ()))} 条诊断")


def _values(facts: Any) -> str:
    rows = f"{len(facts['fees'])} 行费用" if facts.get("fees") else ""
    return " ".join(filter(None, [*(f"{name}={facts[name]}" for name in _SHOWN if facts.get(name)), rows]))
