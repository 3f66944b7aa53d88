"""The console's ways to the exchange process and, on a test line, to the simulator."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.contract.jsontext import dumps, loads
from gateway.desks.console import TOKEN_HEADER, Answer, refused
from gateway.faults import GatewayFault
from gateway.http.own_line import HttpAnswer, admin_of, request, trusting, url_of
from gateway.settings import Settings

DESK_TIMEOUT_S: Final = 30.0
READY_TIMEOUT_S: Final = 5.0
READY_FOR_S: Final = 2.0
"""One answer serves every open page for this long."""
SENDING: Final = ("stay_", "emergency_", "voucher_", "exchange_")
"""Operations that may go to the platform, or draw: they have the time of a call, and nobody knows how they ended when
no answer comes."""
_GONE: Final = {"ready": False, "process": False}


class DeskLine:
    """The desk of ``gateway.desks.console`` at the other end of a loopback line.

    Args:
        token: of this start.
    """

    def __init__(self, settings: Settings, token: str) -> None:
        self._listener = admin_of(settings)
        self._headers = {TOKEN_HEADER: token, "Content-Type": "application/json"}
        self._patience_s = 2 * settings.call_s_max + DESK_TIMEOUT_S

    def do(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Carry out one operation; what cannot be reached is an answer too."""
        url = f"{url_of(self._listener)}/-/console/{operation}"
        sending = operation.startswith(SENDING)
        try:
            answer = request(
                url,
                trusting=trusting(self._listener),
                body=dumps(dict(arguments)),
                headers=self._headers,
                timeout_s=self._patience_s if sending else DESK_TIMEOUT_S,
            )
            found = loads(answer.body) if answer.status == 200 else None
        except (OSError, GatewayFault):
            if sending:
                return refused("网关进程没有应答，不知道是否已经办理：请先看这次住院或这笔交易的经过，不要重复办理")
            return refused("网关进程没有应答，没有改动；请信息科查看")
        return found if isinstance(found, dict) else refused("网关进程不接受控制台的请求，请信息科查看")


class ExchangeLine:
    """The HTTP addresses of the exchange process and the simulator (``parts.GatewayLine``)."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._token = token
        self._told: dict[str, Any] = dict(_GONE)
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def ready(self) -> dict[str, Any]:
        """What ``/readyz`` says."""
        with self._lock:
            if time.monotonic() - self._asked_at > READY_FOR_S:
                self._told, self._asked_at = self._ask_ready(), time.monotonic()
            return self._told

    def _ask_ready(self) -> dict[str, Any]:
        listener = admin_of(self._settings)
        try:
            answer = request(f"{url_of(listener)}/readyz", trusting=trusting(listener), timeout_s=READY_TIMEOUT_S)
            found = loads(answer.body)
        except (OSError, GatewayFault):
            return dict(_GONE)
        return {"process": True, **found} if isinstance(found, dict) else dict(_GONE)

    def call(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """POST to the HIS side."""
        listener, platform = self._settings.listen.exchange, self._settings.platform
        headers = {"Content-Type": content_type, "X-Api-Key": self._token, "SOAPAction": '""'}
        patience = 2 * (platform.connect_timeout_s + platform.read_timeout_s) + DESK_TIMEOUT_S
        answer: HttpAnswer = request(
            url_of(listener) + path, trusting=trusting(listener), body=body, headers=headers, timeout_s=patience
        )
        return answer.status, answer.body

    def simulator(self, path: str, body: bytes | None = None, *, method: str | None = None) -> Any:
        """JSON of the simulator; None when the platform is none, or this is production."""
        parts = urlsplit(self._settings.platform.url)
        if self._settings.production or parts.scheme != "http":
            return None
        try:
            answer = request(f"http://{parts.netloc}{path}", body=body, timeout_s=READY_TIMEOUT_S, method=method)
            return loads(answer.body)
        except (OSError, GatewayFault):
            return None
