"""The nightly difference list: what the DIP system's file must be, what is found, kept, told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.store.jobs import JobRun, RunOutcome
from jobs.dip_differences import KEPT_MAX, NAME, DipComparison, count, newest
from jobs.job import Job
from jobs.runner import Runner
from tests.dip.test_differences import settled
from tests.jobs.test_runner import until
from tests.running import House, house
from tests.stays.listing import settled as settle
from tests.stays.ways import Stay

HEAD = "结算ID,就诊ID,住院号,入院时间\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("dip")) as found:
        yield found


def ran(served: House, comparison: DipComparison) -> JobRun:
    gateway = served.gateway
    Runner([Job(NAME, comparison.work)], gateway.store.jobs, gateway.membership.current, clock.now).run_scheduled(NAME)
    return gateway.store.jobs.history(NAME)[0]


def comparison(file: Path | None, now: datetime | None = None, **more: Any) -> DipComparison:
    given: Mapping[str, Any] = {"settled": lambda: [settled(1)], "age_max_h": 30, "days": 3650} | more
    return DipComparison(file=file, clock=lambda: now or clock.now(), **given)


def test_a_settlement_is_found_in_the_file_and_missed_when_it_is_not_there(served: House, tmp_path: Path) -> None:
    stay = Stay(served, "json").admit()
    setl_id = settle(stay)
    t_set = next(one.t_set for one in served.gateway.dip_comparison.settled() if one.setl_id == setl_id)
    file = tmp_path / "dip.csv"
    ours = {"settled": served.gateway.dip_comparison.settled}
    file.write_bytes(f"{HEAD}{setl_id},{stay.mdtrt_id},{stay.ipt_no},{t_set}\n".encode("gbk"))
    run = ran(served, comparison(file, **ours))
    assert (run.outcome, count(run), run.counts["文件病例"]) == (RunOutcome.DONE, 0, 1)
    file.write_text(f"{HEAD}{setl_id},{stay.mdtrt_id},{stay.ipt_no},2020-01-01 00:00\nS-ELSE,,,2026-03-01\n", "utf-8")
    run = ran(served, comparison(file, **ours))
    assert (run.outcome, run.counts) == (
        RunOutcome.PARTIAL,
        {"文件病例": 2, "缺失": 0, "不一致": 1, "多余": 1, "待人工": 2},
    )
    assert [one["ipt_no"] for one in run.detail["differences"]] == [stay.ipt_no, ""]
    file.write_text(HEAD, "utf-8")
    assert ran(served, comparison(file, **ours)).counts["缺失"] == 1
    assert [one.rule for one in served.gateway.store.alerts.open()] == []
    served.gateway.alerts.wake()
    until(lambda: bool(served.gateway.store.alerts.open()))
    assert [one.told for one in served.gateway.store.alerts.open()] == ["DIP 系统与医保结算有 1 处不同"]


@pytest.mark.parametrize(
    ("left", "missing"), [("2026-03-09 08:00:00", 1), ("2026-03-10 08:00:00", 0), ("2026-02-07 23:59:00", 0)]
)
def test_who_left_in_the_days_before_the_export_must_be_there(tmp_path: Path, left: str, missing: int) -> None:
    file = tmp_path / "dip.csv"
    file.write_text(HEAD, "utf-8")
    now = datetime(2026, 3, 10, 6, 50, tzinfo=clock.SHANGHAI)
    os.utime(file, (now.timestamp() - 3600,) * 2)
    found = comparison(file, now, settled=lambda: [settled(1, t_dsc=left)], days=30)
    assert found.work(_Going()).counts["缺失"] == missing


def test_the_name_of_the_file_may_hold_the_day(tmp_path: Path) -> None:
    now = clock.now()
    (tmp_path / f"dip-{now:%Y%m%d}.csv").write_text(f"{HEAD}S1,M1,Z1,2026-03-01\n", "utf-8")
    assert comparison(tmp_path / "dip-%Y%m%d.csv", now).work(_Going()).left == 0


def test_a_file_that_will_not_do_fails_the_run_and_keeps_the_list_before(served: House, tmp_path: Path) -> None:
    file = tmp_path / "dip.csv"
    file.write_text(f"{HEAD}S9,,,2026-03-01\n", "utf-8")
    good = ran(served, comparison(file))
    told = {
        "没有设置": ran(served, comparison(None)),
        "无法读取": ran(served, comparison(tmp_path)),
        "没有更新": ran(served, comparison(file, clock.now() + timedelta(hours=31))),
    }
    file.write_text("姓名\n", "utf-8")
    told["缺少列"] = ran(served, comparison(file))
    for text, run in told.items():
        assert run.outcome is RunOutcome.FAILED
        assert text in run.error
    kept = newest(served.gateway.store.jobs)
    assert kept is not None
    assert (kept.id, count(kept)) == (good.id, 2)


def test_of_very_many_the_first_are_kept_and_all_are_counted(served: House, tmp_path: Path) -> None:
    file = tmp_path / "dip.csv"
    file.write_text(HEAD + "".join(f"X{number},,,2026-03-01\n" for number in range(KEPT_MAX + 5)), "utf-8")
    run = ran(served, comparison(file, settled=list))
    assert (count(run), len(run.detail["differences"])) == (KEPT_MAX + 5, KEPT_MAX)


class _Going:
    """A run that nobody stops."""

    def go_on(self) -> None:
        pass
