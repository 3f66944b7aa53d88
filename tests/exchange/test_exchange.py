"""The way of one transaction against a scripted platform and a journal in memory: what is written, sent and answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest

from gateway import mappings
from gateway.contract.envelope import Sender
from gateway.contract.interface import Interface
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.fake_platform import FakePlatform, envelope
from gateway.exchange.fakes import MemoryJournal, MemoryNodes
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.ports import (
    Bodies,
    JournalUnavailable,
    NoAnswer,
    NodeFacts,
    NotSent,
    Outcome,
    PlatformRequest,
    Query,
    Registration,
    Rejected,
    State,
)
from gateway.exchange.ports import Exchange as Row
from gateway.exchange.sign_in import SignIns
from gateway.faults import Unreadable

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=timezone(timedelta(hours=8)))
CODE = "H44080000001"
SENDER = Sender(CODE, "演示医院", "440800", "440800", "MBS_LOCAL", "V1.0")
CLIENT = Client("his", workstation={"opter": "0001", "opter_name": "张三", "opter_type": "1", "mac": "M", "ip": "I"})
WAIT_S_MAX = 10

CANCEL = {"data": {"mdtrt_id": "M1", "psn_no": "P1"}}
"""2404: changes something, needs little."""
UNSETTLE = {"data": {"mdtrt_id": "M1", "setl_id": "S1", "psn_no": "P1"}}
QUERY = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440802199001011234"}}
PERSON = {"baseinfo": {"psn_no": "P1", "psn_name": "张三"}}


@cache
def interface(province: str = "national") -> Interface:
    return Interface(mappings.load(province))


@dataclass
class Observed:
    """What metrics would hear."""

    outcomes: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)

    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append((infno, outcome, client))

    def count_fault(self, code: str) -> None:
        self.faults.append(code)

    def observe_platform(self, infno: str, seconds: float) -> None:
        self.waited.append(infno)


class Bench:
    """An exchange, what it writes to and whom it speaks to. The clock goes on 10 ms each time it is read."""

    def __init__(self, province: str = "national", unknown_fields: str = "warn") -> None:
        self.journal = MemoryJournal()
        self.platform = FakePlatform()
        self.observed = Observed()
        self._now = NOW
        self.exchange = Exchange(
            interface=lambda: interface(province),
            journal=self.journal,
            platform=self.platform,
            msgids=MsgidSequence(self.journal, CODE, lambda: NOW),
            sender=SENDER,
            clock=self._clock,
            sign_ins=SignIns(self.journal),
            observer=self.observed,
            node=lambda: Registration("node-1", 1),
            unknown_fields=unknown_fields,
            twin_wait_s=0.05,
        )

    def _clock(self) -> datetime:
        self._now += timedelta(milliseconds=10)
        return self._now

    def call(self, infno: str, message: Any, *, client: Client = CLIENT, **head: str) -> Reply:
        raw = json.dumps([infno, message, head], ensure_ascii=False).encode()
        return self.exchange.handle(Call(client, infno, message, raw, "json", head=head))

    def rows(self) -> list[Row]:
        return list(reversed(self.journal.search(Query(limit=100))))

    def only(self) -> Row:
        (row,) = self.rows()
        return row

    def bodies(self, row: Row) -> Bodies:
        found = self.journal.bodies(row.id)
        assert found is not None
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def failed(reply: Reply, code: str, retry: str) -> bool:
    return (reply.infcode, reply.code, reply.retry, reply.output) == ("-1", code, retry, None)


# ------------------------------------------------------------- intent, outcome


def test_what_will_be_sent_is_in_the_journal_before_it_leaves(bench: Bench) -> None:
    seen: list[tuple[Row, Bodies]] = []

    def answer(request: PlatformRequest) -> bytes:
        row = bench.only()
        assert (row.msgid, bench.bodies(row).platform_request) == (request.msgid, request.body)
        seen.append((row, bench.bodies(row)))
        return envelope({}, msgid=request.msgid)

    bench.platform.script("2404", answer)
    reply = bench.call("2404", CANCEL, request_id="HIS-1")
    ((row, bodies),) = seen
    assert (row.state, row.request_id, row.client, row.safety, row.node) == (
        State.INTENDED, "HIS-1", "his", "state", "node-1",
    )  # fmt: skip
    assert bodies.caller_request == json.dumps(["2404", CANCEL, {"request_id": "HIS-1"}]).encode()
    assert (reply.infcode, reply.msgid, reply.code, reply.retry) == ("0", row.msgid, "", "")
    after = bench.only()
    assert (after.state, after.infcode, after.code, after.id) == (State.CONFIRMED, "0", "", reply.exchange_id)
    assert after.finished_at is not None
    assert after.finished_at > after.received_at
    assert after.elapsed_ms == 10
    assert dict(after.keys) == {"mdtrt_id": "M1", "psn_no": "P1"}
    assert b'"infcode": "0"' in (bench.bodies(after).platform_answer or b"")
    assert bench.observed.outcomes == [("2404", "CONFIRMED", "his")]
    assert bench.observed.waited == ["2404"]


def test_the_envelope_is_filled_from_institution_client_and_head(bench: Bench) -> None:
    bench.platform.script("2404", {})
    reply = bench.call("2404", CANCEL, opter="0077", insuplc_admdvs="440100", dev_no="", request_id="R")
    (request,) = bench.platform.requests
    sent = json.loads(request.body)
    assert list(sent) == [
        "infno", "msgid", "mdtrtarea_admvs", "insuplc_admdvs", "recer_sys_code", "dev_no", "dev_safe_info", "cainfo",
        "signtype", "infver", "opter_type", "opter", "opter_name", "inf_time", "fixmedins_code", "fixmedins_name",
        "sign_no", "input",
    ]  # fmt: skip
    assert sent == {
        "infno": "2404", "msgid": reply.msgid, "mdtrtarea_admvs": "440800", "insuplc_admdvs": "440100",
        "recer_sys_code": "MBS_LOCAL", "dev_no": "", "dev_safe_info": "", "cainfo": "", "signtype": "",
        "infver": "V1.0", "opter_type": "1", "opter": "0077", "opter_name": "张三",
        "inf_time": "2026-11-21 10:30:00", "fixmedins_code": CODE, "fixmedins_name": "演示医院", "sign_no": "",
        "input": CANCEL,
    }  # fmt: skip
    assert len(reply.msgid) == 30
    assert reply.msgid.startswith(CODE + "20261121103000")


def test_numbers_left_empty_go_as_zero_and_absent_ones_do_not_go(bench: Bench) -> None:
    bench.platform.script("2304", lambda request: envelope({"setlinfo": {"setl_id": "S1"}}, msgid=request.msgid))
    data = {
        "psn_no": "P1", "mdtrt_cert_type": "02", "medfee_sumamt": "120.5", "psn_setlway": "01", "mdtrt_id": "M1",
        "insutype": "310", "acct_used_flag": "0", "mid_setl_flag": "0", "invono": "", "preselfpay_amt": "",
    }  # fmt: skip
    assert bench.call("2304", {"data": data}).infcode == "0"
    body = bench.platform.requests[0].body
    assert b'"medfee_sumamt":120.5,' in body
    assert b'"preselfpay_amt":0' in body
    assert b'"invono":""' in body
    assert b"overlmt_selfpay" not in body


def test_the_sign_in_number_travels_with_what_follows(bench: Bench) -> None:
    bench.platform.script("9001", {"signinoutb": {"sign_time": "2026-11-21 10:30:00", "sign_no": "SIGN-1"}})
    bench.platform.script("2404", {})
    assert bench.call("9001", {}).infcode == "0"
    bench.call("2404", CANCEL)
    sign_in, cancel = (json.loads(request.body) for request in bench.platform.requests)
    assert sign_in["input"] == {"signIn": {"opter_no": "0001", "mac": "M", "ip": "I"}}
    assert (sign_in["sign_no"], cancel["sign_no"]) == ("", "SIGN-1")


# -------------------------------------------------------------------- answers


@pytest.mark.parametrize("infcode", [0, "0"])
def test_a_success_is_one_as_number_and_as_text(bench: Bench, infcode: Any) -> None:
    bench.platform.script("2404", json.dumps({"infcode": infcode, "inf_refmsgid": "R1", "output": {"a": 1}}).encode())
    reply = bench.call("2404", CANCEL)
    assert (reply.infcode, reply.inf_refmsgid, reply.output, reply.code) == ("0", "R1", {"a": 1}, "")
    assert bench.only().state is State.CONFIRMED


@pytest.mark.parametrize("infcode", [-1, "-1", 999, "2101", 1.5, "E²"])
def test_everything_else_is_a_decline_that_keeps_the_platforms_words(bench: Bench, infcode: Any) -> None:
    body = {"infcode": infcode, "inf_refmsgid": "R1", "err_msg": "人员已在院", "warn_msg": "W", "output": None}
    bench.platform.script("2404", json.dumps(body).encode())
    reply = bench.call("2404", CANCEL)
    assert reply == Reply(
        infcode=str(infcode), msgid=bench.only().msgid or "", inf_refmsgid="R1", err_msg="人员已在院", warn_msg="W",
        code="GW-3000", retry="yes", output=None, exchange_id=bench.only().id,
    )  # fmt: skip
    row = bench.only()
    assert (row.state, row.infcode, row.err_msg, row.code) == (State.DECLINED, str(infcode), "人员已在院", "GW-3000")
    assert bench.observed.faults == ["GW-3000"]


def test_unknown_fields_are_named_beside_the_platforms_own_warning(bench: Bench) -> None:
    bench.platform.script("2404", json.dumps({"infcode": 0, "warn_msg": "余额不足提示", "output": {}}).encode())
    reply = bench.call("2404", {"data": CANCEL["data"] | {"colour": "red"}, "more": {"x": "1"}}, mood="good")
    assert reply.warn_msg.startswith("余额不足提示；")
    assert [name in reply.warn_msg for name in ("data/colour", "more", "head/mood")] == [True, True, True]
    assert json.loads(bench.platform.requests[0].body)["input"] == CANCEL


def test_unknown_fields_are_refused_where_the_setting_says_so() -> None:
    bench = Bench(unknown_fields="refuse")
    reply = bench.call("2404", {"data": CANCEL["data"] | {"colour": "red"}})
    assert failed(reply, "GW-1101", "no")
    assert [(problem.field, problem.rule) for problem in reply.problems] == [("data/colour", "unknown")]
    assert bench.platform.requests == []


def test_a_provinces_own_number_goes_out_and_ours_is_kept() -> None:
    bench = Bench("jiangsu")
    bench.platform.script("2207A", {"setlinfo": {"setl_id": "S1"}})
    data = {
        "psn_no": "P1", "mdtrt_cert_type": "02", "mdtrt_cert_no": "1", "med_type": "11", "medfee_sumamt": "1",
        "psn_setlway": "01", "mdtrt_id": "M1", "chrg_bchno": "B1", "insutype": "310", "acct_used_flag": "0",
        "fulamt_ownpay_amt": "0", "overlmt_selfpay": "0", "preselfpay_amt": "0", "inscp_scp_amt": "1",
    }  # fmt: skip
    reply = bench.call("2207", {"data": data})
    assert reply.infcode == "0", reply.err_msg
    (request,) = bench.platform.requests
    assert (request.infno, json.loads(request.body)["infno"]) == ("2207A", "2207A")
    assert (bench.only().infno, bench.only().province) == ("2207", "jiangsu")


# ------------------------------------------------------------------- refusals


def test_every_problem_of_head_and_message_is_told_and_nothing_is_sent(bench: Bench) -> None:
    nobody = Client("his")
    reply = bench.call("2404", {"data": {"psn_no": "P" * 31}}, client=nobody, opter="0001")
    assert failed(reply, "GW-1101", "no")
    told = [(problem.node, problem.field, problem.rule) for problem in reply.problems]
    assert told == [
        ("head", "opter_type", "required"),
        ("head", "opter_name", "required"),
        ("data", "mdtrt_id", "required"),
        ("data", "psn_no", "length"),
    ] or told == [
        ("head", "opter_type", "required"),
        ("head", "opter_name", "required"),
        ("data", "psn_no", "length"),
        ("data", "mdtrt_id", "required"),
    ]
    assert bench.platform.requests == []
    row = bench.only()
    assert (row.state, row.msgid, row.code, row.infcode) == (State.REFUSED, None, "GW-1101", "-1")
    assert row.err_msg == reply.err_msg
    assert bench.bodies(row).caller_request


def test_a_client_is_kept_to_its_transactions_and_journaled_once(bench: Bench) -> None:
    query = replace(CLIENT, transactions=("1101", "5*"))
    with pytest.raises(Unreadable) as caught:
        bench.call("2404", CANCEL, client=query)
    assert (caught.value.fault.code, caught.value.journaled) == ("GW-2003", True)
    assert "2404" in caught.value.text
    assert (bench.only().state, bench.only().code) == (State.REFUSED, "GW-2003")
    assert bench.platform.requests == []


@pytest.mark.parametrize("infno", ["", "0000", "2404A", "x" * 5_000])
def test_an_unknown_number_is_refused(bench: Bench, infno: str) -> None:
    assert failed(bench.call(infno, {}), "GW-1005", "no")
    assert bench.only().state is State.REFUSED


@pytest.mark.parametrize("infno", ["6204", "6302", "7108", "7109"])
def test_what_the_platform_calls_on_us_cannot_be_called(bench: Bench, infno: str) -> None:
    reply = bench.call(infno, {})
    assert failed(reply, "GW-1005", "no")
    assert "回调" in reply.err_msg
    assert bench.platform.requests == []


# ------------------------------------------------------------- the same again


def test_the_same_request_gets_the_same_answer_and_is_not_sent_again(bench: Bench) -> None:
    bench.platform.script(
        "2404", json.dumps({"infcode": 0, "inf_refmsgid": "R1", "output": {"a": [1]}}).encode(), NotSent("never")
    )
    first = bench.call("2404", CANCEL, request_id="R")
    again = bench.call("2404", CANCEL, request_id="R", opter_name="李四")
    assert again == replace(first, repeated=True)
    assert len(bench.platform.requests) == 1
    assert len(bench.rows()) == 1


def test_a_repeated_query_with_an_id_is_answered_again_and_one_without_is_asked_again(bench: Bench) -> None:
    bench.platform.script("1101", PERSON)
    first = bench.call("1101", QUERY, request_id="Q")
    assert bench.call("1101", QUERY, request_id="Q").msgid == first.msgid
    assert len(bench.platform.requests) == 1
    bench.call("1101", QUERY)
    bench.call("1101", QUERY)
    assert len({request.msgid for request in bench.platform.requests}) == 3


@pytest.mark.parametrize(
    ("infno", "message"), [("2404", {"data": {"mdtrt_id": "M2", "psn_no": "P1"}}), ("2405", CANCEL)]
)
def test_another_request_under_the_same_id_is_refused(bench: Bench, infno: str, message: Any) -> None:
    bench.platform.script("2404", {})
    bench.platform.script("2405", {})
    first = bench.call("2404", CANCEL, request_id="R")
    reply = bench.call(infno, message, request_id="R")
    assert failed(reply, "GW-1409", "no")
    assert first.msgid in reply.err_msg
    assert len(bench.platform.requests) == 1
    assert bench.call("2404", CANCEL, request_id="R").msgid == first.msgid, "the refusal did not take the id"


def test_the_id_of_one_client_is_not_that_of_another(bench: Bench) -> None:
    bench.platform.script("2404", {})
    first = bench.call("2404", CANCEL, request_id="R")
    other = bench.call("2404", CANCEL, request_id="R", client=replace(CLIENT, name="lis"))
    assert first.msgid != other.msgid
    assert len(bench.platform.requests) == 2


@pytest.mark.parametrize(
    "step",
    [NotSent("refused"), Rejected("signature"), json.dumps({"infcode": -1, "err_msg": "no"}).encode()],
    ids=["not sent", "rejected", "declined"],
)
def test_after_what_was_not_done_the_same_id_is_a_new_attempt(bench: Bench, step: Any) -> None:
    bench.platform.script("2404", step, {})
    first = bench.call("2404", CANCEL, request_id="R")
    assert (first.infcode, first.retry) == ("-1", "yes")
    second = bench.call("2404", CANCEL, request_id="R")
    assert second.infcode == "0"
    assert second.msgid not in ("", first.msgid)
    assert [row.state for row in bench.rows()][1] is State.CONFIRMED


def test_after_a_refusal_the_same_id_may_carry_other_content(bench: Bench) -> None:
    bench.platform.script("2404", {})
    assert bench.call("2404", {"data": {}}, request_id="R").code == "GW-1101"
    assert bench.call("2404", CANCEL, request_id="R").infcode == "0"


def test_two_at_once_are_sent_once(bench: Bench) -> None:
    sending, go_on = threading.Event(), threading.Event()

    def slow(request: PlatformRequest) -> bytes:
        sending.set()
        assert go_on.wait(WAIT_S_MAX)
        return envelope({}, msgid=request.msgid)

    bench.platform.script("2404", slow)
    first: list[Reply] = []
    thread = threading.Thread(target=lambda: first.append(bench.call("2404", CANCEL, request_id="R")))
    thread.start()
    assert sending.wait(WAIT_S_MAX)
    twin = bench.call("2404", CANCEL, request_id="R")
    assert failed(twin, "GW-4102", "same")
    assert twin.msgid == bench.only().msgid
    go_on.set()
    thread.join(WAIT_S_MAX)
    assert [reply.infcode for reply in first] == ["0"]
    assert bench.call("2404", CANCEL, request_id="R") == replace(first[0], repeated=True)
    assert len(bench.platform.requests) == 1


def test_a_crowd_with_one_id_is_sent_once(bench: Bench) -> None:
    # all pass the look into the journal before any of them has written: the journal decides
    together = threading.Barrier(8)
    replies: list[Reply] = []
    bench.platform.script("2404", {})

    def one() -> None:
        together.wait(WAIT_S_MAX)
        replies.append(bench.call("2404", CANCEL, request_id="R"))

    crowd = [threading.Thread(target=one) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(WAIT_S_MAX)
    assert len(bench.platform.requests) == 1
    assert {reply.code for reply in replies} <= {"", "GW-4102"}
    assert {reply.msgid for reply in replies} == {bench.platform.requests[0].msgid}


# ---------------------------------------------------------- the line goes wrong


@pytest.mark.parametrize(("step", "code"), [(NotSent("拒绝连接"), "GW-4001"), (Rejected("签名错误"), "GW-4006")])
@pytest.mark.parametrize(("infno", "message"), [("2404", CANCEL), ("1101", QUERY)])
def test_what_never_left_is_told_and_recorded(bench: Bench, infno: str, message: Any, step: Any, code: str) -> None:
    bench.platform.script(infno, step)
    reply = bench.call(infno, message)
    assert failed(reply, code, "yes")
    assert str(step) in reply.err_msg
    row = bench.only()
    assert (row.state, row.code, row.msgid) == (State.NOT_SENT, code, reply.msgid)
    assert bench.platform.requests == []


DOUBTFUL: dict[str, Any] = {
    "no answer": NoAnswer("读取超时"),
    "nothing": b"",
    "half an answer": b'{"infcode": 0, "output": {',
    "gbk": '{"infcode": 0, "err_msg": "张三"}'.encode("gbk"),
    "a page": b"<html>502</html>",
    "a list": b"[]",
    "no infcode": b'{"output": {}}',
    "an empty infcode": b'{"infcode": " "}',
    "too deep": b'{"infcode": 0, "output": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "half a character": b'{"infcode": 0, "err_msg": "\\ud800"}',
}


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_may_have_been_done_is_in_doubt_and_never_sent_again(bench: Bench, kind: str) -> None:
    step = DOUBTFUL[kind]
    bench.platform.script("2404", step)
    reply = bench.call("2404", CANCEL, request_id="R")
    assert failed(reply, "GW-4101", "same")
    row = bench.only()
    assert (row.state, row.code, row.msgid) == (State.IN_DOUBT, "GW-4101", reply.msgid)
    assert bench.bodies(row).platform_answer == (None if isinstance(step, NoAnswer) else step)
    again = bench.call("2404", CANCEL, request_id="R")
    assert again == reply
    assert len(bench.platform.requests) == 1
    assert bench.observed.faults == ["GW-4101"]


def test_a_success_without_what_it_must_hold_proves_nothing(bench: Bench) -> None:
    bench.platform.script("2401", {})
    visit = {
        "psn_no": "P1", "insutype": "310", "begntime": "2026-11-10 08:10:00", "mdtrt_cert_type": "02",
        "med_type": "21", "ipt_no": "ZY1", "atddr_no": "D1", "chfpdr_name": "李四", "adm_diag_dscr": "阑尾炎",
        "adm_dept_codg": "A03", "adm_dept_name": "外科", "adm_bed": "1", "dscg_maindiag_code": "K35.900",
        "dscg_maindiag_name": "急性阑尾炎",
    }  # fmt: skip
    diagnosis = {
        "psn_no": "P1", "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": "1", "diag_code": "K35.900",
        "diag_name": "急性阑尾炎", "diag_dept": "外科", "dise_dor_no": "D1", "dise_dor_name": "李四",
        "diag_time": "2026-11-10 08:10:00",
    }  # fmt: skip
    reply = bench.call("2401", {"mdtrtinfo": visit, "diseinfo": [diagnosis]})
    assert failed(reply, "GW-4101", "same")
    assert bench.only().state is State.IN_DOUBT
    assert "result" in bench.only().err_msg


def test_an_error_nobody_foresaw_is_a_doubt(bench: Bench) -> None:
    def broken(request: PlatformRequest) -> bytes:
        raise ZeroDivisionError

    bench.platform.script("2404", broken)
    assert failed(bench.call("2404", CANCEL), "GW-4101", "same")
    assert bench.only().state is State.IN_DOUBT


def test_a_query_is_asked_again_once_with_the_same_number(bench: Bench) -> None:
    bench.platform.script("1101", NoAnswer("读取超时"), PERSON)
    reply = bench.call("1101", QUERY)
    assert (reply.infcode, reply.output) == ("0", PERSON)
    first, second = bench.platform.requests
    assert first == second
    assert (bench.only().state, bench.only().msgid) == (State.CONFIRMED, reply.msgid)


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_a_query_that_stays_unanswered_changed_nothing(bench: Bench, kind: str) -> None:
    bench.platform.script("1101", DOUBTFUL[kind])
    reply = bench.call("1101", QUERY, request_id="Q")
    assert failed(reply, "GW-4002", "yes")
    assert (bench.only().state, bench.only().code) == (State.NOT_SENT, "GW-4002")
    assert len(bench.platform.requests) == 2
    bench.platform.script("1101", PERSON)
    assert bench.call("1101", QUERY, request_id="Q").infcode == "0"


# ------------------------------------------------------------- the journal fails


def test_without_a_journal_nothing_is_sent(bench: Bench) -> None:
    bench.platform.script("2404", {})
    bench.call("2404", CANCEL)
    bench.journal.available = False
    for request_id in ("", "R"):
        assert failed(bench.call("2404", CANCEL, request_id=request_id), "GW-5001", "yes")
    assert len(bench.platform.requests) == 1


def test_a_refusal_is_told_also_when_it_cannot_be_written(bench: Bench) -> None:
    bench.journal.available = False
    assert failed(bench.call("0000", {}), "GW-1005", "no")


@pytest.mark.parametrize("answer", [{}, NoAnswer("x"), b"garbage"], ids=["done", "unanswered", "garbage"])
def test_a_journal_that_dies_while_sending_leaves_a_doubt(bench: Bench, answer: Any) -> None:
    def dying(request: PlatformRequest) -> bytes:
        bench.journal.available = False
        if isinstance(answer, NoAnswer):
            raise answer
        return answer if isinstance(answer, bytes) else envelope(answer, msgid=request.msgid)

    bench.platform.script("2404", dying)
    reply = bench.call("2404", CANCEL, request_id="R")
    assert failed(reply, "GW-4101", "same")
    assert reply.msgid == bench.platform.requests[0].msgid
    bench.journal.available = True
    assert bench.only().state is State.INTENDED
    assert bench.call("2404", CANCEL, request_id="R").code == "GW-4102", "still the one attempt"
    assert MemoryNodes(bench.journal, alone=True).claim(
        "node-1", None, NodeFacts(), NOW, Outcome(State.IN_DOUBT, NOW, code="GW-4101")
    ) == (Registration("node-1", 1), 1), "the next start finds it"
    assert failed(bench.call("2404", CANCEL, request_id="R"), "GW-4101", "same")
    assert len(bench.platform.requests) == 1


def test_a_row_that_somebody_else_closed_leaves_a_doubt(bench: Bench) -> None:
    def meanwhile(request: PlatformRequest) -> bytes:
        bench.journal.finish(bench.only().id, Outcome(State.IN_DOUBT, NOW, code="GW-4101"))
        return envelope({}, msgid=request.msgid)

    bench.platform.script("2404", meanwhile)
    assert failed(bench.call("2404", CANCEL), "GW-4101", "same")
    assert bench.only().state is State.IN_DOUBT


def test_a_query_without_a_journal_is_told(bench: Bench) -> None:
    bench.platform.script("1101", PERSON)
    bench.journal.available = False
    assert failed(bench.call("1101", QUERY), "GW-5001", "yes")


def test_the_numbers_of_a_dead_journal_raise(bench: Bench) -> None:
    bench.journal.available = False
    with pytest.raises(JournalUnavailable):
        MsgidSequence(bench.journal, CODE, lambda: NOW).next()


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]


# ---------------------------------------------------------- rows per call


@pytest.mark.parametrize("infno", ["2204", "2301"])
def test_more_rows_than_the_province_takes_are_not_sent(infno: str) -> None:
    guangdong = Bench("guangdong")
    reply = guangdong.call(infno, {"feedetail": [{} for _ in range(101)]})
    (problem,) = [one for one in reply.problems if one.rule == "lines_per_call"]
    assert (reply.code, problem.node, problem.value) == ("GW-1101", "feedetail", "101")
    assert "共 101 行，本省每次最多 100 行" in problem.text
    assert (guangdong.only().state, guangdong.platform.requests) == (State.REFUSED, [])
    for bench, rows in ((guangdong, 100), (Bench(), 101)):
        reply = bench.call(infno, {"feedetail": [{} for _ in range(rows)]})
        assert "lines_per_call" not in {one.rule for one in reply.problems}
