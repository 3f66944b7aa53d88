"""The ports of the exchange: the platform it sends to and the journal that is the truth.

Each port has a fake beside it (``gateway/exchange/fakes.py``) and a conformance suite in ``tests/conformance``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.files.parcel import Parcel
from gateway.stays.ports import Adoption, StayFact, StayRecords

Clock = Callable[[], datetime]
"""The real clock, aware, Asia/Shanghai."""


class Msgids(Protocol):
    """Numbers for messages, each used once (envelope.yaml ``rules.msgid``)."""

    def next(self) -> str: ...


class State(enum.StrEnum):
    """States of an exchange (design, "Exchange states"). The edges are the table in ``gateway/exchange/states.py``."""

    RECEIVED = "RECEIVED"
    REFUSED = "REFUSED"
    INTENDED = "INTENDED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    NOT_SENT = "NOT_SENT"
    IN_DOUBT = "IN_DOUBT"
    NOT_DONE = "NOT_DONE"
    REVERSED = "REVERSED"
    ESCALATED = "ESCALATED"


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


class NotMine(NotSent):
    """Just before the first byte the exchange was no longer this node's: others have declared the node dead."""


class NoPath(NotSent):
    """The province has a path per service and none is known for this transaction: nobody was asked, the line is as good as before."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What really stood on the line, where the province wraps or seals the national envelope.

    ``request`` None: it was prepared, and is kept with the intent. ``answer`` None: none came.
    """

    request: bytes | None
    answer: bytes | None = None


class NoAnswer(PlatformError):
    """The request may have arrived but there is no trustworthy answer (timeout, reset, truncated, HTTP 5xx, too large)."""

    wire: Wire | None = None
    """Set by ways of which the bytes on the line are others than the journal's."""


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """A request as it will stand on the line, made before it is made durable.

    Args:
        body: the very bytes.
        kept: what the journal keeps of them: the same, without a password.
        headers: that belong to these bytes.
    """

    body: bytes
    kept: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """``body`` are the exact bytes that the journal holds; the adapter adds headers, never touches the body."""

    infno: str
    msgid: str
    body: bytes
    read_timeout_s: float | None = None
    """Overrides the adapter's configured read timeout."""
    still_mine: Callable[[], bool] | None = field(default=None, compare=False, repr=False)
    """Asked once the connection stands, right before the first byte; False: nothing is sent and :class:`NotMine` raised."""
    parcel: Parcel | None = None
    """The file of a 9101: goes out in the place of its reference in ``body``."""
    alone: bool = False
    """On a connection that has carried nothing before: a second copy of an earlier answer can never be taken for its own."""
    prepared: Prepared | None = field(default=None, compare=False, repr=False)
    """Of :meth:`SettlementPlatform.prepare`: these bytes leave; None: they are made when they are sent."""
    wants_file: str = ""
    """Name of a file that the answer may be (9102): it goes to the shelf, ``body`` of the answer tells size and checksum."""

    def check_mine(self) -> None:
        """For whoever sends: call when nothing but the first byte is left to do. Raises :class:`NotMine`."""
        if self.still_mine is not None and not self.still_mine():
            raise NotMine("本节点已被其他节点接管")


@dataclass(frozen=True, slots=True)
class PlatformAnswer:
    """The answer as it came; ``body`` is complete (length checked) and at most the configured limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float
    wire: Wire | None = None
    """Set by ways of which the bytes on the line are others than ``body`` and the request's."""


