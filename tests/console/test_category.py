"""医保变更 (ET-13): chosen from the catalogue, judged before the button, before and after side by side, sent as shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway import clock
from gateway.console.stays.category import matching
from gateway.exchange.ports import Query
from gateway.rules.case import DayOperation
from gateway.stays.history import Record
from tests.console.kit import Bench, Browser, tree
from tests.console.lively import OPERATIONS, day_surgery_kept
from tests.console.test_stays import at, numbers, told
from tests.stays.ways import WARD_IN, Stay

BUTTON = "变更医保类别</button>"


@pytest.fixture
def stay(shared: Bench) -> Stay:
    """In its ward, aligned, operated upon; the catalogue has been downloaded."""
    if shared.parts.store.catalogs.one("1311") is None:
        day_surgery_kept(shared)
    return operated(shared, Stay(shared.house, "json").admit().aligned())


def operated(made: Bench, stay: Stay) -> Stay:
    made.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, clock.now(), OPERATIONS), "his")
    return stay


def page_of(browser: Browser, stay: Stay, **more: str) -> str:
    return browser.page(at(stay, "/stays/category") + "".join(f"&{name}={value}" for name, value in more.items()))


def form_of(page: str) -> dict[str, str]:
    """What the button would send."""
    (form,) = tree(page).xpath("//form[@action='/stays/category'][@method='post']")
    return {one.get("name"): one.get("value", "") for one in form.xpath(".//input") if one.get("name") != "csrf"}


def test_chosen_from_the_catalogue_shown_before_and_after_and_sent_as_shown(shared: Bench, stay: Stay) -> None:
    browser, sent = shared.signed_in("insurance"), shared.house.sent()
    first = page_of(browser, stay)
    assert BUTTON not in first, "nothing is chosen yet"
    codes = [one.text for one in tree(first).xpath("//div[@id='diseases']//tbody//a")]
    assert codes == ["RJ0001", "RJ0003"], "those that allow the main operation"
    (link,) = tree(first).xpath("//div[@id='diseases']//a[text()='RJ0001']/@href")
    page = browser.page(link)
    assert BUTTON in page
    assert "可以变更" in page
    rows = tree(page).xpath("//section[h2[contains(., '校验')]]//tbody/tr")
    words = [[" ".join(cell.text_content().split()) for cell in row.xpath("td")] for row in rows]
    lines = {row.xpath("td//div")[0].text: tuple(told_[1:]) for row, told_ in zip(rows, words, strict=True)}
    assert lines["med_type"] == ("21 普通住院", "28 日间手术 变")
    assert lines["oprn_oprt_code"][1] == "51.2300 变"
    assert lines["begntime"] == (WARD_IN, "不变")
    assert shared.house.sent() == sent, "looking sends nothing"
    answer = browser.post("/stays/category", form_of(page))
    assert answer.status_code == 303, told(answer)
    row = shared.journal.search(Query(infno="2403", limit=1))[0]
    body = shared.journal.bodies(row.id).platform_request.decode()
    for word in ('"med_type":"28"', '"oprn_oprt_code":"51.2300"', '"dise_codg":"RJ0001"', f'"begntime":"{WARD_IN}"'):
        assert word in body, word
    assert shared.log()[-1] == ("某insurance（insurance）", "stay.2403", f"stay {stay.ipt_no}")
    again = browser.post("/stays/category", form_of(page))
    assert (again.status_code, stay.executed("2403")) == (303, 2)
    assert "没有再发" in told(browser.get(again.headers["location"]))
    other = browser.post("/stays/category", form_of(page) | {"dise_codg": "RJ0003", "seen": ""})
    assert (other.status_code, "ET13-01" in told(other)) == (409, True), "no other disease under the same category"
    after = page_of(browser, stay)
    assert ("ET13-01" in after, BUTTON in after) == (True, False)


def test_a_disease_that_does_not_allow_the_main_operation_has_no_button(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    page = page_of(browser, stay, dise_codg="RJ0002")
    assert BUTTON not in page
    for word in ("ET13-02", "51.2300", "47.0100", "左边换一个"):
        assert word in page, word
    forged = numbers(stay) | {"med_type": "28", "dise_codg": "RJ0002", "dise_name": "急性阑尾炎"}
    answer = browser.post("/stays/category", forged)
    assert (answer.status_code, "ET13-02" in told(answer), stay.executed("2403")) == (409, True, 1)
    unknown = page_of(browser, stay, dise_codg="NONE")
    assert ("ET13-02" in unknown or "ET13-04" in unknown, BUTTON in unknown) == (True, False)


def test_what_has_changed_since_it_was_shown_is_not_sent(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    form = form_of(page_of(browser, stay, dise_codg="RJ0003"))
    turned = tuple(row | {"oprn_oprt_type": "2" if row["oprn_oprt_type"] == "1" else "1"} for row in OPERATIONS)
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 2, clock.now(), turned), "his")
    answer = browser.post("/stays/category", form)
    assert (answer.status_code, "情况又有变化" in told(answer), stay.executed("2403")) == (409, True, 1)
    assert form_of(answer.text)["seen"] != form["seen"]


def test_illegal_states_have_no_choice_no_button_and_a_way_out(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    without = Stay(shared.house, "json").admit().aligned()
    page = page_of(browser, without, dise_codg="RJ0001")
    assert ("ET13-04" in page, "唯一的主手术" in page, BUTTON in page) == (True, True, False)
    answer = browser.post("/stays/category", numbers(without) | {"med_type": "28", "dise_codg": "RJ0001"})
    assert (answer.status_code, "ET13-04" in told(answer)) == (409, True)
    stay.done("2402", stay.discharge())
    page = page_of(browser, stay, dise_codg="RJ0001")
    assert ("ET13-05" in page, "去出院办理撤销" in page, BUTTON in page) == (True, True, False)
    assert 'id="diseases"' not in page
    answer = browser.post("/stays/category", numbers(stay) | {"med_type": "28", "dise_codg": "RJ0001"})
    assert (answer.status_code, "ET13-05" in told(answer)) == (409, True)


def test_without_a_catalogue_it_says_so_and_shows_where_it_comes_from(shared: Bench, stay: Stay) -> None:
    made = replace(shared, parts=replace(shared.parts, day_surgery=lambda: None))
    browser = made.browser()
    assert browser.sign_in("insurance").status_code == 303
    page = page_of(browser, stay)
    assert "还没有导入日间手术病种目录（1311）" in page
    assert 'href="/catalogs/1311"' in page
    assert BUTTON not in page
    typed = page_of(browser, stay, dise_codg="RJ0001", dise_name="胆囊结石")
    assert (BUTTON in typed, "主手术未核对" in typed) == (True, True)
    assert form_of(typed)["dise_name"] == "胆囊结石"


def test_the_list_narrows_by_code_name_and_operation(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    for wanted, codes in (
        ("息肉", ["RJ0003"]),
        ("rj000", ["RJ0001", "RJ0003", "RJ0002"]),
        ("47.01", ["RJ0003", "RJ0002"]),
    ):
        part = browser.page(f"{at(stay, '/stays/category/diseases')}&q={wanted}")
        assert "<html" not in part
        assert [one.text for one in tree(part).xpath("//tbody//a")] == codes
    assert "目录里没有" in browser.page(f"{at(stay, '/stays/category/diseases')}&q=没有的")


def test_without_words_only_what_allows_the_operation_is_listed() -> None:
    entries = [DayOperation("B", frozenset({"2"}), "乙"), DayOperation("A", frozenset({"1"}), "甲", ("切除术",))]
    assert [one.dise_codg for one in matching(entries, "", "1")] == ["A"]
    assert [one.dise_codg for one in matching(entries, "切除", "")] == ["A"]
    assert matching(entries, "", "") == []
