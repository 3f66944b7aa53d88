"""The façades that are measured, built as the program builds them, with a platform and a journal in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from bench import spyne_peer
from bench.messages import Case
from gateway import clock, mappings
from gateway.contract.envelope import Sender, head_problems, read_answer, unknown_in_head, write_request
from gateway.contract.interface import Interface
from gateway.contract.published import NAMESPACE, Operation, operations
from gateway.exchange.call import Call, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.gate import CallsInHand
from gateway.exchange.limits import Shares
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.ports import State
from gateway.exchange.sign_in import SignIns
from gateway.http.identity import Clients
from gateway.http.reception import Reception
from gateway.metrics import Metrics
from gateway.settings import ClientSettings, Limits, Listen
from gateway.soap.lane import Lane, SoapRequest
from gateway.soap.operations import build_application
from gateway.soap.services import TypedService, cutter_of

PROVINCE = "jiangsu"
"""Its fee row has thirty fields."""
MEASURED = ("2401", "2301")
SENDER = Sender("H44080000001", "演示医院", "320100", "320100", "YBXT", "V1.0")
_CLIENTS = (ClientSettings(name="bench", open=True, addresses=("127.0.0.0/8",)),)

Answer = Callable[[bytes], bytes]
"""A façade called as WSGI: bytes of the envelope in, bytes of the answer out."""


class Parts:
    """What is made once: the interface and the operations of the services."""

    @cached_property
    def interface(self) -> Interface:
        return Interface(mappings.load(PROVINCE))

    @cached_property
    def operations(self) -> list[Operation]:
        found = operations([self.interface.contract], "inpatient")
        return [operation for operation in found if operation.infno in MEASURED]

    @cached_property
    def by_name(self) -> dict[str, Operation]:
        return {operation.name: operation for operation in self.operations}

    def warm(self) -> None:
        """Load the tables and compile those that are measured."""
        for operation in self.operations:
            self.interface.input(operation.infno)
            self.interface.output(operation.infno)

    def gateway(self, case: Case, answer: bytes) -> tuple[Answer, FakePlatform]:
        """The whole gateway but for the socket, the disk and the line, new, so that nothing has piled up in it."""
        platform = FakePlatform()
        platform.script(case.infno, answer)
        reception = _reception(self._exchange(platform))
        service = TypedService({operation.infno: operation for operation in self.operations}, reception)
        return self._lane(service, reception), platform

    def facade(self, answers: Mapping[str, bytes]) -> Any:
        """SOAP in, checked, translated to the platform's JSON, its answer translated back, SOAP out; no store, no line.

        Args:
            answers: of the platform, by transaction.
        """
        reception = _reception(Translator(self.interface, answers))  # type: ignore[arg-type]  # all that the façade asks of an exchange
        return self._wsgi(
            TypedService({operation.infno: operation for operation in self.operations}, reception), reception
        )

    def reading_lane(self) -> Answer:
        """The lane with nothing behind it: envelope, caller, routing, the codec's reading, a constant answer."""
        reception = _reception(self._exchange(FakePlatform()))
        return self._lane(_Reader(self.interface, self.by_name), reception)

    def served(self, service: Any) -> Any:
        """The lane with another service behind it, for a server."""
        return self._wsgi(service, _reception(self._exchange(FakePlatform())))

    def spyne(self) -> tuple[Answer, list[tuple[Any, ...]]]:
        """spyne's own deserialisation of the same operations, and what its handler got last."""
        got: list[tuple[Any, ...]] = []

        def handler(_name: str, parts: tuple[Any, ...]) -> list[str | None]:
            got[:] = [parts]
            return ["0", "", "", "", "", "", "", None, None]

        return posted(spyne_peer.build(self.operations, handler)), got

    def _lane(self, service: Any, reception: Reception) -> Answer:
        return posted(self._wsgi(service, reception))

    def _wsgi(self, service: Any, reception: Reception) -> Any:
        def build(handler: Any) -> Any:
            return build_application("inpatient", self.operations, handler)

        return Lane(build, service, reception, lambda: b"", "/soap/inpatient")

    def _exchange(self, platform: FakePlatform) -> Exchange:
        journal = MemoryJournal()
        transactions = self.interface.contract.transactions
        return Exchange(
            interface=lambda: self.interface,
            journal=journal,
            platform=platform,
            msgids=MsgidSequence(journal, SENDER.fixmedins_code, clock.now),
            sender=SENDER,
            clock=clock.now,
            sign_ins=SignIns(journal),
            observer=Metrics(transactions, [client.name for client in _CLIENTS], State),
        )


class Translator:
    """The contract's part of an exchange and nothing else: check, head, national JSON, the answer read."""

    def __init__(self, interface: Interface, answers: Mapping[str, bytes]) -> None:
        self.interface = interface
        self._answers = answers
        self.sent = b""

    def handle(self, call: Call) -> Reply:
        """Every problem is looked for; a message with one is a mistake of the bench."""
        head = {**call.client.workstation, **call.head}
        contract = self.interface.contract
        problems = head_problems(contract, head)
        message, found = self.interface.input(call.infno).check(call.message)
        if problems or found.problems or unknown_in_head(contract, call.head) or found.unknown:
            raise RuntimeError(f"{call.infno}: {problems} {found}")
        self.sent = write_request(contract, SENDER, head, call.infno, "0" * 30, clock.now(), message)
        answer = read_answer(self._answers[call.infno], self.interface.success_infcodes)
        return Reply(infcode=answer.infcode, msgid="0" * 30, inf_refmsgid=answer.inf_refmsgid, output=answer.output)


class _Reader:
    """A service that reads its message and does nothing with it."""

    channel = "typed"

    def __init__(self, interface: Interface, operations: Mapping[str, Operation]) -> None:
        self._interface = interface
        self.cutter = cutter_of(operations, lambda: interface)

    def answer(self, request: SoapRequest, operation: str) -> str:
        codec = self._interface.input(operation.removeprefix("Txn"))
        codec.read_xml(request.operation, skip=frozenset({"head"}), cut=request.cut)
        return f'<{operation}Response xmlns="{NAMESPACE}"><infcode>0</infcode></{operation}Response>'

    def failure(self, request: SoapRequest, fault: Exception) -> str | None:
        del request, fault
        return None


def _reception(exchange: Exchange) -> Reception:
    metrics = Metrics(MEASURED, [client.name for client in _CLIENTS], State)
    return Reception(
        exchange,
        Clients(_CLIENTS, clock.now),
        CallsInHand(Shares(64, [client.name for client in _CLIENTS], 0.25)),
        Limits(),
        Listen(),
        metrics,
    )


def posted(application: Any) -> Answer:
    """A WSGI application as a function of the body."""

    def call(body: bytes) -> bytes:
        status: list[str] = []

        def start_response(code: str, _headers: Sequence[tuple[str, str]], _error: Any = None) -> None:
            status.append(code)

        answer = b"".join(application(environ(body), start_response))
        if not status or not status[0].startswith("200"):
            raise RuntimeError(f"{status}: {answer[:500].decode(errors='replace')}")
        return answer

    return call


def environ(body: bytes) -> dict[str, Any]:
    """A POST of ``body`` from this machine."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/soap/inpatient",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "text/xml; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_SOAPACTION": '""',
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
