"""Sending again, on a person's word, what certainly was not done: which exchanges may be, and what has come after them.

A resend is a new exchange in the name of the client that asked first and under its ``request_id``, with the very message
that it sent. So whoever asks for the outcome of that ``request_id`` is told of the resend, and a repeat by the HIS meets
it as its twin: nobody is told "not done" of what has been done meanwhile, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.contract.codec import as_text
from gateway.contract.interface import Interface
from gateway.contract.jsontext import loads
from gateway.contract.model import Transaction
from gateway.exchange.call import Call, Client
from gateway.exchange.content import business_keys
from gateway.exchange.filed import UPLOAD
from gateway.exchange.ports import BodiesAway, Exchange, Journal, Proof, ProofKind, Query, State
from gateway.exchange.sign_in import SIGN_IN, SIGN_OUT
from gateway.exchange.states import FREE
from gateway.faults import RESEND_OUTDATED, GatewayFault, Refused

RESENDABLE: Final = (State.REFUSED, State.NOT_SENT, State.DECLINED)
"""Nothing happened at the platform, and nobody had to find that out first."""
_STATES: Final[Mapping[State, str]] = {
    State.CONFIRMED: "已经办成，再发会办成两次；院内以原请求再问，得到的就是原来的答复",
    State.INTENDED: "正在办理",
    State.IN_DOUBT: "结果未知，由网关核实了结，不能再发",
    State.ESCALATED: "待人工核对，了结之前不能再发",
    State.NOT_DONE: "核实后未成交，应由院内重新办理",
    State.REVERSED: "已冲正，应由院内重新办理",
}
_CHANNELS: Final = ("typed", "string", "json")
_LEGACY: Final = "legacy/"
_VISITS: Final = ("mdtrt_id", "ipt_no", "ipt_otp_no", "psn_no")
"""By which key others about the same are found: the first of these that it has."""
_LATER_MAX: Final = 50


class Resends:
    """Says which exchanges may be sent again.

    Args:
        clients: who may call, by name.
    """

    def __init__(self, journal: Journal, clients: Mapping[str, Client]) -> None:
        self._journal = journal
        self.clients = clients

    def why_not(self, row: Exchange, interface: Interface) -> str:
        """Why ``row`` may not be sent again, in a sentence for staff; empty when it may. Raises ``JournalUnavailable``."""
        return (
            _STATES.get(row.state, "" if row.state in RESENDABLE else "还没有结果")
            or _wrong_kind(row, interface.contract.transactions.get(row.infno))
            or self._not_theirs(row)
            or self._passed(row)
            or self._gone(row)
            or outdated(self._journal, row, interface, _sent(self._journal, row))
        )

    def _not_theirs(self, row: Exchange) -> str:
        if not came_from_outside(row):
            return "由网关自己发出，请在相应的页面重新办理"
        client = self.clients.get(row.client)
        if client is None:
            return f"配置中没有客户端 {row.client}"
        return "" if client.may_call(row.infno) else f"客户端 {row.client} 未获授权调用 {row.infno}"

    def _passed(self, row: Exchange) -> str:
        """Whether it was sent again already, or its number has gone to another."""
        again = self._journal.resends(row.id).again
        if again is not None:
            return f"已再次发送（编号 {again}）"
        holder = self._journal.find_request(row.client, row.request_id) if row.request_id else None
        if holder is not None and holder.id != row.id:
            return f"院内此后已用同一请求号办理（编号 {holder.id}）"
        return ""

    def _gone(self, row: Exchange) -> str:
        try:
            bodies = self._journal.bodies(row.id)
        except BodiesAway as away:
            return str(away)
        if bodies is None or not bodies.caller_request:
            return (bodies and bodies.gone) or "日志中没有院内的报文"
        return ""


def came_from_outside(row: Exchange) -> bool:
    """Whether somebody asked for it over one of the published ways; else the gateway began it by itself."""
    return row.channel in _CHANNELS or row.channel.startswith(_LEGACY)


def _wrong_kind(row: Exchange, transaction: Transaction | None) -> str:
    if transaction is None or transaction.callback:
        return f"{row.infno} 不是本省接口的交易"
    if "money" in (transaction.safety, row.safety):
        return "结算类交易不能由网关代发，应由院内（收费窗口）重新办理"
    if row.infno in (SIGN_IN, SIGN_OUT):
        return "签到由网关自己办理"
    return "文件内容不在日志中，应由院内重新上传" if row.infno == UPLOAD else ""


def _sent(journal: Journal, row: Exchange) -> Any:
    """The message that went to the platform; None where none did, or it is not at hand."""
    try:
        bodies = journal.bodies(row.id)
        document = loads(bodies.platform_request) if bodies is not None and bodies.platform_request else None
    except (BodiesAway, GatewayFault):
        return None
    return document.get("input") if isinstance(document, dict) else None


def outdated(journal: Journal, row: Exchange, interface: Interface, message: Any) -> str:
    """What has been done since about the same, so that the message of ``row`` may say what no longer holds.

    Rows with keys of their own (``row_key``) are compared one by one; anything else by its visit, else as a whole.

    Args:
        message: of ``row``; None where it is not known yet, then rows are not compared.

    Returns:
        a sentence for staff; empty when there is nothing.
    """
    transaction = interface.contract.transactions[row.infno]
    if transaction.safety == "read":
        return ""
    later = _later(journal, row, message)
    if transaction.row_key and message is None:
        return ""
    mine = _rows(transaction, message)
    for other in later[:_LATER_MAX]:
        theirs = _rows(transaction, _sent(journal, other)) if transaction.row_key else None
        if not mine or not theirs or mine & theirs:
            return f"此后已另有 {other.infno}（编号 {other.id}），原来的内容可能已被取代，应由院内重新办理"
    return f"此后另有 {_LATER_MAX} 笔以上 {row.infno}，应由院内重新办理" if len(later) > _LATER_MAX else ""


def _later(journal: Journal, row: Exchange, message: Any) -> list[Exchange]:
    """Exchanges of the same transaction that came later and are open or were done, newest first."""
    known = {*row.keys, *business_keys(message)}
    kind = next((kind for kind in _VISITS if any(name == kind for name, _ in known)), "")
    named = sorted(pair for pair in known if pair[0] == kind)
    states = [state for state in State if state not in FREE and state is not State.RECEIVED]
    found: dict[int, Exchange] = {}
    for keys in [[pair] for pair in named] or [[]]:
        query = Query(keys=keys, infno=row.infno, states=states, limit=_LATER_MAX + 1)
        found |= {other.id: other for other in journal.search(query) if other.id > row.id}
    return sorted(found.values(), key=lambda other: other.id, reverse=True)


def _rows(transaction: Transaction, message: Any) -> set[tuple[str, ...]]:
    """The keys of the rows of a message; empty where the transaction has none."""
    paths = [field.rpartition("/") for field in transaction.row_key]
    if not paths:
        return set()
    names = [name for _, _, name in paths]
    found = message
    for node in paths[0][0].split("/"):
        found = found.get(node) if isinstance(found, dict) else None
    rows = found if isinstance(found, list) else [found]
    return {tuple(as_text(one.get(name)) for name in names) for one in rows if isinstance(one, dict)}


def must_not_be_outdated(journal: Journal, call: Call, message: Any, interface: Interface) -> None:
    """Refuse a resend when something about the same has been done since. Raises ``Refused``, ``JournalUnavailable``."""
    row = journal.get(call.resend.original) if call.resend is not None else None
    if row is not None and (why := outdated(journal, row, interface, message)):
        raise Refused(RESEND_OUTDATED, why)


def noted(call: Call, received_at: datetime) -> tuple[Proof, ...]:
    """Who has it sent again and why, for the evidence of the new exchange; empty for every other call."""
    if call.resend is None:
        return ()
    told = f"{call.resend.operator} 再次发送编号 {call.resend.original}：{call.resend.reason}"
    return (Proof(ProofKind.OPERATOR, received_at, told, call.infno),)
