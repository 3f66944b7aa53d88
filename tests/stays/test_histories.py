"""Random histories: the gates agree with the oracle, and the order in which things arrive does not matter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.rules.stay import Stay
from gateway.rules.times import SHANGHAI
from gateway.stays.derive import derive
from gateway.stays.history import Record, RecordKind, WardEvent
from tests.stays import oracle
from tests.stays.kit import POLICY, Life, fee_rows, leaving, settlement

TIMES = ["08:10:00", "10:05:00", "10:05:40", "10:20:00", "11:00:30", "12:00:00"]
ZULU = {time: f"2026-03-02T{int(time[:2]) - 8:02}{time[2:]}Z" for time in TIMES}
NOW = datetime(2026, 3, 2, 11, 0, 0, tzinfo=SHANGHAI)
"""Some ward-ins lie ahead of it."""

time = st.sampled_from(TIMES)
event_id = st.sampled_from(["e1", "e2", "k1", "k2"])
recorded = st.sampled_from([f"2026-03-02 07:00:{second:02}" for second in (3, 6, 9, 30)])
"""Around the time of receipt: of what is told with it some was recorded after a void, some before."""
state = st.sampled_from(
    ["CONFIRMED", "CONFIRMED", "CONFIRMED", "IN_DOUBT", "ESCALATED", "INTENDED", "DECLINED", "NOT_DONE"]
)
Step = Callable[[Life], Any]


def step(name: str, *arguments: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    drawn = st.tuples(st.tuples(*arguments), st.fixed_dictionaries(named))
    return drawn.map(lambda both: lambda life: getattr(life, name)(*both[0], **both[1]))


HOSPITAL = st.one_of(
    step("ward", time.map(lambda t: f"2026-03-02 {t}"), st.sampled_from(["e1", "e2"]), st.sampled_from("AB")),
    step("ward", time.map(ZULU.__getitem__), st.sampled_from(["e1", "e2", "e3"]), st.sampled_from("AB")),
    step("ward", time.map(lambda t: f"2026-03-02 {t}"), st.sampled_from(["k1", "k2"]), recorded_time=recorded),
    step("void", event_id),
    step("tell", st.just("transfer"), st.sampled_from(["t1", "t2"]), time, ward_code=st.just("C")),
    step("tell", st.just("ward_out"), st.sampled_from(["o1", "e1"]), time, ward_code=st.just("A")),
    step("tell", st.just("recall"), st.just("r1"), time, ward_code=st.just("A")),
)
PLATFORM = st.one_of(
    step("reg", time),
    step("change", time, state),
    step("leave", time),
    step("back", st.sampled_from(["CONFIRMED", "CONFIRMED", "IN_DOUBT"])),
    step("fees", st.tuples(st.sampled_from(["f1", "f2"]), time)),
    step("remove", st.sampled_from(["f1", "f2", "0000"])),
    step("settle_anew", st.sampled_from("01")),
    step("revoke_any", st.integers(0, 3)),
    step("query", time, st.sampled_from("01")),
)


FEES = st.one_of(
    step("fees", st.tuples(st.sampled_from(["f1", "f2"]), st.just("08:10:00"))),
    step("remove", st.sampled_from(["f1", "f2", "0000"])),
    step("settle_anew", st.just("1")),
    step("revoke_any", st.integers(0, 3)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FEES, max_size=8))
def test_discharge_waits_for_early_fees_exactly_while_they_are_there(steps: list[Step]) -> None:
    life = Life().reg("08:10")
    for one in steps:
        one(life)
    life.ward("10:05").change("10:05")
    end = "2026-03-03 16:00"
    assert (life.code("2402", leaving(end)) == "") == oracle.may_discharge(life.history, end, life.now)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Mostly plausible: registered, a ward-in, then anything."""
    life = Life()
    life.now = NOW
    life.reg(draw(time))
    for one in draw(st.lists(st.one_of(HOSPITAL, HOSPITAL, PLATFORM), min_size=1, max_size=12)):
        one(life)
    if draw(st.booleans()):
        ward = oracle.t_ward(life.history)
        life.change(ward.strftime("%Y-%m-%d %H:%M:%S") if ward else draw(time))
    return life


def corrected_recall() -> Life:
    """A void that overtook its ward-in, a ward-in, and a recall first told too early, then corrected."""
    life = Life()
    life.now = NOW
    life.reg("08:10").void("e2").ward("2026-03-02 08:10:00", "e2", "A")
    life.tell("recall", "r1", "08:10:00", ward_code="A").ward("2026-03-02 10:05:00", "e1", "A")
    return life.tell("recall", "r1", "10:05:40", ward_code="A")


@settings(max_examples=500, deadline=None)
@example(corrected_recall(), "12:00:00")
@given(lives(), time)
def test_the_gates_pass_exactly_when_the_text_says_so(life: Life, end: str) -> None:
    history = life.history
    ward = life.stay.times.t_ward
    assert (ward.minute if ward else None) == oracle.t_ward(history)
    ends = f"2026-03-03 {end}"
    assert (life.code("2402", leaving(ends)) == "") == oracle.may_discharge(history, ends, NOW)
    same_day = f"2026-03-02 {end}"
    assert (life.code("2402", leaving(same_day)) == "") == oracle.may_discharge(history, same_day, NOW)
    for infno in ("2303", "2304A"):
        assert (life.code(infno, settlement()) == "") == oracle.may_settle(history, NOW)
    assert (life.code("2301", fee_rows(("f9", "12:00"))) == "") == oracle.may_change_fees(history)


