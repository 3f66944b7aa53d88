"""Settles what is in doubt, with proof: asks, repeats, reverses, or calls a person (design, "Safety classes").

One step claims a doubt in the journal, sends at most a few requests through the same port as everything else, and keeps
each as evidence. No thread and no sleep in here: ``ResolverTurn`` calls :meth:`Resolver.run_due`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from gateway.contract.envelope import HEAD_FIELDS, Answer, Garbage, Sender, read_answer, write_request
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads
from gateway.contract.model import ProofQuery, ProofRule, Transaction
from gateway.exchange.content import business_keys
from gateway.exchange.decide import Act, Decision, Facts, Heard, decide
from gateway.exchange.effects import REVERSAL, effects
from gateway.exchange.evidence import (
    Sources,
    Verdict,
    asked_rows,
    fresh_values,
    journal_infnos,
    judge,
    question,
    together,
)
from gateway.exchange.listed import listed_line
from gateway.exchange.ports import (
    Bodies,
    Clock,
    Exchange,
    Journal,
    JournalUnavailable,
    Msgids,
    NoAnswer,
    NotSent,
    Outcome,
    PlatformRequest,
    Proof,
    ProofKind,
    Query,
    Registration,
    SettlementPlatform,
    State,
)
from gateway.exchange.sending import trustworthy
from gateway.exchange.sign_in import SignIns, number_in, sign_in_ended
from gateway.exchange.stay_rules import stay_facts
from gateway.faults import ESCALATED, NOT_DONE, PLATFORM_DECLINED, Unreadable
from gateway.stays.ports import StayFact

log = structlog.get_logger(__name__)

SENDS_MAX = 4
"""Times that one step may decide to send something; more would be a rule that goes in circles."""
DOUBTS_MAX = 1000
ROWS_ASKED_MAX = 100
"""Rows of a doubtful message that are asked for one by one in a step; more are for a person."""
SETTLE_TIME_S = 300.0
PROVEN = "原请求的答复没有收到，本结果由网关核实得出"


@dataclass(frozen=True, slots=True)
class Policy:
    """How patiently doubts are settled.

    Args:
        tries_max: steps after the settle time, of this process, after which a doubt is given to a person.
        pause_s: before the second step.
        factor: by which each pause is longer than the one before.
        pause_s_max: longest pause.
        settle_time_s: overrides the province's.
    """

    tries_max: int = 12
    pause_s: float = 5
    factor: float = 2
    pause_s_max: float = 600
    settle_time_s: float | None = None

    def pause(self, tries: int) -> timedelta:
        """The pause after so many steps."""
        return timedelta(seconds=min(self.pause_s * self.factor ** min(tries, 64), self.pause_s_max))


@dataclass(frozen=True, slots=True)
class _Doubt:
    """One doubtful exchange with everything the journal holds about it."""

    entry: Exchange
    transaction: Transaction
    rule: ProofRule
    bodies: Bodies
    envelope: Mapping[str, Any]
    """What was sent, read back."""
    proofs: list[Proof]
    node: Registration
    """Of this process when the step began."""

    @property
    def message(self) -> Any:
        return self.envelope.get("input")

    @property
    def sends(self) -> int:
        """Times the request itself went out again without an answer: only such may still be executed."""
        repeats = [proof for proof in self.proofs if proof.kind is ProofKind.REPEAT]
        return sum(one.request is not None for one in repeats) - sum(one.answer is not None for one in repeats)


@dataclass(slots=True)
class _Watch:
    """How long this process has watched a doubt, in seconds that no clock step changes."""

    since: float
    """When it was first seen, or the request itself last went out again without an answer."""
    sends: int = 0
    settled_steps: int = 0
    """Steps after the settle time: only those use up the tries."""
    next_step: float = 0.0


class Resolver:
    """Settles the doubts of one province.

    Args:
        interface: returns the interface in force.
        monotonic: seconds that no clock step changes; the settle time is counted in them, from the first time that
            this process saw the doubt, so that a stepped clock never makes a late request look impossible.
        node, still_mine: as ``Exchange``; a step that was paused for too long repeats and reverses nothing.
        reached: told boundaries, as ``Exchange``.
        renew: signs in anew the operator of a client whose sign-in number was refused: client, head, number.
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
        monotonic: Callable[[], float],
        sign_ins: SignIns,
        policy: Policy = Policy(),
        node: Callable[[], Registration] = Registration,
        still_mine: Callable[[Registration], bool] = lambda _: True,
        reached: Callable[[str, str], None] = lambda _, __: None,
        renew: Callable[[str, Mapping[str, str], str], object] = lambda _, __, ___: None,
    ) -> None:
        self._interface = interface
        self._renew = renew
        self._journal = journal
        self._platform = platform
        self._msgids = msgids
        self._sender = sender
        self._clock = clock
        self._monotonic = monotonic
        self._sign_ins = sign_ins
        self._policy = policy
        self._node = node
        self._still_mine = still_mine
        self._reached = reached
        self._watched: dict[int, _Watch] = {}
        self._shown_at = monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the thread that runs what is due last showed itself: between two turns, or before a step."""
        return self._monotonic() - self._shown_at

    # ------------------------------------------------------------ the step

    def due(self) -> list[Exchange]:
        """Doubts whose next step is due. One planned beyond the longest pause is due: the clock was set back."""
        now = self._clock()
        doubts = self._journal.doubts(datetime.max.replace(tzinfo=now.tzinfo) - timedelta(days=2), DOUBTS_MAX)
        open_ids = {entry.id for entry in doubts}
        self._watched = {key: watch for key, watch in self._watched.items() if key in open_ids}
        return [one for one in doubts if self._is_due(one, now)]

    def _watch(self, exchange_id: int) -> _Watch:
        return self._watched.setdefault(exchange_id, _Watch(self._monotonic()))

    def _is_due(self, entry: Exchange, now: datetime) -> bool:
        """By the wall for all nodes; a node whose clock is apart from the others' at least keeps its own pace."""
        if self._monotonic() < self._watch(entry.id).next_step:
            return False
        horizon = now + timedelta(seconds=self._policy.pause_s_max)
        return entry.next_try_at is None or not now < entry.next_try_at <= horizon

    def run_due(self) -> int:
        """Step everything that is due; how many."""
        self._shown_at = self._monotonic()
        try:
            due = self.due()
        except JournalUnavailable:
            log.warning("doubts_unreadable")
            return 0
        for entry in due:
            self._shown_at = self._monotonic()
            try:
                self.step(entry.id)
            except Exception:
                # what breaks at one doubt keeps no other one waiting
                log.exception("doubt_step_broken", exchange=entry.id)
                self._give_up(entry)
        return len(due)

    def _give_up(self, entry: Exchange) -> None:
        """Hand a doubt whose steps break to a person, once it has had its tries."""
        if entry.tries < self._policy.tries_max:
            return
        try:
            reason = f"核实 {entry.tries} 次都没有做完，原因见日志 doubt_step_broken"
            self._apply(entry, self._interface(), Decision(Act.ESCALATE, reason))
        except (JournalUnavailable, ValueError) as error:
            log.warning("doubt_not_escalated", exchange=entry.id, reason=str(error))

    def step(self, exchange_id: int) -> Decision:
        """Take one step about one doubt: ask, decide, act. Never raises for what platform or journal do."""
        node = self._node()
        try:
            entry = self._journal.get(exchange_id)
            if entry is None or entry.state is not State.IN_DOUBT:
                return Decision(Act.WAIT, "不在核实之列")
            now = self._clock()
            if not self._is_due(entry, now):
                return Decision(Act.WAIT, "另一节点正在核实")
            pause = self._policy.pause(entry.tries)
            if not self._journal.postpone(entry.id, entry.tries, now + pause):
                return Decision(Act.WAIT, "另一节点正在核实")
            self._watch(entry.id).next_step = self._monotonic() + pause.total_seconds()
            return self._settle(replace(entry, tries=entry.tries + 1), node)
        except JournalUnavailable as error:
            log.warning("doubt_not_stepped", exchange=exchange_id, reason=str(error))
            return Decision(Act.WAIT, "网关存储不可用")
        except ValueError as error:
            # somebody else has closed it meanwhile; the compare-and-set decides
            log.warning("doubt_closed_meanwhile", exchange=exchange_id, reason=str(error))
            return Decision(Act.WAIT, "已由他人了结")

    def _settle(self, entry: Exchange, node: Registration) -> Decision:
        interface = self._interface()
        doubt = self._read(entry, node, interface)
        if doubt is None:
            return self._apply(entry, interface, Decision(Act.ESCALATE, "接口中已没有该交易，或原报文无法读取"))
        facts = self._facts(doubt, interface)
        for _ in range(SENDS_MAX):
            decision = decide(doubt.rule, interface.contract.proofs, facts)
            if decision.act is Act.QUERY:
                facts = self._queried(doubt, facts, interface)
            elif decision.act is Act.REVERSE:
                facts = replace(facts, reversal=self._reverse(doubt, interface))
            elif decision.act is Act.REPEAT:
                facts = replace(facts, repeated=self._repeat(doubt, interface))
            else:
                break
        return self._apply(entry, interface, self._bounded(decision, facts, entry))

    def _bounded(self, decision: Decision, facts: Facts, entry: Exchange) -> Decision:
        """Waiting has an end once the settle time is over; a platform that cannot be reached is waited for."""
        heard = [one for one in (facts.repeated, facts.reversal) if one is not None]
        reached = facts.reached and all(one.sent for one in heard)
        if decision.act is not Act.WAIT or not facts.settled or not reached:
            return decision
        watch = self._watch(entry.id)
        watch.settled_steps += 1
        if watch.settled_steps < self._policy.tries_max:
            return decision
        return Decision(Act.ESCALATE, f"核实 {entry.tries} 次仍没有结果：{decision.reason}")

    # --------------------------------------------------------------- facts

    def _read(self, entry: Exchange, node: Registration, interface: Interface) -> _Doubt | None:
        transaction = interface.contract.transactions.get(entry.infno)
        bodies = self._journal.bodies(entry.id)
        if transaction is None or bodies is None or bodies.platform_request is None:
            return None
        try:
            envelope = loads(bodies.platform_request)
        except Unreadable:
            return None
        rule = interface.contract.proofs.of(transaction)
        return _Doubt(entry, transaction, rule, bodies, envelope, self._journal.proofs(entry.id), node)

    def _facts(self, doubt: _Doubt, interface: Interface) -> Facts:
        late = [proof.answer for proof in doubt.proofs if proof.kind is ProofKind.LATE_ANSWER and proof.answer]
        heard = (self._heard(body, doubt.transaction, interface) for body in late)
        kinds = {proof.kind for proof in doubt.proofs}
        return Facts(
            reversible=doubt.transaction.reversible_by_2601,
            settled=self._settled(doubt, interface),
            fence_begun=ProofKind.REVERSE in kinds,
            unsent=ProofKind.UNSENT in kinds and not kinds & {ProofKind.REVERSE, ProofKind.REPEAT},
            late=next((one for one in heard if one.answer), None),
            listed=listed_line(doubt.proofs),
        )

    def _settled(self, doubt: _Doubt, interface: Interface) -> bool:
        watch = self._watch(doubt.entry.id)
        if watch.sends != doubt.sends:
            watch.sends, watch.since = doubt.sends, self._monotonic()
        return self._monotonic() - watch.since >= self._settle_time_s(interface)

    def _settle_time_s(self, interface: Interface) -> float:
        if self._policy.settle_time_s is not None:
            return self._policy.settle_time_s
        given = interface.contract.settings.get("settle_time_s")
        return float(given) if isinstance(given, int | float) else SETTLE_TIME_S

    def _heard(self, body: bytes, transaction: Transaction, interface: Interface) -> Heard:
        try:
            answer = read_answer(body, interface.success_infcodes)
            trustworthy(answer, transaction)
        except Garbage:
            return Heard(None, body)
        return Heard(answer, body)

    # -------------------------------------------------------------- asking

    def _queried(self, doubt: _Doubt, facts: Facts, interface: Interface) -> Facts:
        """Ask every query of the rule. All must say done; one not done is enough."""
        sources = Sources(doubt.message, self._journal_inputs(doubt), doubt.entry.received_at)
        verdicts: list[Verdict] = []
        output: dict[str, dict[str, str]] = {}
        for query in doubt.rule.queries:
            try:
                verdict, row = self._ask_rows(doubt, query, sources, interface)
            except NotSent:
                return replace(facts, unanswered=True, reached=False)
            if verdict is None:
                return replace(facts, unanswered=True)
            verdicts.append(verdict)
            output |= _rebuilt(doubt.rule, sources, row) if row is not None else {}
        if "not_done" in verdicts:
            return replace(facts, verdict="not_done")
        if set(verdicts) == {"done"}:
            return replace(facts, verdict="done", output=output)
        return replace(facts, verdict="unclear")

    def _ask_rows(
        self, doubt: _Doubt, query: ProofQuery, sources: Sources, interface: Interface
    ) -> tuple[Verdict | None, Any]:
        """One query, asked for each row that it is about; None as soon as one of them is not answered."""
        rows = asked_rows(query, doubt.message)
        if len(rows) > ROWS_ASKED_MAX:
            return "unclear", None
        verdicts: list[Verdict] = []
        shown: Any = None
        for asked in rows:
            verdict, shown = self._ask(doubt, query, sources, asked, interface)
            if verdict is None:
                return None, None
            verdicts.append(verdict)
        return together(verdicts), shown

    def _ask(
        self, doubt: _Doubt, query: ProofQuery, sources: Sources, asked: Any, interface: Interface
    ) -> tuple[Verdict | None, Any]:
        request = self._request(doubt, query.infno, question(query, sources, asked), interface)
        answer: bytes | None = None
        verdict: Verdict | None = None
        row: Any = None
        try:
            answer = self._platform.send(request).body
            result = read_answer(answer, interface.success_infcodes)
        except NotSent as error:
            self._keep(doubt, ProofKind.QUERY, f"没有发出：{error}", request)
            raise
        except (NoAnswer, Garbage) as error:
            text = f"查询没有可信的答复：{error}"
        else:
            text = f"平台答复 {result.infcode} {result.err_msg}".strip()
            if _turned_away(result, interface):
                self._keep(doubt, ProofKind.QUERY, text, request, answer)
                self._sign_in_anew(doubt, request)
                raise NotSent(text)
            if result.success and isinstance(result.output, dict):
                known = self._known(doubt, query, result.output)
                verdict, row = judge(query, result.output, sources, known, asked)
                text = f"{text}，{_VERDICTS[verdict]}"
        self._keep(doubt, ProofKind.QUERY, text, request, answer)
        return verdict, row

    def _known(self, doubt: _Doubt, query: ProofQuery, output: Any) -> set[str]:
        """Values that another exchange of the same transaction has brought."""
        known = set()
        for kind, value in set(fresh_values(query, output)):
            wanted = Query(keys=[(kind, value)], infno=doubt.entry.infno, states=(State.CONFIRMED,), limit=2)
            if value and any(found.id != doubt.entry.id for found in self._journal.search(wanted)):
                known.add(value)
        return known

    def _journal_inputs(self, doubt: _Doubt) -> dict[str, Any]:
        """Messages of other transactions in force about the same visit, as far as the rule asks for them."""
        visits = [(kind, value) for kind, value in doubt.entry.keys if kind == "mdtrt_id"][:1]
        found: dict[str, Any] = {}
        for infno in journal_infnos(doubt.rule.queries) if visits else ():
            query = Query(keys=visits, infno=infno, states=(State.CONFIRMED,), limit=20)
            entry = next((one for one in self._journal.search(query) if one.in_force), None)
            bodies = self._journal.bodies(entry.id) if entry else None
            if bodies and bodies.platform_request:
                try:
                    found[infno] = loads(bodies.platform_request).get("input")
                except Unreadable as error:
                    log.warning("message_in_force_unreadable", exchange=entry.id if entry else None, reason=str(error))
        return found

    # ------------------------------------------------------------- sending

    def _reverse(self, doubt: _Doubt, interface: Interface) -> Heard:
        """2601 for the doubtful msgid: the same bytes under the same msgid however often it takes."""
        begun = next((proof for proof in doubt.proofs if proof.kind is ProofKind.REVERSE and proof.request), None)
        if begun is not None and begun.request is not None:
            infno = self._wire(REVERSAL, interface)
            request = PlatformRequest(infno, begun.msgid, self._signed(doubt, begun.request, interface), alone=True)
        else:
            psn_no = next((value for kind, value in business_keys(doubt.message) if kind == "psn_no"), "")
            data = {"psn_no": psn_no, "omsgid": doubt.entry.msgid, "oinfno": doubt.envelope.get("infno")}
            request = self._request(doubt, REVERSAL, {"data": data}, interface)
        return self._send(doubt, ProofKind.REVERSE, request, interface.contract.transactions[REVERSAL], interface)

    def _repeat(self, doubt: _Doubt, interface: Interface) -> Heard:
        """The same message again, under the very msgid: the platform tells them from a second request."""
        assert doubt.bodies.platform_request is not None
        infno = str(doubt.envelope.get("infno"))
        body = self._signed(doubt, doubt.bodies.platform_request, interface)
        request = PlatformRequest(infno, doubt.entry.msgid or "", body, alone=True)
        return self._send(doubt, ProofKind.REPEAT, request, doubt.transaction, interface)

    def _send(
        self, doubt: _Doubt, kind: ProofKind, request: PlatformRequest, transaction: Transaction, interface: Interface
    ) -> Heard:
        """Durable as evidence before the first byte, and once more with the answer."""
        self._reached("before_intent", request.infno)
        if not self._claimed(doubt):
            raise ValueError("another has taken this step over")
        self._keep(doubt, kind, "将要发出", request)
        self._reached("before_send", request.infno)
        watch = self._watch(doubt.entry.id)
        before = watch.sends, watch.since
        if kind is ProofKind.REPEAT:
            watch.sends, watch.since = doubt.sends + 1, self._monotonic()
        try:
            body = self._platform.send(replace(request, still_mine=partial(self._claimed, doubt))).body
        except NotSent as error:
            self._keep(doubt, kind, f"没有发出：{error}", request, repeated=True)
            return Heard(None, sent=False)
        except NoAnswer as error:
            self._keep(doubt, kind, f"没有答复：{error}", request, repeated=True)
            return Heard(None)
        self._reached("after_send", request.infno)
        watch.sends, watch.since = before
        heard = self._heard(body, transaction, interface)
        told = f"平台答复 {heard.answer.infcode} {heard.answer.err_msg}".strip() if heard.answer else "答复无法辨认"
        self._keep(doubt, kind, told, request, body, repeated=True)
        if heard.answer and _turned_away(heard.answer, interface):
            self._sign_in_anew(doubt, request)
            return Heard(None, sent=False)
        return heard

    def _sign_in_anew(self, doubt: _Doubt, turned_away: PlatformRequest) -> None:
        """What was turned away is asked again in the next step, with the new number."""
        log.warning("resolver_not_signed_in", exchange=doubt.entry.id, infno=turned_away.infno)
        self._renew(doubt.entry.client, _head(doubt), number_in(turned_away.body))

    def _signed(self, doubt: _Doubt, request: bytes, interface: Interface) -> bytes:
        """The bytes as they were; once they were turned away for it, with the sign-in number the operator has by now."""
        number = self._sign_ins.number(doubt.entry.opter, self._clock())
        if not number or not any(sign_in_ended(proof.detail, interface) for proof in doubt.proofs):
            return request
        return dumps({**loads(request), "sign_no": number})

    def _claimed(self, doubt: _Doubt) -> bool:
        """Whether this step is still this node's to take."""
        claimed = self._journal.get(doubt.entry.id)
        if claimed is None or (claimed.state, claimed.tries) != (State.IN_DOUBT, doubt.entry.tries):
            return False
        return self._still_mine(doubt.node)

    def _request(self, doubt: _Doubt, infno: str, message: Any, interface: Interface) -> PlatformRequest:
        """A request of our own, in the name of the operator who made the doubtful one."""
        now = self._clock()
        head = _head(doubt)
        if sign_no := self._sign_ins.number(doubt.entry.opter, now):
            head["sign_no"] = sign_no
        msgid = self._msgids.next()
        wire = self._wire(infno, interface)
        body = write_request(interface.contract, self._sender, head, wire, msgid, now, message)
        return PlatformRequest(wire, msgid, body, alone=True)

    def _wire(self, infno: str, interface: Interface) -> str:
        return interface.contract.transactions[infno].send_as or infno

    def _keep(
        self,
        doubt: _Doubt,
        kind: ProofKind,
        detail: str,
        request: PlatformRequest,
        answer: bytes | None = None,
        *,
        repeated: bool = False,
    ) -> None:
        """Add evidence; ``repeated``: its request is already kept by the line before."""
        body = None if repeated else request.body
        proof = Proof(kind, self._clock(), detail, request.infno, request.msgid, body, answer)
        self._journal.add_proof(doubt.entry.id, proof)

    # ------------------------------------------------------------- closing

    def _apply(self, entry: Exchange, interface: Interface, decision: Decision) -> Decision:
        if decision.act is Act.WAIT:
            log.info("doubt_waits", exchange=entry.id, msgid=entry.msgid, infno=entry.infno, reason=decision.reason)
            return decision
        now = self._clock()
        outcome = _OUTCOMES[decision.act](decision, now)
        if outcome.state is State.CONFIRMED:
            outcome = replace(outcome, **effects(interface, replace(entry, keys=(*entry.keys, *outcome.keys))))
            outcome = replace(outcome, stay=self._facts_told(entry, outcome, interface))
        proof = Proof(ProofKind.DECISION, now, f"{outcome.state.value}：{decision.reason}", entry.infno)
        self._reached("before_outcome", entry.infno)
        self._journal.resolve(entry.id, outcome, [proof])
        self._reached("after_outcome", entry.infno)
        tell = log.error if outcome.state is State.ESCALATED else log.warning
        tell("doubt_escalated" if outcome.state is State.ESCALATED else "doubt_settled", exchange=entry.id,
             msgid=entry.msgid, infno=entry.infno, state=outcome.state.value, reason=decision.reason)  # fmt: skip
        return decision

    def _facts_told(self, entry: Exchange, outcome: Outcome, interface: Interface) -> tuple[StayFact, ...]:
        """What the confirmed exchange tells of stays, from the bytes that were sent and the answer that was proven."""
        bodies = self._journal.bodies(entry.id)
        if bodies is None or bodies.platform_request is None:
            return ()
        try:
            message = loads(bodies.platform_request).get("input")
            output = read_answer(outcome.proof_answer or b"", interface.success_infcodes).output
        except (Unreadable, Garbage):
            return ()
        return stay_facts(entry.infno, message, output)

    def by_operator(self, exchange_id: int, state: State, operator: str, reason: str, output: Any = None) -> Exchange:
        """Close an ESCALATED exchange on the word of a named person.

        Args:
            state: CONFIRMED, NOT_DONE or REVERSED.
            operator: who decides.
            reason: what the person found, and where.
            output: with CONFIRMED, the output that the HIS is to get, in national names.

        Raises:
            ValueError: no name or reason, or the exchange is not ESCALATED or may not become ``state``.
        """
        entry = self._journal.get(exchange_id)
        if not operator.strip() or not reason.strip():
            raise ValueError("须写明操作人与理由")
        if entry is None or entry.state is not State.ESCALATED:
            raise ValueError(f"编号 {exchange_id} 的交易不在待人工核对之列")
        act = {State.CONFIRMED: Act.CONFIRM, State.NOT_DONE: Act.NOT_DONE, State.REVERSED: Act.REVERSED}.get(state)
        if act is None:
            raise ValueError(f"人工核对不能定为 {state.value}")
        now = self._clock()
        text = f"由 {operator.strip()} 人工核对：{reason.strip()}"
        outcome = _OUTCOMES[act](Decision(act, text, output or {}), now)
        if state is State.CONFIRMED:
            keys = (*entry.keys, *outcome.keys)
            interface = self._interface()
            outcome = replace(outcome, **effects(interface, replace(entry, keys=keys)))
            outcome = replace(outcome, stay=self._facts_told(entry, outcome, interface))
        proof = Proof(ProofKind.OPERATOR, now, f"{state.value}：{text}", entry.infno)
        log.warning("doubt_settled_by_operator", exchange=entry.id, msgid=entry.msgid, state=state.value)
        return self._journal.resolve(entry.id, outcome, [proof])


