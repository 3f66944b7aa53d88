"""A small platform in memory: it answers what it was told to, fails as it was told to, and remembers what it got."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from gateway.exchange.ports import NotSent, PlatformAnswer, PlatformError, PlatformRequest

Step = bytes | Mapping[str, Any] | PlatformError | Callable[[PlatformRequest], bytes]
"""The bytes of an answer, the ``output`` of a positive one, an error to raise, or a function of the request."""


class FakePlatform:
    """Implements ``SettlementPlatform``. Steps of a transaction are used in order; the last one stays.

    Attributes:
        requests: what was executed or may have been, in order; a ``NotSent`` step never gets here.
        down: while true nothing can be reached.
    """

    def __init__(self) -> None:
        self.requests: list[PlatformRequest] = []
        self.down = False
        self._steps: defaultdict[str, deque[Step]] = defaultdict(deque)
        self._guard = threading.Lock()
        self._closed = False

    def script(self, infno: str, *steps: Step) -> None:
        """Replace the steps of a transaction."""
        with self._guard:
            self._steps[infno] = deque(steps)

    def prepare(self, request: PlatformRequest) -> None:
        """Nothing: the body goes out as it is."""

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Play the next step; a transaction without steps is ``NotSent``, so that a test sees what it forgot."""
        started = time.monotonic()
        step = self._next(request)
        if not isinstance(step, NotSent):
            request.check_mine()
            self.requests.append(request)
        if isinstance(step, PlatformError):
            raise type(step)(*step.args)
        body = step(request) if callable(step) else _body(request, step)
        headers = {"content-type": "application/json; charset=utf-8"}
        return PlatformAnswer(200, headers, body, time.monotonic() - started)

    def reachable(self, timeout_s: float) -> bool:  # noqa: ARG002 - the port's signature
        return not (self.down or self._closed)

    def close(self) -> None:
        self._closed = True

    def _next(self, request: PlatformRequest) -> Step:
        with self._guard:
            steps = self._steps[request.infno]
            if self._closed:
                return NotSent("到平台的通道已关闭")
            if self.down:
                return NotSent("平台无法连接")
            if not steps:
                return NotSent(f"没有为 {request.infno} 准备答复")
            return steps.popleft() if len(steps) > 1 else steps[0]


def _body(request: PlatformRequest, step: bytes | Mapping[str, Any]) -> bytes:
    return step if isinstance(step, bytes) else envelope(step, msgid=request.msgid)


def envelope(
    output: Mapping[str, Any], *, infcode: str = "0", err_msg: str = "", msgid: str = "", admdvs: str = "440100"
) -> bytes:
    """An answer in the national envelope; ``inf_refmsgid`` = area, then the time and a serial made from ``msgid``."""
    serial = msgid[12:26].rjust(14, "0") + msgid[26:].rjust(10, "0")
    answer = {
        "infcode": infcode,
        "inf_refmsgid": f"{admdvs}{serial}",
        "refmsg_time": msgid[12:26] + "000",
        "respond_time": msgid[12:26] + "001",
        "err_msg": err_msg,
        "output": dict(output),
    }
    return json.dumps(answer, ensure_ascii=False, default=str).encode()
