"""SOAP to a province: what goes out, what is read, and what each failure means for money."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.settlement.build import build_platform
from adapters.settlement.soap import SoapCall, SoapPlatform, tree_of, xml_of
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest, Rejected
from gateway.simulator import Simulator, serve
from gateway.simulator.faults import KINDS
from gateway.simulator.soap import PATH, WsseSigning
from tests.adapters.settlement import soap_service as soap
from tests.conformance.test_platform import ANSWER, BODY, LONG_S, MSGID, NO_ANSWER, Handler, Server, always, http

MAPPINGS = Path(__file__).parents[3] / "mappings"
PASSWORD = "PASSWORD<&>-TEST"
WSSE = 'xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"'
REQUEST = PlatformRequest("2304", MSGID, BODY)


@pytest.fixture
def servers() -> Iterator[Callable[[Handler], Server]]:
    running: list[Server] = []

    def start(handler: Handler) -> Server:
        running.append(Server(handler))
        return running[-1]

    yield start
    for server in running:
        server.signal.set()
        server.stop()


@pytest.fixture
def platform() -> Iterator[Callable[..., SoapPlatform]]:
    made: list[SoapPlatform] = []

    def make(server: Server, call: SoapCall = soap.CALL, **line: Any) -> SoapPlatform:
        made.append(SoapPlatform(f"http://127.0.0.1:{server.port}/front.asmx", call, read_timeout_s=LONG_S, **line))
        return made[-1]

    yield make
    for one in made:
        one.close()


# ------------------------------------------------------------ what goes out


def test_the_operation_of_the_wsdl_is_called_at_the_configured_address(servers: Any, platform: Any) -> None:
    server = servers(always(http(soap.answer(ANSWER))))
    call = replace(soap.CALL, account="hospital", password=PASSWORD)
    call = replace(call, arguments={**call.arguments, "arg.password": "<{password}>"})
    answer = platform(server, call).send(REQUEST)
    head, body = server.requests[0]
    assert head.startswith(b"POST /front.asmx ")
    assert b'SOAPAction: "urn:process"' in head
    sent = {etree.QName(element).localname: element.text for element in etree.fromstring(body).iter()}
    assert (sent["user"], sent["code"], sent["xml"]) == ("hospital", "2304", BODY.decode())
    assert sent["password"] == f"<{PASSWORD}>"
    assert answer.body == ANSWER


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "gb18030"])
def test_the_journal_gets_the_bytes_of_the_line(servers: Any, platform: Any, charset: str) -> None:
    answered = soap.answer('{"infcode":0,"output":{"名":"张三㐀"}}'.encode().decode(), charset="gb18030")
    server = servers(always(http(answered)))
    answer = platform(server, replace(soap.CALL, charset=charset)).send(REQUEST)
    head, body = server.requests[0]
    assert f"charset={charset}".encode() in head
    assert "张三".encode(charset) in body
    assert answer.wire is not None
    assert (answer.wire.request, answer.wire.answer) == (body, answered)
    assert json.loads(answer.body)["output"] == {"名": "张三㐀"}


def test_a_password_is_no_matter_for_the_journal(servers: Any, platform: Any) -> None:
    call = replace(soap.CALL, password=PASSWORD, arguments={**soap.CALL.arguments, "arg.password": "{password}"})
    server = servers(always(http(soap.answer(ANSWER))))
    wire = platform(server, call).send(REQUEST).wire
    assert b"PASSWORD&lt;&amp;&gt;-TEST" in server.requests[0][1]
    assert wire is not None
    assert wire.request == server.requests[0][1].replace(b">PASSWORD&lt;&amp;&gt;-TEST<", b">***<")
    assert b"PASSWORD" not in wire.request


def test_a_prepared_request_leaves_with_its_password_and_is_kept_without(servers: Any, platform: Any) -> None:
    call = replace(soap.CALL, password=PASSWORD, arguments={**soap.CALL.arguments, "arg.password": "{password}"})
    server = servers(always(http(soap.answer(ANSWER))))
    sending = platform(server, call)
    prepared = sending.prepare(REQUEST)
    sending.send(replace(REQUEST, prepared=prepared))
    assert prepared.body == server.requests[0][1]
    assert (b"PASSWORD" in prepared.body, b"PASSWORD" in prepared.kept, b">***<" in prepared.kept) == (
        True,
        False,
        True,
    )
    with pytest.raises(NotSent, match="没有发出"):
        platform(server, replace(soap.CALL, payload="xml")).prepare(replace(REQUEST, body=b"[1]"))


def test_what_xml_cannot_carry_is_not_sent(servers: Any, platform: Any) -> None:
    server = servers(always(http(soap.answer(ANSWER))))
    sending = platform(server, replace(soap.CALL, payload="xml"))
    for body in (b'{"input":{"a":"\\u000b"}}', b"[1]", b"no json"):
        with pytest.raises(NotSent, match="没有发出"):
            sending.send(replace(REQUEST, body=body))
    assert server.connections == 0


# ------------------------------------------------------------ settings that cannot work


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wsdl": Path("none.wsdl")}, "none.wsdl"),
        ({"operation": "other"}, "没有操作 other；有：process"),
        ({"service": "other"}, "没有 service other；有：facadeService"),
        ({"port": "other"}, "没有 port other；有：facadePort"),
        ({"arguments": {"arg.xml": "{payload}", "arg.nix": "1"}}, "nix"),
        ({"arguments": {"arg.xml": "text"}}, "payload"),
        ({"arguments": {"arg.xml": "{payload}{payload}"}}, "payload"),
        ({"arguments": {"arg.xml": "{payload}", "arg.user": "{who}"}}, "who"),
        ({"security": "digest"}, "account"),
    ],
)
def test_settings_that_cannot_work_are_told_at_start(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SoapPlatform("http://127.0.0.1:1/", replace(soap.CALL, **change))


def test_paths_are_not_for_soap() -> None:
    call = {"wsdl": soap.WSDL, "operation": "process", "arguments": {"arg.xml": "{payload}"}}
    with pytest.raises(ValueError, match="paths"):
        build_platform("http://127.0.0.1:1/", "soap", soap=call, paths={"2304": "x"})


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('schemaLocation="http://127.0.0.1:1/front.xsd"', "http://127.0.0.1:1/front.xsd"),
        ('schemaLocation="file:///etc/hostname"', "file:///etc/hostname"),
    ],
)
def test_nothing_is_fetched_for_a_wsdl(tmp_path: Path, broken: str, words: str) -> None:
    text = soap.WSDL.read_text().replace('schemaLocation="front.xsd"', broken)
    (tmp_path / "a.wsdl").write_text(text)
    with pytest.raises(ValueError, match=words):
        SoapPlatform("http://127.0.0.1:1/", replace(soap.CALL, wsdl=tmp_path / "a.wsdl"))


def test_a_wsdl_with_a_doctype_is_refused(tmp_path: Path) -> None:
    entity = '<!DOCTYPE d [<!ENTITY a "b">]>'
    (tmp_path / "a.wsdl").write_text(soap.WSDL.read_text().replace("?>", f"?>{entity}", 1))
    with pytest.raises(ValueError, match="不能使用"):
        SoapPlatform("http://127.0.0.1:1/", replace(soap.CALL, wsdl=tmp_path / "a.wsdl"))


# ------------------------------------------------------------ what comes back

XML = "<response><infcode>0</infcode><output><row><a>1.10</a></row><row><a>张</a></row><b/></output></response>"


@pytest.mark.parametrize(
    "body",
    [
        soap.answer(XML),
        soap.answer(f'<?xml version="1.0" encoding="GBK"?>{XML}'),
        soap.answer(XML, charset="gb18030"),
        soap.answer(XML, charset="gb18030", declared=False),
        soap.answer(f"<all>{XML}</all>"),
        soap.envelope(f"<processResponse><return>{XML}</return></processResponse>"),
        soap.envelope(f"<processResponse>{XML}</processResponse>"),
        soap.envelope(f"<processResponse><return><![CDATA[{XML}]]></return></processResponse>"),
    ],
    ids=["text", "text-declared-gbk", "gb18030", "gb18030-undeclared", "wrapped", "elements", "no-return", "cdata"],
)
def test_answers_in_every_shape(servers: Any, platform: Any, body: bytes) -> None:
    server = servers(always(http(body)))
    found = json.loads(platform(server, replace(soap.CALL, charset="gb18030")).send(REQUEST).body)
    assert found == {"infcode": "0", "output": {"row": [{"a": "1.10"}, {"a": "张"}], "b": ""}}


def test_the_element_of_the_result_may_be_named(servers: Any, platform: Any) -> None:
    body = soap.envelope("<r><code>0</code><data>{&quot;infcode&quot;:0}</data></r>")
    assert (
        platform(servers(always(http(body))), replace(soap.CALL, result="data")).send(REQUEST).body == b'{"infcode":0}'
    )
    for result, words in (("nix", "0 个"), ("", "infcode|读取|答复")):
        sending = platform(servers(always(http(body))), replace(soap.CALL, result=result))
        with pytest.raises(NoAnswer, match=words):
            sending.send(REQUEST)


NOT_EXECUTED = [
    http(soap.fault("w:FailedAuthentication", "签名不一致", WSSE), "500 No"),
    http(soap.fault("w:InvalidSecurity", "签名不一致", WSSE)),
    http(soap.fault("s:MustUnderstand", "签名不一致"), "500 No"),
    http('{"code":401,"message":"签名不一致"}'.encode(), "403 No"),
    http(soap.answer('{"code":401,"message":"签名不一致"}')),
]
UNKNOWN = [
    http(soap.fault("s:Server", "内部错误"), "500 No"),
    http(soap.fault("s:Client", "内部错误"), "500 No"),
    http(soap.fault("s:Server", "内部错误")),
    http(soap.fault("FailedAuthentication", "内部错误"), "500 No"),
    http(soap.fault("s:FailedAuthentication", "内部错误"), "500 No"),
    http(soap.answer(""), "200 OK"),
    http(soap.answer(ANSWER), "500 No"),
    http(soap.answer(ANSWER), "400 No"),
    http(b"<html>500</html>", "500 No"),
    http(ANSWER),
    http(soap.answer("<response><a>1</a>")),
    http(soap.envelope("")),
    http(b'<!DOCTYPE a [<!ENTITY b "c">]>' + soap.answer(ANSWER, declared=False)),
    http(soap.answer(ANSWER, charset="gb18030").replace(b"gb18030", b"utf-8")),
    http(soap.answer("<" + "a" * 100 + ">" * 3)),
    http(soap.envelope("<a>" * 300 + "</a>" * 300)),
]


@pytest.mark.parametrize("answer", NOT_EXECUTED, ids=range(len(NOT_EXECUTED)))
def test_what_was_refused_before_it_was_processed_is_not_executed(servers: Any, platform: Any, answer: bytes) -> None:
    with pytest.raises(Rejected, match="签名不一致"):
        platform(servers(always(answer))).send(REQUEST)


@pytest.mark.parametrize("answer", UNKNOWN, ids=range(len(UNKNOWN)))
def test_whatever_else_is_no_answer_leaves_the_outcome_unknown(servers: Any, platform: Any, answer: bytes) -> None:
    server = servers(always(answer))
    with pytest.raises(NoAnswer) as caught:
        platform(server).send(REQUEST)
    assert caught.value.wire is not None
    assert caught.value.wire.request == server.requests[0][1]
    assert caught.value.wire.answer == answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("case", list(NO_ANSWER))
def test_lines_that_fail_mean_the_same_as_without_soap(servers: Any, platform: Any, case: str) -> None:
    handler, words = NO_ANSWER[case]
    server = servers(handler)
    with pytest.raises(NoAnswer, match=words) as caught:
        platform(server, answer_bytes_max=1024 * 1024).send(REQUEST)
    assert len(server.requests) == 1
    assert caught.value.wire is not None
    assert caught.value.wire.request == server.requests[0][1]


# ------------------------------------------------------------ against the simulator

EXPECTED = {
    "refuse": "declined",
    "delay": "done",
    "lose-request": NoAnswer,
    "late-request": NoAnswer,
    "lose-reply": NoAnswer,
    "late-reply": "done",
    "drop-row": "done",
    "reset": NoAnswer,
    "http-500": NoAnswer,
    "garbage": NoAnswer,
    "wrong-charset": NoAnswer,
    "wrong-length": NoAnswer,
    "truncated": NoAnswer,
    "duplicate-reply": "done",
    "bad-signature": Rejected,
}


@pytest.fixture(scope="module", params=["utf-8", "gb18030"])
def province(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    simulator = Simulator(MAPPINGS, seed=3, soap=("xml", request.param), signing=WsseSigning({"a": PASSWORD}))
    file = tmp_path_factory.mktemp("soap") / "sim.wsdl"
    with serve(simulator, port=0) as server:
        assert simulator.soap is not None
        file.write_bytes(simulator.soap.wsdl(server.url).body)
        arguments = {"infno": "{infno}", "request": "{payload}"}
        call = SoapCall(file, "Call", arguments, payload="xml", charset=request.param, account="a", password=PASSWORD,
                        security="digest")  # fmt: skip
        sending = SoapPlatform(server.url + PATH, call, read_timeout_s=LONG_S, idle_s_max=0)
        yield simulator, sending
        sending.close()


def test_every_kind_of_fault_is_expected_here() -> None:
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.parametrize("kind", list(EXPECTED))
def test_the_simulator_misbehaves_over_soap_too(province: Any, kind: str) -> None:
    simulator, sending = province
    simulator.add_fault({"infno": "9001", "kind": kind, "seconds": 0.05})
    number = f"{len(simulator.ledger()['requests']):04d}"
    msgid = f"H44080000001202611220900{number}"[:26] + number
    envelope = {
        "infno": "9001",
        "msgid": msgid,
        "mdtrtarea_admvs": "440800",
        "recer_sys_code": "MBS_LOCAL",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "0001",
        "opter_name": "张三",
        "inf_time": "2026-11-22 09:00:00",
        "fixmedins_code": "H44080000001",
        "fixmedins_name": "湛江模拟医院",
        "input": {"signIn": {"opter_no": "0001", "mac": "00-11", "ip": "127.0.0.1"}},
    }
    request = PlatformRequest("9001", msgid, json.dumps(envelope, ensure_ascii=False).encode())
    expected: Any = EXPECTED[kind]
    if isinstance(expected, str):
        answer = json.loads(sending.send(request).body)
        assert (answer["infcode"] == "0") is (expected == "done"), answer
        return
    with pytest.raises(expected) as caught:
        sending.send(request)
    assert isinstance(caught.value, expected)


# ------------------------------------------------------------ JSON and XML

NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
LEAVES = st.text("张 <&>\"'a0.\t", max_size=5)
ROWS = st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3)
TREES = st.dictionaries(NAMES, LEAVES | ROWS | st.lists(ROWS | LEAVES, min_size=2, max_size=3), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(tree=TREES)
def test_what_is_written_as_xml_reads_back_the_same(tree: dict[str, Any]) -> None:
    assert tree_of(etree.fromstring(xml_of("r", tree).encode())) == tree
