"""Asks the platform something cheap while the breaker is open: without reads of the hospital it would stay open for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from gateway.contract.jsontext import dumps
from gateway.exchange.call import Call, Client
from gateway.exchange.exchange import Exchange
from gateway.exchange.gate import PROBE, PlatformGate

log = structlog.get_logger(__name__)

OPERATOR = {"opter": "gateway", "opter_name": "网关", "opter_type": "2"}
"""A self-service terminal: nobody sits at it. A province that does not know it refuses, which is an answer too."""


class Prober:
    """Sends the query that the province's data names (``settings.probe``), as an ordinary exchange of the journal.

    Args:
        exchange: carries it.
        gate: knows when a probe would help.
        wait_s: an answer later than this proves nothing.
    """

    def __init__(self, exchange: Exchange, gate: PlatformGate, wait_s: float) -> None:
        self._exchange = exchange
        self._gate = gate
        self._client = Client(PROBE, workstation=OPERATOR, call_s_max=wait_s)

    def turn(self) -> bool:
        """Probe if that is due; whether it was. A province without ``probe`` waits for the hospital's next read."""
        probe = self._exchange.interface.contract.settings.get("probe")
        if not isinstance(probe, Mapping) or not self._gate.probe_due():
            return False
        message: Any = probe["input"]
        call = Call(self._client, str(probe["infno"]), message, dumps(message), "probe")
        reply = self._exchange.handle(call)
        log.info("platform_probed", infno=call.infno, infcode=reply.infcode, code=reply.code)
        return True
