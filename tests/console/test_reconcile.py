"""The pages about reconciliation, over a real gateway and the simulator's own books."""

from __future__ import annotations

import csv
import io
import threading
from datetime import datetime
from typing import Any

import pytest

from gateway.console.reconcile.views import PAGE_ROWS
from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import State
from gateway.spreadsheet import BOM
from gateway.store.recon import Compared, NewCase, Part
from tests.console.kit import Bench, tree

HOSTILE = "<script>alert(1)</script>"
PERSON = "44080012345678901234567890"
AMOUNTS = {"medfee_sumamt": "12.30", "fund_pay_sumamt": "10.00", "acct_pay": "0.30"}


def ended() -> None:
    for thread in threading.enumerate():
        if thread.name == "reconcile":
            thread.join(30)
            assert not thread.is_alive()


def test_a_day_is_compared_from_its_page_and_shown_in_its_month(shared: Bench) -> None:
    assert shared.house.simulator is not None
    shared.house.simulator.plant({"kind": "extra", "psn_no": "P-4711", "amount": "12.34", "insutype": "310",
                                  "clr_type": "11", "day": "2026-03-02"})  # fmt: skip
    browser = shared.signed_in("insurance")
    assert "还没有对过账" in browser.page("/reconcile/2026-03-02")
    assert browser.post("/reconcile/2026-03-02").status_code == 303
    ended()
    page = browser.page("/reconcile/2026-03-02")
    assert "平台多" in page
    assert "12.34" in page
    assert "P-4711" not in page
    month = browser.page("/reconcile?month=2026-03")
    assert '未结差异 <b class="num">1</b>' in month
    shared.house.simulator.clear_planted()
    assert browser.post("/reconcile/2026-03-02").status_code == 303
    ended()
    assert "已结" in browser.page("/reconcile/2026-03-02")
    assert ("insurance", "reconcile.day", "2026-03-02") in [
        (operator.partition("（")[2].rstrip("）"), act, subject) for operator, act, subject in shared.log()
    ]


@pytest.mark.parametrize(
    ("today", "compared", "month"),
    [
        ((2026, 12, 1), "", "2026-11"),
        ((2026, 12, 1), "2026-12-01", "2026-12"),
        ((2026, 12, 2), "", "2026-12"),
        ((2027, 1, 1), "2026-12-31", "2026-12"),
    ],
)
def test_it_opens_on_the_month_of_the_newest_day_that_can_be_compared(
    own: Bench, today: tuple[int, int, int], compared: str, month: str
) -> None:
    """On the first of a month that is the last of the month before."""
    own.clock.ahead += datetime(*today, 8, tzinfo=SHANGHAI) - own.clock()
    if compared:
        part = Part(compared, "total", "440800", "310", "21", "even", 3, 300, 200, 0, 100, "", None, own.clock())
        own.parts.store.recon.keep(Compared(compared, [part], [], lambda _: False), own.clock())
    browser = own.signed_in("insurance")
    assert tree(browser.page("/reconcile")).xpath("string(//h1)") == f"对账 {month}"
    if compared:
        assert "310 职工基本医疗保险" in tree(browser.page(f"/reconcile/{compared}")).xpath("string(//main)")
        assert "21 住院" in tree(browser.page(f"/reconcile/{compared}")).xpath("string(//main)")


def test_days_and_months_centuries_away_are_none(shared: Bench) -> None:
    browser = shared.signed_in("insurance")
    for day in ("9999-12-31", "0001-01-01", "2026-02-30"):
        assert browser.get(f"/reconcile/{day}").status_code == 404
    for month in ("9999-12", "0001-01", "2026-13"):
        assert browser.get(f"/reconcile?month={month}").status_code == 200


def test_a_case_leads_to_its_exchange_and_runs_no_script(own: Bench) -> None:
    row = own.exchange(State.CONFIRMED)
    content = {"cause": HOSTILE, "setl_id": "440802000123", "psn_no": "", "mdtrt_id": "", "refund": True,
               "ours": {"medfee_sumamt": "1.00", "fund_pay_sumamt": "0.50", "acct_pay": "0.10"}, "theirs": None}  # fmt: skip
    case = NewCase("only_here", "440800", "11", row.msgid or "", row.id, "K", content)
    own.parts.store.recon.keep(Compared("2026-03-01", [], [case], lambda _: False), own.clock())
    for role in ("insurance", "auditor"):
        page = own.signed_in(role).page("/reconcile/2026-03-01")
        assert HOSTILE not in page
        assert f'href="/exchanges/{row.id}"' in page