class SettlementPlatform(Protocol):
    """A way to a province."""

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """The very bytes that will leave, where they are others than ``request.body``, so that they can be made durable first.

        No line is touched. None also for a file, which is not kept twice.

        Raises:
            NotSent: they cannot be made.
        """
        ...

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        """Send once, never retry; ``request.check_mine()`` right before the first byte.

        Raises :class:`NotSent` or :class:`NoAnswer`.
        """
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
    wire_request: bytes | None = None
    """What will stand on the line, where that is another text (``Prepared.kept``)."""
    keys: Sequence[tuple[str, str]] = ()
    """Business keys for the search: ``(kind, value)``; kinds: psn_no, mdtrt_id, setl_id, ipt_no, ipt_otp_no, certno, ..."""
    opter: str = ""
    province: str = ""
    node: str = ""
    """Whose process holds it while it is INTENDED."""
    epoch: int = 0
    """Of that node's registration; 0 where there is none."""
    business_key: str = ""
    """The visit it is about (``gateway/exchange/content.py``); one exchange at a time may hold it."""
    busy_keys: Sequence[str] = ()
    """Every key it holds until it is closed; empty: ``business_key`` alone, or none."""
    once: bool = False
    """Refuse it while an exchange of the same transaction, business key and content is open or in force."""
    seen: int | None = None
    """Number of the exchange that had the ``request_id``, or was the same (``once``), when it was last looked for; 0:
    none; None: nobody looked. Another since then is not passed over."""
    stay: Sequence[StayFact] = ()
    """What it will tell of inpatient stays once it is confirmed."""
    stay_versions: Mapping[str, int] = field(default_factory=dict)
    """Versions of the stay that the rules judged it by; when one is another by now the intent is refused."""
    evidence: Sequence[Proof] = ()
    """What the rules compared and amended; kept in the same commit."""
    resends: int | None = None
    """Number of the exchange that it sends again; each may be sent again once."""


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
    proof_answer: bytes | None = None
    """The answer as proof gave it: that of an identical repeat, or an envelope rebuilt from a query."""
    ends: Sequence[str] = ()
    """Only with CONFIRMED: transactions of which every exchange in force about the same visit is no longer so."""
    ends_msgid: str | None = None
    """Only with CONFIRMED: the exchange sent under this msgid is no longer in force (2601)."""
    stay: Sequence[StayFact] = ()
    """Only with CONFIRMED: what it tells of stays now that the answer is known; empty: as the intent said."""
    adopts: Sequence[Adoption] = ()
    """Only of a read that is recorded: what its answer shows of stays, adopted in the same commit."""
    wire: Wire | None = None
    """The bytes on the line, where they are others than the request's and the answer's."""


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
    epoch: int = 0
    business_key: str = ""
    undone_by: int | None = None
    """Id of the exchange that ended it: CONFIRMED, but no longer in force."""
    tries: int = 0
    """Steps of the resolver so far."""
    next_try_at: datetime | None = None
    """When the resolver comes back; None while IN_DOUBT: at once."""
    reply: str = ""
    """``written`` or ``broken``; empty while nobody was told."""
    reply_at: datetime | None = None
    """When the last byte of it was handed over, or the connection broke."""
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def in_force(self) -> bool:
        """Confirmed and not undone since: its answer may be given again."""
        return self.state is State.CONFIRMED and self.undone_by is None


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bytes of one exchange, exactly as they were; None where there were none.

    ``gone`` says for staff why there are none any more: they were removed at the end of their time.
    """

    caller_request: bytes | None
    caller_charset: str
    platform_request: bytes | None
    platform_answer: bytes | None
    proof_answer: bytes | None = None
    wire_request: bytes | None = None
    """As it left, where the province wants the envelope wrapped or sealed."""
    wire_answer: bytes | None = None
    gone: str = ""


class ProofKind(enum.StrEnum):
    """What a line of evidence is."""

    QUERY = "query"
    REVERSE = "reverse"
    REPEAT = "repeat"
    LATE_ANSWER = "late_answer"
    OPERATOR = "operator"
    DECISION = "decision"
    UNSENT = "unsent"
    """The sender itself says that nothing left: it found out too late to close the exchange as NOT_SENT."""
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Proof:
    """One line of evidence about a doubtful exchange; never changed, never removed.

    ``REVERSE`` and ``REPEAT`` are written once before they are sent (without ``answer``) and once more when answered.
    """

    kind: ProofKind
    at: datetime
    detail: str
    """What was seen or decided, in Chinese."""
    infno: str = ""
    msgid: str = ""
    request: bytes | None = None
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A search. All given conditions must hold; newest first.

    With ``keys``, ``msgid`` or ``request_id`` the order is that of writing (``id``), else that of receipt (``received_at``,
    then ``id``).
    """

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
    """For the next page: the id of the last row of the page before."""

    @property
    def by_time(self) -> bool:
        """Whether the order is that of receipt; it differs from the other where the clock was set or a call took long."""
        return not (self.keys or self.msgid or self.request_id)


