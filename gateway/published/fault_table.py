"""``docs/using/fault-codes.md``, generated from :data:`gateway.faults.FAULTS` (``yibao faults --write``)."""

from __future__ import annotations

from typing import Final

from gateway.faults import ADDRESS_UNKNOWN, FAULTS, INTERNAL, Fault

RETRY: Final = {"yes": "可以", "same": "仅原样", "no": "不可"}
_SECTIONS: Final = (
    ("GW-10", "GW-10xx 报文无法读取"),
    ("GW-11", "GW-11xx 内容不符合接口规范"),
    ("GW-14", "GW-14xx 与其他请求冲突"),
    ("GW-20", "GW-20xx 调用方身份与权限"),
    ("GW-30", "GW-30xx 平台拒绝"),
    ("GW-40", "GW-40xx 平台没有办理"),
    ("GW-41", "GW-41xx 结果未知"),
    ("GW-5", "GW-5xxx 网关自身故障"),
    ("ET", "ETnn-mm 入科时间规则"),
)
_REPLY: Final = "普通答复"
_NEVER: Final = "不出现"
_SOAP: Final = {
    "GW-1005": "普通答复；操作名未知时 Fault",
    "GW-1008": _REPLY,
    "GW-1012": _REPLY,
    "GW-1016": "Fault（HTTP 压缩）；载荷则为普通答复",
    "GW-1017": "HTTP 404，JSON 正文",
    "GW-3000": "普通答复，infcode 为平台的值",
}
"""Where a fault of :func:`soap_form` is not answered as its range is."""
_JSON: Final = {
    "GW-1001": _NEVER,
    "GW-1002": _NEVER,
    "GW-1005": "HTTP 200",
    "GW-1012": _NEVER,
    "GW-1014": _NEVER,
    "GW-1102": _NEVER,
    "GW-5001": "HTTP 200",
}
"""Where the status is not that of the table: the exchange itself refuses, which is a normal reply."""
_INTRODUCTION: Final = """\
# 故障代码

<!-- 由 yibao faults --write 从 gateway/faults.py 生成，请勿手工修改 -->

网关的每个答复都带有 `code`（成功时为空）与 `retry`。`infcode` 为 0 即成功，其余都是失败。

| retry | 含义 |
|---|---|
| `yes` 可以 | 平台没有办理，可立即重新办理 |
| `same` 仅原样 | 只能以同一 `request_id` 原样再问，不得重新办理 |
| `no` 不可 | 原样重试没有意义，或结果须先核实 |

各入口怎样答复：

| 写法 | SOAP（字符串服务、类型化服务） | JSON | 接管的旧 WSDL（`/soap/legacy`） |
|---|---|---|---|
| 普通答复 | HTTP 200，`infcode` -1（GW-3000 为平台自己的值） | HTTP 200，同样的字段 | 方言自己的失败写法 |
| Fault | SOAP Fault：1.1 为 HTTP 500，1.2 的调用方错误为 400；`detail` 含 code、retry、cause、action | 表中的 HTTP 状态，正文字段相同 | 信封可读时为方言的失败写法，否则为 SOAP Fault |

字符串服务 `request` 参数里的报文读不懂时，信封本身是好的，因此 GW-10xx 在那里是普通答复。
"""


def rows() -> list[dict[str, str]]:
    """Every fault in the order of its code, as text by column."""
    return [
        {
            "code": fault.code,
            "title": fault.title,
            "cause": fault.cause,
            "action": fault.action,
            "retry": fault.retry,
            "soap": soap_form(fault),
            "json": json_form(fault),
            "legacy": legacy_form(fault),
        }
        for fault in sorted(FAULTS.values(), key=lambda fault: fault.code)
    ]


def soap_form(fault: Fault) -> str:
    """How the string and typed services answer it."""
    unreadable = fault.code.startswith(("GW-10", "GW-20")) or fault is INTERNAL
    return _SOAP.get(fault.code, "Fault" if unreadable else _REPLY)


def json_form(fault: Fault) -> str:
    """How ``/api/v1/transactions`` answers it."""
    return _JSON.get(fault.code, f"HTTP {fault.http_status}")


def legacy_form(fault: Fault) -> str:
    """How a taken-over WSDL answers it."""
    if fault is ADDRESS_UNKNOWN:
        return _SOAP[fault.code]
    return "方言的失败写法；信封读不懂时 Fault" if fault.code.startswith("GW-10") else "方言的失败写法"


def markdown() -> str:
    """The whole document."""
    parts = [_INTRODUCTION]
    for prefix, title in _SECTIONS:
        found = [row for row in rows() if row["code"].startswith(prefix)]
        parts.append(f"\n## {title}\n\n" + _table(found))
    return "".join(parts)


def _table(found: list[dict[str, str]]) -> str:
    lines = ["| 代码 | 名称 | 原因 | 处理 | 重试 | SOAP | JSON | 旧 WSDL |", "|---|---|---|---|---|---|---|---|"]
    for row in found:
        cells = [row["code"], row["title"], row["cause"], row["action"], f"`{row['retry']}` {RETRY[row['retry']]}"]
        lines.append(
            "| " + " | ".join(_cell(cell) for cell in [*cells, row["soap"], row["json"], row["legacy"]]) + " |"
        )
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
