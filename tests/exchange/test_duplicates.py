"""The same request again: one call to the platform, the confirmed answer to all, never an undone one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.exchange.call import Reply
from gateway.exchange.ports import Outcome, PlatformRequest, State
from tests.exchange.kit import CLIENT, Hospital
from tests.simulation import messages


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def test_a_settlement_is_answered_again_without_a_call(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = hospital.call("2304", hospital.settlement(stay))
    again = hospital.call("2304", hospital.settlement(stay))
    assert (again.infcode, again.repeated, again.msgid, again.output) == ("0", True, first.msgid, first.output)
    assert again.exchange_id == first.exchange_id
    assert hospital.line.count("2304") == 1


def test_equal_settlements_with_a_revocation_between_are_two(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = hospital.done("2304", hospital.settlement(stay))
    hospital.done("2305", hospital.undo(stay, setl_id=first["setlinfo"]["setl_id"]))
    second = hospital.call("2304", hospital.settlement(stay))
    assert not second.repeated
    assert second.output["setlinfo"]["setl_id"] != first["setlinfo"]["setl_id"]
    assert [row["state"] for row in hospital.seen("settlements")] == ["revoked", "settled"]
    # the revocation of the first stays what it was
    again = hospital.call("2305", hospital.undo(stay, setl_id=first["setlinfo"]["setl_id"]))
    assert again.repeated
    assert hospital.line.count("2305") == 1


def test_a_request_id_is_free_again_once_its_exchange_is_undone(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = hospital.done("2304", hospital.settlement(stay), "R1")
    hospital.done("2305", hospital.undo(stay, setl_id=first["setlinfo"]["setl_id"]))
    second = hospital.call("2304", hospital.settlement(stay), "R1")
    assert (second.infcode, second.repeated) == ("0", False)
    assert hospital.call("2304", hospital.settlement(stay), "R1").repeated


def test_discharge_and_its_undo_alternate(hospital: Hospital) -> None:
    stay = hospital.charged()
    for _ in range(2):
        assert not hospital.call("2402", hospital.discharge(stay)).repeated
        assert hospital.call("2402", hospital.discharge(stay)).repeated
        assert not hospital.call("2405", hospital.undo(stay)).repeated
        assert hospital.call("2405", hospital.undo(stay)).repeated
    assert (hospital.line.count("2402"), hospital.line.count("2405")) == (2, 2)
    assert hospital.seen("stays")[0]["state"] == "in_hospital"


def test_upload_and_its_undo_alternate(hospital: Hospital) -> None:
    stay = hospital.charged()
    remove = messages.remove_fees(hospital.psn_no, stay, ["0000"])
    assert hospital.call("2301", hospital.fees(stay)).repeated
    assert not hospital.call("2302", remove).repeated
    assert hospital.call("2302", remove).repeated
    assert not hospital.call("2301", hospital.fees(stay)).repeated
    assert not hospital.call("2302", remove).repeated
    assert hospital.seen("stays")[0]["fees"]["count"] == 0


def test_an_admission_undone_is_made_anew(hospital: Hospital) -> None:
    first = hospital.admit()
    assert hospital.call("2401", messages.admission(hospital.psn_no, "Z1")).repeated
    hospital.done("2404", hospital.undo(first))
    assert hospital.admit() != first


def test_of_changes_the_last_counts(hospital: Hospital) -> None:
    stay = hospital.admit()
    one, other = (messages.change(hospital.psn_no, stay, "Z1", f"2026-02-20 09:1{n}:00") for n in (2, 5))
    for message, repeated in ((one, False), (one, True), (other, False), (one, False)):
        assert hospital.call("2403", message).repeated is repeated
    assert hospital.seen("stays")[0]["begntime"] == "2026-02-20 09:12:00"


def test_a_reversal_by_the_hospital_ends_what_it_reverses(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = hospital.call("2304", hospital.settlement(stay), "R1")
    hospital.done("2601", messages.reversal(hospital.psn_no, first.msgid, "2304"))
    assert not hospital.call("2304", hospital.settlement(stay), "R1").repeated


def test_a_reversed_revocation_brings_the_settlement_back_into_force(hospital: Hospital) -> None:
    stay = hospital.charged()
    first = hospital.done("2304", hospital.settlement(stay))
    revoked = hospital.call("2305", hospital.undo(stay, setl_id=first["setlinfo"]["setl_id"]))
    hospital.done("2601", messages.reversal(hospital.psn_no, revoked.msgid, "2305"))
    assert hospital.call("2304", hospital.settlement(stay)).repeated
    assert hospital.seen("settlements")[0]["state"] == "settled"


def test_reads_are_always_asked(hospital: Hospital) -> None:
    before = hospital.line.count("1101")
    for _ in range(2):
        assert not hospital.call("1101", messages.person("440899198507241014")).repeated
    assert hospital.line.count("1101") == before + 2


def test_declined_is_a_new_attempt(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.done("2302", messages.remove_fees(hospital.psn_no, stay, ["F2"]))
    declined = hospital.call("2304", hospital.settlement(stay), "R1")
    assert (declined.code, declined.retry) == ("GW-3000", "yes")
    hospital.done("2301", {"feedetail": [hospital.fee(stay, 2)]})
    again = hospital.call("2304", hospital.settlement(stay), "R1")
    assert again.infcode == "0"
    assert again.msgid != declined.msgid


def test_not_sent_is_a_new_attempt_with_a_new_msgid(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.line.faults["2304"] = ["unreachable"]
    unsent = hospital.call("2304", hospital.settlement(stay), "R1")
    assert (unsent.code, unsent.retry) == ("GW-4001", "yes")
    again = hospital.call("2304", hospital.settlement(stay), "R1")
    assert again.infcode == "0"
    assert again.msgid != unsent.msgid


def test_other_content_under_the_same_request_id_is_refused(hospital: Hospital) -> None:
    stay = hospital.admit()
    hospital.done("2301", hospital.fees(stay, 2), "R1")
    assert hospital.call("2301", hospital.fees(stay, 3), "R1").code == "GW-1409"


def until_closed(hospital: Hospital, waiting: threading.Event) -> threading.Event:
    """Let whoever waits say so, and wait until the event returned is set."""
    closed = threading.Event()

    def first_pause() -> None:
        waiting.set()
        assert closed.wait(20)

    hospital.waits = [first_pause]
    return closed


def while_sending(hospital: Hospital, infno: str, job: Callable[[], Reply]) -> list[Reply]:
    """Run ``job`` once, in the moment the next ``infno`` is on its way; its replies."""
    replies: list[Reply] = []

    def run(request: PlatformRequest) -> None:
        if request.infno == infno and not replies:
            replies.append(Reply("placeholder"))
            replies[0] = job()

    hospital.line.meanwhile = run
    return replies


def test_a_twin_waits_up_to_the_limit(hospital: Hospital) -> None:
    stay = hospital.charged()
    started = hospital.clock.now
    replies = while_sending(hospital, "2304", lambda: hospital.call("2304", hospital.settlement(stay)))
    assert hospital.call("2304", hospital.settlement(stay)).infcode == "0"
    assert (replies[0].code, replies[0].retry) == ("GW-4102", "same")
    assert (hospital.clock.now - started).total_seconds() == pytest.approx(30)
    assert hospital.line.count("2304") == 1


@pytest.mark.parametrize("request_id", ["", "R1"])
def test_a_twin_gets_the_first_answer(hospital: Hospital, request_id: str) -> None:
    stay = hospital.charged()
    started = threading.Event()
    got: list[Reply] = []

    def twin() -> None:
        got.append(hospital.call("2304", hospital.settlement(stay), request_id))

    thread = threading.Thread(target=twin)

    def meanwhile(request: PlatformRequest) -> None:
        if request.infno == "2304":
            thread.start()
            assert started.wait(20)

    hospital.line.meanwhile = meanwhile
    closed = until_closed(hospital, started)
    first = hospital.call("2304", hospital.settlement(stay), request_id)
    closed.set()
    thread.join(20)
    assert (got[0].infcode, got[0].repeated, got[0].output) == ("0", True, first.output)
    assert hospital.line.count("2304") == 1


def test_who_waits_when_it_is_found_not_done_may_start_again(hospital: Hospital) -> None:
    stay = hospital.charged()
    replies = while_sending(hospital, "2304", lambda: hospital.call("2304", hospital.settlement(stay)))

    def reversed_meanwhile() -> None:
        entry = hospital.journal.find_busy(f"mdtrt_id:{stay}")
        assert entry is not None
        hospital.journal.finish(entry.id, Outcome(State.IN_DOUBT, hospital.clock.now))
        hospital.journal.resolve(entry.id, Outcome(State.REVERSED, hospital.clock.now))

    hospital.waits = [reversed_meanwhile]
    first = hospital.call("2304", hospital.settlement(stay))
    assert (replies[0].code, replies[0].retry) == ("GW-4110", "yes")
    assert first.code == "GW-4101"


@pytest.mark.parametrize(("fault", "code", "retry"), [("", "GW-1423", "yes"), ("lose-reply", "GW-1425", "no")])
def test_one_exchange_at_a_time_per_visit(hospital: Hospital, fault: str, code: str, retry: str) -> None:
    stay = hospital.charged()
    if fault:
        hospital.doubtful("2304", hospital.settlement(stay), fault)
        reply = hospital.call("2402", hospital.discharge(stay))
    else:
        replies = while_sending(hospital, "2304", lambda: hospital.call("2402", hospital.discharge(stay)))
        hospital.done("2304", hospital.settlement(stay))
        reply = replies[0]
    assert (reply.code, reply.retry) == (code, retry)
    assert hospital.line.count("2402") == 0


def test_the_next_in_line_goes_on_when_the_first_is_closed(hospital: Hospital) -> None:
    stay = hospital.charged()
    waiting = threading.Event()
    got: list[Reply] = []
    thread = threading.Thread(target=lambda: got.append(hospital.call("2402", hospital.discharge(stay))))

    def meanwhile(request: PlatformRequest) -> None:
        if request.infno == "2304":
            thread.start()
            assert waiting.wait(20)

    hospital.line.meanwhile = meanwhile
    closed = until_closed(hospital, waiting)
    hospital.done("2304", hospital.settlement(stay))
    closed.set()
    thread.join(20)
    assert got[0].infcode == "0"


def test_other_visits_and_reads_never_wait(hospital: Hospital) -> None:
    stay, other = hospital.charged("Z1"), hospital.admit("Z2")
    hospital.doubtful("2304", hospital.settlement(stay), "lose-reply")
    hospital.done("2301", {"feedetail": [hospital.fee(other, 9)]})
    query = {"data": {"psn_no": hospital.psn_no, "mdtrt_id": stay}}
    assert hospital.call("5202", query).infcode == "0"


def test_a_node_that_is_not_its_own_any_more_sends_nothing() -> None:
    mine = [True]
    hospital = Hospital(still_mine=lambda _: mine[0])
    stay = hospital.charged()
    mine[0] = False
    reply = hospital.call("2304", hospital.settlement(stay))
    assert (reply.code, reply.retry) == ("GW-4007", "yes")
    assert hospital.line.count("2304") == 0
    mine[0] = True
    assert hospital.call("2304", hospital.settlement(stay)).infcode == "0"


def outcome_of(hospital: Hospital, **asked: Any) -> Mapping[str, Any]:
    reply = hospital.exchange.outcome(CLIENT, **asked)
    assert reply is not None
    return {"state": reply.state, "code": reply.code, "retry": reply.retry}


def test_outcome_tells_without_sending(hospital: Hospital) -> None:
    stay = hospital.charged()
    hospital.doubtful("2304", hospital.settlement(stay), "lose-reply", "R1")
    sent = len(hospital.line.sent)
    assert outcome_of(hospital, request_id="R1") == {"state": "IN_DOUBT", "code": "GW-4101", "retry": "same"}
    assert outcome_of(hospital, mdtrt_id=stay, infno="2304")["state"] == "IN_DOUBT"
    assert outcome_of(hospital, mdtrt_id=stay, infno="2301") == {"state": "CONFIRMED", "code": "", "retry": ""}
    assert hospital.exchange.outcome(CLIENT, request_id="R2") is None
    assert len(hospital.line.sent) == sent
    hospital.run()
    assert outcome_of(hospital, request_id="R1") == {"state": "REVERSED", "code": "GW-4110", "retry": "yes"}
