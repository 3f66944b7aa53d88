"""What the operator's command asks of the process that owns the journal: settle a doubt on a person's word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable, State
from gateway.exchange.resolver import Resolver
from gateway.faults import Unreadable
from gateway.store.operator_log import OperatorLog

MOVES = {"confirmed": State.CONFIRMED, "not-done": State.NOT_DONE, "reversed": State.REVERSED}
"""What a person may say of an ESCALATED exchange, as the command writes it."""


_NEEDED = f"须写明 as（{'、'.join(MOVES)}）、operator、reason"


class DoubtsDesk:
    """Answers ``POST /-/doubts/<id>`` with ``{"as", "operator", "reason", "output"?}``."""

    def __init__(self, resolver: Resolver, operator_log: OperatorLog) -> None:
        self._resolver = resolver
        self._operator_log = operator_log

    def resolve(self, exchange_id: str, body: bytes) -> dict[str, Any]:
        """``{"resolved": true, "state"}``, or ``{"resolved": false, "error"}`` in a sentence for staff."""
        try:
            wish = loads_strict(body.decode("utf-8"))
        except (Unreadable, UnicodeDecodeError):
            return _refused(_NEEDED)
        return self.decide(exchange_id, wish)

    def decide(self, exchange_id: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        """The same for a wish that is read already."""
        try:
            state = MOVES[wish["as"]]
            operator, reason, output = str(wish["operator"]), str(wish["reason"]), wish.get("output")
            if output is not None and not isinstance(output, dict):
                return _refused("output 应为 JSON 对象")
            self._operator_log.append(
                operator, "doubts.resolve", f"exchange {int(exchange_id)}", f"{wish['as']}: {reason}"
            )
            entry = self._resolver.by_operator(int(exchange_id), state, operator, reason, output)
        except (KeyError, TypeError, AttributeError):
            return _refused(_NEEDED)
        except ValueError as error:
            return _refused(str(error))
        except JournalUnavailable:
            return _refused("网关存储不可用，没有改动")
        return {"resolved": True, "state": entry.state.value, "id": entry.id}


def _refused(text: str) -> dict[str, Any]:
    return {"resolved": False, "error": text}
