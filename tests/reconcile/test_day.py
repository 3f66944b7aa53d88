"""A day beside the platform's own books: even to the cent, planted differences found, repaired ones closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import State
from gateway.reconcile.compare import yuan
from tests.reconcile.kit import DAY, Office
from tests.simulation import messages


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def a_full_day(office: Office) -> list[tuple[str, str]]:
    """Visits and a stay; revocations, a reversal, and doubts that were settled one way and the other."""
    hospital = office.hospital
    visits = [office.settled() for _ in range(5)]
    office.revoke(*visits.pop())
    stay = hospital.charged()
    hospital.done("2304", hospital.settlement(stay))
    for fault in ("lose-reply", "lose-request", "late-request"):
        mdtrt_id, batch = office.visited()
        hospital.doubtful("2207", office.settlement(mdtrt_id, batch), fault)
    mdtrt_id, setl_id = office.settled()
    hospital.doubtful("2208", hospital.undo(mdtrt_id, setl_id=setl_id), "lose-reply")
    hospital.line.deliver()
    hospital.run()
    return visits


def held(office: Office) -> int:
    """What the platform has settled and not given back, in cents."""
    rows = office.simulator.ledger()["settlements"]
    return sum(int(row["medfee_sumamt"] * 100) for row in rows if row["state"] == "settled")


def test_a_day_with_doubts_and_reversals_is_even_to_the_cent(office: Office) -> None:
    a_full_day(office)
    result = office.run()
    assert result.whole
    assert result.cases == []
    assert {part.state for part in result.parts} == {"even"}
    totals = [part for part in result.parts if part.kind == "total"]
    assert sum(part.medfee_cents for part in totals) == held(office) > 0
    details = [part for part in result.parts if part.kind == "detail"]
    assert {part.clr_type for part in details} == {"11", "21"}
    assert sum(part.line_count for part in details) == sum(part.line_count for part in totals)
    assert office.run(DAY + timedelta(days=1)).cases == []


def test_differences_of_all_kinds_become_cases_and_close_when_repaired(office: Office) -> None:
    visits = a_full_day(office)
    hospital, simulator = office.hospital, office.simulator
    mdtrt_id, batch = office.visited()
    doubt = hospital.doubtful("2207", office.settlement(mdtrt_id, batch), "lose-reply")
    hospital.line.faults["2601"] = ["lose-request"] * 3
    (_, dear), (_, gone), (_, cancelled), _ = visits
    revoked = office.settled()
    office.revoke(*revoked)
    simulator.plant({"kind": "amount", "setl_id": dear, "amount": "0.01"})
    simulator.plant({"kind": "missing", "setl_id": gone})
    simulator.plant({"kind": "revoked", "setl_id": cancelled})
    simulator.plant({"kind": "unrevoked", "setl_id": revoked[1]})
    simulator.plant({"kind": "extra", "psn_no": hospital.psn_no, "amount": "12.34", "insutype": "310",
                     "clr_type": "11", "day": DAY.isoformat()})  # fmt: skip
    result = office.run()
    kinds = office.open_kinds()
    planted = next(about for about, kind in kinds.items() if kind == "only_there")
    there = next(about for about in kinds if about.endswith("-") and about != f"{revoked[1]}-")
    assert kinds == {
        dear: "amount_differs",
        gone: "only_here",
        there: "revoked_one_side",
        f"{revoked[1]}-": "revoked_one_side",
        planted: "only_there",
        doubt.msgid: "in_doubt",
    }
    by_kind = {case.kind: case for case in result.open_cases}
    assert by_kind["in_doubt"].exchange_id == doubt.id
    assert by_kind["only_there"].exchange_id is None
    dearer = by_kind["amount_differs"].content
    assert yuan(dearer["theirs"]["medfee_sumamt"]) - yuan(dearer["ours"]["medfee_sumamt"]) == yuan("0.01")
    assert "平台" in dearer["cause"]
    assert office.store.recon.unsettled_days() == [DAY.isoformat()]
    # found again they are the same cases
    assert [case.id for case in office.run().open_cases] == [case.id for case in result.open_cases]
    simulator.clear_planted()
    hospital.run()
    (again,) = office.reconciliation.recheck()
    assert again.open_cases == []
    assert {case.state for case in again.cases} == {"closed"}
    assert len(again.cases) == len(result.cases)
    assert office.store.recon.unsettled_days() == []
    assert office.run(DAY + timedelta(days=1)).cases == []


def test_the_list_settles_a_doubt_through_the_resolver(office: Office) -> None:
    """It names the msgid, so the request was executed: 2601 goes at once, before the settle time is over."""
    hospital = office.hospital
    mdtrt_id, batch = office.visited()
    doubt = hospital.doubtful("2207", office.settlement(mdtrt_id, batch), "lose-reply")
    sent = hospital.line.count("2601")
    office.run()
    assert hospital.line.count("2601") == sent + 1
    assert hospital.entry(doubt.id).state is State.REVERSED
    proofs = [proof.infno for proof in office.store.journal.proofs(doubt.id)]
    assert proofs[:2] == ["3202", "2601"]
    assert office.run().open_cases == []


def test_a_line_with_its_settlement_confirms_the_doubt(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some centres tell the setl_id: then the hospital's money stands."""
    from gateway.simulator import reconciliation

    told = reconciliation._told
    monkeypatch.setattr(reconciliation, "_told", lambda one, rslt, _, __: told(one, rslt, one.setl_id, one.mdtrt_id))
    hospital = office.hospital
    mdtrt_id, batch = office.visited()
    message = office.settlement(mdtrt_id, batch)
    doubt = hospital.doubtful("2207", message, "lose-reply")
    office.run()
    assert hospital.entry(doubt.id).state is State.CONFIRMED
    (held_there,) = office.simulator.ledger()["settlements"]
    answer = hospital.call("2207", message)
    assert answer.output["setlinfo"]["setl_id"] == held_there["setl_id"]
    assert office.run().open_cases == []


