"""The pages about reconciliation, over a real gateway and the simulator's own books."""

from __future__ import annotations

import threading

from gateway.exchange.ports import State
from gateway.store.recon import Compared, NewCase
from tests.console.kit import Bench

HOSTILE = "<script>alert(1)</script>"


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


def test_what_is_no_day_is_said(shared: Bench) -> None:
    browser = shared.signed_in("insurance")
    assert browser.get("/reconcile/gestern").status_code == 404
    assert browser.post("/reconcile/2026-02-30").status_code == 404
    assert browser.get("/reconcile?month=x").status_code == 200