class RequestIdTaken(Exception):
    """The client's ``request_id`` is held by another exchange that is open or confirmed, or has come since it was looked for.

    ``holder`` is that exchange, read in the same transaction that refused.
    """

    def __init__(self, holder: Exchange) -> None:
        self.holder = holder
        super().__init__(f"request_id held by exchange {holder.id} ({holder.state})")


class InForce(Exception):
    """The same transaction, business key and content is open or in force, or has come since it was looked for.

    Only with ``Intent.once``; ``holder`` is that exchange.
    """

    def __init__(self, holder: Exchange) -> None:
        self.holder = holder
        super().__init__(f"exchange {holder.id} ({holder.state}) is the same")


class ResentAlready(Exception):
    """The exchange that was to be sent again has been, as exchange ``again``; nothing was recorded."""

    def __init__(self, again: int) -> None:
        self.again = again
        super().__init__(f"sent again already, as exchange {again}")


@dataclass(frozen=True, slots=True)
class Resent:
    """How an exchange is linked with others: ``original`` it sends again, by ``again`` it was sent again."""

    original: int | None = None
    again: int | None = None


class Busy(Exception):
    """Another exchange about the same visit is open; ``holder`` is that exchange."""

    def __init__(self, holder: Exchange) -> None:
        self.holder = holder
        super().__init__(f"business key held by exchange {holder.id} ({holder.state})")


class JournalUnavailable(Exception):
    """The journal could not be read or written; nothing was recorded by this call."""


class BodiesAway(JournalUnavailable):
    """The bytes of an exchange are kept in a file that cannot be read now; the text is for staff."""


class Journal(Protocol):
    """The durable record. Every method returns only after its effect is durable."""

    @property
    def stays(self) -> StayRecords:
        """What is kept about stays, in the same commits."""
        ...

    def find_request(self, client: str, request_id: str) -> Exchange | None:
        """The exchange that last held this client's ``request_id``."""
        ...

    def find_same(self, infno: str, business_key: str, content_hash: str) -> Exchange | None:
        """The newest exchange of this transaction, key and content that is open or in force, else the newest of all."""
        ...

    def find_busy(self, business_key: str) -> Exchange | None:
        """The open exchange that holds this key."""
        ...

    def intend(self, intent: Intent) -> Exchange:
        """Write an INTENDED row with its bytes; takes ``(client, request_id)`` and the busy keys in the same commit.

        Raises:
            RequestIdTaken: the id is held by an exchange that is open or in force, or is not the one that was ``seen``.
            Busy: a key is held by an open exchange.
            InForce: ``intent.once``, and the same is open or in force, or there is a newer one than was ``seen``.
            StayChanged: a stay is at another version than ``intent.stay_versions`` says.
            ResentAlready: ``intent.resends`` has been sent again before.
            JournalUnavailable: nothing was written.
        """
        ...

    def finish(self, exchange_id: int, outcome: Outcome, begun: Exchange | None = None) -> Exchange:
        """Move INTENDED to ``outcome.state`` (compare-and-set). Raises ValueError on an illegal edge.

        ``begun`` is the row as :meth:`intend` returned it, where the caller still has it: nothing but the state of an
        INTENDED row ever changes, and that the compare-and-set asks, so it need not be read again.

        In the same commit the busy keys are freed unless the new state is IN_DOUBT, and on CONFIRMED what
        ``outcome.ends`` and ``outcome.ends_msgid`` name is marked ``undone_by`` this exchange: those that share an
        ``mdtrt_id`` with it (else a ``psn_no``, else all of the institution) and, where both name a ``setl_id``, one
        of those too. What an exchange of ``ends_msgid`` had ended is in force again.
        """
        ...

    def resolve(self, exchange_id: int, outcome: Outcome, proofs: Sequence[Proof] = ()) -> Exchange:
        """Move IN_DOUBT or ESCALATED to ``outcome.state`` with its evidence, like :meth:`finish` otherwise.

        ``reply`` becomes empty: whoever asked has not heard of the new state. Raises ValueError on an illegal edge.
        """
        ...

    def add_proof(self, exchange_id: int, proof: Proof) -> None:
        """Add a line of evidence. Raises ValueError when there is no such exchange."""
        ...

    def proofs(self, exchange_id: int) -> list[Proof]:
        """The evidence in the order it came."""
        ...

    def doubts(self, due: datetime, limit: int = 100) -> list[Exchange]:
        """Exchanges IN_DOUBT whose next try is due, oldest first."""
        ...

    def postpone(self, exchange_id: int, tries: int, next_try_at: datetime) -> bool:
        """Claim or delay a doubt: sets ``tries + 1`` and the time if it is IN_DOUBT with ``tries``; whether it was."""
        ...

    def mark_replies(self, replies: Sequence[tuple[int, str, datetime]]) -> None:
        """Keep of exchanges whether and when their reply was ``written`` or ``broken``, in this order; a written one stays written."""
        ...

    def untold(self, since: datetime, before: datetime, limit: int = 100) -> list[Exchange]:
        """Oldest first: CONFIRMED money in force, received since ``since`` and finished before ``before``, whose reply is not known to be written."""
        ...

    def record(self, intent: Intent, outcome: Outcome) -> Exchange:
        """One row in its final state in one write: refusals, and reads, which need no write-ahead.

        Raises:
            ResentAlready: ``intent.resends`` has been sent again before.
        """
        ...

    def resends(self, exchange_id: int) -> Resent:
        """What it sends again, and what it was sent again by."""
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


