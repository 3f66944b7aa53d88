"""What the gateway does of its own accord, and in whose name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from gateway.settings.parts import Part, Workstation


class Vouchers(Part):
    """What vouchers are drawn with."""

    fonts: tuple[Path, ...] = Field(
        (), description="随程序的字体没有的字（姓名中的生僻字、自造字）依次到这些 TrueType 字体文件中找"
    )


class Alignment(Part):
    """In whose name the gateway itself sends 2403 after a ward-in."""

    workstation: Workstation = Field(
        Workstation(opter="alignment", opter_name="医保接口网关", opter_type="2"),
        description="自动办理入院信息变更（2403）时报文头中的经办人等",
    )


class Reconcile(Part):
    """What is compared with the platform every day (3201, 3202)."""

    setl_optins: str = Field("", max_length=6, description="结算经办机构；空则取 institution.area")
    insutypes: tuple[str, ...] = Field(("310", "390"), description="险种：日志中没有的也每天对一次")
    clr_types: tuple[str, ...] = Field(("11", "21", "41"), description="清算类别：日志中没有的也每天对一次")
    workstation: Workstation = Field(
        Workstation(opter="reconcile", opter_name="医保接口网关", opter_type="2"), description="对账报文头中的经办人等"
    )


class Catalogs(Part):
    """Which catalogs (13xx) are kept, and how careful an update is."""

    infnos: tuple[str, ...] = Field(
        (), description="目录编号，如 ['1301', '1306']；空则按省份文件，再缺省为两处来源一致的"
    )
    versions_kept: int = Field(3, ge=1, le=100, description="每个目录保留几个版本的明细，更早的只留条数")
    wrong_rows_max: int = Field(
        0, ge=0, le=10000, description="一个文件中不能用的行，不超过此数即略去并报告，否则整个不导入"
    )
    other_columns: Literal["report", "refuse"] = Field(
        "report", description="末尾列数与所知不同：报告后照常导入，或拒绝导入"
    )
    missing_percent_max: int = Field(
        20, ge=0, le=100, description="全量更新时，现有条目在文件中没有的超过百分之几即不当作全量"
    )
    workstation: Workstation = Field(
        Workstation(opter="catalogs", opter_name="医保接口网关", opter_type="2"),
        description="下载目录时报文头中的经办人等",
    )

    @field_validator("infnos")
    @classmethod
    def _numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for infno in value:
            if not re.fullmatch(r"13[0-9]{2}[A-Z]?", infno):
                raise ValueError(f"{infno!r} 不是目录的交易编号，应形如 1301")
        return value


class SettlementList(Part):
    """The settlement list (4101, 4101A) and its quality rules."""

    transaction: Literal["", "4101A", "4101"] = Field(
        "", description="网关自己填写清单时用的交易：4101A，或 4101（全项）；空则按省份文件，省份文件没有写的为 4101A"
    )
    submit: bool = Field(True, description="网关上传的清单随即提交（4102，未提交改为已提交）")
    follow_days: int = Field(180, ge=1, le=3650, description="入院之后多少天之内跟踪已提交清单的审核结果")
    levels: dict[str, Literal["refuse", "warn", "hint", "off"]] = Field(
        {}, description="改变某条质控规则的级别：refuse 拒绝、warn 提示、hint 提醒、off 停用"
    )

    @field_validator("levels")
    @classmethod
    def _rule_numbers(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := [name for name in value if not re.fullmatch(r"SL-[0-9]{3}[A-Z]?", name)]:
            raise ValueError(f"规则编号应形如 SL-048：{'、'.join(wrong)}")
        return value
