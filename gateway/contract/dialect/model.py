"""A dialect as values: compiled by ``build``, run by ``envelope``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.contract.dialect.payload import Form, Packing
from gateway.contract.dialect.unread import Reads
from gateway.contract.dialect.verbs import Step
from gateway.contract.model import Problem
from gateway.faults import Fault, Refused

ParameterKind = Literal["text", "payload", "tree"]
"""``text`` a plain value, ``payload`` a string that holds XML or JSON, ``tree`` child elements."""


@dataclass(frozen=True, slots=True)
class Request:
    """How a request is taken apart; paths start at the operation's parameters."""

    parameters: Mapping[str, ParameterKind]
    transaction: tuple[str, ...]
    fixed: str | None
    """The hospital's transaction number, where the operation itself says it."""
    body: tuple[str, ...]
    head: tuple[Step, ...]
    reads: Reads
    """What is read besides the transaction's own steps."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer is put together; paths start at the answer's parts."""

    element: str
    parts: Mapping[str, ParameterKind]
    body: tuple[str, ...]
    success: tuple[Step, ...]
    failure: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the hospital's WSDL."""

    name: str
    request: Request
    answer: Answer


@dataclass(frozen=True, slots=True)
class Translation:
    """One transaction in the hospital's words."""

    infno: str
    request: tuple[Step, ...]
    answer: tuple[Step, ...]
    reads: Reads
    his_paths: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(national node path, field) -> the hospital's path, to explain what the contract's check finds."""


@dataclass(frozen=True, slots=True)
class PayloadRules:
    """What payload texts look like; the first form and packing are used when a request could not be read."""

    forms: tuple[Form, ...]
    packings: tuple[Packing, ...]
    charset: str | None
    """None: that of the envelope."""
    root: str


@dataclass(frozen=True, slots=True)
class DialectCall:
    """A request in national terms, and what is needed to answer it in the hospital's.

    ``message`` may be a list where the national input is one. ``unknown`` holds paths of the hospital's payload
    that no verb read. ``form`` and ``packing`` are those of the request. ``body`` is the hospital's tree that was
    translated, for tools that show both sides.
    """

    operation: str
    infno: str = ""
    his_transaction: str = ""
    head: Mapping[str, str] = field(default_factory=dict)
    message: Any = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unknown: tuple[str, ...] = ()
    form: Form = "xml"
    packing: Packing = "plain"
    charset: str = "utf-8"
    body: Any = None


class DialectRefused(Refused):
    """A payload that cannot be read. ``call`` holds what was understood, so that the answer has the right form."""

    def __init__(self, fault: Fault, detail: str, call: DialectCall | None) -> None:
        super().__init__(fault, detail)
        self.call = call


class NationalReply(Protocol):
    """The part of ``exchange.call.Reply`` a dialect can put into words; named here because nothing imports upward."""

    @property
    def infcode(self) -> str: ...
    @property
    def msgid(self) -> str: ...
    @property
    def inf_refmsgid(self) -> str: ...
    @property
    def err_msg(self) -> str: ...
    @property
    def warn_msg(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def retry(self) -> str: ...
    @property
    def output(self) -> Any: ...
    @property
    def problems(self) -> Sequence[Problem]: ...
