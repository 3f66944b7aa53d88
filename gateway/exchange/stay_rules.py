"""The entry-time rules on the way of one transaction: which stay it is about, what the rules say, what is kept of that.

``Exchange`` asks :meth:`StayRules.rule` after repeats were answered from the journal and before the intent. The ruling
names the versions of the stay it was made by; the intent is refused by the store when one has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import RuleTable, Transaction
from gateway.exchange.call import Adopts
from gateway.exchange.content import business_keys
from gateway.exchange.effects import REVERSAL
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.ports import Journal, Proof, ProofKind, Query, State
from gateway.faults import READ_UNANSWERED, Refused
from gateway.rules.case import DayOperation, Verdict
from gateway.rules.completeness import completeness
from gateway.rules.judge import judge
from gateway.rules.message import body, text
from gateway.rules.stay import Stay
from gateway.rules.terms import codes_asked
from gateway.stays.desk import Judged, StayDesk
from gateway.stays.facts import ABOUT_STAYS, ANSWER_TELLS, answered, base, extract
from gateway.stays.history import Adopted, History
from gateway.stays.ports import Adoption, StayFact, StayRef

log = structlog.get_logger(__name__)

VISIT_QUERY: Final = "5201"
DIAGNOSES_QUERY: Final = "5202"
UPLOADS_DIAGNOSES: Final = frozenset({"2401", "2402", "2403"})
"""After which 5202 is asked what the platform holds now (ET-03)."""
MED_TYPE: Final = "21"
"""普通住院: what is asked for where nobody has told another ``med_type``."""
QUALITY: Final = "list_quality"
"""The rule that looks codes up in catalogs."""
CATEGORY: Final = "category"
"""The rule that asks for the 日间手术病种目录."""
LOOK_BACK: Final = timedelta(days=366)
"""How far back a stay that the gateway knows nothing of may have begun."""

Ask = Callable[[str, Mapping[str, Any], Adopts], Any]
"""Asks the platform one query in the name of the caller; its output, None when there was no good answer. What the last
argument makes of the output is kept with the query, before anything is returned."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules made of a message that may be sent.

    Args:
        message: as it is to be sent; the caller's own unless something was amended.
        amended: whether it is another than the caller's.
        facts: what the exchange will tell of stays once it is confirmed.
        versions: of the stays it was judged by.
    """

    message: Any
    amended: bool = False
    warnings: tuple[str, ...] = ()
    facts: tuple[StayFact, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    evidence: tuple[Proof, ...] = ()


UNRULED: Final = Ruling({})
"""Before the rules were asked."""


class InFlight(Exception):
    """Another exchange about the stay waits for the platform; whoever asked is to wait for its end."""

    def __init__(self, exchange_id: int) -> None:
        self.exchange_id = exchange_id
        super().__init__(f"exchange {exchange_id} is on its way")


class Rules(Protocol):
    """What ``Exchange`` asks before it intends anything."""

    def rule(self, transaction: Transaction, message: Any, interface: Interface, ask: Ask) -> Ruling:
        """Raises ``Refused`` with an ET code and its evidence, or :class:`InFlight`."""
        ...

    def outdated(self, transaction: Transaction, message: Any) -> bool:
        """Whether a confirmed exchange with this message, though in force, no longer does what the message asks for."""
        ...

    def confirmed(self, entry: Entry, facts: Sequence[StayFact], ask: Ask) -> None:
        """Told after an exchange with facts was confirmed."""
        ...


class NoRules:
    """Everything passes: for parts that are tried without stays."""

    def rule(self, transaction: Transaction, message: Any, interface: Interface, ask: Ask) -> Ruling:
        del transaction, interface, ask
        return Ruling(message)

    def outdated(self, transaction: Transaction, message: Any) -> bool:
        del transaction, message
        return False

    def confirmed(self, entry: Entry, facts: Sequence[StayFact], ask: Ask) -> None:
        del entry, facts, ask


NO_RULES: Final[Rules] = NoRules()


class StayRules:
    """The rules in the light of the stay.

    Args:
        desk: knows the stays.
        journal: for the exchange that a 2601 is about.
        clock: the gateway's clock, aware.
        verify_unanswered: ``refuse`` or ``warn`` when the platform does not tell what a rule wants to know.
        later: runs what nobody waits for.
        day_surgery: the 日间手术病种目录 (1311) in force; None where there is none (ET-13).
    """

    def __init__(
        self,
        desk: StayDesk,
        journal: Journal,
        clock: Callable[[], datetime],
        *,
        verify_unanswered: str = "refuse",
        later: Callable[[Callable[[], None]], object] = lambda job: job(),
        day_surgery: Callable[[], Mapping[str, DayOperation] | None] = lambda: None,
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._refuse_unanswered = verify_unanswered == "refuse"
        self._later = later
        self._day_surgery = day_surgery

    def rule(self, transaction: Transaction, message: Any, interface: Interface, ask: Ask) -> Ruling:
        table = interface.contract.rules
        guarded = bool(table.of(transaction.infno, transaction.send_as))
        facts = stay_facts(transaction.infno, message, {})
        if not guarded:
            return Ruling(message, facts=facts)
        ruling = Ruling(message)
        for ref, psn_no in self._about(transaction.infno, message, facts):
            ruling = self._ruled(transaction, ruling, ref, psn_no, table, ask)
        return replace(ruling, facts=stay_facts(transaction.infno, ruling.message, {}) if ruling.amended else facts)

    def _about(self, infno: str, message: Any, facts: tuple[StayFact, ...]) -> list[tuple[StayRef, str]]:
        """The stays a message is about, with their persons; a reversal is about what it reverses."""
        if infno == REVERSAL:
            omsgid = next((value for kind, value in business_keys(message) if kind == "omsgid"), "")
            original = self._journal.search(Query(msgid=omsgid, limit=1)) if omsgid else []
            keys = dict(original[0].keys) if original else {}
            ref = StayRef(keys.get("ipt_no", ""), keys.get("mdtrt_id", ""))
            return [(ref, keys.get("psn_no", ""))] if str(ref) else []
        return [(ref, one.psn_no) for one in facts if str(ref := _ref(infno, one))]

    def _ruled(
        self, transaction: Transaction, so_far: Ruling, ref: StayRef, psn_no: str, table: RuleTable, ask: Ask
    ) -> Ruling:
        judged = self._settled(ref)
        unverified: list[str] = []
        unheard = False
        if not judged.history.mdtrt_id or not registered(judged.history):
            judged, unheard = self._adopted(judged, ref, psn_no, transaction.infno, ask)
        verdict = self._judge(transaction, so_far.message, judged.stay, table)
        if unheard and verdict.refusal is not None:
            raise Refused(READ_UNANSWERED, f"网关没有就诊 {ref} 的登记，向平台查询（5201）没有得到答复")
        if verdict.refusal is None and self._wants_fresh(transaction.infno):
            judged, unverified = self._verified(judged, ref, ask)
            verdict = self._judge(transaction, so_far.message, judged.stay, table)
        evidence = self._evidence(verdict, judged.stay)
        if verdict.refusal is not None:
            verdict.refusal.evidence = (*so_far.evidence, *evidence)
            raise verdict.refusal
        return Ruling(
            verdict.message,
            so_far.amended or bool(verdict.changes),
            (*so_far.warnings, *verdict.warnings, *unverified),
            (),
            {**so_far.versions, **judged.versions},
            (*so_far.evidence, *evidence),
        )

    def _settled(self, ref: StayRef) -> Judged:
        """The stay, when nothing about it is on its way: its end may decide."""
        judged = self._desk.judged(ref)
        for one in judged.stay.unknown:
            if one.state == State.INTENDED.value:
                raise InFlight(one.exchange_id)
        return judged

    def _judge(self, transaction: Transaction, message: Any, stay: Stay, table: RuleTable) -> Verdict:
        policy, now, send_as = self._desk.policy, self._clock(), transaction.send_as
        catalogue = self._day_surgery() if self._to_day_surgery(transaction, message, table) else None
        terms = self._desk.terms(codes_asked(table.quality, message)) if self._is_list(transaction, table) else {}
        return judge(
            transaction.infno, message, stay, now, policy, table, send_as=send_as, day_surgery=catalogue, terms=terms
        )

    def _is_list(self, transaction: Transaction, table: RuleTable) -> bool:
        return QUALITY in table.of(transaction.infno, transaction.send_as)

    def _to_day_surgery(self, transaction: Transaction, message: Any, table: RuleTable) -> bool:
        """Whether the 日间手术病种目录 may decide: reading it costs more than most calls that name no such ``med_type``."""
        guarded = CATEGORY in table.of(transaction.infno, transaction.send_as)
        return guarded and text(body(message), "med_type") in table.day_surgery

    def _wants_fresh(self, infno: str) -> bool:
        return self._desk.policy.verify_before_discharge and base(infno) == "2402"

    # ------------------------------------------------------- asking the platform

    def adopt(self, ref: StayRef, psn_no: str, ask: Ask) -> None:
        """Take a stay over from the platform, whatever is known of it. Raises ``Refused`` GW-4002 without an answer."""
        _, unheard = self._adopted(self._desk.judged(ref), ref, psn_no, "", ask)
        if unheard:
            raise Refused(READ_UNANSWERED, f"就诊 {ref}：向平台查询（5201）没有得到答复")

    def newest(self, ref: StayRef) -> int:
        """The newest exchange about a stay that is known to be done."""
        return _newest(self._desk.judged(ref).history)

    def _adopted(self, judged: Judged, ref: StayRef, psn_no: str, infno: str, ask: Ask) -> tuple[Judged, bool]:
        """A stay the gateway did not register is taken over from 5201 and 5202; being unknown is no reason to refuse.

        Returns:
            the stay, and whether the platform was asked and did not tell.
        """
        if base(infno) == "2401" or not ref.mdtrt_id or not psn_no:
            return judged, False
        after = _newest(judged.history)
        question = self._visit_question(judged.stay, ref.mdtrt_id, psn_no)
        if ask(VISIT_QUERY, question, partial(self._visits_told, psn_no, ref.mdtrt_id, after)) is None:
            return judged, True
        self._adopt_diagnoses(ref.mdtrt_id, psn_no, ask, after)
        return self._desk.judged(ref), False

    def _verified(self, judged: Judged, ref: StayRef, ask: Ask) -> tuple[Judged, list[str]]:
        """What the platform says right now, kept as an adoption (``verify_before_discharge``)."""
        stay, after = judged.stay, _newest(judged.history)
        if completeness(stay).shown is None and stay.uploaded is not None:
            self._adopt_diagnoses(stay.mdtrt_id, stay.psn_no, ask, after)

        def told(output: Any) -> list[Adoption]:
            found = self._visits_told(stay.psn_no, stay.mdtrt_id, after, output)
            return found if any(one.ref.mdtrt_id == stay.mdtrt_id for one in found) else []

        output = ask(VISIT_QUERY, self._visit_question(stay, stay.mdtrt_id, stay.psn_no), told)
        if output is None or not told(output):
            text = "没有得到答复" if output is None else "没有查到该次就诊"
            text = f"出院办理前向平台核对就诊信息（5201）{text}"
            if self._refuse_unanswered:
                raise Refused(READ_UNANSWERED, text)
            return self._desk.judged(ref), [text]
        return self._settled(ref), []

    def _visit_question(self, stay: Stay, mdtrt_id: str, psn_no: str) -> dict[str, Any]:
        now = self._clock()
        known = stay.times.t_ins or stay.times.t_reg
        begun = known.minute - timedelta(days=1) if known else now - LOOK_BACK
        return {
            "data": {
                "psn_no": psn_no,
                "begntime": f"{begun:%Y-%m-%d} 00:00:00",
                "endtime": f"{now + timedelta(days=1):%Y-%m-%d} 23:59:59",
                "med_type": stay.med_type or MED_TYPE,
                "mdtrt_id": mdtrt_id,
            }
        }

    def _visits_told(self, psn_no: str, asked: str, after: int, output: Any) -> list[Adoption]:
        """Other stays of the person that the answer shows are taken over where the gateway knows nothing of them."""
        now = self._clock()
        return [
            Adoption(
                StayRef(str(facts.get("ipt_otp_no", "")), mdtrt_id),
                psn_no,
                Adopted("query", now, VISIT_QUERY, facts, after=after if mdtrt_id == asked else 0),
            )
            for mdtrt_id, facts in extract(VISIT_QUERY, {}, output).items()
        ]

    def _adopt_diagnoses(self, mdtrt_id: str, psn_no: str, ask: Ask, after: int) -> None:
        def told(output: Any) -> list[Adoption]:
            found = extract(DIAGNOSES_QUERY, {}, output)
            facts = found.get(mdtrt_id, {"mdtrt_id": mdtrt_id, "diagnoses": []})
            adopted = Adopted("query", self._clock(), DIAGNOSES_QUERY, facts, after=after)
            return [Adoption(StayRef(mdtrt_id=mdtrt_id), psn_no, adopted)]

        ask(DIAGNOSES_QUERY, {"data": {"mdtrt_id": mdtrt_id, "psn_no": psn_no}}, told)

    # ------------------------------------------------------------- and after

    def outdated(self, transaction: Transaction, message: Any) -> bool:
        """A 2403 sent with the ward-in time of then does not align the stay with a ward-in that was corrected since; a
        4102 says nothing any more once the insurer has moved the list.
        """
        if base(transaction.infno) == "4102":
            return any(self._moved_on(one) for one in stay_facts(transaction.infno, message, {}))
        if base(transaction.infno) != "2403":
            return False
        facts = stay_facts(transaction.infno, message, {})
        return any(self._desk.judged(_ref(transaction.infno, one)).stay.alignment == "differs" for one in facts)

    def _moved_on(self, fact: StayFact) -> bool:
        settlements = self._desk.judged(StayRef(setl_id=fact.setl_id)).stay.settlements
        now = next((one.list_status for one in settlements if one.setl_id == fact.setl_id), "")
        return bool(now) and now != fact.facts["list_status"][fact.setl_id]

    def confirmed(self, entry: Entry, facts: Sequence[StayFact], ask: Ask) -> None:
        """Read back what the platform holds of the diagnoses just sent (ET-03); nobody waits for it."""
        if base(entry.infno) not in UPLOADS_DIAGNOSES:
            return
        for one in facts:
            if one.mdtrt_id and one.psn_no:
                self._later(lambda one=one: self._read_back(one, ask, entry.id))  # type: ignore[misc]

    def _read_back(self, fact: StayFact, ask: Ask, after: int) -> None:
        """``after``: what was just confirmed; what is confirmed while this is asked counts as newer, and is read back itself."""
        try:
            self._adopt_diagnoses(fact.mdtrt_id, fact.psn_no, ask, after)
        except Exception:  # the exchange itself is done and told; what was not read back stays 未核对
            log.exception("diagnoses_not_read_back", mdtrt_id=fact.mdtrt_id)

    def _evidence(self, verdict: Verdict, stay: Stay) -> list[Proof]:
        """One line: what was compared and what was changed, for staff and as JSON."""
        changes = [f"{one.rule} {one.place}：{one.before} → {one.after}" for one in verdict.changes]
        compared = [f"{rule} {text}" for rule, text in verdict.evidence.items()]
        refusal = [f"{verdict.refusal.fault.code} {verdict.refusal.text}"] if verdict.refusal else []
        if not (changes or compared or refusal):
            return []
        times = {name: one.text for name in ("t_reg", "t_ward", "t_dsc", "t_ins") if (one := getattr(stay.times, name))}
        values = {
            "mdtrt_id": stay.mdtrt_id,
            "ipt_no": stay.ipt_no,
            "times": times,
            "evidence": dict(verdict.evidence),
            "changes": [
                {"rule": one.rule, "place": one.place, "before": one.before, "after": one.after}
                for one in verdict.changes
            ],
        }
        detail = "；".join([*refusal, *changes, *compared])
        return [Proof(ProofKind.RULES, self._clock(), detail, request=dumps(values))]


def _ref(infno: str, fact: StayFact) -> StayRef:
    """2401 has no ``mdtrt_id`` yet; anything else is named by it, or by its settlement."""
    if base(infno) == "2401":
        return StayRef(ipt_no=fact.ipt_no)
    return StayRef(mdtrt_id=fact.mdtrt_id) if fact.mdtrt_id else StayRef(setl_id=fact.setl_id)


def _newest(history: History) -> int:
    """The newest exchange about the stay that is known to be done."""
    done = [one.exchange_id for one in history.exchanges if one.state == State.CONFIRMED.value]
    return max(done, default=0)


def registered(history: History) -> bool:
    """Whether the gateway knows of the admission itself, by its own exchange or by adoption."""
    admitted = any(base(one.infno) == "2401" and one.state == State.CONFIRMED.value for one in history.exchanges)
    return admitted or any(one.source == "import" or one.infno == VISIT_QUERY for one in history.adoptions)


def tells_of_stays(infno: str) -> bool:
    """Whether a confirmed exchange is kept as a fact of its stay; queries are adopted where they were asked for."""
    return base(infno) in ABOUT_STAYS and base(infno) not in (VISIT_QUERY, DIAGNOSES_QUERY)


def answered_facts(infno: str, told: Sequence[StayFact], output: Any) -> tuple[StayFact, ...]:
    """What an exchange tells of stays once it is answered; empty where the answer adds nothing to what it told before.

    Args:
        told: :func:`stay_facts` of the message.
        output: of the answer.
    """
    if base(infno) not in ANSWER_TELLS:
        return ()
    return tuple(one for known in told for one in _facts_of(infno, answered(infno, known.facts, output)))


def stay_facts(infno: str, message: Any, output: Any) -> tuple[StayFact, ...]:
    """What an exchange tells of stays.

    Args:
        infno: as the caller named it.
        message: national message.
        output: of the answer; empty before it is known.
    """
    if not tells_of_stays(infno):
        return ()
    return tuple(one for facts in extract(infno, message, output).values() for one in _facts_of(infno, facts))


def _facts_of(infno: str, facts: Mapping[str, Any]) -> Iterator[StayFact]:
    """Facts about one visit; a list that is told of by its settlement alone has one for each of those."""
    names = {name: str(facts.get(name, "")) for name in ("mdtrt_id", "psn_no", "setl_id")}
    ipt_no = str(facts.get("ipt_no") or (facts.get("ipt_otp_no") if base(infno) == "2403" else "") or "")
    listed = facts.get("list_status")
    if isinstance(listed, Mapping):
        for setl_id, status in listed.items():
            yield StayFact(setl_id=setl_id, facts={"list_status": {setl_id: status}})
    else:
        yield StayFact(names["mdtrt_id"], ipt_no, names["psn_no"], names["setl_id"], facts)
