"""A HIS told to a gateway: everything once, whatever breaks off, with bad rows left alone and reasons shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from adapters.his.sample import Sizes, write_sample
from adapters.his.ways import open_records
from gateway import clock
from gateway.exchange.ports import JournalUnavailable, Query
from gateway.settings import His
from gateway.simulator.ledger import Episode
from gateway.stays.hospital import SUBJECTS, HisUnavailable, Mark, Page, Point, SubjectName
from gateway.stays.hospital_fake import MemoryHospital
from gateway.stays.ports import StayRef
from gateway.store.jobs import JobRun, RunOutcome
from jobs import watermark
from jobs.his_sync import HisSync
from jobs.job import Job
from jobs.runner import Runner
from tests.running import House, house
from tests.simulation import messages
from tests.stays.ways import REGISTERED, Stay

WITHIN_S = 60
NOW = clock.now()
"""The same moment for all of a test, however slowly it goes on."""
_numbers = count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("sync")) as found:
        yield found


@dataclass
class Ward:
    """A HIS in memory, told to the gateway by the job, with patients that nobody else has."""

    house: House
    his: Any = field(default_factory=lambda: MemoryHospital({"ward_events": [], "diagnoses": [], "operations": []}))
    ipt_no: str = field(default_factory=lambda: f"SY{next(_numbers):05d}")
    now: Callable[[], datetime] = clock.now
    tell: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    wrong: dict[SubjectName, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for subject in SUBJECTS:
            self.house.gateway.store.his_marks.keep(subject, {}, clock.now())

    def event(self, number: int, kind: str = "ward_in", minutes_ago: float = 60, **more: Any) -> dict[str, Any]:
        at = ago(minutes_ago)
        row = {"row_id": number, "changed_at": at, "event_id": f"{self.ipt_no}-{number}", "kind": kind, "ipt_no": self.ipt_no,
               "ward_code": "0201", "event_time": at, "operator": "护士陈", **more}  # fmt: skip
        self.his.rows["ward_events"].append(row)
        return row

    def diagnosis(self, number: int, code: str = "J18.900", minutes_ago: float = 60, **more: Any) -> dict[str, Any]:
        at = ago(minutes_ago)
        main = number == 1
        row = {"row_id": f"{self.ipt_no}-{number}", "changed_at": at, "ipt_no": self.ipt_no, "diag_type": "1" if main else "2",
               "maindiag_flag": "1" if main else "0", "diag_srt_no": number, "diag_code": code, "diag_name": "肺炎",
               "diag_dept": "A03", "dise_dor_no": "D440800000126", "dise_dor_name": "周文博", "diag_time": at, "void_flag": "0",
               **more}  # fmt: skip
        self.his.rows["diagnoses"].append(row)
        return row

    def run(self, given: Mapping[str, Any] | None = None) -> JobRun:
        gateway = self.house.gateway
        sync = HisSync(
            lambda: self.his,
            lambda: self.wrong,
            self.tell or gateway.hospital.teller("his_sync"),
            lambda ref, psn_no: gateway.takeovers.from_platform(ref, psn_no, "his_sync"),
            gateway.stays,
            gateway.store.his_marks,
            self.now,
            overlap_s=600,
            first_days=60,
            row_fields=gateway.hospital.row_fields,
        )
        runner = Runner(
            [Job("his_sync", sync.work, ("since",))], gateway.store.jobs, gateway.membership.current, clock.now
        )
        number = runner.start("his_sync", "王医保", given or {})
        assert runner.idle(WITHIN_S)
        found = gateway.store.jobs.get(number or 0)
        assert found is not None
        return found

    def known(self, ipt_no: str = "") -> Any:
        return self.house.gateway.stays.judged(StayRef(ipt_no or self.ipt_no))

    def refusals(self) -> int:
        """Refused operations in the journal, of all that were ever told."""
        found = self.house.gateway.store.journal.search(Query(client="his_sync", limit=1000))
        return len([row for row in found if row.state == "REFUSED"])


def lies_there(house: House) -> Stay:
    """A stay that the platform has from somewhere else."""
    assert house.simulator is not None
    ledger = house.simulator._ledger
    person = ledger.find_or_invent("440899196103010011", "在院病人", date(2026, 2, 20))
    stay = Stay(house, "json", person.psn_no, ledger.next_id("1"))
    info = messages.admission(stay.psn_no, stay.ipt_no)["mdtrtinfo"]
    ledger.admit(
        Episode(stay.mdtrt_id, "stay", stay.psn_no, "H44080000001", stay.ipt_no, REGISTERED, "in_hospital", info)
    )
    return stay


def ago(minutes: float) -> datetime:
    return (NOW - timedelta(minutes=minutes)).replace(tzinfo=None, microsecond=0)


@pytest.fixture
def ward(running: House) -> Ward:
    return Ward(running)


def test_what_the_his_recorded_becomes_the_stay_and_nothing_comes_twice(ward: Ward) -> None:
    ward.event(1, minutes_ago=90)
    ward.event(2, "transfer", 60, ward_code="0202")
    ward.event(3, "ward_out", 30)
    ward.diagnosis(2, "I10.x00")
    ward.diagnosis(1)
    run = ward.run()
    assert (run.outcome, run.counts["上报入出转"], run.counts["上报记录"]) == (RunOutcome.DONE, 3, 1), (
        run.error,
        run.detail,
    )
    before = ward.known()
    assert (before.stay.times.t_ward.raw, before.stay.diagnoses.version) == (f"{ago(90)}", 1)
    assert [row["diag_code"] for row in before.stay.diagnoses.rows] == ["J18.900", "I10.x00"]
    again = ward.run()
    assert (again.counts["读取行"], again.counts["上报入出转"], again.counts["上报记录"]) == (0, 0, 0)
    everything = ward.run({"since": "2020-01-01 00:00:00"})
    assert (everything.counts["上报入出转"], everything.counts["上报记录"]) == (3, 0)
    assert ward.known() == before


def test_corrected_late_and_voided_rows_are_told(ward: Ward) -> None:
    first, second = ward.event(1, minutes_ago=50), ward.diagnosis(1, minutes_ago=50)
    ward.diagnosis(2, "I10.x00", minutes_ago=50)
    ward.run()
    # corrected: the patient came earlier; one diagnosis is another one, the other is void
    first |= {"changed_at": ago(2), "event_time": ago(70)}
    second |= {"changed_at": ago(2), "diag_code": "J15.900"}
    ward.his.rows["diagnoses"][1] |= {"changed_at": ago(2), "void_flag": "1"}
    ward.run()
    stay = ward.known().stay
    assert stay.times.t_ward.raw == f"{ago(70)}"
    assert (stay.diagnoses.version, [row["diag_code"] for row in stay.diagnoses.rows]) == (2, ["J15.900"])
    # late: committed behind the mark with an earlier time of change, within the overlap
    ward.event(2, "transfer", 8, ward_code="0202")
    assert ward.run().counts["上报入出转"] == 1
    first |= {"changed_at": ago(0), "kind": "ward_in_void"}
    ward.run()
    assert ward.known().stay.times.t_ward is None


def test_bad_rows_stay_alone_with_their_reasons_until_the_his_mends_them(ward: Ward) -> None:
    ward.event(1)
    unknown = ward.event(2, "vanished")
    nowhere = ward.event(3, "transfer", ward_code=None)
    ward.event(4, "ward_out", 40, ipt_no=None)
    ward.diagnosis(1)
    bad = ward.diagnosis(2, "I10.x00", diag_time="gestern")
    before = ward.refusals()
    run = ward.run()
    assert (run.outcome, run.counts["上报入出转"], run.counts["上报记录"]) == (RunOutcome.PARTIAL, 1, 0)
    left = {one.get("row_id", one.get("ipt_no")): one for one in run.detail["left"]}
    assert set(left) == {"2", "3", "4", ward.ipt_no}
    assert ("kind" in left["2"]["reason"], left["3"]["code"]) == (True, "GW-1101")
    assert "整份未报" in left[ward.ipt_no]["reason"]
    again = ward.run()
    assert (again.outcome, len(again.detail["left"])) == (RunOutcome.PARTIAL, 4), "what is left does not fall silent"
    assert ward.refusals() == before + 1, "the same content is not refused over and over"
    unknown |= {"kind": "ward_out", "changed_at": ago(0), "event_time": ago(1)}
    nowhere |= {"ward_code": "0202", "changed_at": ago(0)}
    ward.his.rows["ward_events"][3] |= {"ipt_no": ward.ipt_no, "changed_at": ago(0)}
    ward.his.rows["diagnoses"].remove(bad)  # removed without a trace
    mended = ward.run()
    assert (mended.outcome, mended.detail["left"]) == (RunOutcome.DONE, [])
    assert len(ward.known().stay.diagnoses.rows) == 1


def test_a_column_that_no_record_has_does_not_make_it_another_one(ward: Ward) -> None:
    """The name of a surgeon stands in no national list: it is not kept, so it must not be compared."""
    at = ago(30)
    row = {"row_id": f"{ward.ipt_no}-1", "changed_at": at, "ipt_no": ward.ipt_no, "oprn_oprt_type": "1", "void_flag": "0",
           "oprn_oprt_code": "47.0100", "oprn_oprt_name": "阑尾切除术", "oper_dr_code": "D440800000126", "oper_dr_name": "许丽",
           "oprn_oprt_begntime": at, "oprn_oprt_endtime": at}  # fmt: skip
    ward.his.rows["operations"].append(row)
    assert ward.run().counts["上报记录"] == 1
    assert ward.run({"since": ago(60)}).counts["上报记录"] == 0, "read once more"
    row |= {"changed_at": ago(0), "oper_dr_name": "许莉"}
    assert ward.run().counts["上报记录"] == 0
    row |= {"changed_at": ago(0), "oper_dr_code": "D440800000127"}
    assert ward.run().counts["上报记录"] == 1
    assert ward.known().stay.operations.version == 2


def test_a_record_of_which_nothing_is_left_says_so(ward: Ward) -> None:
    row = ward.diagnosis(1)
    ward.run()
    row |= {"void_flag": "1", "changed_at": ago(0)}
    run = ward.run()
    told = ward.known().stay.diagnoses
    assert (run.outcome, told.version, told.rows) == (RunOutcome.DONE, 2, ()), run.detail


@settings(max_examples=8, phases=[Phase.generate], deadline=None)
@given(died=st.integers(0, 14), where=st.sampled_from(["before", "after"]), size=st.integers(1, 4))
def test_killed_at_any_boundary_the_next_run_ends_as_if_nothing_had_been(
    running: House, died: int, where: str, size: int
) -> None:
    ward = Ward(running)
    for number in range(6):
        ward.event(number, "ward_in" if number == 0 else "transfer", 60 - number)
        ward.diagnosis(number + 1, f"I1{number}.x00", 50)
    gateway, told = running.gateway, count()
    really, keep = gateway.hospital.teller("his_sync"), gateway.store.his_marks.keep

    def boundary(act: Callable[[], Any]) -> Any:
        """Both what is told and a mark that moves are boundaries; the process dies before or after one of them."""
        dies = next(told) == died
        if dies and where == "before":
            raise JournalUnavailable("gone")
        done = act()
        if dies:
            raise JournalUnavailable("gone")
        return done

    ward.tell = lambda operation, message: boundary(lambda: really(operation, message))
    pages, ward.his = ward.his, Paged(ward.his, size)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gateway.store.his_marks, "keep", lambda *given: boundary(lambda: keep(*given)))
        first = ward.run()
    assert first.outcome in (RunOutcome.FAILED, RunOutcome.DONE)
    ward.tell, ward.his = None, pages
    assert ward.run().outcome is RunOutcome.DONE
    known = ward.known()
    assert len(known.history.events) == 6, "every event once, no version twice"
    assert [row["diag_srt_no"] for row in known.stay.diagnoses.rows] == [1, 2, 3, 4, 5, 6]
    assert known.stay.diagnoses.version == 1


@dataclass
class Paged:
    """A HIS that gives few rows at a time."""

    his: MemoryHospital
    size: int

    def subjects(self) -> tuple[SubjectName, ...]:
        return self.his.subjects()

    def changed(
        self, subject: SubjectName, *, since: Point | None = None, after: Mark | None = None, rows_max: int = 500
    ) -> Page:
        return self.his.changed(subject, since=since, after=after, rows_max=min(self.size, rows_max))

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        return self.his.of_stay(subject, ipt_no, since=since)


def test_a_change_dated_in_the_future_hides_nothing(ward: Ward) -> None:
    ward.event(1, minutes_ago=-60 * 24 * 300)
    ward.run()
    ward.event(2, "transfer", 1, ward_code="0202")
    assert ward.run().counts["上报入出转"] == 1
    assert ward.run().counts["上报入出转"] == 0


def test_numbers_and_texts_tell_changes_as_well_as_times(ward: Ward) -> None:
    for number in range(3):
        ward.event(number, "transfer", changed_at=10_000 + number)
        ward.diagnosis(number + 1, changed_at=f"{ago(60):%Y%m%d%H%M%S}")
    assert ward.run().counts["上报入出转"] == 3
    ward.event(7, "transfer", changed_at=9_500)
    ward.diagnosis(7, changed_at=f"{ago(65):%Y%m%d%H%M%S}")
    again = ward.run()
    assert (again.counts["上报入出转"], again.counts["上报记录"]) == (1, 1)
    assert ward.run({"since": 9_000}).counts["上报入出转"] == 4


def test_a_statement_that_cannot_be_used_is_said_and_the_others_are_read(ward: Ward) -> None:
    ward.event(1)
    ward.wrong = {"operations": "operations.sql 是空的", "items": "items.sql 是空的"}
    del ward.his.rows["operations"]
    run = ward.run()
    assert (run.outcome, run.error) == (RunOutcome.FAILED, "operations.sql 是空的")
    assert ward.known().stay.times.t_ward


def test_a_statement_whose_changes_take_another_form_is_read_from_a_given_point(ward: Ward) -> None:
    row = ward.event(1)
    ward.run()
    row |= {"changed_at": "20260301080000", "ward_code": "0203"}
    assert ward.run({"since": "2026-03-01 00:00:00"}).counts["上报入出转"] == 1
    ward.event(2, "transfer", changed_at="20260301080001")
    assert ward.run().counts["上报入出转"] == 1


def test_more_rows_of_one_moment_than_are_remembered_are_told_again_and_nothing_changes(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.his_sync.SEEN_MAX", 4)
    monkeypatch.setattr("jobs.his_sync.ROWS_PER_PAGE", 2)
    at = ago(30)
    for number in range(9):
        ward.event(number, "transfer", changed_at=at)
    assert ward.run().counts["上报入出转"] == 9
    assert ward.run().counts["上报入出转"] == 6, "three are remembered: the last page and the one before"
    assert len(ward.known().history.events) == 9


def test_the_first_run_goes_back_some_days_only(ward: Ward) -> None:
    ward.event(1, minutes_ago=60 * 24 * 90)
    ward.event(2, "transfer", 60)
    assert ward.run().counts["上报入出转"] == 1


def test_a_stay_that_only_the_platform_knows_is_taken_over(ward: Ward) -> None:
    elsewhere = lies_there(ward.house)
    ward.his.rows["inpatients"] = [
        {"row_id": 1, "changed_at": ago(5), "ipt_no": elsewhere.ipt_no, "mdtrt_id": elsewhere.mdtrt_id,
         "psn_no": elsewhere.psn_no, "psn_name": "林秀珍", "begntime": ago(5)},
        {"row_id": 2, "changed_at": ago(5), "ipt_no": "NOBODY", "mdtrt_id": "NO-SUCH-VISIT", "psn_no": elsewhere.psn_no,
         "psn_name": "林秀珍", "begntime": ago(5)},
        {"row_id": 3, "changed_at": ago(5), "ipt_no": "GONE", "mdtrt_id": "1", "psn_no": "1", "psn_name": "林", "begntime": ago(5),
         "endtime": ago(1)},
    ]  # fmt: skip
    run = ward.run()
    assert (run.counts["接管住院"], [one["row_id"] for one in run.detail["left"]]) == (1, ["2"])
    assert "没有查到" in run.detail["left"][0]["reason"]
    taken = ward.known(elsewhere.ipt_no).stay
    assert (taken.mdtrt_id, taken.adopted) == (elsewhere.mdtrt_id, True)
    assert (ward.run().counts["接管住院"], ward.known("GONE").history.adoptions) == (0, ())


def test_a_his_that_hangs_slows_nobody(ward: Ward) -> None:
    asked, let_go = threading.Event(), threading.Event()

    class Slow(MemoryHospital):
        def changed(self, *_: Any, **__: Any) -> Page:
            asked.set()
            assert let_go.wait(WITHIN_S)
            raise HisUnavailable("HIS 没有答复")

    ward.his = Slow({"ward_events": []})
    runs: list[JobRun] = []
    thread = threading.Thread(target=lambda: runs.append(ward.run()))
    thread.start()
    assert asked.wait(WITHIN_S)
    Stay(ward.house, "json").admit().aligned()
    assert not runs, "the stay went its way while the HIS did not answer"
    let_go.set()
    thread.join(WITHIN_S)
    assert (runs[0].outcome, "没有答复" in runs[0].error) == (RunOutcome.FAILED, True)


def test_the_sample_his_is_told_whole(running: House, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/his.db"
    rows = write_sample(make_url(url), Sizes(stays=12, fees=(1, 3), until=ago(0)), 5)
    records, wrong = open_records(His(url=url))
    ward = Ward(running, his=records)
    run = ward.run()
    assert (wrong, run.outcome) == ({}, RunOutcome.DONE), (run.error, run.detail)
    assert run.counts["上报入出转"] == rows["zy_bqyd"]
    moved = {str(row["ipt_no"]) for row in records.changed("ward_events").rows}
    assert all(ward.known(ipt_no).stay.diagnoses for ipt_no in moved)
    assert ward.run().counts["读取行"] == 0
    records.close()


@pytest.mark.parametrize("given", [{"since": "gestern"}, {"since": True}, {"since": None}])
def test_a_since_that_is_none_is_refused_in_words(ward: Ward, given: Mapping[str, Any]) -> None:
    run = ward.run(given)
    assert (run.outcome, "since" in run.error) == (RunOutcome.FAILED, True)


def test_without_a_his_it_says_what_to_set(ward: Ward) -> None:
    ward.his = None
    assert "his.url" in ward.run().error


@pytest.mark.parametrize(
    "point",
    [datetime(2026, 3, 1, 8, 0, 0, 5), 12, "20260301080000", "2026-03-01 08:00:00.123456", "A-17"],  # noqa: DTZ001
)
def test_points_survive_being_kept_and_go_back_in_their_form(point: Any) -> None:
    assert watermark.read(watermark.written(point)) == point
    earlier = watermark.back(point, 60)
    assert watermark.alike(earlier, point)
    assert watermark.not_before(point, earlier)
    assert len(str(earlier)) == len(str(point)) or isinstance(point, int)
