"""医保审核 (ET-05) beyond the list: remarks of named people on a case, and a month looked through as a whole."""

from __future__ import annotations

import csv
import io

from gateway.stays.history import Record
from tests.console.kit import Bench, tree
from tests.console.lively import OPERATIONS
from tests.console.test_stays import at, harmless, listed, numbers, stay, told
from tests.jobs.test_fee_upload import WITHIN_S
from tests.stays.ways import Stay

__all__ = ["stay"]
EVIL = "=cmd|'/c calc'!A1<script>alert(1)</script>"


def lines_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def test_a_remark_is_kept_with_name_and_time_shown_and_taken_along(shared: Bench, stay: Stay) -> None:
    stay.ward_in()
    listed(shared)
    browser, back = shared.signed_in("insurance"), f"q={stay.ipt_no}"
    (link,) = tree(browser.page(f"/review?{back}")).xpath(f"//a[contains(@aria-label, '{stay.ipt_no}')]/@href")
    page = browser.page(link)
    assert "ET02-01" in page, "what the rules would find stands beside"
    form = {one.get("name"): one.get("value", "") for one in tree(page).xpath("//form[@action='/review/one']//input")}
    answer = browser.post("/review/one", form | {"text": EVIL})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review?{back}")
    assert shared.log()[-1] == ("某insurance（insurance）", "review.remark", f"stay {stay.ipt_no}")
    entry = shared.parts.store.operator_log.entries(limit=1)[0]
    assert EVIL[:5] not in entry.detail, "what was written is sealed with the stay, not in the log"
    browser.post("/review/one", form | {"text": EVIL})
    browser.post("/review/one", form | {"text": "主手术已更正"})
    shown = browser.page(f"/review?{back}")
    harmless(shown)
    assert ("主手术已更正" in shown, "某insurance（insurance）" in shown) == (True, True)
    whole = browser.page(link)
    harmless(whole)
    assert len(tree(whole).xpath("//ol[@class='proofs']/li")) == 2, "the same said twice is one remark"
    (line,) = lines_of(browser.get(f"/review/export.csv?{back}").text)
    assert (line["备注"], line["备注人"], line["备注条数"]) == ("主手术已更正", "某insurance（insurance）", "2")
    masked = shared.signed_in("operations").page(link)
    assert "记下备注</button>" not in masked


def test_what_is_no_remark_is_not_kept(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    for text in ("", "  ", "长" * 501):
        answer = browser.post("/review/one", numbers(stay) | {"text": text})
        assert (answer.status_code, "1 到 500 字" in told(answer)) == (422, True)
    assert browser.post("/review/one", {"ipt_no": "nobody", "text": "x"}).status_code == 404
    assert "还没有备注" in browser.page(at(stay, "/review/one"))
    away = browser.post("/review/one", numbers(stay) | {"text": "好", "back": "//evil.example/?q=1&next=http://evil"})
    assert away.headers["location"].split("?")[0] == "/review"


def test_a_month_is_looked_through_with_progress_and_taken_along_as_a_whole(shared: Bench, stay: Stay) -> None:
    stay.aligned()
    both = tuple(one | {"oprn_oprt_type": "1"} for one in OPERATIONS)
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, shared.clock(), both), "his")
    listed(shared)
    browser, query = shared.signed_in("insurance"), "month=2026-02&by=t_ward"
    answer = browser.post("/review/month", {"month": "2026-02", "by": "t_ward"})
    assert answer.headers["location"] == f"/review/month?{query}"
    assert shared.house.gateway.runner.idle(WITHIN_S)
    assert ("某insurance（insurance）", "review.month", "2026-02") in shared.log()
    part = browser.page("/review/month/progress")
    assert ("2026-02" in part, "hx-get" in part, "<html" in part) == (True, False, False)
    page = browser.page(f"/review/month?{query}&code=ET03-01")
    tabs = tree(page).xpath("string(//nav[@aria-label='按发现筛选'])")
    assert "ET03-01 主手术" in " ".join(tabs.split())
    (row,) = tree(page).xpath(f"//tbody/tr[contains(., '{stay.ipt_no}')]")
    assert "主手术 2 台" in row.text_content()
    browser.post("/review/one", numbers(stay) | {"text": "已通知病案", "back": query})
    lines = {one["住院号"]: one for one in lines_of(browser.get(f"/review/month.csv?{query}").text)}
    assert "ET03-01" in lines[stay.ipt_no]["核查发现"]
    assert lines[stay.ipt_no]["备注"] == "已通知病案"
    assert shared.log()[-1] == ("某insurance（insurance）", "console.export", "review-month")


def test_a_month_nobody_looked_through_says_so_and_no_month_is_none(shared: Bench) -> None:
    browser = shared.signed_in("insurance")
    page = browser.page("/review/month?month=2001-01&by=t_dsc")
    assert ("还没有核查" in page, "核查 2001-01</button>" in page) == (True, True)
    assert "应如 2026-11" in browser.page("/review/month?month=2026-13")
    browser.post("/review/month", {"month": "garbage"})
    assert "应如 2026-11" in browser.page("/review/month")
    assert "核查</button>" not in shared.signed_in("operations").page("/review/month?month=2001-01")
