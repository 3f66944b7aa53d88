"""Why a fee row could not go, in a word, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RULES: Final[Mapping[str, tuple[str, str]]] = {
    "required": ("必填", "在 HIS 中补上这一项。"),
    "type": ("类型", "在 HIS 中改为接口规定的类型。"),
    "length": ("长度", "在 HIS 中改到规定的长度以内。"),
    "precision": ("位数", "在 HIS 中改到规定的位数以内。"),
    "scale": ("小数位", "在 HIS 中改到规定的小数位数。"),
    "code": ("代码", "改用代码表中的值；院内代码请在接入方言中对照。"),
    "date": ("日期时间", "改为真实存在的日期时间。"),
    "unknown": ("多余字段", "接口没有这个字段，请接口开发人员去掉。"),
    "character": ("字符", "去掉平台不能接收的字符。"),
    "platform": ("平台校验", "按平台的说明改正后再上传；看交易可见平台原文。"),
    "his": ("院内记录", "这一行从 HIS 读出来就不能用，请信息科核对查询语句与这一行。"),
    "before_ward": ("入科时间", "核对费用发生时间与入科时间；属于急诊的费用在“急诊急救审核”中处理。"),
    "changed": (
        "上传后又改动",
        "在“撤销已上传”中撤销平台上的这一行（2302），下一次运行即按 HIS 现在的内容上传。",
    ),
    "gone": (
        "HIS 已作废",
        "HIS 中已作废或删除的行，平台上仍在计费：在“撤销已上传”中撤销平台上的这一行（2302）；HIS 误删的，在 HIS 中恢复。",
    ),
    "unmapped": (
        "没有国家编码",
        "在 HIS 的项目字典中为这个院内项目对照国家编码，下一次运行即可上传；不必改费用行。",
    ),
    "twice": ("流水号重复", "HIS 中两行用了同一个流水号，请信息科查清。"),
    "taken_back": (
        "已撤销",
        "有人按流水号撤销过，HIS 中仍是撤销时的内容，不再自动上传；在 HIS 中改正时间、数量或金额之后自动上传，确要原样再传，由 HIS 上传（2301）或由信息科以清单上传。",
    ),
    "refund": ("退费", "先上传所退的原费用行，或更正原费用流水号。"),
}
"""Rule of ``jobs.fee_rows.Wrong``: title, way out."""
AT_THE_PLATFORM: Final = frozenset({"changed", "gone"})
"""Rules of rows that are at the platform and should not be, as they are."""
OTHER: Final = ("内容", "按说明在 HIS 中改正后再上传。")
ROW: Final[Mapping[str, str]] = {
    "fee_ocur_time": "发生时间",
    "medins_list_codg": "院内编码",
    "medins_list_name": "院内名称",
    "cnt": "数量",
    "pric": "单价",
    "det_item_fee_sumamt": "金额",
}
