"""联调: a form for every transaction; the same message four ways through the real gateway and simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.console.debug.messages import Seen, blocks, read_message, rows_of, seen, written
from gateway.console.debug.samples import samples
from gateway.console.debug.views import GROUPS, WAYS
from gateway.contract.model import Node, Transaction
from tests.console.kit import Bench, tree

PERSON = {
    "data.0.mdtrt_cert_type": "02",
    "data.0.psn_cert_type": "01",
    "way": "xml",
}


def person(bench: Bench) -> dict[str, str]:
    """The form of 1101 for somebody whom the simulator knows."""
    ledger = {"persons": [{"psn_no": "1", "certno": "440899198507241019"}], "stays": []}
    given_ = samples(bench.parts.interface.contract.transactions["1101"], ledger, bench.clock())
    assert given_["data.0.mdtrt_cert_no"] == "440899198507241019"
    return given_


@pytest.mark.parametrize("way", WAYS)
def test_the_same_message_goes_four_ways(shared: Bench, way: str) -> None:
    browser = shared.signed_in("it")
    before = shared.house.newest()
    answer = browser.post("/debug/1101", person(shared) | {"way": way, "send": "1"})
    assert answer.status_code == 200
    assert "HTTP 200" in answer.text
    (row,) = shared.house.since(before)
    assert row.infno == "1101"
    assert row.channel == {"xml": "string", "json": "string", "typed": "typed", "api": "json"}[way]
    sent = json.loads(shared.house.bodies(row).platform_request or b"{}")
    assert sent["input"]["data"]["mdtrt_cert_no"] == "440899198507241019"
    assert shared.log()[-1][1:] == ("console.try", "1101")


@pytest.mark.parametrize("way", WAYS)
def test_the_callers_own_number_goes_along_and_stands_for_one_content(shared: Bench, way: str) -> None:
    browser, number, before = shared.signed_in("vendor"), f"LT-<&>-{way}", shared.house.newest()
    form = person(shared) | {"way": way, "send": "1", "head.request_id": number}
    for _ in range(2):
        answer = browser.post("/debug/1101", form)
        assert "成功" in answer.text
    (row,) = shared.house.since(before)
    assert (row.request_id, row.state.value) == (number, "CONFIRMED")
    (kept,) = tree(answer.text).xpath("//input[@name='head.request_id']/@value")
    assert kept == number
    assert "GW-1409" in browser.post("/debug/1101", form | {"data.0.psn_cert_type": "02"}).text


def test_money_has_a_number_to_begin_with(shared: Bench) -> None:
    browser = shared.signed_in("vendor")
    filled = {
        infno: tree(browser.page(f"/debug/{infno}")).xpath("//input[@name='head.request_id']/@value")
        for infno in ("2304", "1101")
    }
    assert filled["2304"][0].startswith("LT")
    assert filled["1101"] == [""]


@pytest.mark.parametrize("way", WAYS)
def test_the_head_of_a_reply_is_told_whichever_way_it_came(shared: Bench, way: str) -> None:
    browser = shared.signed_in("vendor")
    good = browser.post("/debug/1101", person(shared) | {"way": way, "send": "1"}).text
    (told,) = tree(good).xpath("//section[@id='wire']/p[span[contains(@class, 'chip')]]")
    assert "成功 infcode 0" in " ".join(told.text_content().split())
    wrong = browser.post("/debug/2401", {"way": way, "send": "1", "mdtrtinfo.0.begntime": "gestern"}).text
    page = tree(wrong)
    assert "GW-1101" in page.xpath("string(//section[@id='wire']/p[span[contains(@class, 'chip bad')]])")
    problems = page.xpath("//section[@id='wire']/ul/li/text()")
    assert len(problems) > 5, "every problem at once"
    assert any("gestern" in text for text in problems)


@given(
    st.binary(max_size=60)
    | st.sampled_from([b"{}", b"[]", b'{"problem":[1]}', b"<a><b>{</b></a>", b"<a>&lt;a/&gt;</a>"])
)
def test_any_reply_can_be_looked_at(body: bytes) -> None:
    told = seen(body)
    assert told is None or told.infcode in ("", "SOAP Fault")


def test_a_soap_fault_is_told_in_its_own_words() -> None:
    told = seen(
        "<E><Body><Fault><faultcode>c</faultcode><faultstring>客户端未知</faultstring></Fault></Body></E>".encode()
    )
    assert told == Seen(infcode="SOAP Fault", err_msg="客户端未知")


def test_a_fault_chosen_with_the_form_is_there_before_the_message(shared: Bench) -> None:
    browser, given_ = shared.signed_in("vendor"), person(shared) | {"way": "api", "send": "1", "fault": "refuse"}
    assert "让模拟平台" not in browser.page("/debug/1101"), "the platform of this house is not asked"
    before = shared.house.newest()
    assert "没有发送：平台不是模拟平台" in browser.post("/debug/1101", given_).text
    assert shared.house.since(before) == []
    shared.line.answers["/_sim/faults"] = []
    try:
        assert browser.post("/debug/1101", given_).status_code == 200
        assert [one[1:] for one in shared.log()[-2:]] == [("console.try", "1101"), ("console.fault", "1101")]
        assert len(shared.house.since(before)) == 1
        assert "让模拟平台" in browser.page("/debug/1101")
        shared.line.answers["/_sim/faults"] = {"error": "没有这种故障"}
        assert "没有发送：没有这种故障" in browser.post("/debug/1101", given_).text
    finally:
        shared.line.answers.clear()


def test_an_admission_can_be_sent_as_the_form_is_opened(shared: Bench) -> None:
    """For somebody who lies nowhere yet; what follows is about their newest stay."""
    ledger = {
        "persons": [{"psn_no": "1", "certno": "a"}, {"psn_no": "2", "certno": "b"}],
        "stays": [{"psn_no": "1", "mdtrt_id": "M1", "ipt_no": "Z1"}],
        "settlements": [{"setl_id": "S1", "mdtrt_id": "M1"}, {"setl_id": "S2", "mdtrt_id": "M2"}],
    }
    transactions = shared.parts.interface.contract.transactions
    form = samples(transactions["2401"], ledger, shared.clock())
    assert (form["mdtrtinfo.0.psn_no"], form["mdtrtinfo.0.ipt_no"][:2]) == ("2", "LT")
    for infno in ("2401", "2301", "2402", "2303", "2304", "2305"):
        given_ = samples(transactions[infno], ledger, shared.clock())
        _, found = shared.parts.interface.input(infno).check(read_message(transactions[infno], given_))
        assert found.problems == [], infno
        visits = {value for key, value in given_.items() if key.endswith("mdtrt_id")}
        assert visits == (set() if infno == "2401" else {"M1"}), infno
    nobody = samples(transactions["2401"], None, shared.clock())
    assert "mdtrtinfo.0.psn_no" not in nobody


def test_what_may_stay_empty_is_folded_away_and_still_sent(shared: Bench) -> None:
    page = tree(shared.signed_in("vendor").page("/debug/2401"))
    folded = page.xpath("//fieldset//details//label")
    assert folded
    assert not [label for label in folded if label.xpath(".//b[@class='must']")]
    assert page.xpath("//form[@action='/debug/2401']//details//input[@name]")


def test_only_looking_sends_nothing(shared: Bench) -> None:
    browser, before = shared.signed_in("it"), shared.house.newest()
    answer = browser.post("/debug/1101", person(shared) | {"way": "typed", "show": "1"})
    assert "Txn1101" in answer.text
    assert shared.house.since(before) == []


def test_every_transaction_has_a_form(shared: Bench) -> None:
    browser = shared.signed_in("it")
    transactions = [found for found in shared.parts.interface.contract.transactions.values() if not found.callback]
    assert len(transactions) > 200
    for transaction in transactions:
        found = blocks(transaction, {}, lambda _: {})
        assert len([one for block in found for one in block.inputs]) == count(transaction)
    for infno in ("2401", "4101", "9001", "3201"):
        assert f'<h1><span class="num">{infno}</span>' in browser.page(f"/debug/{infno}")
    assert browser.get("/debug/6204").status_code == 404


def count(transaction: Transaction) -> int:
    def inside(nodes: tuple[Node, ...]) -> int:
        return sum(len(node.fields) + inside(node.children) for node in nodes)

    return len(transaction.input.root) + inside(transaction.input.nodes)


def test_a_row_more_keeps_what_was_typed(shared: Bench) -> None:
    browser = shared.signed_in("it")
    page = browser.post("/debug/2401", {"diseinfo.0.diag_code": "I10.x00x002", "add": "diseinfo"}).text
    assert 'name="diseinfo.1.diag_code"' in page
    assert "I10.x00x002" in page
    assert 'name="rows.diseinfo" value="2"' in page


texts = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_what_is_typed_is_what_is_sent(shared: Bench, data: st.DataObject) -> None:
    contract = shared.parts.interface.contract
    transaction = contract.transactions[data.draw(st.sampled_from(["2401", "2301", "2304", "1101", "4101"]))]
    message, form = {}, {}
    for node in transaction.input.nodes:
        rows = data.draw(st.lists(st.dictionaries(st.sampled_from([spec.name for spec in node.fields] or ["x"]), texts, min_size=1, max_size=3), min_size=1, max_size=3 if node.repeat else 1))  # fmt: skip
        if not node.fields:
            continue
        message[node.name] = rows if node.repeat else rows[0]
        form[f"rows.{node.name}"] = str(len(rows))
        form |= {f"{node.name}.{n}.{name}": text for n, row in enumerate(rows) for name, text in row.items()}
    assert read_message(transaction, form) == message
    codec = shared.parts.interface.input(transaction.infno)
    for way in WAYS:
        assert written(way, transaction, codec, message).body


@pytest.mark.parametrize("given_", ["", "x", "-1", "0", "9999", "٣", "1.5"])
def test_a_strange_number_of_rows_is_none(given_: str) -> None:
    assert 1 <= rows_of({"rows.a": given_}, "a") <= 50


def test_faults_are_set_on_a_simulator_only(shared: Bench) -> None:
    browser = shared.signed_in("it")
    browser.post("/debug/faults", {"infno": "2304", "kind": "refuse"})
    assert "不是模拟平台" in browser.page("/debug")
    browser.post("/debug/faults/clear")
    assert "没有可清除的" in browser.page("/debug")
    told: list[Any] = []
    shared.line.answers["/_sim/faults"] = [{"infno": "2304", "kind": "refuse", "times": 1}]
    try:
        assert (
            browser.post("/debug/faults", {"infno": "2304", "kind": "refuse", "times": "1", "seconds": "x"}).status_code
            == 303
        )
        page = browser.page("/debug")
        assert "已设置：2304 refuse" in page
        assert "refuse　1 次" in page
        shared.line.answers["/_sim/faults"] = {"error": "没有这种故障"}
        browser.post("/debug/faults", {"infno": "2304", "kind": "x"})
        shared.line.answers["/_sim/faults"] = told
        assert "没有这种故障" in browser.page("/debug")
        assert "全部清除" not in browser.page("/debug"), "nothing waits"
        shared.line.answers["/_sim/faults"] = [{"infno": "2304", "kind": "refuse", "times": 1}]
        assert "全部清除" in browser.page("/debug")
        assert browser.post("/debug/faults/clear").status_code == 303
        assert shared.line.answers["/_sim/faults"] == []
        assert "已全部清除" in browser.page("/debug")
        assert shared.log()[-1][1:] == ("console.fault", "*")
    finally:
        shared.line.answers.clear()


def test_every_group_of_transactions_has_a_name_for_people(shared: Bench) -> None:
    assert set(shared.parts.interface.groups) <= set(GROUPS)
    shown = tree(shared.signed_in("it").page("/debug")).xpath("//*[@id='groups']//h3/text()")
    assert shown == [title for name, title in GROUPS.items() if name in shared.parts.interface.groups]
