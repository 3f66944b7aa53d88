"""What goes on beside the HIS's calls: the platform calls back, the detail list comes, somebody watches, nodes are renewed.

Each of these is there in some worlds only, by dice of its own, so that a world without them is what it always was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from adapters.settlement.callback import PlainCallbacks, by_key
from gateway.exchange.call import Client, Reply
from gateway.exchange.callbacks import CallbackDesk, CallbackForged, fingerprint_of
from gateway.exchange.exchange import ContentWrong
from gateway.exchange.listed import listed
from gateway.exchange.ports import JournalUnavailable, Registration
from gateway.store.callbacks import SqlCallbacks
from jobs.job import JobFailed
from tests.simulation.checks import SETTLES, Violation
from tests.simulation.schedule import Box, Schedule, Task

HIS: Final = Client("his")
"""Whose requests are looked for; its rights are not asked about."""

if TYPE_CHECKING:
    from tests.simulation.world import Node, World

KEY: Final = "of the platform"
LINE: Final = PlainCallbacks(by_key(KEY, "apikey"))
CALLS_BACK_EVERY_S: Final = 60.0
ASKS_EVERY_S: Final = 45.0
LISTED_EVERY_S: Final = 30.0
EVENING_EVERY_S: Final = 400.0
WATCHED_EVERY_S: Final = 40.0
RENEWED_EVERY_S: Final = 500.0
LOOKS_BACK_EVERY_S: Final = 90.0
OTHER: Final = Client("other", ("1101",))
WAIT_S: Final = 30.0
DRAIN_S: Final = 120


class Beside:
    """The others of one world.

    Args:
        world: it all happens in.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = Random(f"{world.seed}/beside")
        self.centre = Centre(self) if self.rng.random() < 0.4 else None
        self.lists = self.rng.random() < 0.4
        self.list_names_settlement = self.rng.random() < 0.5
        self.watches = self.rng.random() < 0.4
        self.renews = self.rng.random() < 0.3
        self.one_name_twice = self.rng.random() < 0.2
        """Two machines were installed from one configuration: both call themselves the same."""
        self.slow_store = self.rng.random() < 0.2
        """Asking whether a registration is in force takes longer than the answer is good for, now and then."""
        self.looks_back = self.rng.random() < 0.4
        self.seals = self.rng.random() < 0.3
        """The province wants messages sealed."""
        self.signs_out = self.rng.random() < 0.3
        self._known: list[tuple[str, Reply]] = []

    def begin(self) -> list[Task]:
        """Start what goes on; the tasks end by themselves once the HIS begins nothing new."""
        turns: list[tuple[bool, float, Callable[[], None]]] = [
            (self.lists, LISTED_EVERY_S, self._list_comes),
            (self.watches, WATCHED_EVERY_S, self._watch),
            (self.renews, RENEWED_EVERY_S, self._renew),
            (self.looks_back, LOOKS_BACK_EVERY_S, self._look_back),
            (self.signs_out, EVENING_EVERY_S, self._sign_out),
        ]
        tasks = [self._spawn(every_s, turn) for there, every_s, turn in turns if there]
        return tasks + (self.centre.begin() if self.centre else [])

    def _spawn(self, every_s: float, turn: Callable[[], None]) -> Task:
        def work() -> None:
            while not self.world.enough:
                self.world.schedule.sleep(self.rng.expovariate(1 / every_s))
                turn()

        return self.world.schedule.spawn(turn.__name__, work)

    def ready(self) -> list[Node]:
        """Nodes that answer."""
        return [node for node in self.world.nodes if node.ready]

    # ------------------------------------------------------- the detail list

    def _list_comes(self) -> None:
        """3202 names the settlements in force; what is doubtful among them is known to be done (``reconcile/service.py``)."""
        nodes = self.ready()
        in_force = {one.msgid: one for one in self.world.ledger.settlements.values() if one.state == "settled"}
        for seen in self.world.witness.unresolved() if nodes else []:
            if seen.infno in SETTLES and (settlement := in_force.get(seen.msgid)):
                line = {"mdtrt_id": settlement.episode.mdtrt_id, "clr_type": "11"}
                if self.list_names_settlement:
                    line["setl_id"] = settlement.setl_id
                self._listed(self.rng.choice(nodes), seen.id, seen.msgid, line)

    def _listed(self, node: Node, exchange_id: int, msgid: str, line: dict[str, str]) -> None:
        journal, resolver = node.journal, node.resolver
        assert resolver is not None

        def compare() -> None:
            self.world.faults["listed"] += 1
            self.world.tell(node.name, f"the list names {msgid[-8:]}: {'、'.join(line)}")
            try:
                journal.add_proof(exchange_id, listed(msgid, line, node.clock()))
                resolver.step(exchange_id)
            except JournalUnavailable:
                pass  # the list comes again

        self.world.schedule.spawn(f"{node.name} reconciles", compare, node.owner)

    # ------------------------------------------------------ asked much later

    def remember(self, request_id: str, reply: Reply) -> None:
        """A request of the HIS that was done."""
        if self.looks_back and request_id:
            self._known.append((request_id, reply))

    def _look_back(self) -> None:
        """``Outcome`` of long ago: the same exchange, and whether it still counts; others are told nothing of it."""
        nodes = self.ready()
        if not (nodes and self._known):
            return
        node, (request_id, reply) = self.rng.choice(nodes), self.rng.choice(self._known)
        found, mine, others = (
            self.world.witness.by_msgid(reply.msgid),
            Box(self.world.schedule),
            Box(self.world.schedule),
        )
        node.outcome(HIS, {"request_id": request_id}, mine)
        node.outcome(OTHER, {"mdtrt_id": "1", "infno": "2405"}, others)
        if mine.wait(WAIT_S) and isinstance(mine.value, Reply):
            told = mine.value
            if (told.msgid, told.infcode) != (reply.msgid, "0"):
                raise Violation(f"request {request_id} was done as {reply.msgid}, its outcome is {told}")
            now = self.world.witness.by_msgid(reply.msgid)
            if found and found.undone and now and now.undone and "撤销" not in told.warn_msg:
                raise Violation(f"request {request_id} was undone, its outcome does not say so: {told}")
        if others.wait(WAIT_S) and isinstance(others.value, Reply):
            raise Violation(f"{OTHER.name} may not ask, and was told {others.value}")

    def slow(self, registry: Any) -> Any:
        """The registry as a world with a slow store has it."""
        return SlowStore(registry, self) if self.slow_store else registry

    # --------------------------------------------------- watched and renewed

    def _watch(self) -> None:
        """``/readyz`` and ``/metrics`` of every node."""
        for node in self.ready():
            self.world.schedule.spawn(f"{node.name} is watched", node.shown, node.owner)

    def _sign_out(self) -> None:
        """The job ``sign_out``, while people still work; who is then refused is signed in anew by the gateway."""
        for node in self.ready()[:1]:
            self.world.schedule.spawn(f"{node.name} signs out", lambda node=node: _signed_out(node), node.owner)  # type: ignore[misc]

    def _renew(self) -> None:
        """SIGTERM and a new process, one node at a time: an upgrade as it goes on behind a balancer."""
        nodes = self.ready()
        if len(nodes) > 1:
            self.rng.choice(nodes).renew(self.rng.uniform(1.0, 30.0))


