"""What the hospital tells and asks the gateway itself: the operations of ``/soap/hospital`` and its JSON twin.

Each operation is a table like those of the transactions, so that the same codec reads and checks it. The rows of the
hospital's records are the national rows (2401 ``diseinfo``, 4101A ``oprninfo``, 2301 ``feedetail``); numbers of the
platform, which a record need not know, are optional in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.contract.codec import Codec
from gateway.contract.interface import Interface
from gateway.contract.model import Contract, Field, Node, Side
from gateway.contract.published import PROBLEM, STATUS, Element, leaf, operations
from gateway.contract.wsdl import ServiceOperation, service_wsdl

GROUP: Final = "hospital"
ROWS: Final = "rows"
_PLATFORMS_OWN: Final = frozenset({"psn_no", "mdtrt_id", "med_type"})
"""Fields of a national row that the hospital's own record need not carry."""


@dataclass(frozen=True, slots=True)
class HospitalOperation:
    """One operation: its arguments as a table, and what it answers."""

    name: str
    label: str
    side: Side
    answer: tuple[Element, ...]
    rows_of: tuple[str, ...] = ()
    """Transactions of which the first that a province has gives the fields of the repeated ``rows`` ..."""
    rows_node: str = ""
    """... and the node in it."""
    nodes: tuple[str, ...] = ()
    """Instead of rows: nodes of that transaction under their own names, of which nothing is required."""
    free: bool = False
    """Any client may call it: it looks at the transaction itself."""


def _text(name: str, label: str, length: int, *, required: bool = False) -> Field:
    return Field(name, label, "string", required=required, length=length)


_IPT_NO = _text("ipt_no", "住院号", 30, required=True)
_MDTRT_ID = _text("mdtrt_id", "就诊ID", 30)
_EVENT_ID = _text("event_id", "院内事件编号，同号同内容只记一次，同号不同内容为更正", 100, required=True)
_WARD = _text("ward_code", "病区（护理单元）编码", 40, required=True)
_TIME = _text("event_time", "发生时间 yyyy-MM-dd HH:mm:ss，可带时区", 40, required=True)
_REASON = _text("reason", "原因（入科早于入院登记、误入科等须填写）", 500)
_OPERATOR = _text("operator", "操作人", 60, required=True)

_WARD_EVENT: Final = (
    _IPT_NO,
    _MDTRT_ID,
    _EVENT_ID,
    _WARD,
    _text("ward_name", "病区名称", 100),
    _TIME,
    _text("recorded_time", "录入时间（补录时与发生时间不同）", 40),
    _REASON,
    _OPERATOR,
)
_ASKED: Final = (_IPT_NO, _OPERATOR, _REASON)
_RECORD: Final = (
    _IPT_NO,
    Field("version", "版本号，整数，大者为准", "integer", required=True, length=15),
    _text("operator", "操作人", 60),
)
_EMERGENCY_VISIT: Final = Node(
    "emergency_visit",
    "急诊就诊",
    repeat=False,
    fields=(
        _text("ipt_otp_no", "急诊门诊号", 30, required=True),
        _MDTRT_ID,
        _text("begntime", "急诊开始时间", 40, required=True),
        _text("observation_time", "留观开始时间", 40),
        _text("setl_id", "已按门诊结算的结算ID", 30),
    ),
)