# ------------------------------------------------------------------- nodes


class NodeState(enum.StrEnum):
    """What is known of a node."""

    RUNNING = "running"
    ENDED = "ended"
    """It went by itself, with nothing left open."""
    DEAD = "dead"
    """Others have declared it dead."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Under what a process sends: its name, and a number that is raised whenever the name passes to another life."""

    name: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a process tells about itself."""

    address: str = ""
    """Where it listens, for the operator."""
    place: str = ""
    """Machine, boot and process namespace: within one place a process number tells whether somebody still lives."""
    pid: int = 0
    version: str = ""
    silence_s: float = 15.0
    """How long it may be silent before others declare it dead."""


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the registry. Its times are for people; nobody compares them with a clock of another machine."""

    registration: Registration
    state: NodeState
    beat: int
    """Raised by each heartbeat."""
    started_at: datetime
    heartbeat_at: datetime
    facts: NodeFacts
    open: int = 0
    """Exchanges that it holds INTENDED."""


class NodeRegistry(Protocol):
    """Who sends on this store. Every method returns only after its effect is durable.

    ``outcome`` is IN_DOUBT with its text: what becomes, in the same commit, of exchanges whose holder is no more.
    Raises ``JournalUnavailable`` as the journal does.
    """

    @property
    def alone(self) -> bool:
        """Whether the store admits one process only, so that whoever else is registered has ended."""
        ...

    def nodes(self) -> list[Node]:
        """All that ever registered, by name."""
        ...

    def claim(
        self, name: str, before: Node | None, facts: NodeFacts, now: datetime, outcome: Outcome
    ) -> tuple[Registration, int] | None:
        """Take a name that nobody had (``before`` None) or that ``before`` had, with the next epoch.

        What the life before left INTENDED (alone: what anybody left) becomes IN_DOUBT.

        Returns:
            the registration and how many are in doubt; None when another was faster or ``before`` has beaten since.
        """
        ...

    def beat(self, registration: Registration, now: datetime) -> bool:
        """A sign of life; False when the registration is no longer in force."""
        ...

    def holds(self, registration: Registration) -> bool:
        """Whether the registration is in force at this moment."""
        ...

    def declare_dead(self, node: Node, outcome: Outcome) -> int | None:
        """Raise the epoch of a node that has not beaten since ``node`` was read; what it left INTENDED becomes IN_DOUBT.

        Returns:
            how many are in doubt; None when it has beaten or its registration has changed meanwhile.
        """
        ...

    def leave(self, registration: Registration, outcome: Outcome) -> int:
        """End by oneself: the epoch is raised; what is still INTENDED becomes IN_DOUBT. Returns how many that are."""
        ...

    def sweep(self, outcome: Outcome) -> int:
        """Exchanges INTENDED under a registration that is no longer in force become IN_DOUBT: their sender was paused
        between losing its registration and the intent. Returns how many there were.
        """
        ...
