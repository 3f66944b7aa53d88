"""The gate in front of the platform, passed by real calls: who is turned away, with what code, and what it leaves behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.exchange.breaker import Breaker, BreakerPolicy, Condition
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.fake_platform import FakePlatform, envelope
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.gate import CallsInHand, PlatformGate, WatchedPlatform
from gateway.exchange.limits import FairQueue, Shares
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.patience import Times
from gateway.exchange.ports import Exchange as Row
from gateway.exchange.ports import (
    NoAnswer,
    NoPath,
    NotMine,
    NotSent,
    PlatformError,
    PlatformRequest,
    Query,
    Registration,
    Rejected,
    State,
)
from gateway.exchange.prober import Prober
from gateway.exchange.sign_in import SignIns
from gateway.faults import Refused
from gateway.hours import read_closing
from tests.exchange.test_exchange import CANCEL, CLIENT, CODE, NOW, PERSON, QUERY, SENDER, UNSETTLE, Observed, interface

WAIT_S_MAX = 20
HIS, RUNAWAY = CLIENT, replace(CLIENT, name="runaway")
SOON = Times(turn_wait_s=0.05)
POLICY = BreakerPolicy(bad_min=3, slow_s=20, pause_s=10, pause_s_max=40)


@dataclass
class Time:
    """Wall and monotonic time, moved by the test."""

    now: datetime = NOW
    ticks: float = 100.0

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds


class House:
    """An exchange behind a gate with few places."""

    def __init__(self, places: int = 4, closed: tuple[str, ...] = (), times: Times = SOON) -> None:
        self.time = Time()
        self.journal = MemoryJournal()
        self.platform = FakePlatform()
        self.limited: list[tuple[str, str]] = []
        self.gate = PlatformGate(
            "http://platform",
            Breaker(POLICY),
            FairQueue(Shares(places, ["his", "runaway"], 0.5)),
            [read_closing(text) for text in closed],
            clock=lambda: self.time.now,
            monotonic=lambda: self.time.ticks,
            limited=lambda client, code: self.limited.append((client, code)),
        )
        self.line = WatchedPlatform(self.platform, self.gate, lambda infno: interface().wire_safety.get(infno, "read"))
        self.exchange = Exchange(
            interface=interface,
            journal=self.journal,
            platform=self.line,
            msgids=MsgidSequence(self.journal, CODE, lambda: NOW),
            sender=SENDER,
            clock=lambda: self.time.now,
            sign_ins=SignIns(self.journal),
            observer=Observed(),
            node=lambda: Registration("n1", 1),
            twin_wait_s=0.05,
            gate=self.gate,
            times=times,
            monotonic=lambda: self.time.ticks,
        )

    def call(self, infno: str, message: Any, client: Client = HIS, **head: str) -> Reply:
        return self.exchange.handle(Call(client, infno, message, json.dumps(message).encode(), "json", head=head))

    def newest(self) -> Row:
        return self.journal.search(Query(limit=1))[0]

    def condition(self, safety: str) -> Condition:
        return self.gate.status().conditions[safety]

    def break_(
        self, infno: str = "2404", message: Any = CANCEL, error: Exception | None = None, times: int = 3
    ) -> None:
        self.platform.script(infno, error or NotSent("refused"))
        for _ in range(times):
            assert self.call(infno, message).code in ("GW-4001", "GW-4002")


def visit(number: int) -> dict[str, Any]:
    """2404 about a visit of its own, so that calls do not wait for one another's visit."""
    return {"data": {"mdtrt_id": f"M{number}", "psn_no": f"P{number}"}}


# ------------------------------------------------------------ the breaker


def test_an_open_breaker_refuses_before_anything_is_written_but_the_refusal() -> None:
    house = House()
    house.break_()
    asked = len(house.platform.requests)
    reply = house.call("2404", CANCEL, request_id="R1")
    assert (reply.infcode, reply.code, reply.retry, reply.retry_after_s) == ("-1", "GW-4004", "yes", 10)
    row = house.newest()
    assert (row.state, row.code, row.msgid) == (State.REFUSED, "GW-4004", None)
    assert len(house.platform.requests) == asked
    assert house.limited == [("his", "GW-4004")]


def test_what_was_confirmed_is_answered_while_it_is_open() -> None:
    house = House()
    house.platform.script("2404", {})
    first = house.call("2404", CANCEL)
    house.platform.script("2404", NotSent("refused"))
    for number in range(10, 13):
        house.call("2404", visit(number))
    assert house.condition("state") is Condition.OPEN
    assert house.call("2404", CANCEL).msgid == first.msgid