STATE: Final = Element(
    "state",
    "住院状态",
    children=(
        leaf("presence", "registered 已登记、in_ward 在科、discharged 已出院、cancelled 已撤销"),
        leaf("alignment", "入院时间：not_in_ward 未入科、differs 不一致、aligned 一致"),
        leaf("settlement", "none 未结算、pre_settled 已预结算、interim 中途结算、settled 已结算、listed 清单已上传"),
        Element("unknown", "结果未明的交易编号", repeat=True),
    ),
)
STAY: Final = (STATE, leaf("ward_in_time", "入科时间"))
_FAILURE: Final = tuple(element for element in STATUS if element.name not in ("inf_refmsgid", "msgid"))
TOLD: Final = (*_FAILURE, *STAY, PROBLEM)
ALLOWED: Final = (leaf("allowed", "true 允许，false 不允许"), *TOLD)
EXTRACTION: Final = (
    *_FAILURE,
    *STAY,
    leaf("cut_time", "截止时间：入科时间，此刻及以后为住院费用"),
    leaf("start_time", "起始时间：急诊开始，或所设追溯的上限"),
    leaf("ipt_otp_no", "急诊门诊号"),
    leaf("rows_in", "计入笔数"),
    leaf("rows_out", "不计入笔数"),
    leaf("total_in", "计入金额"),
    leaf("total_out", "不计入金额"),
    Element(
        "approval",
        "最近一次审核",
        children=(
            leaf("cut_time", "审核时的截止时间"),
            leaf("operator", "审核人"),
            leaf("at", "审核时间"),
            leaf("stands", "true 与现在的提取结果一致，false 须重新审核"),
        ),
    ),
    Element(
        "caller",
        "其他调用方最近一次得到的结果",
        repeat=True,
        children=(
            leaf("client", "调用方"),
            leaf("at", "时间"),
            leaf("cut_time", "截止时间"),
            leaf("rows_in", "计入笔数"),
            leaf("total_in", "计入金额"),
            leaf("difference", "本次计入金额减其计入金额，应为 0"),
            leaf("same", "true 截止时间与费用完全相同"),
        ),
    ),
    Element(
        "fee",
        "费用",
        repeat=True,
        children=(
            leaf("feedetl_sn", "费用明细流水号"),
            leaf("init_feedetl_sn", "原费用流水号（退费）"),
            leaf("fee_ocur_time", "费用发生时间"),
            leaf("med_list_codg", "医疗目录编码"),
            leaf("medins_list_codg", "医药机构目录编码"),
            leaf("medins_list_name", "医药机构目录名称"),
            leaf("cnt", "数量"),
            leaf("pric", "单价"),
            leaf("det_item_fee_sumamt", "明细项目费用总额"),
            leaf("within", "true 计入，false 不计入"),
            leaf("uploaded", "true 已由 2301 上传"),
        ),
    ),
    PROBLEM,
)
STATUS_ANSWER: Final = (
    *_FAILURE,
    leaf("ipt_no", "住院号"),
    leaf("mdtrt_id", "就诊ID"),
    *STAY,
    Element(
        "time",
        "时间，各附来源",
        repeat=True,
        children=(
            leaf("name", "t_reg、t_ward、t_wout、t_dsc、t_ins、t_set"),
            leaf("label", "名称"),
            leaf("value", "到分的时间 yyyy-MM-dd HH:mm:ss"),
            leaf("raw", "原值"),
            leaf("origin", "来源：ward_in、ward_out、交易编号、query 平台查询、import 导入"),
            leaf("by", "操作人"),
            leaf("at", "网关得知的时间"),
            leaf("ref", "事件编号或交易日志编号"),
        ),
    ),
    Element(
        "missing",
        "出院办理还缺什么",
        repeat=True,
        children=(leaf("code", "代码"), leaf("text", "说明")),
    ),
    Element(
        "upload",
        "诊断上传的核对：院内记录、上传、平台（5202）三方比较",
        children=(
            leaf("result", "完整、不完整、未核对"),
            leaf("told", "院内记录条数"),
            leaf("sent", "上传条数"),
            leaf("shown", "平台条数"),
            Element("problem", "发现的问题", repeat=True),
            Element("surplus", "平台多余诊断", repeat=True),
        ),
    ),
    PROBLEM,
)

