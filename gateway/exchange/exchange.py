"""The way of one transaction, top to bottom. SOAP, JSON, console and jobs all come through here.

Checked (``case.py``), held against who came before (``twins.py``), ruled (``stay_rules.py``), sent once (``sending.py``),
told (``replies.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog

from gateway.contract.envelope import Sender
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import Transaction
from gateway.exchange.again import must_not_be_outdated, noted
from gateway.exchange.call import OURSELVES, Adopts, Call, Client, Reply
from gateway.exchange.case import Case, Checks, ContentWrong
from gateway.exchange.content import business_keys
from gateway.exchange.filed import set_aside
from gateway.exchange.gate import OPEN_GATE, Gate, TurnLost
from gateway.exchange.observer import Observer, observe
from gateway.exchange.patience import TIMES, Allowance, Patience, Times
from gateway.exchange.ports import (
    Busy,
    Clock,
    InForce,
    Intent,
    Journal,
    JournalUnavailable,
    Msgids,
    Outcome,
    Query,
    Registration,
    RequestIdTaken,
    SettlementPlatform,
    State,
)
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.replies import Replies, refusal_reply
from gateway.exchange.sending import Sending
from gateway.exchange.sign_in import SIGN_IN, SIGN_OUT, Renewal, SignIns, at_a_workstation, number_in, sign_in_ended
from gateway.exchange.stay_rules import NO_RULES, Ask, InFlight, Rules
from gateway.exchange.twins import Twins, stands
from gateway.faults import (
    PLATFORM_DECLINED,
    STORE_UNAVAILABLE,
    TRANSACTION_FORBIDDEN,
    VISIT_BUSY,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.files.shelf import Shelf
from gateway.stays.ports import StayChanged, StayFact

log = structlog.get_logger(__name__)

TWIN_WAIT_S: Final = 30.0
JUDGED_MAX: Final = 50
"""Times that a call is judged anew because a twin or the ward was faster; then it is told to come again."""


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
        station_of: workstation at which an operator is signed in anew whose own is not known.
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
        station_of: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._interface = interface
        self._station_of = station_of
        self._rules = rules
        self._journal = journal
        self._institution = sender.fixmedins_code
        self._clock = clock
        self._renewal = Renewal(sign_ins, self._sign_in, wait)
        self._observer = observer
        self._wait = wait
        self._twin_wait_s = twin_wait_s
        self._after_restore = after_restore
        self._times = times
        self._monotonic = monotonic
        self._checks = Checks(journal, sender, unknown_fields)
        self._replies = Replies(journal, shelf)
        self._twins = Twins(journal, self._replies)
        self._sending = Sending(
            journal=journal,
            platform=platform,
            msgids=msgids,
            sender=sender,
            clock=clock,
            sign_ins=sign_ins,
            observer=observer,
            replies=self._replies,
            node=node,
            gate=gate,
            still_mine=still_mine,
            reached=reached,
            confirmed=self._confirmed,
        )

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
            ResentAlready: only for ``call.resend``: another was faster.
        """
        received_at = self._clock()
        allowance = Allowance(self._monotonic, self._times, call.client.call_s_max)
        call = set_aside(call)
        reply = self._handled(call, received_at, allowance)
        for may_sign_in in (True, False):  # the second time another node has signed the operator in at the same moment
            if not self._signed_in_anew(call, reply, may_sign_in=may_sign_in):
                break
            # refused for the sign-in alone, so certainly not done: once more, as a new attempt
            call = call.after(reply)
            reply = self._handled(call, self._clock(), allowance)
        return reply

    def _handled(self, call: Call, received_at: datetime, allowance: Allowance) -> Reply:
        interface = self._interface()
        try:
            transaction = interface.operation(call.infno)
            _may_call(call.client, transaction)
            case = self._checks.case(call, transaction, interface, received_at, allowance)
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

    def _answered_before(self, case: Case, interface: Interface) -> Reply | None:
        """The answer to a repeated ``request_id`` of a read, or None when this is a new attempt."""
        holder = self._twins.holder(case)
        return self._twins.joined(case, holder, Patience(self._wait, 0), interface) if holder else None

    def _once(self, case: Case, interface: Interface) -> Reply:
        """Carry the call out, unless the same is open or in force; one at a time per visit."""
        patience = Patience(self._wait, self._twin_wait_s, case.allowance.spare_s)
        for _ in range(JUDGED_MAX):
            holder = self._twins.holder(case)
            anew = self._is_outdated(case, holder)
            reply = self._twins.joined(case, holder, patience, interface) if holder and not anew else None
            if reply is not None:
                return reply
            case = replace(case, anew=anew, seen=holder.id if holder else 0)
            must_not_be_outdated(self._journal, case.call, case.message, interface)
            try:
                ruled = self._ruled(case, interface)
                return self._sending.send(ruled, interface)
            except (RequestIdTaken, InForce, StayChanged):
                continue  # a twin was faster, or something was told of the stay since it was judged
            except InFlight as other:
                self._twins.await_end(other.exchange_id, patience)
            except Busy as busy:
                self._twins.await_turn(busy.holder, patience)
            except Refused:
                # a discharge is refused after a discharge: unless it was this very one, by a twin that was faster
                if anew or not stands(self._twins.holder(case)):
                    raise
        raise Refused(VISIT_BUSY, "该次就诊的情况变化频繁")

    def _ask_ruled(self, case: Case, interface: Interface) -> Reply:
        """A read that rules guard (2303)."""
        patience = Patience(self._wait, self._twin_wait_s, case.allowance.spare_s)
        while True:
            try:
                return self._sending.ask(self._ruled(case, interface), interface)
            except InFlight as other:
                self._twins.await_end(other.exchange_id, patience)

    # ------------------------------------------------------------- the rules

    def _ruled(self, case: Case, interface: Interface) -> Case:
        """The case as the rules leave it. Raises ``Refused`` with an ET code, ``InFlight``."""
        ruling = self._rules.rule(
            case.transaction, case.message, interface, self._inquiry(case, interface, case.allowance)
        )
        if ruling.amended:
            _, found = interface.input(case.transaction.infno).check(ruling.message)
            if found.problems:
                raise ContentWrong(found.problems)
        keys = tuple(business_keys(ruling.message)) if ruling.amended else case.keys
        warnings = (*case.warnings, *ruling.warnings)
        return replace(case, message=ruling.message, keys=keys, warnings=warnings, ruling=ruling)

    def _is_outdated(self, case: Case, holder: Entry | None) -> bool:
        if holder is None or case.request_id is not None or not holder.in_force:
            return False
        return self._rules.outdated(case.transaction, case.message)

    def _confirmed(self, case: Case, interface: Interface, entry: Entry, stay: Sequence[StayFact]) -> None:
        if entry.in_force:
            own = Allowance(self._monotonic, self._times, None)
            self._rules.confirmed(entry, stay, self._inquiry(case, interface, own))

    def _inquiry(self, case: Case, interface: Interface, allowance: Allowance) -> Ask:
        """A way to ask the platform something in the name of who called."""

        def ask(infno: str, message: Mapping[str, Any], adopts: Adopts) -> Any:
            transaction = interface.contract.transactions.get(infno)
            if transaction is None:
                return None
            head = {name: text for name, text in case.head.items() if name != "request_id"}
            call = Call(OURSELVES, infno, message, dumps(message), OURSELVES.name, head, adopts=adopts)
            try:
                reply = self._sending.ask(
                    self._checks.case(call, transaction, interface, self._clock(), allowance), interface
                )
            except Refused as refusal:
                log.warning("not_asked", infno=infno, code=refusal.fault.code, reason=refusal.text)
                return None
            return (reply.output or {}) if not reply.code else None

        return ask

    # -------------------------------------------------------------- sign-ins

    def sign_in_anew(
        self, workstation: Mapping[str, str], head: Mapping[str, str], refused: str, *, may_sign_in: bool = True
    ) -> bool:
        """Sign in whoever stands in ``head`` at this workstation, unless another has by now.

        Args:
            refused: the number that the platform no longer takes.
            may_sign_in: else only look whether another has.
        """
        station = at_a_workstation(workstation, head, self._station_of)
        return self._renewal.renewed(station, refused, self._clock(), may_sign_in=may_sign_in)

    def _signed_in_anew(self, call: Call, reply: Reply, *, may_sign_in: bool) -> bool:
        """Whether the platform refused because the sign-in has ended (``sign_in_again`` of the proofs), and it is renewed."""
        if reply.code != PLATFORM_DECLINED.code or call.head.get("sign_no"):
            return False
        if not sign_in_ended(reply.err_msg, self._interface()) or call.infno in (SIGN_IN, SIGN_OUT):
            return False
        log.warning("sign_in_ended", infno=call.infno, msgid=reply.msgid)
        try:
            bodies = self._journal.bodies(reply.exchange_id or 0)
            refused = number_in((bodies and bodies.platform_request) or b"{}")
            return self.sign_in_anew(call.client.workstation, call.head, refused, may_sign_in=may_sign_in)
        except JournalUnavailable:  # what the platform said stands; the next call renews it
            return False

    def _sign_in(self, head: Mapping[str, str]) -> Reply:
        head = {name: text for name, text in head.items() if name != "request_id"}
        message: dict[str, Any] = {"signIn": {}}
        return self.handle(Call(OURSELVES, SIGN_IN, message, dumps(message), OURSELVES.name, head))

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
        reply = self._replies.of(entry, interface)
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

    def settle_unrecorded(self) -> int:
        """Bring into the journal what it refused while it was unavailable; how many outcomes are still left."""
        return self._sending.settle_unrecorded()

    # -------------------------------------------------------------- refusals

    def refuse(self, call: Call, refusal: GatewayFault) -> Reply:
        """Journal a call that could not even be read, with its bytes as they came."""
        return self._refused(call, refusal, self._clock())

    def _refused(self, call: Call, refusal: GatewayFault, received_at: datetime) -> Reply:
        """Journal the refusal with the bytes as they came; a journal that is down does not hide the refusal."""
        intent = Intent(
            infno=call.infno[:20],
            safety="read",
            client=call.client.name,
            channel=call.channel,
            institution=self._institution,
            received_at=received_at,
            mapping_version="",
            caller_request=call.raw,
            caller_charset=call.raw_charset,
            request_id=call.head.get("request_id") or None,
            keys=business_keys(call.message),
            opter=call.head.get("opter", ""),
            evidence=(*noted(call, received_at), *refusal.evidence),
            resends=call.resend.original if call.resend is not None else None,
        )
        state = State.NOT_SENT if isinstance(refusal, TurnLost) else State.REFUSED
        outcome = Outcome(state, self._clock(), infcode="-1", err_msg=refusal.text, code=refusal.fault.code)
        entry: Entry | None = None
        try:
            entry = self._journal.record(intent, outcome)
            observe(self._observer, entry)
        except JournalUnavailable:
            log.exception("refusal_not_recorded", infno=call.infno, code=refusal.fault.code)
        return refusal_reply(refusal, entry)


def _may_call(client: Client, transaction: Transaction) -> None:
    if not client.may_call(transaction.infno):
        raise Unreadable(
            TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {transaction.infno} {transaction.name}"
        )
