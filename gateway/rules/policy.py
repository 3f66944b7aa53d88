"""Every switch of the entry-time rules with its default (entry-time rules, sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.contract.quality import Level

WarnOrRefuse = Literal["warn", "refuse"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a hospital may decide for itself; the settings section ``[rules]`` fills it."""

    future_limit_s: int = 90
    """C6: seconds a told time may lie ahead of the gateway's clock before its use is refused."""
    not_wards: frozenset[str] = frozenset()
    """C3: ward codes that are no 入科 (operating room, recovery, resuscitation, 留观)."""
    require_2403_call: bool = False
    """ET-02 A: a 2403 must have been sent even where the times were equal from the start."""
    early_fees_in_change: WarnOrRefuse = "warn"
    """ET-01: uploaded fees before ``t_ward``, when 2403 is sent."""
    early_fees_in_discharge: WarnOrRefuse = "refuse"
    """ET-02: the same, when 2402 is sent (ET02-05)."""
    ward_before_registration_h_max: int | None = None
    """ET-01: how many hours a ward-in may precede the registration, with a reason; None = no limit."""
    require_record: bool = False
    """ET-03: refuse an upload of diagnoses of which the hospital has told no record, instead of 未核对."""
    surplus_diagnosis: WarnOrRefuse = "warn"
    """ET-03: 2402 while 5202 shows diagnoses that the hospital has removed (平台多余诊断)."""
    verify_before_discharge: bool = True
    """ET-02: ask 5201 once more between judging and sending a 2402."""
    emergency_look_back_h: int | None = None
    """ET-10: hours before ``t_ward`` beyond which emergency fees are left out; None = the whole visit."""
    emergency_observation: bool = True
    """ET-10: whether fees of 急诊留观 belong to the set."""
    listed_settlement: Literal["refuse", "allow"] = "refuse"
    """ET-07: 2305 while the settlement list is submitted or approved (ET07-05)."""
    reverse_category_change: bool = False
    """ET-13: 日间手术 back to 普通住院 before discharge."""
    category_changes: frozenset[tuple[str, str]] = frozenset()
    """ET-13: further changes of ``med_type`` (from, to) that the region allows."""
    day_surgery_warn_h: int = 24
    """ET-13: hours after which a stay that becomes day surgery is pointed out."""
    days_min: int = 1
    """ET-05: 住院天数 of a same-day stay."""
    paper_precision: Literal["minute", "day"] = "minute"
    """ET-08: how every voucher prints 入院时间."""
    list_levels: Mapping[str, Level] = field(default_factory=dict)
    """Quality rules of the settlement list that the hospital takes otherwise than the table, by rule id."""
    go_live: datetime | None = None
    """ET-11: stays discharged before it print ``t_set`` unchecked and are listed; None = no such stays."""
