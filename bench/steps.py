"""Where the time of one exchange goes: each step of the way alone, on the same message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.facade import ANSWERED
from bench.measure import Samples, Subject, interleaved, repeated
from bench.messages import Case
from bench.parts import PROVINCE, SENDER, Parts, environ
from gateway import clock
from gateway.contract.charset import encode_xml
from gateway.contract.codec import Codec, Message
from gateway.contract.envelope import Answer, read_answer, write_request
from gateway.contract.xml import parse
from gateway.exchange.call import Reply
from gateway.exchange.content import business_keys, content_hash
from gateway.http_body import read_body
from gateway.settings import Limits
from gateway.soap.services import write_reply

REST = "the rest: routing, caller, journal in memory, metrics, log"


@dataclass(frozen=True, slots=True)
class _Way:
    """One message at every stage of the way."""

    case: Case
    parts: Parts
    input: Codec
    output: Codec
    element: Any
    text_message: Message
    typed: Message
    answer: Answer

    @classmethod
    def of(cls, parts: Parts, case: Case) -> _Way:
        codec = parts.interface.input(case.infno)
        root, _ = parse(case.soap)
        text_message = codec.read_xml(root[0][0], skip=frozenset({"head"}))
        typed, _ = codec.check(text_message)
        output = parts.interface.output(case.infno)
        return cls(case, parts, codec, output, root[0][0], text_message, typed, read_answer(case.answer))

    def steps(self) -> dict[str, Callable[[], object]]:
        """In the order of the way."""
        infno = self.case.infno
        return {
            "read the body": lambda: read_body(environ(self.case.soap), Limits()),
            "lxml parse": lambda: parse(self.case.soap),
            "read_xml": lambda: self.input.read_xml(self.element, skip=frozenset({"head"})),
            "check": lambda: self.input.check(self.text_message),
            "content hash": lambda: content_hash(infno, self.typed),
            "business keys": lambda: business_keys(self.typed),
            "write_request": self._write_request,
            "read_answer": lambda: read_answer(self.case.answer),
            "write the reply": self._write_reply,
        }

    def _write_request(self) -> bytes:
        contract = self.parts.interface.contract
        return write_request(contract, SENDER, {}, self.case.infno, "0" * 30, clock.now(), self.typed)

    def _write_reply(self) -> bytes:
        output = self.output.write_xml(self.answer.output, known_only=True)
        return encode_xml(write_reply(Reply("0", output=self.answer.output), output), "utf-8")


def measure(parts: Parts, case: Case, calls: int, rounds: int, progress: Callable[[], object]) -> Samples:
    """CPU of each step and of the whole way, in the same rounds."""
    way = _Way.of(parts, case)
    subjects = [Subject(name, repeated(step, calls), calls) for name, step in way.steps().items()]
    gateway, _ = parts.gateway(case, case.answer)
    subjects.append(Subject(ANSWERED, repeated(lambda: gateway(case.soap), calls), calls))
    return interleaved(subjects, rounds, progress)


__all__ = ["PROVINCE", "REST", "measure"]
