"""One simulated world: a store, a platform, some nodes, a hospital, and everything that goes wrong between them."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import structlog

from gateway import mappings
from gateway.contract.envelope import Sender
from gateway.contract.interface import Interface
from gateway.contract.xml import local, parse_text
from gateway.desks.resend import ResendDesk
from gateway.exchange.again import Resends
from gateway.exchange.breaker import Breaker, BreakerPolicy
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.callbacks import CallbackDesk
from gateway.exchange.decide import Act, Decision
from gateway.exchange.exchange import Exchange
from gateway.exchange.gate import PROBE, CallsInHand, PlatformGate, WatchedPlatform
from gateway.exchange.limits import FairQueue, Shares
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.nodes import Membership
from gateway.exchange.outpatient import OutpatientSettlements
from gateway.exchange.patience import Times
from gateway.exchange.ports import Bodies, JournalUnavailable, NodeFacts, PlatformRequest, Query, State
from gateway.exchange.ports import Exchange as Row
from gateway.exchange.prober import Prober
from gateway.exchange.receipts import Receipts
from gateway.exchange.replies import refusal_reply
from gateway.exchange.resolver import Policy, Resolver
from gateway.exchange.resolver_turn import ResolverTurn, WorkList
from gateway.exchange.sign_in import SignIns
from gateway.exchange.stay_rules import StayRules
from gateway.faults import Refused, Unreadable
from gateway.hours import read_closing
from gateway.rules.policy import Policy as RulesPolicy
from gateway.simulator import Simulator
from gateway.simulator.ledger import Ledger
from gateway.simulator.wire import Response
from gateway.stays.desk import StayDesk
from gateway.store._sqlite import SqliteBackend
from gateway.store.callbacks import SqlCallbacks
from gateway.store.journal import SqlJournal
from gateway.store.nodes import SqlNodes
from gateway.store.operator_log import OperatorLog
from jobs.sign_in import SignInDesk
from tests.simulation.beside import DRAIN_S, Beside, Turn
from tests.simulation.checks import SAME_EFFECT, SETTLES, START, Violation, check_end
from tests.simulation.hospital import HIS, Desk
from tests.simulation.line import LATEST_S, READ_TIMEOUT_S, SETTLE_TIME_S, NodeLine, Platform
from tests.simulation.schedule import Box, Killed, Owner, Schedule, Task
from tests.simulation.storage import Files, NodeBackend, TurnTaking
from tests.simulation.weather import CALM, LINE_OF, Weather, draw
from tests.simulation.witness import Seen, Witness

INSTITUTION = "H44080000001"
NODES = 3
DESKS = 6
RESOLVE_EVERY_S = 20.0
OPERATOR_EVERY_S = 600.0
HEARTBEAT_S = 15.0
SILENCE_S = 50.0
STOPPED_S_MAX = 900.0
"""Much longer than the settle time: others take over, settle, and the HIS begins anew before the node goes on."""
PLACES = 1
"""Turns to the platform per node."""
CALLS_IN_HAND = 3
TURN_WAIT_S = 5.0
CALL_S_MAX = 30.0
BREAKER = BreakerPolicy(bad_min=3, window_s=120, slow_s=READ_TIMEOUT_S * 0.8, pause_s=10, pause_s_max=60)
CLOSED = [read_closing("08:05-08:08"), read_closing("2026-03-02 08:20/2026-03-02 08:23")]
PAUSE_CHANCE = 0.4
"""How often others get a turn before or after a call of the store; each turn costs the simulation two thread switches."""
RULES = RulesPolicy()
QUIET_S_MAX = 48 * 3600.0
"""Virtual time that the resolver gets after the last fault."""
ONE_AT_A_TIME = ("mdtrt_id", "ipt_no", "ipt_otp_no")
SENDER = Sender(INSTITUTION, "演示医院", "440800", "440800", "MBS_LOCAL", "V1.0")


class Unmeasured:
    """``Observer`` of the exchange."""

    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None:
        """Not looked at."""

    def observe_platform(self, infno: str, seconds: float) -> None:
        """Not looked at."""

    def count_fault(self, code: str) -> None:
        """Not looked at."""


@cache
def interface(*, reversible: bool = True) -> Interface:
    """The national interface, read once; or that of a province where 2601 reverses nothing."""
    if reversible:
        return Interface(mappings.load("national"))
    contract = interface().contract
    known = {infno: replace(one, reversible_by_2601=False) for infno, one in contract.transactions.items()}
    return Interface(replace(contract, transactions=known))


@cache
def _simulator() -> tuple[Simulator, list[World]]:
    """One simulator for all worlds, since reading its tables costs more than a world; ``reset`` empties it."""
    worlds: list[World] = []
    return Simulator(
        mappings.data_root() / "mappings", seed=1, clock=lambda: worlds[-1].platform_time() if worlds else START
    ), worlds


class ToldResolver(Resolver):
    """The resolver, and each of its steps told to the world."""

    def __init__(self, told: Node, **parts: Any) -> None:
        super().__init__(**parts)
        self._told = told

    def step(self, exchange_id: int) -> Decision:
        decision = super().step(exchange_id)
        self._told.world.decided(self._told, exchange_id, decision)
        return decision


class Wake:
    """What a call that waits for its turn sleeps on, in virtual time."""

    def __init__(self, schedule: Schedule) -> None:
        self._box = Box(schedule)

    def set(self) -> None:
        self._box.put(True)

    def wait(self, timeout: float, /) -> bool:
        return self._box.wait(timeout)


class Node:
    """One gateway process, dead or alive. Its memory is ``exchange`` and what belongs to it; all else is in the store."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.clock_ahead_s = 0.0
        self.stopped_until_s = 0.0
        """SIGSTOP: nothing of it happens before; whoever waits for it goes on waiting."""
        self.owner = Owner(name)
        self.owner.alive = False
        self.exchange: Exchange | None = None
        self.in_hand: CallsInHand
        self.resolver: Resolver | None = None
        self.stays: StayDesk | None = None
        self.boxes: dict[Box, None] = {}
        self.lives = 0
        """Process number of its life now."""
        self.leaving = False
        """SIGTERM was sent: no new call, running ones end."""
        self.callbacks: CallbackDesk
        self.journal: Any
        self.signs_out: Callable[[Any], object]
        self.resend: Callable[..., dict[str, Any]]
        """The operation of the console that sends again."""
        self.shown: Callable[[], None]
        """What ``/readyz`` and ``/metrics`` ask of it."""
        self._leave: Callable[[], None]
        self._threads: list[Task] = []

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.world.schedule.now_s + self.clock_ahead_s)

    @property
    def ready(self) -> bool:
        """Whether the balancer may send calls."""
        return self.owner.alive and self.exchange is not None and not self.leaving

    def check_alive(self) -> None:
        """Raises Killed in a task of a process that has died; it does nothing more."""
        task = self.world.schedule.current
        if task is not None and task.doomed:
            raise Killed

    def boot(self) -> None:
        """A new process: everything is built anew, as ``gateway.app`` does, and starts with what the store holds."""
        self.owner = Owner(self.name)
        self.lives += 1
        self.leaving = False
        self.world.schedule.spawn(f"{self.name} boots", self._boot, self.owner)

    def _boot(self) -> None:
        world = self.world
        journal: Any = TurnTaking(SqlJournal(NodeBackend(world.backend, self)), self)
        gate = self._gate()
        line = WatchedPlatform(
            NodeLine(world.platform, self), gate, lambda infno: world.interface.wire_safety.get(infno, "read")
        )
        membership = self._membership()
        msgids = MsgidSequence(journal, INSTITUTION, self.clock, block=20)
        sign_ins = SignIns(journal)
        self.resolver = ToldResolver(
            self,
            interface=lambda: world.interface,
            journal=journal,
            platform=line,
            msgids=msgids,
            sender=SENDER,
            clock=self.clock,
            monotonic=lambda: world.schedule.now_s,
            sign_ins=sign_ins,
            policy=Policy(settle_time_s=SETTLE_TIME_S),
            node=membership.current,
            still_mine=membership.still_mine,
            # of whoever is signed in for a doubt only the operator is known
            renew=lambda _, head, refused: exchange.sign_in_anew({}, head, refused),
        )
        desk = StayDesk(journal.stays, RULES, self.clock, OutpatientSettlements(journal).of)
        exchange = Exchange(
            interface=lambda: world.interface,
            journal=journal,
            platform=line,
            msgids=msgids,
            sender=SENDER,
            clock=self.clock,
            sign_ins=sign_ins,
            observer=Unmeasured(),
            node=membership.current,
            still_mine=membership.still_mine,
            wait=world.schedule.sleep,
            gate=gate,
            times=Times(CALL_S_MAX, TURN_WAIT_S, 1.0, READ_TIMEOUT_S),
            monotonic=lambda: world.schedule.now_s,
            rules=StayRules(desk, journal, self.clock, later=self._read_back),
            station_of=lambda _: HIS.workstation,
        )
        while True:
            try:
                registration = membership.start()
                break
            except JournalUnavailable:
                world.schedule.sleep(1.0)
        self.exchange, self.stays, self.journal = exchange, desk, journal
        self.signs_out = SignInDesk(exchange, sign_ins, [HIS.workstation], self.clock).sign_out
        self.callbacks = CallbackDesk(
            lambda: world.interface, journal, self._queue(), self.clock, INSTITUTION, "national"
        )
        self.callbacks._one_at_a_time = Turn(world.schedule)  # type: ignore[assignment]
        log = OperatorLog(NodeBackend(world.backend, self), self.clock)
        resends = Resends(journal, {HIS.name: HIS})
        self.resend = ResendDesk(exchange, journal, resends, _as_it_came, log).operations["exchange_resend"]
        self.shown = lambda: self._shown(membership, line, gate, msgids)

        def leave() -> None:
            line.close()
            membership.leave()

        self._leave = leave
        world.tell(self.name, f"up as {registration.name}, epoch {registration.epoch}")
        prober = Prober(exchange, gate, BREAKER.slow_s)
        self._threads = [
            world.schedule.spawn(f"{self.name} heartbeat", lambda: self._beat(membership), self.owner),
            world.schedule.spawn(f"{self.name} resolver", lambda: self._resolve(gate, prober), self.owner),
        ]

    def _read_back(self, job: Callable[[], None]) -> None:
        """What the thread beside does, in virtual time."""
        self.world.schedule.spawn(f"{self.name} reads back", job, self.owner)

    def _queue(self) -> Any:
        return TurnTaking(SqlCallbacks(NodeBackend(self.world.backend, self)), self)

    def _shown(self, membership: Membership, line: WatchedPlatform, gate: PlatformGate, msgids: MsgidSequence) -> None:
        """Read only; and what it shows must be possible."""
        told, status = {"well": membership.well(), "platform": line.reachable(2.0)}, gate.status()
        if status.sending > PLACES:
            self.world.schedule.fail(
                Violation(f"{self.name} says that {status.sending} calls have a turn, of {PLACES}")
            )
        step_s = self.world.drawn.clock_step_s_max
        if msgids.ahead_s > 2 * step_s + 60:
            self.world.schedule.fail(
                Violation(f"{self.name} numbers {msgids.ahead_s} s ahead of a clock {step_s} s off")
            )
        for name, good in told.items():
            self.world.faults[f"seen not {name}"] += not good

    def renew(self, down_s: float) -> None:
        """SIGTERM: running calls end, then the threads, then the registration; a new process comes ``down_s`` later."""
        owner, world = self.owner, self.world
        self.leaving = True
        world.tell(self.name, "is to end")
        world.faults["renewed"] += 1

        def end() -> None:
            waited = 0
            while waited < DRAIN_S and not (
                all(box.filled for box in self.boxes) and all(one.ended for one in self._threads)
            ):
                world.schedule.sleep(1.0)
                waited += 1
            self._leave()
            world.schedule.at(0.0, lambda: self._ended(owner, down_s))

        world.schedule.spawn(f"{self.name} ends", end, owner)

    def _ended(self, owner: Owner, down_s: float) -> None:
        if owner.alive:
            self._gone("is down for an upgrade", down_s)

    def _gate(self) -> PlatformGate:
        """Narrow enough that calls wait for one another; the platform closes twice."""
        world = self.world

        def limited(client: str, code: str) -> None:
            world.faults[f"turned away {code}"] += 1
            world.tell(self.name, f"turns away {client} {code}")

        self.in_hand = CallsInHand(Shares(CALLS_IN_HAND, [HIS.name], 0.0), limited)
        return PlatformGate(
            "simulated",
            Breaker(BREAKER),
            FairQueue(Shares(PLACES, [HIS.name, PROBE], 0.0)),
            CLOSED,
            clock=self.clock,
            monotonic=lambda: world.schedule.now_s,
            signal=lambda: Wake(world.schedule),
            limited=limited,
        )

    def _membership(self) -> Membership:
        """Where the weather has it so, the next process on the same machine sees that the one before is gone."""
        world = self.world
        registry: Any = world.beside.slow(TurnTaking(SqlNodes(NodeBackend(world.backend, self)), self))
        life = self.lives
        place = f"machine of {self.name}" if world.weather.seen_gone else ""
        return Membership(
            registry,
            "n1" if world.beside.one_name_twice and self.name == "n3" else self.name,
            NodeFacts(place=place, pid=life, silence_s=SILENCE_S),
            clock=self.clock,
            monotonic=lambda: world.schedule.now_s,
            heartbeat_s=HEARTBEAT_S,
            lives=lambda pid: pid == self.lives and self.owner.alive,
        )

    def _beat(self, membership: Membership) -> None:
        """What the thread of the heartbeat does, in virtual time."""
        world = self.world
        while not self.leaving:
            world.schedule.sleep(HEARTBEAT_S)
            before = membership.current()
            membership.heartbeat()
            if membership.current() != before:
                world.faults["declared dead"] += 1
                world.tell(
                    self.name, f"was declared dead; now {membership.current().name}, epoch {membership.current().epoch}"
                )

    def _resolve(self, gate: PlatformGate, prober: Prober) -> None:
        """What the thread of the resolver does, in virtual time; a turn without anything open is left out."""
        world = self.world
        assert self.exchange is not None
        assert self.resolver is not None
        work_list = WorkList(self.exchange._journal, self.clock)
        turn = ResolverTurn(self.exchange, self.resolver, work_list, prober.turn)
        while not self.leaving:
            world.schedule.sleep(RESOLVE_EVERY_S)
            if world.witness.open_count(escalated=False) or gate.probe_due():
                turn.take()

    def crash(self, why: str) -> None:
        """SIGKILL: nothing of the process happens any more, and whoever waits for it loses the connection."""
        if not self.owner.alive:
            return
        self.world.crashes += 1
        self._gone(f"dies {why}", self.world.rng.uniform(0.5, 60.0))

    def _gone(self, how: str, down_s: float) -> None:
        world = self.world
        world.tell(self.name, how)
        self.exchange = None
        world.schedule.kill(self.owner)
        for box in list(self.boxes):
            box.put("connection reset")
        self.boxes.clear()
        world.schedule.at(down_s, self.boot)

    def decide_by_hand(self, seen: Seen) -> None:
        """``yibao doubts resolve`` on this node, told the truth."""
        ledger, resolver = self.world.ledger, self.resolver
        assert resolver is not None
        reversal = ledger.reversals.get(seen.msgid)
        if seen.msgid not in ledger.executed:
            state = State.NOT_DONE
        else:
            state = State.REVERSED if reversal is not None and not reversal.refusal else State.CONFIRMED
        output = self.world.output_of(seen) if state is State.CONFIRMED else None

        def decide() -> None:
            self.world.tell(self.name, f"a person decides {seen.infno} {seen.msgid[-8:]}: {state}")
            for impossible, name in ((State.DECLINED, "王值班"), (state, " ")):
                with suppress(JournalUnavailable, ValueError):
                    resolver.by_operator(seen.id, impossible, name, "已在平台核对", output)
                    raise Violation(f"{name!r} could decide {seen.infno} {seen.msgid}: {impossible}")
            with suppress(JournalUnavailable, ValueError):
                resolver.by_operator(seen.id, state, "王值班", "已在平台核对", output)

        self.world.schedule.spawn(f"{self.name} operator", decide, self.owner)

    def serve(self, infno: str, text: str, client: Client, box: Box) -> Task:
        """Carry one request of the HIS; the reply goes to ``box`` if somebody still waits there."""
        self.boxes[box] = None
        return self.world.schedule.spawn(
            f"{self.name} {infno}", lambda: self._serve(infno, text, client, box), self.owner
        )

    def _serve(self, infno: str, text: str, client: Client, box: Box) -> None:
        exchange, world = self.exchange, self.world
        if exchange is None:
            box.put("connection refused")
            return
        world.calls += 1
        head, message = _read(infno, text)
        call = Call(client, infno, message, text.encode(), "string", head)
        try:
            with self.in_hand.hold(client.name):
                reply = exchange.handle(call)
        except Refused as limit:
            reply = exchange.refuse(call, limit)
        except Unreadable as refusal:
            reply = refusal_reply(refusal)
        self.check_alive()
        world.answered(self, infno, reply)
        del self.boxes[box]
        receipts = Receipts(exchange._journal, exchange._clock)
        receipts.told(reply, written=box.put(reply))
        receipts.keep()

    def send_again(self, client: Client, request_id: str, box: Box) -> Task:
        """What this request of the HIS began, sent again by a person at this node; the box gets what they are told.

        Args:
            request_id: empty: what the gateway itself asked last.
        """
        resend = self.resend

        def again() -> None:
            told: object = "nothing of it is known"
            with suppress(JournalUnavailable, Refused):
                own = () if request_id else self.journal.search(Query(infno="5202", limit=1))
                row = self.journal.find_request(client.name, request_id) if request_id else next(iter(own), None)
                told = resend("王值班", row.id, "病人已入科，时间已一致") if row is not None else told
            self.check_alive()
            self.world.faults["sent again" if isinstance(told, dict) and told.get("sent") else "not sent again"] += 1
            self.world.tell(self.name, f"sends {request_id} again: {told}")
            self.boxes.pop(box, None)
            box.put(told)

        self.boxes[box] = None
        return self.world.schedule.spawn(f"{self.name} sends again", again, self.owner)

    def hear(self, what: str, ask: Callable[[StayDesk], object], box: Box) -> None:
        """Something of ``/soap/hospital`` on this node; the box gets what ``ask`` answers, nothing without a store."""
        desk = self.stays
        assert desk is not None

        def answer() -> None:
            with suppress(JournalUnavailable):
                box.put(ask(desk))
            box.put(None)

        self.boxes[box] = None
        self.world.schedule.spawn(f"{self.name} {what}", answer, self.owner)

    def outcome(self, client: Client, asked: dict[str, str], box: Box) -> None:
        """``Outcome`` on this node; the box gets a Reply, or nothing when the store would not tell."""
        exchange = self.exchange
        assert exchange is not None

        def ask() -> None:
            with suppress(JournalUnavailable, Unreadable):
                box.put(exchange.outcome(client, **asked))
            box.put(None)

        self.boxes[box] = None
        self.world.schedule.spawn(f"{self.name} outcome", ask, self.owner)