def test_the_next_read_half_opens_and_the_next_call_closes() -> None:
    house = House()
    house.break_()
    house.time.pass_(10)
    house.platform.script("2404", {})
    assert house.call("2404", CANCEL).code == "GW-4004"
    house.platform.script("1101", PERSON)
    assert house.call("1101", QUERY).infcode == "0"
    assert house.condition("state") is Condition.HALF_OPEN
    assert house.call("2404", CANCEL).infcode == "0"
    assert house.condition("state") is Condition.CLOSED


def test_without_reads_of_the_hospital_the_gateway_probes() -> None:
    house = House()
    prober = Prober(house.exchange, house.gate, 20)
    house.break_()
    assert not prober.turn()
    house.time.pass_(10)
    house.platform.script(
        "1312",
        b'{"infcode":-1,"inf_refmsgid":"","err_msg":"\xe5\x8f\x82\xe6\x95\xb0\xe9\x94\x99\xe8\xaf\xaf","output":null}',
    )
    assert prober.turn(), "a refusal is an answer"
    assert house.condition("state") is Condition.HALF_OPEN
    assert not prober.turn()
    assert (house.newest().infno, house.newest().channel) == ("1312", "probe")


def test_reads_that_get_no_answer_open_their_class_and_one_of_them_probes() -> None:
    house = House()
    house.break_("1101", QUERY, NoAnswer("timeout"), times=2)  # each asked twice
    assert house.call("1101", QUERY).code == "GW-4004"
    house.time.pass_(10)
    house.platform.script("1101", PERSON)
    assert house.call("1101", QUERY).infcode == "0"
    assert house.condition("read") is Condition.CLOSED


def test_refused_in_front_of_the_platform_is_an_answer() -> None:
    house = House()
    house.platform.script("2404", Rejected("signature"))
    for _ in range(9):
        assert house.call("2404", CANCEL).code == "GW-4006"


@pytest.mark.parametrize("error", [NotMine("taken over"), NoPath("没有路径")], ids=["declared dead", "no path"])
def test_what_asked_nobody_says_nothing_about_the_platform(error: PlatformError) -> None:
    house = House()
    house.platform.script("2404", error)
    for number in range(9):
        assert house.call("2404", visit(number)).code != "GW-4004"


def test_money_on_its_way_gets_its_answer_however_late() -> None:
    house = House()

    def slow(request: PlatformRequest) -> bytes:
        for number in range(3):
            flight = house.gate.sent("money")
            house.gate.heard(flight, answered=False)
            assert number < 2 or house.condition("money") is Condition.OPEN
        house.time.pass_(50)
        return envelope({"setlinfo": {"setl_id": "S2"}}, msgid=request.msgid)

    house.platform.script("2208", slow)
    reply = house.call("2208", UNSETTLE)
    assert (reply.infcode, house.newest().state) == ("0", State.CONFIRMED)
    assert house.condition("money") is Condition.OPEN


# ------------------------------------------------------------------ hours


def test_a_closed_platform_is_not_asked() -> None:
    house = House(closed=("10:00-11:00",))
    house.platform.script("2404", {})
    reply = house.call("2404", CANCEL)
    assert (reply.code, reply.retry, reply.retry_after_s) == ("GW-4005", "yes", 1800)
    assert "2026-11-21 11:00" in reply.err_msg
    assert (house.newest().state, house.platform.requests) == (State.REFUSED, [])
    with pytest.raises(NotSent, match="停止服务至 2026-11-21 11:00"):
        house.line.send(PlatformRequest("5201", "m", b"{}"))  # as the resolver does
    house.time.pass_(1800)
    assert house.call("2404", CANCEL).infcode == "0"


# ------------------------------------------------------------------ turns


class Held:
    """A platform that keeps every request until it is let go."""

    def __init__(self, house: House) -> None:
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()
        self.order: list[str] = []
        house.platform.script("2404", self._answer)

    def _answer(self, request: PlatformRequest) -> bytes:
        self.order.append(json.loads(request.body)["input"]["data"]["mdtrt_id"])
        self.inside.release()
        assert self.go.wait(WAIT_S_MAX)
        return envelope({}, msgid=request.msgid)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.inside.acquire(timeout=WAIT_S_MAX)


def until(condition: Callable[[], bool]) -> None:
    step = threading.Event()
    for _ in range(WAIT_S_MAX * 200):
        if condition():
            return
        step.wait(0.005)
    raise AssertionError("it did not come to that")


