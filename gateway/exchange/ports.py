"""The ports of the exchange: the platform it sends to and the journal that is the truth.

Each port has a fake beside it (``gateway/exchange/fakes.py``) and a conformance suite in ``tests/conformance``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class State(enum.StrEnum):
    """States of an exchange (design.md). Only these edges exist:

    ``RECEIVED -> REFUSED | INTENDED``, ``INTENDED -> CONFIRMED | DECLINED | NOT_SENT | IN_DOUBT``.
    """

    RECEIVED = "RECEIVED"
    REFUSED = "REFUSED"
    INTENDED = "INTENDED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    NOT_SENT = "NOT_SENT"
    IN_DOUBT = "IN_DOUBT"


# ---------------------------------------------------------------- platform


class PlatformError(Exception):
    """The platform gave no usable answer.

    PlatformError
    ├── NotSent      the connection was not made: the platform has seen nothing
    │   └── Rejected refused in front of the platform: seen, not executed
    └── NoAnswer     bytes may have left: the platform may have acted
    """


class NotSent(PlatformError):
    """Nothing left this machine (name lookup, connect refused, connect timeout, TLS failure)."""


class Rejected(NotSent):
    """The platform's front gateway refused the request (signature, key, time, certificate): not executed.

    A repeat fails the same way until clock, key or certificate are put right.
    """


class NoAnswer(PlatformError):
    """The request may have arrived but there is no trustworthy answer (timeout, reset, truncated, HTTP 5xx, too large)."""


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """``body`` are the exact bytes that the journal holds; the adapter adds headers, never touches the body."""

    infno: str
    msgid: str
    body: bytes
    read_timeout_s: float | None = None
    """Overrides the adapter's configured read timeout."""


@dataclass(frozen=True, slots=True)
class PlatformAnswer:
    """The answer as it came; ``body`` is complete (length checked) and at most the configured limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float


class SettlementPlatform(Protocol):
    """A way to a province."""

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Send once, never retry. Raises :class:`NotSent` or :class:`NoAnswer`."""
        ...

    def reachable(self, timeout_s: float) -> bool:
        """Whether a connection can be made now (for ``/readyz`` and ``yibao probe``)."""
        ...

    def close(self) -> None:
        """Close pooled connections."""
        ...


# ----------------------------------------------------------------- journal


@dataclass(frozen=True, slots=True)
class Intent:
    """What is made durable before the first byte leaves."""

    infno: str
    safety: str
    client: str
    channel: str
    institution: str
    received_at: datetime
    """Aware, Asia/Shanghai."""
    mapping_version: str
    caller_request: bytes
    caller_charset: str
    request_id: str | None = None
    content_hash: str = ""
    msgid: str | None = None
    platform_request: bytes | None = None
    keys: Sequence[tuple[str, str]] = ()
    """Business keys for the search: ``(kind, value)``; kinds: psn_no, mdtrt_id, setl_id, ipt_no, ipt_otp_no, certno, ..."""
    opter: str = ""
    province: str = ""
    node: str = ""
    """Whose process holds it while it is INTENDED."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an exchange ended. ``keys`` are those learnt from the answer (``mdtrt_id``, ``setl_id``)."""

    state: State
    finished_at: datetime
    platform_answer: bytes | None = None
    infcode: str = ""
    inf_refmsgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    code: str = ""
    keys: Sequence[tuple[str, str]] = ()
    elapsed_ms: int = 0
    """Time spent waiting for the platform."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One row of the journal, without bodies."""

    id: int
    infno: str
    state: State
    safety: str
    client: str
    channel: str
    institution: str
    province: str
    msgid: str | None
    request_id: str | None
    content_hash: str
    opter: str
    mapping_version: str
    received_at: datetime
    finished_at: datetime | None
    infcode: str
    inf_refmsgid: str
    err_msg: str
    warn_msg: str
    code: str
    elapsed_ms: int
    node: str = ""
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bytes of one exchange, exactly as they were; None where there were none."""

    caller_request: bytes | None
    caller_charset: str
    platform_request: bytes | None
    platform_answer: bytes | None


@dataclass(frozen=True, slots=True)
class Query:
    """A search. All given conditions must hold; newest first."""

    keys: Sequence[tuple[str, str]] = ()
    msgid: str | None = None
    request_id: str | None = None
    infno: str | None = None
    client: str | None = None
    states: Sequence[State] = ()
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    before_id: int | None = None
    """For the next page: the smallest id of the page before."""


class RequestIdTaken(Exception):
    """The client's ``request_id`` is held by another exchange that is open or confirmed.

    ``holder`` is that exchange, read in the same transaction that refused.
    """

    def __init__(self, holder: Exchange) -> None:
        self.holder = holder
        super().__init__(f"request_id held by exchange {holder.id} ({holder.state})")


class JournalUnavailable(Exception):
    """The journal could not be read or written; nothing was recorded by this call."""


class Journal(Protocol):
    """The durable record. Every method returns only after its effect is durable."""

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        """The exchange that last held this client's ``request_id``."""
        ...

    def intend(self, intent: Intent) -> Exchange:
        """Write an INTENDED row with its bytes; takes ``(client, request_id)`` in the same commit.

        Raises:
            RequestIdTaken: the id is held by an exchange in INTENDED, IN_DOUBT or CONFIRMED.
            JournalUnavailable: nothing was written.
        """
        ...

    def finish(self, exchange_id: int, outcome: Outcome) -> Exchange:
        """Move INTENDED to ``outcome.state`` (compare-and-set). Raises ValueError on an illegal edge."""
        ...

    def doubt_abandoned(self, node: str, outcome: Outcome) -> int:
        """Move every INTENDED exchange of a node that is not running to IN_DOUBT; returns how many there were.

        Only for a node that is starting: what its former process left open was perhaps sent.
        """
        ...

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        """One row in its final state in one write: refusals, and reads, which need no write-ahead."""
        ...

    def get(self, exchange_id: int) -> Exchange | None: ...

    def bodies(self, exchange_id: int) -> Bodies | None: ...

    def search(self, query: Query) -> list[Exchange]: ...

    def count_by_state(self, since: datetime) -> Mapping[str, int]: ...

    def next_msgids(self, institution: str, now: datetime, count: int) -> MsgidBlock:
        """Reserve ``count`` numbers that no process of any node has used or will use (one durable write)."""
        ...

    def ready(self) -> bool:
        """Whether a write would be taken now."""
        ...


@dataclass(frozen=True, slots=True)
class MsgidBlock:
    """Reserved slots ``first <= slot < end``; slot = epoch second * 10000 + sequence, logical time."""

    institution: str
    first: int
    end: int
