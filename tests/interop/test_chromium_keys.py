"""The main story of each role without a mouse: every step is reached by keys, and one sees where one is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.exchange.ports import State
from tests.console.kit import Bench
from tests.console.lively import LEAVING, escalated, many_stays
from tests.console.test_catalogs import kept as catalog_kept
from tests.console.test_catalogs import record as catalog_record
from tests.interop.browsing import Person

pytestmark = pytest.mark.interop


@pytest.fixture
def person(chromium: Any, console: tuple[Bench, str], request: pytest.FixtureRequest) -> Iterator[Person]:
    made = Person(chromium, console[1], request.param, "1366x768")
    made.sign_in()
    yield made
    made.done()


def by(role: str) -> Any:
    return pytest.mark.parametrize("person", [role], indirect=True)


def chosen(person: Person, wanted: str, key: str = "Enter") -> None:
    """Go there and press it."""
    person.keyed(wanted)
    person.page.keyboard.press(key)


def from_the_menu(person: Person, path: str) -> None:
    chosen(person, f".side a[href='{path}']")
    person.page.wait_for_url(person.base + path)


def looked_up(person: Person, text: str) -> None:
    """By the search of the list, and the first row that is found."""
    keys = person.page.keyboard
    keys.press("/")
    keys.type(text)
    keys.press("Enter")
    person.page.wait_for_url(re.compile(r"\?.*q="))
    keys.press("ArrowDown")
    keys.press("Enter")


@by("cashier")
def test_chromium_by_keys_a_patient_is_aligned_and_discharged(person: Person, console: tuple[Bench, str]) -> None:
    page, number = person.page, many_stays(console[0]).ipt_no
    from_the_menu(person, "/stays")
    looked_up(person, number)
    page.wait_for_url(re.compile("/stays/one"))
    chosen(person, ".steps a[href*='/stays/discharge']")
    page.wait_for_selector("text=不能办理")
    chosen(person, "main a.button.main")
    page.wait_for_url(re.compile("/stays/alignment"))
    chosen(person, "main form .button.main")
    page.wait_for_selector(".flash.ok")
    chosen(person, ".steps a[href*='/stays/discharge']")
    page.wait_for_url(re.compile("/stays/discharge"))
    person.keyed("[name=endtime]")
    page.keyboard.type(LEAVING["endtime"])
    person.keyed("[name=dscg_way]")
    page.keyboard.type("1")
    chosen(person, "main form .button.main")
    page.wait_for_selector(".flash.ok:has-text('出院办理已完成')")


@by("insurance")
def test_chromium_by_keys_a_doubt_is_settled_and_patients_are_aligned(
    person: Person, console: tuple[Bench, str]
) -> None:
    page, number = person.page, escalated(console[0], "请人工核对：键盘")
    person.open(f"/doubts/{number}")
    person.keyed("[name=as]")
    page.keyboard.press("ArrowDown")
    person.keyed("[name=reason]")
    page.keyboard.type("经办端 10:20 查询，没有这笔结算")
    chosen(person, "[name=sure]", "Space")
    chosen(person, "main form .button.main")
    page.wait_for_selector(".flash.ok")
    assert console[0].journal.get(number).state is State.NOT_DONE
    from_the_menu(person, "/alignment")
    chosen(person, "tbody input[type=checkbox]", "Space")
    assert page.locator("tbody input:checked").count() == 1
    person.keyed("main form .button.main", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#batch:has-text('已结束')", timeout=60_000)


@by("ward")
def test_chromium_by_keys_a_ward_finds_its_patient(person: Person, console: tuple[Bench, str]) -> None:
    number = many_stays(console[0]).ipt_no
    from_the_menu(person, "/stays")
    looked_up(person, number)
    person.page.wait_for_selector(f"h1:has-text('{number}')")


@by("pharmacy")
def test_chromium_by_keys_a_catalog_is_looked_into(person: Person, console: tuple[Bench, str]) -> None:
    catalog_kept(console[0], "V1", [catalog_record(1, "一次性使用无菌注射器")])
    from_the_menu(person, "/catalogs")
    chosen(person, "tbody a[href='/catalogs/1306']")
    person.page.wait_for_url(re.compile("/catalogs/1306"))
    looked_up(person, "一次性")
    person.page.wait_for_selector("h1:has-text('一次性使用无菌注射器')")


@by("operations")
def test_chromium_by_keys_a_list_is_taken_away(person: Person) -> None:
    from_the_menu(person, "/review")
    person.keyed("main .head a.button")
    with person.page.expect_download() as taken:
        person.page.keyboard.press("Enter")
    assert taken.value.suggested_filename.endswith(".csv")


@by("it")
def test_chromium_by_keys_a_user_is_made(person: Person) -> None:
    from_the_menu(person, "/users")
    person.keyed("form[action='/users'] [name=name]")
    person.page.keyboard.type("bykeys")
    person.keyed("form[action='/users'] [name=full_name]")
    person.page.keyboard.type("新来的")
    chosen(person, "form[action='/users'] button")
    person.page.wait_for_selector(".handed")


@by("auditor")
def test_chromium_by_keys_the_log_is_checked_and_narrowed(person: Person) -> None:
    from_the_menu(person, "/audit")
    chosen(person, "form[action='/audit/verify'] button")
    person.page.wait_for_selector("#verified .flash.ok")
    person.keyed("[name=operator]")
    person.page.keyboard.type("某auditor（auditor）")
    chosen(person, ".filters button")
    person.page.wait_for_url(re.compile("operator="))
    assert "登录" in person.page.inner_text("tbody")


@by("vendor")
def test_chromium_by_keys_a_vendor_tries_a_transaction(person: Person) -> None:
    person.page.keyboard.press("/")
    person.page.keyboard.type("1101")
    chosen(person, "#groups a[href='/debug/1101']")
    person.page.wait_for_url(re.compile("/debug/1101"))
    chosen(person, "main form [name=send]")
    person.page.wait_for_selector("#wire h2:nth-of-type(2) ~ pre")
