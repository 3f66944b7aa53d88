"""Where the line carries other bytes than the envelope, these are durable before the first one leaves, too."""

from __future__ import annotations

from gateway.exchange.ports import NotSent, PlatformRequest, Prepared, Query, State
from tests.exchange.kit import Hospital
from tests.simulation import messages

ALL = Query(limit=100)


def sealed(body: bytes) -> tuple[bytes, bytes]:
    return b"password+" + body, b"***+" + body


def test_the_wrapped_bytes_are_in_the_journal_before_they_leave() -> None:
    kept: list[tuple[State, bytes | None]] = []

    def look(boundary: str, infno: str) -> None:
        if (boundary, infno) == ("before_send", "2401"):
            (row,) = [one for one in hospital.journal.search(ALL) if one.infno == "2401"]
            bodies = hospital.journal.bodies(row.id)
            kept.append((row.state, bodies.wire_request if bodies else None))

    hospital = Hospital(reached=look)
    hospital.line.seals = sealed
    hospital.admit()
    (left,) = [one for one in hospital.line.sent if one.infno == "2401"]
    assert left.prepared is not None
    assert left.prepared.body == b"password+" + left.body
    assert kept == [(State.INTENDED, b"***+" + left.body)]


def test_what_cannot_be_wrapped_is_not_sent_and_may_be_tried_again() -> None:
    hospital = Hospital()
    ready = hospital.line.prepare

    def broken(request: PlatformRequest) -> Prepared | None:
        raise NotSent("报文无法加密，没有发出")

    hospital.line.prepare = broken  # type: ignore[method-assign]
    reply = hospital.call("2401", messages.admission(hospital.psn_no, "Z1"), "R1")
    assert (reply.code, reply.retry) == ("GW-4001", "yes")
    assert hospital.states("2401") == [State.NOT_SENT]
    assert hospital.line.count("2401") == 0
    hospital.line.prepare = ready  # type: ignore[method-assign]
    assert hospital.call("2401", messages.admission(hospital.psn_no, "Z1"), "R1").infcode == "0"