class Evening:
    """What the job is run in (``jobs.job.Run``)."""

    registration = None

    def advance(self, done: int, total: int) -> None:
        """Nobody looks."""


def _signed_out(node: Node) -> None:
    with suppress(JobFailed, JournalUnavailable):
        node.signs_out(Evening())


class Centre:
    """The platform as it calls the institution, and the HIS that fetches what it said."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._world = beside.world
        self._rng = beside.rng
        self._serial = 0
        self._told: list[tuple[str, dict[str, Any]]] = []
        """What was answered: it is in journal and queue, or a promise was broken."""
        self._answers: dict[str, bytes] = {}
        """By fingerprint: the same callback is answered with the same bytes."""
        self._fetched: set[str] = set()
        self._caller: Task | None = None

    def begin(self) -> list[Task]:
        """Both sides."""
        self._caller = self._world.schedule.spawn("centre", self._call)
        return [self._caller, self._world.schedule.spawn("his fetches", self._fetch)]

    def check(self) -> None:
        """At the end: everything answered was fetched, and stands in the queue once. Raises Violation."""
        queue = SqlCallbacks(self._world.backend)
        if queue.count():
            raise Violation(f"{queue.count()} callbacks wait at the end")
        for infno, message in self._told:
            fingerprint = fingerprint_of(infno, message)
            if queue.find(fingerprint) is None:
                raise Violation(f"callback {infno} {message} was answered and is not in the queue")
            if fingerprint not in self._fetched:
                raise Violation(f"callback {infno} {message} was answered, the HIS never got it")

    # ------------------------------------------------------- the platform's side

    def _call(self) -> None:
        while not self._world.enough:
            self._world.schedule.sleep(self._rng.expovariate(1 / CALLS_BACK_EVERY_S))
            infno, message = self._news()
            self._until_answered(infno, message)
            if self._rng.random() < 0.3:  # the answer was lost on its way: the same again, in another envelope
                self._until_answered(infno, message)
            if self._rng.random() < 0.2:
                self._refused(infno, {**message, "data": {}}, "wrong", KEY)
            if self._rng.random() < 0.2:
                self._refused(infno, message | {"data": message["data"] | {"hiRxno": "FORGED"}}, "forged", "guessed")

    def _news(self) -> tuple[str, dict[str, Any]]:
        self._serial += 1
        number = f"RX{self._serial:06d}"
        news = {"hiRxno": number, "rxStasCodg": "1", "rxStasName": "有效"}
        if self._rng.random() < 0.5:
            check = {"pharName": "药师", "pharCode": "P1", "rxChkStasCodg": "1", "rxChkOpnn": "通过",
                     "rxChkTime": "2026-03-02 08:00:00", "rxChkStasName": "通过"}  # fmt: skip
            return "7108", {"data": news | check}
        order = {"payOrdId": number, "medOrgOrd": f"Z{number}", "feeSumamt": "1.00", "ownPayAmt": "0.00",
                 "psnAcctPay": "0.00", "fundPay": "1.00", "thdPayType": "01"}  # fmt: skip
        return "6204", {"data": order}

    def _until_answered(self, infno: str, message: dict[str, Any]) -> None:
        """A platform repeats until it is answered; each time in a new envelope."""
        fingerprint = fingerprint_of(infno, message)
        while True:
            answer = self._post(infno, message, KEY)
            if isinstance(answer, bytes):
                break
            if answer is not None:
                raise Violation(f"callback {infno} of the platform was told {answer}")
            self._world.schedule.sleep(self._rng.uniform(5.0, 60.0))
        if str(json.loads(answer)["infcode"]) != "0" or self._answers.setdefault(fingerprint, answer) != answer:
            raise Violation(f"callback {infno} was answered {answer!r}, before {self._answers.get(fingerprint)!r}")
        self._told.append((infno, message))

    def _refused(self, infno: str, message: dict[str, Any], expected: str, key: str) -> None:
        answer = self._post(infno, message, key)
        if answer not in (None, expected):
            raise Violation(f"callback {infno} {message} should be {expected}, was answered {answer!r}")

    def _post(self, infno: str, message: dict[str, Any], key: str) -> Any:
        """The answer's bytes, ``forged`` or ``wrong``; None without an answer."""
        nodes = self._beside.ready()
        if not nodes:
            return None
        node, box = self._rng.choice(nodes), Box(self._world.schedule)
        desk, body = node.callbacks, json.dumps({"infno": infno, "msgid": str(self._serial), "input": message}).encode()

        def receive() -> None:
            try:
                answer: object = desk.receive(LINE, infno, {"apikey": key}, body)
            except CallbackForged:
                answer = "forged"
            except ContentWrong:
                answer = "wrong"
            except JournalUnavailable:
                answer = None
            node.check_alive()
            box.put(answer)

        self._world.tell(node.name, f"is called with {infno} {self._serial}")
        self._world.schedule.spawn(f"{node.name} callback {infno}", receive, node.owner)
        return box.value if box.wait(WAIT_S) else None

    # ------------------------------------------------------------- the HIS's side

    def _fetch(self) -> None:
        """Fetch and confirm, again and again; at the end until nothing waits."""
        assert self._caller is not None
        while True:
            last = self._caller.ended
            self._world.schedule.sleep(self._rng.uniform(1.0, 2 * ASKS_EVERY_S))
            found = self._ask(lambda desk: desk.waiting(5))
            for one, message in found[0] if found else []:
                self._fetched.add(fingerprint_of(one.infno, message))
                if message is None:
                    raise Violation(f"callback {one.id} waits without its content")
                self._ask(lambda desk, number=one.id: (desk.take(number, "his"),))  # type: ignore[misc]
            if last and found and not found[1]:
                return

    def _ask(self, ask: Callable[[CallbackDesk], Any]) -> Any:
        nodes = self._beside.ready()
        if not nodes:
            return None
        node, box = self._rng.choice(nodes), Box(self._world.schedule)

        def answer() -> None:
            try:
                told = ask(node.callbacks)
            except JournalUnavailable:
                told = None
            node.check_alive()
            box.put(told)

        self._world.schedule.spawn(f"{node.name} callbacks asked for", answer, node.owner)
        return box.value if box.wait(WAIT_S) else None


class SlowStore:
    """``NodeRegistry`` whose every tenth answer to the last question before sending takes seconds."""

    def __init__(self, registry: Any, beside: Beside) -> None:
        self._registry = registry
        self._beside = beside

    def holds(self, registration: Registration) -> bool:
        """Whether it is in force, sooner or later."""
        if self._beside.rng.random() < 0.1:
            self._beside.world.schedule.sleep(self._beside.rng.uniform(0.5, 3.0))
        return bool(self._registry.holds(registration))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


class Turn:
    """A lock in virtual time: whoever holds a real one while others get their turn would hold up all of time."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            self._schedule.sleep(0.05)
        self._held = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = False
