"""Pages as text: what stands on them, what is masked, and that nothing a stranger sends becomes part of the page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.configured import sign_in_policy
from gateway.console.areas import AREAS
from gateway.desks.console import ConsoleDesk
from gateway.exchange.ports import JournalUnavailable, State
from gateway.settings import His
from gateway.store.accounts import User
from tests.console.kit import KEPT, Bench, tree

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{1931*1933}}"
CARD = "440899198507241019"
BODY = (
    f'{{"infno":"1101","input":{{"data":{{"mdtrt_cert_type":"02","mdtrt_cert_no":"{CARD}","psn_name":"欧阳明月","begntime":"2026-11-21 08:30:00"}}}}}}'
).encode()
ANSWER = (
    f'{{"infcode":0,"output":{{"baseinfo":{{"psn_no":"P77","certno":"{CARD}","psn_name":"欧阳明月","gend":"1","brdy":"1985-07-24"}},'
    '"insuinfo":[{"balc":4985.83,"insutype":"310"},{"balc":12.5,"insutype":"390"}],"idetinfo":[]}}'
).encode()


def person(bench: Bench) -> int:
    return bench.exchange(
        infno="1101", caller_request=f"<request><n>{CARD}</n></request>".encode(), platform_request=BODY, answer=ANSWER,
        keys=(("certno", CARD), ("psn_no", "P77")), err_msg=f"证件 {CARD} 有误",
    ).id  # fmt: skip


def test_one_exchange_is_told_whole(shared: Bench) -> None:
    row = shared.exchange(infno="2304", request_id="R-1")
    page = shared.signed_in("insurance").page(f"/exchanges/{row.id}")
    for told in ("2304", "住院结算", "成功", row.msgid, "R-1", "类型化服务", "12 ms", "结算类", "答复未确认送达"):
        assert told in page, told


def test_who_has_the_right_sees_the_body_and_leaves_a_trace(own: Bench) -> None:
    number, browser = person(own), own.signed_in("insurance")
    before = len(own.log())
    body = browser.page(f"/exchanges/{number}/body")
    for told in (CARD, "欧阳明月", "就诊凭证类型", "居民身份证", "4985.83", "1985-07-24", "&lt;n&gt;", "2 行"):
        assert told in body, told
    (entry,) = own.log()[before:]
    assert entry == ("某insurance（insurance）", "console.body", f"exchange {number}")


@pytest.mark.parametrize("role", ["cashier", "ward", "pharmacy", "operations", "auditor"])
def test_who_has_it_not_sees_amounts_and_times_but_nobody(own: Bench, role: str) -> None:
    number, browser = person(own), own.signed_in(role)
    before = own.log()
    for path in (f"/exchanges/{number}", f"/exchanges/{number}/body", "/exchanges", "/"):
        page = browser.page(path)
        assert CARD not in page
        assert "欧阳明月" not in page
        assert "1985-07-24" not in page
    body = browser.page(f"/exchanges/{number}/body")
    assert "4985.83" in body
    assert "2026-11-21 08:30:00" in body
    assert "欧**" in body
    assert "<pre" not in body
    assert own.log() == before


def test_a_body_is_not_shown_when_the_look_cannot_be_kept(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    number, browser = person(own), own.signed_in("insurance")

    def full(*_: object) -> int:
        raise JournalUnavailable("disk full")

    monkeypatch.setattr(type(own.parts.store.operator_log), "append", full)
    answer = browser.get(f"/exchanges/{number}/body")
    assert answer.status_code == 503
    assert CARD not in answer.text
    assert "欧阳明月" not in answer.text
    assert browser.get("/exchanges/export.csv").status_code == 503


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe\x00", b"[1,2]", b'{"input":', b'"x"', b'{"input":[[1]],"output":7}', b"<a><b></a>"]
)
def test_bytes_of_any_kind_can_be_looked_at(shared: Bench, raw: bytes) -> None:
    row = shared.exchange(caller_request=raw, caller_charset="no-such-codec", platform_request=raw, answer=raw)
    assert shared.signed_in("insurance").get(f"/exchanges/{row.id}/body").status_code == 200


# ------------------------------------------------------------------ hostile texts


def hostile(bench: Bench) -> list[int]:
    """Exchanges with a hostile text wherever HIS or platform can put one."""
    raw = HOSTILE.encode()
    nested = ('{"input":{"mdtrtinfo":{"psn_no":%s,%s:1},"extra":%s}}' % ((_json(HOSTILE),) * 3)).encode()
    answer = ('{"infcode":0,"output":{"result":{"mdtrt_id":%s,%s:%s}}}' % ((_json(HOSTILE),) * 3)).encode()
    common: dict[str, Any] = {
        "client": HOSTILE[:60], "channel": HOSTILE[:60], "request_id": f"{HOSTILE}{len(bench.log())}", "opter": HOSTILE[:60],
        "mapping_version": HOSTILE[:60], "caller_request": raw, "platform_request": nested, "answer": answer,
        "keys": tuple((kind, HOSTILE) for kind in ("psn_no", "mdtrt_id", "ipt_no", "certno", "setl_id")), "err_msg": HOSTILE,
        "province": HOSTILE[:30],
    }  # fmt: skip
    states = (State.CONFIRMED, State.IN_DOUBT, State.ESCALATED, State.REFUSED)
    rows = [
        bench.exchange(state, **(common | {"request_id": f"{HOSTILE}{state}", "busy_keys": (f"b{state}",)}))
        for state in states
    ]
    odd = bench.exchange(State.REFUSED, **(common | {"infno": "<b>9</b>", "request_id": None}))
    return [row.id for row in (*rows, odd)]


def _json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_what_strangers_send_is_text_and_nothing_else(own: Bench) -> None:
    numbers = hostile(own)
    own.parts.store.accounts.add(User("evil", HOSTILE[:60], "it", KEPT, own.clock()))
    own.parts.figures.catch_up()
    browser = own.browser()
    assert browser.sign_in("evil").status_code == 303
    paths = [
        "/",
        "/todo",
        "/exchanges",
        "/doubts",
        "/doubts?untold=1",
        "/running",
        "/users",
        "/audit",
        "/config",
        "/debug",
        "/password",
    ]
    paths += [f"/exchanges/{number}{end}" for number in numbers for end in ("", "/body")]
    paths += [f"/doubts/{number}" for number in numbers]
    query = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    paths += [f"/exchanges?{name}={query}" for name in ("q", "infno", "state", "client", "since", "until", "before")]
    paths += [
        f"/audit?operator={query}&subject={query}&before={query}",
        f"/running?window={query}&infno={query}",
        f"/reconcile/cases?state={query}&page={query}",
        f"/sign-in?next={query}",
    ]
    for path in paths:
        page = browser.page(path)
        for wrong in ("<script>alert", "<img src=x", "<b>9</b>"):
            assert wrong not in page, path
        harmless(page, path)
    answer = browser.post(
        "/sign-in", {"name": HOSTILE[:30], "password": "x", "next": HOSTILE}, csrf=browser.mark("/sign-in")
    )
    harmless(answer.text, "/sign-in")
    harmless(browser.get(f"/{query}").text, "an unknown address")


def harmless(page: str, path: str) -> None:
    """Nothing on the page runs but our two files, and nothing is styled but by ours."""
    for element in tree(page).iter():
        if not isinstance(element.tag, str):
            continue
        names = set(element.attrib)
        assert not {name for name in names if name.startswith(("on", "hx-on")) or name == "style"}, (
            path,
            element.tag,
            names,
        )
        if element.tag == "script":
            assert element.get("src", "").startswith("/static/"), path
            assert not (element.text or "").strip(), path
        assert element.tag not in ("style", "iframe", "object", "embed", "base"), (path, element.tag)
        for name in ("href", "src", "action", "hx-get", "hx-post"):
            value = element.get(name)
            assert value is None or (value.startswith(("/", "#")) and not value.startswith("//")), (path, name, value)


def test_every_page_carries_the_headers_and_belongs_to_no_cache(shared: Bench) -> None:
    browser = shared.signed_in("it")
    for path in ("/", "/exchanges", "/no-such-page", "/static/console.css", "/healthz", "/exchanges/export.csv"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store", path
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.page("/"))
    assert len(files) >= 4
    for file in files:
        answer = browser.get(file)
        assert answer.status_code == 200, file
        assert "immutable" in answer.headers["cache-control"], file


PATHS = [
    "/static/../app.py", "/static/%2e%2e/application.py", "/static/..%2fapplication.py", "/static/%2e%2e%2f%2e%2e%2fcli.py",
    "/static//etc/passwd", "/static/%00", "/exchanges/99999999999999999999999", "/exchanges/-1",
    "/exchanges/%E4%B8%80", "/exchanges/1%00", "/doubts/x", "/exchanges/x/body", "/debug/%2e%2e", "/debug/6204",
    "/users/%2e%2e%2fit/lock",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_crooked_addresses_lead_nowhere(shared: Bench, path: str) -> None:
    answer = shared.signed_in("it").get(path)
    assert answer.status_code in (403, 404, 405), path
    assert "def " not in answer.text
    assert "root:" not in answer.text


def test_a_store_that_cannot_be_read_is_told_in_words(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = own.signed_in("it")

    def gone(*_: object) -> None:
        raise JournalUnavailable("gone")

    monkeypatch.setattr(type(own.journal), "search", gone)
    answer = browser.get("/exchanges")
    assert answer.status_code == 503
    assert "读不到" in answer.text
    assert "Traceback" not in answer.text


def test_our_own_failure_is_told_in_words(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = own.signed_in("it")
    browser.client._transport.raise_server_exceptions = False

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(own.journal), "search", broken)
    with capture_logs() as logged:
        answer = browser.get("/exchanges")
    assert [entry["event"] for entry in logged] == ["console_failed"]
    assert answer.status_code == 500
    assert "控制台出错" in answer.text
    assert "secret detail" not in answer.text


# ------------------------------------------------------------------ what waits for somebody


def test_the_first_page_says_what_waits(own: Bench) -> None:
    own.exchange(State.ESCALATED, infno="2207", busy_keys=("a",))
    own.exchange(State.IN_DOUBT, busy_keys=("b",))
    own.exchange(infno="2304", busy_keys=("c",))
    own.clock.ahead += timedelta(seconds=60)
    page = tree(own.signed_in("insurance").page("/"))
    numbers = page.xpath("//a[contains(@class, 'big')]/text()")
    assert numbers == ["1", "1", "1"]
    assert own.signed_in("ward").page("/todo").count("待人工核对") == 1  # only as a state in the list
    own.line.told = {"ready": False, "process": False}
    assert "网关进程没有应答" in own.signed_in("ward").page("/")
    own.line.told = {"process": True, "store": False, "platform": False, "sign_in": False}
    told = own.signed_in("ward").page("/")
    assert "存储写不进去" in told
    assert "连不上省平台" in told
    assert "没有签到" in told


def test_figures_are_drawn_and_refresh_themselves(own: Bench) -> None:
    for state in (State.CONFIRMED, State.DECLINED):
        own.exchange(state)
    own.parts.figures.catch_up()
    browser = own.signed_in("it")
    page = browser.page("/running")
    assert 'hx-get="/running/figures?window=1h"' in page
    assert "<svg" in page
    assert "50.0%" in page
    assert "最近 24 小时" in browser.page("/running/figures?window=24h")
    assert "127.0.0.1" in browser.page("/config")
    assert "only-queries" not in browser.page("/config")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"ok": True, "at": None, "good": 0, "wrong": []}, "正在检查"),
        ({"ok": True, "at": "2026-03-02T08:30:00+08:00", "good": 9, "wrong": []}, "9 项正常"),
        (
            {"ok": True, "at": "2026-03-02T08:30:00+08:00", "good": 1,
             "wrong": [{"what": "fees.sql", "text": "缺少列 cnt"}]},
            "缺少列 cnt",
        ),
        ({"ok": False, "error": "网关没有运行"}, ""),
    ],
)  # fmt: skip
def test_what_the_start_found_of_the_his_stands_under_running(own: Bench, told: dict[str, Any], said: str) -> None:
    assert "启动时检查 HIS" not in own.signed_in("it").page("/running")
    settings = own.parts.settings.model_copy(update={"his": His(url="sqlite:///his.db")})
    desk = ConsoleDesk(own.parts.store, own.clock, sign_in_policy(settings), acts={"his_report": lambda operator: told})
    page = replace(own, parts=replace(own.parts, settings=settings, desk=desk)).signed_in("it").page("/running")
    assert ("启动时检查 HIS" in page) is told["ok"]
    assert said in page


def test_the_menu_shows_what_one_may_open(shared: Bench) -> None:
    for role in ("ward", "it", "auditor"):
        browser = shared.signed_in(role)
        menu = tree(browser.page("/")).xpath("//nav[@class='side']//li/a/@href")
        assert menu
        assert all(browser.get(path).status_code == 200 for path in menu)
        shown = {item.path for area in AREAS for item in area.menu if shared.parts.roles[role].may(item.right)}
        assert set(menu) == shown