def test_what_goes_on_is_shown_step_by_step_until_it_ends(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    step = {"ok": True, "day": "2026-03-02", "text": "对总账 3201", "done": 3, "total": 8}
    ask = type(own.parts.desk).do

    def asked(desk: Any, operation: str, arguments: Any) -> dict[str, Any]:
        return step if operation == "reconcile_running" else ask(desk, operation, arguments)

    monkeypatch.setattr(type(own.parts.desk), "do", asked)
    browser, htmx, asks = own.signed_in("auditor"), {"HX-Request": "true"}, "/reconcile/progress?day=2026-03-02"
    for path in ("/reconcile", "/reconcile/2026-03-02", "/reconcile/progress"):
        (part,) = tree(browser.page(path)).xpath("//*[@id='comparing']")
        assert part.get("hx-get") == asks
        (bar,) = part.xpath(".//progress")
        assert (bar.get("value"), bar.get("max")) == ("3", "8")
        assert "对总账 3201" in part.text_content()
    assert "hx-refresh" not in browser.get(asks, headers=htmx).headers
    step = {"ok": True, "day": "", "text": "", "done": 0, "total": 0}
    assert browser.get(asks, headers=htmx).headers["hx-refresh"] == "true"
    assert "hx-refresh" not in browser.get("/reconcile/progress", headers=htmx).headers, "nobody waited for it"
    assert "hx-refresh" not in browser.get(asks).headers
    step = {"ok": False, "error": "网关进程没有应答"}
    assert tree(browser.page("/reconcile")).xpath("//*[@id='comparing']/@hx-get") == []


def cases_kept(made: Bench, day: str, count: int) -> None:
    told = {"cause": "平台多一笔", "psn_no": PERSON, "setl_id": "S-1", "theirs": AMOUNTS}
    found = [NewCase("only_there", "440800", "11", "", None, f"{day}-{number}", told) for number in range(count)]
    made.parts.store.recon.keep(Compared(day, [], found, lambda _: True), made.clock())


def test_cases_of_all_days_are_paged_narrowed_and_exported(own: Bench) -> None:
    cases_kept(own, "2026-03-01", 3)
    cases_kept(own, "2026-03-01", 0)
    for day, count in (("2026-03-02", PAGE_ROWS + 20), ("2026-03-04", 5)):
        cases_kept(own, day, count)
    browser = own.signed_in("auditor")

    def days(path: str) -> list[str]:
        return [str(text) for text in tree(browser.page(path)).xpath("//tbody/tr/td[2]//text()")]

    first, second = days("/reconcile/cases"), days("/reconcile/cases?page=2")
    assert (len(first), len(second)) == (PAGE_ROWS, 25)
    assert first[:6] == ["2026-03-04"] * 5 + ["2026-03-02"]
    assert days("/reconcile/cases?state=closed") == ["2026-03-01"] * 3
    assert "没有了" in browser.page("/reconcile/cases?page=3")
    assert len(days("/reconcile/cases?state=nonsense")) == PAGE_ROWS
    rest = tree(browser.page("/reconcile/2026-03-02?page=2"))
    assert len(rest.xpath("//section[1]//tbody/tr")) == 20, "no case of a day is cut off"
    rows = list(csv.DictReader(io.StringIO(browser.get("/reconcile/cases.csv?state=all").text.removeprefix(BOM))))
    assert len(rows) == PAGE_ROWS + 28
    assert {row["状态"] for row in rows} == {"未结", "已结"}
    assert {row["平台医疗费总额"] for row in rows} == {"12.30"}
    assert PERSON not in str(rows), "who may not see bodies exports masked numbers"
    assert PERSON in own.signed_in("insurance").get("/reconcile/cases.csv").text
    assert ("console.export", "reconcile") in [one[1:] for one in own.log()]


def test_what_is_no_day_is_said(shared: Bench) -> None:
    browser = shared.signed_in("insurance")
    assert browser.get("/reconcile/gestern").status_code == 404
    assert browser.post("/reconcile/2026-02-30").status_code == 404
    assert browser.get("/reconcile?month=x").status_code == 200
