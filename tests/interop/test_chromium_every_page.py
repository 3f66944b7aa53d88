"""Every page of the console, taken from its own routes, in one Chromium: axe, width, errors, and nothing leaves the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.console.area import PUBLIC, Page
from gateway.console.areas import AREAS
from tests.console.kit import ROLES, Bench, bench
from tests.console.lively import Day, day, lively
from tests.interop.browsing import SIZES, Person, served, sheets
from tests.running import house

pytestmark = pytest.mark.interop
LOOKS = [page for area in AREAS for page in area.pages if page.method == "GET"]
PARTS = {"/exchanges/{exchange_id}/body"} | {page.path for page in LOOKS if page.quiet}
"""They stand in a page and are put into one here."""
FILES = {"/exchanges/{exchange_id}/body/{part}": ".txt"}
FILES |= {page.path: ".csv" for page in LOOKS if page.path.endswith(".csv")}
"""Taken away, not opened."""
PAPERS = {"/stays/vouchers/look"}
"""Sheets for a printer, wider than no screen."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, Day, str]]:
    with house(tmp_path_factory.mktemp("pages")) as found:
        made = bench(found)
        lively(made)
        told = day(made)
        with served(made) as base:
            yield made, told, base


@pytest.fixture(scope="module")
def people(lived: tuple[Bench, Day, str], chromium: Any) -> Iterator[dict[str, Person]]:
    """Those whose screens are needed, each signed in once."""
    made, _, base = lived
    wanted = {_who(made, page) for page in LOOKS}
    found = {role: Person(chromium, base, role, "1366x768") for role in wanted if role}
    for person in found.values():
        person.sign_in()
    yield {**found, "": Person(chromium, base, "", "1366x768")}
    for person in found.values():
        person.done()
    for size in SIZES:
        sheets(f"page-*-{size}.png", f"sheet-{size}")


def _who(made: Bench, page: Page) -> str:
    """Whose screen a page is looked at on; nobody's for what is there before one signs in."""
    if page.right is PUBLIC:
        return ""
    return next(role for role in ROLES if made.parts.roles[role].may(page.right))


@pytest.mark.parametrize("page", LOOKS, ids=lambda page: page.path)
def test_chromium_opens_every_page(lived: tuple[Bench, Day, str], people: dict[str, Person], page: Page) -> None:
    made, told, _ = lived
    addresses = told.pages[page.path]  # a route that lively.day does not know fails here
    person = people[_who(made, page)]
    for number, address in enumerate(addresses):
        if suffix := FILES.get(page.path):
            _taken(person, address, suffix)
            continue
        _opened(person, page, address)
        assert person.looked_at() == [] or page.path in PAPERS, address
        on_screen, on_paper = _tables_on_screen_and_paper(person)
        assert on_paper == on_screen, (address, "a list that is on the screen is on the paper too")
        name = f"page{page.path.replace('/', '-').replace('{', '').replace('}', '')}-{number or ''}".rstrip("-")
        person.picture(name)
        assert person.wide(name) == "" or page.path in PAPERS, address
        assert (person.strangers, person.complaints) == ([], []), address


def test_chromium_looks_at_what_only_some_roles_see(lived: tuple[Bench, Day, str], chromium: Any) -> None:
    """The same page is another one for who may do less: whatever differs from what was looked at above is looked at too."""
    made, told, base = lived
    found = [Person(chromium, base, role, "1366x768") for role in ROLES]
    known: dict[str, set[str]] = {}
    for person in found:
        person.sign_in()
        for page in LOOKS:
            right = page.right
            if right is PUBLIC or page.path in PARTS | PAPERS | FILES.keys():
                continue
            if not made.parts.roles[person.role].may(right):
                continue
            address = told.pages[page.path][0]
            shapes, shape = known.setdefault(page.path, set()), person.shape(address)
            if shape in shapes or (not shapes and person.role == _who(made, page)):
                shapes.add(shape)
                continue
            shapes.add(shape)
            person.open(address)
            assert person.looked_at() == [], (person.role, address)
            person.picture(f"role{page.path.replace('/', '-').replace('{', '').replace('}', '')}")
        person.done()
    assert sum(len(shapes) for shapes in known.values()) > len(known), "roles see different pages at all"


