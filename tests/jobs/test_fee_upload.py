"""Fees from a HIS to the simulator: every row once, bad rows alone, gone on with after whatever broke it off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.contract.interface import Interface
from gateway.contract.model import Contract
from gateway.episodes import Episodes
from gateway.exchange.ports import JournalUnavailable, NotSent, Query, State
from gateway.rules.stay import EmergencyVisit
from gateway.stays.hospital import HisMisconfigured, Page, Point, SubjectName
from gateway.stays.hospital_fake import MemoryHospital
from gateway.stays.ports import StayRef
from gateway.store.jobs import JobRun, RunOutcome
from gateway.store.stay_feed import Episode, EpisodeQuery
from jobs.fee_rows import gone
from jobs.fee_upload import BAD_ROWS_MAX, FeeUpload
from jobs.items import ItemBook
from jobs.job import Job
from jobs.runner import Runner
from tests.running import House, house
from tests.simulation import messages
from tests.stays.ways import Stay

WITHIN_S = 60
LATER = "2026-02-21 11:30:00"
AT = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001 - the HIS's own clock, which has no zone


@dataclass
class Ward:
    """One gateway and a HIS in memory; each test has a stay of its own, and rows of nobody else."""

    house: House
    stay: Stay
    his: MemoryHospital = field(default_factory=lambda: MemoryHospital({"fees": []}))
    size: int = 10
    now: Callable[[], datetime] = clock.now

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
        mine: Any = _Mine(gateway.episodes, self.stay.ipt_no)
        job = FeeUpload(exchange, gateway.stays, mine, gateway.store.fees, lambda: self.his, station, self.now)
        runner = Runner(
            [Job("fee_upload", job.work, ("rows", "chosen"))], gateway.store.jobs, gateway.membership.current, clock.now
        )
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


@dataclass(frozen=True)
class _Mine:
    """The list of stays, without those of other tests: their HIS is gone."""

    episodes: Episodes
    ipt_no: str

    def stays(self, query: EpisodeQuery) -> list[Episode]:
        return [one for one in self.episodes.stays(query) if one.ipt_no == self.ipt_no]


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


def taking_back(ward: Ward, number: str) -> dict[str, Any]:
    """2302 of one row, or of all."""
    return {"data": [{"feedetl_sn": number, "mdtrt_id": ward.stay.mdtrt_id, "psn_no": ward.stay.psn_no}]}


def test_what_a_person_took_back_is_not_sent_again_unless_all_is_begun_anew(ward: Ward) -> None:
    for number in range(3):
        ward.charge(number)
    ward.run()
    ward.stay.done("2302", taking_back(ward, f"{ward.stay.ipt_no}-1"))
    run = ward.run()
    assert (run.counts["调用"], "已按流水号撤销" in run.detail["left"][0]["reason"]) == (0, True)
    ward.stay.done("2302", taking_back(ward, "0000"))
    assert ward.run().counts["已上传行"] == 2
    row = {name: str(value) for name, value in ward.his.rows["fees"][1].items()}
    given = {name: value for name, value in row.items() if name not in ("row_id", "changed_at")}
    assert ward.run({"rows": [given]}).counts["已上传行"] == 1, "a person says so"


@pytest.mark.parametrize("doubled", [True, False])
def test_a_row_that_the_his_corrects_goes_again_once_it_was_taken_back(ward: Ward, doubled: bool) -> None:
    """Before or after the 2302, in quantity or time: nobody has to send it by hand."""
    for number in range(2):
        ward.charge(number)
    ward.run()
    row = ward.his.rows["fees"][1]
    more = {name: row[name] * 2 for name in ("cnt", "det_item_fee_sumamt")} if doubled else {"fee_ocur_time": LATER}
    ward.his.rows["fees"][1] = {**row, **more}
    ward.stay.done("2302", taking_back(ward, row["feedetl_sn"]))
    run = ward.run()
    assert (run.outcome, run.counts["已上传行"]) == (RunOutcome.DONE, 1)
    ward.stay.done("2302", taking_back(ward, row["feedetl_sn"]))
    assert "没有改动" in ward.run().detail["left"][0]["reason"], "as it was taken back the second time"
    ward.his.rows["fees"][1] = {**row, "changed_at": AT + timedelta(minutes=1)}
    assert ward.run().counts["已上传行"] == 1
    assert len(ward.at_the_platform()) == 2


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


# ------------------------------------------------------- only what has changed


@dataclass
class Asked(MemoryHospital):
    """A HIS that notes how much of a stay it was asked for, and of whom it gives nothing."""

    sinces: list[Any] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__({"fees": [], "items": []})

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        self.sinces.append(since)
        if ipt_no in self.slow:
            raise HisMisconfigured("超过 50000 行")
        return super().of_stay(subject, ipt_no, since=since)


@pytest.fixture
def asked(ward: Ward) -> Asked:
    ward.his = his = Asked()
    for number in range(4):
        ward.charge(number)
    assert ward.run().counts["已上传行"] == 4
    assert his.sinces == [None], "all of it at first"
    his.sinces.clear()
    return his


def later(minutes: int) -> datetime:
    return AT + timedelta(minutes=minutes)


def test_of_a_stay_on_which_nothing_was_left_only_changes_are_read(ward: Ward, asked: Asked) -> None:
    ward.charge(5, changed_at=later(10))
    assert ward.run().counts["已上传行"] == 1
    ward.charge(6, changed_at=later(-30))  # written before the mark, committed after it
    ward.charge(7, changed_at=None)
    assert ward.run().counts["已上传行"] == 2
    assert ward.run().counts["调用"] == 0
    assert asked.sinces == [later(-60), later(-50), later(-50)], "the mark, less an hour"


def test_a_row_changed_late_is_found_until_it_is_as_it_was(ward: Ward, asked: Asked) -> None:
    asked.rows["fees"][1] |= {"det_item_fee_sumamt": Decimal("99.00"), "changed_at": later(20)}
    (left,) = ward.run().detail["left"]
    assert "平台上仍是" in left["reason"]
    asked.rows["fees"][1]["det_item_fee_sumamt"] = Decimal("10.01")
    assert ward.run().outcome is RunOutcome.DONE
    assert ward.run().outcome is RunOutcome.DONE
    assert asked.sinces == [later(-60), later(-40), later(-40)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("med_list_codg", "001101000010000-110100001"),
        ("medins_list_codg", "FW-OTHER"),
        ("fee_ocur_time", "2026-02-20 13:31:00"),
        ("cnt", Decimal(2)),
    ],
)
def test_whatever_of_an_uploaded_row_is_corrected_is_told(ward: Ward, asked: Asked, field: str, value: Any) -> None:
    before = asked.rows["fees"][1][field]
    asked.rows["fees"][1] |= {field: value, "changed_at": later(20)}
    (left,) = ward.run().detail["left"]
    assert str(value) in left["reason"]
    assert str(before)[:16] in left["reason"]
    assert left["feedetl_sn"] == asked.rows["fees"][1]["feedetl_sn"]


def test_a_voided_row_is_found_by_its_change_and_a_deleted_one_by_the_whole(ward: Ward, asked: Asked) -> None:
    asked.rows["fees"][0] |= {"void_flag": "1", "changed_at": later(20)}
    (left,) = ward.run().detail["left"]
    assert (left["feedetl_sn"], "已作废或删除" in left["reason"]) == (f"{ward.stay.ipt_no}-0", True)
    asked.rows["fees"][0] |= {"void_flag": "0"}
    assert ward.run().outcome is RunOutcome.DONE
    del asked.rows["fees"][3]
    assert ward.run().outcome is RunOutcome.DONE, "nothing of it has changed"
    ward.now = lambda: clock.now() + timedelta(hours=13)
    (left,) = ward.run().detail["left"]
    assert left["feedetl_sn"] == f"{ward.stay.ipt_no}-3"
    me = ward.stay.mdtrt_id
    (kept,) = ward.house.gateway.store.fees.of([me])[me].left
    assert (kept["wrong"][0]["rule"], Decimal(kept["row"]["cnt"])) == ("gone", 1)
    assert asked.sinces == [later(-60), later(-40), later(-40), None]


def test_what_only_another_row_stay_or_platform_can_mend_is_left_again_unread(ward: Ward, asked: Asked) -> None:
    ward.charge(6, fee_ocur_time="2026-02-20 09:30:00", changed_at=later(10))
    for _ in range(2):
        ward.now = lambda: clock.now() + timedelta(hours=1)
        (left,) = ward.run().detail["left"]
        assert (left["feedetl_sn"], "早于入科" in left["reason"]) == (f"{ward.stay.ipt_no}-6", True)
    asked.rows["fees"][4]["changed_at"] = later(-600)  # not read again: it is told of all the same
    assert len(ward.run().detail["left"]) == 1
    assert asked.sinces == [later(-60), later(-50), later(-50)]
    ward.stay.ward_in("2026-02-20 09:20:00", reason="补录")
    assert ward.run().counts["已上传行"] == 1, "the stay is not what it was: all is read"
    assert asked.sinces[3:] == [None]


def test_a_refund_goes_once_what_it_refunds_has_gone(ward: Ward, asked: Asked) -> None:
    negative = {"cnt": Decimal(-1), "det_item_fee_sumamt": Decimal("-10.09"), "pric": Decimal("10.09")}
    ward.charge(8, init_feedetl_sn=f"{ward.stay.ipt_no}-9", changed_at=later(10), **negative)
    assert "所退的行" in ward.run().detail["left"][0]["reason"]
    asked.rows["fees"][4]["changed_at"] = later(-600)
    ward.charge(9, changed_at=later(20))
    assert ward.run().counts["已上传行"] == 1
    assert (ward.run().counts["已上传行"], asked.sinces) == (1, [later(-60), later(-50), None])


def test_emergency_fees_are_not_looked_for_among_those_of_the_stay(ward: Ward, asked: Asked) -> None:
    judged = ward.house.gateway.stays.judged(StayRef(ward.stay.ipt_no))
    number = judged.stay.fees[0].feedetl_sn
    assert {one.feedetl_sn for one in gone(judged, (), (), whole=True)} == {row.feedetl_sn for row in judged.stay.fees}
    visit = EmergencyVisit("ER1", "", None, "", ({"feedetl_sn": number},), 1)
    moved = replace(judged, stay=replace(judged.stay, emergency=(visit,)))
    assert number not in {one.feedetl_sn for one in gone(moved, (), (), whole=True)}
    assert [one.feedetl_sn for one in gone(moved, (), {number}, whole=False)] == [number], "the HIS says so itself"
    taken = replace(
        judged, stay=replace(judged.stay, fees=tuple(replace(fee, settled_by=7) for fee in judged.stay.fees))
    )
    assert gone(taken, (), (), whole=True) == []


def test_what_others_did_at_the_platform_makes_all_be_read(ward: Ward, asked: Asked) -> None:
    keys = {"mdtrt_id": ward.stay.mdtrt_id, "psn_no": ward.stay.psn_no}
    ward.stay.done("2302", {"data": [{"feedetl_sn": "0000", **keys}]})
    assert ward.run().counts["已上传行"] == 4
    assert asked.sinces == [None]


def test_a_run_that_breaks_off_before_the_place_is_kept_reads_the_same_again(ward: Ward, asked: Asked) -> None:
    ward.charge(5, changed_at=later(10))
    with patch.object(ward.house.gateway.store.fees, "keep", side_effect=JournalUnavailable("gone")):
        assert ward.run().outcome is RunOutcome.FAILED
    assert len(ward.at_the_platform()) == 5, "it broke off after the upload"
    again = ward.run()
    assert (again.outcome, again.counts["调用"]) == (RunOutcome.DONE, 0)


def test_a_stay_that_cannot_be_read_does_not_hold_up_the_others(ward: Ward, asked: Asked, running: House) -> None:
    other = Ward(running, Stay(running, "json").admit().aligned(), his=asked)
    asked.slow.add(ward.stay.ipt_no)
    other.charge(1)
    fees, refs = running.gateway.store.fees, [StayRef(one.stay.ipt_no, one.stay.mdtrt_id) for one in (ward, other)]
    fees.choose(refs, "upload", clock.now())
    run = other.run({"chosen": True})
    assert (run.outcome, run.counts["已上传行"], fees.queued()) == (RunOutcome.PARTIAL, 1, 0)
    assert "读不到" in fees.of([ward.stay.mdtrt_id])[ward.stay.mdtrt_id].note
    asked.slow.add(other.stay.ipt_no)
    alone = ward.run()
    assert (alone.outcome, "超过 50000 行" in alone.error) == (RunOutcome.FAILED, True), "nobody could be read"


def test_a_changed_at_of_another_form_makes_all_be_read(ward: Ward, asked: Asked) -> None:
    def strict(subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        if since is not None:
            raise HisMisconfigured("ORA-01861")
        return Asked.of_stay(asked, subject, ipt_no)

    ward.charge(5, changed_at=later(10))
    with patch.object(asked, "of_stay", strict):
        assert ward.run().counts["已上传行"] == 1


# ------------------------------------------------------- national codes


def item(local: str, code: str = "", **more: Any) -> dict[str, Any]:
    row = {"row_id": local, "changed_at": AT, "medins_list_codg": local, "medins_list_name": f"项目{local}"}
    return row | ({"med_list_codg": code} if code else {}) | more


def test_a_row_without_a_national_code_gets_it_from_the_dictionary_or_says_why_not(ward: Ward) -> None:
    ward.his = his = Asked()
    code = ward.charge(1)["med_list_codg"]
    his.rows["items"] = [item("L2", code), item("L3")]
    for number in (2, 3, 4):
        ward.charge(number, med_list_codg=None, medins_list_codg=f"L{number}")
    run = ward.run()
    assert (run.outcome, run.counts["已上传行"]) == (RunOutcome.PARTIAL, 2), run.detail
    reasons = {one["feedetl_sn"].rpartition("-")[2]: one["reason"] for one in run.detail["left"]}
    assert "项目L3）在项目字典中没有对照国家编码" in reasons["3"]
    assert "L4 也不在项目字典中" in reasons["4"]
    me = ward.stay.mdtrt_id
    kept = ward.house.gateway.store.fees.of([me])[me].left
    assert {one["wrong"][0]["rule"] for one in kept} == {"unmapped"}
    his.rows["items"] = [item("L3", code, changed_at=later(5)), item("L4", code, changed_at=later(6))]
    assert ward.run().counts["已上传行"] == 2, "matched in the HIS, gone with the next run"


def test_without_a_dictionary_it_says_what_is_missing(ward: Ward) -> None:
    ward.charge(1, med_list_codg=None)
    (left,) = ward.run().detail["left"]
    assert "也没有可查的项目字典（items）" in left["reason"]


def test_the_dictionary_is_read_once_and_then_only_what_has_changed() -> None:
    his, asked_since = Asked(), []
    his.rows["items"] = [item(f"L{number:04d}", f"C{number}") for number in range(1200)]
    changed = his.changed

    def noted(subject: SubjectName, **more: Any) -> Page:
        asked_since.append(more.get("since"))
        return changed(subject, **more)

    with patch.object(his, "changed", noted):
        book = ItemBook(lambda: his)
        book.begin()
        assert book.code_of("L0007") == ("C7", "")
        assert book.code_of("L1199") == ("C1199", "")
        assert len(asked_since) == 3, "three pages, asked by the first row alone"
        his.rows["items"] = [item("L0007", "C8", changed_at=later(1))]
        assert book.code_of("L0007") == ("C7", "")
        book.begin()
        assert book.code_of("L0007") == ("C8", "")
        assert asked_since[-1] == AT - timedelta(minutes=10)
        his.down = True
        book.begin()
        assert "读不出来" in book.code_of("nobody")[1]
