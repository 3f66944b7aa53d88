"""What each kind of voucher says of a stay: from the stay, the settlement's answer and the fee rows. Pure.

Every time comes from ``Stay.times`` and the judgement of :mod:`gateway.rules.vouchers`; nothing here computes one (C7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.contract.codec import as_text
from gateway.contract.model import CodeList
from gateway.rules.policy import Policy
from gateway.rules.stay import Moment, Stay
from gateway.rules.times import stay_days
from gateway.rules.vouchers import VoucherKind, VoucherTime, paper_text
from gateway.vouchers.capitals import capitals
from gateway.vouchers.sheet import ADMITTED, TITLES, Column, Group, Item, Sheet, Table

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Institution:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """Everything a voucher is made of.

    Args:
        settled: ``setlinfo`` of the settlement's answer; empty without one.
        funds: its ``setldetail``.
        fees: rows of 2301 with what the platform answered to each, by date.
        person: who it is, where the settlement does not tell: ``baseinfo`` of the last 1101, or a row of 5201.
        listed: ``setlinfo`` of the settlement list (4101A), where one was uploaded.
    """

    stay: Stay
    time: VoucherTime
    policy: Policy
    institution: Institution
    codes: Mapping[str, CodeList]
    settled: Row = field(default_factory=dict)
    funds: Sequence[Row] = ()
    fees: Sequence[Row] = ()
    person: Row = field(default_factory=dict)
    listed: Row = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A value by its national name, from whoever knows it best; a code with its meaning in words."""
        places = (self.settled, self.listed, self.stay.registration, self.stay.discharge, self.person)
        raw = next((as_text(place[name]) for place in places if place.get(name) not in (None, "")), "")
        return plain(amount(raw)) or raw if name == "age" else self.meaning(name, raw)

    def meaning(self, name: str, raw: str) -> str:
        codes = self.codes.get(name)
        # 民族 is written 1 and 01
        return codes.values.get(raw) or codes.values.get(raw.lstrip("0"), raw) if codes else raw

    def time_text(self, time: Moment | None) -> str:
        return paper_text(time, self.policy) if time else ""


def sheet(kind: VoucherKind, source: Source) -> Sheet:
    """The voucher of this kind.

    Raises:
        ValueError: an amount that cannot be written out.
    """
    return _KINDS[kind](source)


# ------------------------------------------------------------------ parts


def _items(source: Source, *named: tuple[str, str]) -> tuple[Item, ...]:
    return tuple(Item(name, label, source.text(name)) for name, label in named)


_PERSON: Final = (("psn_name", "姓名"), ("gend", "性别"), ("age", "年龄"), ("psn_no", "人员编号"))
_INSURED: Final = (("insutype", "险种类型"), ("psn_type", "人员类别"), ("med_type", "医疗类别"))


def _who(source: Source, *more: tuple[str, str]) -> Group:
    ids = [Item("ipt_no", "住院号", source.stay.ipt_no), Item("mdtrt_id", "就诊ID", source.stay.mdtrt_id)]
    if source.time.setl_id:
        ids.append(Item("setl_id", "结算ID", source.time.setl_id))
    return Group("", (*_items(source, *_PERSON, *more), *ids))


def _times(source: Source, *more: tuple[str, str]) -> Group:
    times = source.stay.times
    days = stay_days(times, source.policy.days_min) if times.t_dsc else None
    return Group(
        "",
        (
            Item(ADMITTED, "入院时间", source.time.text),
            Item("discharged", "出院时间", source.time_text(times.t_dsc)),
            Item("days", "住院天数", "" if days is None else f"{days} 天"),
            *_items(source, ("adm_dept_name", "入院科室"), ("dscg_dept_name", "出院科室"), *more),
        ),
    )