@pytest.mark.parametrize(
    ("infno", "kind"), [("9101", "refuse"), ("3202", "refuse"), ("9102", "refuse"), ("3201", "refuse")]
)
def test_what_could_not_be_compared_is_said_and_tried_again(office: Office, infno: str, kind: str) -> None:
    office.settled()
    original = office.simulator.handle

    def handle(path: str, headers: Any, body: bytes) -> Any:
        if path == infno:
            return original(path, headers, body.replace(b'"infver":"V1.0"', b'"infver":""'))
        return original(path, headers, body)

    office.simulator.handle = handle  # type: ignore[method-assign]
    result = office.run()
    assert not result.whole
    assert all(part.told for part in result.parts if part.state == "failed")
    assert result.cases == []
    office.simulator.handle = original  # type: ignore[method-assign]
    (again,) = office.reconciliation.recheck()
    assert again.whole
    assert again.cases == []


def test_a_failed_comparison_closes_no_case(office: Office) -> None:
    _, setl_id = office.settled()
    office.simulator.plant({"kind": "missing", "setl_id": setl_id})
    assert [case.kind for case in office.run().open_cases] == ["only_here"]
    office.hospital.line.faults["9102"] = ["unreachable"]
    result = office.run()
    assert not result.whole
    assert [case.kind for case in result.open_cases] == ["only_here"]


def test_a_revocation_on_a_later_day_is_a_line_of_that_day(office: Office) -> None:
    mdtrt_id, setl_id = office.settled()
    assert office.run().cases == []
    office.hospital.clock.pass_(86_400)
    office.revoke(mdtrt_id, setl_id)
    assert office.run().cases == []
    later = office.run(DAY + timedelta(days=1))
    assert later.cases == []
    (line,) = [part for part in later.parts if part.kind == "detail"]
    assert (line.line_count, line.medfee_cents) == (1, -1001)


def test_a_month_is_compared_day_by_day(office: Office) -> None:
    office.settled()
    told: list[tuple[str, int, int]] = []
    office.hospital.clock.pass_(2 * 86_400)
    results = office.reconciliation.month(2026, 11, lambda *step: told.append(step))
    assert [result.day for result in results][-2:] == ["2026-11-21", "2026-11-22"]
    assert len(results) == len(told) == 22
    assert all(result.whole and not result.cases for result in results)


