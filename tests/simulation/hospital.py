"""A hospital's systems: stays and visits that go back and forth, asked for until an answer is there.

Each desk works on one stay or visit at a time and believes exactly what it was told. Whenever an answer is final, what
the desk believes must be what the platform has in its ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from gateway.exchange.call import Client, Reply
from gateway.stays.desk import StayDesk
from gateway.stays.emergency import EmergencyDesk
from gateway.stays.history import WardEventKind
from tests.simulation import messages
from tests.simulation.checks import Violation, compare
from tests.simulation.messages import Message
from tests.simulation.schedule import Box, Task

if TYPE_CHECKING:
    from tests.simulation.world import World

WORKSTATION = {
    "opter": "0001",
    "opter_name": "收费员",
    "opter_type": "1",
    "mac": "00-00-00-00-00-00",
    "ip": "127.0.0.1",
}
HIS = Client("his", workstation=WORKSTATION)
ONLY_QUERIES = Client("query", ("1*", "5*"), WORKSTATION)
WAIT_S = 60.0
"""How long the HIS waits for a reply."""
ASK_AGAIN_S = (5.0, 120.0)
THINKS_S = (0.1, 20.0)
"""Between one thing and the next; a machine does not think."""
TRIES_MAX = 300


class Abandoned(Exception):
    """The HIS has given up a call without knowing what became of it."""


@dataclass(frozen=True)
class Refused:
    """A request that was refused, as it was sent; ``learn`` is what the desk does with an answer to it."""

    infno: str
    request_id: str
    text: str
    learn: Callable[[Reply], None]


@dataclass
class Belief:
    """What the HIS thinks of one stay or visit."""

    kind: str
    psn_no: str
    number: str
    mdtrt_id: str = ""
    begntime: str = ""
    """As the last change said; empty before one."""
    ward_in: str = ""
    """When the ward received the patient; empty before that, and after it was taken back."""
    ward_event: str = ""
    """Its ``event_id``."""
    state: str = "none"
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    paid: dict[str, list[str]] = field(default_factory=dict)
    """setl_id -> feedetl_sn it paid, of settlements in force."""
    paid_by: dict[str, str] = field(default_factory=dict)
    """setl_id -> msgid"""
    seen: bool = False
    together: bool = False
    """Two moves are under way, so nothing can be compared until both have their answer."""
    refused: Refused | None = None
    """The last request of the stay that was refused, which a clerk may have sent again."""
    never_again: str = ""
    """``request_id`` of the last that was done, or that would have been a settlement: nobody may have it sent again."""
    payment: Message = field(default_factory=dict)
    """The last 2207, for a clerk who presses the key once more."""

    @property
    def aligned(self) -> bool:
        """Whether the insurance has been told the time of the ward."""
        return bool(self.ward_in) and self.begntime == self.ward_in

    @property
    def unpaid(self) -> list[dict[str, str]]:
        settled = {sn for sns in self.paid.values() for sn in sns}
        return [row for sn, row in self.lines.items() if sn not in settled]


class Desk:
    """One actor of the HIS."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"his{number}"
        self.rng = Random(f"{world.seed}/{self.name}")
        self._number = number
        self._cases = 0
        self._requests = 0
        self._events = 0
        self._rows = 0
        self._running: list[Task] = []
        self._sign_no = ""
        self._asked = ("", "", "")
        """Transaction, ``request_id`` and text of what was last asked."""

    def work(self) -> None:
        """Case after case until the world has enough."""
        while not self.world.enough:
            self._cases += 1
            if self.rng.random() < 0.3:
                self.rng.choice((self._sign_in, self._sign_out, self._mistake))()
            try:
                if self.rng.random() < 0.6:
                    self._stay()
                else:
                    self._visit()
            except Abandoned:
                self.world.abandoned += 1

    # ------------------------------------------------- beside the patients

    def _sign_in(self) -> None:
        """With a field that the interface does not have: it is left out, and the HIS is told."""
        reply = self._do(Belief("desk", "", ""), "9001", {"signIn": {"floor": "3"}})
        if reply.infcode == "0":
            self._sign_no = reply.output["signinoutb"]["sign_no"]

    def _sign_out(self) -> None:
        if self._sign_no:
            self._do(Belief("desk", "", ""), "9002", {"signOut": {"sign_no": self._sign_no, "opter_no": "0001"}})
            self._sign_no = ""

    def _mistake(self) -> None:
        """What must be refused, with its code and without a message to the platform."""
        complete = messages.undo("1", "2")
        client, infno, message, code = self.rng.choice(
            (
                (HIS, "2405", {"data": {}}, "GW-1101"),
                (HIS, "9999", complete, "GW-1005"),
                (HIS, "6204", complete, "GW-1005"),
                (HIS, "9101", messages.file("不是文件"), "GW-1101"),
                (HIS, "9101", messages.file("sha256:00"), "GW-1101"),
                (HIS, "2404", {"data": {**complete["data"], "mdtrt_id": "长" * 90}}, "GW-1101"),
                (ONLY_QUERIES, "2405", complete, "GW-2003"),
            )
        )
        box = self._post(infno, messages.as_xml({}, message), client)
        if box.wait(WAIT_S) and isinstance(box.value, Reply) and box.value.code not in (code, *NOT_LOOKED_AT):
            raise Violation(f"{client.name} {infno}: expected {code}, told {box.value}")
        self._let_them_end()

    # ------------------------------------------------------------ a stay

    def _stay(self) -> None:
        belief = Belief("stay", self._person(), f"ZY{self._number:02d}{self._cases:06d}")
        for _ in range(self.rng.randint(4, 24)):
            if self.world.enough:
                return
            self.rng.choice(self._stay_moves(belief))(belief)
            if belief.state == "cancelled" and self.rng.random() < 0.5:
                return

    def _stay_moves(self, belief: Belief) -> list[Callable[[Belief], None]]:
        moves: list[Callable[[Belief], None]] = []
        if belief.state in ("none", "cancelled"):
            return [self._admit]
        if belief.state == "in_hospital":
            moves += [self._discharge, self._discharge, *self._ward_moves(belief)]
            if not belief.paid:
                moves += [self._charge, self._charge, self._charge, self._change, self._together]
                moves += [self._remove, self._charge_again] if belief.lines else [self._cancel]
        elif not belief.paid:
            moves += [self._undischarge, self._undischarge]
        if belief.refused is not None and belief.state == "in_hospital" and not belief.paid:
            moves += [self._sent_again, self._sent_again]
        if belief.never_again:
            moves.append(self._sent_again_in_vain)
        if belief.unpaid and not belief.paid:
            moves += [self._settle, self._settle, self._pre_settle]
        if belief.paid:
            moves += [self._unsettle, self._unsettle, self._unsettle, self._settle_again, self._reverse]
        return moves

    def _ward_moves(self, belief: Belief) -> list[Callable[[Belief], None]]:
        if belief.paid:
            return []
        if not belief.ward_in:
            return [self._ward_in] * 4
        return [self._change] * (0 if belief.aligned else 4) + [self._ward_corrected, self._ward_void]

    def _ward_in(self, belief: Belief) -> None:
        self._events += 1
        belief.ward_event = f"E{self._number}-{self._events}"
        self._ward_corrected(belief)

    def _ward_corrected(self, belief: Belief) -> None:
        """The same event with another time; before the first one the first time."""
        at = f"2026-02-20 1{self.rng.randint(0, 2)}:05:{self.rng.randint(0, 59):02d}"
        self._tell_ward("ward_in", messages.ward_event(belief.number, belief.ward_event, at))
        belief.ward_in = f"{at[:16]}:00"

    def _ward_void(self, belief: Belief) -> None:
        self._tell_ward("ward_in_void", messages.ward_event(belief.number, belief.ward_event))
        belief.ward_in = ""

    def _tell_ward(self, kind: WardEventKind, told: dict[str, str]) -> None:
        self._ask_desk(kind, lambda desk: desk.tell(kind, told, HIS.name))

    def _ask_desk(self, what: str, ask: Callable[[StayDesk], object]) -> Any:
        """Until the gateway has answered; a ward's word is repeated as often as it takes."""
        for _ in range(TRIES_MAX):
            node, box = self.world.some_node(), Box(self.world.schedule)
            if node is not None:
                node.hear(what, ask, box)
                if box.wait(WAIT_S) and box.value is not None and not isinstance(box.value, str):
                    return box.value
            self.world.schedule.sleep(self.rng.uniform(*ASK_AGAIN_S))
        raise Violation(f"{self.name}: nobody answers {what}")

    def _admit(self, belief: Belief) -> None:
        reply = self._do(belief, "2401", messages.admission(belief.psn_no, belief.number), _admitted)
        if reply.infcode == "0":
            belief.mdtrt_id = reply.output["result"]["mdtrt_id"]
            belief.state, belief.begntime = "in_hospital", ADMITTED_AT
            belief.lines, belief.paid, belief.refused, belief.never_again = {}, {}, None, ""
        self._check(belief)

    def _change(self, belief: Belief) -> None:
        """To the time of the ward as a rule; another time is refused, and so is any before the ward-in."""
        wrong = self.rng.random() < 0.15
        begntime = "2026-02-19 07:00:00" if wrong or not belief.ward_in else belief.ward_in
        message = messages.change(belief.psn_no, belief.mdtrt_id, belief.number, begntime)
        refusals = (("ET01-01",) if belief.ward_in else ("ET01-02",)) if begntime != belief.ward_in else ()
        if self._do(belief, "2403", message, refusals=refusals).infcode == "0":
            belief.begntime = begntime
        self._check(belief)

    def _discharge(self, belief: Belief) -> None:
        """Refused exactly while the insurance has not been told the time of the ward."""

        def learn(reply: Reply) -> None:
            if reply.infcode == "0":
                belief.state = "discharged"
            self._check(belief)

        message = messages.discharge(belief.psn_no, belief.mdtrt_id)
        self._learn(belief, self._do(belief, "2402", message, refusals=_before_leaving(belief)), learn)

    def _undischarge(self, belief: Belief) -> None:
        if self._do(belief, "2405", messages.undo(belief.psn_no, belief.mdtrt_id)).infcode == "0":
            belief.state = "in_hospital"
        self._check(belief)

    def _cancel(self, belief: Belief) -> None:
        if self._do(belief, "2404", messages.undo(belief.psn_no, belief.mdtrt_id)).infcode == "0":
            belief.state = "cancelled"
        self._check(belief)

    def _charge(self, belief: Belief) -> None:
        rows = [self._row(belief) for _ in range(self.rng.randint(1, 3))]
        self._upload(belief, "2301", rows)

    def _charge_again(self, belief: Belief) -> None:
        self._upload(belief, "2301", list(belief.lines.values()))

    def _upload(self, belief: Belief, infno: str, rows: list[dict[str, str]]) -> None:
        def learn(reply: Reply) -> None:
            if reply.infcode == "0":
                belief.lines.update((row["feedetl_sn"], row) for row in rows)
            self._check(belief)

        self._learn(belief, self._do(belief, infno, {"feedetail": rows}), learn)

    def _learn(self, belief: Belief, reply: Reply, learn: Callable[[Reply], None]) -> None:
        """Take an answer up, and keep the request where it was refused; of a visit, and without a number, nobody does."""
        infno, request_id, text = self._asked
        kept = request_id and belief.kind == "stay" and not belief.together
        if kept and reply.infcode != "0":
            belief.refused = Refused(infno, request_id, text, learn)
        learn(reply)

    def _sent_again_in_vain(self, belief: Belief) -> None:
        """What was done, and any settlement, is not sent again, whoever asks for it."""
        told = self._by_clerk(belief.never_again if self.rng.random() < 0.8 else "")
        belief.never_again = ""
        if isinstance(told, dict) and (told["ok"] or told.get("sent")):
            raise Violation(f"{belief.mdtrt_id} was sent again although it must not: {told}")
        self._check(belief)

    def _by_clerk(self, request_id: str) -> Any:
        """Have a request sent again at some node; None when nobody answers."""
        node, box = self.world.some_node(), Box(self.world.schedule)
        if node is None:
            return None
        self._running.append(node.send_again(HIS, request_id, box))
        box.wait(WAIT_S)
        self._let_them_end()
        return box.value

    def _sent_again(self, belief: Belief) -> None:
        """A clerk has it sent again at the console; the HIS then asks for its own request, and is told what became of it."""
        refused, belief.refused = belief.refused, None
        assert refused is not None
        self._by_clerk(refused.request_id)
        refusals = _before_leaving(belief) if refused.infno == "2402" else ()
        reply = self._ask(belief, refused.infno, refused.request_id, refused.text, refusals=refusals)
        refused.learn(reply)

    def _remove(self, belief: Belief) -> None:
        """All rows or one of them; half of the time the very same rows come again."""
        rows = list(belief.lines.values())
        everything = self.rng.random() < 0.6
        sns = ["0000"] if everything else [self.rng.choice(rows)["feedetl_sn"]]
        if self._do(belief, "2302", messages.remove_fees(belief.psn_no, belief.mdtrt_id, sns)).infcode == "0":
            gone = list(belief.lines) if everything else sns
            removed = [belief.lines.pop(sn) for sn in gone]
            self._check(belief)
            if self.rng.random() < 0.5:
                self._upload(belief, "2301", removed)
        else:
            self._check(belief)

    def _pre_settle(self, belief: Belief) -> None:
        message = messages.stay_settlement(belief.psn_no, belief.mdtrt_id, messages.total(belief.unpaid))
        self._do(belief, "2303", message, refusals=_before_settling(belief))

    def _settle(self, belief: Belief) -> None:
        unpaid = belief.unpaid
        amount = messages.total(unpaid)
        message = messages.stay_settlement(belief.psn_no, belief.mdtrt_id, amount)
        reply = self._do(belief, "2304", message, _settled, refusals=_before_settling(belief))
        self._paid(belief, reply, unpaid)
        self._check(belief)

    def _paid(self, belief: Belief, reply: Reply, rows: list[dict[str, str]]) -> None:
        if reply.infcode == "0":
            setl_id = reply.output["setlinfo"]["setl_id"]
            belief.paid[setl_id] = [row["feedetl_sn"] for row in rows]
            belief.paid_by[setl_id] = reply.msgid

    def _settle_again(self, belief: Belief) -> None:
        """The same bytes although the answer is known: a clerk who pressed the key once more."""
        rows = list(belief.lines.values())
        message = messages.stay_settlement(belief.psn_no, belief.mdtrt_id, messages.total(rows))
        reply = self._do(belief, "2304", message, with_id=False)
        self._known_again(belief, reply)

    def _known_again(self, belief: Belief, reply: Reply) -> None:
        """The settlement in force is told again; nothing is sent."""
        if reply.infcode != "0" or reply.output["setlinfo"]["setl_id"] not in belief.paid:
            raise Violation(f"{belief.mdtrt_id} is settled, the same request got {reply.infcode} {reply.err_msg}")
        self._check(belief)

    def _unsettle(self, belief: Belief) -> None:
        setl_id = next(iter(belief.paid))
        infno = "2305" if belief.kind == "stay" else "2208"
        if self._do(belief, infno, messages.undo(belief.psn_no, belief.mdtrt_id, setl_id=setl_id)).infcode == "0":
            del belief.paid[setl_id]
        self._check(belief)

    def _reverse(self, belief: Belief) -> None:
        """2601 of a settlement that is known to be in force."""
        setl_id = next(iter(belief.paid))
        oinfno = "2304" if belief.kind == "stay" else "2207"
        message = messages.reversal(belief.psn_no, belief.paid_by[setl_id], oinfno)
        if self._do(belief, "2601", message).infcode == "0":
            del belief.paid[setl_id]
        self._check(belief)

    # ----------------------------------------------------------- a visit

    def _visit(self) -> None:
        belief = Belief("visit", self._person(), f"MZ{self._number:02d}{self._cases:06d}")
        for _ in range(self.rng.randint(4, 20)):
            if self.world.enough:
                return
            self.rng.choice(self._visit_moves(belief))(belief)
            if belief.state == "cancelled" and self.rng.random() < 0.5:
                return

    def _visit_moves(self, belief: Belief) -> list[Callable[[Belief], None]]:
        if belief.state in ("none", "cancelled"):
            return [self._register]
        if not belief.seen:
            return [self._see]
        moves: list[Callable[[Belief], None]] = [self._prescribe, self._prescribe]
        if not belief.lines:
            moves.append(self._cancel_visit)
        if belief.lines:
            moves.append(self._taken_over)
        if belief.paid:
            return [self._unsettle, self._unsettle, self._reverse, self._pay_again, self._taken_over]
        if belief.lines:
            moves += [self._pay, self._pay, self._pay, self._remove_batch]
        return moves

    def _register(self, belief: Belief) -> None:
        reply = self._do(belief, "2201", messages.registration(belief.psn_no, belief.number), _registered)
        if reply.infcode == "0":
            belief.mdtrt_id = reply.output["data"]["mdtrt_id"]
            belief.state, belief.seen = "registered", False
            belief.lines, belief.paid = {}, {}
        self._check(belief)

    def _see(self, belief: Belief) -> None:
        if self._do(belief, "2203", messages.visit(belief.psn_no, belief.mdtrt_id)).infcode == "0":
            belief.seen = True
        self._check(belief)

    def _prescribe(self, belief: Belief) -> None:
        rows = [
            self._row(belief, chrg_bchno="B1", rxno="CFB1", rx_circ_flag="0") for _ in range(self.rng.randint(1, 2))
        ]
        self._upload(belief, "2204", rows)

    def _remove_batch(self, belief: Belief) -> None:
        message = messages.undo(belief.psn_no, belief.mdtrt_id, chrg_bchno="B1")
        if self._do(belief, "2205", message).infcode == "0":
            removed = list(belief.lines.values())
            belief.lines = {}
            self._check(belief)
            if self.rng.random() < 0.5:
                self._upload(belief, "2204", removed)
        else:
            self._check(belief)

    def _pay(self, belief: Belief) -> None:
        unpaid = belief.unpaid
        message = messages.visit_settlement(belief.psn_no, belief.mdtrt_id, "B1", messages.total(unpaid))
        trial = self._do(belief, "2206", message)
        if trial.infcode == "0":
            belief.payment = messages.with_trial(message, trial.output["setlinfo"])
            self._paid(belief, self._do(belief, "2207", belief.payment, _settled), unpaid)
            self._check(belief)

    def _pay_again(self, belief: Belief) -> None:
        reply = self._do(belief, "2207", belief.payment, with_id=False)
        self._known_again(belief, reply)

    def _taken_over(self, belief: Belief) -> None:
        """The patient of this visit is admitted: its fees go to the stay exactly while no settlement in force has them."""
        ipt_no = f"ZY{belief.number}"
        rows = list(belief.lines.values())
        told = {"ipt_no": ipt_no, "version": 1, "rows": rows, "operator": "收费员"}
        visit = {"ipt_otp_no": belief.number, "mdtrt_id": belief.mdtrt_id, "begntime": "2026-02-20 09:00:00"}
        self._events += 1
        event = messages.ward_event(ipt_no, f"E{self._number}-{self._events}", "2026-02-22 10:05:00")
        self._tell_ward("ward_in", event)
        self._ask_desk("fees", lambda desk: desk.keep("emergency_fees", told, HIS.name, visit=visit))
        found = self._ask_desk("extract", lambda desk: EmergencyDesk(desk).extract(ipt_no, HIS.name, "收费员"))
        refused = found.refusal.fault.code if found.refusal else ""
        if refused != ("ET10-03" if belief.paid else ""):
            raise Violation(
                f"{belief.mdtrt_id} has the settlements {list(belief.paid)}, its fees: {refused or 'taken'}"
            )
        if not refused and found.found.total_in != messages.total(rows):
            raise Violation(f"{belief.mdtrt_id}: {found.found.total_in} taken over of {messages.total(rows)}")

    def _cancel_visit(self, belief: Belief) -> None:
        message = messages.undo(belief.psn_no, belief.mdtrt_id, ipt_otp_no=belief.number)
        if self._do(belief, "2202", message).infcode == "0":
            belief.state = "cancelled"
        self._check(belief)

    # ------------------------------------------------------------- calls

    def _person(self) -> str:
        birth = f"19{self.rng.randint(40, 99)}{self.rng.randint(1, 12):02d}{self.rng.randint(1, 28):02d}"
        certno = f"440899{birth}{self.rng.randint(0, 999):03d}X"
        belief = Belief("person", "", "")
        while True:
            reply = self._do(belief, "1101", messages.person(certno))
            if reply.infcode == "0":
                return str(reply.output["baseinfo"]["psn_no"])
            self.world.schedule.sleep(self.rng.uniform(*ASK_AGAIN_S))

    def _row(self, belief: Belief, **more: str) -> dict[str, str]:
        self._rows += 1
        sn = f"{self._number}-{self._cases}-{self._rows}"
        if belief.kind == "stay":
            more["med_type"] = messages.INPATIENT
        return messages.fee(belief.psn_no, belief.mdtrt_id, sn, self.rng.randint(1, 99999), **more)

    def _together(self, belief: Belief) -> None:
        """Ward and cashier at once, about the same stay; whatever order they get, both answers must hold."""
        moves: list[Callable[[Belief], None]] = [self._charge, self._change, self._discharge]
        if belief.unpaid:
            moves.append(self._settle)
        first, second = self.rng.sample(moves, 2)
        done = Box(self.world.schedule)

        def beside() -> None:
            first(belief)
            done.put(None)

        belief.together = True
        self.world.schedule.spawn(f"{self.name}b", beside)
        second(belief)
        while not done.wait(WAIT_S):
            pass
        belief.together = False
        self._check(belief)

    def _check(self, belief: Belief) -> None:
        """What this desk was told is what the platform has."""
        if belief.mdtrt_id and not belief.together:
            compare(belief, self.world.ledger.episodes.get(belief.mdtrt_id))

    def _do(
        self,
        belief: Belief,
        infno: str,
        message: Message,
        complete: Callable[[Any], bool] = lambda _: True,
        *,
        with_id: bool | None = None,
        refusals: Sequence[str] = (),
    ) -> Reply:
        """Something new, asked until there is a final answer.

        Args:
            with_id: give a request_id; None leaves it to the dice.
        """
        world = self.world
        if with_id is None:
            with_id = self.rng.random() >= world.weather.without_request_id
        head = {}
        if with_id:
            self._requests += 1
            head["request_id"] = f"{self.name}-{self._requests:06d}"
        text = messages.as_xml(head, message)
        if self.rng.random() < 0.7:
            world.schedule.sleep(self.rng.uniform(*THINKS_S))
        request_id = head.get("request_id", "")
        reply = self._ask(belief, infno, request_id, text, complete, refusals=refusals)
        self._asked = (infno, request_id, text)
        if belief.kind == "stay" and not belief.together and (reply.infcode == "0" or infno in SETTLE):
            belief.never_again = request_id
        return reply

    def _ask(
        self,
        belief: Belief,
        infno: str,
        request_id: str,
        text: str,
        complete: Callable[[Any], bool] = lambda _: True,
        *,
        refusals: Sequence[str] = (),
    ) -> Reply:
        """Ask until there is a final answer. Raises Abandoned when the HIS gives up.

        Args:
            refusals: with one of these codes it must be refused; without any by no rule, unless two moves are under way.
            complete: whether the output of a success has what the HIS goes on with.
        """
        world = self.world
        for attempt in range(TRIES_MAX):
            replies = self._send(infno, text)
            for reply in replies:
                world.told(self.name, infno, reply)
            final = [reply for reply in replies if _is_final(reply)]
            if final and len(final) == len(replies):
                self._let_them_end()
                reply = self._one_answer(infno, final, complete)
                self._ruled(belief, infno, reply, refusals)
                if reply.infcode == "0" and world.mutates(infno):
                    world.beside.remember(request_id, reply)
                if self.rng.random() < 0.1 and reply.infcode == "0" and world.mutates(infno):
                    self._ask_outcome(belief, infno, request_id, reply)
                    if request_id and not belief.together:
                        self._reuse_id(request_id)
                return reply
            if not replies and belief.mdtrt_id and not belief.together and world.chance(world.weather.gives_up):
                world.tell(self.name, f"gives up {infno}")
                self._let_them_end()
                raise Abandoned
            del attempt
            world.schedule.sleep(self.rng.uniform(*ASK_AGAIN_S))
        raise Violation(f"{self.name}: no final answer to {infno} after {TRIES_MAX} attempts, last {replies}")

    def _ruled(self, belief: Belief, infno: str, reply: Reply, refusals: Sequence[str]) -> None:
        """The rules refuse exactly what the ward's times say; repeats of what is in force are answered before them."""
        by_rule = reply.code if reply.code.startswith("ET") else ""
        if belief.together or reply.repeated or by_rule in refusals or not (by_rule or refusals):
            return
        if reply.code == "GW-3000":
            return  # what the rules let pass the platform may decline
        raise Violation(
            f"{infno} of {belief.mdtrt_id}: ward-in {belief.ward_in or 'none'}, insurance {belief.begntime}: "
            f"expected {refusals or 'no refusal'}, told {reply.code} {reply.err_msg}"
        )

    def _one_answer(self, infno: str, final: list[Reply], complete: Callable[[Any], bool]) -> Reply:
        good = [reply for reply in final if reply.infcode == "0"]
        answer = (good or final)[0]
        if len({reply.msgid for reply in good}) > 1 and self.world.mutates(infno):
            raise Violation(f"{infno}: twins were told two msgids: {[reply.msgid for reply in good]}")
        if answer.infcode == "0" and not complete(answer.output):
            raise Violation(f"{infno} {answer.msgid}: success without its output: {answer.output}")
        return answer

    def _send(self, infno: str, text: str) -> list[Reply]:
        """One request, or two at once; the replies that reached the HIS."""
        world = self.world
        count = 2 if world.chance(world.weather.twin) else 1
        boxes = [self._post(infno, text) for _ in range(count)]
        replies = []
        for box in boxes:
            if box.wait(WAIT_S) and isinstance(box.value, Reply):
                replies.append(box.value)
            else:
                box.put("nobody waits")
        return replies

    def _ask_outcome(self, belief: Belief, infno: str, request_id: str, reply: Reply) -> None:
        """``Outcome`` says the same as the answer; nothing is sent for it."""
        asked = {"request_id": request_id} if request_id else {"mdtrt_id": belief.mdtrt_id, "infno": infno}
        node = self.world.some_node()
        # without the request_id the newest of its kind is told, which need not be one whose answer was given again
        newest = belief.mdtrt_id and infno not in ("2601", "2401", "2201") and not reply.repeated
        known = request_id or newest
        if belief.together or node is None or not known:
            return
        box = Box(self.world.schedule)
        node.outcome(HIS, asked, box)
        if box.wait(WAIT_S) and isinstance(box.value, Reply) and box.value.msgid != reply.msgid:
            raise Violation(f"{infno} {asked}: told {reply.msgid}, the outcome is that of {box.value}")

    def _reuse_id(self, request_id: str) -> None:
        """A request_id in force with other content is refused."""
        text = messages.as_xml({"request_id": request_id}, messages.undo("1", "2"))
        box = self._post("2404", text)
        if box.wait(WAIT_S) and isinstance(box.value, Reply) and box.value.code not in ("GW-1409", *NOT_LOOKED_AT):
            raise Violation(f"request_id {request_id} is in force, other content under it was told {box.value}")
        self._let_them_end()

    def _post(self, infno: str, text: str, client: Client = HIS) -> Box:
        world = self.world
        box = Box(world.schedule)
        node = world.some_node()
        if node is None:
            world.schedule.at(0.1, lambda: box.put("connection refused"))
            return box
        if world.chance(world.weather.socket_gone):
            world.schedule.at(world.rng.uniform(0.0, 1.0), lambda: box.put("socket gone"))
        self._running.append(node.serve(infno, text, client, box))
        return box

    def _let_them_end(self) -> None:
        """A request that still runs inside the gateway is over before the next thing happens to the same patient."""
        while self._running:
            if self._running[-1].ended:
                self._running.pop()
            else:
                self.world.schedule.sleep(1.0)


