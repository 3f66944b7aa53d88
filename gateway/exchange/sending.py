"""To the platform and back, once: durable before the first byte leaves, settled after the last has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from gateway.contract.envelope import Answer, Garbage, Sender, read_answer, write_request
from gateway.contract.interface import Interface
from gateway.contract.model import Transaction
from gateway.exchange.again import noted
from gateway.exchange.call import Reply
from gateway.exchange.case import Case
from gateway.exchange.content import business_keys
from gateway.exchange.effects import effects
from gateway.exchange.filed import wanted_file
from gateway.exchange.gate import OPEN_GATE, Gate, TurnLost
from gateway.exchange.observer import Observer, observe
from gateway.exchange.patience import Allowance
from gateway.exchange.ports import (
    Clock,
    Intent,
    Journal,
    JournalUnavailable,
    Msgids,
    NoAnswer,
    NotMine,
    NotSent,
    Outcome,
    PlatformAnswer,
    PlatformRequest,
    Prepared,
    Proof,
    ProofKind,
    Query,
    Registration,
    Rejected,
    SettlementPlatform,
    State,
)
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.replies import Replies, fault_reply, open_reply
from gateway.exchange.sign_in import SIGN_IN, SignIns
from gateway.exchange.stay_rules import answered_facts
from gateway.faults import (
    CLIENT_LIMIT,
    FRONT_REJECTED,
    IN_DOUBT,
    NOT_REACHED,
    PLATFORM_DECLINED,
    READ_UNANSWERED,
    STORE_UNAVAILABLE,
    TAKEN_OVER,
    TWIN_WAITING,
    Fault,
)
from gateway.stays.ports import StayFact

log = structlog.get_logger(__name__)

LOST_COMMIT_LOOKS: Final = 60
"""Looks for an intent whose commit got no answer: a database that was cut off may still complete it."""
READ_TRIES: Final = 2
"""A query changes nothing, so one lost answer is asked for once more by the gateway itself."""

Confirmed = Callable[[Case, Interface, Entry, Sequence[StayFact]], None]
"""Told of what the platform has answered, once the journal knows; ``Entry.in_force`` says whether it was done."""


class Sending:
    """Carries checked and ruled cases to one platform.

    Args:
        sender: facts of the institution for the envelope.
        replies: makes what the caller is told.
        node: under what this process begins exchanges now (``gateway/exchange/nodes.py``).
        gate: passed before the intent is written; a turn on the way to the platform.
        still_mine: asked right before the first byte: whether what was begun under a registration may still be sent.
        reached: told the name of each boundary of the way and the infno (tests kill the process there).
        confirmed: told before the caller is.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        platform: SettlementPlatform,
        msgids: Msgids,
        sender: Sender,
        clock: Clock,
        sign_ins: SignIns,
        observer: Observer,
        replies: Replies,
        node: Callable[[], Registration] = Registration,
        gate: Gate = OPEN_GATE,
        still_mine: Callable[[Registration], bool] = lambda _: True,
        reached: Callable[[str, str], None] = lambda _, __: None,
        confirmed: Confirmed = lambda _, __, ___, ____: None,
    ) -> None:
        self._journal = journal
        self._platform = platform
        self._msgids = msgids
        self._sender = sender
        self._clock = clock
        self._sign_ins = sign_ins
        self._observer = observer
        self._replies = replies
        self._node = node
        self._gate = gate
        self._still_mine = still_mine
        self._reached = reached
        self._confirmed = confirmed
        self._unrecorded: dict[int, Outcome] = {}
        self._perhaps_intended: dict[str, int] = {}

    # ---------------------------------------------------------------- reads

    def ask(self, case: Case, interface: Interface) -> Reply:
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
        adopts = case.call.adopts(result.output or {}) if case.call.adopts and result.success else ()
        outcome = replace(self._outcome(case, result, answer, started), adopts=adopts)
        entry = self._journal.record(intent, outcome)
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

    # -------------------------------------------------- what changes something

    def send(self, case: Case, interface: Interface) -> Reply:
        """Write the intent, send it, write what came of it.

        Raises:
            TurnLost: GW-4003 and the like, before anything was written.
            RequestIdTaken, InForce, StayChanged, Busy, ResentAlready: the store had another before this one; nothing was sent.
            JournalUnavailable: nothing was sent.
        """
        with self._turn(case):
            if case.allowance.left_s() <= 0:
                # a process that stood still: whoever asked has hung up long ago, and may have been told otherwise since
                raise TurnLost(CLIENT_LIMIT, "已过本次调用的时限，没有发送")
            intent = self._intent(case, interface)
            try:
                prepared = self._platform.prepare(_request(case, intent))
            except NotSent as error:
                return self._unsent(intent, _unsent_fault(error), error)
            intent = replace(intent, wire_request=prepared.kept if prepared else None)
            return self._carry_out(case, intent, prepared, self._intend(intent), interface)

    def _turn(self, case: Case) -> AbstractContextManager[None]:
        """Before the intent: who is turned away has cost nothing, and waits without holding the visit."""
        return self._gate.enter(case.call.client.name, case.transaction.safety, case.allowance.turn_wait_s())

    def _intent(self, case: Case, interface: Interface) -> Intent:
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
            keys=case.keys,
            opter=opter,
            node=node.name,
            epoch=node.epoch,
            business_key=case.visits[0] if case.visits else "",
            busy_keys=case.visits,
            once=(case.request_id is None or call.resend is not None) and not case.anew,
            seen=None if call.resend is not None else case.seen,
            stay=case.ruling.facts,
            stay_versions=case.ruling.versions,
            evidence=(*noted(call, case.received_at), *case.ruling.evidence),
            resends=call.resend.original if call.resend is not None else None,
        )

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

    def _carry_out(
        self, case: Case, intent: Intent, prepared: Prepared | None, entry: Entry, interface: Interface
    ) -> Reply:
        """Send what is durable, once; settled after the last byte came."""
        started = self._clock()
        answer: PlatformAnswer | None = None
        still_mine = partial(self._still_mine, Registration(entry.node, entry.epoch))
        self._reached("before_send", entry.infno)
        try:
            request = replace(_request(case, intent), prepared=prepared, still_mine=still_mine)
            answer = self._platform.send(request)
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
            return open_reply(entry, IN_DOUBT)
        self._confirmed(case, interface, closed, outcome.stay or case.ruling.facts)
        return self._told(case, closed, result)

    def _outcome(self, case: Case, result: Answer, answer: PlatformAnswer, started: datetime) -> Outcome:
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
            stay=answered_facts(case.transaction.infno, case.ruling.facts, result.output) if told else (),
            wire=answer.wire,
        )

    def _told(self, case: Case, entry: Entry, result: Answer) -> Reply:
        if result.success:
            self._sign_ins.learn(entry, result.output)
        observe(self._observer, entry)
        return self._replies.answered(entry, result, case.warnings)

    # ------------------------------------------------- how it may end otherwise

    def _unsent(self, intent: Intent, fault: Fault, error: Exception, entry: Entry | None = None) -> Reply:
        """Nothing was done: ``entry`` is the intent to close; a read has none and is recorded now."""
        text = f"{fault.title}：{error}" if str(error) else fault.title
        outcome = Outcome(State.NOT_SENT, self._clock(), infcode="-1", err_msg=text, code=fault.code)
        log.warning("not_sent", msgid=intent.msgid, infno=intent.infno, code=fault.code, reason=str(error))
        closed = self._finished(entry, outcome) if entry else self._journal.record(intent, outcome)
        if closed is None:
            return open_reply(entry, TWIN_WAITING) if entry else fault_reply(fault, text, None)
        observe(self._observer, closed)
        return fault_reply(fault, text, closed)

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
        observe(self._observer, entry)
        return open_reply(entry, IN_DOUBT)

    def _finished(self, entry: Entry, outcome: Outcome) -> Entry | None:
        """The closed row; None when the store would not take the outcome, or others have declared the exchange doubtful."""
        self._reached("before_outcome", entry.infno)
        try:
            closed = self._journal.finish(entry.id, outcome, entry)
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

    # ------------------------------------------- what could not be written down

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


def _unsent_fault(error: NotSent) -> Fault:
    if isinstance(error, NotMine):
        return TAKEN_OVER
    return FRONT_REJECTED if isinstance(error, Rejected) else NOT_REACHED


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


def _request(case: Case, intent: Intent) -> PlatformRequest:
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


def _milliseconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds() * 1000))
