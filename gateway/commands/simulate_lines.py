"""The simulator with a line on the screen for each request."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from gateway.commands.terminal import console
from gateway.simulator import Simulator
from gateway.simulator.platform import Request
from gateway.simulator.wire import Response

OUTCOME_CHARS_MAX = 160


class TalkingSimulator(Simulator):
    """A :class:`Simulator` that prints what reaches it, one line each."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._screen = console()

    def receive(self, path_infno: str, headers: Mapping[str, str], body: bytes) -> Request:
        request = super().receive(path_infno, headers, body)
        if request.fault is not None:
            self._tell(request, Text(f"演练故障 {request.fault.kind}", "yellow"))
        return request

    def execute(self, request: Request) -> Response:
        begun = time.perf_counter()
        response = super().execute(request)
        elapsed_ms = (time.perf_counter() - begun) * 1000
        self._tell(request, outcome(response).append(f"  {elapsed_ms:.1f} ms", "dim"))
        return response

    def _tell(self, request: Request, outcome: Text) -> None:
        line = Text(f"{request.received:%H:%M:%S}  {request.infno[:8] or '?':<8}{request.msgid[:30]:<32}")
        self._screen.print(line.append_text(outcome))


def outcome(response: Response) -> Text:
    """``成功``, or the status and message of a refusal."""
    answer: Any = {}
    if response.body.startswith(b"{"):
        answer = json.loads(response.body)
    if response.status == 200 and str(answer.get("infcode")) == "0":
        return Text("成功", "green")
    said = answer.get("err_msg") or answer.get("message") or ""
    return Text(f"{answer.get('infcode', response.status)} {said}"[:OUTCOME_CHARS_MAX], "red")
