"""An exchange with its resolver over the simulator's own logic; the line and the clock do what the test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.settlement.files import Files
from gateway import mappings
from gateway.contract.envelope import Sender
from gateway.contract.interface import Interface
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.entries import SHANGHAI
from gateway.exchange.exchange import Exchange
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.ports import (
    Journal,
    NoAnswer,
    NotSent,
    PlatformAnswer,
    PlatformRequest,
    Prepared,
    Query,
    Registration,
    State,
)
from gateway.exchange.resolver import Policy, Resolver
from gateway.exchange.sign_in import SignIns
from gateway.files.shelf import Shelf
from gateway.simulator import Simulator
from tests.simulation import messages

CODE = "H44080000001"
START = datetime(2026, 11, 21, 9, 0, tzinfo=SHANGHAI)
SETTLE_S = 300.0
CLIENT = Client("his", workstation={"opter": "0001", "opter_name": "操作员", "opter_type": "1"})
CERTNO = "440899198507241014"
INTERFACE = Interface(mappings.load("national"))


@dataclass
class Clock:
    """Wall and monotonic time; ``step`` changes only the wall."""

    now: datetime = START
    ticks: float = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class NoObserver:
    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None: ...

    def observe_platform(self, infno: str, seconds: float) -> None: ...

    def count_fault(self, code: str) -> None: ...


@dataclass
class Line:
    """The way to the platform. ``faults[infno]`` are used up in order.

    ``lose-request``, ``lose-reply``, ``late-request`` (executed by :meth:`deliver`), ``garbage``, ``unreachable``.
    """

    simulator: Simulator
    faults: dict[str, list[str]] = field(default_factory=dict)
    sent: list[PlatformRequest] = field(default_factory=list)
    late: list[PlatformRequest] = field(default_factory=list)
    shelf: Shelf | None = None
    meanwhile: Callable[[PlatformRequest], None] | None = None
    """Called while a request is on its way."""
    seals: Callable[[bytes], tuple[bytes, bytes]] | None = None
    """The bytes on the line, and what is kept of them; they are opened again at the other end."""

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """A way that seals where ``seals`` says how."""
        return Prepared(*self.seals(request.body)) if self.seals else None

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        kind = (self.faults.get(request.infno) or [""]).pop(0)
        if kind == "unreachable":
            raise NotSent("connection refused")
        request.check_mine()
        self.sent.append(request)
        if self.meanwhile:
            self.meanwhile(request)
        if kind == "lose-request":
            raise NoAnswer("reset")
        if kind == "late-request":
            self.late.append(request)
            raise NoAnswer("timeout")
        body = self._executed(request)
        if kind == "lose-reply":
            raise NoAnswer("timeout")
        return PlatformAnswer(200, {}, b"<html>502</html>" if kind == "garbage" else body, 0.0)

    def _executed(self, request: PlatformRequest) -> bytes:
        """The answer; a file goes to the shelf, as the adapters have it."""
        body, files = request.body, Files("base64", self.shelf)
        if request.parcel:
            body, _ = files.outgoing(body, request.parcel, bytes)
        answer = self.simulator.handle(request.infno, {}, body)
        if self.shelf is None or "json" in answer.content_type:
            return answer.body
        kept = self.shelf.receive(request.wants_file, [answer.body])
        return json.dumps({"infcode": 0, "output": {"fsDownloadOut": {"sha256": kept.sha256}}}).encode()

    def deliver(self) -> list[dict[str, Any]]:
        """Let the platform execute what it received late."""
        late, self.late = self.late, []
        return [json.loads(self.simulator.handle(one.infno, {}, one.body).body) for one in late]

    def reachable(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None: ...

    def count(self, infno: str) -> int:
        return sum(request.infno == infno for request in self.sent)


STATION = {"mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}


def _simulator(clock: Clock) -> Simulator:
    return Simulator(Path("mappings").resolve(), seed=7, clock=clock)


class Hospital:
    """One hospital with one person, one node, one platform.

    Args:
        beside: another node of the same hospital: one journal, one platform, one clock.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        interface: Interface = INTERFACE,
        beside: Hospital | None = None,
        **options: Any,
    ) -> None:
        self.clock = beside.clock if beside else Clock()
        self.simulator = beside.simulator if beside else _simulator(self.clock)
        self.line = beside.line if beside else Line(self.simulator, shelf=options.get("shelf"))
        self.journal = beside.journal if beside else journal or MemoryJournal()
        self.interface = interface
        self.waits: list[Callable[[], None]] = []
        sign_ins = SignIns(self.journal)
        sender = Sender(CODE, "演示医院", "440800", "440800", "MBS_LOCAL", "V1.0")
        shared: dict[str, Any] = {
            "interface": lambda: self.interface,
            "journal": self.journal,
            "platform": self.line,
            "msgids": MsgidSequence(self.journal, CODE, self.clock),
            "sender": sender,
            "clock": self.clock,
            "sign_ins": sign_ins,
        }
        self.exchange = Exchange(
            **shared,
            observer=NoObserver(),
            node=lambda: Registration("n2" if beside else "n1", 1),
            wait=self._wait,
            **options,
        )
        self.resolver = Resolver(
            **shared,
            monotonic=self.clock.monotonic,
            policy=Policy(settle_time_s=SETTLE_S, pause_s=5),
            renew=lambda _, head, refused: self.exchange.sign_in_anew(STATION, head, refused),
        )
        self.psn_no = beside.psn_no if beside else self._known_person()

    def _known_person(self) -> str:
        return str(self.call("1101", messages.person(CERTNO)).output["baseinfo"]["psn_no"])

    def _wait(self, seconds: float) -> None:
        self.clock.pass_(seconds)
        if self.waits:
            self.waits.pop(0)()

    def call(self, infno: str, message: Mapping[str, Any], request_id: str = "", client: Client = CLIENT) -> Reply:
        head = {"request_id": request_id} if request_id else {}
        raw = json.dumps(message, ensure_ascii=False, default=str).encode()
        return self.exchange.handle(Call(client, infno, message, raw, "json", head))

    def done(self, infno: str, message: Mapping[str, Any], request_id: str = "") -> Any:
        """Carry out what must succeed; its output."""
        reply = self.call(infno, message, request_id)
        assert reply.infcode == "0", reply
        return reply.output

    def doubtful(self, infno: str, message: Mapping[str, Any], fault: str, request_id: str = "") -> Entry:
        """Carry out what goes wrong on the line; the entry in doubt."""
        self.line.faults.setdefault(infno, []).append(fault)
        reply = self.call(infno, message, request_id)
        assert (reply.code, reply.retry) == ("GW-4101", "same")
        assert reply.exchange_id is not None
        return self.entry(reply.exchange_id)

    def entry(self, exchange_id: int) -> Entry:
        found = self.journal.get(exchange_id)
        assert found is not None
        return found

    def run(self, seconds: float = SETTLE_S + 400, every: float = 5) -> None:
        """Let the resolver run for so long."""
        for _ in range(int(seconds / every)):
            self.resolver.run_due()
            self.clock.pass_(every)

    def states(self, infno: str) -> list[State]:
        """Oldest first."""
        return [row.state for row in reversed(self.journal.search(Query(infno=infno, limit=1000)))]

    # -------------------------------------------------- a stay and a visit

    def admit(self, ipt_no: str = "Z1") -> str:
        return str(self.done("2401", messages.admission(self.psn_no, ipt_no))["result"]["mdtrt_id"])

    def charged(self, ipt_no: str = "Z1") -> str:
        """A stay with fees."""
        mdtrt_id = self.admit(ipt_no)
        self.done("2301", self.fees(mdtrt_id))
        return mdtrt_id

    def fees(self, mdtrt_id: str, count: int = 3) -> Mapping[str, Any]:
        return {"feedetail": [self.fee(mdtrt_id, n) for n in range(count)]}

    def fee(self, mdtrt_id: str, number: int) -> dict[str, str]:
        return messages.fee(self.psn_no, mdtrt_id, f"F{number}", 1000 + number, med_type="21")

    def settlement(self, mdtrt_id: str, count: int = 3) -> Mapping[str, Any]:
        rows = self.fees(mdtrt_id, count)["feedetail"]
        return messages.stay_settlement(self.psn_no, mdtrt_id, messages.total(rows))

    def undo(self, mdtrt_id: str, **more: str) -> Mapping[str, Any]:
        return messages.undo(self.psn_no, mdtrt_id, **more)

    def discharge(self, mdtrt_id: str) -> Mapping[str, Any]:
        return messages.discharge(self.psn_no, mdtrt_id)

    def seen(self, part: str, **wanted: str) -> list[dict[str, Any]]:
        """Rows of the platform's ledger."""
        rows = self.simulator.ledger()[part]
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


class StandsStill:
    """A gate in which the first call that asks for a turn stands still while something else happens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile: Callable[[], object] | None = meanwhile

    @contextmanager
    def enter(self, client: str, safety: str, wait_s: float) -> Iterator[None]:
        del client, safety, wait_s
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile:
            meanwhile()
        yield
