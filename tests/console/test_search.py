"""The list of exchanges: found by anything, page by page without loss, exported without a formula."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import exports
from gateway.console.exchanges import views
from gateway.console.exchanges.search import FIELDS, find, read_wish
from gateway.console.shown import KEYS, STATES
from gateway.exchange.content import KEY_FIELDS
from gateway.exchange.ports import State
from gateway.spreadsheet import cell, line
from tests.console.kit import Bench, tree


def listed(page: str) -> list[int]:
    return [int(path.rpartition("/")[2]) for path in tree(page).xpath("//main//table//td[1]/a/@href")]


def test_every_kind_of_key_and_every_state_has_a_name() -> None:
    assert set(KEY_FIELDS.values()) == set(KEYS)
    assert set(STATES) == set(State)


def test_found_by_whatever_stands_on_the_paper(own: Bench) -> None:
    keys = (
        ("ipt_no", "ZY1"),
        ("mdtrt_id", "MD1"),
        ("setl_id", "SE1"),
        ("psn_no", "PS1"),
        ("certno", "CE1"),
        ("ipt_otp_no", "MZ1"),
    )
    row = own.exchange(infno="2304", keys=keys, request_id="REQ-1", busy_keys=("x",))
    other = own.exchange(State.DECLINED, infno="2402", keys=(("ipt_no", "ZY2"),), busy_keys=("y",))
    browser = own.signed_in("ward")
    for text in ("ZY1", "MD1", "SE1", "PS1", "CE1", "MZ1", "REQ-1", row.msgid, f"  {row.msgid} ", "2304"):
        answer = browser.get("/exchanges", params={"q": text})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/exchanges/{row.id}"), text
    assert listed(browser.page("/exchanges?infno=2402")) == [other.id]
    assert listed(browser.page("/exchanges?state=failed")) == [other.id]
    assert listed(browser.page(f"/exchanges?state={State.CONFIRMED}")) == [row.id]
    assert listed(browser.page("/exchanges?client=his")) == [other.id, row.id]
    assert listed(browser.page("/exchanges?client=lis")) == []
    day = f"{own.clock():%Y-%m-%d}"
    assert listed(browser.page(f"/exchanges?since={day}&until={day}")) == [other.id, row.id]
    before = f"{own.clock() - timedelta(days=1):%Y-%m-%d}"
    assert listed(browser.page(f"/exchanges?until={before}")) == []
    assert "没有符合条件" in browser.page("/exchanges?q=nothing-like-this")
    assert "无法识别" in browser.page("/exchanges?since=gestern")
    assert "没有这个状态" in browser.page("/exchanges?state=DONE")


def test_page_by_page_nothing_is_lost_and_nothing_comes_twice(own: Bench) -> None:
    wanted = [own.exchange(State.REFUSED, keys=(("ipt_no", "ZY7"), ("mdtrt_id", "ZY7"))).id for _ in range(120)]
    browser, seen = own.signed_in("ward"), []
    for start in ("/exchanges?q=ZY7", "/exchanges"):
        seen, path = [], start
        while path:
            page = browser.page(path)
            seen += listed(page)
            path = next(iter(tree(page).xpath("//a[@rel='next']/@href")), "")
        assert seen == wanted[::-1]


@given(st.dictionaries(st.sampled_from((*FIELDS, "before")), st.text(max_size=200)))
def test_any_address_can_be_read(query: dict[str, str]) -> None:
    wish = read_wish(query)
    assert wish.before is None or wish.before >= 0


def test_any_text_may_be_searched_for(shared: Bench) -> None:
    for text in ("\0", "x" * 500, "'; DROP TABLE exchange", "%", "1e9", "GW-9999", "ET01-01", "１１０１"):
        found = find(shared.journal, shared.parts.interface.contract, read_wish({"q": text}))
        assert isinstance(found, list)


# ------------------------------------------------------------------- export


def test_the_export_is_the_whole_list_without_a_formula(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "EXPORT_PAGE", 7)
    for number in range(20):
        own.exchange(
            State.REFUSED, keys=(("ipt_no", "=1+1"),), err_msg='=HYPERLINK("http://evil")', request_id=f"@SUM({number})"
        )
    answer = own.signed_in("insurance").get("/exchanges/export.csv?state=REFUSED")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="exchanges-')
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [int(row[0]) for row in rows[1:]] == list(range(20, 0, -1))
    assert all(not value.startswith(("=", "+", "@", "-")) for row in rows[1:] for value in row)
    assert own.log()[-1] == ("某insurance（insurance）", "console.export", "exchanges")


def test_the_export_masks_for_who_may_not_see(own: Bench) -> None:
    own.exchange(State.REFUSED, err_msg="证件 440899198507241019 有误")
    assert "440899198507241019" not in own.signed_in("operations").get("/exchanges/export.csv").text
    assert "440899198507241019" in own.signed_in("insurance").get("/exchanges/export.csv").text


def test_the_export_ends_where_it_should(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_MAX", 5)
    browser = own.signed_in("it")
    for _ in range(5):
        own.exchange(State.REFUSED)
    assert "只导出" not in browser.get("/exchanges/export.csv").text, "all of them are in it"
    for _ in range(4):
        own.exchange(State.REFUSED)
    lines = browser.get("/exchanges/export.csv").text.splitlines()
    assert len(lines) == 7
    assert "只导出前 5 行" in lines[-1]


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1203])
def test_a_file_has_every_row_and_says_what_it_has_not(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_MAX", 1000)
    asked: list[int] = []
    rows = ([asked.append(number) or number] for number in range(count))
    found = "".join(exports.lines(["编号"], rows, cut="另有")).splitlines()
    assert found[0] == "\ufeff编号"
    assert found[1 : min(count, 1000) + 1] == [str(number) for number in range(min(count, 1000))]
    assert len(asked) == min(count, 1001), "no more is read than it takes to know that there is more"
    (last,) = found[min(count, 1000) + 1 :]
    assert last.startswith('"只导出前 1,000 行' if count > 1000 else "另有")


def test_what_the_gateway_sent_itself_is_found_by_its_name(own: Bench) -> None:
    mine, his = own.exchange(State.REFUSED, client="fee_upload"), own.exchange(State.REFUSED)
    browser = own.signed_in("ward")
    options = tree(browser.page("/exchanges")).xpath("//select[@name='client']/option")
    assert {"fee_upload": "费用上传", "his": "his"}.items() <= {one.get("value"): one.text for one in options}.items()
    assert listed(browser.page("/exchanges?client=fee_upload")) == [mine.id]
    assert his.id in listed(browser.page("/exchanges"))


@given(st.text())
def test_no_cell_runs(text: str) -> None:
    shown = cell(text)
    assert shown.removeprefix("'") in (text, text.removeprefix("'"))
    first = shown.lstrip(" \u3000\xa0")[:1]
    assert first not in ("=", "+", "@", "＝", "＋", "＠")
    assert next(csv.reader(io.StringIO(line([text]), newline=""))) == [shown]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (-5, "-5"),
        ("-5.20", "-5.20"),
        ("-5+1", "'-5+1"),
        (" =1", "' =1"),
        ("\t1", "'\t1"),
        ("a=1", "a=1"),
        ("－1+2", "'－1+2"),
    ],
)
def test_cells(value: object, shown: str) -> None:
    assert cell(value) == shown