_AMOUNTS: Final = (
    ("medfee_sumamt", "医疗费总额"),
    ("inscp_scp_amt", "政策范围内金额"),
    ("fulamt_ownpay_amt", "全自费金额"),
    ("overlmt_selfpay", "超限价自费"),
    ("preselfpay_amt", "先行自付"),
    ("act_pay_dedc", "起付线"),
    ("fund_pay_sumamt", "基金支付总额"),
    ("hifp_pay", "统筹基金支付"),
    ("hifmi_pay", "大病保险支付"),
    ("hifob_pay", "职工大额补助"),
    ("hifes_pay", "企业补充支付"),
    ("cvlserv_pay", "公务员补助支付"),
    ("maf_pay", "医疗救助支付"),
    ("hifdm_pay", "伤残保障支付"),
    ("oth_pay", "其他支付"),
    ("hosp_part_amt", "医院负担金额"),
    ("psn_part_amt", "个人负担总金额"),
    ("acct_pay", "个人账户支付"),
    ("acct_mulaid_pay", "其中账户共济"),
    ("psn_cash_pay", "个人现金支付"),
    ("balc", "个人账户余额"),
)
_ALWAYS: Final = frozenset({"medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "acct_pay", "psn_cash_pay"})
"""Shown even when they are nothing."""


def _money(source: Source) -> Group:
    shown = []
    for name, label in _AMOUNTS:
        value = amount(source.settled.get(name))
        if value is not None and (value or name in _ALWAYS):
            shown.append(Item(name, label, money(value)))
    return Group("结算金额（元）", tuple(shown))


def _written_out(source: Source) -> Group:
    named = (("medfee_sumamt", "总额大写"), ("psn_cash_pay", "现金大写"))
    found = ((name, label, amount(source.settled.get(name))) for name, label in named)
    return Group(
        "",
        tuple(Item(f"{name}_cn", label, capitals(cents(value))) for name, label, value in found if value is not None),
    )


def _funds(source: Source) -> tuple[Table, ...]:
    columns = (Column("fund_pay_type_name", "基金", 30), Column("fund_payamt", "支付金额", 12, number=True))
    rows = tuple(
        (
            as_text(row.get("fund_pay_type_name"))
            or source.meaning("fund_pay_type", as_text(row.get("fund_pay_type"))),
            money(amount(row.get("fund_payamt"))),
        )
        for row in source.funds
    )
    return (Table("funds", "基金分项", columns, rows),) if rows else ()


def _categories(source: Source) -> tuple[Table, ...]:
    sums: dict[str, Decimal] = {}
    for row in source.fees:
        kind = source.meaning("med_chrgitm_type", as_text(row.get("med_chrgitm_type"))) or "未分类"
        sums[kind] = sums.get(kind, Decimal(0)) + (amount(row.get("det_item_fee_sumamt")) or Decimal(0))
    columns = (Column("med_chrgitm_type", "收费项目", 20), Column("amount", "金额", 12, number=True))
    rows = tuple((kind, money(total)) for kind, total in sums.items())
    return (Table("categories", "收费项目", columns, rows),) if rows else ()


_FEE_COLUMNS: Final = (
    Column("fee_ocur_time", "费用时间", 17),
    Column("med_list_codg", "医保目录编码", 28),
    Column("medins_list_codg", "院内项目编码", 18),
    Column("name", "项目名称（备注）", 22),
    Column("med_chrgitm_type", "类别", 11),
    Column("chrgitm_lv", "等级", 7),
    Column("pric", "单价", 11, number=True),
    Column("cnt", "数量", 8, number=True),
    Column("det_item_fee_sumamt", "金额", 12, number=True),
    Column("self_paid", "其中自费自付", 12, number=True),
)
_SELF_PAID: Final = ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt")


def _fee_table(source: Source) -> Table:
    rows = [_fee(source, row) for row in source.fees]
    named = any(row[3] for row in rows)
    keep = [index for index, column in enumerate(_FEE_COLUMNS) if column.name != "name" or named]
    return Table(
        "fees",
        "费用明细",
        tuple(_FEE_COLUMNS[index] for index in keep),
        tuple(tuple(row[index] for index in keep) for row in rows),
    )


def _fee(source: Source, row: Row) -> tuple[str, ...]:
    self_paid = [found for name in _SELF_PAID if (found := amount(row.get(name))) is not None]
    return (
        as_text(row.get("fee_ocur_time"))[:16],
        as_text(row.get("med_list_codg")),
        as_text(row.get("medins_list_codg")),
        as_text(row.get("medins_list_name") or row.get("hilist_name") or row.get("memo")),
        source.meaning("med_chrgitm_type", as_text(row.get("med_chrgitm_type"))),
        source.meaning("chrgitm_lv", as_text(row.get("chrgitm_lv"))),
        plain(amount(row.get("pric"))),
        plain(amount(row.get("cnt"))),
        money(amount(row.get("det_item_fee_sumamt"))),
        money(sum(self_paid, Decimal(0))) if self_paid else "",
    )


def _diagnoses(source: Source) -> tuple[Item, ...]:
    rows = source.stay.uploaded.rows if source.stay.uploaded else ()
    main = [row for row in rows if as_text(row.get("maindiag_flag")) == "1"]
    other = [row for row in rows if row not in main]
    named = (("main_diagnosis", "主要诊断", main), ("other_diagnoses", "其他诊断", other))
    return tuple(Item(name, label, "；".join(map(_diagnosis, found))) for name, label, found in named if found)


def _diagnosis(row: Row) -> str:
    return f"{as_text(row.get('diag_code'))} {as_text(row.get('diag_name'))}".strip()


# ------------------------------------------------------------------ kinds


def _sheet(kind: VoucherKind, source: Source, groups: Iterable[Group], **more: Any) -> Sheet:
    notes = (*more.pop("notes", ()), *((source.time.remark,) if source.time.remark else ()))
    kept = tuple(group for group in groups if group.items)
    return Sheet(kind, TITLES[kind], source.institution.name, kept, notes=notes, **more)


def _receipt(source: Source) -> Sheet:
    groups = (_who(source), _times(source, ("setl_time", "结算时间"), *_INSURED), _money(source), _written_out(source))
    tables = (*_categories(source), *_funds(source))
    return _sheet("receipt", source, groups, tables=tables, signatures=("收款人", "复核人", "医疗机构（章）"))


def _fee_list(source: Source) -> Sheet:
    total = sum((amount(row.get("det_item_fee_sumamt")) or Decimal(0) for row in source.fees), Decimal(0))
    sums = Group("", (Item("count", "明细条数", str(len(source.fees))), Item("total", "合计（元）", money(total))))
    groups = (_who(source), _times(source, *_INSURED), sums)
    tables = (*_categories(source), _fee_table(source))
    return _sheet("fee_list", source, groups, tables=tables, signatures=("患者或家属", "制表人"))


def _discharge_slip(source: Source) -> Sheet:
    way = _items(source, ("dscg_way", "离院方式"), ("chfpdr_name", "主诊医师"))
    groups = (_who(source), _times(source), Group("", (*_diagnoses(source), *way)), _money(source))
    notes = () if source.settled else ("本凭条打印时尚未医保结算。",)
    return _sheet("discharge_slip", source, groups, notes=notes, signatures=("科室", "经办人", "医疗机构（章）"))


def _eligibility(source: Source) -> Sheet:
    ward = source.stay.ward_in
    where = Item("ward", "入科病区", " ".join(filter(None, (ward.ward_code, ward.ward_name))) if ward else "")
    times = Group("", (Item(ADMITTED, "入院时间", source.time.text), where, *_items(source, ("adm_bed", "床位"))))
    insured = Group("", (*_items(source, *_INSURED, ("insuplc_admdvs", "参保地区划")), *_diagnoses(source)))
    note = "经核对，以上患者为医疗保险参保住院患者，入院时间为入科时间；入科时间变更后本单作废，须重新打印。"
    signatures = ("患者或家属", "科室医师", "医保办（章）")
    return _sheet(
        "eligibility",
        source,
        (_who(source, ("certno", "证件号码")), times, insured),
        notes=(note,),
        signatures=signatures,
    )


def _list_head(source: Source) -> Sheet:
    number = next((one.listed for one in source.stay.settlements if one.setl_id == source.time.setl_id), "")
    place = (
        Item("setl_list_id", "清单流水号", number),
        Item("fixmedins_code", "医疗机构代码", source.institution.code),
        *_items(source, ("hi_no", "医保编号"), ("medcasno", "病案号"), ("dcla_time", "申报时间")),
    )
    person = _items(
        source, ("brdy", "出生日期"), ("ntly", "国籍"), ("naty", "民族"), ("psn_cert_type", "患者证件类别"),
        ("certno", "患者证件号码"), ("prfs", "职业"), ("curr_addr", "现住址"),
    )  # fmt: skip
    stay = _items(
        source, ("adm_way", "入院途径"), ("trt_type", "治疗类别"), ("refldept_dept", "转科科别"), ("dscg_way", "离院方式"),
        ("hi_paymtd", "医保支付方式"), ("bill_code", "票据代码"), ("bill_no", "票据号码"),
    )  # fmt: skip
    groups = (
        Group("", place),
        _who(source),
        Group("", tuple(item for item in person if item.value)),
        _times(source, *_INSURED),
        Group("", (*(item for item in stay if item.value), *_diagnoses(source))),
        _money(source),
    )
    return _sheet(
        "list_head", source, groups, tables=_funds(source), signatures=("填报部门", "填报人", "医疗机构（章）")
    )


_KINDS: Final[Mapping[VoucherKind, Callable[[Source], Sheet]]] = {
    "receipt": _receipt,
    "fee_list": _fee_list,
    "discharge_slip": _discharge_slip,
    "eligibility": _eligibility,
    "list_head": _list_head,
}


# ------------------------------------------------------------------ numbers


def amount(raw: object) -> Decimal | None:
    """A number as the platform wrote it; None for none."""
    if raw is None or raw == "":
        return None
    try:
        found = Decimal(str(raw))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def cents(value: Decimal) -> Decimal:
    """Two decimals: what the platform tells with more is told by 2304 as such and not rounded away unseen."""
    return value.quantize(Decimal("0.01"))


def money(value: Decimal | None) -> str:
    return "" if value is None else f"{cents(value):,.2f}"


def plain(value: Decimal | None) -> str:
    """Without needless zeros, at least two decimals for a price to be read as one."""
    if value is None:
        return ""
    text = format(value.normalize(), "f")
    return text if value == value.to_integral_value() or len(text.partition(".")[2]) >= 2 else f"{value:.2f}"
