"""撤销已上传的费用 (2302) from the console: who may, the verdict, what is named before, the reason, nothing else undone."""

from __future__ import annotations

from typing import Any

from gateway.stays.ports import StayRef
from tests.console.kit import Bench, tree
from tests.console.test_stays import at, numbers, stay, told
from tests.stays.ways import Stay

__all__ = ["stay"]
TIMES = ("2026-02-21 08:00:00", "2026-02-21 09:00:00", "2026-02-21 10:00:00")
CHECK = "撤销选中的行"


def uploaded(stay: Stay, *times: str) -> list[str]:
    message = stay.aligned().fees(*(times or TIMES))
    stay.done("2301", message)
    return [row["feedetl_sn"] for row in message["feedetail"]]


def left(shared: Bench, stay: Stay) -> list[str]:
    judged = shared.parts.stays.judged(StayRef(stay.ipt_no, stay.mdtrt_id))
    return [row.feedetl_sn for row in judged.stay.fees]


def boxes(*numbers_: str) -> dict[str, str]:
    return {f"fee:{one}": "1" for one in numbers_}


def last_form(answer: Any) -> dict[str, str]:
    (form,) = tree(answer.text).xpath("//form[.//input[@name='seen']]")
    return {one.get("name"): one.get("value", "") for one in form.xpath(".//input") if one.get("name") != "csrf"}


def test_rows_are_named_with_their_sum_and_only_they_are_undone(shared: Bench, stay: Stay) -> None:
    first, second, third = uploaded(stay)
    browser, sent = shared.signed_in("insurance"), shared.house.sent()
    assert at(stay, "/fees/undo").split("?")[0] in browser.page(at(stay, "/fees/one"))
    page = tree(browser.page(at(stay, "/fees/undo")))
    assert len(page.xpath("//input[starts-with(@name, 'fee:')]")) == 3
    named = browser.post("/fees/undo", numbers(stay) | boxes(first, third) | {"act": "check"})
    assert named.status_code == 200
    assert shared.house.sent() == sent, "naming sends nothing"
    assert [one.text.strip() for one in tree(named.text).xpath("//button[contains(., '撤销 2 行')]")] == [
        "撤销 2 行，20.00 元"
    ]
    form = last_form(named)
    short = browser.post("/fees/undo", form | {"reason": "？"})
    assert (short.status_code, "原因" in told(short), left(shared, stay)) == (422, True, [first, second, third])
    answer = browser.post("/fees/undo", form | {"reason": "发生时间录错，更正后重传"})
    assert answer.status_code == 303, told(answer)
    assert left(shared, stay) == [second]
    sent_row = stay.newest("2302")
    assert (sent_row.state, sent_row.client, sent_row.opter) == ("CONFIRMED", "console", "insurance")
    entry = shared.parts.store.operator_log.entries(limit=1)[0]
    assert (entry.operator, entry.act) == ("某insurance（insurance）", "stay.2302")
    assert "2 行，20.00 元：发生时间录错" in entry.detail
    assert "已撤销 2 行，20.00 元" in told(browser.get(answer.headers["location"]))
    again = browser.post("/fees/undo", form | {"reason": "发生时间录错，更正后重传"})
    assert (again.status_code, "已撤销" in told(again), stay.executed("2302")) == (409, True, 1)


def test_everything_unsettled_is_undone_and_again_after_a_new_upload(shared: Bench, stay: Stay) -> None:
    uploaded(stay)
    browser = shared.signed_in("insurance")
    for time in (1, 2):
        form = last_form(browser.post("/fees/undo", numbers(stay) | {"whole": "1"}))
        answer = browser.post("/fees/undo", form | {"reason": "全部重新上传"})
        assert answer.status_code == 303, told(answer)
        assert (left(shared, stay), stay.executed("2302")) == ([], time)
        stay.done("2301", stay.fees(*TIMES))
    assert len(left(shared, stay)) == 3


def test_what_was_not_shown_is_not_undone(shared: Bench, stay: Stay) -> None:
    uploaded(stay)
    browser = shared.signed_in("insurance")
    form = last_form(browser.post("/fees/undo", numbers(stay) | {"whole": "1"}))
    stay.done("2301", stay.fees("2026-02-22 08:00:00", sn="G"))
    for seen in (form["seen"], ""):
        answer = browser.post("/fees/undo", form | {"reason": "全部重新上传", "seen": seen})
        assert (answer.status_code, "情况又有变化" in told(answer)) == (409, True)
    assert (len(left(shared, stay)), stay.executed("2302")) == (4, 0)
    assert "撤销 4 行" in answer.text


def test_illegal_states_have_no_button_and_the_post_refuses_too(shared: Bench, stay: Stay) -> None:
    first, *_ = uploaded(stay)
    browser = shared.signed_in("insurance")
    form = last_form(browser.post("/fees/undo", numbers(stay) | boxes(first)))
    assert "平台上没有这些行" in told(browser.post("/fees/undo", numbers(stay) | boxes("NOBODY")))
    stay.done("2402", stay.discharge())
    page = browser.page(at(stay, "/fees/undo"))
    for word in ("ET07-02", "不能撤销", "去出院办理撤销"):
        assert word in page, word
    assert (CHECK in page, "fee:" in page, "whole" in page) == (False, False, False)
    answer = browser.post("/fees/undo", form | {"reason": "漏了一次退费"})
    assert (answer.status_code, "ET07-02" in told(answer), stay.executed("2302")) == (409, True, 0)
    assert 'name="seen"' not in answer.text


def test_who_may_not_finds_neither_link_nor_way(shared: Bench, stay: Stay) -> None:
    first, *_ = uploaded(stay)
    for role in ("cashier", "operations", "it"):
        browser = shared.signed_in(role)
        assert "/fees/undo" not in browser.page(at(stay, "/fees/one"))
        assert browser.get(at(stay, "/fees/undo")).status_code == 403
        assert (
            browser.post("/fees/undo", numbers(stay) | boxes(first) | {"act": "undo", "reason": "不该成的"}).status_code
            == 403
        )
    assert stay.executed("2302") == 0


def test_rows_are_found_by_number_day_and_before_the_ward_in(shared: Bench, stay: Stay) -> None:
    first, second, _ = uploaded(stay, "2026-02-20 09:30:00", "2026-02-21 09:00:00", "2026-02-22 09:00:00")
    browser = shared.signed_in("insurance")

    def shown(query: str) -> list[str]:
        page = tree(browser.page(f"{at(stay, '/fees/undo')}&{query}"))
        return [one.get("name")[4:] for one in page.xpath("//input[starts-with(@name, 'fee:')]")]

    assert shown("early=1") == [first]
    assert shown("day=2026-02-21") == [second]
    assert shown(f"sn={first}") == [first]
    assert shown("sn=nobody") == []
