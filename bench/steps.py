"""Where the time of one exchange goes: each step of the way alone, on the same message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog

from bench.facade import ANSWERED, Renewed
from bench.journal import Written
from bench.measure import Samples, Subject, interleaved, repeated
from bench.messages import Case
from bench.parts import SENDER, Parts, environ
from gateway import clock
from gateway.contract.charset import encode_xml
from gateway.contract.codec import Codec, Message
from gateway.contract.envelope import Answer, read_answer, write_request
from gateway.contract.plain_rows import Cut, Cutter, apart
from gateway.exchange.call import Reply
from gateway.exchange.content import business_keys, content_hash
from gateway.exchange.fakes import MemoryJournal
from gateway.http.body import read_body
from gateway.settings import Limits
from gateway.soap.services import HEAD_ROW, cutter_of, write_reply

REST: Final = "the rest: envelope, caller, routing, metrics"
JOURNALED: Final = "journal in memory"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Way:
    """One message at every stage of the way."""

    case: Case
    parts: Parts
    input: Codec
    output: Codec
    cutter: Cutter
    cut: Cut
    read: Message
    typed: Message
    answer: Answer

    @classmethod
    def of(cls, parts: Parts, case: Case) -> _Way:
        codec = parts.interface.input(case.infno)
        cutter = cutter_of(parts.by_name, lambda: parts.interface)
        cut, _ = apart(case.soap, "utf-8", cutter)
        assert cut is not None, f"{case.name} is not plain"
        read = codec.read_cut(cut, HEAD_ROW)
        typed, _ = codec.check(read)
        output = parts.interface.output(case.infno)
        return cls(case, parts, codec, output, cutter, cut, read, typed, read_answer(case.answer))

    def steps(self) -> dict[str, Callable[[], object]]:
        """In the order of the way."""
        infno = self.case.infno
        return {
            "read the body": lambda: read_body(environ(self.case.soap), Limits()),
            "rows cut out of the text": lambda: apart(self.case.soap, "utf-8", self.cutter),
            "message of the rows": lambda: self.input.read_cut(self.cut, HEAD_ROW),
            "check": lambda: self.input.check(self.read),
            "content hash": lambda: content_hash(infno, self.typed),
            "business keys": lambda: business_keys(self.typed),
            "write_request": self._write_request,
            "read_answer": lambda: read_answer(self.case.answer),
            "write the reply": self._write_reply,
            "log line": self._log,
        }

    def _write_request(self) -> bytes:
        contract = self.parts.interface.contract
        return write_request(contract, SENDER, {}, self.case.infno, "0" * 30, clock.now(), self.typed)

    def _write_reply(self) -> bytes:
        output = self.output.write_xml(self.answer.output, known_only=True)
        return encode_xml(write_reply(Reply("0", output=self.answer.output), output), "utf-8")

    def _log(self) -> None:
        """The line that every exchange writes, masked and flushed."""
        log.info("exchange", msgid="H44080000001202611210830000001", infno=self.case.infno, client="bench",
                 state="CONFIRMED", code="", seconds=0.012)  # fmt: skip


class _InMemory:
    """Intent and outcome in a journal that is new for each sample: it looks through all it holds at every write."""

    def __init__(self, parts: Parts, case: Case) -> None:
        self._written = Written.of(parts, case)
        self._numbers = count(1)
        self.renew()

    def renew(self) -> None:
        self._journal = MemoryJournal()

    def run(self) -> None:
        entry = self._journal.intend(self._written.intent(next(self._numbers)))
        self._journal.finish(entry.id, self._written.outcome())


def measure(parts: Parts, case: Case, calls: int, rounds: int, progress: Callable[[], object]) -> Samples:
    """CPU of each step and of the whole way, in the same rounds."""
    subjects = [Subject(name, repeated(step, calls), calls) for name, step in _Way.of(parts, case).steps().items()]
    journal = _InMemory(parts, case)
    subjects.append(Subject(JOURNALED, repeated(journal.run, calls), calls, prepare=journal.renew))
    subjects.append(Renewed(parts, case, case.answer).subject(ANSWERED, calls))
    return interleaved(subjects, rounds, progress)
