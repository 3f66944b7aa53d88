"""The way of one transaction, top to bottom. SOAP, JSON, console and jobs all come through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog

from gateway.contract.codec import Message
from gateway.contract.envelope import (
    Answer,
    Garbage,
    Sender,
    head_problems,
    read_answer,
    unknown_in_head,
    write_request,
)
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import Problem, Transaction
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.content import business_keys, content_hash, content_key, visit_keys
from gateway.exchange.effects import REVERSAL, effects
from gateway.exchange.entries import BROKEN, WRITTEN
from gateway.exchange.filed import handed_over, set_aside, wanted_file
from gateway.exchange.gate import OPEN_GATE, Gate, TurnLost
from gateway.exchange.patience import TIMES, Allowance, Patience, Times
from gateway.exchange.ports import (
    Busy,
    InForce,
    Intent,
    Journal,
    JournalUnavailable,
    NoAnswer,
    NotMine,
    NotSent,
    Outcome,
    PlatformAnswer,
    PlatformRequest,
    Proof,
    ProofKind,
    Query,
    Registration,
    Rejected,
    RequestIdTaken,
    SettlementPlatform,
    State,
)
from gateway.exchange.ports import (
    Exchange as Entry,
)
from gateway.exchange.sign_in import SIGN_IN, SIGN_OUT, Renewal, SignIns, number_in, with_workstation
from gateway.exchange.states import FREE, UNRESOLVED
from gateway.exchange.stay_rules import NO_RULES, UNRULED, Ask, InFlight, Rules, Ruling, stay_facts
from gateway.faults import (
    CONTENT_WRONG,
    ESCALATED,
    FAULTS,
    FRONT_REJECTED,
    IN_DOUBT,
    NOT_DONE,
    NOT_REACHED,
    PLATFORM_DECLINED,
    READ_UNANSWERED,
    REQUEST_ID_TAKEN,
    STORE_UNAVAILABLE,
    TAKEN_OVER,
    TRANSACTION_FORBIDDEN,
    TWIN_WAITING,
    VISIT_BUSY,
    VISIT_UNRESOLVED,
    Fault,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.files.shelf import Shelf
from gateway.stays.ports import StayChanged

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
"""The real clock, aware, Asia/Shanghai."""

TWIN_WAIT_S = 30.0
LOST_COMMIT_LOOKS = 60
"""Looks for an intent whose commit got no answer: a database that was cut off may still complete it."""
JUDGED_MAX = 50
"""Times that a call is judged anew because a twin or the ward was faster; then it is told to come again."""
OURSELVES = Client("gateway")
"""Stands in the journal for what the gateway itself asks in the course of a call."""
READ_TRIES = 2
"""A query changes nothing, so one lost answer is asked for once more by the gateway itself."""
PROBLEMS_IN_TEXT_MAX = 20
"""Problems spelled out in ``err_msg``; the structured list always has all of them."""


class Msgids(Protocol):
    """Numbers for messages, each used once (envelope.yaml ``rules.msgid``)."""

    def next(self) -> str: ...


class Observer(Protocol):
    """Is told how each exchange ended, for metrics."""

    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None: ...

    def observe_platform(self, infno: str, seconds: float) -> None: ...

    def count_fault(self, code: str) -> None: ...


class ContentWrong(Refused):
    """GW-1101 with every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        shown = "；".join(problem.text for problem in problems[:PROBLEMS_IN_TEXT_MAX])
        rest = len(problems) - PROBLEMS_IN_TEXT_MAX
        super().__init__(CONTENT_WRONG, f"共 {len(problems)} 处：{shown}" + (f"；另有 {rest} 处" if rest > 0 else ""))


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of one call once it has been checked."""

    call: Call
    transaction: Transaction
    message: Message
    head: Mapping[str, str]
    content: str
    received_at: datetime
    warnings: tuple[str, ...]
    version: str
    visits: tuple[str, ...]
    """Business keys it takes, its own first; empty for a read."""
    allowance: Allowance
    ruling: Ruling = UNRULED
    """What the rules made of it."""
    anew: bool = False
    """To be sent although the same is in force: that no longer does what it says."""

    @property
    def request_id(self) -> str | None:
        return self.head.get("request_id") or None


class Exchange:
    """Carries calls to one province.

    Args:
        interface: returns the interface in force; taken once per call, so that a reload never mixes versions.
        sender: facts of the institution for the envelope.
        node: under what this process begins exchanges now (``gateway/exchange/nodes.py``).
        unknown_fields: ``warn`` or ``refuse`` for fields that no table has.
        wait: pauses the calling thread for so many seconds.
        twin_wait_s: seconds a caller waits for the first answer to the same request, or for the exchange before it.
        after_restore: asked, with infno and visits, before anything but a read is carried; raises ``Refused`` for what
            the journal may have lost in a restore.
        gate: passed before the intent is written; a turn on the way to the platform.
        times: how long the parts of a call may take.
        monotonic: seconds that no clock step changes.
        still_mine: asked right before the first byte: whether what was begun under a registration may still be sent.
        reached: told the name of each boundary of the way and the infno (tests kill the process there).
        rules: asked before anything is intended.
        shelf: where received files are; None: none are received.
    """

    def __init__(
        self,
        *,
        interface: Callable[[], Interface],
        journal: Journal,
        platform: SettlementPlatform,
        msgids: Msgids,
        sender: Sender,
        clock: Clock,
        sign_ins: SignIns,
        observer: Observer,
        node: Callable[[], Registration] = Registration,
        unknown_fields: str = "warn",
        wait: Callable[[float], None] = time.sleep,
        twin_wait_s: float = TWIN_WAIT_S,
        after_restore: Callable[[str, Sequence[str]], None] = lambda _, __: None,
        gate: Gate = OPEN_GATE,
        times: Times = TIMES,
        monotonic: Callable[[], float] = time.monotonic,
        still_mine: Callable[[Registration], bool] = lambda _: True,
        reached: Callable[[str, str], None] = lambda _, __: None,
        rules: Rules = NO_RULES,
        shelf: Shelf | None = None,
    ) -> None:
        self._interface = interface
        self._rules = rules
        self._shelf = shelf
        self._journal = journal
        self._platform = platform
        self._msgids = msgids
        self._sender = sender
        self._clock = clock
        self._sign_ins = sign_ins
        self._renewal = Renewal(sign_ins, self._sign_in, wait)
        self._observer = observer
        self._node = node
        self._refuse_unknown = unknown_fields == "refuse"
        self._wait = wait
        self._twin_wait_s = twin_wait_s
        self._after_restore = after_restore
        self._gate = gate
        self._times = times
        self._monotonic = monotonic
        self._still_mine = still_mine
        self._reached = reached
        self._unrecorded: dict[int, Outcome] = {}
        self._perhaps_intended: dict[str, int] = {}

    @property
    def interface(self) -> Interface:
        """The interface in force now, for façades that read messages."""
        return self._interface()

    # ------------------------------------------------------------ the way

    def handle(self, call: Call) -> Reply:
        """Carry one call.

        Returns:
            The platform's answer, a confirmed answer given again, or a refusal; never raises for what a caller or the
            platform did wrong, except:

        Raises:
            Unreadable: the client may not call this transaction (GW-2003); a SOAP Fault or HTTP 403.
        """
        received_at = self._clock()
        allowance = Allowance(self._monotonic, self._times, call.client.call_s_max)
        call = set_aside(call)
        reply = self._handled(call, received_at, allowance)
        if self._signed_in_anew(call, reply):
            # refused for the sign-in alone, so certainly not done: once more, as a new attempt
            return self._handled(call, self._clock(), allowance)
        return reply

    def _handled(self, call: Call, received_at: datetime, allowance: Allowance) -> Reply:
        interface = self._interface()
        try:
            transaction = interface.operation(call.infno)
            _may_call(call.client, transaction)
            case = self._checked(call, transaction, interface, received_at, allowance)
            if transaction.safety == "read":
                return self._answered_before(case, interface) or self._ask_ruled(case, interface)
            self._after_restore(transaction.infno, case.visits)
            return self._once(case, interface)
        except Refused as refusal:
            return self._refused(call, refusal, received_at)
        except Unreadable as refusal:
            self._refused(call, refusal, received_at)
            refusal.journaled = True
            raise
        except JournalUnavailable:
            log.exception("journal_unavailable", infno=call.infno)
            return refusal_reply(Refused(STORE_UNAVAILABLE))

    def sign_in_anew(self, workstation: Mapping[str, str], head: Mapping[str, str], refused: str) -> bool:
        """Sign in whoever stands in ``head`` at this workstation, unless another has by now.

        Args:
            refused: the number that the platform no longer takes.
        """
        given = {**workstation, **{name: text for name, text in head.items() if text and name != "sign_no"}}
        return self._renewal.renewed(given, refused, self._clock())

    def _signed_in_anew(self, call: Call, reply: Reply) -> bool:
        """Whether the platform refused because the sign-in has ended (``sign_in_again`` of the proofs), and it is renewed."""
        if reply.code != PLATFORM_DECLINED.code or reply.repeated or call.head.get("sign_no"):
            return False
        ended = any(known in reply.err_msg for known in self._interface().contract.proofs.sign_in_again)
        if not ended or call.infno in (SIGN_IN, SIGN_OUT):
            return False
        log.warning("sign_in_ended", infno=call.infno, msgid=reply.msgid)
        try:
            bodies = self._journal.bodies(reply.exchange_id or 0)
        except JournalUnavailable:  # what the platform said stands; the next call renews it
            return False
        refused = number_in((bodies and bodies.platform_request) or b"{}")
        return self.sign_in_anew(call.client.workstation, call.head, refused)

    def _sign_in(self, head: Mapping[str, str]) -> Reply:
        head = {name: text for name, text in head.items() if name != "request_id"}
        message: dict[str, Any] = {"signIn": {}}
        return self.handle(Call(OURSELVES, SIGN_IN, message, dumps(message), OURSELVES.name, head))

    def refuse(self, call: Call, refusal: GatewayFault) -> Reply:
        """Journal a call that could not even be read, with its bytes as they came."""
        return self._refused(call, refusal, self._clock())

    # ---------------------------------------------------- check and repeat

    def _checked(
        self, call: Call, transaction: Transaction, interface: Interface, received_at: datetime, allowance: Allowance
    ) -> _Case:
        """Every problem at once: those met while reading, in the head, in the message."""
        head = {**call.client.workstation, **{name: text for name, text in call.head.items() if text}}
        given = with_workstation(call.message, head) if transaction.infno == SIGN_IN else call.message
        message, found = interface.input(transaction.infno).check(given)
        told = {(problem.node, problem.row, problem.field) for problem in call.problems}
        rest = [problem for problem in found.problems if (problem.node, problem.row, problem.field) not in told]
        problems = [*call.problems, *head_problems(interface.contract, head), *rest]
        problems += interface.too_many_rows(transaction.infno, message)
        warnings = list(found.warnings)
        if unknown := dict.fromkeys([*call.unknown, *unknown_in_head(interface.contract, call.head), *found.unknown]):
            names = "、".join(unknown)
            if self._refuse_unknown:
                text = f"接口没有的字段：{names}"
                problems.append(Problem("", "", names, "未知字段", "", "unknown", text))
            else:
                warnings.append(f"以下字段不在接口中，未上传：{names}")
        if problems:
            raise ContentWrong(problems)
        content = content_hash(transaction.infno, message)
        return _Case(
            call=call,
            transaction=transaction,
            message=message,
            head=head,
            content=content,
            received_at=received_at,
            warnings=tuple(warnings),
            version=interface.contract.version + (f"+{call.dialect_version}" if call.dialect_version else ""),
            visits=() if transaction.safety == "read" else self._visits(transaction.infno, message, content),
            allowance=allowance,
        )

    def _visits(self, infno: str, message: Message, content: str) -> tuple[str, ...]:
        """The keys of what it is about; a reversal is about what it reverses."""
        if infno == REVERSAL:
            omsgid = next((value for kind, value in business_keys(message) if kind == "omsgid"), "")
            original = self._journal.search(Query(msgid=omsgid, limit=1)) if omsgid else []
            if original and original[0].business_key:
                return (original[0].business_key,)
        keys = visit_keys(self._sender.fixmedins_code, message)
        return tuple(keys) if keys else (content_key(infno, content),)

    # ------------------------------------------------- twins and neighbours

    def _answered_before(self, case: _Case, interface: Interface) -> Reply | None:
        """The answer to a repeated ``request_id`` of a read, or None when this is a new attempt."""
        holder = self._holder(case)
        return self._joined(case, holder, Patience(self._wait, 0), interface) if holder else None

    def _once(self, case: _Case, interface: Interface) -> Reply:
        """Carry the call out, unless the same is open or in force; one at a time per visit."""
        patience = Patience(self._wait, self._twin_wait_s, case.allowance.spare_s)
        for _ in range(JUDGED_MAX):
            holder = self._holder(case)
            anew = self._is_outdated(case, holder)
            reply = self._joined(case, holder, patience, interface) if holder and not anew else None
            if reply is not None:
                return reply
            try:
                ruled = self._ruled(replace(case, anew=anew), interface)
                with self._turn(ruled):
                    intent = self._intent(ruled, interface)
                    return self._carry_out(ruled, intent, self._intend(intent), interface)
            except (RequestIdTaken, InForce, StayChanged):
                continue  # a twin was faster, or something was told of the stay since it was judged
            except InFlight as other:
                self._await_end(other.exchange_id, patience)
            except Busy as busy:
                self._await_turn(busy.holder, patience)
            except Refused:
                # a discharge is refused after a discharge: unless it was this very one, by a twin that was faster
                if anew or not _stands(self._holder(case)):
                    raise
        raise Refused(VISIT_BUSY, "该次就诊的情况变化频繁")

    def _ask_ruled(self, case: _Case, interface: Interface) -> Reply:
        """A read that rules guard (2303)."""
        patience = Patience(self._wait, self._twin_wait_s, case.allowance.spare_s)
        while True:
            try:
                return self._ask(self._ruled(case, interface), interface)
            except InFlight as other:
                self._await_end(other.exchange_id, patience)

    def _ruled(self, case: _Case, interface: Interface) -> _Case:
        """The case as the rules leave it. Raises ``Refused`` with an ET code, ``InFlight``."""
        ruling = self._rules.rule(
            case.transaction, case.message, interface, self._inquiry(case, interface, case.allowance)
        )
        if ruling.amended:
            _, found = interface.input(case.transaction.infno).check(ruling.message)
            if found.problems:
                raise ContentWrong(found.problems)
        return replace(case, message=ruling.message, warnings=(*case.warnings, *ruling.warnings), ruling=ruling)

    def _is_outdated(self, case: _Case, holder: Entry | None) -> bool:
        if holder is None or case.request_id is not None or not holder.in_force:
            return False
        return self._rules.outdated(case.transaction, case.message)

    def _await_end(self, exchange_id: int, patience: Patience) -> None:
        """Wait until an exchange that the rules have to know the end of is closed. Raises ``Refused`` GW-1423."""
        holder = self._journal.get(exchange_id)
        if holder is not None and patience.watch(self._journal, holder, (State.INTENDED,)).state is State.INTENDED:
            raise Refused(VISIT_BUSY, f"{holder.infno}，msgid {holder.msgid}")

    def _inquiry(self, case: _Case, interface: Interface, allowance: Allowance) -> Ask:
        """A way to ask the platform something in the name of who called."""

        def ask(infno: str, message: Mapping[str, Any]) -> Any:
            transaction = interface.contract.transactions.get(infno)
            if transaction is None:
                return None
            head = {name: text for name, text in case.head.items() if name != "request_id"}
            call = Call(OURSELVES, infno, message, dumps(message), OURSELVES.name, head)
            try:
                reply = self._ask(self._checked(call, transaction, interface, self._clock(), allowance), interface)
            except Refused as refusal:
                log.warning("not_asked", infno=infno, code=refusal.fault.code, reason=refusal.text)
                return None
            return (reply.output or {}) if not reply.code else None

        return ask

    def _turn(self, case: _Case) -> AbstractContextManager[None]:
        """Before the intent: who is turned away has cost nothing, and waits without holding the visit."""
        return self._gate.enter(case.call.client.name, case.transaction.safety, case.allowance.turn_wait_s())

    def _holder(self, case: _Case) -> Entry | None:
        """The exchange that may already be this one: by the caller's own number, else by visit and content."""
        if case.request_id is not None:
            return self._journal.find_request(case.call.client.name, case.request_id)
        if not case.visits:
            return None
        return self._journal.find_effective(case.transaction.infno, case.visits[0], case.content)

    def _joined(self, case: _Case, holder: Entry, patience: Patience, interface: Interface) -> Reply | None:
        """What the first of these twins was told, or None when this is a new attempt."""
        same = (holder.infno, holder.content_hash) == (case.transaction.infno, case.content)
        if holder.state not in FREE and not same:
            raise Refused(
                REQUEST_ID_TAKEN, f"request_id {case.request_id} 已用于 msgid {holder.msgid} 的 {holder.infno}"
            )
        waiting = holder.state is State.INTENDED
        if waiting:
            holder = patience.watch(self._journal, holder, (State.INTENDED, State.IN_DOUBT))
        if holder.state is State.CONFIRMED and holder.undone_by is not None:
            return None
        if holder.safety == "read" and self._is_gone(holder):
            return None
        return self._reply_of(holder, interface) if waiting or holder.state not in FREE else None

    def _await_turn(self, holder: Entry, patience: Patience) -> None:
        """Wait until another exchange about the same visit is closed. Raises ``Refused`` GW-1423, GW-1425."""
        holder = patience.watch(self._journal, holder, (State.INTENDED,))
        where = f"{holder.infno}，msgid {holder.msgid}"
        if holder.state is State.INTENDED:
            raise Refused(VISIT_BUSY, where)
        if holder.state in UNRESOLVED:
            raise Refused(VISIT_UNRESOLVED, where)

    def _reply_of(self, entry: Entry, interface: Interface) -> Reply:
        """What a caller is told of an exchange as it stands, without sending anything."""
        if entry.state in (State.CONFIRMED, State.DECLINED):
            return self._answered_again(entry, interface)
        if entry.state in _TOLD:
            return _open_reply(entry, _TOLD[entry.state])
        return Reply(
            infcode="-1",
            msgid=entry.msgid or "",
            err_msg=entry.err_msg,
            code=entry.code,
            retry=FAULTS[entry.code].retry if entry.code in FAULTS else "",
            exchange_id=entry.id,
        )

    def _is_gone(self, holder: Entry) -> bool:
        """Whether its bytes were removed at the end of their time: a read is then asked anew."""
        bodies = self._journal.bodies(holder.id)
        return bodies is not None and bool(bodies.gone)

    def _answered_again(self, holder: Entry, interface: Interface) -> Reply:
        bodies = self._journal.bodies(holder.id)
        if bodies and bodies.gone:
            return _bare_reply(holder, bodies.gone)
        proven = bodies and bodies.proof_answer
        answer = read_answer(proven or (bodies and bodies.platform_answer) or b"", interface.success_infcodes)
        return Reply(
            infcode=answer.infcode,
            msgid=holder.msgid or "",
            inf_refmsgid=answer.inf_refmsgid,
            err_msg=answer.err_msg,
            warn_msg="；".join(dict.fromkeys(filter(None, (answer.warn_msg, holder.warn_msg if proven else "")))),
            code=holder.code,
            retry="" if answer.success else PLATFORM_DECLINED.retry,
            output=handed_over(holder.infno, answer.output, self._shelf),
            exchange_id=holder.id,
            repeated=True,
            receipt=_receipt(holder),
        )

    # ------------------------------------------------ asked without sending

    def outcome(self, client: Client, *, request_id: str = "", mdtrt_id: str = "", infno: str = "") -> Reply | None:
        """What became of an exchange, without sending anything (contract, ``Outcome``).

        Args:
            client: who asks; with ``request_id`` only the client's own.
            request_id: the caller's own number.
            mdtrt_id: else the newest exchange of ``infno`` about this visit.

        Returns:
            The reply a repeat would get, with ``state``; None when the journal knows of no such exchange.

        Raises:
            Unreadable: GW-2003, the client may not call this transaction.
            JournalUnavailable: the journal cannot be read.
        """
        entry = self._asked_for(client, request_id, mdtrt_id, infno)
        if entry is None:
            return None
        interface = self._interface()
        reply = self._reply_of(entry, interface)
        if entry.undone_by is not None:
            undone = self._journal.get(entry.undone_by)
            text = f"该笔此后已由 {undone.infno if undone else ''}（编号 {entry.undone_by}）撤销，不再有效"
            reply = replace(reply, warn_msg="；".join(filter(None, (reply.warn_msg, text))))
        return replace(reply, state=entry.state.value, infno=entry.infno)

    def _asked_for(self, client: Client, request_id: str, mdtrt_id: str, infno: str) -> Entry | None:
        if request_id:
            return self._journal.find_request(client.name, request_id)
        if not client.may_call(infno):
            raise Unreadable(TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权查询 {infno}")
        states = [state for state in State if state not in (State.REFUSED, State.RECEIVED)]
        query = Query(keys=[("mdtrt_id", mdtrt_id)], infno=infno, states=states, limit=1)
        return next(iter(self._journal.search(query)), None)

    def told(self, reply: Reply, *, written: bool) -> None:
        """Keep whether a reply went out whole: confirmed money that nobody heard of is on a work list.

        Args:
            written: the last byte was handed to the caller's connection.
        """
        if reply.receipt is None:
            return
        if not written:
            log.error("reply_broken", exchange=reply.receipt, msgid=reply.msgid)
        try:
            self._journal.mark_reply(reply.receipt, WRITTEN if written else BROKEN)
        except JournalUnavailable:
            log.exception("reply_not_marked", exchange=reply.receipt, msgid=reply.msgid)

    # ------------------------------------------------------ send and settle

    def _ask(self, case: _Case, interface: Interface) -> Reply:
        """A read: no write-ahead; one row when it is over. A lost answer is asked for again, with the same msgid."""
        intent = self._intent(case, interface)
        started = self._clock()
        try:
            with self._turn(case):
                result, answer = self._ask_platform(_request(case, intent), interface, case.allowance)
        except NotSent as error:
            return self._unsent(intent, _unsent_fault(error), error)
        except (NoAnswer, Garbage) as error:
            return self._unsent(intent, READ_UNANSWERED, error)
        entry = self._journal.record(intent, self._outcome(case, result, answer, started))
        return self._told(case, entry, result)

    def _ask_platform(
        self, request: PlatformRequest, interface: Interface, allowance: Allowance
    ) -> tuple[Answer, PlatformAnswer]:
        """A query may be cut short when its caller gives up; whatever changes something gets all its time."""
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._platform.send(replace(request, read_timeout_s=allowance.answer_s()))
                return read_answer(answer.body, interface.success_infcodes), answer
            except (NoAnswer, Garbage) as error:
                if tries == READ_TRIES or allowance.left_s() <= 0:
                    raise
                log.warning("read_unanswered", msgid=request.msgid, infno=request.infno, reason=str(error))

    def _intend(self, intent: Intent) -> Entry:
        """Durable before the first byte leaves."""
        self._reached("before_intent", intent.infno)
        try:
            entry = self._journal.intend(intent)
        except JournalUnavailable:
            # the answer to the commit may have been lost, not the commit
            self._perhaps_intended[intent.msgid or ""] = LOST_COMMIT_LOOKS
            raise
        self._reached("after_intent", intent.infno)
        return entry

    def _carry_out(self, case: _Case, intent: Intent, entry: Entry, interface: Interface) -> Reply:
        """Send what is durable, once; settled after the last byte came."""
        started = self._clock()
        answer: PlatformAnswer | None = None
        still_mine = partial(self._still_mine, Registration(entry.node, entry.epoch))
        self._reached("before_send", entry.infno)
        try:
            answer = self._platform.send(replace(_request(case, intent), still_mine=still_mine))
            self._reached("after_send", entry.infno)
            result = read_answer(answer.body, interface.success_infcodes)
            trustworthy(result, case.transaction)
        except NotSent as error:
            return self._unsent(intent, _unsent_fault(error), error, entry)
        except (NoAnswer, Garbage) as error:
            return self._in_doubt(entry, answer, error, started)
        except Exception as error:  # the platform may have acted: whatever broke here, the outcome is unknown
            log.exception("send_failed", msgid=entry.msgid, infno=entry.infno)
            return self._in_doubt(entry, answer, error, started)
        outcome = self._outcome(case, result, answer, started)
        closed = self._finished(entry, replace(outcome, **effects(interface, entry)))
        if closed is None:
            return _open_reply(entry, IN_DOUBT)
        if closed.in_force:
            own = Allowance(self._monotonic, self._times, None)
            self._rules.confirmed(closed.infno, outcome.stay, self._inquiry(case, interface, own))
        return self._told(case, closed, result)

    def _finished(self, entry: Entry, outcome: Outcome) -> Entry | None:
        """The closed row; None when the store would not take the outcome, or others have declared the exchange doubtful."""
        self._reached("before_outcome", entry.infno)
        try:
            closed = self._journal.finish(entry.id, outcome)
        except ValueError:
            self._came_late(entry.id, outcome)
            return None
        except Exception:  # the platform has acted: until the journal can say so the outcome is unknown
            log.exception("outcome_not_recorded", msgid=entry.msgid, infno=entry.infno)
            self._unrecorded[entry.id] = outcome
            return None
        self._reached("after_outcome", entry.infno)
        return closed

    def _came_late(self, exchange_id: int, outcome: Outcome) -> None:
        """What the sender learns of what is doubtful by now is evidence for the resolver, and of nothing else."""
        entry = self._journal.get(exchange_id)
        if entry is None or entry.state is outcome.state:
            return
        if outcome.state is State.NOT_SENT:
            kind, text = ProofKind.UNSENT, f"办理节点证实没有发出：{outcome.err_msg}"
        elif outcome.platform_answer is not None:
            kind, text = ProofKind.LATE_ANSWER, f"迟到的答复，此时状态为 {entry.state.value}"
        else:
            return
        log.warning(kind.value, msgid=entry.msgid, infno=entry.infno, state=entry.state.value)
        proof = Proof(kind, outcome.finished_at, text, entry.infno, entry.msgid or "")
        self._journal.add_proof(exchange_id, replace(proof, answer=outcome.platform_answer))

    def settle_unrecorded(self) -> int:
        """Bring into the journal what it refused while it was unavailable; how many outcomes are still left.

        Outcomes that came while nothing could be written, and intents whose commit got no answer: those were never
        sent. Called now and then for as long as the process lives.
        """
        try:
            for exchange_id, outcome in list(self._unrecorded.items()):
                try:
                    self._journal.finish(exchange_id, outcome)
                except ValueError:
                    self._came_late(exchange_id, outcome)
                del self._unrecorded[exchange_id]
            for msgid, looks in list(self._perhaps_intended.items()):
                self._perhaps_intended[msgid] = looks - 1
                if self._withdraw(msgid) or looks <= 1:
                    del self._perhaps_intended[msgid]
        except JournalUnavailable:
            log.warning("journal_still_unavailable", outcomes=len(self._unrecorded))
        return len(self._unrecorded)

    def _withdraw(self, msgid: str) -> bool:
        """Close an intent that was written although nobody heard so; whether it was there."""
        text = f"{STORE_UNAVAILABLE.title}：意向已写入而未得确认，没有发送"
        for entry in self._journal.search(Query(msgid=msgid, states=(State.INTENDED, State.IN_DOUBT))):
            unsent = Outcome(State.NOT_SENT, self._clock(), infcode="-1", err_msg=text, code=STORE_UNAVAILABLE.code)
            try:
                self._journal.finish(entry.id, unsent)
            except ValueError:  # others took this node for dead
                self._came_late(entry.id, unsent)
            return True
        return False

    def _intent(self, case: _Case, interface: Interface) -> Intent:
        """What will be made durable: the very msgid and bytes that will leave."""
        call, transaction = case.call, case.transaction
        node = call.under or self._node()
        msgid = self._msgids.next()
        now = self._clock()
        opter = case.head.get("opter", "")
        head = dict(case.head)
        if transaction.infno != SIGN_IN:
            head.setdefault("sign_no", self._sign_ins.number(opter, now))
        body = write_request(
            interface.contract, self._sender, head, transaction.send_as or transaction.infno, msgid, now, case.message
        )
        return Intent(
            infno=transaction.infno,
            safety=transaction.safety,
            client=call.client.name,
            channel=call.channel,
            institution=self._sender.fixmedins_code,
            province=interface.contract.province,
            received_at=case.received_at,
            mapping_version=case.version,
            caller_request=call.raw,
            caller_charset=call.raw_charset,
            request_id=case.request_id,
            content_hash=case.content,
            msgid=msgid,
            platform_request=body,
            keys=business_keys(case.message),
            opter=opter,
            node=node.name,
            epoch=node.epoch,
            business_key=case.visits[0] if case.visits else "",
            busy_keys=case.visits,
            once=case.request_id is None and not case.anew,
            stay=case.ruling.facts,
            stay_versions=case.ruling.versions,
            evidence=case.ruling.evidence,
        )

    def _outcome(self, case: _Case, result: Answer, answer: PlatformAnswer, started: datetime) -> Outcome:
        finished = self._clock()
        told = bool(case.ruling.facts) and result.success
        return Outcome(
            state=State.CONFIRMED if result.success else State.DECLINED,
            finished_at=finished,
            platform_answer=answer.body,
            infcode=result.infcode,
            inf_refmsgid=result.inf_refmsgid,
            err_msg=result.err_msg,
            warn_msg=result.warn_msg,
            code="" if result.success else PLATFORM_DECLINED.code,
            keys=business_keys(result.output),
            elapsed_ms=_milliseconds(started, finished),
            stay=stay_facts(case.transaction.infno, case.message, result.output) if told else (),
            wire=answer.wire,
        )

    # -------------------------------------------------------------- replies

    def _told(self, case: _Case, entry: Entry, result: Answer) -> Reply:
        if result.success:
            self._sign_ins.learn(entry.infno, entry.opter, entry.received_at, result.output)
        self._observed(entry)
        return Reply(
            infcode=result.infcode,
            msgid=entry.msgid or "",
            inf_refmsgid=result.inf_refmsgid,
            err_msg=result.err_msg,
            warn_msg="；".join(filter(None, (result.warn_msg, *case.warnings))),
            code=entry.code,
            retry="" if result.success else PLATFORM_DECLINED.retry,
            output=handed_over(entry.infno, result.output, self._shelf),
            exchange_id=entry.id,
            receipt=_receipt(entry),
        )

    def _unsent(self, intent: Intent, fault: Fault, error: Exception, entry: Entry | None = None) -> Reply:
        """Nothing was done: ``entry`` is the intent to close; a read has none and is recorded now."""
        text = f"{fault.title}：{error}" if str(error) else fault.title
        outcome = Outcome(State.NOT_SENT, self._clock(), infcode="-1", err_msg=text, code=fault.code)
        log.warning("not_sent", msgid=intent.msgid, infno=intent.infno, code=fault.code, reason=str(error))
        closed = self._finished(entry, outcome) if entry else self._journal.record(intent, outcome)
        if closed is None:
            return _open_reply(entry, TWIN_WAITING) if entry else _reply_of_fault(fault, text, None)
        self._observed(closed)
        return _reply_of_fault(fault, text, closed)

    def _in_doubt(self, entry: Entry, answer: PlatformAnswer | None, error: Exception, started: datetime) -> Reply:
        finished = self._clock()
        outcome = Outcome(
            state=State.IN_DOUBT,
            finished_at=finished,
            platform_answer=answer.body if answer else None,
            err_msg=f"{IN_DOUBT.title}：{error}",
            code=IN_DOUBT.code,
            elapsed_ms=_milliseconds(started, finished),
            wire=answer.wire if answer else getattr(error, "wire", None),
        )
        log.error("in_doubt", msgid=entry.msgid, infno=entry.infno, reason=str(error))
        entry = self._finished(entry, outcome) or entry
        self._observed(entry)
        return _open_reply(entry, IN_DOUBT)

    def _refused(self, call: Call, refusal: GatewayFault, received_at: datetime) -> Reply:
        """Journal the refusal with the bytes as they came; a journal that is down does not hide the refusal."""
        intent = Intent(
            infno=call.infno[:20],
            safety="read",
            client=call.client.name,
            channel=call.channel,
            institution=self._sender.fixmedins_code,
            received_at=received_at,
            mapping_version="",
            caller_request=call.raw,
            caller_charset=call.raw_charset,
            request_id=call.head.get("request_id") or None,
            keys=business_keys(call.message),
            opter=call.head.get("opter", ""),
            evidence=refusal.evidence,
        )
        state = State.NOT_SENT if isinstance(refusal, TurnLost) else State.REFUSED
        outcome = Outcome(state, self._clock(), infcode="-1", err_msg=refusal.text, code=refusal.fault.code)
        entry: Entry | None = None
        try:
            entry = self._journal.record(intent, outcome)
            self._observed(entry)
        except JournalUnavailable:
            log.exception("refusal_not_recorded", infno=call.infno, code=refusal.fault.code)
        return refusal_reply(refusal, entry)

    def _observed(self, entry: Entry) -> None:
        seconds = ((entry.finished_at or entry.received_at) - entry.received_at).total_seconds()
        self._observer.count_exchange(entry.infno, entry.state, entry.client, seconds)
        if entry.elapsed_ms:
            self._observer.observe_platform(entry.infno, entry.elapsed_ms / 1000)
        if entry.code:
            self._observer.count_fault(entry.code)
        log.info("exchange", msgid=entry.msgid, infno=entry.infno, client=entry.client, state=entry.state.value,
                 code=entry.code, seconds=round(seconds, 3))  # fmt: skip


_TOLD: Mapping[State, Fault] = {
    State.INTENDED: TWIN_WAITING,
    State.IN_DOUBT: IN_DOUBT,
    State.ESCALATED: ESCALATED,
    State.NOT_DONE: NOT_DONE,
    State.REVERSED: NOT_DONE,
}
"""What a caller is told of a state that has no answer of the platform."""


def _stands(holder: Entry | None) -> bool:
    """Whether there is an answer, or will be, that a repeat gets instead of being carried out."""
    return holder is not None and holder.state not in FREE and holder.undone_by is None


def _receipt(entry: Entry) -> int | None:
    return entry.id if entry.in_force and entry.safety == "money" else None


def _unsent_fault(error: NotSent) -> Fault:
    if isinstance(error, NotMine):
        return TAKEN_OVER
    return FRONT_REJECTED if isinstance(error, Rejected) else NOT_REACHED


def _may_call(client: Client, transaction: Transaction) -> None:
    if not client.may_call(transaction.infno):
        raise Unreadable(
            TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {transaction.infno} {transaction.name}"
        )


def trustworthy(result: Answer, transaction: Transaction) -> None:
    """A success without the output it must have proves nothing (envelope.yaml doubts: infcode 0 with an err_msg).

    Raises:
        Garbage: no output at all, or an ``err_msg`` and a required node missing: the outcome is unknown.
    """
    required = [node.name for node in transaction.output.nodes if any(spec.required for spec in node.fields)]
    if not result.success or not required:
        return
    output = result.output if isinstance(result.output, dict) else {}
    missing = [name for name in required if not output.get(name)]
    if not output or (missing and result.err_msg):
        raise Garbage(f"infcode 为成功但没有应有的输出 {'、'.join(missing)}，平台提示：{result.err_msg[:200] or '无'}")


def _request(case: _Case, intent: Intent) -> PlatformRequest:
    assert intent.msgid is not None
    assert intent.platform_request is not None
    infno = case.transaction.infno
    wire = case.transaction.send_as or infno
    return PlatformRequest(
        wire,
        intent.msgid,
        intent.platform_request,
        parcel=case.call.parcel,
        alone=case.transaction.safety != "read",
        wants_file=wanted_file(infno, case.message),
    )


def _reply_of_fault(fault: Fault, text: str, entry: Entry | None) -> Reply:
    return Reply(
        infcode="-1",
        msgid=(entry.msgid if entry else None) or "",
        err_msg=text,
        code=fault.code,
        retry=fault.retry,
        exchange_id=entry.id if entry else None,
    )


def _open_reply(entry: Entry, fault: Fault) -> Reply:
    return _reply_of_fault(fault, f"{fault.title}：{fault.action}", entry)


def _bare_reply(entry: Entry, gone: str) -> Reply:
    """What is still known of an exchange whose bytes were removed at the end of their time."""
    return Reply(
        infcode=entry.infcode or "-1",
        msgid=entry.msgid or "",
        inf_refmsgid=entry.inf_refmsgid,
        err_msg=entry.err_msg,
        warn_msg="；".join(filter(None, (entry.warn_msg, gone))),
        code=entry.code,
        retry="" if entry.state is State.CONFIRMED else PLATFORM_DECLINED.retry,
        exchange_id=entry.id,
        repeated=True,
        receipt=_receipt(entry),
    )


def refusal_reply(refusal: GatewayFault, entry: Entry | None = None) -> Reply:
    """The normal reply of a refusal: ``infcode`` -1 and the fault code."""
    return Reply(
        infcode="-1",
        err_msg=refusal.text,
        code=refusal.fault.code,
        retry=refusal.fault.retry,
        problems=tuple(getattr(refusal, "problems", ())),
        retry_after_s=refusal.retry_after_s,
        exchange_id=entry.id if entry else None,
    )


def _milliseconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds() * 1000))
