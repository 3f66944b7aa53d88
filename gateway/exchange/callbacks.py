"""What the platform tells by calling (6204, 6302, 7108, 7109): journaled, answered, and kept until the HIS has it.

The same content is the same callback: it is answered with the very bytes it was answered with before, and stands in
the queue once. The journal comes first; a crash before the queue leaves the platform without an answer, so it repeats.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.contract.codec import Codec, as_text
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads
from gateway.exchange.case import ContentWrong
from gateway.exchange.content import business_keys
from gateway.exchange.ports import Intent, Journal, Outcome, State

CHANNEL: Final = "callback"
PLATFORM: Final = "platform"
"""Stands in the journal as the caller."""


class CallbackForged(Exception):
    """It does not come from the platform, or cannot be opened; the text (Chinese) says why."""


class CallbackLine(Protocol):
    """How this province proves its callbacks, and wants them answered."""

    def read(self, infno: str, headers: Mapping[str, str], body: bytes) -> Any:
        """The national message in a callback. Raises :class:`CallbackForged`.

        Args:
            infno: of the address.
            headers: names in lower case.
        """
        ...

    def write(self, body: bytes, output: Any) -> bytes:
        """The answer to the callback ``body``, whose transaction answers ``output``."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A callback in the queue; what it says stands in the journal under ``exchange_id``."""

    id: int
    infno: str
    exchange_id: int
    received_at: datetime


class CallbackQueue(Protocol):
    """The queue. Every method returns after its effect is durable."""

    def find(self, fingerprint: str) -> Waiting | None: ...

    def add(self, fingerprint: str, infno: str, exchange_id: int, now: datetime) -> Waiting: ...

    def waiting(self, limit: int) -> list[Waiting]: ...

    def count(self) -> int: ...

    def take(self, number: int, client: str, now: datetime) -> bool: ...


class CallbackDesk:
    """Takes callbacks from the platform and hands them to the HIS.

    Args:
        interface: tables in force.
        institution, province: for the journal.
    """

    def __init__(
        self,
        interface: Callable[[], Interface],
        journal: Journal,
        queue: CallbackQueue,
        clock: Callable[[], datetime],
        institution: str,
        province: str,
    ) -> None:
        self._interface = interface
        self._journal = journal
        self._queue = queue
        self._clock = clock
        self._institution = institution
        self._province = province
        self._one_at_a_time = threading.Lock()

    def knows(self, infno: str) -> bool:
        """Whether the platform calls this transaction."""
        found = self._interface().contract.transactions.get(infno)
        return found is not None and found.callback

    def receive(self, line: CallbackLine, infno: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The answer to a callback, which is in journal and queue by now.

        Raises:
            CallbackForged: it is not the platform's.
            ContentWrong: not as the contract has it.
            JournalUnavailable: it could not be kept; the platform must come again.
        """
        message = line.read(infno, headers, body)
        checked, found = self._reader(infno).check(message)
        if found.problems:
            raise ContentWrong(found.problems)
        fingerprint = fingerprint_of(infno, message)
        with self._one_at_a_time:
            before = self._queue.find(fingerprint)
            answer = self._answer_of(before.exchange_id) if before else None
            if answer is not None:
                return answer
            answer = line.write(body, self._output(infno))
            if before is None:
                self._queue.add(fingerprint, infno, self._kept(infno, checked, body, answer), self._clock())
            return answer

    def waiting(self, limit: int) -> tuple[list[tuple[Waiting, Any]], int]:
        """The oldest callbacks that nobody has taken with their messages, and how many there are in all."""
        found = self._queue.waiting(limit)
        return [(one, self._message_of(one.exchange_id)) for one in found], self._queue.count()

    def take(self, number: int, client: str) -> bool:
        """The HIS has it; whether there is such a callback."""
        return self._queue.take(number, client, self._clock())

    # -------------------------------------------------------------- journal

    def _kept(self, infno: str, message: Any, body: bytes, answer: bytes) -> int:
        now = self._clock()
        intent = Intent(
            infno=infno,
            safety="read",
            client=PLATFORM,
            channel=CHANNEL,
            institution=self._institution,
            province=self._province,
            received_at=now,
            mapping_version=self._interface().contract.version,
            caller_request=body,
            caller_charset="utf-8",
            platform_request=dumps({"infno": infno, "input": message}),
            keys=business_keys(message),
        )
        return self._journal.record(intent, Outcome(State.CONFIRMED, now, platform_answer=answer, infcode="0")).id

    def _reader(self, infno: str) -> Codec:
        """A code that our lists do not have yet is the platform's to know: refusing would only lose the news."""
        contract = self._interface().contract
        return Codec(contract.transactions[infno].input, contract.codes, code_lists="warn")

    def _answer_of(self, exchange_id: int) -> bytes | None:
        bodies = self._journal.bodies(exchange_id)
        return bodies.platform_answer if bodies else None

    def _message_of(self, exchange_id: int) -> Any:
        bodies = self._journal.bodies(exchange_id)
        return loads(bodies.platform_request)["input"] if bodies and bodies.platform_request else None

    def _output(self, infno: str) -> Any:
        """The positive answer by the table of the transaction; empty where it has none."""
        values = {"success": "true", "message": "成功"}
        side = self._interface().contract.transactions[infno].output
        told = {spec.name: values[spec.name] for spec in side.root if spec.name in values}
        nodes = {node.name: {s.name: values[s.name] for s in node.fields if s.name in values} for node in side.nodes}
        return {**told, **nodes}


def fingerprint_of(infno: str, message: Any) -> str:
    """What makes two callbacks the same: transaction and content, whatever envelope, time and signature they came with."""
    text = json.dumps(message, ensure_ascii=False, sort_keys=True, default=as_text)
    return hashlib.sha256(f"{infno}\n{text}".encode()).hexdigest()
