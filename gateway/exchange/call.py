"""What comes to the exchange and what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from gateway.contract.model import Problem
from gateway.exchange.ports import Registration
from gateway.faults import Retry
from gateway.files.parcel import Parcel
from gateway.stays.ports import Adoption


@dataclass(frozen=True, slots=True)
class Client:
    """A caller known by name. ``transactions`` are infno patterns (``2*``, ``5201``, ``*``)."""

    name: str
    transactions: tuple[str, ...] = ("*",)
    workstation: Mapping[str, str] = field(default_factory=dict)
    """Defaults for ``opter, opter_name, opter_type, mac, ip, dev_no, insuplc_admdvs`` of this client's calls."""
    call_s_max: float | None = None
    """Seconds this caller waits for an answer; None: as ``limits.call_s_max``."""

    def may_call(self, infno: str) -> bool:
        """Whether one of the client's patterns names this transaction."""
        return any(fnmatchcase(infno, pattern) for pattern in self.transactions)


Adopts = Callable[[Any], Sequence[Adoption]]
"""Reads the output of a good answer."""

OURSELVES: Final = Client("gateway")
"""Stands in the journal for what the gateway itself asks in the course of a call."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Whose word it is that an exchange is carried out anew (``again.py``).

    Args:
        original: number of the exchange that is sent again.
        operator: the person.
        reason: why, for the evidence.
    """

    original: int
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read but not yet checked.

    Args:
        infno: transaction number as the caller named it.
        head: operator, area, ``request_id`` ... as text; may be empty.
        message: the national message after the dialect (``contract.model``), leaves still as they came.
        problems: what could not even be placed in a message while reading; the check adds to them.
        raw: the bytes as they came over the wire.
        channel: ``string``, ``typed``, ``json``, ``legacy/<dialect>``.
    """

    client: Client
    infno: str
    message: Any
    raw: bytes
    channel: str
    head: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    unknown: Sequence[str] = ()
    """What the dialect met and no verb read, in the hospital's own names."""
    raw_charset: str = "utf-8"
    dialect_version: str = ""
    under: Registration | None = None
    """Registration under which it was decided to send this: once that is no longer in force nothing of it leaves."""
    parcel: Parcel | None = None
    """The file of a 9101, set aside from the message."""
    resend: Resend | None = None
    """Set where a person has an earlier call sent again."""
    adopts: Adopts | None = None
    """Of a query: what the output of its answer shows of stays, to be kept with it."""

    def after(self, reply: Reply) -> Call:
        """The same call to be tried once more: what is sent again is then the attempt that ``reply`` tells of."""
        if self.resend is None or reply.exchange_id is None:
            return self
        return replace(self, resend=replace(self.resend, original=reply.exchange_id))


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer in national terms; the façade writes it in the caller's form and charset."""

    infcode: str
    msgid: str = ""
    inf_refmsgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    code: str = ""
    retry: Retry | str = ""
    output: Any = None
    problems: Sequence[Problem] = ()
    exchange_id: int | None = None
    repeated: bool = False
    """True when a confirmed answer was given again without a call to the platform."""
    retry_after_s: int = 0
    """Seconds after which trying again is worth while; 0 where time changes nothing."""
    receipt: int | None = None
    """Exchange whose confirmed money this reply tells of: the façade says whether it went out (``Exchange.told``)."""
    state: str = ""
    """State of the exchange, where it was asked for (``Exchange.outcome``)."""
    infno: str = ""
    """Its transaction, where it was asked for."""
