"""An envelope whose message was cut out is answered as if it had been parsed: first seen or known, whatever is wrong with it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.contract.interface import Interface
from gateway.contract.published import NAMESPACE, operations
from gateway.exchange.call import Call, Reply
from gateway.exchange.gate import CallsInHand
from gateway.exchange.limits import Shares
from gateway.exchange.ports import State
from gateway.exchange.replies import refusal_reply
from gateway.faults import GatewayFault
from gateway.http.identity import WSSE, Clients
from gateway.http.reception import Reception
from gateway.metrics import Metrics
from gateway.settings import ClientSettings, Limits, Listen
from gateway.soap.lane import SOAP_11, SOAP_12, Lane
from gateway.soap.operations import build_application
from gateway.soap.services import TypedService
from tests.contract.row_kit import PLAIN, SEX, SIDE, row, told
from tests.contract.shapes import contract, transaction

CLIENTS = (ClientSettings(name="his", open=True),)
INTERFACE = Interface(contract([transaction("1", SIDE, SIDE), transaction("2", SIDE, SIDE)], codes=[SEX]))
OPERATIONS = operations([INTERFACE.contract])


class Recorder:
    """An exchange that answers what it has read."""

    interface = INTERFACE

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def handle(self, call: Call) -> Reply:
        found = told(*INTERFACE.input(call.infno).check(call.message))
        self.calls.append((call.infno, call.client.name, list(call.head.items()), call.raw, call.raw_charset, found))
        return Reply("0", msgid="M1", warn_msg="<&>", output={"person": {"name": str(len(self.calls))}})

    def refuse(self, call: Call, fault: GatewayFault) -> Reply:
        self.calls.append((call.infno, call.client.name, call.raw, call.raw_charset, fault.fault.code, fault.text))
        return refusal_reply(fault)


class House:
    """A lane and what came to the exchange behind it."""

    def __init__(self, *, cuts: bool) -> None:
        self.exchange = Recorder()
        reception = Reception(
            self.exchange,  # type: ignore[arg-type]  # all that a lane asks of an exchange
            Clients(CLIENTS, clock.now),
            CallsInHand(Shares(4, ["his"], 0.0)),
            Limits(),
            Listen(),
            Metrics(["1"], ["his"], State),
        )
        service = TypedService({operation.infno: operation for operation in OPERATIONS}, reception)
        if not cuts:
            service.cutter = None
        self.lane = Lane(
            lambda handler: build_application("test", OPERATIONS, handler),
            service,
            reception,
            lambda: b"",
            "/soap/test",
        )

    def post(self, body: bytes, content_type: str) -> Any:
        """Status, headers and body of the answer, and what the exchange was told."""
        heads: list[Any] = []

        def start_response(status: str, headers: Sequence[tuple[str, str]], _error: Any = None) -> None:
            heads.append((status, headers))

        self.exchange.calls.clear()
        answer = b"".join(self.lane.handle_rpc(environ(body, content_type), start_response))
        return heads, answer, list(self.exchange.calls)


def environ(body: bytes, content_type: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


@cache
def houses() -> tuple[House, House]:
    return House(cuts=True), House(cuts=False)


@pytest.fixture(autouse=True)
def unknown_frames() -> Iterator[None]:
    yield
    houses()[0].lane._frames.clear()


# ---------------------------------------------------------------- documents

HEADS = st.sampled_from(
    ["<head><opter>1</opter><opter_name> 张三 </opter_name><mac></mac><ip/></head>"] * 4
    + ["", "<head/>", "<head></head>", "<head> <opter>1</opter>\n</head>", "<head><ip>1</ip><opter>2</opter></head>"]
    + ["<head><opter>a&amp;b</opter></head>", "<head><opter>1</opter><opter>2</opter></head>", "<head>x</head>"]
    + ["<head><opter a='1'>1</opter></head>", "<head><mood>1</mood></head>", "<head><opter>1</opter></head>" * 2]
    + ["<head><opter>1</opter></head><serial>1</serial><head><opter>1</opter></head>", "<p:head/>", "<head a='1'/>"]
    + ["<!--<head><opter>1</opter></head>-->", "<head><opter><b>1</b></opter></head>", "<arg0>1</arg0>"]
)
HEADERS = st.sampled_from(
    [""] * 8
    + ["<e:Header/>", "<e:Header></e:Header>", "<e:Header> <p:a/></e:Header>", "<e:Header>x</e:Header>"]
    + ["<e:Header><p:a e:mustUnderstand='1'/></e:Header>", "<e:Header><p:a e:mustUnderstand='0'>x</p:a></e:Header>"]
    + [f"<e:Header><w:Security xmlns:w='{WSSE}'/></e:Header>"]
    + [f"<e:Header><w:Security xmlns:w='{WSSE}'><w:UsernameToken/></w:Security></e:Header>"]
)
OPENINGS = st.sampled_from(
    [(f'<Txn1 xmlns="{NAMESPACE}">', "</Txn1>")] * 6
    + [("<Txn1>", "</Txn1>"), ("<p:Txn1>", "</p:Txn1>"), ("<none:Txn1>", "</none:Txn1>"), ("<Txn2>", "</Txn2>")]
    + [('<Txn1 href="#x">', "</Txn1>"), ('<Txn1 e:encodingStyle="x">', "</Txn1>"), ("<Txn9>", "</Txn9>"), ("", "")]
    + [("<Txn1/><Txn1>", "</Txn1>"), ("<!--<Txn1>", "</Txn1>--><Txn1/>"), ("<![CDATA[<Txn1>", "</Txn1>]]>")]
    + [("<Txn1>", "</Txn1><Txn2/>"), ("<Txn1>text", "</Txn1>"), ("<x/><Txn1>", "</Txn1>"), ("<Txn2/><Txn1>", "</Txn1>")]
    + [("<?p <Txn1>?><Txn1>", "</Txn1>"), ("<Txn1><Txn1>", "</Txn1></Txn1>"), ("<Txn1><!-- c -->", "</Txn1>")]
)
STARTS = st.sampled_from([""] * 6 + ["<!DOCTYPE x>", "<!-- c -->", "\n", "<?p ?>", "\ufeff", "x"])
ENDS = st.sampled_from([""] * 6 + ["\n", "<!-- c -->", "<x/>", "x", "</e:Envelope>"])
ROOTS = st.sampled_from([SOAP_11] * 5 + [SOAP_12, "urn:other", ""])


@st.composite
def documents(draw: st.DrawFn) -> str:
    opening, closing = draw(OPENINGS)
    rows = "".join(draw(st.lists(row(), max_size=3)))
    content = draw(HEADS) + (rows if draw(st.booleans()) else f"<fee>{PLAIN}</fee>" * draw(st.integers(0, 2)))
    body = f"<e:Body>{opening}{content}{closing}</e:Body>"
    spaces = draw(st.sampled_from(["", "", "\n  "]))
    root = f'<e:Envelope xmlns:e="{draw(ROOTS)}" xmlns:p="urn:p" xmlns:q="urn:q">'
    whole = draw(STARTS) + root + spaces + draw(HEADERS) + spaces + body + spaces + "</e:Envelope>" + draw(ENDS)
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(whole)))
        whole = whole[:place] + draw(st.sampled_from(["", "<", "&", ">", "x", '"', "/", "<head>"])) + whole[place + 1 :]
    return whole


CHARSETS = st.sampled_from(["utf-8", "utf-8", "utf-8", "gb18030", "utf-16"])
TYPES = st.sampled_from(["text/xml", "application/soap+xml; charset={}", 'text/xml; charset="{}"', ""])


@given(documents(), CHARSETS, TYPES, st.booleans())
@settings(max_examples=120, deadline=None)
def test_what_is_cut_out_is_answered_as_if_it_had_been_parsed(
    document: str, charset: str, kind: str, declared: bool
) -> None:
    text = (f'<?xml version="1.0" encoding="{charset}"?>' if declared else "") + document
    body = text.encode(charset, "surrogatepass" if charset.startswith("utf") else "replace")
    cutting, parsing = houses()
    wanted = parsing.post(body, kind.format(charset))
    assert cutting.post(body, kind.format(charset)) == wanted
    assert cutting.post(body, kind.format(charset)) == wanted, "now its frame may be known"


# -------------------------------------------------------------------- frames


def envelope(content: str, header: str = "", attribute: str = "") -> bytes:
    return (
        f'<e:Envelope xmlns:e="{SOAP_11}">{header}<e:Body><Txn1 xmlns="{NAMESPACE}"{attribute}>{content}</Txn1></e:Body>'
        "</e:Envelope>"
    ).encode()


HEAD = "<head><opter>%d</opter><opter_name>张三</opter_name></head>"
FEES = f"<fee>{PLAIN}</fee>"


def test_one_frame_is_kept_for_all_calls_that_differ_in_their_values_alone() -> None:
    cutting, _ = houses()
    for number in range(5):
        _, answer, calls = cutting.post(envelope(HEAD % number + FEES * (number + 1)), "text/xml")
        assert b"<infcode>0</infcode>" in answer
        assert calls[0][2] == [("opter", str(number)), ("opter_name", "张三")]
    assert len(cutting.lane._frames) == 1
    (skeleton,) = cutting.lane._frames
    assert "张三" not in skeleton


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(envelope(HEAD % 1 + FEES, "<e:Header><a>secret</a></e:Header>"), id="a header"),
        pytest.param(envelope(HEAD % 1 + FEES, "<!-- 张三 -->"), id="a comment"),
        pytest.param(envelope(HEAD % 1 + FEES, "<?p 张三?>"), id="an instruction"),
        pytest.param(envelope(HEAD % 1 + FEES, attribute=' a="张三"'), id="an attribute"),
        pytest.param(envelope(HEAD % 1 + FEES + "张三"), id="text"),
        pytest.param(envelope(HEAD % 1 + FEES + "<serial>1</serial>"), id="a field beside the rows"),
        pytest.param(envelope(HEAD % 1 + "<fee><no>&#49;</no></fee>" + FEES), id="a row that is not plain"),
        pytest.param(envelope(FEES).replace(b"<e:Body>", b" " * 4000 + b"<e:Body>"), id="a long one"),
    ],
)
def test_nothing_is_kept_that_could_tell_of_anybody(body: bytes) -> None:
    cutting, parsing = houses()
    assert cutting.post(body, "text/xml") == parsing.post(body, "text/xml")
    assert cutting.lane._frames == {}


def test_strangers_cannot_fill_the_memory_with_frames() -> None:
    cutting, _ = houses()
    for number in range(600):
        cutting.post(envelope(FEES).replace(b"e:", b"e%d:" % number).replace(b":e=", b":e%d=" % number), "text/xml")
    assert 0 < len(cutting.lane._frames) <= 256
