"""任务: the list, one run, and run it now; texts of strangers do no harm."""

from __future__ import annotations

from datetime import timedelta

from gateway import clock
from gateway.exchange.ports import NodeFacts, Outcome, State
from gateway.store.jobs import Ended, RunOutcome
from tests.console.kit import Bench, tree

HOSTILE = '<script>alert("1")</script>440102198001010013'


def kept(own: Bench, job: str, ended: Ended) -> int:
    """A run that has ended, in a store of its own."""
    store, now = own.parts.store, clock.now()
    nodes = store.nodes.nodes()
    claimed = store.nodes.claim("a", nodes[0] if nodes else None, NodeFacts(), now, Outcome(State.IN_DOUBT, now))
    assert claimed is not None
    begun = store.jobs.begin(job, claimed[0], now, begun_by="person", operator="王医保")
    assert begun is not None
    assert store.jobs.finish(begun, ended, now + timedelta(seconds=2))
    return begun.id


def test_how_jobs_stand_is_told_with_alerts(own: Bench) -> None:
    browser = own.signed_in("auditor")
    assert "没有节点在按时运行" in browser.page("/jobs")
    assert "还没有运行过" in browser.page("/jobs")
    number = kept(own, "backup", Ended(RunOutcome.FAILED, error=f"备份目录写不进去 {HOSTILE}"))
    page = browser.page("/jobs")
    assert "最近一次没有办成" in page
    assert "<script>alert" not in page
    assert "440102198001010013" not in page, "who may not see bodies sees no person's number"
    assert tree(page).xpath(f"//a[@href='/jobs/runs/{number}']")
    assert "立即运行" not in page
    assert "写不进去" in browser.page("/jobs/list?job=backup")
    assert "还没有运行过" in browser.page("/jobs/list?job=alignment")
    assert browser.get("/jobs?job=no-such&before=x").status_code == 200


def test_a_run_shows_its_report_and_what_it_left(own: Bench) -> None:
    report = {
        "day": "2026-11-21",
        "transactions": {"2304": {"CONFIRMED": 3, "ESCALATED": 1}},
        "money": {
            "2304": {"count": 3, "undone": 1, "medfee_sumamt": "120.50", "fund_pay_sumamt": "100.00",
                     "acct_pay": "0.00", "psn_cash_pay": "20.50"}
        },
        "open": {},
    }  # fmt: skip
    browser = own.signed_in("insurance")
    shown = browser.page(f"/jobs/runs/{kept(own, 'daily_report', Ended(RunOutcome.DONE, {'交易': 4}, detail=report))}")
    assert "120.50" in shown
    assert "2026-11-21" in shown
    left = {"left": [{"ipt_no": "Z1", "feedetl_sn": "F9", "code": "GW-3000", "reason": HOSTILE}]}
    shown = browser.page(f"/jobs/runs/{kept(own, 'fee_upload', Ended(RunOutcome.PARTIAL, detail=left))}")
    assert "F9" in shown
    assert "<script>alert" not in shown
    for path in ("/jobs/runs/999999", "/jobs/runs/0", "/jobs/runs/-1", "/jobs/runs/x", f"/jobs/runs/{'9' * 40}"):
        assert browser.get(path).status_code == 404, path


def test_a_person_runs_it_now(shared: Bench) -> None:
    browser = shared.signed_in("it")
    answer = browser.post("/jobs/daily_report/run")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert shared.house.gateway.runner.idle(20)
    assert "已开始" in browser.page("/jobs")
    run = shared.parts.store.jobs.history("daily_report", limit=1)[0]
    assert (run.outcome, run.operator) == (RunOutcome.DONE, "某it（it）")
    assert ("某it（it）", "jobs.run", "daily_report") in shared.log()
    browser.post("/jobs/no-such-job/run")
    assert "没有名为" in browser.page("/jobs")