# ------------------------------------------------------- what no line of a detail tells


def as_another_type(office: Office, setl_id: str, insutype: str) -> None:
    """The platform has the settlement under another insurance type; its detail list does not tell types."""
    office.simulator._ledger.settlements[setl_id].request["insutype"] = insutype


def test_a_total_that_stays_uneven_while_its_detail_is_even_is_a_case_until_it_is_even(office: Office) -> None:
    _, setl_id = office.settled()
    as_another_type(office, setl_id, "390")
    result = office.run()
    cases = {case.content["insutype"]: case for case in result.open_cases}
    assert {case.kind for case in cases.values()} == {"total_uneven"}
    totals = {part.insutype: part for part in result.parts if part.kind == "total" and part.state == "uneven"}
    assert cases.keys() == totals.keys() == {"310", "390"}
    assert {name: case.exchange_id for name, case in cases.items()} == {
        name: part.exchange_id for name, part in totals.items()
    }
    assert cases["310"].content["ours"]["medfee_sumamt"] == f"{totals['310'].medfee_cents / 100:.2f}"
    assert "中心" in cases["310"].content["cause"]
    assert office.store.recon.unsettled_days() == [DAY.isoformat()]
    assert [case.id for case in office.run().open_cases] == [case.id for case in result.open_cases]
    as_another_type(office, setl_id, "310")
    (again,) = office.reconciliation.recheck()
    assert (again.open_cases, [case.state for case in again.cases]) == ([], ["closed", "closed"])
    assert office.store.recon.unsettled_days() == []


def test_a_total_that_could_not_be_asked_again_keeps_its_case(office: Office) -> None:
    _, setl_id = office.settled()
    as_another_type(office, setl_id, "340")  # a type that is not asked for every day
    assert {case.content["insutype"] for case in office.run().open_cases} == {"310"}
    office.hospital.line.faults["3201"] = ["unreachable"] * 6
    failed = office.run()
    assert not failed.whole
    assert {case.content["insutype"] for case in failed.open_cases} == {"310"}
    as_another_type(office, setl_id, "310")
    assert office.run().open_cases == []


def test_a_difference_explains_its_own_total_and_no_other(office: Office) -> None:
    (_, dear), (_, moved) = office.settled(), office.settled()
    office.simulator.plant({"kind": "amount", "setl_id": dear, "amount": "0.01"})
    as_another_type(office, moved, "390")
    kinds = sorted((case.kind, case.content.get("insutype", "")) for case in office.run().open_cases)
    assert kinds == [("amount_differs", ""), ("total_uneven", "390")]
    office.simulator.clear_planted()
    kinds = sorted((case.kind, case.content.get("insutype", "")) for case in office.run().open_cases)
    assert kinds == [("total_uneven", "310"), ("total_uneven", "390")]


def test_a_settlement_without_a_clearing_type_is_a_case_of_its_own(office: Office) -> None:
    hospital, handle = office.hospital, office.simulator.handle

    def without_type(infno: str, headers: Any, body: bytes) -> Any:
        answer = handle(infno, headers, body)
        if infno != "2207":
            return answer
        told = json.loads(answer.body)
        told["output"]["setlinfo"]["clr_type"] = ""
        return replace(answer, body=json.dumps(told).encode())

    office.simulator.handle = without_type  # type: ignore[method-assign]
    mdtrt_id, batch = office.visited()
    reply = hospital.call("2207", office.settlement(mdtrt_id, batch))
    assert reply.infcode == "0", reply
    result = office.run()
    (case,) = [case for case in result.open_cases if case.kind == "no_type"]
    assert (case.exchange_id, case.msgid) == (reply.exchange_id, reply.msgid)
    assert case.content["ours"]["medfee_sumamt"] == f"{reply.output['setlinfo']['medfee_sumamt']:.2f}"
    assert office.store.recon.unsettled_days() == [DAY.isoformat()]
    hospital.done("2601", messages.reversal(hospital.psn_no, reply.msgid, "2207"))
    again = office.run()
    assert (again.open_cases, {part.state for part in again.parts}) == ([], {"even"})
