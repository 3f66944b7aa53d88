"""联调: try any transaction by hand and make the simulator misbehave. Only on a test line, never in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.debug.messages import REQUEST_ID, blocks, read_message, rows_of, seen, written
from gateway.console.debug.samples import samples
from gateway.console.exchanges.reading import inside, pretty
from gateway.console.visit import Visit
from gateway.contract.jsontext import dumps
from gateway.contract.model import Field, Transaction
from gateway.simulator.faults import KINDS

WAYS: Final[Mapping[str, str]] = {
    "xml": "字符串服务，XML 报文",
    "json": "字符串服务，JSON 报文",
    "typed": "类型化 SOAP 服务",
    "api": "JSON 接口",
}
GROUPS: Final[Mapping[str, str]] = {
    "signin": "签到签退", "person": "人员信息", "institution": "机构信息", "department": "科室与医护人员", "query": "信息查询",
    "outpatient": "门诊", "inpatient": "住院", "settlement-list": "结算清单", "filing": "备案", "eligibility": "待遇资格",
    "reversal": "冲正", "reconciliation": "对账与清算", "catalog": "目录下载", "mapping": "目录对照", "dictionary": "字典", "file": "文件",
    "audit": "审核", "appeal": "申诉", "grouping": "分组", "medical-record": "病案", "clinical-report": "检查检验报告",
    "prescription": "电子处方", "pharmacy": "药店", "remote-pharmacy": "异地购药", "stock": "进销存", "invoice": "电子结算凭证",
    "mobile-pay": "移动支付", "self-pay": "自费病人", "scene-monitor": "场景监控",
}  # fmt: skip
"""What the groups of transactions are called, those that are asked for most first."""
FAULT_S: Final = 2
"""Seconds of those faults that need some, where the form sets them."""
CHOICES_MAX: Final = 80
"""Longer code lists are typed, not chosen from."""


def choose(visit: Visit) -> Response:
    """Every transaction by group; the simulator's faults."""
    known = visit.parts.interface.groups
    groups = {
        GROUPS.get(name, name): known[name]
        for name in (*GROUPS, *(one for one in known if one not in GROUPS))
        if name in known
    }
    board = visit.parts.line.simulator("/_sim/faults")
    return visit.show("debug/choose.html", groups=groups, board=board, kinds=_kinds())


def _kinds() -> dict[str, str]:
    """Every fault of the simulator, with what it does."""
    return {name: kind.text for name, kind in KINDS.items()}


def form(visit: Visit) -> Response:
    """The form of one transaction, filled with what the simulator knows."""
    transaction = _transaction(visit)
    if transaction is None:
        return visit.show("templates/told.html", 404, title="没有这个交易", text="本省接口没有这个交易编号。")
    ledger = visit.parts.line.simulator("/_sim/ledger")
    given = samples(transaction, ledger, visit.parts.clock(), stay=visit.query.get("mdtrt_id", ""))
    return _form(visit, transaction, given)


def _transaction(visit: Visit) -> Transaction | None:
    found = visit.parts.interface.contract.transactions.get(visit.path["infno"])
    return found if found is not None and not found.callback else None


def _form(visit: Visit, transaction: Transaction, given: Mapping[str, str], **more: Any) -> Response:
    codes = visit.parts.interface.contract.codes

    def choices(spec: Field) -> Mapping[str, str]:
        found = codes.get(spec.codes) if spec.codes else None
        return found.values if found is not None and len(found.values) <= CHOICES_MAX else {}

    way = given.get("way", "xml")
    nothing = {"sent": None, "text_inside": "", "reply_inside": "", "reply": "", "http_status": 0, "seen": None}
    values: dict[str, Any] = nothing | more
    rows = {name: value for name, value in given.items() if name.startswith("rows.")}
    return visit.show(
        "debug/form.html",
        transaction=transaction,
        blocks=blocks(transaction, given, choices),
        rows=rows,
        ways=WAYS,
        way=way if way in WAYS else "xml",
        kinds=_kinds() if visit.parts.line.simulator("/_sim/faults") is not None else {},
        fault=given.get("fault", ""),
        request_id=given.get(REQUEST_ID, ""),
        **values,
    )


