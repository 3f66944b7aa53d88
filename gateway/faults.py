"""Every fault the gateway can answer: code, cause, action, and whether the caller may retry.

``docs/using/fault-codes.md`` is generated from this file (``yibao faults``).

    GatewayFault
    ├── Refused          a normal reply: infcode -1 and this code; nothing was sent
    └── Unreadable       the envelope or the caller is not acceptable: a SOAP Fault, or an HTTP status on JSON
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Retry = Literal["yes", "same", "no"]
"""``yes``: safe at once. ``same``: only the identical request with the same ``request_id``. ``no``: not as it is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the published table."""

    code: str
    title: str
    cause: str
    action: str
    retry: Retry
    http_status: int = 200
    """Status on the JSON API; anything but 200 means that no exchange was made."""
    blames_caller: bool = True
    """SOAP faultcode ``Client``/``Sender`` if true, else ``Server``/``Receiver``."""


FAULTS: dict[str, Fault] = {}


def _fault(
    code: str,
    title: str,
    cause: str,
    action: str,
    retry: Retry,
    http_status: int = 200,
    *,
    blames_caller: bool = True,
) -> Fault:
    fault = Fault(code, title, cause, action, retry, http_status, blames_caller)
    FAULTS[code] = fault
    return fault


# GW-10xx: the request cannot be read
XML_MALFORMED = _fault(
    "GW-1001", "XML 格式错误", "报文不是格式良好的 XML。", "按提示的行、列修正报文后重发。", "no", 400
)
DTD_FORBIDDEN = _fault(
    "GW-1002", "禁止 DOCTYPE 与实体", "报文含 DOCTYPE 或自定义实体。", "去掉 DOCTYPE 与实体声明。", "no", 400
)
CHARSET_WRONG = _fault(
    "GW-1003",
    "字符集错误",
    "声明的字符集未知，或与实际字节不符。",
    "使声明、HTTP 头与实际编码一致（UTF-8、UTF-16、GBK、GB18030）。",
    "no",
    400,
)
ENVELOPE_BROKEN = _fault(
    "GW-1004", "SOAP 信封错误", "报文不是 SOAP 1.1/1.2 信封，或缺少 Body、操作元素。", "按 WSDL 生成报文。", "no", 400
)
TRANSACTION_UNKNOWN = _fault(
    "GW-1005",
    "未知交易或操作",
    "交易编号或操作名不在本网关发布的接口中。",
    "核对交易编号；回调类交易（6204、6302、7108、7109）不可由院内调用。",
    "no",
    400,
)
TOO_LARGE = _fault("GW-1006", "报文过大", "报文超过网关的大小上限。", "分批上传，或请信息科调整上限。", "no", 413)
TOO_DEEP = _fault(
    "GW-1007", "报文嵌套过深", "XML 或 JSON 的嵌套层数超过上限。", "按接口规范的节点结构组织报文。", "no", 400
)
JSON_MALFORMED = _fault(
    "GW-1008", "JSON 格式错误", "报文不是合法的 JSON，或顶层不是对象。", "按提示的位置修正报文后重发。", "no", 400
)
METHOD_WRONG = _fault(
    "GW-1009", "HTTP 方法错误", "该地址只接受 POST，或加 ?wsdl 的 GET。", "改用 POST 调用。", "no", 405
)
REQUEST_EMPTY = _fault("GW-1010", "报文为空", "HTTP 正文为空。", "检查客户端是否写出了报文。", "no", 400)
PARAMETERS_WRONG = _fault(
    "GW-1012", "参数名错误", "操作的参数名与 WSDL 不符（例如 arg0、param0）。", "按 WSDL 的参数名调用。", "no", 400
)
HEADER_NOT_UNDERSTOOD = _fault(
    "GW-1014", "不支持的 SOAP 头", "SOAP 头标有 mustUnderstand 而网关不认识。", "去掉该 SOAP 头。", "no", 400
)
LENGTH_WRONG = _fault(
    "GW-1015",
    "Content-Length 错误",
    "Content-Length 不是数字，或连接在报文发完之前中断。",
    "检查客户端与中间代理。",
    "no",
    400,
)
PAYLOAD_WRONG = _fault("GW-1016", "载荷无法解码", "Base64 或压缩的载荷无法解码。", "按方言说明编码载荷。", "no")
ADDRESS_UNKNOWN = _fault("GW-1017", "地址不存在", "该地址没有服务。", "核对服务地址。", "no", 404)

# GW-11xx: the content against the contract
CONTENT_WRONG = _fault(
    "GW-1101",
    "内容不符合接口规范",
    "一个或多个字段不符合接口规范，逐项列出。",
    "按列出的节点、行、字段修正后重发。",
    "no",
)
DIALECT_FAILED = _fault(
    "GW-1102", "方言转换失败", "按院内方言文件转换报文时出错。", "核对报文与方言文件 mappings/his/<dialect>/。", "no"
)

# GW-14xx: against other requests
REQUEST_ID_TAKEN = _fault(
    "GW-1409",
    "请求号已用于其他内容",
    "同一 request_id 已用于内容不同的请求。",
    "新业务使用新的 request_id；重发时保持内容不变。",
    "no",
)

EXCHANGE_UNKNOWN = _fault(
    "GW-1404",
    "没有这笔交易的记录",
    "交易日志中没有该 request_id，或该就诊没有这个交易。",
    "核对 request_id（只能查本客户端的），或 mdtrt_id 与 infno。",
    "no",
)
VISIT_BUSY = _fault(
    "GW-1423",
    "该就诊有交易正在办理",
    "同一次就诊的另一笔交易还在等待平台答复，一次就诊同时只能办理一笔。",
    "稍后重试。",
    "yes",
)
VISIT_UNRESOLVED = _fault(
    "GW-1425",
    "该就诊有结果未明的交易",
    "同一次就诊的另一笔交易结果未知，网关正在核实；核实之前不能办理其他交易。",
    "等待核实结束（可查询该笔结果）后再办理；长时间未结束请联系信息科。",
    "no",
)

# GW-20xx: who are you, may you
CLIENT_UNKNOWN = _fault(
    "GW-2001",
    "未识别的调用方",
    "没有凭据，或没有客户端配置与来源地址相符。",
    "向信息科申请客户端并配置凭据。",
    "no",
    401,
)
CREDENTIAL_WRONG = _fault(
    "GW-2002",
    "凭据错误",
    "用户名、密码、摘要或 API key 不正确，或摘要已过期、被重放。",
    "核对凭据与客户端时钟。",
    "no",
    401,
)
TRANSACTION_FORBIDDEN = _fault(
    "GW-2003", "无权调用该交易", "该客户端未被授权调用此交易。", "请信息科在客户端配置中加入该交易。", "no", 403
)

# GW-30xx: the platform declined
PLATFORM_DECLINED = _fault(
    "GW-3000", "医保平台拒绝", "平台返回失败，原始 infcode 与 err_msg 已保留。", "按平台提示处理后重新办理。", "yes"
)

# GW-40xx: nothing was done at the platform
NOT_REACHED = _fault(
    "GW-4001",
    "无法连接医保平台",
    "未能建立到平台的连接，请求没有发出。",
    "可立即重试；持续出现请检查网络与平台地址。",
    "yes",
    blames_caller=False,
)
READ_UNANSWERED = _fault(
    "GW-4002",
    "平台未答复查询",
    "查询类交易未得到答复；查询不改变任何业务。",
    "可立即重试。",
    "yes",
    blames_caller=False,
)
CLIENT_LIMIT = _fault(
    "GW-4003", "调用方超过限额", "该客户端同时进行的调用超过上限。", "稍后重试（见 Retry-After）。", "yes", 429
)
FRONT_REJECTED = _fault(
    "GW-4006",
    "平台前置网关拒绝",
    "平台前面的网关没有放行请求（签名、密钥、时间戳或证书），业务没有办理。",
    "请信息科核对密钥、时钟与证书；修正后可重试。",
    "yes",
    blames_caller=False,
)
RESTORED = _fault(
    "GW-4007",
    "恢复后尚未核对",
    "交易日志由备份恢复，备份之后的交易没有记录；核对之前只办理查询，以免重复结算。",
    "等信息科核对完毕（yibao db reconcile）后原样重试。",
    "yes",
    blames_caller=False,
)

# GW-41xx: outcome unknown
IN_DOUBT = _fault(
    "GW-4101",
    "结果未知，核实中",
    "请求已发出但没有收到可信的答复，业务可能已成功。",
    "不要重新办理；以同一 request_id 原样再问。",
    "same",
    blames_caller=False,
)
TWIN_WAITING = _fault(
    "GW-4102",
    "同一请求正在办理",
    "相同的请求（同一 request_id，或同一就诊、同一内容）仍在等待平台答复。",
    "稍后原样再问。",
    "same",
    blames_caller=False,
)

NOT_DONE = _fault(
    "GW-4110",
    "未成交，可重新办理",
    "结果未知的交易已核实：平台没有办理，或已由网关冲正。",
    "可以重新办理。",
    "yes",
    blames_caller=False,
)
ESCALATED = _fault(
    "GW-4120",
    "结果未能核实，已转人工",
    "网关无法自动查明平台是否办理了这笔交易，已转信息科人工核对。",
    "不要重新办理；请联系信息科，核对结束后再问。",
    "no",
    blames_caller=False,
)

# GW-5xxx: our own failure
INTERNAL = _fault(
    "GW-5000",
    "网关内部错误",
    "网关程序出错，已记录。",
    "凭 msgid 或时间联系信息科；办理前先查询结果。",
    "no",
    500,
    blames_caller=False,
)
STORE_UNAVAILABLE = _fault(
    "GW-5001",
    "网关存储不可用",
    "交易日志无法写入，请求没有发出。",
    "可立即重试；持续出现请检查磁盘与数据库。",
    "yes",
    503,
    blames_caller=False,
)


class GatewayFault(Exception):
    """A fault of the table with the words of this one case.

    Args:
        fault: the row of :data:`FAULTS`.
        detail: Chinese text that says where and why; appended to the title.
    """

    journaled: bool = False
    """Whether a row of the journal already tells of it."""

    received: bytes = b""
    """What had come of a body that could not be taken whole, up to the size limit; for the journal."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        self.fault = fault
        self.detail = detail
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """What the caller reads: title, then the case."""
        return f"{self.fault.title}：{self.detail}" if self.detail else self.fault.title


class Refused(GatewayFault):
    """A normal reply with ``infcode`` -1: legacy clients read a SOAP Fault as a broken line."""


class Unreadable(GatewayFault):
    """The envelope cannot be read or the caller is unknown: a SOAP Fault, or an HTTP status on JSON."""
