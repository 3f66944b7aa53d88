"""The console in Debian's Chromium: each role's story, both screen sizes, accessibility, and nothing leaves the host.

Screenshots are kept in ``var/screenshots`` (``YIBAO_SHOTS``) for people to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import State
from gateway.store.catalogs import NewVersion
from tests.console.kit import ROLES, Bench
from tests.console.lively import LEAVING, many_stays
from tests.console.test_catalogs import kept as catalogs_kept
from tests.console.test_catalogs import record as catalog_record
from tests.interop.browsing import SIZES, Person

pytestmark = pytest.mark.interop


@pytest.fixture
def person(chromium: Any, console: tuple[Bench, str], request: pytest.FixtureRequest) -> Iterator[Person]:
    role, size = request.param
    made = Person(chromium, console[1], role, size)
    made.open("/sign-in")
    made.shot("sign-in")
    made.sign_in()
    yield made
    made.done()


BOTH = [(role, size) for role in ROLES for size in SIZES]


@pytest.mark.parametrize("person", BOTH, indirect=True, ids=lambda pair: "-".join(pair))
def test_chromium_every_page_of_every_role(person: Person) -> None:
    menu = person.page.eval_on_selector_all(".side li a", "found => found.map(one => one.getAttribute('href'))")
    assert menu[0] == ("/debug" if person.role == "vendor" else "/")
    for path in menu:
        person.open(path)
        person.shot(path.strip("/").replace("/", "-") or "home")


@pytest.mark.parametrize(
    "person", [("insurance", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_insurance_office_settles_a_doubt(person: Person, console: tuple[Bench, str]) -> None:
    page = person.page
    page.keyboard.press("/")
    page.keyboard.type("2304")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/exchanges"))
    for key in ("Escape", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile(r"/exchanges/\d+$"))
    page.click("text=查看报文")
    page.wait_for_selector("#messages .sides")
    assert "440899198507241019" in page.inner_text("#messages")
    person.shot("exchange", whole=True)
    escalated = console[0].exchange(
        State.ESCALATED, infno="2207", busy_keys=(f"story {person.size}",), keys=(("mdtrt_id", "STORY"),)
    )
    person.open(f"/doubts/{escalated.id}")
    person.shot("doubt", whole=True)
    page.click("text=平台没有办理")
    page.fill("[name=reason]", "经办端 10:20 查询，没有这笔结算")
    page.check("[name=sure]")
    page.click("text=了结这笔交易")
    page.wait_for_url(re.compile(r"/exchanges/\d+$"))
    assert "已了结" in page.inner_text("main [role=status]")
    assert console[0].journal.get(escalated.id).state is State.NOT_DONE


@pytest.mark.parametrize(
    "person", [("cashier", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_cashier_discharges_a_patient(person: Person, console: tuple[Bench, str]) -> None:
    page, made = person.page, console[0]
    number = many_stays(made).ipt_no
    page.goto(person.base + "/stays")
    page.keyboard.press("/")
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    page.click(f"tbody a:has-text('{number}')")
    person.shot("stay", whole=True)
    page.click(".steps a:has-text('出院办理')")
    person.shot("discharge-refused", whole=True)
    page.click("text=去入院信息变更")
    person.shot("align", whole=True)
    page.click("button:has-text('变更入院时间')")
    page.wait_for_selector(".flash.ok")
    page.click(".steps a:has-text('出院办理')")
    page.fill("[name=endtime]", LEAVING["endtime"])
    page.select_option("[name=dscg_way]", "1")
    person.shot("discharge", whole=True)
    page.click("button:has-text('办理出院')")
    page.wait_for_selector(".flash.ok")
    person.shot("stay-discharged", whole=True)
    page.click(".steps a:has-text('出院办理撤销')")
    person.shot("revoke", whole=True)
    page.fill("[name=reason]", "漏记一次手术，需补收")
    page.click("button:has-text('撤销出院办理')")
    page.wait_for_selector(".flash.ok")


@pytest.mark.parametrize(
    "person", [("insurance", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_insurance_office_reviews_and_prints(person: Person, console: tuple[Bench, str]) -> None:
    page, stay = person.page, many_stays(console[0])
    visit = {"ipt_otp_no": f"ER{stay.ipt_no}", "begntime": "2026-02-20 07:30:00"}
    rows = stay.fees("2026-02-20 07:50:00", "2026-02-20 10:04:00", "2026-02-20 10:06:00", sn="ER")["feedetail"]
    stay.ask("EmergencyFees", version=1, emergency_visit=visit, rows=rows)
    stay.ask("EmergencyFeesExtract")
    person.open("/review")
    person.shot("review", whole=True)
    page.fill("[data-find]", stay.ipt_no)
    page.click("button:has-text('查询')")
    page.click(f"tbody a:has-text('{stay.ipt_no}')")
    page.click(".steps a:has-text('急诊急救审核')")
    person.shot("emergency", whole=True)
    page.click("button:has-text('审核通过')")
    page.wait_for_selector(".flash.ok")
    page.click("text=看这次住院")
    page.click(".steps a:has-text('凭证')")
    with page.context.expect_page() as opened:
        page.click("[aria-label=打印住院资格确认单]")
    opened.value.wait_for_selector("footer")
    person.picture("voucher", of=opened.value)
    assert "第 1 次打印" in opened.value.inner_text("footer")
    opened.value.close()
    page.reload()
    person.shot("vouchers", whole=True)
    with page.expect_download() as taken:
        page.click("[aria-label='下载住院资格确认单 PDF']")
    assert Path(taken.value.path()).read_bytes().startswith(b"%PDF-")
    page.click(".head a")
    page.click(".steps a:has-text('医保变更')")
    person.shot("category", whole=True)
    person.open("/alignment")
    page.check("[aria-label=本页全选]")
    page.click("button:has-text('变更选中的病人')")
    page.wait_for_selector("#batch:has-text('已结束')", timeout=60_000)
    person.shot("batch", whole=True)


@pytest.mark.parametrize("person", [("it", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair))
def test_chromium_information_department_runs_the_house(person: Person, console: tuple[Bench, str]) -> None:
    page = person.page
    person.open("/running")
    with page.expect_response(re.compile("/running/figures")):
        pass  # it comes by itself
    person.shot("running-refreshed")
    person.open("/debug")
    page.fill("[data-filter]", "人员基本")
    page.click("text=人员基本信息获取")
    page.select_option("[name='data.0.mdtrt_cert_type']", "02")
    page.fill("[name='data.0.mdtrt_cert_no']", "440899198507241019")
    page.click("text=发送")
    page.wait_for_selector("#wire h2:nth-of-type(2) ~ pre")
    person.shot("debug-sent")
    person.open("/users")
    page.fill("[name=full_name]", "新来的")
    page.fill(".uneven-right form[action='/users'] [name=name]", f"neu{person.size[:4]}")
    page.click("text=建立，并生成密码")
    page.wait_for_selector(".handed")
    person.shot("user-made")


@pytest.mark.parametrize(
    "person", [("auditor", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_auditor_checks_the_log(person: Person) -> None:
    person.open("/audit")
    person.page.click("text=校验整条链")
    person.page.wait_for_selector("#verified .flash.ok")
    person.shot("audit-verified")


@pytest.mark.parametrize(
    "person",
    [(role, "1366x768") for role in ("cashier", "ward", "pharmacy", "operations")],
    indirect=True,
    ids=lambda pair: "-".join(pair),
)
def test_chromium_others_look_without_seeing_bodies(person: Person) -> None:
    person.open("/exchanges?infno=1101")
    person.page.click("table tbody a >> nth=0")
    person.page.click("text=查看遮盖后的报文")
    person.page.wait_for_selector("#messages .sides")
    assert "440899198507241019" not in person.page.content()
    person.shot("masked", whole=True)
    person.page.click("text=退出")
    person.page.wait_for_url(re.compile("/sign-in"))


@pytest.mark.parametrize(
    "person", [("insurance", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_insurance_office_reconciles_a_day(person: Person, console: tuple[Bench, str]) -> None:
    page, simulator = person.page, console[0].house.simulator
    assert simulator is not None
    day = f"2026-03-{1 + list(SIZES).index(person.size):02d}"
    for amount in ("12.34", "9876543.21"):
        simulator.plant({"kind": "extra", "psn_no": "44080000000001", "amount": amount, "insutype": "310",
                         "clr_type": "11", "day": day})  # fmt: skip
    person.open(f"/reconcile/{day}")
    page.click("button:has-text('对账')")
    page.wait_for_selector(
        "td:has-text('9876543.21')"
    )  # the page is loaded anew by itself once the comparison has ended
    page.wait_for_function("!document.querySelector('#comparing[hx-get]')")
    person.shot("reconcile-day", whole=True)
    simulator.clear_planted()
    page.click("button:has-text('复核')")
    page.wait_for_selector(".chip:has-text('已结')")
    page.wait_for_function("!document.querySelector('#comparing[hx-get]')")
    assert page.locator("main .chip:has-text('未结')").count() == 0
    person.shot("reconcile-repaired", whole=True)
    person.open("/reconcile?month=2026-03")
    person.shot("reconcile-month", whole=True)
    person.open("/reconcile/cases?state=all")
    assert "9876543.21" in page.inner_text("main")
    person.shot("reconcile-cases", whole=True)


@pytest.mark.parametrize(
    "person", [("pharmacy", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_pharmacy_looks_into_a_catalog(person: Person, console: tuple[Bench, str]) -> None:
    page, store = person.page, console[0].parts.store.catalogs
    if store.one("1306") is None:
        catalogs_kept(console[0], "V1", [catalog_record(n, f"一次性使用无菌注射器 {n}") for n in range(1, 60)])
        newer = [catalog_record(1, "一次性使用无菌注射器（带针）" * 4), catalog_record(2, "注射器", valid=False)]
        catalogs_kept(console[0], "V2", [*newer, catalog_record(70, "人工髋关节假体")])
        columns = (("rid", "唯一记录号"),)
        store.begin(
            NewVersion("1306", "V2", "V3", False, "sha", None, 500_000, columns), "医用耗材", console[0].clock()
        )
    person.open("/catalogs")
    assert "正在导入" in page.inner_text("main")
    person.shot("catalogs", whole=True)
    page.click("a:has-text('V2')")
    person.shot("catalog-changes", whole=True)
    page.click("nav[aria-label=变化] >> text=撤销")
    assert "人工髋关节假体" not in page.inner_text("main")
    person.open("/catalogs/1306")
    page.fill(".filters input[name=q]", "一次性")
    page.click(".filters button")
    page.wait_for_selector("text=查到的条目")
    person.shot("catalog-search", whole=True)
    page.click("a:has-text('C3') >> nth=0")
    assert "耗材名称" in page.inner_text("main")
    person.shot("catalog-record", whole=True)
