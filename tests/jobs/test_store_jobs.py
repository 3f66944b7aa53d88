"""Backup, retention and the daily report over a real gateway's store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.exchange.ports import State
from gateway.store.backup import Copy
from gateway.store.jobs import JobRun, RunOutcome
from jobs.backup import Backups
from jobs.job import Job
from jobs.retention import Retaining
from jobs.runner import Runner
from tests.console.kit import written
from tests.running import House, house
from tests.stays.ways import Stay

WITHIN_S = 20


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("store-jobs")) as found:
        yield found


def ran(running: House, job: Job, given: Mapping[str, Any] | None = None) -> JobRun:
    gateway = running.gateway
    runner = Runner([job], gateway.store.jobs, gateway.membership.current, clock.now)
    number = runner.start(job.name, "王医保", given or {})
    assert runner.idle(WITHIN_S)
    assert number is not None
    found = gateway.store.jobs.get(number)
    assert found is not None
    return found


# --------------------------------------------------------------------- backup


def test_a_copy_is_good_and_only_our_oldest_go(running: House, tmp_path: Path) -> None:
    folder, at = tmp_path / "backups", clock.now()
    folder.mkdir()
    (folder / "yibao-of-somebody.zip").write_text("not ours", encoding="utf-8")
    for day in range(4):
        backups = Backups(running.gateway.store, folder, 2, lambda day=day: at + timedelta(days=day))
        run = ran(running, Job("backup", backups.work))
        assert run.outcome is RunOutcome.DONE, run.error
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 3
    assert "yibao-of-somebody.zip" in kept
    newest = folder / kept[-2]
    assert run.detail["file"] == str(newest)
    Copy(newest).verify(lambda _done, _total: None)
    assert Copy(newest).manifest.rows == run.counts["行"]
    assert newest.stat().st_mode & 0o077 == 0
    (logged,) = running.gateway.store.operator_log.entries(subject=str(newest))
    assert (logged.operator, logged.act) == ("yibao", "db.backup")


def test_without_a_place_it_says_what_to_set(running: House, tmp_path: Path) -> None:
    run = ran(running, Job("backup", Backups(running.gateway.store, None, 2, clock.now).work))
    assert (run.outcome, "jobs.backup.folder" in run.error) == (RunOutcome.FAILED, True)
    file = tmp_path / "a-file"
    file.write_text("", encoding="utf-8")
    run = ran(running, Job("backup", Backups(running.gateway.store, file / "below", 2, clock.now).work))
    assert (run.outcome, "不能用" in run.error) == (RunOutcome.FAILED, True)


# ------------------------------------------------------------------ retention


def test_retention_waits_until_all_nodes_are_of_one_version(running: House) -> None:
    gateway = running.gateway
    job = gateway.runner._jobs["retention"]
    done = ran(running, job)
    assert (done.outcome, done.counts["删除查询报文"]) == (RunOutcome.DONE, 0), done.error
    work = job.work.__self__  # type: ignore[attr-defined]  # the part behind the bound method
    assert isinstance(work, Retaining)
    older = ran(running, Job("retention", replace(work, version="9.9.9").work))
    assert (older.outcome, "版本不同" in older.error) == (RunOutcome.FAILED, True)
    log = gateway.store.operator_log.entries(limit=1)[0]
    assert (log.operator, log.act) == ("yibao", "db.retain")


def test_files_whose_time_is_over_go_with_it_and_are_counted(running: House) -> None:
    gateway = running.gateway
    gateway.files_swept.close()  # its first look, at the start, is over
    job, shelf = gateway.runner._jobs["retention"], gateway.shelf
    old, new = shelf.receive("a.txt", [b"old"]), shelf.receive("b.txt", [b"new"])
    days = gateway.settings.files.keep_days
    long_ago = (clock.now() - timedelta(days=days, hours=1)).timestamp()
    os.utime(old.path, (long_ago, long_ago))
    done = ran(running, job)
    assert (done.outcome, done.counts["删除文件"]) == (RunOutcome.DONE, 1), done.error
    assert (shelf.find(old.sha256), shelf.find(new.sha256)) == (None, new.path)
    assert ran(running, job).counts["删除文件"] == 0
    os.utime(new.path, (long_ago, long_ago))
    gateway.keeping.turn()
    assert shelf.find(new.sha256) is None, "each node does so by itself"


def test_a_folder_that_cannot_be_swept_is_said(running: House) -> None:
    work = running.gateway.runner._jobs["retention"].work.__self__  # type: ignore[attr-defined]  # as above

    def broken() -> int:
        raise PermissionError(13, "Permission denied")

    done = ran(running, Job("retention", replace(work, sweep_files=broken).work))
    assert (done.outcome, "不能清理" in done.error) == (RunOutcome.FAILED, True)


# --------------------------------------------------------------- daily report


def test_the_report_agrees_with_the_platform(running: House) -> None:
    gateway, simulator = running.gateway, running.simulator
    assert simulator is not None
    job = gateway.runner._jobs["daily_report"]
    before = simulator.ledger()["settlements"]
    stays = [Stay(running, "json").admit().aligned() for _ in range(2)]
    for stay in stays:
        stay.done("2301", stay.fees())
        stay.done("2304", stay.settlement())
    setl_id = next(one["setl_id"] for one in simulator.ledger()["settlements"] if one not in before)
    undone = next(one["mdtrt_id"] for one in simulator.ledger()["settlements"] if one["setl_id"] == setl_id)
    (first,) = [stay for stay in stays if stay.mdtrt_id == undone]
    settled = simulator.ledger()["settlements"]
    first.done("2305", first.undo(setl_id=setl_id))
    written(gateway.store.journal, State.ESCALATED, infno="2304")
    today = clock.now().date()
    run = ran(running, job, {"day": today.isoformat()})
    assert run.outcome is RunOutcome.DONE, run.error
    told = run.detail
    settled = [one for one in settled if one not in before]
    money = told["money"]["2304"]
    assert (money["count"], money["undone"]) == (2, 1)
    assert float(money["medfee_sumamt"]) == pytest.approx(sum(float(one["medfee_sumamt"]) for one in settled))
    assert told["transactions"]["2304"] == {"CONFIRMED": 2, "ESCALATED": 1}
    assert told["open"]["ESCALATED"] == run.counts["待人工核对"] >= 1
    assert json.loads(json.dumps(told)) == told
    assert ran(running, job).detail["day"] == (today - timedelta(days=1)).isoformat()
    assert ran(running, job).counts["交易"] == 0, "nothing happened yesterday"


@pytest.mark.parametrize("day", ["2026-13-01", "yesterday", "9999-01-01", 7])
def test_a_day_that_is_none_is_refused_in_words(running: House, day: Any) -> None:
    run = ran(running, running.gateway.runner._jobs["daily_report"], {"day": day})
    assert (run.outcome, run.error != "", "程序内部" in run.error) == (RunOutcome.FAILED, True, False)
