"""The port of the hospital's own records: what a HIS can be asked, column by column.

``DatabaseRecords`` (``adapters/his/database.py``) asks the HIS's database, ``ServiceRecords`` (``adapters/his/soap.py``) its
services, the fake beside this file holds rows in memory; all pass ``tests/conformance/test_hospital_records.py``. The gateway only ever reads.

    HisError
    ├── HisMisconfigured    a statement or setting cannot be used; somebody must change it
    └── HisUnavailable      the HIS did not answer in time or cannot be reached; later it may
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

SubjectName = Literal["inpatients", "ward_events", "diagnoses", "operations", "fees", "orders", "items"]
Kind = Literal["text", "time", "date", "integer", "amount"]

Row = Mapping[str, Any]
"""Columns by name: text stripped, times ``yyyy-MM-dd HH:mm:ss``, dates ``yyyy-MM-dd``, ``int``, ``Decimal``. No empty ones."""

Point = datetime | str | int | Decimal
"""A value of ``changed_at`` as the database has it: a time, a text that sorts like one, or a growing number."""


class HisError(Exception):
    """The HIS cannot be read; the Chinese text says why."""


class HisMisconfigured(HisError):
    """A statement, a column or a setting is wrong: trying again changes nothing."""


class HisUnavailable(HisError):
    """The HIS is not reachable, too slow, or its few connections are all in use."""


@dataclass(frozen=True, slots=True)
class Column:
    """A documented column of a statement.

    Args:
        scale: decimal places at most, of an ``amount``.
        choices: the values there are, where they are few.
    """

    name: str
    label: str
    kind: Kind = "text"
    required: bool = False
    scale: int = 0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What one statement tells of."""

    name: SubjectName
    label: str
    columns: tuple[Column, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.sql"

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that the statement must have, the two technical ones first."""
        return ROW_ID, CHANGED_AT, *(column.name for column in self.columns if column.required)

    @property
    def of_stay(self) -> bool:
        """Whether rows belong to a stay."""
        return any(column.name == IPT_NO for column in self.columns)


ROW_ID: Final = "row_id"
CHANGED_AT: Final = "changed_at"
IPT_NO: Final = "ipt_no"
VOID: Final = "void_flag"
TECHNICAL: Final = (ROW_ID, CHANGED_AT)
"""Needed in every statement: what tells rows apart, and when a row was last changed."""

_IPT_NO = Column(IPT_NO, "住院号", required=True)
_VOID = Column(VOID, "作废标志：1 已作废，其余为有效", choices=("0", "1"))
_MDTRT_ID = Column("mdtrt_id", "就诊ID")


def _t(name: str, label: str, *, required: bool = False) -> Column:
    return Column(name, label, "time", required)


def _c(name: str, label: str, *, required: bool = False) -> Column:
    return Column(name, label, "text", required)


SUBJECTS: Final[Mapping[SubjectName, Subject]] = {
    subject.name: subject
    for subject in (
        Subject(
            "inpatients",
            "住院登记",
            (
                _IPT_NO,
                _MDTRT_ID,
                _c("psn_no", "人员编号"),
                _c("psn_name", "姓名", required=True),
                _c("psn_cert_type", "证件类型"),
                _c("certno", "证件号码"),
                _c("gend", "性别：1 男、2 女、9 未说明"),
                Column("brdy", "出生日期", "date"),
                _c("tel", "联系电话"),
                _c("insutype", "险种类型"),
                _c("med_type", "医疗类别"),
                _t("begntime", "入院登记时间", required=True),
                _t("endtime", "出院时间"),
                _c("adm_dept_codg", "入院科室编码"),
                _c("adm_dept_name", "入院科室名称"),
                _c("ward_code", "当前病区编码"),
                _c("adm_bed", "床位"),
                _c("atddr_no", "主治医生编码"),
                _c("chfpdr_name", "主诊医师姓名"),
                _VOID,
            ),
        ),
        Subject(
            "ward_events",
            "入科、转科、出科",
            (
                _c("event_id", "院内事件编号", required=True),
                Column(
                    "kind",
                    "ward_in 入科、ward_in_void 取消入科、transfer 转科、ward_out 出科",
                    required=True,
                    choices=("ward_in", "ward_in_void", "transfer", "ward_out"),
                ),
                _IPT_NO,
                _MDTRT_ID,
                _c("ward_code", "病区（护理单元）编码；取消入科可无"),
                _c("ward_name", "病区名称"),
                _t("event_time", "发生时间；取消入科可无"),
                _t("recorded_time", "录入时间（补录）"),
                _c("reason", "原因"),
                _c("operator", "操作人"),
            ),
        ),
        Subject(
            "diagnoses",
            "诊断记录",
            (
                _IPT_NO,
                _c("diag_type", "诊断类别：1 西医主要、2 西医其他、3 中医主病、4 中医主证", required=True),
                _c("maindiag_flag", "主诊断标志：1 是、0 否", required=True),
                Column("diag_srt_no", "诊断排序号", "integer", required=True),
                _c("diag_code", "诊断代码", required=True),
                _c("diag_name", "诊断名称", required=True),
                _c("adm_cond", "入院病情"),
                _c("diag_dept", "诊断科室", required=True),
                _c("dise_dor_no", "诊断医生编码", required=True),
                _c("dise_dor_name", "诊断医生姓名", required=True),
                _t("diag_time", "诊断时间", required=True),
                _VOID,
            ),
        ),
        Subject(
            "operations",
            "手术记录",
            (
                _IPT_NO,
                _c("oprn_oprt_type", "手术操作类别：1 主手术、2 其他", required=True),
                _c("oprn_oprt_code", "手术操作代码", required=True),
                _c("oprn_oprt_name", "手术操作名称", required=True),
                _c("anst_way", "麻醉方式"),
                _c("oper_dr_code", "术者医师代码", required=True),
                _c("oper_dr_name", "术者医师姓名"),
                _c("anst_dr_code", "麻醉医师代码"),
                _t("oprn_oprt_begntime", "手术操作开始时间"),
                _t("oprn_oprt_endtime", "手术操作结束时间"),
                _t("anst_begntime", "麻醉开始时间"),
                _t("anst_endtime", "麻醉结束时间"),
                _VOID,
            ),
        ),
        Subject(
            "fees",
            "费用明细",
            (
                _IPT_NO,
                _c("feedetl_sn", "费用明细流水号", required=True),
                _c("init_feedetl_sn", "原费用流水号（退费行所退的行）"),
                _t("fee_ocur_time", "费用发生时间", required=True),
                _c("medins_list_codg", "医药机构目录编码（院内项目编码）", required=True),
                _c("medins_list_name", "院内项目名称"),
                _c("med_list_codg", "医疗目录编码（国家编码）"),
                Column("det_item_fee_sumamt", "明细项目费用总额，退费为负", "amount", required=True, scale=2),
                Column("cnt", "数量，退费为负", "amount", required=True, scale=4),
                Column("pric", "单价", "amount", required=True, scale=6),
                _c("drord_no", "医嘱号"),
                _c("bilg_dept_codg", "开单科室编码", required=True),
                _c("bilg_dept_name", "开单科室名称", required=True),
                _c("bilg_dr_codg", "开单医生编码", required=True),
                _c("bilg_dr_name", "开单医师姓名", required=True),
                _c("acord_dept_codg", "受单科室编码"),
                _c("acord_dept_name", "受单科室名称"),
                _c("orders_dr_code", "受单医生编码"),
                _c("orders_dr_name", "受单医生姓名"),
                _c("hosp_appr_flag", "医院审批标志"),
                _c("tcmdrug_used_way", "中药使用方式：1 复方、2 单方"),
                _c("dscg_tkdrug_flag", "出院带药标志"),
                _c("matn_fee_flag", "生育费用标志"),
                _c("memo", "备注"),
                _VOID,
            ),
        ),
        Subject(
            "orders",
            "医嘱",
            (
                _IPT_NO,
                _c("drord_no", "医嘱号", required=True),
                _c("order_class", "long 长期、temp 临时"),
                _c("item_codg", "院内项目编码"),
                _c("drord_name", "医嘱内容", required=True),
                _t("begntime", "开始时间", required=True),
                _t("endtime", "停止时间"),
                _c("bilg_dept_codg", "开立科室编码"),
                _c("bilg_dr_codg", "开立医生编码"),
                _c("bilg_dr_name", "开立医生姓名"),
                _VOID,
            ),
        ),
        Subject(
            "items",
            "收费项目、药品、耗材字典",
            (
                _c("medins_list_codg", "院内项目编码", required=True),
                _c("medins_list_name", "院内项目名称", required=True),
                _c("item_class", "drug 西药中成药、herb 饮片、service 诊疗项目、consumable 耗材"),
                _c("med_list_codg", "医疗目录编码（国家编码）"),
                _c("spec", "规格"),
                _c("unit", "单位"),
                Column("pric", "单价", "amount", scale=6),
                _VOID,
            ),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that cannot be used, and why; others are not held up by it."""

    row_id: str
    problems: tuple[str, ...]
    ipt_no: str = ""

    def __str__(self) -> str:
        return f"row_id {self.row_id}：{'；'.join(self.problems)}"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a subject was read: the last row of a page, as the database has it."""

    changed_at: Point
    row_id: Point


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order of their change.

    Args:
        mark: where the next page begins, of the rows of a stay the newest change; None when nothing was read.
        last: nothing came after this page when it was read.
        row_ids: of ``rows``, one each, as text.
    """

    rows: Sequence[Row] = ()
    wrong: Sequence[WrongRow] = ()
    mark: Mark | None = None
    last: bool = True
    row_ids: Sequence[str] = ()


class HospitalRecords(Protocol):
    """Reads the records of a HIS. Every method raises :class:`HisError`."""

    def subjects(self) -> tuple[SubjectName, ...]:
        """What this HIS can be asked."""
        ...

    def changed(
        self, subject: SubjectName, *, since: Point | None = None, after: Mark | None = None, rows_max: int = 500
    ) -> Page:
        """Rows changed at ``since`` or later, oldest change first, or those that come after ``after``.

        A row changed again while a round goes on comes again; a caller that goes on page by page misses none of those
        that were visible when it asked.
        """
        ...

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        """All rows of a stay, those voided in the HIS left out; with ``since`` those changed then or later, voided ones
        and those without a time of change among them. Raises ``HisMisconfigured`` above the limit of rows.
        """
        ...