SETTLE = ("2304", "2305")
NOT_LOOKED_AT = ("GW-4003", "GW-5001")
"""Answered before anybody looks at what the request says."""
ADMITTED_AT = "2026-02-20 09:12:00"
UNFINISHED = (
    "ET02-03",
    "ET07-04",
    "GW-4101",
    "GW-4102",
    "GW-4120",
    "GW-1423",
    "GW-1425",
    "GW-4001",
    "GW-4002",
    "GW-4003",
    "GW-4110",
)
"""The HIS asks again after these."""


def _is_final(reply: Reply) -> bool:
    """Whether the HIS takes this as the last word: success, or refused by gateway or platform for what it says."""
    if reply.infcode == "0" or reply.code == "GW-3000":
        return True
    if reply.code.startswith("ET") and reply.code not in UNFINISHED:
        return True
    if reply.code in UNFINISHED or reply.code.startswith(("GW-4", "GW-5")):
        return False
    raise Violation(f"a simulated hospital sends only correct requests, told {reply.code} {reply.err_msg}")


def _before_leaving(belief: Belief) -> tuple[str, ...]:
    return () if belief.aligned else ("ET02-01", "ET02-04") if belief.ward_in else ("ET02-02",)


def _before_settling(belief: Belief) -> tuple[str, ...]:
    return () if belief.aligned else ("ET01-06",)


def _admitted(output: Any) -> bool:
    return bool(output and output.get("result", {}).get("mdtrt_id"))


def _registered(output: Any) -> bool:
    return bool(output and output.get("data", {}).get("mdtrt_id"))


def _settled(output: Any) -> bool:
    return bool(output and output.get("setlinfo", {}).get("setl_id"))
