"""Fees from a HIS to the simulator: every row once, bad rows alone, gone on with after whatever broke it off."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.contract.interface import Interface
from gateway.contract.model import Contract
from gateway.exchange.ports import NotSent, Query, State
from gateway.stays.hospital_fake import MemoryHospital
from gateway.stays.ports import StayRef
from gateway.store.jobs import JobRun, RunOutcome
from gateway.store.stay_feed import EpisodeQuery
from jobs.fee_upload import BAD_ROWS_MAX, FeeUpload
from jobs.job import Job
from jobs.runner import Runner
from tests.running import House, house
from tests.simulation import messages
from tests.stays.ways import Stay

WITHIN_S = 60
AT = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001 - the HIS's own clock, which has no zone


@dataclass
class Ward:
    """One gateway and a HIS in memory; each test has a stay of its own, and rows of nobody else."""

    house: House
    stay: Stay
    his: MemoryHospital = field(default_factory=lambda: MemoryHospital({"fees": []}))
    size: int = 10

    def charge(self, number: int, **more: Any) -> dict[str, Any]:
        row = messages.fee("", "", f"{self.stay.ipt_no}-{number}", 1000 + number)
        row |= {"ipt_no": self.stay.ipt_no, "row_id": number, "changed_at": AT, "fee_ocur_time": "2026-02-21 08:00:00"}
        row |= {name: Decimal(row[name]) for name in ("cnt", "pric", "det_item_fee_sumamt")}
        row = {name: value for name, value in row.items() if name not in ("psn_no", "mdtrt_id")} | more
        self.his.rows["fees"].append(row)
        return row

    def run(self, given: Mapping[str, Any] | None = None) -> JobRun:
        gateway = self.house.gateway
        exchange = gateway.exchange
        interface = Interface(_limited(exchange.interface.contract, self.size))
        before, exchange._interface = exchange._interface, lambda: interface
        station = {"opter": "fee_upload", "opter_name": "网关", "opter_type": "2"}
        job = FeeUpload(
            exchange, gateway.stays, gateway.episodes, gateway.store.fees, lambda: self.his, station, clock.now
        )
        runner = Runner([Job("fee_upload", job.work)], gateway.store.jobs, gateway.membership.current, clock.now)
        try:
            number = runner.start("fee_upload", "王医保", given or {})
            assert runner.idle(WITHIN_S)
        finally:
            exchange._interface = before
        found = gateway.store.jobs.get(number or 0)
        assert found is not None
        return found

    def at_the_platform(self) -> dict[str, Decimal]:
        """Rows of this stay with their amounts."""
        assert self.house.simulator is not None
        with self.house.simulator._lock:
            episode = self.house.simulator._ledger.episodes[self.stay.mdtrt_id]
            return {sn: Decimal(str(line.row["det_item_fee_sumamt"])) for sn, line in episode.lines.items()}

    def sent(self) -> list[Any]:
        query = Query(infno="2301", keys=[("mdtrt_id", self.stay.mdtrt_id)], limit=1000)
        return list(reversed(self.house.gateway.store.journal.search(query)))


def _limited(contract: Contract, size: int) -> Contract:
    return replace(contract, settings={**contract.settings, "lines_per_call": {"2301": size}})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("fees")) as found:
        yield found


@pytest.fixture
def ward(running: House) -> Ward:
    return Ward(running, Stay(running, "json").admit().aligned())


def test_every_row_once_in_calls_of_the_provinces_size(ward: Ward) -> None:
    rows = [ward.charge(number) for number in range(25)]
    run = ward.run()
    assert (run.outcome, run.counts["已上传行"], run.counts["调用"]) == (RunOutcome.DONE, 25, 3), run.error
    assert ward.at_the_platform() == {row["feedetl_sn"]: row["det_item_fee_sumamt"] for row in rows}
    again = ward.run()
    assert (again.outcome, again.counts["调用"]) == (RunOutcome.DONE, 0)
    ward.charge(26)
    assert ward.run().counts["已上传行"] == 1
    assert {row.client for row in ward.sent()} == {"fee_upload"}


def test_bad_rows_are_found_by_halves_and_the_others_go(ward: Ward) -> None:
    for number in range(30):
        ward.charge(number, **({"pric": Decimal("9999")} if number in (3, 4, 17) else {}))
    ward.charge(40, bilg_dr_codg="x" * 99)
    run = ward.run()
    assert run.outcome is RunOutcome.PARTIAL
    assert run.counts["已上传行"] == 27
    left = {one["feedetl_sn"].rpartition("-")[2]: one for one in run.detail["left"]}
    assert set(left) == {"3", "4", "17", "40"}
    assert left["3"]["code"] == "GW-3000"
    assert "金额不符" in left["3"]["reason"]
    assert (left["40"]["code"], "bilg_dr_codg" in left["40"]["reason"]) == ("GW-1101", True)
    assert len(ward.at_the_platform()) == 27
    assert run.counts["调用"] < 30


def test_where_everything_is_refused_it_stops_after_some(ward: Ward) -> None:
    for number in range(80):
        ward.charge(number, pric=Decimal("9999"))
    ward.size = 100
    run = ward.run()
    assert run.outcome is RunOutcome.PARTIAL
    assert run.counts["已上传行"] == 0
    assert len([one for one in run.detail["left"] if "feedetl_sn" in one]) == BAD_ROWS_MAX
    assert run.counts["调用"] < 80


def test_a_refund_follows_what_it_refunds(ward: Ward) -> None:
    negative = {"cnt": Decimal(-1), "det_item_fee_sumamt": Decimal("-10.05")}
    ward.charge(1, init_feedetl_sn=f"{ward.stay.ipt_no}-5", **negative, pric=Decimal("10.05"))
    ward.charge(5)
    ward.charge(6, init_feedetl_sn="nobody-knows", **negative, pric=Decimal("10.05"))
    run = ward.run()
    assert set(ward.at_the_platform().values()) == {Decimal("10.05"), Decimal("-10.05")}
    (left,) = run.detail["left"]
    assert "所退的行" in left["reason"]


def test_what_does_not_fit_is_left_with_its_reason(ward: Ward) -> None:
    ward.charge(1)
    ward.run()
    ward.his.rows["fees"][0]["det_item_fee_sumamt"] = Decimal("99.00")
    ward.charge(2, fee_ocur_time="2026-02-20 09:30:00")
    ward.charge(3, fee_ocur_time="not a time")
    ward.charge(4)
    ward.charge(4)
    run = ward.run()
    reasons = "\n".join(one["reason"] for one in run.detail["left"])
    assert "平台上仍是" in reasons
    assert "早于入科" in reasons
    assert "重复" in reasons
    assert run.counts["已上传行"] == 1
    assert len(run.detail["left"]) == 4


def test_what_a_person_took_back_is_not_sent_again_unless_all_is_begun_anew(ward: Ward) -> None:
    for number in range(3):
        ward.charge(number)
    ward.run()

    def remove(number: str) -> dict[str, Any]:
        return {"data": [{"feedetl_sn": number, "mdtrt_id": ward.stay.mdtrt_id, "psn_no": ward.stay.psn_no}]}

    ward.stay.done("2302", remove(f"{ward.stay.ipt_no}-1"))
    run = ward.run()
    assert (run.counts["调用"], "已按流水号撤销" in run.detail["left"][0]["reason"]) == (0, True)
    ward.stay.done("2302", remove("0000"))
    assert ward.run().counts["已上传行"] == 2


def test_a_doubt_stops_the_stay_until_it_is_known(ward: Ward) -> None:
    for number in range(30):
        ward.charge(number)
    assert ward.house.simulator is not None
    ward.house.gateway.loop.close()
    ward.house.simulator.add_fault({"infno": "2301", "kind": "lose-reply"})
    run = ward.run()
    assert run.outcome is RunOutcome.PARTIAL
    assert "未了结" in run.detail["left"][0]["reason"]
    (doubt,) = [row for row in ward.sent() if row.state is State.IN_DOUBT]
    assert "结果未明" in ward.run().detail["left"][0]["reason"]
    assert len(ward.sent()) == 1, "nothing goes while it is not known"
    resolver = ward.house.gateway.resolver
    waited = threading.Event()
    for _ in range(600):
        resolver.run_due()
        entry = ward.house.gateway.store.journal.get(doubt.id)
        if entry is not None and entry.state is State.CONFIRMED:
            break
        waited.wait(0.1)
    assert ward.run().counts["已上传行"] == 20
    assert len(ward.at_the_platform()) == 30
    assert ward.house.simulator.ledger()["requests"][doubt.msgid] <= 2


def test_a_platform_that_cannot_be_reached_is_a_failure_that_says_how_far_it_came(ward: Ward) -> None:
    for number in range(20):
        ward.charge(number)
    platform, calls = ward.house.gateway.platform, []
    send = platform.send

    def flaky(request: Any) -> Any:
        calls.extend([request] if request.infno == "2301" else [])
        if request.infno == "2301" and len(calls) > 1:
            raise NotSent("connection refused")
        return send(request)

    with patch.object(platform, "send", flaky):
        run = ward.run()
    assert (run.outcome, "已上传 10 行" in run.error) == (RunOutcome.FAILED, True), run.error
    assert ward.run().counts["已上传行"] == 10


def test_a_sign_in_that_has_ended_is_nobodys_bad_row(ward: Ward) -> None:
    for number in range(30):
        ward.charge(number)
    simulator = ward.house.simulator
    assert simulator is not None
    with patch.object(simulator, "_require_sign_in", True):
        simulator.add_fault({"infno": "9001", "kind": "refuse"})
        run = ward.run()
        assert (run.outcome, "请先签到" in run.error) == (RunOutcome.FAILED, True), run.error
        assert [row.state for row in ward.sent()] == [State.DECLINED], "not halved"
        run = ward.run()
    assert (run.outcome, run.counts["已上传行"]) == (RunOutcome.DONE, 30), (run.error, run.detail)
    newest = ward.house.gateway.store.journal.search(Query(infno="9001", limit=1))
    assert [row.opter for row in newest] == ["fee_upload"], "at the gateway's own workstation"


def test_a_list_of_a_person_goes_the_same_way(ward: Ward) -> None:
    rows = [
        {name: str(value) for name, value in ward.charge(number).items() if name not in ("row_id", "changed_at")}
        for number in range(3)
    ]
    ward.his.rows["fees"].clear()
    run = ward.run({"rows": rows})
    assert (run.outcome, run.counts["已上传行"]) == (RunOutcome.DONE, 3), (run.error, run.detail)
    assert ward.run({"rows": rows}).counts["调用"] == 0
    unknown = ward.run({"rows": [{**rows[0], "ipt_no": "no-such-stay"}]})
    assert (unknown.outcome, "没有医保入院登记" in unknown.detail["left"][0]["reason"]) == (RunOutcome.PARTIAL, True)


@pytest.mark.parametrize("rows", [None, [], "rows", [1], [{}], [{"ipt_no": "Z"}], [{"ipt_no": "Z", "feedetl_sn": 7}]])
def test_a_list_that_is_none_is_refused_in_words(ward: Ward, rows: Any) -> None:
    run = ward.run({"rows": rows})
    assert (run.outcome, "程序内部" in run.error, run.error != "") == (RunOutcome.FAILED, False, True)


def test_without_a_his_it_says_what_to_set(ward: Ward) -> None:
    ward.his = None  # type: ignore[assignment]
    assert "his.url" in ward.run().error


@settings(max_examples=3, phases=[Phase.generate])  # a stay at a real gateway is too dear to shrink
@given(bad=st.sets(st.integers(0, 15), max_size=4), size=st.integers(1, 30), late=st.integers(0, 16))
def test_whatever_is_bad_the_good_rows_arrive_once(running: House, bad: set[int], size: int, late: int) -> None:
    ward = Ward(running, Stay(running, "json").admit().aligned(), size=size)
    rows = [ward.charge(number, **({"pric": Decimal("9999")} if number in bad else {})) for number in range(16)]
    ward.his.rows["fees"] = rows[:late]
    ward.run()
    ward.his.rows["fees"] = rows
    run = ward.run()
    good = {row["feedetl_sn"] for number, row in enumerate(rows) if number not in bad}
    assert set(ward.at_the_platform()) == good
    assert len(run.detail["left"]) == len(bad)
    assert ward.run().counts["已上传行"] == 0


# ------------------------------------------------------- whom a person has chosen


def test_only_the_chosen_go_and_a_look_sends_nothing(ward: Ward, running: House) -> None:
    fees = running.gateway.store.fees
    other = Ward(running, Stay(running, "json").admit().aligned(), his=ward.his)
    for each in (ward, other):
        for number in range(3):
            each.charge(number)
    ward.charge(9, fee_ocur_time="2026-02-20 09:30:00")
    me = StayRef(ward.stay.ipt_no, ward.stay.mdtrt_id)
    assert fees.choose([me, me, StayRef("unregistered")], "look", clock.now()) == 1
    run = ward.run({"chosen": True})
    assert (run.counts["住院"], run.counts["调用"], ward.sent()) == (1, 0, [])
    found = fees.of([me.mdtrt_id])[me.mdtrt_id]
    assert (found.waiting, found.bad, found.wish) == (3, 1, None)
    (wrong,) = found.left[0]["wrong"]
    assert (wrong["rule"], wrong["field"], wrong["value"]) == ("before_ward", "fee_ocur_time", "2026-02-20 09:30:00")
    assert found.left[0]["row"]["det_item_fee_sumamt"]
    fees.choose([me], "upload", clock.now())
    assert ward.run({"chosen": True}).counts["已上传行"] == 3
    assert (len(ward.at_the_platform()), len(other.at_the_platform())) == (3, 0)
    assert (fees.of([me.mdtrt_id])[me.mdtrt_id].waiting, fees.queued()) == (0, 0)
    (listed,) = running.gateway.episodes.stays(EpisodeQuery(mdtrt_id=me.mdtrt_id))
    assert (listed.fees_count, listed.fees_sum) == (3, str(sum(ward.at_the_platform().values())))


def test_what_breaks_off_stays_chosen_and_is_gone_on_with(ward: Ward, running: House) -> None:
    fees, me = running.gateway.store.fees, StayRef(ward.stay.ipt_no, ward.stay.mdtrt_id)
    for number in range(5):
        ward.charge(number, **({"pric": Decimal("9999")} if number == 2 else {}))
    fees.choose([me], "upload", clock.now())
    with patch.object(running.gateway.platform, "send", side_effect=NotSent("connection refused")):
        run = ward.run({"chosen": True})
    assert (run.outcome, fees.queued()) == (RunOutcome.FAILED, 1)
    assert "发不出去" in fees.of([me.mdtrt_id])[me.mdtrt_id].note
    assert ward.run({"chosen": True}).counts["已上传行"] == 4
    kept = fees.of([me.mdtrt_id])[me.mdtrt_id]
    assert (kept.wish, kept.note, kept.waiting, kept.bad) == (None, "", 0, 1)
    assert kept.left[0]["wrong"][0]["rule"] == "platform"
    assert fees.totals().bad >= 1
    fees.choose([me], "upload", clock.now())
    assert (fees.forget(), fees.queued()) == (1, 0)
