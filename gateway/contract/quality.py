"""The quality rules of the settlement list as values (``mappings/rules/settlement-list.yaml``), and what they may ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Level = Literal["refuse", "warn", "hint", "off"]

FACTS: Final[Mapping[str, Mapping[str, str]]] = {
    "stay": {
        "t_set": "结算入院时间",
        "t_ward": "入科时间",
        "t_dsc": "出院时间",
        "died": "死亡日期",
        "transfers": "转科次数",
        "emergency_begin": "急诊开始时间",
        "fees_sum": "已上传费用合计",
        "fees_first": "最早的费用发生时间",
        "fees_last": "最晚的费用发生时间",
        "final": "最终结算",
        "overlapping": "住院期间重叠的另一次住院",
    },
    "settlement": {
        "medfee_sumamt": "医疗费总额",
        "fund_pay_sumamt": "基金支付总额",
        "psn_part_amt": "个人负担总金额",
        "hosp_part_amt": "医院负担金额",
        "gend": "性别",
        "brdy": "出生日期",
    },
    "record": {
        "die_flag": "死亡标志",
        "qltctrl_date": "质控日期",
        "palg_no": "病理号",
        "drug_dicm_flag": "药物过敏标志",
        "dscg_trt_rslt_code": "出院治疗结果代码",
        "anst_fee": "麻醉费",
        "bill_sumamt": "票据金额",
    },
    "list": {
        "kind": "清单种类",
        "days": "住院天数",
        "minutes": "住院时长",
        "icu_minutes": "重症监护合计时长",
        "sex": "性别",
        "age_years": "年龄",
        "age_days": "天龄",
        "today": "当前日期",
        "days_since_discharge": "出院后天数",
    },
}
"""Nodes beside those of the list itself: what the gateway knows of stay and settlement, what the hospital told of the
medical record (``SettlementList``), what follows from the list.
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One verb with its arguments, checked when it was read."""

    verb: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One rule of the catalogue.

    Args:
        rule_id: ``SL-051``.
        rows: node whose rows are asked one by one; empty: the rule is asked once.
        where: only rows with these values.
        when: what must hold for the rule to apply; asked in order.
        checks: all must pass; the first that does not is what is told.
        beside: field that a finding is shown beside, ``node/field``, where the rule names one.
        first: the first field of the list that the rule is about.
    """

    rule_id: str
    level: Level
    text: str
    source: str
    checks: tuple[Check, ...]
    when: tuple[Check, ...] = ()
    rows: str = ""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beside: str = ""
    first: str = ""


@dataclass(frozen=True, slots=True)
class QualityTable:
    """All rules of a province, and which fields its settlement lists have."""

    rules: tuple[QualityRule, ...] = ()
    layouts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By transaction: ``node/field`` and the names of its nodes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """By ``node/field``."""

    def layout(self, infno: str) -> frozenset[str]:
        """Fields of a list; of a letter form that is not listed those of its plain number."""
        return self.layouts.get(infno) or self.layouts.get(infno[:4]) or frozenset()
