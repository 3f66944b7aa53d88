"""How things are shown to staff: words for states and fields, times, sizes, masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.console.stays.words import FACTS, address, named
from gateway.exchange.ports import State
from gateway.masking import mask_text, mask_value

STATES: Final[Mapping[str, tuple[str, str]]] = {
    State.RECEIVED: ("已收到", "idle"),
    State.REFUSED: ("网关拒绝", "warn"),
    State.INTENDED: ("办理中", "run"),
    State.CONFIRMED: ("成功", "ok"),
    State.DECLINED: ("平台拒绝", "warn"),
    State.NOT_SENT: ("未发出", "warn"),
    State.IN_DOUBT: ("结果未知", "doubt"),
    State.NOT_DONE: ("未成交", "idle"),
    State.REVERSED: ("已冲正", "idle"),
    State.ESCALATED: ("待人工核对", "bad"),
}
"""What a state is called, and its colour."""
SAFETY: Final[Mapping[str, str]] = {"read": "查询", "repeatable": "可重传", "state": "登记类", "money": "结算类"}
KEYS: Final[Mapping[str, str]] = {
    "ipt_no": "住院号",
    "ipt_otp_no": "住院/门诊号",
    "mdtrt_id": "就诊 ID",
    "setl_id": "结算 ID",
    "psn_no": "人员编号",
    "certno": "证件号码",
    "psn_name": "姓名",
    "mdtrt_cert_no": "凭证号",
    "card_sn": "卡识别码",
    "omsgid": "原报文 ID",
    "file_qury_no": "文件查询号",
}
CHANNELS: Final[Mapping[str, str]] = {
    "string": "字符串服务",
    "typed": "类型化服务",
    "json": "JSON 接口",
    "console": "控制台",
    "alignment": "自动变更",
    "jobs": "任务",
    "catalogs": "目录下载",
    "gateway": "自行查询",
}
CLIENTS: Final[Mapping[str, str]] = {
    "gateway": "网关",
    "console": "控制台",
    "alignment": "自动变更",
    "sign_in": "自动签到",
    "fee_upload": "费用上传",
    "his_sync": "读取 HIS",
    "settlement_lists": "结算清单",
    "reconcile": "对账",
    "catalogs": "目录下载",
}
"""What the gateway's own callers are called; the others have the names that the configuration gives them."""
PROOFS: Final[Mapping[str, str]] = {
    "query": "查询",
    "reverse": "冲正",
    "repeat": "再发",
    "late_answer": "迟到的答复",
    "unsent": "证实没有发出",
    "rules": "规则",
    "operator": "人工",
    "decision": "结论",
}


def when(moment: datetime | None) -> str:
    """``11-21 08:30:15``."""
    return f"{moment:%m-%d %H:%M:%S}" if moment is not None else "—"


def exactly(moment: datetime | None) -> str:
    """``2026-11-21 08:30:15.123``."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}" if moment is not None else "—"


def duration(milliseconds: float | None) -> str:
    """``85 ms``, ``1.25 s``."""
    if milliseconds is None:
        return "—"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def size(count: int | None) -> str:
    """``512 字节``, ``1.4 KB``."""
    if count is None:
        return "—"
    return f"{count} 字节" if count < 1024 else f"{count / 1024:.1f} KB"


def share(part: float) -> str:
    """``0.5%``."""
    return f"{part * 100:.1f}%" if part else "0%"


def key_value(value: str, kind: str, *, plain: bool) -> str:
    """A business key, masked for those who may not see bodies."""
    return value if plain else str(mask_value(kind, value))


def free_text(text: str, *, plain: bool) -> str:
    """A sentence of the platform or the hospital, likewise."""
    return text if plain else mask_text(text)


def channel_title(channel: str) -> str:
    """By which way a call came in."""
    return CHANNELS.get(channel, channel.replace("legacy/", "原有接口 "))


def client_title(client: str) -> str:
    """Whose call it is: the gateway's own callers by their titles."""
    return CLIENTS.get(client, client)


def clock_time(moment: datetime | None) -> str:
    """``08:30:15.123``."""
    return exactly(moment).rpartition(" ")[2]


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "when": when,
    "exactly": exactly,
    "duration": duration,
    "size": size,
    "share": share,
    "key_value": key_value,
    "free_text": free_text,
    "state_title": lambda state: STATES[state][0],
    "state_kind": lambda state: STATES[state][1],
    "safety_title": lambda safety: SAFETY.get(safety, safety),
    "key_title": lambda kind: KEYS.get(kind, kind),
    "client_title": client_title,
    "proof_title": lambda kind: PROOFS.get(kind, kind),
    "fact_title": lambda value, kind: FACTS[kind][value][0],
    "fact_kind": lambda value, kind: FACTS[kind][value][1],
    "stay_address": address,
    "stay_numbers": lambda stay: named(stay).items(),
    "channel_title": channel_title,
    "clock_time": clock_time,
}
