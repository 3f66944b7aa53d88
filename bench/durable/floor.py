"""The least that could be called a durable exchange: the lane, no check, two durable inserts, one POST.

``granian --factory bench.durable.floor:application``, with ``YIBAO_BENCH_FLOOR`` (a database file) and
``YIBAO_BENCH_PLATFORM`` (a port) in the environment.
"""

from __future__ import annotations

import http.client
import os
import threading
from itertools import count
from pathlib import Path
from typing import Any

from bench.journal import INTENT, OUTCOME, Floor
from bench.parts import SENDER, Parts
from gateway import clock
from gateway.contract.envelope import write_request
from gateway.contract.published import NAMESPACE
from gateway.soap.lane import SoapRequest
from gateway.soap.services import cutter_of


class Bare:
    """A service that reads, writes, sends, writes and answers a constant."""

    channel = "typed"

    def __init__(self, parts: Parts, floor: Floor, port: int) -> None:
        self._interface = parts.interface
        self.cutter = cutter_of(parts.by_name, lambda: parts.interface)
        self._floor = floor
        self._port = port
        self._numbers = count(1)
        self._lines = threading.local()

    def answer(self, request: SoapRequest, operation: str) -> str:
        infno = operation.removeprefix("Txn")
        message = self._interface.input(infno).read_xml(request.operation, frozenset({"head"}), request.cut)
        msgid = f"{SENDER.fixmedins_code}{next(self._numbers):018d}"
        body = write_request(self._interface.contract, SENDER, {}, infno, msgid, clock.now(), message)
        self._floor.write(INTENT, (msgid, request.raw, body))
        answered = self._post(infno, body)
        self._floor.write(OUTCOME, (msgid, "CONFIRMED", answered))
        return f'<{operation}Response xmlns="{NAMESPACE}"><infcode>0</infcode></{operation}Response>'

    def failure(self, request: SoapRequest, fault: Exception) -> str | None:
        del request, fault
        return None

    def _post(self, infno: str, body: bytes) -> bytes:
        line: http.client.HTTPConnection | None = getattr(self._lines, "line", None)
        if line is None:
            line = self._lines.line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        line.request("POST", f"/{infno}", body, {"Content-Type": "application/json"})
        return line.getresponse().read()


def application() -> Any:
    """What granian serves."""
    parts = Parts()
    parts.warm()
    floor = Floor(Path(os.environ["YIBAO_BENCH_FLOOR"]))
    return parts.served(Bare(parts, floor, int(os.environ["YIBAO_BENCH_PLATFORM"])))