@settings(max_examples=100, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_kept_does_not_matter(life: Life, chance: random.Random) -> None:
    history = life.history
    shuffled = replace(
        history,
        events=tuple(chance.sample(history.events, len(history.events))),
        exchanges=tuple(chance.sample(history.exchanges, len(history.exchanges))),
        adoptions=tuple(chance.sample(history.adoptions, len(history.adoptions))),
    )
    assert derive(shuffled, POLICY) == derive(history, POLICY)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(data: st.DataObject, chance: random.Random) -> None:
    """Versions that carry the time they were recorded, and events told once, may arrive in any order."""
    life = Life().reg("08:10")
    kinds = st.sampled_from(["ward_in", "transfer", "ward_out", "recall"])
    for number in range(data.draw(st.integers(1, 6))):
        life.tell(data.draw(kinds), f"x{number}", data.draw(time), ward_code=data.draw(st.sampled_from("ABC")))
    for number in range(data.draw(st.integers(0, 4))):
        recorded = f"2026-03-02 13:00:{number:02}"
        life.ward(data.draw(time), "corrected", data.draw(st.sampled_from("AB")), recorded_time=recorded)
    if data.draw(st.booleans()):
        life.void("x0")
    slots = [(event.received_at, event.serial) for event in life.events]
    chance.shuffle(slots)
    arrived = [
        replace(event, received_at=at, serial=serial) for event, (at, serial) in zip(life.events, slots, strict=True)
    ]
    assert told(derive(replace(life.history, events=tuple(arrived)), POLICY)) == told(life.stay)


def told(stay: Stay) -> tuple[object, ...]:
    """What follows from the events, without when they came."""
    times = (stay.times.t_ward, stay.times.t_wout)
    return (*(time and (time.minute, time.ref) for time in times), stay.alignment, stay.presence, stay.wards)


def test_an_event_told_twice_counts_once() -> None:
    once, twice = Life().reg().ward("10:05"), Life().reg().ward("10:05").ward("10:05")
    assert told(twice.stay) == told(once.stay)
    assert twice.stay.wards == ("A",)


def version(event_id: str, time: str, received: int, recorded: str = "", kind: Any = "ward_in") -> WardEvent:
    at = datetime(2026, 3, 2, 14, 0, received, tzinfo=SHANGHAI)
    return WardEvent(
        event_id, kind, at, time and f"2026-03-02 {time}", "A", recorded_time=recorded and f"2026-03-02 {recorded}"
    )


def ward_text(*events: WardEvent) -> str:
    life = Life().reg()
    life.events = list(events)
    ward = life.stay.times.t_ward
    return ward.text[11:16] if ward else ""


def test_the_newest_recorded_time_counts_else_the_last_received() -> None:
    first, second = version("e1", "10:05", 1), version("e1", "10:20", 2)
    assert ward_text(first, second) == "10:20"
    assert ward_text(version("e1", "10:05", 1, "12:30"), version("e1", "10:20", 2, "12:10")) == "10:05"
    assert ward_text(version("e1", "10:05", 1, "12:30"), second) == "10:20", "one without it is the last received"
    assert ward_text(first, version("e1", "10:20", 2, "unreadable")) == "10:20"


def test_a_void_is_final_unless_recorded_anew_after_it() -> None:
    void = version("e1", "", 5, kind="ward_in_void")
    assert ward_text(version("e1", "10:05", 1), void) == ""
    assert ward_text(void, version("e1", "10:05", 9)) == "", "the void overtook its event"
    assert ward_text(void, version("e1", "10:05", 9, "13:59:59")) == ""
    assert ward_text(void, version("e1", "10:05", 9, "14:00:08")) == "10:05"
    assert ward_text(void, version("e2", "11:00", 9)) == "11:00"


def test_an_unreadable_time_is_no_ward_in() -> None:
    assert ward_text(replace(version("e1", "10:05", 1), event_time="昨天")) == ""


def test_one_number_for_coming_and_going() -> None:
    life = Life().reg().ward("10:05", "row1").tell("ward_out", "row1", "16:05", ward_code="A")
    times = life.stay.times
    assert times.t_ward is not None
    assert times.t_wout is not None
    assert (times.t_ward.text[11:16], times.t_wout.text[11:16]) == ("10:05", "16:05")


def test_of_equal_versions_the_last_received_counts_whatever_the_clocks_say() -> None:
    life = Life().reg().ward("10:05")
    at = datetime(2026, 3, 2, 9, 0, tzinfo=SHANGHAI)
    kinds: tuple[RecordKind, ...] = ("diagnoses", "emergency_fees")
    for kind in kinds:
        first = Record(kind, 1, at, ({"n": "1"},), visit={"ipt_otp_no": "MZ1"}, serial=1)
        late = replace(first, rows=({"n": "2"},), received_at=at - timedelta(minutes=3), serial=2)
        stay = derive(replace(life.history, records=(late, first)), POLICY)
        told = stay.emergency[0] if kind == "emergency_fees" else stay.diagnoses
        assert told is not None
        assert told.rows == late.rows