def send(visit: Visit) -> Response:
    """Send it through the gateway as the console's own client; or only show it, or add a row to the form."""
    transaction = _transaction(visit)
    if transaction is None:
        return visit.show("templates/told.html", 404, title="没有这个交易", text="本省接口没有这个交易编号。")
    given = dict(visit.form)
    if place := given.pop("add", ""):
        return _form(visit, transaction, given | {f"rows.{place}": str(rows_of(given, place) + 1)})
    way = given.get("way", "xml")
    message = read_message(transaction, given)
    codec, request_id = visit.parts.interface.input(transaction.infno), given.get(REQUEST_ID, "").strip()
    sent = written(way if way in WAYS else "xml", transaction, codec, message, request_id)
    shown = {"sent": sent, "text": pretty(sent.body.encode(), "utf-8"), "text_inside": inside(sent.body.encode())}
    if "show" in given:
        return _form(visit, transaction, given, **shown)
    if not visit.note("console.try", transaction.infno, WAYS.get(way, "")):
        return _form(visit, transaction, given, **shown, reply="操作日志写不进去，没有发送。")
    if (kind := given.pop("fault", "")) and (
        error := _set_fault(visit, transaction.send_as or transaction.infno, kind)
    ):
        return _form(visit, transaction, given, **shown, reply=f"故障没有设置，没有发送：{error}")
    try:
        status, body = visit.parts.line.call(sent.path, sent.body.encode(), sent.content_type)
    except OSError as error:
        return _form(visit, transaction, given, **shown, reply=f"网关没有应答：{error}")
    return _form(
        visit, transaction, given, **shown, http_status=status, reply=pretty(body, "utf-8"),
        reply_inside=inside(body), seen=seen(body),
    )  # fmt: skip


def _set_fault(visit: Visit, infno: str, kind: str) -> str:
    """Have the simulator fail the next call of this number; what is in the way, empty when nothing is."""
    if not visit.note("console.fault", infno, kind):
        return "操作日志写不进去"
    answer = visit.parts.line.simulator(
        "/_sim/faults", dumps({"infno": infno, "kind": kind, "times": 1, "seconds": FAULT_S})
    )
    if answer is None:
        return "平台不是模拟平台"
    return str(answer["error"]) if isinstance(answer, dict) and "error" in answer else ""


def add_fault(visit: Visit) -> Response:
    """Make the simulator misbehave once or a few times."""
    wish: dict[str, Any] = {"infno": visit.form.get("infno", "").strip(), "kind": visit.form.get("kind", "")}
    for name in ("times", "seconds"):
        text = visit.form.get(name, "").strip()
        if text.isascii() and text.isdigit() and len(text) < 6:
            wish[name] = int(text)
    if not visit.note("console.fault", wish["infno"], str(wish["kind"])):
        visit.say("操作日志写不进去，没有设置。", "bad")
        return visit.go("/debug")
    answer = visit.parts.line.simulator("/_sim/faults", dumps(wish))
    if isinstance(answer, dict) and "error" in answer:
        visit.say(f"没有设置：{answer['error']}", "bad")
    elif answer is None:
        visit.say("平台不是模拟平台，不能设置故障。", "bad")
    else:
        visit.say(f"已设置：{wish['infno']} {wish['kind']}。")
    return visit.go("/debug")


def clear_faults(visit: Visit) -> Response:
    """Nothing is to go wrong at the simulator any more."""
    if not visit.note("console.fault", "*", "全部清除"):
        visit.say("操作日志写不进去，没有清除。", "bad")
    elif visit.parts.line.simulator("/_sim/faults", method="DELETE") is None:
        visit.say("平台不是模拟平台，没有可清除的故障。", "bad")
    else:
        visit.say("已全部清除：模拟平台不再出故障。")
    return visit.go("/debug")


AREA: Final = Area(
    name="debug",
    pages=(
        Page("GET", "/debug", "debug.use", choose),
        Page("POST", "/debug/faults", "debug.use", add_fault),
        Page("POST", "/debug/faults/clear", "debug.use", clear_faults),
        Page("GET", "/debug/{infno}", "debug.use", form),
        Page("POST", "/debug/{infno}", "debug.use", send),
    ),
    menu=(MenuItem("/debug", "联调", "debug.use"),),
    rights={"debug.use": "联调：发送交易、设置模拟故障"},
    only_on_test_line=True,
)