OUTCOME: Final = HospitalOperation(
    "Outcome",
    "查询一笔交易的结果，不向平台发送任何报文；给出 request_id，或 mdtrt_id 与 infno",
    Side(
        (
            _text("request_id", "调用方自己的请求编号", 128),
            _text("mdtrt_id", "就诊ID", 64),
            _text("infno", "交易编号", 20),
        )
    ),
    (
        leaf("state", "交易状态：CONFIRMED 已成交、IN_DOUBT 核实中、NOT_DONE 未成交等"),
        leaf("infno", "交易编号"),
        *STATUS,
        leaf("output", "交易输出，XML 文本"),
    ),
    free=True,
)
WARD_IN: Final = HospitalOperation("WardIn", "入科（接科确认）", Side(_WARD_EVENT), TOLD)
WARD_IN_VOID: Final = HospitalOperation(
    "WardInVoid", "取消入科：event_id 为所取消的事件", Side((_IPT_NO, _EVENT_ID, _OPERATOR, _REASON)), TOLD
)
WARD_TRANSFER: Final = HospitalOperation("WardTransfer", "转科", Side(_WARD_EVENT), TOLD)
WARD_OUT: Final = HospitalOperation("WardOut", "出科", Side(_WARD_EVENT), TOLD)
RECALL: Final = HospitalOperation(
    "Recall",
    "拉回科室（出院召回）：允许时即予登记，不是新的入科",
    Side((_IPT_NO, _EVENT_ID, _TIME, _WARD, _OPERATOR, _REASON)),
    ALLOWED,
)
RECALL_ALLOWED: Final = HospitalOperation("RecallAllowed", "可否拉回科室，只询问", Side(_ASKED), ALLOWED)
FEE_CHANGE_ALLOWED: Final = HospitalOperation("FeeChangeAllowed", "可否调整费用，只询问", Side(_ASKED), ALLOWED)
MEDICAL_RECORD: Final = Node(
    "record",
    "病案首页、票据中供清单质控的各项，不上传；名称同 4401",
    repeat=False,
    optional=True,
    fields=(
        _text("die_flag", "死亡标志：1 死亡，0 没有", 3),
        _text("qltctrl_date", "质控日期", 40),
        _text("palg_no", "病理号", 30),
        _text("drug_dicm_flag", "药物过敏标志：1 有，0 无", 30),
        _text("dscg_trt_rslt_code", "出院治疗结果代码：1 治愈", 30),
        Field("anst_fee", "麻醉费", "decimal", precision=16, scale=2),
        Field("bill_sumamt", "票据金额", "decimal", precision=16, scale=2),
    ),
)
DIAGNOSES: Final = HospitalOperation(
    "Diagnoses", "院内诊断记录，每次报全部", Side(_RECORD), TOLD, rows_of=("2401",), rows_node="diseinfo"
)
OPERATIONS_TOLD: Final = HospitalOperation(
    "Operations",
    "院内手术记录，每次报全部；oprn_oprt_type 1 主手术、2 其他",
    Side(_RECORD),
    TOLD,
    rows_of=("4101A", "4101"),
    rows_node="oprninfo",
)
SETTLEMENT_LIST: Final = HospitalOperation(
    "SettlementList",
    "结算清单中只有院内知道的各项，每次报全部；入院、出院时间等网关已知的由网关填写，诊断与手术用 Diagnoses、Operations 报；"
    "record 只供质控，不上传",
    Side(_RECORD, (MEDICAL_RECORD,)),
    TOLD,
    rows_of=("4101A", "4101"),
    nodes=("setlinfo", "opspdiseinfo", "icuinfo", "bldinfo", "iteminfo", "payinfo"),
)
EMERGENCY_FEES: Final = HospitalOperation(
    "EmergencyFees",
    "转入本次住院的急诊费用，每次报全部",
    Side(
        (
            _IPT_NO,
            Field("version", "版本号，整数，大者为准；不给则后到的为准", "integer", length=15),
            _text("operator", "操作人", 60),
        ),
        (_EMERGENCY_VISIT,),
    ),
    TOLD,
    rows_of=("2301",),
    rows_node="feedetail",
)
EMERGENCY_EXTRACT: Final = HospitalOperation(
    "EmergencyFeesExtract",
    "提取转入本次住院的急诊费用：急诊开始至入科时间之前，医生工作站与医保管理系统同用；只询问，不改变任何记录",
    Side((_IPT_NO, _OPERATOR)),
    EXTRACTION,
)
EMERGENCY_APPROVE: Final = HospitalOperation(
    "EmergencyFeesApprove",
    "审核急诊费用：cut_time 为所见提取结果的截止时间，入科时间变更后须重新提取审核",
    Side((_IPT_NO, _text("cut_time", "所审核的截止时间（入科时间）", 40, required=True), _OPERATOR)),
    EXTRACTION,
)
STAY_STATUS: Final = HospitalOperation(
    "StayStatus",
    "一次住院的状态、各时间与来源、出院还缺什么；给出 ipt_no 或 mdtrt_id",
    Side((replace(_IPT_NO, required=False), _MDTRT_ID)),
    STATUS_ANSWER,
)

