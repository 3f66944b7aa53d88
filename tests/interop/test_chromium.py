"""The console in Debian's Chromium: each role's story, both screen sizes, accessibility, and nothing leaves the host.

Screenshots are kept in ``var/screenshots`` (``YIBAO_SHOTS``) for people to look at.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.console.application import build_application
from gateway.exchange.ports import Proof, ProofKind, State
from gateway.stays.history import Adopted, Record, WardEvent
from gateway.stays.ports import StayRef
from gateway.store.catalogs import NewVersion
from tests.console.kit import PASSWORD, ROLES, Bench, bench
from tests.console.test_catalogs import kept as catalogs_kept
from tests.console.test_catalogs import record as catalog_record
from tests.console.test_reconcile import ended
from tests.console.test_stays import LEAVING, OPERATIONS
from tests.running import house
from tests.stays.ways import Stay

pytestmark = pytest.mark.interop
SHOTS = Path(os.environ.get("YIBAO_SHOTS", Path(__file__).parents[2] / "var" / "screenshots"))
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SIZES = {"1366x768": (1366, 768), "1920x1080": (1920, 1080)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PERSON = b'{"infno":"1101","input":{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"440899198507241019"}}}'


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    with house(tmp_path_factory.mktemp("chromium")) as found:
        made = bench(found)
        lively(made)
        with served(made) as base:
            yield made, base


def lively(made: Bench) -> None:
    """A day's worth of things to look at."""
    stays(made)
    for number in range(60):
        state = State.DECLINED if number % 13 == 5 else State.CONFIRMED
        infno = ("1101", "2401", "2301", "2303", "2304", "5201")[number % 6]
        keys = (
            ("mdtrt_id", f"44080011419830905{number:04d}"),
            ("ipt_no", f"ZY26112{number:04d}"),
            ("certno", "440899198507241019"),
        )
        received = made.clock() - timedelta(minutes=7 * (60 - number) % 170)
        made.exchange(
            state, infno=infno, keys=keys, received_at=received, platform_request=PERSON,
            finished_at=received + timedelta(milliseconds=60 + 23 * (number % 11)), request_id=f"HIS-{number}",
            err_msg="该人员待遇冻结，不能办理" if state is State.DECLINED else "", busy_keys=(f"k{number}",),
        )  # fmt: skip
    doubt = made.exchange(
        State.ESCALATED,
        infno="2207",
        keys=(("mdtrt_id", "MZ-778"), ("psn_no", "P1")),
        busy_keys=("e",),
        err_msg="核实 12 次没有结果，请人工核对",
    )
    made.journal.add_proof(doubt.id, Proof(ProofKind.REVERSE, made.clock(), "冲正 2601：没有可用的答复", "2601"))
    made.exchange(
        State.IN_DOUBT, infno="2304", keys=(("mdtrt_id", "ZY-9"),), busy_keys=("d",), err_msg="没有收到平台答复"
    )
    made.clock.ahead += timedelta(seconds=60)
    made.parts.figures.catch_up()


def stays(made: Bench) -> Stay:
    """A hundred patients, one with a course and long names."""
    first, records = Stay(made.house, "json").admit(), made.house.gateway.store.journal.stays
    first.refused("2402", first.discharge(), "ET02-02")
    long = "心血管内科重症监护与介入治疗联合病区（东院区三号楼）"
    first.ward_in(ward_name=long, recorded_time="2026-02-20 10:09:31")
    first.ask("WardTransfer", event_id="E2", ward_code="N05", ward_name="康复医学科", event_time="2026-02-23 09:00:00")
    records.keep(first.ipt_no, Record("operations", 1, made.clock(), OPERATIONS), "his")
    for number in range(60):
        other = StayRef(f"ZY26{number:06d}", f"4408001100000{number:013d}")
        facts = {
            "mdtrt_id": other.mdtrt_id,
            "psn_no": f"44080000{number:06d}",
            "ipt_no": other.ipt_no,
            "in_hospital": "1",
        }
        facts["begntime"] = f"2026-11-{number % 20 + 1:02d} 08:12:00"
        records.adopt(other, facts["psn_no"], Adopted("import", made.clock(), facts=facts))
        if number % 5:
            event = WardEvent("E1", "ward_in", made.clock(), f"2026-11-{number % 20 + 1:02d} 10:{number:02d}:00",
                              ward_code=f"N{number % 9:02d}", ward_name="内科", operator="护士")  # fmt: skip
            records.tell(other.ipt_no, other.mdtrt_id, event, "his")
    made.house.gateway.episodes.catch_up()
    return first


@contextmanager
def served(made: Bench) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(build_application(made.parts), port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started and thread.is_alive():
        ready.wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = shutil.which("chromium")
        assert found, "chromium is not installed"
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Person:
    """Somebody at a screen; nothing they do may reach beyond this host or fail in the browser."""

    def __init__(self, chromium: Any, base: str, role: str, size: str) -> None:
        width, height = SIZES[size]
        self.base, self.role, self.size = base, role, size
        self.page = chromium.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(20_000)
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self.page.on(
            "request",
            lambda asked: self.strangers.append(asked.url) if not asked.url.startswith((base, "data:")) else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def sign_in(self) -> None:
        self.page.goto(self.base + "/sign-in")
        self.shot("sign-in")
        self.page.fill("[name=name]", self.role)
        self.page.fill("[name=password]", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.base + "/")

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def shot(self, name: str, *, whole: bool = False) -> None:
        """Kept for people, and looked at for what machines can see."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}-{self.role}-{self.size}.png", full_page=whole)
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[self.size][0], f"{name} is wider than the screen"
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        told = [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found["violations"]]
        assert told == [], (name, told)

    def done(self) -> None:
        self.page.close()
        assert self.strangers == []
        assert self.complaints == []


@pytest.fixture
def person(chromium: Any, console: tuple[Bench, str], request: pytest.FixtureRequest) -> Iterator[Person]:
    role, size = request.param
    made = Person(chromium, console[1], role, size)
    made.sign_in()
    yield made
    made.done()


BOTH = [(role, size) for role in ROLES for size in SIZES]


@pytest.mark.parametrize("person", BOTH, indirect=True, ids=lambda pair: "-".join(pair))
def test_chromium_every_page_of_every_role(person: Person) -> None:
    menu = person.page.eval_on_selector_all(".side li a", "found => found.map(one => one.getAttribute('href'))")
    assert menu[0] == "/"
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
    page.wait_for_selector("#messages .fields")
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
    assert "已了结" in page.inner_text("[role=status]")
    assert console[0].journal.get(escalated.id).state is State.NOT_DONE


@pytest.mark.parametrize(
    "person", [("cashier", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_cashier_discharges_a_patient(person: Person, console: tuple[Bench, str]) -> None:
    page, made = person.page, console[0]
    number = stays(made).ipt_no
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
    page, stay = person.page, stays(console[0])
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
    opened.value.screenshot(path=SHOTS / f"voucher-{person.size}.png")
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
    person.page.wait_for_selector("#messages .fields")
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
    page.wait_for_selector("[role=status]")
    ended()
    page.reload()
    assert "9876543.21" in page.inner_text("main")
    person.shot("reconcile-day", whole=True)
    person.open("/reconcile?month=2026-03")
    person.shot("reconcile-month", whole=True)


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
