"""Every page and action against every role, forged requests, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from gateway.console import sessions
from gateway.console.area import PUBLIC
from gateway.console.areas import AREAS, RIGHTS
from gateway.console.rights import SIGNED_IN
from gateway.exchange.ports import State
from tests.console.kit import ROLES, Bench, tree

# who may, by hand and not by the file that the console reads: insurance cashier ward pharmacy operations it auditor vendor
ALL = frozenset(ROLES)
STAFF = ALL - {"vendor"}
IT = frozenset({"it"})
TRYING = frozenset({"it", "vendor"})
ACTING = frozenset({"insurance", "it"})
DISCHARGING = frozenset({"insurance", "cashier"})
CATALOGS = frozenset({"insurance", "pharmacy", "operations", "it", "auditor"})
WANTED = {
    ("GET", "/"): ALL,  # a vendor is sent on to what a vendor has
    ("GET", "/todo"): STAFF,
    ("GET", "/stays"): STAFF - {"pharmacy"},
    ("GET", "/stays/export.csv"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/stays/one"): STAFF - {"pharmacy"},
    ("GET", "/stays/alignment"): DISCHARGING,
    ("POST", "/stays/alignment"): DISCHARGING,
    ("GET", "/alignment"): STAFF - {"pharmacy"},
    ("POST", "/alignment"): DISCHARGING,
    ("GET", "/alignment/progress"): STAFF - {"pharmacy"},
    ("GET", "/stays/discharge"): DISCHARGING,
    ("POST", "/stays/discharge"): DISCHARGING,
    ("GET", "/stays/revoke"): DISCHARGING,
    ("POST", "/stays/revoke"): DISCHARGING,
    ("GET", "/review"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/review/export.csv"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/review/one"): frozenset({"insurance", "operations", "it"}),
    ("POST", "/review/one"): frozenset({"insurance"}),
    ("GET", "/review/month"): frozenset({"insurance", "operations", "it"}),
    ("POST", "/review/month"): frozenset({"insurance"}),
    ("GET", "/review/month/progress"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/review/month.csv"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/emergency"): frozenset({"insurance"}),
    ("GET", "/stays/emergency"): frozenset({"insurance"}),
    ("POST", "/stays/emergency"): frozenset({"insurance"}),
    ("GET", "/stays/vouchers"): DISCHARGING,
    ("GET", "/stays/vouchers/look"): DISCHARGING,
    ("POST", "/stays/vouchers/print"): DISCHARGING,
    ("POST", "/stays/vouchers/reprint"): DISCHARGING,
    ("GET", "/stays/category"): frozenset({"insurance"}),
    ("POST", "/stays/category"): frozenset({"insurance"}),
    ("GET", "/stays/category/diseases"): frozenset({"insurance"}),
    ("GET", "/lists"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/lists/one"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/lists/dip"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/lists/dip.csv"): frozenset({"insurance", "operations", "it"}),
    ("POST", "/lists/{act}"): frozenset({"insurance"}),
    ("GET", "/fees"): frozenset({"insurance", "cashier", "operations", "it"}),
    ("POST", "/fees"): DISCHARGING,
    ("GET", "/fees/progress"): frozenset({"insurance", "cashier", "operations", "it"}),
    ("GET", "/fees/one"): frozenset({"insurance", "cashier", "operations", "it"}),
    ("GET", "/fees/undo"): frozenset({"insurance"}),
    ("POST", "/fees/undo"): frozenset({"insurance"}),
    ("GET", "/fees/export.csv"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/audit/export.csv"): frozenset({"it", "auditor"}),
    ("GET", "/exchanges"): STAFF,
    ("GET", "/exchanges/export.csv"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/exchanges/{exchange_id}"): STAFF,
    ("GET", "/exchanges/{exchange_id}/body"): STAFF,
    ("GET", "/exchanges/{exchange_id}/body/{part}"): ACTING,
    ("POST", "/exchanges/{exchange_id}/resend"): ACTING,
    ("GET", "/doubts"): frozenset({"insurance", "cashier", "it", "auditor"}),
    ("GET", "/doubts/{exchange_id}"): frozenset({"insurance", "cashier", "it", "auditor"}),
    ("POST", "/doubts/{exchange_id}"): ACTING,
    ("GET", "/reconcile"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/reconcile/cases"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/reconcile/cases.csv"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/reconcile/progress"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/reconcile/{day}"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("POST", "/reconcile/{day}"): frozenset({"insurance"}),
    ("GET", "/catalogs"): CATALOGS,
    ("GET", "/catalogs/list"): CATALOGS,
    ("GET", "/catalogs/{infno}"): CATALOGS,
    ("GET", "/catalogs/{infno}/record"): CATALOGS,
    ("GET", "/catalogs/{infno}/versions/{version}"): CATALOGS,
    ("GET", "/running"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/running/status"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/running/figures"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/running/alerts"): frozenset({"insurance", "operations", "it"}),
    ("GET", "/jobs"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/jobs/list"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("GET", "/jobs/runs/{number}"): frozenset({"insurance", "operations", "it", "auditor"}),
    ("POST", "/jobs/{name}/run"): ACTING,
    ("GET", "/config"): IT,
    ("GET", "/debug"): TRYING,
    ("POST", "/debug/faults"): TRYING,
    ("POST", "/debug/faults/clear"): TRYING,
    ("GET", "/debug/{infno}"): TRYING,
    ("POST", "/debug/{infno}"): TRYING,
    ("GET", "/conformance"): TRYING,
    ("GET", "/conformance/items"): TRYING,
    ("POST", "/conformance"): TRYING,
    ("GET", "/conformance/report"): TRYING,
    ("GET", "/audit"): frozenset({"it", "auditor"}),
    ("POST", "/audit/verify"): frozenset({"it", "auditor"}),
    ("GET", "/users"): IT,
    ("POST", "/users"): IT,
    ("POST", "/users/{name}/password"): IT,
    ("POST", "/users/{name}/role"): IT,
    ("POST", "/users/{name}/lock"): IT,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("POST", "/sign-out"): ALL,
    ("GET", "/password"): ALL,
    ("POST", "/password"): ALL,
}
PAGES = [page for area in AREAS for page in area.pages]
CLOSED = [page for page in PAGES if page.right is not PUBLIC]
OWN = ("/sign-out", "/password")


def address(path: str, exchange_id: int = 1) -> str:
    given = {"exchange_id": exchange_id, "number": exchange_id, "infno": "1101", "day": "2000-01-01", "version": 1}
    return path.format(**given, name="nobody-of-that-name", act="no-such-act", part="no-such-part")


@pytest.fixture(scope="module")
def prepared(shared: Bench) -> Iterator[Bench]:
    shared.exchange(State.ESCALATED)
    return shared


def test_every_page_has_its_rule_here_and_every_right_a_title() -> None:
    assert {(page.method, page.path) for page in PAGES} == set(WANTED)
    assert {page.right for page in CLOSED} - {SIGNED_IN} <= set(RIGHTS)


@pytest.mark.parametrize("role", ROLES)
def test_every_page_against_every_role(prepared: Bench, role: str) -> None:
    browser = prepared.signed_in(role)
    mark = browser.mark()
    for page in CLOSED:
        if page.path in OWN and page.method == "POST":
            continue  # what one does to one's own account has tests of its own
        path = address(page.path)
        status = browser.get(path).status_code if page.method == "GET" else browser.post(path, csrf=mark).status_code
        may = role in (WANTED[page.method, page.path] or ())
        assert (status != 403) == may, (role, page.method, path, status)
        assert status < 500, (path, status)


@pytest.mark.parametrize("page", CLOSED, ids=lambda page: f"{page.method} {page.path}")
def test_nobody_comes_in_without_signing_in(prepared: Bench, page) -> None:  # type: ignore[no-untyped-def]
    browser, path, before = prepared.browser(), address(page.path), prepared.log()
    browser.client.cookies.set(sessions.COOKIE, "f" * 43)
    answer = browser.client.request(page.method, path)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
    part = browser.client.request(page.method, path, headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")
    assert prepared.log() == before


def test_a_vendor_sees_the_trying_ground_and_nothing_else(prepared: Bench) -> None:
    browser = prepared.signed_in("vendor")
    assert browser.get("/").headers["location"] == "/debug"
    for path in ("/debug", "/debug/2401", "/conformance", "/conformance?client=his&since=2026-01-01"):
        page = tree(browser.get(path).text)
        links = set(page.xpath("//nav//a/@href | //header//form/@action"))
        assert links == {"/debug", "/conformance", "/password"}, path
        assert not page.xpath("//main//a[starts-with(@href, '/exchanges') or @href='/']"), path


def test_in_production_a_vendor_has_nothing(own: Bench) -> None:
    own.parts = replace(own.parts, settings=own.parts.settings.model_copy(update={"production": True}))
    browser = own.signed_in("vendor")
    for path in ("/debug", "/conformance", "/debug/2401"):
        assert browser.get(path).status_code == 404
    answer = browser.get("/")
    assert (answer.status_code, "联调只在测试环境才有" in answer.text) == (403, True)
    assert tree(answer.text).xpath("//nav//li//a") == []


def test_a_form_that_is_too_large_is_turned_away(prepared: Bench) -> None:
    browser = prepared.signed_in("it")
    assert browser.post("/debug/1101", {"data.0.psn_no": "x" * 3_000_000}).status_code == 413
    many = "&".join(f"f{number}=1" for number in range(6000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/debug/1101", content=many, headers=headers).status_code == 400


# ------------------------------------------------------------------ sessions


def test_a_session_begins_with_a_token_nobody_chose(own: Bench) -> None:
    browser = own.browser()
    browser.client.cookies.set(sessions.COOKIE, "chosen-by-an-attacker")
    browser.get("/sign-in")
    before = browser.client.cookies.get(sessions.COOKIE_BEFORE)
    browser.client.cookies.set(sessions.COOKIE_BEFORE, before)
    answer = browser.sign_in("it")
    given = answer.cookies[sessions.COOKIE]
    assert given not in ("chosen-by-an-attacker", before)
    assert own.parts.store.accounts.session(sessions.token_hash("chosen-by-an-attacker")) is None
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(sessions.COOKIE + "="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


def test_a_session_is_its_token_to_the_last_character(own: Bench) -> None:
    token = own.signed_in("it").client.cookies[sessions.COOKIE]
    for other in (token[:-1], f"{token}a", token.swapcase(), f"{token}%00", sessions.token_hash(token)):
        stranger = own.browser()
        stranger.client.cookies.set(sessions.COOKIE, other)
        assert stranger.get("/").status_code == 303, other
    stranger = own.browser()
    stranger.client.cookies.set(sessions.COOKIE_BEFORE, token)
    assert stranger.get("/").status_code == 303, "under another name it is nothing"


def test_signing_in_again_ends_what_this_browser_was_before(own: Bench) -> None:
    browser = own.signed_in("it")
    first = browser.client.cookies[sessions.COOKIE]
    browser.sign_in("auditor")
    second = browser.client.cookies[sessions.COOKIE]
    assert first != second
    assert own.parts.store.accounts.session(sessions.token_hash(first)) is None
    browser.post("/sign-out")
    assert own.parts.store.accounts.session(sessions.token_hash(second)) is None
    browser.client.cookies.set(sessions.COOKIE, second)
    assert browser.get("/").status_code == 303


def test_a_session_ends_by_idleness_and_by_age(own: Bench) -> None:
    console = own.parts.settings.console
    browser = own.signed_in("it")
    for _ in range(3):
        own.clock.ahead += timedelta(seconds=console.idle_s_max - 5)
        assert browser.get("/").status_code == 200
    own.clock.ahead += timedelta(seconds=console.idle_s_max) + sessions.SEEN_EVERY + timedelta(seconds=1)
    assert browser.get("/").status_code == 303
    browser = own.signed_in("it")
    for _ in range(console.session_s_max // (console.idle_s_max - 5)):
        own.clock.ahead += timedelta(seconds=console.idle_s_max - 5)
        browser.get("/")
    own.clock.ahead += timedelta(seconds=console.idle_s_max - 5)
    assert browser.get("/").status_code == 303


def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(own: Bench) -> None:
    browser, left = own.signed_in("it"), own.parts.settings.console.idle_s_max + 70
    while left > 0:
        own.clock.ahead += timedelta(seconds=600)
        left -= 600
        answer = browser.get("/running/figures")
    assert answer.status_code == 303


def test_guesses_are_counted_even_when_right_in_the_end(own: Bench) -> None:
    console, browser = own.parts.settings.console, own.browser()
    for _ in range(console.attempts_max):
        assert browser.sign_in("it", "wrong-guess").status_code == 401
    assert browser.sign_in("it").status_code == 429
    own.clock.ahead += timedelta(seconds=console.refused_s + 1)
    assert browser.sign_in("it").status_code == 303
    acts = [act for _, act, _ in own.log()]
    assert acts.count("console.sign_in_failed") == console.attempts_max
    assert {"console.sign_in_refused", "console.sign_in"} <= set(acts)


def test_an_unknown_name_is_told_the_same_as_a_wrong_password(own: Bench) -> None:
    browser = own.browser()
    known, unknown = browser.sign_in("it", "wrong-guess"), browser.sign_in("ti", "wrong-guess")
    assert (known.status_code, known.text.replace('"it"', '"ti"')) == (unknown.status_code, unknown.text)
    assert browser.sign_in("x" * 31).status_code == 401
    assert browser.sign_in("").status_code == 401


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/exchanges?q=1", "/exchanges?q=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tevil\n", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_here(shared: Bench, wanted: str, goes: str) -> None:
    assert shared.browser().sign_in("ward", wanted=wanted).headers["location"] == goes


@pytest.mark.parametrize(
    ("act", "form"), [("lock", {"locked": "yes"}), ("role", {"role": "ward"}), ("password", {})], ids=lambda x: str(x)
)
def test_what_is_done_to_a_user_holds_at_once(own: Bench, act: str, form: dict[str, str]) -> None:
    admin, victim = own.signed_in("it"), own.signed_in("insurance")
    assert admin.post(f"/users/insurance/{act}", form).status_code in (200, 303)
    assert victim.get("/").status_code == 303
    again = own.browser().sign_in("insurance")
    assert again.status_code == (303 if act == "role" else 403 if act == "lock" else 401)


def test_nobody_manages_himself(own: Bench) -> None:
    admin = own.signed_in("it")
    assert admin.post("/users/it/lock", {"locked": "yes"}).status_code == 409
    assert admin.post("/users/it/role", {"role": "ward"}).status_code == 409
    assert admin.get("/users").status_code == 200


def test_a_password_of_another_must_be_changed_first(own: Bench) -> None:
    admin = own.signed_in("it")
    answer = admin.post("/users", {"name": "neu", "full_name": "新人", "role": "ward"})
    password = answer.text.partition('class="handed">')[2].partition("<")[0]
    assert admin.post("/users", {"name": "neu", "full_name": "新人", "role": "ward"}).status_code == 409
    browser = own.browser()
    assert browser.sign_in("neu", password).status_code == 303
    for page in CLOSED:
        if page.right != SIGNED_IN and page.method == "GET":
            assert browser.get(address(page.path)).headers["location"] == "/password"
    wrong = [
        {"old": "no", "new": "Evening-Round-88", "again": "Evening-Round-88"},
        {"old": password, "new": "short", "again": "short"},
        {"old": password, "new": "Evening-Round-88", "again": "Evening-Round-89"},
        {"old": password, "new": password, "again": password},
        {"old": password, "new": "yibao-2026-0000", "again": "yibao-2026-0000"},
    ]
    for form in wrong:
        assert browser.post("/password", form).status_code == 422
    token = browser.client.cookies[sessions.COOKIE]
    good = {"old": password, "new": "Evening-Round-88", "again": "Evening-Round-88"}
    assert browser.post("/password", good).status_code == 303
    assert browser.client.cookies[sessions.COOKIE] != token
    assert own.parts.store.accounts.session(sessions.token_hash(token)) is None
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"), list(product(["name", "full_name", "role"], ["", "<b>x</b>", "a\nb", "总" * 40]))
)
def test_bad_names_and_roles_are_refused_in_words(shared: Bench, field: str, value: str) -> None:
    form = {"name": "neuer", "full_name": "新人", "role": "ward"} | {field: value}
    if (field, value) == ("full_name", "<b>x</b>"):
        return  # a strange name, but it harms nobody: pages escape it (test_pages.py)
    answer = shared.signed_in("it").post("/users", form)
    assert answer.status_code == 422
    assert "alert bad" in answer.text


def test_without_users_the_sign_in_says_what_to_do(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(own.parts.store.accounts), "users", lambda _: [])
    assert "yibao users add" in own.browser().page("/sign-in")
