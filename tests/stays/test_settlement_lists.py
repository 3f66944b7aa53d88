"""Settlement lists through the whole gateway, before a simulator that checks them itself: 4101A, 4102, 4103, ET-09, ET07-05."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gateway import clock
from gateway.exchange.ports import ProofKind
from gateway.simulator.persons import check_digit
from gateway.stays.lists import ListForm, Sheet
from gateway.stays.ports import StayRef
from jobs.settlement_lists import SettlementLists
from tests.running import House, house
from tests.stays.listing import FULL, SURGERY, charged, own_list, settled, tell
from tests.stays.ways import Stay


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("lists")) as running:
        yield running


@pytest.fixture(params=["typed", "string"])
def stay(request: pytest.FixtureRequest, gateway: House) -> Stay:
    return Stay(gateway, request.param).admit()


@pytest.fixture(params=["json", "callfun"])
def other_stay(request: pytest.FixtureRequest, gateway: House) -> Stay:
    """The other two ways."""
    return Stay(gateway, request.param).admit()


@pytest.fixture
def one_way(gateway: House) -> Stay:
    return Stay(gateway, "json").admit()


def status(stay: Stay, setl_id: str, value: str) -> dict[str, object]:
    return {"data": {"stastinfo": [{"psn_no": stay.psn_no, "setl_id": setl_id, "stas_type": value}]}}


def shown(stay: Stay, setl_id: str) -> dict[str, object]:
    assert stay.house.simulator is not None
    found: dict[str, object] = stay.house.simulator.lists()[setl_id]
    return found


def test_vectors_31_and_39_a_list_follows_the_settlement_and_carries_every_operation(stay: Stay) -> None:
    setl_id = settled(stay)
    stay.refused("4101A", own_list(stay, setl_id, adm_time="2026-02-20 09:12:00"), "ET09-01")
    stay.refused("4101A", own_list(stay, setl_id, dscg_time="2026-03-01 15:31:00"), "ET09-01")
    other = SURGERY | {"oprn_oprt_type": "2", "oprn_oprt_code": "54.2100", "oprn_oprt_name": "腹腔镜检查"}
    stay.done("4101A", own_list(stay, setl_id, other, SURGERY))
    assert shown(stay, setl_id)["operations"] == ["47.0100", "54.2100"], "the main one first"
    assert stay.ask("StayStatus")["state"]["settlement"] == "listed"


def test_a_rule_that_refuses_holds_on_every_way_and_nothing_is_sent(other_stay: Stay) -> None:
    stay = other_stay
    setl_id = settled(stay)
    message = own_list(stay, setl_id, dscg_way="2", setl_end_date="2026-03-02", poscode="5240")
    told = stay.refused("4101A", message, "GW-1103")
    for text in ("SL-024", "离院方式为转院（2）", "SL-064", "2026-03-02"):
        assert text in told.text
    assert "SL-039" not in told.text, "a warning refuses nothing"
    row = stay.newest("4101A")
    assert row.msgid is None
    (evidence,) = [one for one in stay.house.gateway.store.journal.proofs(row.id) if one.kind is ProofKind.RULES]
    assert "SL-024" in evidence.detail
    message["setlinfo"] |= {"acp_medins_name": "市二院", "setl_end_date": "2026-03-01"}
    assert "SL-039 【邮编】5240 应为6位数字" in stay.done("4101A", message).warning


def test_et07_05_a_submitted_list_holds_its_settlement_until_it_is_returned(stay: Stay) -> None:
    setl_id = settled(stay)
    stay.done("4101A", own_list(stay, setl_id))
    stay.done("4102", status(stay, setl_id, "1"))
    stay.refused("2305", stay.undo(setl_id=setl_id), "ET07-05")
    stay.refused("4101A", own_list(stay, setl_id, curr_addr="另一处"), "GW-1427")
    stay.refused("4102", status(stay, setl_id, "0"), "GW-1427")
    assert stay.house.simulator is not None
    stay.house.simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "诊断有误"})
    question = {"data": {"psn_no": stay.psn_no, "setl_id": setl_id}}
    assert stay.done("4103", question).output["setlinfo"]["stas_type"] == "3"
    stay.done("4102", status(stay, setl_id, "1"))
    assert shown(stay, setl_id)["stas_type"] == "1", "the same 4102 as before says something again"
    stay.house.simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "诊断有误"})
    stay.done("4103", question)
    stay.done("4102", status(stay, setl_id, "0"))
    stay.done("4101A", own_list(stay, setl_id, curr_addr="另一处"))
    stay.done("2305", stay.undo(setl_id=setl_id))


def test_an_approved_list_cannot_be_touched(one_way: Stay) -> None:
    setl_id = settled(one_way)
    one_way.done("4101A", own_list(one_way, setl_id))
    one_way.done("4102", status(one_way, setl_id, "1"))
    assert one_way.house.simulator is not None
    one_way.house.simulator.review({"setl_id": setl_id, "stas_type": "2", "chk_cont": ""})
    one_way.done("4103", {"data": {"psn_no": one_way.psn_no, "setl_id": setl_id}})
    told = one_way.refused("2305", one_way.undo(setl_id=setl_id), "ET07-05")
    assert "审核通过" in told.text
    one_way.refused("4102", status(one_way, setl_id, "0"), "GW-1427")


def test_the_simulator_checks_times_sums_and_codes_itself(one_way: Stay) -> None:
    setl_id = settled(one_way)
    simulator = one_way.house.simulator
    assert simulator is not None
    message = own_list(one_way, setl_id) | {"payinfo": [{"fund_pay_type": "310100", "fund_payamt": "0.07"}]}
    one_way.refused("4101A", message, "GW-1103")
    # past the gateway: the settlement is changed on the platform's side alone
    episode = simulator._ledger.episodes[one_way.mdtrt_id]
    begun, episode.begntime = episode.begntime, "2026-02-20 09:12:00"
    told = one_way.call("4101A", own_list(one_way, setl_id))
    assert (told.code, "入院时间" in told.text) == ("GW-3000", True)
    episode.begntime = begun
    one_way.done("4101A", own_list(one_way, setl_id))
    assert one_way.call("4102", status(one_way, setl_id, "2")).code == "GW-1427"


def test_the_gateway_fills_uploads_submits_and_follows(one_way: Stay) -> None:
    house_, gateway = one_way.house, one_way.house.gateway
    setl_id = settled(one_way)
    told = gateway.lists_desk.do("upload", wish(one_way))
    assert (told["ok"], told["code"]) == (False, "GW-1101"), "nobody has told the bill"
    figures = gateway.stays.judged(StayRef(one_way.ipt_no)).stay.settlements[-1].figures
    tell(one_way, {"bill_sumamt": str(figures["medfee_sumamt"]), "qltctrl_date": "2026-03-02", "die_flag": "0"})
    lists = gateway.settlement_lists
    report = lists.sheet(*lists.found(StayRef(one_way.ipt_no))).report
    passed = {one.rule_id for one in report.findings if one.result == "passed"}
    assert passed >= {"SL-052", "SL-064", "SL-067", "SL-133", "SL-135", "SL-136", "SL-137", "SL-140"}, (
        "compared with what the platform answered, and with the record"
    )
    assert "record" not in lists.sheet(*lists.found(StayRef(one_way.ipt_no))).message
    told = gateway.lists_desk.do("upload", wish(one_way))
    assert (told["ok"], told["state"], told["setl_id"]) == (True, "已提交", setl_id), told
    sent = shown(one_way, setl_id)
    assert (sent["adm_time"], sent["dscg_time"]) == ("2026-02-20 10:05:00", "2026-03-01 15:30:00")
    assert sent["diagnoses"] == ["J18.900"]
    assert house_.simulator is not None
    house_.simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "诊断有误"})
    assert gateway.lists_desk.do("ask", wish(one_way))["state"] == "审核不通过"
    assert gateway.lists_desk.do("withdraw", wish(one_way))["state"] == "未提交"
    assert gateway.lists_desk.do("upload", wish(one_way))["state"] == "已提交"
    entries = gateway.store.operator_log.entries(limit=2)
    assert {(one.operator, one.act) for one in entries} >= {("王医保", "list.upload")}


@pytest.mark.parametrize("infno", ["4101A", "4101"])
def test_the_same_list_goes_as_either_transaction_and_is_followed(one_way: Stay, infno: str) -> None:
    gateway, simulator = one_way.house.gateway, one_way.house.simulator
    assert simulator is not None
    setl_id = settled(one_way)
    institution = gateway.settings.institution
    lists = SettlementLists(gateway.exchange, gateway.stays, gateway.episodes,
                            ListForm(institution.code, institution.name, infno), {"opter": "L1", "opter_name": "病案", "opter_type": "1"}, clock.now)  # fmt: skip

    def sheet() -> Sheet:
        return lists.sheet(*lists.found(StayRef(one_way.ipt_no)))

    assert (sheet().infno, sheet().allowed) == (infno, False)
    figures = gateway.stays.judged(StayRef(one_way.ipt_no)).stay.settlements[-1].figures
    total = str(figures["medfee_sumamt"])
    certno = figures["certno"][:17] + check_digit(
        figures["certno"][:17]
    )  # the persons of these tests have none that holds
    tell(one_way, nodes={"iteminfo": [charged(total)]}, certno=certno, **FULL)
    ready = sheet()
    assert ready.allowed, ready.reason
    form = ready.message["setlinfo"]
    assert {form["adm_time"], form["dscg_time"], form["bill_no"]} == {
        "2026-02-20 10:05:00",
        "2026-03-01 15:30:00",
        "0001",
    }
    if infno == "4101":
        assert (form["psn_name"], form["certno"], form["hi_type"], form["naty"]) == (
            figures["psn_name"], certno, figures["insutype"], "1",
        )  # fmt: skip
        assert form["psn_selfpay"] + form["psn_ownpay"] == form["acct_pay"] + form["psn_cashpay"]
        assert (form["act_ipt_days"], form["ipt_med_type"], form["patn_cert_type"]) == (9, "1", "01")
        assert {"oprninfo", "icuinfo", "opspdiseinfo"} & set(ready.message) == set(), "this stay had none"
        spoiled = json.loads(json.dumps({**ready.message, "iteminfo": [charged("0.05")]}, default=str))
        one_way.refused(infno, spoiled, "GW-1103")
    else:
        assert {"psn_name", "certno", "psn_selfpay"} & set(form) == set(), (
            "the short form leaves out what the insurer knows"
        )
    reply = lists.upload(*lists.found(StayRef(one_way.ipt_no)))
    assert reply.infcode == "0", reply.err_msg
    assert (shown(one_way, setl_id)["infno"], shown(one_way, setl_id)["stas_type"]) == (infno, "1")
    simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "诊断有误"})
    judged, found = lists.found(StayRef(one_way.ipt_no))
    lists.ask(judged.stay, setl_id)
    assert lists.found(StayRef(one_way.ipt_no))[1].list_status == "3"
    assert lists.move(judged.stay, setl_id, "0").infcode == "0"
    assert lists.upload(judged, found).infcode == "0", "uploaded anew and submitted"
    assert shown(one_way, setl_id)["stas_type"] == "1"


def test_codes_are_held_against_the_catalog_that_was_downloaded(one_way: Stay) -> None:
    (version,) = one_way.house.gateway.catalog_updates.update("1307", lambda _, __, ___: None).versions
    assert version.total > 0
    setl_id = settled(one_way)
    message = own_list(one_way, setl_id)
    message["diseinfo"][0] |= {"diag_code": "J18.999"}
    assert "SL-044 第1行 诊断编码【J18.999】不在医保版目录" in one_way.refused("4101A", message, "GW-1103").text
    one_way.done("4101A", own_list(one_way, setl_id))


def test_wrong_wishes_are_answered_in_words(gateway: House) -> None:
    desk = gateway.gateway.lists_desk
    wishes = (("no-act", b"{}"), ("upload", b"[]"), ("upload", b"\xff"), ("upload", b'{"operator": "x"}'))
    for act, body in wishes:
        assert not desk.do(act, body)["ok"]
    assert "没有有效的结算" in desk.do("upload", b'{"operator": "x", "ipt_no": "no-such"}')["error"]


def wish(stay: Stay) -> bytes:
    return f'{{"operator": "王医保", "ipt_no": "{stay.ipt_no}", "mdtrt_id": "{stay.mdtrt_id}"}}'.encode()