def test_a_runaway_waits_and_the_other_client_does_not() -> None:
    house = House(places=4, times=Times(turn_wait_s=WAIT_S_MAX))
    held = Held(house)
    with ThreadPoolExecutor(12) as pool:
        flood: list[Future[Reply]] = [pool.submit(house.call, "2404", visit(n), RUNAWAY) for n in range(8)]
        held.wait_for(3)
        until(lambda: house.gate.status().waiting == 5)
        mine = pool.submit(house.call, "2404", visit(99), HIS)
        held.wait_for(1)
        assert held.order[3] == "M99", "it has its turn at once"
        held.go.set()
        assert mine.result(WAIT_S_MAX).infcode == "0"
        assert {one.result(WAIT_S_MAX).infcode for one in flood} == {"0"}, "waiting is not refusing"
    assert (house.gate.status().sending, house.gate.status().waiting) == (0, 0)


def test_waiting_in_vain_is_not_sent() -> None:
    house = House(places=1)
    held = Held(house)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(house.call, "2404", visit(1))
        held.wait_for(1)
        reply = house.call("2404", visit(2), request_id="R2")
        assert (reply.code, reply.retry) == ("GW-4003", "yes")
        assert reply.retry_after_s >= 1
        assert (house.newest().state, house.newest().request_id) == (State.NOT_SENT, "R2")
        held.go.set()
        assert first.result(WAIT_S_MAX).infcode == "0"
    assert house.call("2404", visit(2), request_id="R2").infcode == "0"
    assert held.order == ["M1", "M2"]


def test_who_waits_for_a_turn_does_not_hold_the_visit() -> None:
    house = House(places=1)
    held = Held(house)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(house.call, "2404", visit(1))
        held.wait_for(1)
        assert house.call("2404", visit(2)).code == "GW-4003"
        assert house.journal.find_busy("mdtrt_id:M2") is None
        open_states = (State.INTENDED, State.IN_DOUBT)
        assert [row.id for row in house.journal.search(Query(states=open_states))] == [1]
        held.go.set()
        first.result(WAIT_S_MAX)


# -------------------------------------------------------------- deadlines


def test_waiting_leaves_the_time_that_sending_takes() -> None:
    """call 30 s, connect 5 s, answer 20 s: 5 s to spare, though a turn might be waited for longer."""
    house = House(places=1, times=Times(30, WAIT_S_MAX, 5, 20))
    asked: list[float] = []
    house.exchange._sending._gate = Asking(asked)
    house.platform.script("2404", {})
    house.call("2404", CANCEL)
    house.call("2404", visit(2), replace(HIS, call_s_max=28))
    assert asked == [5, 3]


class Asking:
    """A gate that keeps how long a turn may be waited for."""

    def __init__(self, asked: list[float]) -> None:
        self._asked = asked

    def enter(self, client: str, safety: str, wait_s: float) -> Any:
        self._asked.append(wait_s)
        return threading.Lock()


def test_a_query_is_cut_when_its_caller_gives_up_and_money_is_not() -> None:
    house = House(times=Times(30, 0, 5, 25))
    seen: list[float | None] = []

    def unanswered(request: PlatformRequest) -> bytes:
        seen.append(request.read_timeout_s)
        house.time.pass_(12)
        raise NoAnswer("timeout")

    house.platform.script("1101", unanswered)
    house.platform.script("2208", unanswered)
    assert house.call("1101", QUERY).code == "GW-4002"
    assert house.call("2208", UNSETTLE).code == "GW-4101"
    assert seen == [None, 13, None]
    seen.clear()
    assert house.call("1101", QUERY, replace(HIS, call_s_max=10)).code == "GW-4002"
    assert seen == [5], "no second try when the time is over"


# ---------------------------------------------------------- calls in hand


def test_calls_in_hand_are_kept_to_the_share_and_given_back() -> None:
    told: list[tuple[str, str]] = []
    in_hand = CallsInHand(
        Shares(4, ["his", "runaway"], 0.5, {"his": 2}), lambda client, code: told.append((client, code))
    )
    with in_hand.hold("runaway"), in_hand.hold("runaway"), in_hand.hold("runaway"):
        with pytest.raises(Refused) as caught, in_hand.hold("runaway"):
            pass
        assert (caught.value.fault.code, caught.value.retry_after_s) == ("GW-4003", 1)
        with in_hand.hold("his"):
            pass
    with in_hand.hold("his"), in_hand.hold("his"), pytest.raises(Refused, match="2"), in_hand.hold("his"):
        pass
    with pytest.raises(ZeroDivisionError), in_hand.hold("his"):
        raise ZeroDivisionError
    with in_hand.hold("his"), in_hand.hold("his"):
        pass
    assert told == [("runaway", "GW-4003"), ("his", "GW-4003")]