_VERDICTS: Mapping[Verdict, str] = {"done": "证明已办理", "not_done": "证明未办理", "unclear": "不能证明"}


def _rebuilt(rule: ProofRule, sources: Sources, row: Any) -> dict[str, dict[str, str]]:
    return {
        node: {name: sources.value(source, row) for name, source in fields.items()}
        for node, fields in rule.output.items()
    }


def _confirmed(decision: Decision, now: datetime) -> Outcome:
    warning = f"{PROVEN}（{decision.reason}）"
    if decision.heard is not None and decision.heard.answer is not None:
        body, answer = decision.heard.body, decision.heard.answer
        output, refmsgid = answer.output, answer.inf_refmsgid
    else:
        output, refmsgid = decision.output, ""
        body = dumps({"infcode": 0, "inf_refmsgid": "", "err_msg": "", "output": output or {}})
    return Outcome(
        State.CONFIRMED, now, infcode="0", inf_refmsgid=refmsgid, warn_msg=warning, keys=business_keys(output),
        proof_answer=body,
    )  # fmt: skip


def _declined(decision: Decision, now: datetime) -> Outcome:
    assert decision.heard is not None
    assert decision.heard.answer is not None
    answer = decision.heard.answer
    return Outcome(
        State.DECLINED, now, infcode=answer.infcode, inf_refmsgid=answer.inf_refmsgid, err_msg=answer.err_msg,
        warn_msg=f"{PROVEN}（{decision.reason}）", code=PLATFORM_DECLINED.code, proof_answer=decision.heard.body,
    )  # fmt: skip


