"""``make run`` as a newcomer has it: what it prints is typed into Chromium, and there is a lively day to look at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.demo.running import Demo, demo
from tests.interop.browsing import SIZES, Person

pytestmark = pytest.mark.interop
LISTED_S_MAX = 60
PEOPLE = {"insurance": "li", "it": "wang", "cashier": "zhang"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("run"), "--keep") as found:
        found.until("停止            Ctrl-C")
        yield found


@pytest.fixture
def person(chromium: Any, running: Demo, request: pytest.FixtureRequest) -> Iterator[Person]:
    role, size = request.param
    password = re.search(r"密码都是 (\S+)", running.output)
    console = re.search(r"控制台 +(http://127\.0\.0\.1:\d+)/", running.output)
    assert password, running.output
    assert console, running.output
    made = Person(chromium, console[1], role, size, password[1])
    made.sign_in(PEOPLE[role])
    yield made
    made.done()


def test_chromium_the_day_went_as_it_should(running: Demo) -> None:
    assert "✗" not in running.output, running.output
    assert re.search(r"✓ 另有 \d+ 次调用", running.output)


def _until_listed(person: Person, stays: int) -> None:
    """The list of stays is renewed every few seconds, beside the calls."""
    deadline = time.monotonic() + LISTED_S_MAX
    person.open("/stays")
    while person.page.locator("tbody tr").count() < stays and time.monotonic() < deadline:
        person.page.wait_for_timeout(500)
        person.open("/stays")
    assert person.page.locator("tbody tr").count() >= stays


def _until_said(person: Person, path: str, words: Sequence[str]) -> None:
    """What was begun with the last call of the day may still be going on."""
    deadline = time.monotonic() + LISTED_S_MAX
    person.open(path)
    while any(word not in person.page.inner_text("main") for word in words) and time.monotonic() < deadline:
        person.page.wait_for_timeout(500)
        person.open(path)
    text = person.page.inner_text("main")
    assert [word for word in words if word not in text] == [], path


@pytest.mark.parametrize(
    "person", [("insurance", size) for size in SIZES], indirect=True, ids=lambda pair: "-".join(pair)
)
def test_chromium_a_newcomer_finds_a_lively_day(person: Person) -> None:
    page = person.page
    _until_listed(person, stays=12)
    chips = page.locator("tbody .chip").all_inner_texts()
    for state in ("在科", "≠ 入科", "已登记", "已出院", "已撤销", "已结算"):
        assert state in chips, (state, chips)
    person.shot("demo-stays", whole=True)
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)")
    for path, words in (
        ("/alignment", ("ZY",)),
        ("/review", ("冠状动脉造影术",)),
        ("/lists", ("提示 1",)),
        ("/exchanges?state=REFUSED", ("ET02-01", "ET02-02", "GW-1101")),
        ("/exchanges?infno=2304", ("已冲正",)),
        ("/fees?fees=bad", ("ZY",)),
        ("/running", ("2301",)),
        ("/doubts", ("2503", "待人工核对")),
        ("/reconcile", ("不平",)),
        ("/reconcile/cases", ("平台多", "金额不一致")),
        ("/lists?tab=listed", ("已提交",)),
        ("/lists/dip", ("不一致",)),
        ("/emergency", ("ZY",)),
        ("/catalogs", ("西药中成药", "医疗服务项目")),
        ("/jobs?job=daily_report", ("李主任",)),
        ("/", ("待人工核对", "对账未结")),
    ):
        _until_said(person, path, words)
        person.shot(f"demo{path.partition('?')[0].replace('/', '-') if path != '/' else '-home'}", whole=True)
    person.open("/fees?fees=bad")
    page.click("tbody a.chip.bad >> nth=0")
    assert "金额" in page.inner_text("main")
    person.shot("demo-fees-one", whole=True)


@pytest.mark.parametrize("person", [("it", "1366x768")], indirect=True, ids=lambda pair: "-".join(pair))
def test_chromium_the_alert_of_the_day_is_there(person: Person) -> None:
    """The platform's answer to a cancelling was lost and nobody asked again: told within a minute or so."""
    _until_said(person, "/conformance", ("demo", "王工"))
    person.page.click("main ul.lines a >> nth=0")
    assert "通过" in person.page.inner_text("main")
    person.shot("demo-conformance", whole=True)
    person.open("/")
    person.page.wait_for_selector("#todo:has-text('院内没有收到答复')", timeout=150_000)
    person.shot("demo-home-alerted", whole=True)