_NAMED: Final = (leaf("name", "字段名"), leaf("label", "名称"), leaf("value", "值"))
VOUCHER: Final = HospitalOperation(
    "Voucher",
    "凭证上须印的各项值，供院内自有格式使用；每次调用即一次打印，再次调用为重打；"
    "给出 kind 与 ipt_no、mdtrt_id 或 setl_id，或给出 voucher_no 重打旧凭证",
    Side(
        (
            _text(
                "kind",
                "receipt 收据、fee_list 明细、discharge_slip 凭条、eligibility 资格确认单、list_head 清单首部",
                40,
            ),
            replace(_IPT_NO, required=False),
            _MDTRT_ID,
            _text("setl_id", "结算ID；不给则为有效的末次结算", 30),
            Field("voucher_no", "凭证号，重打旧凭证时给出", "integer", length=15),
            replace(_OPERATOR, required=False),
        )
    ),
    (
        *_FAILURE,
        leaf("voucher_no", "凭证号，重打时不变"),
        leaf("kind", "种类"),
        leaf("title", "凭证名称"),
        leaf("hospital", "医疗机构"),
        leaf("admitted", "入院时间，各种凭证一致"),
        leaf("prints", "第几次打印"),
        leaf("printed_at", "打印时间"),
        leaf("first_printed_at", "首次打印时间"),
        Element("mark", "须醒目印出的标记：重打、作废、结算已撤销", repeat=True),
        Element("remark", "标记的说明", repeat=True),
        Element("item", "各项值", repeat=True, children=(*_NAMED, leaf("group", "分组"))),
        Element(
            "table",
            "表格",
            repeat=True,
            children=(
                leaf("name", "字段名"),
                leaf("label", "名称"),
                Element("row", "行", repeat=True, children=(Element("cell", "格", repeat=True, children=_NAMED),)),
            ),
        ),
        Element("note", "附注", repeat=True),
        PROBLEM,
    ),
)

CALLBACKS: Final = HospitalOperation(
    "Callbacks",
    "平台回调（6204、6302、7108、7109）中还没有取走的，先到的在前；处理之后以 CallbackDone 告知",
    Side((Field("rows_max", "最多几条，缺省 50，至多 200", "integer", length=3),)),
    (
        *_FAILURE,
        leaf("waiting", "还没有取走的总条数"),
        Element(
            "callback",
            "回调",
            repeat=True,
            children=(
                leaf("callback_id", "回调编号"),
                leaf("infno", "交易编号"),
                leaf("received_at", "收到的时间"),
                leaf("content", "内容；SOAP 中为 XML 文本"),
            ),
        ),
        PROBLEM,
    ),
)
CALLBACK_DONE: Final = HospitalOperation(
    "CallbackDone",
    "告知回调已取走，此后不再给出；重复告知无妨",
    Side((Field("callback_id", "回调编号", "integer", required=True, length=15),)),
    (*_FAILURE, leaf("waiting", "还没有取走的总条数"), PROBLEM),
)

OPERATIONS: Final = (
    WARD_IN,
    WARD_IN_VOID,
    WARD_TRANSFER,
    WARD_OUT,
    RECALL,
    RECALL_ALLOWED,
    FEE_CHANGE_ALLOWED,
    OUTCOME,
    DIAGNOSES,
    OPERATIONS_TOLD,
    SETTLEMENT_LIST,
    EMERGENCY_FEES,
    EMERGENCY_EXTRACT,
    EMERGENCY_APPROVE,
    STAY_STATUS,
    VOUCHER,
    CALLBACKS,
    CALLBACK_DONE,
)
BY_NAME: Final[Mapping[str, HospitalOperation]] = {operation.name: operation for operation in OPERATIONS}


