"""首页: the work of each role as numbers, each from few statements, each leading to its list."""

from __future__ import annotations

from gateway.stays.history import Record
from gateway.store.alerts import Found
from gateway.store.fees import FeeWork
from gateway.store.jobs import Ended, RunOutcome
from gateway.store.recon import Compared, NewCase
from gateway.store.stay_feed import Episode
from tests.console.kit import Bench, tree
from tests.console.test_catalogs import kept as catalog_kept
from tests.console.test_catalogs import record as catalog_record
from tests.console.test_jobs import kept


def with_work(made: Bench) -> None:
    """One of each kind, where the number tells which."""
    stays = [
        *(Episode(f"Z1{n}", f"M1{n}", "P1", "registered", "not_in_ward", "none") for n in range(1)),
        *(Episode(f"Z2{n}", f"M2{n}", "P1", "in_ward", "differs", "none", t_ward="2026-02-20 10:05:00") for n in range(2)),
        *(Episode(f"Z3{n}", f"M3{n}", "P1", "discharged", "aligned", "settled") for n in range(3)),
        Episode("Z9", "M9", "P1", "discharged", "differs", "listed"),
    ]  # fmt: skip
    store, now = made.parts.store, made.clock()
    store.stay_feed.begin("episode_time", 0, "test", stays)
    store.journal.stays.keep("Z20", Record("emergency_fees", 1, now, ({"feedetl_sn": "1"},)), "his")
    for number in range(4):
        store.fees.keep(FeeWork(f"M4{number}", f"Z4{number}", waiting=9, bad=number % 2), now)
    cases = [NewCase("only_here", "440800", "11", "", None, f"K{number}", {"cause": "x"}) for number in range(5)]
    store.recon.keep(Compared("2026-01-05", [], cases, lambda _: False), now)
    dip = {"written_at": now.isoformat(), "since": "", "before": "", "differences": []}
    kept(made, "dip_differences", Ended(RunOutcome.PARTIAL, {"多余": 6, "文件病例": 9}, detail=dip))
    kept(made, "settlement_lists", Ended(RunOutcome.PARTIAL, {"待人工": 7}))
    catalog_kept(made, "V1", [catalog_record(1, "导尿管")])
    store.catalogs.tell("1301", "西药", "没有取回", now, failed=True)
    found = [Found("jobs", "warn", "备份数据库：没有办成", subject=f"job{number}", node="none") for number in range(2)]
    store.alerts.settle(found, {"jobs"}, "none", now)


WORKS = {
    "insurance": {"未入科": 1, "入院变更": 2, "急诊急救审核": 1, "费用未能上传": 2, "清单待上传": 3, "DIP 差异": 6,
                  "清单待人工": 7, "对账未结": 5, "目录没有更新": 1, "目录有变更": 1, "任务没有办成": 2},
    "cashier": {"未入科": 1, "入院变更": 2, "费用未能上传": 2},
    "ward": {"未入科": 1, "时间不一致": 2},
    "pharmacy": {"目录没有更新": 1, "目录有变更": 1},
    "operations": {"未入科": 1, "时间不一致": 2, "费用未能上传": 2, "清单待上传": 3, "DIP 差异": 6, "清单待人工": 7,
                   "对账未结": 5, "目录没有更新": 1, "目录有变更": 1, "任务没有办成": 2},
    "it": {"未入科": 1, "时间不一致": 2, "费用未能上传": 2, "清单待上传": 3, "DIP 差异": 6, "清单待人工": 7, "对账未结": 5,
           "目录没有更新": 1, "目录有变更": 1, "任务没有办成": 2},
    "auditor": {"未入科": 1, "时间不一致": 2, "清单待人工": 7, "对账未结": 5, "目录没有更新": 1, "目录有变更": 1, "任务没有办成": 2},
}  # fmt: skip


def test_the_first_page_has_the_work_of_each_role_and_every_number_leads_to_its_list(
    own: Bench, statements: list[str]
) -> None:
    empty = {role: tree(own.signed_in(role).page("/")) for role in WORKS}
    with_work(own)
    for role, wanted in WORKS.items():
        browser = own.signed_in(role)
        browser.page("/")
        statements.clear()
        page = tree(browser.page("/todo"))
        assert len(statements) <= 32, statements
        told = {one.findtext("span/strong"): one for one in page.xpath("//a[contains(@class, 'work')]")}
        assert {title: int(one.findtext("b")) for title, one in told.items()} == wanted, role
        for one in told.values():
            assert browser.get(one.get("href")).status_code == 200, (role, one.get("href"))
        none = empty[role].xpath("//p[contains(@class, 'none')]/a")
        assert {one.text for one in none} == set(wanted), "what is done is one line, and leads there too"
        assert not empty[role].xpath("//a[contains(@class, 'work')]")


def test_more_than_can_be_counted_is_said(own: Bench) -> None:
    stays = [
        Episode(f"Z{n}", f"M{n}", "P1", "in_ward", "differs", "none", t_ward="2026-02-20 10:05:00") for n in range(1200)
    ]
    own.parts.store.stay_feed.begin("episode_time", 0, "test", stays)
    page = tree(own.signed_in("ward").page("/todo"))
    assert page.xpath("//a[contains(@class, 'work')]/b/text()") == ["999+"]
