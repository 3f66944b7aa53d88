"""Every fault the gateway can answer: code, cause, action, and whether the caller may retry.

``docs/using/fault-codes.md`` is generated from this file (``yibao faults``).

    GatewayFault
    ├── Refused          a normal reply: infcode -1 and this code; nothing was sent
    └── Unreadable       the envelope or the caller is not acceptable: a SOAP Fault, or an HTTP status on JSON
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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

LIST_QUALITY = _fault(
    "GW-1103",
    "结算清单质控未通过",
    "清单有一处或多处不符合质控规则，逐项列出规则编号、值与出处。",
    "按列出的各项修正清单后重新上传；本地不适用的规则由信息科在 settlement_list.levels 中调整级别。",
    "no",
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
STAY_UNKNOWN = _fault(
    "GW-1405",
    "没有这次住院的记录",
    "网关没有收到过这次住院的登记、入科或任何其他信息。",
    "核对 ipt_no 或 mdtrt_id；网关启用前入院的，可用 yibao stays adopt 接入。",
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

TAKEN_IN_BEFORE = _fault(
    "GW-1426",
    "平台已有这一笔",
    "数据库由备份恢复后，依平台清单补记了这次就诊的同种交易，至今有效；再办一次可能重复结算。",
    "以补记的结果为准（可用 Outcome 查询）；确要重办的，先撤销补记的那一笔。",
    "no",
)

LIST_STATE = _fault(
    "GW-1427",
    "结算清单的状态不允许",
    "只有未提交的清单可以重新上传；医疗机构只能由未提交改为已提交，由审核不通过改为未提交或已提交（4102）。",
    "已提交或审核通过的，请先与经办机构退回；审核不通过的，先改回未提交（4102）再上传。",
    "no",
)

RESEND_OUTDATED = _fault(
    "GW-1428",
    "再次发送的内容已被取代",
    "管理人员要求网关再次发送这一笔；此后同一事项已另有一笔办成或正在办理。没有发往平台。",
    "按现在的内容由院内重新办理。",
    "no",
)

CONTENT_CHANGED = _fault(
    "GW-1429",
    "原报文已不能照原样读出",
    "管理人员要求网关再次发送这一笔；日志中的院内报文按现在的接口读出的内容与当时不同。没有发往平台。",
    "由院内重新办理。",
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
    "GW-4003",
    "调用方超过限额",
    "该客户端同时进行的调用超过其份额，或在时限内没有轮到；请求没有发出。",
    "稍后重试（见 Retry-After）。",
    "yes",
    429,
)
BREAKER_OPEN = _fault(
    "GW-4004",
    "平台暂停受理",
    "平台连续连接失败或答复过慢，网关暂停发送这一类交易，正在用查询试探；请求没有发出。",
    "稍后重试（见 Retry-After）；平台恢复后自动继续。",
    "yes",
    blames_caller=False,
)
PLATFORM_CLOSED = _fault(
    "GW-4005",
    "平台停止服务",
    "现在是配置的平台停办时间；请求没有发出。",
    "到提示的时间再办理。",
    "yes",
    blames_caller=False,
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
    "GW-4008",
    "恢复后尚未核对",
    "交易日志由备份恢复，备份之后的交易没有记录；核对之前只办理查询，以免重复结算。",
    "等信息科核对完毕（yibao db reconcile）后原样重试。",
    "yes",
    blames_caller=False,
)

TAKEN_OVER = _fault(
    "GW-4007",
    "本节点已被接管",
    "本网关节点停顿过久或连不上数据库，其他节点已接管它的交易；请求没有发出。",
    "可立即重试；持续出现请检查该节点与数据库。",
    "yes",
    503,
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

# ETnn-mm: the entry-time rules (gateway/rules); after what they name is put right the same request may come again
CHANGE_NOT_WARD = _fault(
    "ET01-01",
    "入院时间须调整为入科时间",
    "2403 的 begntime 与入科时间不同。",
    "以入科时间办理“入院信息变更”。",
    "no",
)
CHANGE_BEFORE_WARD = _fault(
    "ET01-02",
    "患者尚未入科，无法调整入院时间",
    "没有有效的入科记录，而 2403 要改变入院时间。",
    "先在护士站办理入科，再变更入院时间。",
    "no",
)
WARD_IN_FUTURE = _fault(
    "ET01-03",
    "入科时间晚于当前时间",
    "入科时间超前于网关时钟，超过允许的秒数（future_limit_s）。",
    "核对 HIS 与网关的时钟，更正入科记录。",
    "no",
)
WARD_AFTER_DISCHARGE = _fault(
    "ET01-04",
    "入科时间晚于出院/死亡时间",
    "入科时间不早于出院时间，或晚于死亡时间。",
    "更正入科记录或出院时间。",
    "no",
)
WARD_IN_EARLIER_STAY = _fault(
    "ET01-05",
    "入科时间早于上次出院时间",
    "入科时间落在同一患者上一次住院之内。",
    "更正入科记录，或先处理上一次住院。",
    "no",
)
SETTLE_NOT_ALIGNED = _fault(
    "ET01-06",
    "结算前请先完成“入院信息变更”",
    "医保入院时间与入科时间不同，或没有入科记录。",
    "先办理“入院信息变更”（2403），再结算。",
    "no",
)
WARD_BEFORE_REGISTRATION = _fault(
    "ET01-07",
    "入科时间早于入院登记时间，须填写原因",
    "先入科后登记（绿色通道）而没有填写原因，或早得超过允许的时限。",
    "在入科记录中填写原因，或更正时间。",
    "no",
)
DISCHARGE_NOT_ALIGNED = _fault(
    "ET02-01",
    "未完成入院信息变更",
    "医保入院时间与入科时间不同。",
    "先办理“入院信息变更”（2403），再办理出院。",
    "no",
)
DISCHARGE_NO_WARD = _fault(
    "ET02-02",
    "无入科记录，禁止出院办理",
    "没有有效的入科记录。",
    "先在护士站办理入科，再变更入院时间、办理出院。",
    "no",
)
DISCHARGE_CHANGE_UNKNOWN = _fault(
    "ET02-03",
    "入院信息变更结果未知(超时)，请先核实",
    "2403 的结果还没有查明。",
    "等待核实结束后再办理；长时间未结束请联系信息科。",
    "no",
)
DISCHARGE_WARD_CORRECTED = _fault(
    "ET02-04",
    "入科时间在变更后又被修改，请重新变更",
    "入院信息变更之后，入科记录又被更正。",
    "按现在的入科时间重新办理“入院信息变更”。",
    "no",
)
DISCHARGE_EARLY_FEES = _fault(
    "ET02-05",
    "存在早于入科时间的已上传费用，请先处理",
    "已上传的费用中有发生时间早于入科时间、又不是急诊急救费用的。",
    "更正费用时间，或撤销（2302）后重新上传，或纳入急诊急救费用。",
    "no",
)
DISCHARGE_CANCELLED = _fault(
    "ET02-06",
    "入院登记已撤销，不能办理出院",
    "该次住院已经入院撤销（2404）或冲正。",
    "核对就诊ID；需要住院的重新办理入院登记。",
    "no",
)
OPERATION_MAIN = _fault(
    "ET03-01",
    "存在手术但未标识唯一主手术",
    "有手术记录，而主手术标识不是恰好一个。",
    "在病案中确认唯一的主手术（oprn_oprt_type=1）。",
    "no",
)
DIAGNOSES_INCOMPLETE = _fault(
    "ET03-02",
    "诊断上传不完整",
    "上传的诊断与院内诊断记录在条数、编码或顺序上不同，或没有院内记录可以核对。",
    "按院内诊断记录补全后重新上传。",
    "no",
)
OPERATION_CODE_MISSING = _fault(
    "ET03-03",
    "手术无医保编码",
    "手术记录中有没有医保编码的行。",
    "由病案科补上手术的医保编码。",
    "no",
)
DIAGNOSES_TOO_MANY = _fault(
    "ET03-04",
    "诊断超过99条",
    "诊断排序号为两位数，平台最多接受 99 条。",
    "核减诊断后重新上传。",
    "no",
)
OPERATIONS_INCOMPLETE = _fault(
    "ET03-05",
    "手术上传不完整",
    "可上传多台手术的交易中，手术少于院内手术记录。",
    "按院内手术记录补全后重新上传。",
    "no",
)
RECALL_DISCHARGED = _fault(
    "ET07-01",
    "患者已办理医保出院，请先完成“出院办理撤销”后再拉回科室",
    "医保出院（2402）仍然有效。",
    "先办理出院撤销（2405），平台确认后再拉回科室。",
    "no",
)
FEES_AFTER_DISCHARGE = _fault(
    "ET07-02",
    "已医保出院，禁止调整费用",
    "医保出院（2402）或结算（2304）仍然有效。",
    "先撤销结算（2305）与出院（2405），再调整费用。",
    "no",
)
SETTLED_IN_FORCE = _fault(
    "ET07-03",
    "已医保结算，请先撤销结算(2305)再撤销出院(2405)",
    "医保结算（2304）仍然有效。",
    "先撤销结算（2305），再撤销出院（2405）。",
    "no",
)
DISCHARGE_UNDO_UNKNOWN = _fault(
    "ET07-04",
    "出院撤销结果未知，请核实后再操作",
    "2405 的结果还没有查明。",
    "等待核实结束后再操作；长时间未结束请联系信息科。",
    "no",
)
LIST_SUBMITTED = _fault(
    "ET07-05",
    "结算清单已提交/通过，请先与经办机构退回",
    "该结算的清单已提交或审核通过，不能撤销结算。",
    "联系经办机构退回清单后再撤销结算。",
    "no",
)
DISCHARGE_REPEATED = _fault(
    "ET07-06",
    "重复出院办理",
    "医保出院（2402）仍然有效，而内容与已办理的不同。",
    "需要更改出院内容时，先撤销出院（2405）。",
    "no",
)
CANCEL_WITH_FEES = _fault(
    "ET07-07",
    "存在已上传费用或结算，不能撤销入院，请先撤销(2302/2305)",
    "该次住院还有已上传的费用或有效的结算。",
    "先撤销结算（2305）与费用（2302），再撤销入院。",
    "no",
)
VOUCHER_TIME_DIFFERS = _fault(
    "ET08-01",
    "凭证入院时间与入科时间不一致，禁止打印",
    "结算快照中的入院时间与入科时间不同。",
    "撤销结算，按入科时间变更入院信息后重新结算。",
    "no",
)
VOUCHER_NOT_SETTLED = _fault(
    "ET08-02",
    "尚未医保结算，不能打印",
    "该凭证的内容来自结算，而没有有效的结算。",
    "先办理结算（2304）。",
    "no",
)
VOUCHER_WITHOUT_CONTENT = _fault(
    "ET08-03",
    "结算内容不在网关日志中，不能打印",
    "结算不是经网关办理的，或其报文已不在日志中。",
    "用办理该笔结算的系统打印。",
    "no",
)
VOUCHER_UNKNOWN = _fault(
    "ET08-04",
    "没有该凭证",
    "没有打印过该编号的凭证。",
    "核对凭证号。",
    "no",
)
LIST_TIME_DIFFERS = _fault(
    "ET09-01",
    "结算清单入院时间与医保结算入院时间不一致",
    "4101、4101A 的时间与结算时的时间不同；以结算为准。",
    "按结算时的时间修正结算清单。",
    "no",
)
EMERGENCY_NO_WARD = _fault(
    "ET10-01",
    "未入科，无法提取急诊急救费用",
    "没有有效的入科记录，不知道截止时间。",
    "先在护士站办理入科。",
    "no",
)
EMERGENCY_CUT_MOVED = _fault(
    "ET10-02",
    "入科时间已变更，急诊费用须重新提取审核",
    "审核之后入科时间被更正。",
    "按现在的入科时间重新提取并审核。",
    "no",
)
EMERGENCY_SETTLED = _fault(
    "ET10-03",
    "急诊费用已按门诊结算，请先撤销结算(2208)",
    "急诊就诊已经门诊结算，不能再计入住院。",
    "先撤销门诊结算（2208），由 HIS 重新告知急诊费用。",
    "no",
)
ELIGIBILITY_NO_WARD = _fault(
    "ET12-01",
    "患者尚未入科，不能打印资格确认单",
    "没有有效的入科记录。",
    "先在护士站办理入科。",
    "no",
)
CATEGORY_PATH = _fault(
    "ET13-01",
    "仅支持普通住院变更为日间手术",
    "2403 要把医疗类别改成别的组合。",
    "核对医疗类别；其他变更须先在设置中放行。",
    "no",
)
CATEGORY_NOT_LISTED = _fault(
    "ET13-02",
    "主手术不在日间手术病种目录",
    "主手术编码不在所选日间手术病种的手术之中。",
    "核对病种与主手术编码。",
    "no",
)
CATEGORY_SETTLED = _fault(
    "ET13-03",
    "已结算，不能变更",
    "医保结算（2304）仍然有效。",
    "先撤销结算（2305）与出院（2405），再变更类别。",
    "no",
)
CATEGORY_FIELDS = _fault(
    "ET13-04",
    "缺少日间手术病种或手术编码",
    "变更为日间手术须带病种与主手术的编码、名称。",
    "补全 dise_codg、dise_name、oprn_oprt_code、oprn_oprt_name。",
    "no",
)
CATEGORY_DISCHARGED = _fault(
    "ET13-05",
    "已办理出院，请先办理出院撤销(2405)",
    "医保出院（2402）仍然有效。",
    "先撤销出院（2405），再变更类别。",
    "no",
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

    retry_after_s: int = 0
    """Seconds after which trying again is worth while; 0 where time changes nothing."""

    evidence: tuple[Any, ...] = ()
    """What the rules compared (``exchange.ports.Proof``); journaled with the refusal."""

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
