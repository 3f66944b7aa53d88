"""A settlement list in the shape of the paper form's head: its parts, each field with what the rules say beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.contract.interface import Interface
from gateway.masking import mask_value
from gateway.rules.list_quality import Finding
from gateway.rules.message import Row
from gateway.rules.message import text as leaf
from gateway.stays.lists import SETLINFO, Sheet

PARTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("清单", ("fixmedins_name", "hi_no", "medcasno", "setl_id", "mdtrt_id", "psn_no", "dcla_time")),
    (
        "一、基本信息",
        (
            "psn_name", "gend", "brdy", "age", "nwb_age", "age_days", "ntly", "naty", "patn_cert_type", "certno", "prfs",
            "curr_addr", "emp_name", "emp_addr", "emp_tel", "poscode", "coner_name", "patn_rlts", "coner_addr", "coner_tel",
            "hi_type", "insuplc", "sp_psn_type", "nwb_adm_type", "nwb_bir_wt", "nwb_adm_wt", "mul_nwb_bir_wt",
            "mul_nwb_adm_wt",
        ),
    ),
    ("二、门诊慢特病诊疗信息", ("opsp_diag_caty", "opsp_mdtrt_date")),
    (
        "三、住院诊疗信息",
        (
            "ipt_med_type", "adm_way", "trt_type", "adm_time", "adm_caty", "adm_dept_name", "refldept_dept", "dscg_time",
            "dscg_caty", "dscg_dept_name", "act_ipt_days", "otp_wm_dise", "wm_dise_code", "otp_tcm_dise", "tcm_dise_code",
            "vent_used_dura", "pwcry_bfadm_coma_dura", "pwcry_afadm_coma_dura", "spga_nurscare_days", "lv1_nurscare_days",
            "scd_nurscare_days", "lv3_nurscare_days", "dscg_way", "acp_medins_name", "acp_optins_code",
            "days_rinp_flag_31", "days_rinp_pup_31", "chfpdr_name", "chfpdr_code", "resp_nurs_code",
        ),
    ),
    (
        "四、医疗收费信息",
        (
            "biz_sn", "bill_code", "bill_no", "setl_begn_date", "setl_end_date", "psn_selfpay", "psn_ownpay", "acct_pay",
            "psn_cashpay", "hi_paymtd", "hsorg", "hsorg_opter", "medins_fill_dept", "medins_fill_psn", "stas_type",
        ),
    ),
)  # fmt: skip
"""The order of the form (医保办发〔2020〕20号 附件1); a field that a province's list has beyond these stands at the end."""
TABLES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("diseinfo", "诊断", ("diag_type", "maindiag_flag", "diag_code", "diag_name", "adm_cond_type")),
    (
        "oprninfo",
        "手术及操作",
        ("oprn_oprt_type", "oprn_oprt_code", "oprn_oprt_name", "oprn_oprt_begntime", "oprn_oprt_endtime", "oprn_oprt_date",
         "oper_dr_code", "anst_way", "anst_dr_code"),
    ),
    ("icuinfo", "重症监护", ("scs_cutd_ward_type", "scs_cutd_inpool_time", "scs_cutd_exit_time", "scs_cutd_sum_dura")),
    ("bldinfo", "输血", ("bld_cat", "bld_amt", "bld_unt")),
    ("opspdiseinfo", "门诊慢特病", ("diag_code", "diag_name", "oprn_oprt_code", "oprn_oprt_name")),
    ("iteminfo", "收费类别", ("med_chrgitm", "amt", "claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")),
    ("payinfo", "基金支付", ("fund_pay_type", "fund_payamt")),
)  # fmt: skip
LEVELS: Final[Mapping[str, tuple[str, str]]] = {
    "refuse": ("拒绝", "bad"),
    "warn": ("提示", "warn"),
    "hint": ("提醒", "run"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One field as it is shown."""

    name: str
    label: str
    value: str
    meaning: str
    required: bool
    said: Sequence[Finding]
    wrong: Sequence[str] = ()
    """Breaks of the interface."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of the form, by rows; ``said`` belongs to the whole."""

    title: str
    labels: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    said: Sequence[Finding]


class Form:
    """Makes the parts of one list.

    Args:
        plain: whether personal fields are shown as they are.
    """

    def __init__(self, sheet: Sheet, interface: Interface, *, plain: bool) -> None:
        self._sheet = sheet
        self._codes = interface.contract.codes
        self._nodes = {node.name: node for node in interface.operation(sheet.infno).input.nodes}
        self._plain = plain

    def parts(self) -> list[tuple[str, list[Cell]]]:
        """The head, part by part."""
        row = self._sheet.message.get(SETLINFO, {})
        known = {spec.name for spec in self._nodes[SETLINFO].fields}
        named = {name for _, names in PARTS for name in names}
        found = [
            (title, [self._cell(SETLINFO, name, row) for name in names if name in known]) for title, names in PARTS
        ]
        if rest := [spec.name for spec in self._nodes[SETLINFO].fields if spec.name not in named]:
            found.append(("其他", [self._cell(SETLINFO, name, row) for name in rest]))
        return [(title, cells) for title, cells in found if cells]

    def grids(self) -> list[Grid]:
        """The tables that have rows, and those that a rule speaks of."""
        return [one for name, title, names in TABLES if name in self._nodes and (one := self._grid(name, title, names))]

    def _grid(self, node: str, title: str, names: Sequence[str]) -> Grid | None:
        rows: Sequence[Row] = self._sheet.message.get(node, [])
        known = {spec.name: spec for spec in self._nodes[node].fields}
        shown = [name for name in names if name in known]
        whole = [
            one
            for one in self._sheet.report.findings
            if one.result == "problem" and not one.row and one.place.partition("/")[0] == node
        ]
        if not rows and not whole:
            return None
        cells = [[self._cell(node, name, row, number) for name in shown] for number, row in enumerate(rows, 1)]
        return Grid(title, [known[name].label for name in shown], cells, whole)

    def _cell(self, node: str, name: str, row: Mapping[str, Any], number: int = 0) -> Cell:
        spec = next(one for one in self._nodes[node].fields if one.name == name)
        value = leaf(row, name)
        codes = self._codes.get(spec.codes or "")
        wrong = [
            one.text
            for one in self._sheet.problems
            if (one.node.rpartition("/")[2], one.field, one.row) == (node, name, str(number) if number else "")
        ]
        return Cell(
            name=name,
            label=spec.label,
            value=value if self._plain else str(mask_value(name, value)),
            meaning=codes.values.get(value, "") if codes else "",
            required=spec.required,
            said=self._sheet.report.beside(f"{node}/{name}", number),
            wrong=wrong,
        )
