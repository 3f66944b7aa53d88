"""The façade against spyne's own typed deserialisation of the same bytes, and what a fee row costs as uploads grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final

import msgspec

from bench.measure import Samples, Subject, interleaved, repeated
from bench.messages import Case, fees
from bench.parts import Answer, Parts

SPYNE: Final = "spyne typed"
READING: Final = "lane, reading alone"
WHOLE: Final = "whole gateway, short answer"
ANSWERED: Final = "whole gateway, every row answered"
GROWTH_ROWS: Final = (10, 100, 1000, 10_000)


class Wrong(Exception):
    """A subject did not do the work that is being measured."""


def measure(parts: Parts, case: Case, calls: int, rounds: int, progress: Callable[[], object]) -> Samples:
    """Every façade on one message.

    Args:
        calls: per sample; half of it for spyne, which needs that much longer.
    """
    _check_alike(parts, case)
    spyne, _ = parts.spyne()
    reading = parts.reading_lane()
    subjects = [
        _subject(SPYNE, spyne, case, max(1, calls // 2)),
        _subject(READING, reading, case, calls),
        Renewed(parts, case, case.short_answer).subject(WHOLE, calls),
        Renewed(parts, case, case.answer).subject(ANSWERED, calls),
    ]
    return interleaved(subjects, rounds, progress)


def measure_growth(parts: Parts, rounds: int, progress: Callable[[], object]) -> Samples:
    """The whole gateway on uploads of growing size, every row answered; per row, under the number of rows."""
    subjects = []
    for rows in GROWTH_ROWS:
        case = fees(parts.interface, rows)
        subjects.append(Renewed(parts, case, case.answer).subject(str(rows), max(1, 500 // rows), rows))
    return interleaved(subjects, rounds, progress)


class Renewed:
    """A gateway that is new for each sample: the journal in memory looks through all it holds at every write."""

    def __init__(self, parts: Parts, case: Case, answer: bytes) -> None:
        self._parts = parts
        self._case = case
        self._answer = answer
        self._numbers = count(1)
        self.renew()

    def renew(self) -> None:
        self._call, _ = self._parts.gateway(self._case, self._answer)

    def subject(self, name: str, calls: int, rows: int = 1) -> Subject:
        """A sample of ``calls`` calls, divided by the rows that they carry."""
        return Subject(name, repeated(self._run, calls), calls * rows, prepare=self.renew)

    def _run(self) -> None:
        # a number of its own for each, or the second would be answered from the journal
        number = b"<head><request_id>%d</request_id>" % next(self._numbers)
        self._call(self._case.soap.replace(b"<head>", number, 1))


def _subject(name: str, call: Answer, case: Case, calls: int) -> Subject:
    return Subject(name, repeated(lambda: call(case.soap), calls), calls)


# ------------------------------------------------------- is it the same work


def _check_alike(parts: Parts, case: Case) -> None:
    """Both sides have read the same message, and the platform got it as the table has it. Raises :class:`Wrong`."""
    gateway, platform = parts.gateway(case, case.answer)
    if b"<infcode>0</infcode>" not in gateway(case.soap):
        raise Wrong(f"{case.name}: the gateway did not answer with success")
    sent = msgspec.json.decode(platform.requests[-1].body, type=dict[str, Any])
    if _texts(sent["input"]) != _texts(case.message):
        raise Wrong(f"{case.name}: the platform got another message")
    spyne, got = parts.spyne()
    spyne(case.soap)
    (_, *nodes) = got[0]
    if _texts(dict(zip(case.message, map(_plain, nodes), strict=True))) != _texts(case.message):
        raise Wrong(f"{case.name}: spyne read another message")


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {name: getattr(value, name) for name in value.get_flat_type_info(type(value))}


def _texts(message: Any) -> Any:
    """Leaves as text, numbers without regard to trailing zeros."""
    if isinstance(message, dict):
        return {name: _texts(value) for name, value in message.items()}
    if isinstance(message, Sequence) and not isinstance(message, str):
        return [_texts(item) for item in message]
    try:
        return Decimal(str(message)).normalize()
    except ArithmeticError:
        return str(message)
