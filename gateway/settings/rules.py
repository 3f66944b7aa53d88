"""How strictly contract and entry-time rules are held."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from gateway.settings.parts import Part


class ContractSettings(Part):
    """How strictly the contract is held."""

    unknown_fields: Literal["warn", "refuse"] = Field("warn", description="未知字段：留在日志、不上传并提示，或拒绝")
    code_lists: Literal["refuse", "warn"] = Field("refuse", description="值域之外的代码：拒绝，或提示后照传")


class Wards(Part):
    """Which of the hospital's wards are none in the sense of 入科."""

    not_wards: tuple[str, ...] = Field(
        (), description="不算入科的病区编码：手术室、复苏室、急诊抢救室、急诊留观等；ICU、NICU、日间病房是病区"
    )


class Rules(Part):
    """Switches of the entry-time rules (ET-01 to ET-13); each default is the reading of the customer's text."""

    future_limit_s: int = Field(90, ge=0, le=3600, description="入科时间晚于当前时间超过多少秒即拒绝使用")
    require_2403_call: bool = Field(False, description="真：登记时间本就等于入科时间的，也须办理过入院信息变更才能出院")
    early_fees_in_change: Literal["warn", "refuse"] = Field("warn", description="入院信息变更时有早于入科的已上传费用")
    early_fees_in_discharge: Literal["warn", "refuse"] = Field("refuse", description="出院办理时有早于入科的已上传费用")
    ward_before_registration_h_max: int | None = Field(
        None, ge=1, description="入科最多可早于入院登记多少小时（须写明原因）；空为不限"
    )
    require_record: bool = Field(False, description="真：院内没有上报诊断记录的，拒绝上传诊断；假：记为未核对")
    surplus_diagnosis: Literal["warn", "refuse"] = Field("warn", description="平台多余诊断：出院时提示，或拒绝")
    verify_before_discharge: bool = Field(True, description="出院办理前再向平台查询一次就诊信息（5201）")
    verify_unanswered: Literal["refuse", "warn"] = Field(
        "refuse", description="上述查询没有得到答复时：拒绝出院办理（可重试），或提示后照办"
    )
    emergency_look_back_h: int | None = Field(None, ge=1, description="急诊费用最多追溯入科前多少小时；空为整次急诊")
    emergency_observation: bool = Field(True, description="急诊留观费用是否计入")
    listed_settlement: Literal["refuse", "allow"] = Field(
        "refuse", description="清单已提交或通过时撤销结算：拒绝，或放行"
    )
    reverse_category_change: bool = Field(False, description="真：出院前可由日间手术改回普通住院")
    category_changes: tuple[tuple[str, str], ...] = Field(
        (), description="本地另外允许的医疗类别变更，如 [['21', '52']]"
    )
    day_surgery: Path | None = Field(
        None,
        description="日间手术病种目录文件（1311，ZIP 或文本），改为日间手术时据此核对主手术；空则用下载的目录，没有下载则提示未核对",
    )
    day_surgery_warn_h: int = Field(24, ge=1, le=240, description="改为日间手术时住院超过多少小时予以提示")
    days_min: int = Field(1, ge=0, le=1, description="当日出院的住院天数")
    paper_precision: Literal["minute", "day"] = Field("minute", description="各种凭证上入院时间的精度：到分，或到日")
    go_live: AwareDatetime | None = Field(None, description="网关启用时间；此前已出院的，凭证按结算快照打印，不作核对")
