"""A stay as it is shown: the same values for ``StayStatus``, ``yibao stays show`` and the console (C7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.contract.model import RuleTable
from gateway.rules.case import Case
from gateway.rules.completeness import completeness
from gateway.rules.discharge import missing
from gateway.rules.policy import Policy
from gateway.rules.stay import EpisodeTime, Moment, Stay
from gateway.rules.times import difference_text, stay_days

TIMES: Final[Mapping[str, str]] = {
    "t_reg": "入院登记时间",
    "t_ward": "入科时间",
    "t_wout": "出科时间",
    "t_dsc": "出院时间",
    "t_ins": "医保入院时间",
    "t_set": "结算快照入院时间",
}


def state(stay: Stay) -> dict[str, Any]:
    """The three facts, and what is not known (entry-time rules, section 3)."""
    return {
        "presence": stay.presence,
        "alignment": stay.alignment,
        "settlement": stay.settlement,
        "unknown": [one.infno for one in stay.unknown],
    }


def status(stay: Stay, table: RuleTable, policy: Policy, now: datetime) -> dict[str, Any]:
    """State, times with their origin, what a discharge still lacks, how the uploads compare."""
    refusal = missing(Case("2402", {"dscginfo": {}}, stay, now, policy, table))
    return {
        "ipt_no": stay.ipt_no,
        "mdtrt_id": stay.mdtrt_id,
        "state": state(stay),
        "ward_in_time": stay.times.t_ward.text if stay.times.t_ward else "",
        "time": list(_times(stay.times)),
        "missing": [{"code": refusal.fault.code, "text": refusal.text}] if refusal else [],
        "upload": _upload(stay),
    }


def _times(times: EpisodeTime) -> Iterator[dict[str, str]]:
    for name, label in TIMES.items():
        told: Moment | None = getattr(times, name)
        if told is not None:
            yield {
                "name": name,
                "label": label,
                "value": told.text,
                "raw": told.raw,
                "origin": told.origin,
                "by": told.by,
                "at": told.at.isoformat(timespec="seconds") if told.at else "",
                "ref": told.ref,
            }


def _upload(stay: Stay) -> dict[str, Any]:
    found = completeness(stay)
    return {
        "result": found.result,
        "told": "" if found.told is None else str(found.told),
        "sent": "" if found.sent is None else str(found.sent),
        "shown": "" if found.shown is None else str(found.shown),
        "problem": list(found.problems),
        "surplus": list(found.surplus),
    }


def durations(stay: Stay, policy: Policy, now: datetime) -> dict[str, Any]:
    """差值 and 住院天数 (ET-05)."""
    return {"difference": difference_text(stay.times, now), "days": stay_days(stay.times, policy.days_min)}