def _as_it_came(row: Row, bodies: Bodies, client: Client) -> Call:
    """The call that a row was begun with."""
    text = bodies.caller_request or b""
    head, message = _read(row.infno, text.decode())
    return Call(client, row.infno, message, text, "string", head)


def _read(infno: str, text: str) -> tuple[dict[str, str], Any]:
    """The way of the string service: XML to the national message."""
    root = parse_text(text)
    parts = {local(child.tag): child for child in root}
    head = {local(child.tag): child.text or "" for child in parts["head"]}
    if infno not in interface().contract.transactions:
        return head, {}
    return head, interface().input(infno).read_xml(parts["input"])


@dataclass
class Result:
    """What one world came to."""

    seed: str
    calls: int = 0
    virtual_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    escalated: Counter[str] = field(default_factory=Counter)
    story_hash: str = ""

    @property
    def exchanges(self) -> int:
        """Rows of the journal."""
        return sum(self.states.values())


class World:
    """Everything of one seed.

    Args:
        seed: the whole run follows from it.
        backend: an empty store.
        path: its file, for the witness.
        calls_max: calls of the HIS after which nothing new is begun and nothing goes wrong any more.
        weather: None draws it from the seed.
    """

    def __init__(
        self, seed: str, backend: SqliteBackend, path: Path, calls_max: int, weather: Weather | None = None
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.schedule = Schedule()
        self.backend = backend
        self.journal = SqlJournal(backend)
        self.witness = Witness(path)
        self.weather = self.drawn = weather or draw(self.rng)
        self.beside = Beside(self)
        self.interface = interface(reversible=self.weather.reversible)
        self.calls = 0
        self.calls_max = calls_max
        self.crashes = 0
        self.abandoned = 0
        self.store_is_down = False
        self.told_done: set[str] = set()
        self.told_not_done: list[tuple[str, str, str, str]] = []
        self.escalated: Counter[str] = Counter()
        self.story: list[tuple[float, str, str]] = []
        self.faults: Counter[str] = Counter()
        simulator, worlds = _simulator()
        worlds[:] = [self]
        simulator.reset(self.rng.randrange(10**9))
        simulator._require_sign_in = self.weather.sign_in
        # no draw of its own: recorded seeds stay the worlds that they were
        simulator._one_sign_in = self.weather.sign_in and self.weather.seen_gone
        self.platform = Platform(self, simulator)
        self.nodes = [Node(self, f"n{number + 1}") for number in range(NODES)]
        self.desks = [Desk(self, number + 1) for number in range(DESKS)]

    # ---------------------------------------------------------------- run

    def run(self) -> Result:
        """To the end. Raises Violation, or whatever the code under test raises that it must not."""
        for node in self.nodes:
            node.boot()
        desks = [self.schedule.spawn(desk.name, desk.work, delay_s=1.0) for desk in self.desks]
        desks += self.beside.begin()
        for every_s, event in (
            (OPERATOR_EVERY_S, self._operator_comes),
            (self.weather.crash_every_s, self._crash_some),
            (self.weather.stopped_every_s, self._stop_some),
            (self.weather.store_down_every_s, self._store_down),
            (self.weather.platform_down_every_s, self._platform_down),
            (self.weather.clock_step_every_s, self._clock_step),
        ):
            if every_s:
                self._every(every_s, event)
        try:
            self.schedule.run(lambda: all(task.ended for task in desks))
            self._calm_down()
            self.schedule.run(self._settled_or_late)
            states = check_end(self)
        finally:
            self.schedule.close()
            self.witness.close()
        return Result(
            self.seed,
            self.calls,
            self.schedule.now_s,
            states,
            self.faults + Counter(self.platform.faults),
            self.escalated,
        )

    @property
    def enough(self) -> bool:
        """Whether the HIS begins nothing new; then nothing new goes wrong either."""
        if self.calls >= self.calls_max:
            self._calm_down()
            return True
        return False

    def _calm_down(self) -> None:
        if self.weather is not CALM:
            self.tell("world", "nothing goes wrong from here on")
            self.weather = CALM
            self._deadline_s = self.schedule.now_s + QUIET_S_MAX

    def _settled_or_late(self) -> bool:
        if self.schedule.now_s > self._deadline_s:
            return True
        quiet = not self.platform.flying and all(node.owner.alive for node in self.nodes)
        return quiet and not self.witness.open_count(escalated=True)

    def _every(self, mean_s: float, event: Any) -> None:
        def happen() -> None:
            if self.weather is CALM and event != self._operator_comes:
                return
            event()
            self.schedule.at(self.rng.expovariate(1 / mean_s), happen)

        self.schedule.at(self.rng.expovariate(1 / mean_s), happen)

    # ------------------------------------------------------- what goes wrong

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def pause(self, node: Node) -> None:
        """Somebody else's turn, for a moment or for as long as the node is stopped; outside of tasks nobody waits."""
        if self.schedule.current is None:
            return
        if node.stopped_until_s > self.schedule.now_s:
            self.schedule.sleep(node.stopped_until_s - self.schedule.now_s)
        elif self.rng.random() < PAUSE_CHANCE:
            self.schedule.sleep(self.rng.uniform(0.0, 0.05))

    def fate_of_send(self) -> str:
        if self.chance(self.weather.line):
            return self.rng.choices(LINE_OF, self.weather.weights)[0]
        return "well"

    def fate_of_write(self, node: Node) -> str:
        weather = self.weather
        if self.store_is_down or self.chance(weather.store_fails):
            return "fails"
        if self.schedule.current is not None and self.chance(weather.crash_at_write):
            fate = self.rng.choice(("crash-before", "crash-inside", "crash-after"))
        elif self.chance(weather.lost_acknowledgement):
            fate = "acknowledgement-lost"
        else:
            return "well"
        self.faults[fate] += 1
        return fate

    def _crash_some(self) -> None:
        self.faults["crash"] += 1
        self.rng.choice(self.nodes).crash("of SIGKILL")

    def _stop_some(self) -> None:
        """SIGSTOP, and SIGCONT up to long after the others have taken over what it was doing."""
        self.stop(self.rng.choice(self.nodes))

    def stop(self, node: Node) -> None:
        """Nothing of this node happens for a while."""
        self.faults["stopped"] += 1
        seconds = self.rng.uniform(1.0, STOPPED_S_MAX)
        node.stopped_until_s = self.schedule.now_s + seconds
        self.tell(node.name, f"is stopped for {seconds:.0f} s")

    def _store_down(self) -> None:
        self.faults["store-down"] += 1
        self.store_is_down = True
        self.tell("store", "down")
        self.schedule.at(self.rng.uniform(0.1, 20.0), self._store_up)

    def _store_up(self) -> None:
        self.store_is_down = False

    def _platform_down(self) -> None:
        if not self.platform.down:
            self.faults["platform-restart"] += 1
            self.platform.restart(self.rng.uniform(1.0, 30.0))

    def _operator_comes(self) -> None:
        """A named person looks at the platform's own screens and says what is true."""
        for seen in self.witness.escalated():
            node = next((one for one in self.nodes if one.owner.alive and one.resolver), None)
            if node is not None:
                node.decide_by_hand(seen)

    def _clock_step(self) -> None:
        node = self.rng.choice(self.nodes)
        node.clock_ahead_s = self.rng.uniform(-1.0, 1.0) * self.weather.clock_step_s_max
        self.faults["clock-step"] += 1
        self.tell(node.name, f"its clock is now {node.clock_ahead_s:+.0f} s off")

    # ---------------------------------------------------------------- facts

    def platform_time(self) -> datetime:
        return START + timedelta(seconds=self.schedule.now_s)

    @property
    def ledger(self) -> Ledger:
        return self.platform.simulator._ledger

    def some_node(self) -> Node | None:
        """Where the balancer sends the next request; None where the process is just not there."""
        node = self.rng.choice(self.nodes)
        return node if node.ready else None

    @staticmethod
    def mutates(infno: str) -> bool:
        known = interface().contract.transactions.get(infno)
        return known is not None and known.safety != "read"

    def output_of(self, seen: Seen) -> Any:
        """What a person reads off the platform's screen about something it has done."""
        for settlement in self.ledger.settlements.values():
            if settlement.msgid == seen.msgid:
                return {"setlinfo": {"setl_id": settlement.setl_id, "mdtrt_id": settlement.episode.mdtrt_id}}
        message = self.message_of(seen)
        if seen.infno == "2401":
            number = message["mdtrtinfo"]["ipt_no"]
            newest = [one for one in self.ledger.episodes.values() if one.kind == "stay" and one.number == number][-1]
            return {"result": {"mdtrt_id": newest.mdtrt_id}}
        return None

    def message_of(self, row: Row | Seen) -> Any:
        bodies = self.journal.bodies(row.id)
        assert bodies is not None
        assert bodies.platform_request is not None
        return json.loads(bodies.platform_request)["input"]

    def tell(self, who: str, what: str) -> None:
        """One line of the story."""
        self.story.append((self.schedule.now_s, who, what))

    # --------------------------------------------------- checks on the way

    def sent(self, node: Node, request: PlatformRequest, kind: str) -> None:
        """Just before the first byte leaves: is it durable, is it alone, are these bytes those of this msgid?"""
        self.tell(node.name, f"sends {request.infno} {request.msgid[-8:]}" + (f" ({kind})" if kind != "well" else ""))
        before = self.platform.bytes_of.setdefault(request.msgid, request.body)
        if not _alike(before, request.body):
            self.schedule.fail(Violation(f"msgid {request.msgid} is used for other bytes"))
        if not self.mutates(request.infno):
            return
        message = json.loads(request.body)["input"]
        holder = self._durable(request, message)
        keys = {(kind, value) for kind in ONE_AT_A_TIME for value in _leaves(message, kind)}
        others = [one for one in self.witness.open_about(keys) if one.id != holder.id and one.infno != "2601"]
        if others:
            told = "、".join(f"{one.id} {one.infno} is {one.state}" for one in others)
            self.schedule.fail(Violation(f"{request.infno} {request.msgid} leaves while {told}"))

    def _durable(self, request: PlatformRequest, message: Any) -> Seen:
        """The exchange on whose behalf these bytes leave, from the store."""
        found = self.witness.by_msgid(request.msgid)
        if found is None:
            return self._reversing(request)
        if not _alike(self.witness.request_bytes(found.id), request.body):
            self.schedule.fail(Violation(f"{request.infno} {request.msgid}: other bytes leave than the journal holds"))
        if request.prepared and self.witness.request_bytes(found.id, "wire_request") != request.prepared.kept:
            self.schedule.fail(Violation(f"{request.infno} {request.msgid}: sealed otherwise than the journal holds"))
        if found.state == "CONFIRMED":
            # two resolvers at once: the platform tells the same msgid from a second request
            self.faults["repeated after confirmation"] += 1
        elif found.state not in ("INTENDED", "IN_DOUBT"):
            self.schedule.fail(Violation(f"{request.infno} {request.msgid} leaves although it is {found.state}"))
        if request.infno != "2601":
            return found
        return self.witness.by_msgid(message["data"]["omsgid"]) or found

    def _reversing(self, request: PlatformRequest) -> Seen:
        """The doubt that the gateway itself reverses: the 2601 is kept as evidence before it leaves."""
        found = self.witness.reversing(request.msgid)
        if found is None:
            self.schedule.fail(Violation(f"{request.infno} {request.msgid} leaves and the journal does not know it"))
        doubtful, kept = found
        if not _alike(kept, request.body):
            self.schedule.fail(Violation(f"{request.infno} {request.msgid}: other bytes leave than the journal holds"))
        return doubtful

    def executed(self, request: PlatformRequest, response: Response) -> None:
        """Right after the platform has acted."""
        if request.infno in SETTLES and response.status == 200:
            for episode in self.ledger.episodes.values():
                if len(episode.settled) > 1:
                    raise Violation(f"{episode.mdtrt_id} has {len(episode.settled)} settlements in force")

    def answered(self, node: Node, infno: str, reply: Reply) -> None:
        """A reply is ready, whether or not anybody gets it."""
        note = f"{reply.infcode} {reply.code} {'again ' if reply.repeated else ''}{reply.err_msg[:60]}"
        self.tell(node.name, f"answers {infno} {reply.msgid[-8:]}: {note}")

    def told(self, who: str, infno: str, reply: Reply) -> None:
        """A reply has reached the HIS."""
        if not self.mutates(infno) or not reply.msgid:
            return
        if reply.infcode != "0":
            if reply.code not in ("GW-4101", "GW-4102", "GW-4120", "GW-1423", "GW-1425"):
                self.told_not_done.append((who, infno, reply.msgid, reply.code))
            return
        self.told_done.add(reply.msgid)
        if infno not in ("2601", *SAME_EFFECT) and reply.msgid not in self.ledger.executed:
            raise Violation(f"{who} was told that {infno} {reply.msgid} is done, the platform has not done it")

    def decided(self, node: Node, exchange_id: int, decision: Decision) -> None:
        """The resolver has taken a step. A person is called only where the data says that nothing can prove it."""
        row = self.witness.by_id(exchange_id)
        self.tell(node.name, f"about {row.infno} {row.msgid[-8:]}: {decision.act} {decision.reason}")
        if decision.act is Act.ESCALATE:
            transaction = self.interface.contract.transactions[row.infno]
            then = self.interface.contract.proofs.of(transaction).then
            if then == "repeat" or (then == "reverse" and transaction.reversible_by_2601):
                self.schedule.fail(Violation(f"{row.infno} {row.msgid} is left to a person: {decision.reason}"))
            self.escalated[row.infno] += 1


def _alike(kept: bytes, sent: bytes) -> bool:
    """The same bytes, or the same but for a sign-in number that was renewed in between."""
    return kept == sent or _unsigned(kept) == _unsigned(sent)


def _unsigned(body: bytes) -> Any:
    return {name: value for name, value in json.loads(body).items() if name != "sign_no"}


def _leaves(message: Any, name: str) -> Iterator[str]:
    if isinstance(message, list):
        for item in message:
            yield from _leaves(item, name)
    elif isinstance(message, dict):
        for key, value in message.items():
            if key == name and isinstance(value, str) and value:
                yield value
            else:
                yield from _leaves(value, name)


BROKEN: Final = {"send_failed"}
"""What the gateway logs when it has caught an error that it did not expect: a bug, however well it was survived."""


@contextmanager
def listening(caught: list[str]) -> Iterator[None]:
    """No log lines, since thousands of expected warnings would hide the one story that matters; bugs go to ``caught``."""

    def hear(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        if event.get("event") in BROKEN:
            caught.append(f"{event['event']}: {traceback.format_exc()}")
        raise structlog.DropEvent

    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(processors=[hear], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.reset_defaults()
        if before:
            structlog.configure(**before)


def run_world(seed: str, files: Files, calls_max: int, weather: Weather | None = None) -> Result:
    """Build and run one world. A failure carries the world's story in ``__notes__``."""
    caught: list[str] = []
    with listening(caught), files.backend() as (backend, path):
        world = World(seed, backend, path, calls_max, weather)
        try:
            result = world.run()
            if caught:
                raise Violation(f"{len(caught)} errors that nobody expected, the first: {caught[0]}")
        except BaseException as error:
            error.add_note(f"world {seed}, weather {world.weather}\n" + "\n".join(told(world)))
            raise
    result.story_hash = hashlib.sha256("\n".join(told(world)).encode()).hexdigest()
    return result


def told(world: World) -> list[str]:
    """The story as lines."""
    return [f"{at:10.3f}  {who:9} {what}" for at, who, what in world.story]


assert LATEST_S < SETTLE_TIME_S
