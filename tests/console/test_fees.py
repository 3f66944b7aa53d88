"""费用上传 (ET-06): the list with 入科时间, the upload of whom one has chosen, rows that could not go, a break in between."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.spreadsheet import BOM
from gateway.stays.hospital_fake import MemoryHospital
from gateway.stays.ports import StayRef
from gateway.store.fees import FeeWork
from gateway.store.stay_feed import Episode
from tests.console.kit import Bench, tree
from tests.console.test_pages import harmless
from tests.jobs.test_fee_upload import WITHIN_S, Ward
from tests.stays.ways import Stay

EVIL = "=cmd|'/c calc'!A1<script>alert(1)</script>"


def _with_his(made: Bench) -> Bench:
    his = made.parts.settings.his.model_copy(update={"url": "sqlite:///his.db"})
    made.parts = replace(made.parts, settings=made.parts.settings.model_copy(update={"his": his}))
    return made


@pytest.fixture
def listed(own: Bench) -> Bench:
    """Five thousand patients, one with rows that could not go."""
    stays = [
        Episode(f"Z{number:05d}", f"M{number:05d}", f"P{number:05d}", "in_ward", "differs" if number % 7 else "aligned",
                "none", ward_code=f"N{number % 9}", ward_name=EVIL, t_ins="2026-11-01 08:00:00",
                t_ward=f"2026-11-{number % 20 + 1:02d} 09:00:00" if number % 5 else "", fees_count=number, fees_sum="1.00")
        for number in range(5000)
    ]  # fmt: skip
    own.parts.store.stay_feed.begin("episode_time", 0, "test", stays)
    wrong = {
        "rule": "length",
        "text": f"长度超限 {EVIL}",
        "field": "bilg_dr_codg",
        "label": "开单医生编码",
        "value": EVIL,
    }
    left = {"feedetl_sn": EVIL, "code": "GW-1101", "reason": "", "wrong": [wrong], "row": {"medins_list_name": EVIL}}
    own.parts.store.fees.keep(FeeWork("M00003", "Z00003", waiting=2, bad=1, left=[left]), own.clock())
    return _with_his(own)


def test_the_list_of_five_thousand_asks_no_question_per_row(listed: Bench, statements: list[str]) -> None:
    browser = listed.signed_in("cashier")
    browser.page("/fees")
    statements.clear()
    page = tree(browser.page("/fees?sort=t_ward"))
    assert len(page.xpath("//tbody/tr")) == 50
    assert 0 < len(statements) < 20, statements
    assert page.xpath("//th[@aria-sort='ascending']")[0].text_content().startswith("入科时间")
    assert "≠ 医保" in page.text_content()
    last = tree(browser.page("/fees?page=100"))
    assert "未入科" in last.text_content(), "those without a ward-in come last"


def test_what_could_not_go_is_found_explained_and_exported_without_harm(listed: Bench) -> None:
    browser = listed.signed_in("insurance")
    page = tree(browser.page("/fees?fees=bad"))
    (row,) = page.xpath("//tbody/tr")
    assert [cell.text_content().strip() for cell in row.xpath("td[contains(@class, 'right')]")] == [
        "3",
        "1.00",
        "2",
        "1",
    ]
    for path in ("/fees?fees=bad", "/fees/one?ipt_no=Z00003&mdtrt_id=M00003"):
        answer = browser.get(path)
        assert answer.status_code in (200, 404)
        harmless(answer.text, path)
    file = browser.get("/fees/export.csv?fees=bad").text
    assert file.startswith(BOM)
    assert "Z00003" in file
    assert "未入科" not in file
    assert not any(cell.startswith("=") for line in file.splitlines() for cell in line.split(","))
    assert ("console.export", "fees") in [one[1:] for one in listed.log()]


def test_who_may_only_look_has_no_buttons_and_without_a_his_nobody_has(listed: Bench, shared: Bench) -> None:
    assert "上传选中病人的费用" in listed.signed_in("cashier").page("/fees")
    looker = listed.signed_in("operations").page("/fees")
    assert "上传选中病人的费用" not in looker
    assert "his.url" in shared.signed_in("cashier").page("/fees")


def test_from_a_choice_to_rows_explained_and_on_after_a_break(shared: Bench) -> None:
    gateway = shared.house.gateway
    ward = Ward(shared.house, Stay(shared.house, "json").admit().aligned(), his=MemoryHospital({"fees": []}))
    me, browser = StayRef(ward.stay.ipt_no, ward.stay.mdtrt_id), shared.signed_in("insurance")
    for number in range(4):
        ward.charge(number, **({"pric": Decimal("9999")} if number == 1 else {}))
    box = f"stay:ipt_no={me.ipt_no}&mdtrt_id={me.mdtrt_id}"
    assert browser.post("/fees", {"act": "upload"}).headers["location"] == "/fees"
    assert "没有选择病人" in browser.page("/fees")
    browser.post("/fees", {box: "1", "act": "upload"})
    assert gateway.runner.idle(WITHIN_S)
    broken = browser.page("/fees")
    assert ("中断" in broken, "his.url" in broken) == (True, True), "there is no HIS yet: whom one chose stays chosen"
    gateway.__dict__["his"] = (ward.his, {})
    try:
        browser.post("/fees", {"act": "go_on"})
        assert gateway.runner.idle(WITHIN_S)
    finally:
        del gateway.__dict__["his"]
    page = tree(browser.page(f"/fees/one?ipt_no={me.ipt_no}&mdtrt_id={me.mdtrt_id}"))
    (row,) = page.xpath("//tbody/tr")
    assert row.xpath(".//span[contains(@class, 'chip')]")[0].text == "平台校验"
    assert "金额不符" in row.text_content()
    assert len(ward.at_the_platform()) == 3
    assert "fees.upload" in [one[1] for one in shared.log()]
    assert "没有等待的病人" in (browser.post("/fees", {"act": "go_on"}) and browser.page("/fees"))
    browser.post("/fees", {"act": "forget"})
    browser.post("/fees", {box: "1", "act": "something"})
    assert "只能核对或上传" in browser.page("/fees")