def _opened(person: Person, page: Page, address: str) -> None:
    if page.path not in PARTS:
        answer = person.page.goto(person.base + address)
        assert answer.status == 200, address
        return
    person.open("/")
    person.page.evaluate("path => htmx.ajax('GET', path, {target: '#main', swap: 'innerHTML'})", address)
    person.page.wait_for_function("!document.querySelector('#todo')")


def _taken(person: Person, address: str, suffix: str) -> None:
    with person.page.expect_download() as taken:
        person.page.evaluate("path => { location.href = path }", address)
    assert taken.value.suggested_filename.endswith(suffix)


def _tables_on_screen_and_paper(person: Person) -> tuple[list[int], list[int]]:
    """Rows of every table that is seen, on the screen and as it would be printed."""
    seen = """() => Array.from(document.querySelectorAll('table.rows')).map(
        one => one.offsetHeight ? one.querySelectorAll('tr').length : 0)"""
    on_screen = person.page.evaluate(seen)
    person.page.emulate_media(media="print")
    on_paper = person.page.evaluate(seen)
    person.page.emulate_media(media="screen")
    return on_screen, on_paper


@pytest.mark.parametrize(
    ("style", "cut"),
    [("overflow: hidden", True), ("overflow-x: auto", False), ("overflow: hidden; text-overflow: ellipsis", True)],
)
def test_chromium_what_is_cut_off_is_found(lived: tuple[Bench, Day, str], chromium: Any, style: str, cut: bool) -> None:
    """Of the look itself: what a reader cannot come to, and what a scroll bar or a title gives them."""
    person = Person(chromium, lived[2], "", "1366x768")
    person.open("/sign-in")
    for title, found in (("", cut), ("the whole", cut and "ellipsis" not in style)):
        person.page.evaluate(
            """([style, title]) => {
              const wide = document.createElement('p');
              wide.style = `width: 90px; white-space: nowrap; ${style}`; wide.tabIndex = 0; wide.title = title;
              wide.textContent = 'a sentence that needs more than ninety pixels';
              document.querySelector('main').replaceChildren(wide);
            }""",
            [style, title],
        )
        seen = [one for one in person.looked_at() if "cut off" in one]
        assert bool(seen) == found, (title, seen)
    person.page.close()


def test_chromium_a_page_that_no_longer_refreshes_says_so(lived: tuple[Bench, Day, str], chromium: Any) -> None:
    person = Person(chromium, lived[2], "insurance", "1366x768")
    person.sign_in()
    page = person.page
    page.route("**/running", _refreshed_every_second)
    person.open("/running")
    told = page.locator("#stale")
    assert told.is_hidden()
    page.context.set_offline(True)
    told.filter(has_text=re.compile(r"^页面已停止更新，停在 \d\d:\d\d:\d\d")).wait_for()
    page.wait_for_selector("#status.stopped")
    person.picture("stopped")
    page.context.set_offline(False)
    told.wait_for(state="hidden")
    assert not page.query_selector(".stopped")
    page.focus("#figures .tabs a")
    told.filter(has_text="暂不更新").wait_for()
    person.picture("held")
    with page.expect_response(re.compile("/running/figures")):
        page.focus("#main")
    told.wait_for(state="hidden")
    person.complaints[:] = [one for one in person.complaints if not re.search("ERR_INTERNET_DISCONNECTED|htmx:", one)]
    person.done()


def _refreshed_every_second(route: Any) -> None:
    """The page as it is, only that nobody has to wait for its five seconds."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("every 5s", "every 1s"))
