"""再次发送: what was refused is done after all, once, in somebody's name; whoever asks for the original is told so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.exchange.ports import Exchange, JournalUnavailable, State
from gateway.faults import GatewayFault
from tests.console.kit import Bench, tree
from tests.stays.ways import WAYS, Stay

GOOD = {"reason": "窗口王芳 10:20 电话确认仍须办理", "sure": "yes"}
PATH = "/api/v1/transactions/2402"


def refused(stay: Stay) -> Exchange:
    """A discharge that came before the patient lay in the ward; since then that has been put right."""
    stay.refused("2402", stay.discharge(), "ET02-02")
    row = stay.newest("2402")
    stay.aligned()
    return row


def asked(stay: Stay, request_id: str) -> dict[str, Any]:
    body = json.dumps({"request_id": request_id}).encode()
    told: dict[str, Any] = json.loads(stay.house.http("/api/v1/hospital/Outcome", body, "application/json").body)
    return told


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_can_be_read_again(shared: Bench, way: str) -> None:
    stay = Stay(shared.house, way).admit()
    row = refused(stay)
    browser = shared.signed_in("insurance")
    assert "院内不会自动得知结果" in browser.page(f"/exchanges/{row.id}")
    answer = browser.post(f"/exchanges/{row.id}/resend", GOOD)
    after = stay.newest("2402")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/exchanges/{after.id}"), answer.text
    assert (after.state, after.client, after.channel) == (State.CONFIRMED, row.client, row.channel)
    assert stay.executed("2402") == 1
    page = browser.page(f"/exchanges/{after.id}")
    for told in (
        "已再次发送并成功",
        f'href="/exchanges/{row.id}"',
        "窗口王芳",
        "某insurance（insurance）",
        "没有答复院内",
    ):
        assert told in page, told
    assert f'href="/exchanges/{after.id}"' in browser.page(f"/exchanges/{row.id}")
    assert ("某insurance（insurance）", "journal.resend", f"exchange {row.id}") in shared.log()
    # a second click, and the HIS that repeats what it asked for
    assert browser.post(f"/exchanges/{row.id}/resend", GOOD).status_code == 409
    assert stay.done("2402", stay.discharge()).done
    assert stay.executed("2402") == 1


def test_who_asks_for_the_original_number_is_told_what_is_true(shared: Bench) -> None:
    stay = Stay(shared.house, "json").admit()
    body = json.dumps({"head": {"request_id": f"R-{stay.ipt_no}"}, "input": stay.discharge()}).encode()
    stay.house.http(PATH, body, "application/json")
    row = stay.newest("2402")
    assert asked(stay, f"R-{stay.ipt_no}")["code"] == "ET02-02"
    stay.aligned()
    answer = shared.signed_in("it").post(f"/exchanges/{row.id}/resend", GOOD)
    assert answer.status_code == 303, answer.text
    after = stay.newest("2402")
    assert after.request_id == row.request_id, (after, row)
    told = asked(stay, f"R-{stay.ipt_no}")
    assert (told["infcode"], told["state"], told["msgid"]) == (0, "CONFIRMED", after.msgid)


def test_rules_that_refuse_now_say_why(shared: Bench) -> None:
    stay = Stay(shared.house, "json").admit()
    stay.refused("2402", stay.discharge(), "ET02-02")
    row, browser = stay.newest("2402"), shared.signed_in("insurance")
    answer = browser.post(f"/exchanges/{row.id}/resend", GOOD)
    after = stay.newest("2402")
    assert after.id != row.id
    assert answer.headers["location"] == f"/exchanges/{after.id}"
    page = browser.page(f"/exchanges/{after.id}")
    assert "没有办成" in page
    assert "ET02-02" in page
    assert f'href="/exchanges/{row.id}"' in page
    assert stay.executed("2402") == 0
    # put right, it is the last attempt that is sent again
    assert browser.post(f"/exchanges/{row.id}/resend", GOOD).status_code == 409
    stay.aligned()
    assert browser.post(f"/exchanges/{after.id}/resend", GOOD).status_code == 303
    assert stay.executed("2402") == 1


@pytest.mark.parametrize("role", ["cashier", "ward", "pharmacy", "operations", "auditor"])
def test_who_may_not_act_is_offered_nothing(shared: Bench, role: str) -> None:
    row = shared.exchange(State.DECLINED, infno="2402", busy_keys=(f"resend {role}",))
    browser = shared.signed_in(role)
    assert "再次发送" not in browser.page(f"/exchanges/{row.id}")
    assert browser.post(f"/exchanges/{row.id}/resend", GOOD).status_code == 403
    assert shared.journal.resends(row.id).again is None


@pytest.mark.parametrize(
    ("state", "infno", "why"),
    [
        (State.CONFIRMED, "2402", "已经办成"), (State.NOT_SENT, "2304", "结算类"), (State.ESCALATED, "2304", "待人工核对"),
        (State.IN_DOUBT, "2402", "结果未知"), (State.NOT_DONE, "2402", "院内重新办理"),
    ],
)  # fmt: skip
def test_the_page_says_why_not_and_the_desk_says_so_too(shared: Bench, state: State, infno: str, why: str) -> None:
    row = shared.exchange(state, infno=infno, busy_keys=(f"why {state}",))
    browser = shared.signed_in("insurance")
    page = tree(browser.page(f"/exchanges/{row.id}"))
    assert why in page.xpath("//section[@id='resend']")[0].text_content()
    assert not page.xpath("//section[@id='resend']//form")
    answer = browser.post(f"/exchanges/{row.id}/resend", GOOD)
    assert answer.status_code == 409
    assert why in answer.text
    assert shared.journal.resends(row.id).again is None
    assert ("某insurance（insurance）", "journal.resend", f"exchange {row.id}") not in shared.log()


@pytest.mark.parametrize("change", [{"reason": ""}, {"reason": " 查 "}, {"reason": "长" * 501}, {"sure": ""}], ids=str)
def test_what_is_not_said_properly_sends_nothing(shared: Bench, change: dict[str, str]) -> None:
    row = shared.exchange(State.NOT_SENT, infno="2402", busy_keys=(f"said {change}",))
    answer = shared.signed_in("insurance").post(f"/exchanges/{row.id}/resend", GOOD | change)
    assert answer.status_code == 422
    assert "alert bad" in answer.text
    assert shared.journal.resends(row.id).again is None


def test_bytes_that_read_otherwise_today_are_not_sent(shared: Bench) -> None:
    stay = Stay(shared.house, "json").admit()
    row = refused(stay)
    desk = shared.house.gateway.resend_desk
    bodies = stay.house.bodies(row)
    client = shared.house.gateway.reception.clients.by_name["his"]
    for changed in (
        replace(row, content_hash="0" * 64),
        replace(row, channel="legacy/gone"),
        replace(row, channel="string"),
    ):
        with pytest.raises(GatewayFault):
            desk._reread(changed, bodies, client)
    assert desk._reread(row, bodies, client).infno == "2402"


def test_without_the_operator_log_nothing_is_sent(shared: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stay = Stay(shared.house, "json").admit()
    row, browser = refused(stay), shared.signed_in("insurance")

    def full(*_: object) -> int:
        raise JournalUnavailable("disk full")

    monkeypatch.setattr(type(shared.parts.store.operator_log), "append", full)
    assert browser.post(f"/exchanges/{row.id}/resend", GOOD).status_code == 409
    assert stay.executed("2402") == 0
    assert shared.journal.resends(row.id).again is None


def test_the_command_asks_the_same_desk(shared: Bench) -> None:
    stay = Stay(shared.house, "json").admit()
    row, desk = refused(stay), shared.house.gateway.resend_desk
    for body in (b"", b"{}", b'{"operator": "", "reason": "123456"}', b"[]", b"\xff"):
        assert not desk.do(str(row.id), body)["ok"]
    wish = json.dumps({"operator": "李主任", "reason": GOOD["reason"]}).encode()
    assert not desk.do("x", wish)["ok"]
    assert desk.do("999999999", wish)["error"] == "没有这笔交易"
    told = desk.do(str(row.id), wish)
    assert (told["ok"], told["sent"], told["exchange_id"]) == (True, True, stay.newest("2402").id)
    assert stay.newest("2402").received_at > row.received_at
    assert "已再次发送" in desk.do(str(row.id), wish)["error"]
