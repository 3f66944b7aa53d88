"""The way to the platform with everything that can happen on it. Behind it is the production simulator's own logic."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.exchange.ports import NoAnswer, NotSent, PlatformAnswer, PlatformRequest, Prepared
from gateway.simulator import Simulator
from gateway.simulator.faults import Fault
from gateway.simulator.platform import Request
from gateway.simulator.wire import Response
from tests.simulation.schedule import Box, Killed

if TYPE_CHECKING:
    from tests.simulation.world import Node, World

READ_TIMEOUT_S = 10.0
"""How long a node waits for an answer."""
SETTLE_TIME_S = 300.0
"""What the simulated province promises: nothing is executed later than this after it was sent."""
LATEST_S = SETTLE_TIME_S - 5.0
_GONE = "line gone"
SEAL = b"sealed "


@dataclass(slots=True)
class Flight:
    """One request on its way."""

    request: PlatformRequest
    kind: str
    answer: Box
    executed: bool = False
    lost: bool = False


class Platform:
    """The platform and what lies before it; one for all nodes."""

    def __init__(self, world: World, simulator: Simulator) -> None:
        self._world = world
        self.simulator = simulator
        self.down = False
        self._fence_closes = world.weather.fence_closes
        self.bytes_of: dict[str, bytes] = {}
        """msgid -> the bytes first sent under it."""
        self.flying: dict[int, Flight] = {}
        self._serial = 0
        self.faults: dict[str, int] = {}

    def carry(self, request: PlatformRequest, kind: str) -> Flight:
        """Put a request on its way; its answer comes to ``flight.answer``, or never."""
        world = self._world
        flight = Flight(request, kind, Box(world.schedule))
        self._serial += 1
        number = self._serial
        self.flying[number] = flight
        self.faults[kind] = self.faults.get(kind, 0) + 1
        travel_s = world.rng.uniform(0.005, 0.2)

        def arrive() -> None:
            del self.flying[number]
            if not flight.lost:
                self._arrive(flight)

        if kind in ("lose-request", "reset", "http-500", "not-reached"):
            del self.flying[number]
            world.schedule.at(world.rng.choice((travel_s, 2 * READ_TIMEOUT_S)), lambda: flight.answer.put(_GONE))
            return flight
        if kind == "late-request":
            world.schedule.at(travel_s, lambda: flight.answer.put(_GONE))
            travel_s = world.rng.uniform(1.0, LATEST_S)
        elif kind == "delay":
            travel_s = world.rng.uniform(0.2, READ_TIMEOUT_S * 0.9)
        world.schedule.at(travel_s, arrive)
        return flight

    def _arrive(self, flight: Flight) -> None:
        if self.down:
            self._world.tell("platform", f"{_shown(flight)} arrives while it restarts: lost")
            flight.answer.put(_GONE)
            return
        request = self.simulator.receive(flight.request.infno, {}, flight.request.body)
        response = self.simulator.execute(_refused(request) if flight.kind == "refuse" else request)
        flight.executed = True
        if not self._fence_closes:
            self._forget_unseen()
        self._world.executed(flight.request, response)
        self._world.tell("platform", f"{_shown(flight)} executed: {_verdict(response)}")
        self._reply(flight, response)

    def _forget_unseen(self) -> None:
        """A platform that says "never seen" and keeps nothing of it."""
        reversals = self.simulator._ledger.reversals
        for omsgid in [omsgid for omsgid, one in reversals.items() if one.refusal]:
            del reversals[omsgid]

    def _reply(self, flight: Flight, response: Response) -> None:
        world, kind, body = self._world, flight.kind, response.body
        if kind in ("lose-reply", "truncated", "http-500-after", "reset-after", "late-request"):
            world.schedule.at(world.rng.choice((0.1, 2 * READ_TIMEOUT_S)), lambda: flight.answer.put(_GONE))
            return
        if kind == "garbage":
            body = b"\x00\x01<<<" + body[: len(body) // 2] + b"\xff\xfe"
        elif kind == "wrong-charset":
            body = (body.decode()[:-1] + ',"warn_msg":"实为 GBK"}').encode("gb18030")
        elif kind == "empty-success" and response.status == 200 and world.mutates(flight.request.infno):
            body = _without_output(body)
        back_s = READ_TIMEOUT_S * 2 if kind == "late-reply" else world.rng.uniform(0.005, 0.1)
        world.schedule.at(back_s, lambda: self._deliver(flight, Response(response.status, body)))

    def _deliver(self, flight: Flight, response: Response) -> None:
        if not flight.answer.put(response):
            self._world.tell("platform", f"{_shown(flight)}: answer comes when nobody waits")
        elif flight.kind == "duplicate-reply":
            assert not flight.answer.put(response)

    def restart(self, for_s: float) -> None:
        """Down for a while: what is on its way may be lost, nobody gets an answer, and nobody is signed in any more."""
        self.down = True
        self.simulator._ledger.sign_ins.clear()
        self._world.tell("platform", f"restarts, {for_s:.0f} s")
        for flight in self.flying.values():
            flight.lost = self._world.rng.random() < 0.5
            flight.answer.put(_GONE)
        self._world.schedule.at(for_s, self._up)

    def _up(self) -> None:
        self.down = False


class NodeLine:
    """``SettlementPlatform`` of one node."""

    def __init__(self, platform: Platform, node: Node) -> None:
        self._platform = platform
        self._node = node

    def prepare(self, request: PlatformRequest) -> Prepared | None:
        """Sealed, in a world whose province wants it; now and then that cannot be done."""
        world = self._node.world
        if not world.beside.seals:
            return None
        if world.beside.rng.random() < 0.02:
            world.tell(self._node.name, f"cannot seal {request.infno} {request.msgid[-8:]}")
            raise NotSent("simulated: no seal")
        return Prepared(SEAL + request.body, kept=SEAL + request.body)

    def send(self, request: PlatformRequest) -> PlatformAnswer:
        node, world = self._node, self._node.world
        node.check_alive()
        if world.chance(world.weather.stopped_at_send):
            world.stop(node)
        world.pause(node)
        if world.chance(world.weather.crash_at_send):
            node.crash(f"before sending {request.infno} {request.msgid[-8:]}")
            raise Killed
        kind = world.fate_of_send()
        started_s = world.schedule.now_s
        if self._platform.down or kind == "not-reached":
            world.schedule.sleep(0.05)
            world.tell(node.name, f"cannot reach the platform with {request.infno} {request.msgid[-8:]}")
            raise NotSent("simulated: connection refused")
        request.check_mine()
        world.sent(node, request, kind)
        flight = self._platform.carry(request, kind)
        if world.chance(world.weather.crash_at_send):
            node.crash(f"after sending {request.infno} {request.msgid[-8:]}")
            raise Killed
        timeout_s = request.read_timeout_s or READ_TIMEOUT_S
        if not flight.answer.wait(timeout_s) or flight.answer.value is _GONE:
            flight.answer.put(_GONE)
            raise NoAnswer(f"simulated: {kind}")
        response: Response = flight.answer.value
        if response.status != 200:
            raise NoAnswer(f"simulated: HTTP {response.status}")
        elapsed_s = world.schedule.now_s - started_s
        return PlatformAnswer(200, {"content-type": response.content_type}, response.body, elapsed_s)

    def reachable(self, timeout_s: float) -> bool:
        return not self._platform.down

    def close(self) -> None:
        """Nothing is kept open."""


def _refused(request: Request) -> Request:
    return replace(request, fault=Fault(request.infno, "refuse"))


def _without_output(body: bytes) -> bytes:
    """A success that says neither what it did nor that it did not."""
    answer: dict[str, Any] = json.loads(body)
    if str(answer.get("infcode")) != "0" or not answer.get("output"):
        return body
    answer["output"] = None
    answer["err_msg"] = "处理中"
    return json.dumps(answer, ensure_ascii=False).encode()


def _shown(flight: Flight) -> str:
    return f"{flight.request.infno} {flight.request.msgid[-8:]} ({flight.kind})"


def _verdict(response: Response) -> str:
    answer = json.loads(response.body)
    return f"{answer.get('infcode')} {answer.get('err_msg') or ''}".strip()
