"""运行: figures of one transaction, and who keeps the gateway going."""

from __future__ import annotations

import re

from gateway.exchange.ports import State
from gateway.store.alerts import Found
from gateway.store.jobs import Ended, RunOutcome
from tests.console.kit import Bench, tree
from tests.console.test_jobs import kept


def test_figures_of_one_transaction_alone(own: Bench) -> None:
    for state, infno in ((State.CONFIRMED, "2304"), (State.DECLINED, "2304"), (State.CONFIRMED, "2401")):
        own.exchange(state, infno=infno, busy_keys=(f"{state}{infno}",))
    own.parts.figures.catch_up()
    browser = own.signed_in("it")
    whole, one = tree(browser.page("/running")), tree(browser.page("/running?infno=2304&window=6h"))
    assert "共 3 笔" in whole.xpath("//nav[@class='tabs']")[0].text_content()
    assert "共 2 笔" in one.xpath("//nav[@class='tabs']")[0].text_content()
    assert one.xpath("//*[@id='figures']/@hx-get") == ["/running/figures?window=6h&infno=2304"]
    (link,) = whole.xpath("//tbody//a[starts-with(., '2401')]/@href")
    assert link == "/running?window=1h&infno=2401"
    bars = [
        title for title in one.xpath("//*[local-name()='rect']/*[local-name()='title']/text()") if "　0 笔" not in title
    ]
    assert bars
    assert all("2 笔，未成功 1 笔" in title for title in bars)
    assert "这段时间没有交易" in browser.page("/running?infno=9999")


def test_errors_are_told_as_the_alerts_count_them(own: Bench) -> None:
    """What the gateway refuses by its own rules is 未成功 and no error."""
    for number in range(20):
        state = State.DECLINED if number < 6 else State.REFUSED if number < 10 else State.CONFIRMED
        own.exchange(state, infno="2304", busy_keys=(f"share {number}",))
    own.parts.figures.catch_up()
    page = tree(own.signed_in("it").page("/running/figures"))
    (row,) = page.xpath("//tbody/tr")
    assert [" ".join(cell.text_content().split()) for cell in row[2:5]] == ["10", "50.0%", "30.0%"]
    assert row[4].xpath(".//span[@class='chip bad']"), "above the threshold of the alerts"
    (chart,) = page.xpath("//figure[contains(., '出错占比')]")
    assert "虚线为告警线 20.0%" in chart.text_content()
    assert chart.xpath(".//*[local-name()='line' and @class='limit']")


def test_every_setting_in_force_says_what_it_is(own: Bench) -> None:
    rows = tree(own.signed_in("it").page("/config")).xpath("//tbody/tr")
    silent = [row[0].text_content() for row in rows if not row[3].text_content().strip()]
    assert len(rows) > 200
    assert silent == []


def test_the_status_tells_of_jobs_nodes_and_who_is_signed_in(own: Bench) -> None:
    for number, (infno, opter) in enumerate([("9001", "0001"), ("9001", "0002"), ("9002", "0002"), ("9001", "0001")]):
        own.exchange(infno=infno, opter=opter, busy_keys=(f"sign {number}",))
    kept(own, "backup", Ended(RunOutcome.FAILED))
    found = [Found("jobs", "warn", "备份数据库：没有办成", subject="backup", node="none")]
    own.parts.store.alerts.settle(found, {"jobs"}, "none", own.clock())
    text = " ".join(tree(own.signed_in("it").page("/running/status")).text_content().split())
    assert re.search(r"签到有效 ?0001（", text)
    assert "0002" not in text
    assert "a 心跳" in text
    assert "没有节点在按时运行" in text
    assert "1 个没有办成" in text


def test_the_configuration_is_shown_as_it_is_written(shared: Bench) -> None:
    rows = tree(shared.signed_in("it").page("/config")).xpath("//tbody/tr")
    shown = {row.xpath("string(td[1])"): row.xpath("string(td[2])") for row in rows}
    assert shown["production"] == str(shared.parts.settings.production).lower()
    assert shown["institution.patient_area"] == "未设置"
    assert not {"True", "False", "None"} & set(shown.values())
