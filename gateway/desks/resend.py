"""Sending again what certainly was not done, on a person's word: through the exchange, like any other call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.contract.jsontext import loads_strict
from gateway.exchange.again import Resends
from gateway.exchange.call import Call, Client, Reply, Resend
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import Bodies, Journal, JournalUnavailable, ResentAlready
from gateway.exchange.ports import Exchange as Entry
from gateway.faults import GatewayFault, Unreadable
from gateway.store.operator_log import OperatorLog

Answer = dict[str, Any]
REASON_CHARS_MIN: Final = 6
REASON_CHARS_MAX: Final = 500
_NEEDED: Final = f"须写明编号、operator 与 reason（{REASON_CHARS_MIN} 到 {REASON_CHARS_MAX} 字）"
NOT_KNOWN: Final = "没有这笔交易"


class ResendDesk:
    """The console's operation ``exchange_resend``, and ``POST /-/resend/<id>`` with ``{"operator", "reason"}``.

    Args:
        resends: says what may be sent again.
        reread: the call that a row was begun with, from its bytes; raises ``GatewayFault``.
        log: keeps who had what sent again, before it is sent.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        resends: Resends,
        reread: Callable[[Entry, Bodies, Client], Call],
        log: OperatorLog,
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._resends = resends
        self._reread = reread
        self._log = log
        self.operations: Mapping[str, Callable[..., Answer]] = {"exchange_resend": self._resend}

    def do(self, exchange_id: str, body: bytes) -> Answer:
        """For the command: ``{"ok": true, "exchange_id"}``, or ``{"ok": false, "error"}`` in a sentence for staff."""
        try:
            wish = loads_strict(body.decode("utf-8"))
            return self._resend(str(wish["operator"]), int(exchange_id), str(wish["reason"]))
        except (KeyError, TypeError, ValueError, Unreadable):
            return _refused(_NEEDED)
        except GatewayFault as fault:
            return {**_refused(fault.text), "code": fault.fault.code}
        except JournalUnavailable:
            return _refused("网关存储不可用，没有发送")

    def _resend(self, operator: str, exchange_id: int, reason: str) -> Answer:
        operator, reason = operator.strip(), reason.strip()
        if not operator or not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
            return _refused(_NEEDED)
        row = self._journal.get(exchange_id)
        if row is None:
            return _refused(NOT_KNOWN)
        if why := self._resends.why_not(row, self._exchange.interface):
            return _refused(why)
        bodies = self._journal.bodies(row.id)
        assert bodies is not None
        call = self._reread(row, bodies, self._resends.clients[row.client])
        self._log.append(operator, "journal.resend", f"exchange {row.id}", reason)
        try:
            return self._told(row, self._exchange.handle(replace(call, resend=Resend(row.id, operator, reason))))
        except ResentAlready as other:
            return _refused(f"已再次发送（编号 {other.again}）")

    def _told(self, row: Entry, reply: Reply) -> Answer:
        """What came of it; ``sent`` False when another exchange answered for it and nothing new was begun."""
        return {
            "ok": not reply.code,
            "error": reply.err_msg,
            "code": reply.code,
            "exchange_id": reply.exchange_id,
            "sent": self._journal.resends(row.id).again is not None,
        }


def _refused(text: str) -> Answer:
    return {"ok": False, "error": text}
