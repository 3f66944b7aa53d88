"""Every page and every form of the console, taken from its own routes: strangers' texts, forged forms, roles, exports.

``lively.day`` says how each route is asked for; a route it does not know fails here, so that no new page is forgotten.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import event, make_url
from sqlalchemy.engine import Engine

from gateway import clock
from gateway.console import sessions
from gateway.console.application import areas_of
from gateway.console.area import PUBLIC, Page
from gateway.console.areas import AREAS
from gateway.console.parts import Desk
from gateway.exchange.ports import State
from gateway.stays.history import Adopted, Record, WardEvent
from gateway.stays.ports import StayRef
from gateway.store.jobs import Ended, RunOutcome
from gateway.store.recon import Compared, NewCase
from gateway.store.stay_feed import Episode
from tests.console.kit import ROLES, Bench, Browser, tree
from tests.console.lively import Day, day, named
from tests.console.test_jobs import kept
from tests.console.test_pages import HOSTILE, harmless

PAGES = [page for area in AREAS for page in area.pages]
LOOKS = [page for page in PAGES if page.method == "GET"]
FORMS = [page for page in PAGES if page.method == "POST"]
LOOKING = {
    "note",
    "seen",
    "reconcile_running",
    "stay_aligning",
    "voucher_list",
    "voucher_look",
    "his_report",
}
"""What a page that only shows something may ask of the exchange process."""
FORMULAS = ("=cmd|'/c calc'!A1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "＝1+1", " =1+1", "\n@SUM(1)")
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://console.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)
NUMBER = "440899198507241019"
"""An identity number, somewhere in what people write."""
PAPER = "/stays/vouchers/look"
"""It is made for the patient, with a right of its own, and each look is in the operator log."""
FILE = "/exchanges/{exchange_id}/body/{part}"
"""Bytes as a stranger sent them, which no browser may take for a page."""
EXPORTS = [page.path for page in LOOKS if page.path.endswith(".csv")]


@dataclass
class Recorder:
    """Forwards to the desk and keeps what it was asked."""

    desk: Desk
    asked: list[str] = field(default_factory=list)

    def do(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        return self.desk.do(operation, arguments)


@dataclass
class Watched:
    """A console whose every way to change something is watched.

    Args:
        written: statements of pages that change the store.
        sent: messages and wishes to the gateway and the simulator.
    """

    made: Bench
    day: Day
    recorder: Recorder
    written: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    @property
    def file(self) -> str:
        """Of its store."""
        return str(make_url(self.made.parts.settings.store.url).database)

    def changed(self) -> list[str]:
        """What was asked for since the last time, but for what belongs to a session."""
        found = [one for one in (*self.recorder.asked, *self.written, *self.sent) if one != "seen"]
        self.recorder.asked.clear()
        self.written.clear()
        self.sent.clear()
        return found


@pytest.fixture(scope="module")
def watched(shared: Bench) -> Iterator[Watched]:
    made = Bench(shared.house, shared.parts, shared.clock, shared.line)
    found = day(made, f"{NUMBER} {HOSTILE}", title=HOSTILE)
    recorder = Recorder(made.parts.desk)
    made.parts = replace(made.parts, desk=recorder)
    watched = Watched(made, found, recorder)

    def heard(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        ours = threading.current_thread().name.startswith("AnyIO")  # pages, not what the gateway does by itself
        writes = re.match(r"\s*(insert|update|delete|replace)", statement, re.IGNORECASE)
        if ours and writes and "console_session" not in statement:
            watched.written.append(statement)

    line, call = made.line, type(made.line).call

    def called(path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        watched.sent.append(path)
        return call(line, path, body, content_type)

    event.listen(Engine, "before_cursor_execute", heard)
    line.__dict__["call"] = called
    yield watched
    del line.__dict__["call"]
    event.remove(Engine, "before_cursor_execute", heard)


@pytest.fixture(scope="module")
def people(watched: Watched) -> dict[str, Browser]:
    return {role: watched.made.signed_in(role) for role in ROLES}


def test_every_route_of_the_console_is_known_here(watched: Watched) -> None:
    there = {(page.method, page.path) for area in areas_of(watched.made.parts) for page in area.pages}
    known = {("GET", path) for path in watched.day.pages} | {("POST", path) for path in watched.day.forms}
    assert there == known, "lively.day says for every route how it is asked for"


# ------------------------------------------------------------------ strangers' texts


@pytest.mark.parametrize("role", ["insurance", "it", "cashier"])
def test_a_strangers_text_is_text_on_every_page(watched: Watched, role: str) -> None:
    browser, rights = watched.made.signed_in(role), watched.made.parts.roles[role]
    watched.changed()
    seen = 0
    for page in LOOKS:
        if page.right is PUBLIC or page.path in EXPORTS or not rights.may(page.right):
            continue
        for address in watched.day.pages[page.path]:
            answer = browser.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
            seen += "alert(1)" in answer.text
            if page.path == FILE:
                told = answer.headers
                assert told["content-disposition"].startswith("attachment; filename="), address
                assert (told["content-type"].partition(";")[0], told["x-content-type-options"]) == (
                    "text/plain",
                    "nosniff",
                )
            elif page.path == PAPER:
                assert not tree(answer.text).xpath("//script | //img[@src='x'] | //*[@onerror]"), address
            else:
                harmless(answer.text, address)
        assert set(watched.changed()) <= LOOKING | set(watched.written), page.path
    assert seen >= {"insurance": 20, "it": 12, "cashier": 8}[role], "the stranger's text is on the pages at all"


def test_who_may_not_see_bodies_finds_no_persons_number_in_any_text(
    watched: Watched, people: dict[str, Browser]
) -> None:
    roles = watched.made.parts.roles
    without = [role for role in ROLES if not roles[role].may("exchange.body")]
    shown = [
        (role, address)
        for page in LOOKS
        if page.right and page.path != PAPER
        for may in [[role for role in without if roles[role].may(page.right)]]
        for role in {*may[:1], *may[-1:]}  # of those between no page shows more
        for address in watched.day.pages[page.path]
        if NUMBER in people[role].get(address).text
    ]
    assert shown == []
    assert NUMBER in people["insurance"].page("/exchanges"), "it is there for who may see it"


CROOKED = ("%2e%2e%2fetc", "%00", "-1", "9" * 40, "%E4%B8%80", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%27%20OR%201=1", "١", "x" * 3000, "9999-12-31", "0001-01-01")  # fmt: skip


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "{" in page.path], ids=lambda page: f"{page.method} {page.path}"
)
def test_a_crooked_address_leads_nowhere(watched: Watched, people: dict[str, Browser], page: Page) -> None:
    role = next(role for role in ROLES if watched.made.parts.roles[role].may(page.right or ""))
    browser = people[role]
    mark = browser.mark()
    for crooked in CROOKED:
        address = re.sub(r"\{[^}]+\}", crooked, page.path)
        answer = browser.get(address) if page.method == "GET" else browser.post(address, csrf=mark)
        assert answer.status_code in (303, 403, 404, 405, 409, 422), (address, answer.status_code)
        if answer.text:
            harmless(answer.text, address)


@pytest.mark.parametrize("path", [page.path for page in LOOKS if page.right and "{" not in page.path])
def test_a_crooked_question_is_answered_in_words(watched: Watched, people: dict[str, Browser], path: str) -> None:
    """Whatever stands after the question mark."""
    page = next(page for page in LOOKS if page.path == path)
    role = next(role for role in ROLES if watched.made.parts.roles[role].may(page.right or ""))
    names = ("q", "page", "before", "since", "until", "sort", "tab", "month", "window", "mdtrt_id", "ipt_no", "setl_id", "kind", "client", "fees", "job")  # fmt: skip
    for text in (
        HOSTILE,
        "\0",
        "9" * 30,
        "-1",
        "２０２６-01-01",
        "0000-00-00",
        "' OR 1=1 --",
        "9999-12-31",
        "0001-01-01",
        "9999-12",
        "0001-01",
    ):
        answer = people[role].get(path, params=dict.fromkeys(names, text))
        assert answer.status_code in (200, 404, 409), (path, text, answer.status_code)
        if "html" in answer.headers["content-type"]:
            harmless(answer.text, path)


BAD = "\"'><img src=x onerror=a>"
"""Short enough for every number that a HIS gives."""


def test_a_strangers_number_is_text_too(shared: Bench) -> None:
    """住院号, 就诊 ID, 病区, 编码, 明细号 ...: what is no name, and still comes from outside."""
    ref, records = StayRef(f"{BAD}1", f"{BAD}2"), shared.parts.store.journal.stays
    facts = {"mdtrt_id": ref.mdtrt_id, "psn_no": f"{BAD}3", "ipt_no": ref.ipt_no, "in_hospital": "1", "begntime": "2026-11-01 08:12:00",
             "med_type": "21", "insutype": BAD, "adm_dept_codg": BAD}  # fmt: skip
    records.adopt(ref, facts["psn_no"], Adopted("import", clock.now(), facts=facts))
    event = WardEvent(BAD, "ward_in", clock.now(), "2026-11-01 10:00:00", ward_code=BAD, ward_name=BAD, operator=BAD)
    records.tell(ref.ipt_no, ref.mdtrt_id, event, "his")
    operations = ({"oprn_oprt_code": BAD, "oprn_oprt_name": BAD, "oprn_oprt_type": "1", "oper_dr_code": BAD},)
    records.keep(ref.ipt_no, Record("operations", 1, clock.now(), operations), BAD)
    records.keep(
        ref.ipt_no,
        Record("diagnoses", 1, clock.now(), ({"diag_code": BAD, "diag_name": BAD, "diag_srt_no": BAD},)),
        BAD,
    )
    rows = ({"feedetl_sn": BAD, "med_list_codg": BAD, "fee_ocur_time": "2026-11-01 09:00:00", "det_item_fee_sumamt": "1", "cnt": "1", "pric": "1"},)  # fmt: skip
    records.keep(ref.ipt_no, Record("emergency_fees", 1, clock.now(), rows), BAD)
    shared.house.gateway.episodes.catch_up()
    browser, asked, seen = shared.signed_in("insurance"), urlencode(named(ref)), 0
    one = ("one", "alignment", "discharge", "revoke", "category", "emergency", "vouchers")
    lists = ("/stays", "/alignment", "/review", "/emergency", "/fees", "/exchanges", "/")
    for path in (
        *(f"/stays/{name}?{asked}" for name in one),
        f"/fees/one?{asked}",
        *lists,
        f"/stays?{urlencode({'q': ref.ipt_no})}",
    ):
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        harmless(answer.text, path)
        assert not tree(answer.text).xpath("//img[@src='x'] | //*[@onerror]"), path
        seen += "onerror=a" in answer.text
    assert seen >= len(one) + 1 + 4, "the stranger's numbers are on the pages at all"


# ------------------------------------------------------------------ who may not, and who did not ask


def refusals(watched: Watched, page: Page) -> Iterator[tuple[str, Callable[[], Any], tuple[int, ...]]]:
    """Ways to have a form carried out that nobody may: told, tried, and how they may be answered."""
    address, form = watched.day.forms[page.path]
    may = [role for role in ROLES if page.right is PUBLIC or watched.made.parts.roles[role].may(page.right)]
    person, other = watched.made.signed_in(may[0]), watched.made.signed_in(may[0])
    stale = person.mark("/sign-in" if page.right is PUBLIC else "/password")
    person.sign_in(may[0])
    mine = person.mark("/sign-in" if page.right is PUBLIC else "/password")
    yield "no mark", lambda: person.client.post(address, data=dict(form)), (403,)
    yield "an empty mark", lambda: person.post(address, form, csrf=""), (403,)
    yield "the mark of another session", lambda: person.post(address, form, csrf=other.mark()), (403,)
    if page.right is not PUBLIC:
        yield "the mark of a session before", lambda: person.post(address, form, csrf=stale), (403,)
        yield "a mark in the address", lambda: person.client.post(f"{address}?csrf={mine}", data=dict(form)), (403,)
        yield "nobody is signed in", lambda: _stranger(watched, address, form, mine), (303,)
    for foreign in FOREIGN:
        yield str(foreign), lambda: person.post(address, form, csrf=mine, headers=foreign), (403,)  # noqa: B023 - called at once
    yield "as another kind", lambda: person.client.post(address, json=dict(form), headers={"X-CSRF": mine}), (400,)
    yield "by another method", lambda: person.client.put(address, data={"csrf": mine, **form}), (405,)


def _stranger(watched: Watched, address: str, form: Mapping[str, str], mark: str) -> Any:
    browser = watched.made.browser()
    browser.client.cookies.set(sessions.COOKIE, "f" * 43)
    return browser.post(address, form, csrf=mark)


def test_a_link_carries_nothing_out(watched: Watched, people: dict[str, Browser]) -> None:
    """A form in an address is what a picture in a mail can ask for."""
    for page in FORMS:
        address, form = watched.day.forms[page.path]
        role = next(role for role in ROLES if page.right is PUBLIC or watched.made.parts.roles[role].may(page.right))
        mark = people[role].mark()
        watched.changed()
        answer = people[role].get(address, params={**form, "csrf": mark})
        assert answer.status_code in (200, 404, 405, 409), (address, answer.status_code)
        assert set(watched.changed()) <= LOOKING, address


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
def test_a_form_that_nobody_may_send_changes_nothing(watched: Watched, page: Page) -> None:
    for told, tried, answers in refusals(watched, page):
        watched.changed()
        answer = tried()
        assert answer.status_code in answers, (told, answer.status_code)
        assert watched.changed() == [], told


@pytest.mark.parametrize("page", [page for page in PAGES if page.right], ids=lambda page: f"{page.method} {page.path}")
def test_who_lacks_the_right_is_refused_and_nothing_is_asked(
    watched: Watched, people: dict[str, Browser], page: Page
) -> None:
    lacking = [role for role in ROLES if page.right and not watched.made.parts.roles[role].may(page.right)]
    for role in lacking:
        browser = people[role]
        mark = browser.mark()
        watched.changed()
        if page.method == "POST":
            address, form = watched.day.forms[page.path]
            answers = [browser.post(address, form, csrf=mark)]
        else:
            answers = [browser.get(address) for address in watched.day.pages[page.path]]
        # who has no first page of the day is sent to the first that there is
        assert {answer.status_code for answer in answers} == {303 if page.path == "/" else 403}, role
        assert watched.changed() == [], role
        assert "alert(1)" not in "".join(answer.text for answer in answers)


def test_the_same_forms_are_carried_out_for_who_may(watched: Watched) -> None:
    """Else what is refused above would be refused for another reason."""
    for page in FORMS:
        if page.path in ("/password", "/sign-out", "/sign-in"):
            continue  # tests/console/test_doors.py
        role = next(role for role in ROLES if watched.made.parts.roles[role].may(page.right or ""))
        browser = watched.made.signed_in(role)
        mark = browser.mark()
        watched.changed()
        address, form = watched.day.forms[page.path]
        log = watched.made.parts.store.operator_log
        before = log.head()[0]
        answer = browser.post(address, form, csrf=mark)
        assert answer.status_code in (200, 303), (address, answer.status_code, answer.text[:2000])
        assert watched.changed() or watched.made.line.answers == {}, address
        mine = log.entries(operator=f"某{role}（{role}）", limit=5)
        assert any(entry.seq > before for entry in mine), f"{address}: who did it stands in the operator log"


# ------------------------------------------------------------------ what a page costs a settlement

WAITED_FOR = ("exchange", "exchange_key", "exchange_body", "proof", "busy", "request_key", "stay_fact")
"""Tables that a settlement writes while somebody waits."""
ASKED_MORE = (
    "/exchanges?q=ZY1", "/exchanges?infno=2304&state=failed", "/exchanges?state=doubt&since=2026-01-01&until=2026-12-31",
    "/exchanges?client=his&before=3", "/exchanges?q=GW-4101", "/exchanges?q=2304&state=CONFIRMED", "/doubts?as=IN_DOUBT&after=3",
    "/doubts?untold=1&after=3", "/stays?q=ZY1", "/stays?presence=in_ward&alignment=differs&ward=N05&sort=t_reg",
    "/stays?since=2026-01-01&until=2026-12-31", "/fees?fees=bad&q=P1", "/review?hours_from=1&hours_to=90", "/review?q=ZY1",
    "/lists?tab=listed&page=2", "/running?window=24h", "/jobs?job=backup&before=9", "/audit?act=登录&since=2026-01-01",
)  # fmt: skip


def test_no_page_walks_a_table_that_a_settlement_waits_for(watched: Watched, people: dict[str, Browser]) -> None:
    """Of every page and every export, with and without filters: each SELECT by the plan that SQLite has for it."""
    asked: dict[str, tuple[str, Any]] = {}
    address = ""

    def heard(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        reads = re.match(r"\s*(select|with)", statement, re.IGNORECASE)
        if reads and threading.current_thread().name.startswith("AnyIO"):
            asked.setdefault(statement, (address, parameters))

    event.listen(Engine, "before_cursor_execute", heard)
    try:
        for page in LOOKS:
            role = next((role for role in ROLES if watched.made.parts.roles[role].may(page.right or "")), "it")
            more = [one for one in ASKED_MORE if one.partition("?")[0] == page.path]
            for address in (*watched.day.pages[page.path], *more):
                assert people[role].get(address).status_code in (200, 303), address
    finally:
        event.remove(Engine, "before_cursor_execute", heard)
    assert len(asked) > 60, "what pages ask is heard at all"
    with closing(sqlite3.connect(watched.file)) as connection:
        walked = [
            (where, found, statement)
            for statement, (where, parameters) in asked.items()
            for found in walks(connection, statement, parameters)
        ]
    assert walked == []


def walks(connection: sqlite3.Connection, statement: str, parameters: Any) -> list[str]:
    """Steps of the plan that read a whole table of :data:`WAITED_FOR`, or a whole index of it.

    The newest few are the end of the table or of an index: nothing narrows them, and a limit ends them.
    """
    names = {name for table in WAITED_FOR for name in (table, *re.findall(rf'\b{table} AS "?(\w+)', statement))}
    plan = [str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    sorted_first = [step for step in plan if "TEMP B-TREE" in step and "RIGHT PART" not in step]
    if not sorted_first and "LIMIT" in statement and "WHERE" not in statement:
        return []
    return [step for step in plan if step.startswith("SCAN ") and step.split()[1] in names]


def test_a_walk_is_found(watched: Watched) -> None:
    with closing(sqlite3.connect(watched.file)) as connection:
        assert walks(connection, "SELECT * FROM exchange WHERE err_msg = 'x'", ())
        assert walks(connection, "SELECT * FROM exchange AS e WHERE e.err_msg = 'x' ORDER BY id LIMIT 5", ())
        assert walks(connection, "SELECT * FROM exchange ORDER BY err_msg LIMIT 5", ())
        assert walks(connection, "SELECT count(*) FROM exchange", ())
        assert not walks(connection, "SELECT * FROM exchange ORDER BY id DESC LIMIT 5", ())
        assert not walks(connection, "SELECT * FROM exchange WHERE id = 5", ())


# ------------------------------------------------------------------ exports


def formulas(made: Bench) -> None:
    """A beginning of a formula in every text that an export can carry."""
    stays = []
    for number, text in enumerate(FORMULAS):
        stays.append(
            Episode(f"{text}{number}", f"M{text}{number}", f"{text}P", "in_ward", "differs", "none", ward_code=text,
                    ward_name=text, t_ins="2026-11-01 08:00:00", t_ward="2026-11-01 09:00:00", setl_id=text)
        )  # fmt: skip
        made.exchange(
            State.REFUSED, infno="2401", err_msg=text, request_id=f"{text}{number}", client=text,
            keys=(("ipt_no", text), ("mdtrt_id", text), ("setl_id", text)),
        )  # fmt: skip
        made.parts.store.operator_log.append(f"{text}{number}", "console.body", text, text)
    made.parts.store.stay_feed.begin("episode_time", 0, "test", stays)
    cases = [
        NewCase("only_here", "440800", "11", text, None, f"K{number}", {"cause": text, "setl_id": text, "psn_no": text})
        for number, text in enumerate(FORMULAS)
    ]
    made.parts.store.recon.keep(Compared("2026-01-05", [], cases, lambda _: False), made.clock())
    dip = [
        {"kind": "多余", "setl_id": text, "mdtrt_id": text, "ipt_no": text, "text": text, "line": 2}
        for text in FORMULAS
    ]
    told = {"written_at": clock.now().isoformat(), "since": "", "before": "", "differences": dip}
    kept(made, "dip_differences", Ended(RunOutcome.PARTIAL, {"多余": len(dip)}, detail=told))


WITH_ROWS = {"/review/month.csv": "?month=2026-11&by=t_ward"}
"""What is asked for where the file is about a time."""


@pytest.mark.parametrize("path", EXPORTS)
def test_no_export_carries_a_formula(own: Bench, path: str) -> None:
    formulas(own)
    for role in ROLES:
        browser = own.signed_in(role)
        answer = browser.get(path + WITH_ROWS.get(path, ""))
        if answer.status_code == 403:
            continue
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        cells = [cell for row in rows[1:] for cell in row]
        assert len(rows) > len(FORMULAS), path
        assert any(text in cell for cell in cells for text in FORMULAS), "the texts are in the file at all"
        wrong = [cell for cell in cells if re.match(r"[\s\u3000]*[=+@＝＋＠]|[\t\r\n]|-(?![\d.]+$)", cell)]
        assert wrong == [], (path, role)


def test_every_export_of_the_console_was_tried() -> None:
    assert len(EXPORTS) >= 4