def _nothing_in_force(decision: Decision, now: datetime) -> Outcome:
    state = State.REVERSED if decision.act is Act.REVERSED else State.NOT_DONE
    text = f"{NOT_DONE.title}：{decision.reason}"
    return Outcome(state, now, infcode="-1", err_msg=text, code=NOT_DONE.code)


def _escalated(decision: Decision, now: datetime) -> Outcome:
    text = f"{ESCALATED.title}：{decision.reason}"
    return Outcome(State.ESCALATED, now, infcode="-1", err_msg=text, code=ESCALATED.code)


_OUTCOMES: Mapping[Act, Callable[[Decision, datetime], Outcome]] = {
    Act.CONFIRM: _confirmed,
    Act.DECLINE: _declined,
    Act.NOT_DONE: _nothing_in_force,
    Act.REVERSED: _nothing_in_force,
    Act.ESCALATE: _escalated,
}


def _head(doubt: _Doubt) -> dict[str, str]:
    """What the operator who made the doubtful exchange gave of the envelope."""
    return {name: value for name in HEAD_FIELDS if isinstance(value := doubt.envelope.get(name), str) and value}


def _turned_away(answer: Answer, interface: Interface) -> bool:
    """Refused because the sign-in has ended: it was not looked at, so it tells nothing of the doubtful exchange."""
    return not answer.success and sign_in_ended(answer.err_msg, interface)
