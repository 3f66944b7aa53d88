"""Main days of the roles that ``test_chromium.py`` does not tell of: fees, lists, alerts, acceptance, vouchers again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from gateway import clock
from gateway.stays.history import Record
from gateway.stays.hospital_fake import MemoryHospital
from gateway.store.alerts import Found
from tests.console.kit import Bench
from tests.console.lively import OPERATIONS, day_surgery_kept
from tests.interop.browsing import SIZES, Person
from tests.jobs.test_fee_upload import Ward
from tests.stays.listing import settled, tell
from tests.stays.ways import Stay

pytestmark = pytest.mark.interop
WITHIN_MS = 60_000


@pytest.fixture
def person(chromium: Any, console: tuple[Bench, str], request: pytest.FixtureRequest) -> Iterator[Person]:
    role, size = request.param
    made = Person(chromium, console[1], role, size)
    made.sign_in()
    yield made
    made.done()


def by(role: str) -> Any:
    """At both sizes."""
    return pytest.mark.parametrize(
        "person", [(role, size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
    )


@by("insurance")
def test_chromium_fees_go_up_while_one_watches_and_bad_rows_are_explained(
    person: Person, console: tuple[Bench, str]
) -> None:
    page, gateway = person.page, console[0].house.gateway
    ward = Ward(console[0].house, Stay(console[0].house, "json").admit().aligned(), his=MemoryHospital({"fees": []}))
    wrong: dict[int, dict[str, Any]] = {3: {"pric": Decimal(9999)}, 5: {"fee_ocur_time": "2026-02-20 01:00:00"}}
    for number in range(12):
        ward.charge(number, **wrong.get(number, {}))
    gateway.episodes.catch_up()
    assert console[0].house.simulator is not None
    console[0].house.simulator.add_fault({"infno": "2301", "kind": "delay", "seconds": 2.5})
    gateway.__dict__["his"] = (ward.his, {})
    try:
        person.open("/fees")
        page.fill("[data-find]", ward.stay.ipt_no)
        page.click("button:has-text('查询')")
        page.check(f"[aria-label='选择 {ward.stay.ipt_no}']")
        person.shot("fees-chosen", whole=True)
        page.click("button:has-text('上传选中病人的费用')")
        page.wait_for_selector("#upload .chip.run")
        person.shot("fees-going", whole=True)
        page.wait_for_selector("#upload:has-text('最近一次')", timeout=WITHIN_MS)
        assert gateway.runner.idle(60)
    finally:
        del gateway.__dict__["his"]
    person.open(f"/fees?q={ward.stay.ipt_no}")
    person.shot("fees-done", whole=True)
    page.click("a.chip.bad")
    assert "金额不符" in page.inner_text("main")
    person.shot("fees-bad-rows", whole=True)


@by("insurance")
def test_chromium_a_list_is_checked_uploaded_and_refused(person: Person, console: tuple[Bench, str]) -> None:
    page, made = person.page, console[0]
    stay = Stay(made.house, "json").admit()
    setl_id = settled(stay)
    made.house.gateway.episodes.catch_up()
    person.open("/lists")
    person.shot("lists-waiting", whole=True)
    person.open(f"/lists/one?mdtrt_id={stay.mdtrt_id}&setl_id={setl_id}")
    assert "现在不能上传" in page.inner_text("main")
    person.shot("list-not-told", whole=True)
    tell(stay, poscode="12")
    page.reload()
    assert "提示" in page.inner_text("#poscode")
    person.shot("list-warned", whole=True)
    simulator = made.house.simulator
    assert simulator is not None
    simulator.add_fault({"infno": "4101A", "kind": "refuse"})
    page.click("button:has-text('上传清单')")
    page.wait_for_selector(".alert.bad:has-text('GW-3000')")
    person.shot("list-declined", whole=True)
    assert len(person.complaints) == 1, "the browser tells of the answer 409, which is right here"
    person.complaints.clear()
    page.click("button:has-text('上传清单')")
    page.wait_for_selector(".flash.ok:has-text('清单已上传')")
    simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "主诊断有误"})
    page.click("button:has-text('查询状态')")
    page.wait_for_selector(".alert.bad:has-text('审核不通过')")
    person.shot("list-refused", whole=True)
    page.click("button:has-text('改回未提交')")
    page.wait_for_selector("button:has-text('重新上传')")
    person.open("/lists?tab=listed")
    assert setl_id in page.inner_text("main")
    person.shot("lists-listed", whole=True)


@by("insurance")
def test_chromium_a_disease_is_found_while_one_types_and_the_category_changed(
    person: Person, console: tuple[Bench, str]
) -> None:
    page, made = person.page, console[0]
    day_surgery_kept(made)
    stay = Stay(made.house, "json").admit().aligned()
    made.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, clock.now(), OPERATIONS), "his")
    person.open(f"/stays/category?mdtrt_id={stay.mdtrt_id}")
    page.wait_for_selector("#diseases a:has-text('RJ0003')")
    person.shot("category-choose", whole=True)
    page.locator("input[hx-get]").press_sequentially("息肉")
    page.wait_for_selector("#diseases tbody tr:only-child:has-text('RJ0003')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('变更医保类别')")
    person.shot("category-sides", whole=True)
    person.open(f"/stays/category?mdtrt_id={stay.mdtrt_id}&dise_codg=RJ0002&q=RJ")
    person.shot("category-not-listed", whole=True)
    page.click("#diseases a:has-text('RJ0001')")
    page.click("button:has-text('变更医保类别')")
    page.wait_for_selector(".flash.ok:has-text('医保类别已变更')")


@by("insurance")
def test_chromium_a_month_is_looked_through_a_case_remarked_and_a_fee_undone(
    person: Person, console: tuple[Bench, str]
) -> None:
    page, made = person.page, console[0]
    stay = Stay(made.house, "json").admit().aligned()
    stay.done("2301", stay.fees("2026-02-20 09:30:00", "2026-02-21 09:00:00", "2026-02-22 09:00:00"))
    made.house.gateway.episodes.catch_up()
    person.open("/review/month?month=2026-02&by=t_ward")
    page.click("button.main:has-text('2026-02')")
    page.wait_for_selector("#month-run:has-text('最近一次核查')", timeout=WITHIN_MS)
    person.open("/review/month?month=2026-02&by=t_ward&code=ET02-05")
    person.shot("month", whole=True)
    page.click(f"tbody a:has-text('{stay.ipt_no}')")
    page.fill("textarea", "费用时间早于入科，已通知收费处更正")
    person.shot("case", whole=True)
    page.click("button:has-text('记下备注')")
    page.wait_for_selector(".flash.ok:has-text('备注已记下')")
    person.open(f"/review?q={stay.ipt_no}")
    person.shot("review-remarked", whole=True)
    person.open(f"/fees/undo?mdtrt_id={stay.mdtrt_id}")
    person.shot("fee-undo", whole=True)
    page.check("[aria-label='本页全选']")
    page.uncheck("tbody tr:nth-child(2) input")
    page.click("button:has-text('撤销选中的行')")
    page.fill("[name=reason]", "发生时间录错，更正后重传")
    person.shot("fee-undo-confirm", whole=True)
    page.click("button:has-text('撤销 2 行')")
    page.wait_for_selector(".flash.ok:has-text('已撤销 2 行')")
    person.shot("fee-undone", whole=True)


@by("it")
def test_chromium_an_alert_is_raised_and_cleared(person: Person, console: tuple[Bench, str]) -> None:
    page, alerts = person.page, console[0].parts.store.alerts
    told = f"平台客户端证书 还有 6 天到期 {person.size}"
    alerts.settle([Found("certificate", "bad", told, subject="client", node="w1")], {"certificate"}, "w1", clock.now())
    person.open("/")
    assert told in page.inner_text("#todo")
    person.shot("home-alerted", whole=True)
    page.click("#todo a:has-text('换好即生效')")
    page.wait_for_url(person.base + "/running")
    person.shot("running-alerted", whole=True)
    alerts.settle([], {"certificate"}, "w1", clock.now())
    person.open("/running/alerts")
    assert told in page.inner_text("section:has(h2:has-text('已恢复'))")
    person.shot("alerts-cleared", whole=True)


@by("it")
def test_chromium_a_vendor_is_accepted_on_paper(person: Person, console: tuple[Bench, str]) -> None:
    page = person.page
    person.open("/conformance")
    page.select_option("[name=client]", "his")
    page.click("button:has-text('开始')")
    page.wait_for_selector("a:has-text('验收报告')")
    Stay(console[0].house, "json").admit()
    with page.expect_response(re.compile("/conformance/items")):
        pass  # it comes by itself
    person.shot("conformance", whole=True)
    page.click("a:has-text('验收报告')")
    page.wait_for_selector("h1:has-text('验收报告')")
    person.shot("conformance-report", whole=True)
    page.emulate_media(media="print")
    person.picture("conformance-report-printed", whole=True)
    paper = PdfReader(BytesIO(page.pdf(format="A4")))
    assert "1101" in paper.pages[0].extract_text(), "the items begin under the head, not on a page of their own"
    assert not page.is_visible(".side")
    page.emulate_media(media="screen")


@by("cashier")
def test_chromium_a_voucher_is_printed_again(person: Person, console: tuple[Bench, str]) -> None:
    page, stay = person.page, Stay(console[0].house, "json").admit()
    settled(stay)
    person.open(f"/stays/vouchers?mdtrt_id={stay.mdtrt_id}")
    for title, count in (("打印出院结算收据", 1), ("重打凭证", 2)):
        with page.context.expect_page() as opened:
            page.click(f"[aria-label^='{title}']")
        opened.value.wait_for_selector("footer")
        assert f"第 {count} 次打印" in opened.value.inner_text("footer")
        assert ("重打" in opened.value.inner_text("body")) == (count > 1)
        opened.value.set_viewport_size({"width": 900, "height": 1200})
        person.picture(f"voucher-{count}", of=opened.value)
        opened.value.close()
        page.reload()
    assert "2 次" in page.inner_text("main")
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)")
    person.shot("vouchers-again", whole=True)
