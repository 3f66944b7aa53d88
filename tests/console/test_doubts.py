"""疑问交易: a person's word settles what nothing else can, with name and reason, and only then."""

from __future__ import annotations

import pytest

from gateway.console.doubts import views
from gateway.exchange.ports import ProofKind, State
from gateway.exchange.resolver_turn import UNTOLD_AFTER
from tests.console.kit import Bench, tree

GOOD = {"as": "not-done", "reason": "经办端 10:20 查询，没有这笔结算", "sure": "yes"}


@pytest.mark.parametrize(
    ("move", "state"),
    [("confirmed", State.CONFIRMED), ("not-done", State.NOT_DONE), ("reversed", State.REVERSED)],
)
def test_each_legal_move(shared: Bench, move: str, state: State) -> None:
    row = shared.exchange(State.ESCALATED, infno="2304", busy_keys=(f"move {move}",))
    browser = shared.signed_in("insurance")
    assert "已在平台侧核对" in browser.page(f"/doubts/{row.id}")
    form = GOOD | {"as": move} | ({"output": '{"setlinfo":{"setl_id":"S9"}}'} if move == "confirmed" else {})
    answer = browser.post(f"/doubts/{row.id}", form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/exchanges/{row.id}")
    assert "已了结" in browser.page(f"/exchanges/{row.id}")
    after = shared.journal.get(row.id)
    assert after.state is state
    last = shared.journal.proofs(row.id)[-1]
    assert last.kind is ProofKind.OPERATOR
    assert "某insurance" in last.detail
    assert "经办端" in last.detail
    assert ("某insurance（insurance）", "doubts.resolve", f"exchange {row.id}") in shared.log()
    again = browser.post(f"/doubts/{row.id}", GOOD)
    assert again.status_code == 409
    assert shared.journal.get(row.id).state is state


@pytest.mark.parametrize(
    "change",
    [
        {"as": ""},
        {"as": "done"},
        {"reason": ""},
        {"reason": "  查  "},
        {"reason": "长" * 501},
        {"sure": ""},
        {"output": "{"},
        {"output": "[]"},
        {"output": '{"setlinfo":{}}'},
        {"as": "confirmed", "output": "7"},
    ],
    ids=str,
)
def test_what_is_not_said_properly_changes_nothing(shared: Bench, change: dict[str, str]) -> None:
    row = shared.exchange(State.ESCALATED, infno="2304", busy_keys=(f"wrong {change}",))
    before = shared.log()
    answer = shared.signed_in("insurance").post(f"/doubts/{row.id}", GOOD | change)
    assert answer.status_code == 422
    assert "alert bad" in answer.text
    assert shared.journal.get(row.id).state is State.ESCALATED
    assert [entry for entry in shared.log() if entry not in before and entry[1] == "doubts.resolve"] == []


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.CONFIRMED, State.DECLINED, State.INTENDED])
def test_nobody_settles_what_the_gateway_itself_settles(shared: Bench, state: State) -> None:
    row = shared.exchange(state, busy_keys=(f"state {state}",))
    browser = shared.signed_in("insurance")
    assert "了结这笔交易" not in browser.page(f"/doubts/{row.id}")
    assert browser.post(f"/doubts/{row.id}", GOOD).status_code == 409
    assert shared.journal.get(row.id).state is state


@pytest.mark.parametrize("role", ["cashier", "auditor"])
def test_who_may_only_look_finds_no_button(shared: Bench, role: str) -> None:
    row = shared.exchange(State.ESCALATED, busy_keys=(f"look {role}",))
    page = shared.signed_in(role).page(f"/doubts/{row.id}")
    assert "了结这笔交易" not in page
    assert "查询 5201" in page


def test_the_list_goes_on_page_by_page(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_ROWS", 4)
    waiting = [own.exchange(State.ESCALATED, busy_keys=(f"person {n}",)).id for n in range(6)]
    doubted = [own.exchange(State.IN_DOUBT, busy_keys=(f"doubt {n}",)).id for n in range(7)]
    assert pages(own, "/doubts") == [*reversed(waiting), *reversed(doubted)]
    assert "这一页没有了" in own.signed_in("cashier").page(f"/doubts?as=IN_DOUBT&after={doubted[0]}")
    assert 'aria-label="翻页"' not in own.signed_in("cashier").page("/doubts?untold=1")


def test_the_list_of_the_untold_goes_on_page_by_page(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_ROWS", 4)
    own.clock.ahead += 2 * UNTOLD_AFTER
    received = own.clock() - 2 * UNTOLD_AFTER
    untold = [own.exchange(infno="2304", busy_keys=(f"u {n}",), received_at=received).id for n in range(9)]
    assert pages(own, "/doubts?untold=1") == untold


def pages(own: Bench, path: str) -> list[int]:
    """Numbers on a page and those that it leads on to, in their order."""
    browser, seen = own.signed_in("cashier"), []
    while path:
        page = tree(browser.page(path))
        seen += [int(link.rpartition("/")[2]) for link in page.xpath("//main//table//td[1]/a/@href")]
        path = next(iter(page.xpath("//a[@rel='next']/@href")), "")
    return seen