# ------------------------------------------------------------------ reading


def codec(operation: HospitalOperation, interface: Interface) -> Codec:
    """Reads and checks the arguments of an operation by the tables of a province."""
    known = interface.contract.transactions
    nodes = (node for infno in operation.rows_of if infno in known for node in known[infno].input.nodes)
    side = operation.side
    if operation.nodes:
        own: dict[str, Node] = {}
        for node in nodes:
            own[node.name] = _told_node(node, own.get(node.name))
        wanted = tuple(own[name] for name in operation.nodes if name in own)
        return Codec(replace(side, nodes=(*side.nodes, *wanted)), interface.contract.codes)
    rows = next((_record_node(node) for node in nodes if node.name == operation.rows_node), None)
    return Codec(replace(side, nodes=(*side.nodes, rows)) if rows else side, interface.contract.codes)


def _told_node(found: Node, known: Node | None) -> Node:
    """A national node of which any part may be told, after what another transaction has under the same name."""
    before = known.fields if known else ()
    names = {spec.name for spec in before}
    more = (replace(spec, required=False, filled_by=None) for spec in found.fields if spec.name not in names)
    return replace(known or found, optional=True, fields=(*before, *more))


def _record_node(found: Node) -> Node:
    """The national node as rows of a record: may be empty, and needs no number that only the platform gives."""
    return replace(found, name=ROWS, optional=True, fields=tuple(_record_field(spec) for spec in found.fields))


def _record_field(spec: Field) -> Field:
    return replace(spec, required=spec.required and spec.name not in _PLATFORMS_OWN, filled_by=None)


# --------------------------------------------------------------- publishing


def service_operations(contracts: Sequence[Contract]) -> list[ServiceOperation]:
    """Every operation as it is published; rows have the fields of every province."""
    inputs = {operation.infno: operation.input for operation in operations(contracts)}
    return [ServiceOperation(one.name, one.label, tuple(_request(one, inputs)), one.answer) for one in OPERATIONS]


def _request(operation: HospitalOperation, inputs: Mapping[str, tuple[Element, ...]]) -> Iterator[Element]:
    yield from (_leaf(spec) for spec in operation.side.root)
    for node in operation.side.nodes:
        yield Element(node.name, node.label, node.repeat, tuple(_leaf(spec) for spec in node.fields))
    nodes = (element for infno in operation.rows_of for element in inputs.get(infno, ()))
    if operation.nodes:
        yield from _told_elements(operation, inputs)
        return
    found = next((element for element in nodes if element.name == operation.rows_node), None)
    if found is not None:
        children = tuple(
            replace(child, field=_record_field(child.field)) if child.field else child for child in found.children or ()
        )
        yield replace(found, name=ROWS, repeat=True, children=children)


def _told_elements(operation: HospitalOperation, inputs: Mapping[str, tuple[Element, ...]]) -> Iterator[Element]:
    found: dict[str, Element] = {}
    for infno in operation.rows_of:
        for element in inputs.get(infno, ()):
            found[element.name] = _told_element(element, found.get(element.name))
    yield from (found[name] for name in operation.nodes if name in found)


def _told_element(found: Element, known: Element | None) -> Element:
    before = known.children or () if known else ()
    names = {child.name for child in before}
    more = (
        replace(child, field=replace(child.field, required=False, filled_by=None)) if child.field else child
        for child in found.children or ()
        if child.name not in names
    )
    return replace(known or found, children=(*before, *more))


def _leaf(spec: Field) -> Element:
    return Element(spec.name, spec.label, field=spec)


def hospital_wsdl(contracts: Sequence[Contract]) -> bytes:
    """The published WSDL of the service."""
    return service_wsdl(GROUP, "医保接口：院内服务", service_operations(contracts))
