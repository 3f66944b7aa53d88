"""From the operation element to the call and from the reply to the answer element, with all that can be wrong."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.contract.dialect import Dialect, DialectCall, DialectFlawed, DialectRefused, build_dialect
from gateway.contract.model import Problem
from gateway.mappings.dialect_goldens import GoldenReply
from tests.contract.dialect_kit import CONTRACT, dialect, header, operation

STEPS: list[dict[str, Any]] = [
    {"rename": {"fields": {"t": "top"}}},
    {"date": {"from": "rq", "to": "data/brdy", "pattern": "yyyyMMdd"}},
    {"each": {"from": "m", "to": "rows", "steps": [{"unit": {"from": "je", "to": "amt", "factor": "0.01"}}]}},
]
ANSWER: list[dict[str, Any]] = [{"rename": {"fields": {"top": "t", "data/amt": "je"}}}]


@pytest.fixture(scope="module")
def kit() -> Dialect:
    return dialect(STEPS, ANSWER)


def refused(kit: Dialect, element: etree._Element, charset: str = "utf-8") -> DialectRefused:
    with pytest.raises(DialectRefused) as caught:
        kit.read(element, charset)
    return caught.value


def b64(text: str, charset: str = "gbk") -> str:
    return base64.b64encode(text.encode(charset)).decode()


def payload_of(element: etree._Element) -> str:
    return element[0].text or ""


def test_operation_names(kit: Dialect) -> None:
    assert kit.operation_names == {"Do"}


@pytest.mark.parametrize("namespace", ["{urn:kit}", "", "{urn:other}"])
def test_names_count_with_any_namespace_or_none(kit: Dialect, namespace: str) -> None:
    element = etree.Element(f"{namespace}Do")
    etree.SubElement(element, "no").text = " T1 "
    etree.SubElement(element, "{urn:kit}xml").text = "<x:in xmlns:x='u'><x:data><x:t>甲</x:t></x:data></x:in>"
    call = kit.read(element, "utf-8")
    assert (call.infno, call.his_transaction, call.message) == ("9100", "T1", {"top": "甲"})


def test_child_elements_instead_of_a_string_are_read_too(kit: Dialect) -> None:
    element = etree.fromstring("<Do><no>T1</no><xml><data><t>甲</t></data></xml></Do>")
    assert kit.read(element, "utf-8").message == {"top": "甲"}


def test_head_is_text_and_its_fields_are_not_unknown(kit: Dialect) -> None:
    call = kit.read(operation("<in><user>0001</user><data/></in>"), "utf-8")
    assert (call.head, call.unknown) == ({"opter": "0001"}, ())


@pytest.mark.parametrize(
    ("payload", "form", "packing", "charset"),
    [
        ("<in><data><t>甲</t></data></in>", "xml", "plain", "gbk"),
        ('\ufeff <?xml version="1.0" encoding="GB18030"?><in><data><t>甲</t></data></in>', "xml", "plain", "gb18030"),
        ('{"data": {"t": "甲"}}', "json", "plain", "gbk"),
        (b64("<in><data><t>甲</t></data></in>"), "xml", "base64", "gbk"),
        (
            b64('<?xml version="1.0" encoding="utf-8"?><in><data><t>甲</t></data></in>', "utf-8"),
            "xml",
            "base64",
            "utf-8",
        ),
        (b64('{"data": {"t": "甲"}}', "utf-8-sig"), "json", "base64", "utf-8"),
        (b64("<in><data><t>甲</t></data></in>", "utf-16"), "xml", "base64", "utf-16"),
    ],
)
def test_payloads_come_in_several_dresses_and_answers_in_the_same(
    kit: Dialect, payload: str, form: str, packing: str, charset: str
) -> None:
    call = kit.read(operation(payload), "utf-8")
    assert (call.message, call.form, call.packing, call.charset) == ({"top": "甲"}, form, packing, charset)
    text = payload_of(kit.write(call, GoldenReply("0", output={"top": "乙"})))
    if packing == "base64":
        text = base64.b64decode(text).decode(charset)
    assert text.lstrip("\ufeff")[0] == ("<" if form == "xml" else "{")
    assert "乙" in text


def test_base64_in_lines(kit: Dialect) -> None:
    lines = "\r\n".join(b64("<in><data><t>甲</t></data></in>")[i : i + 20] for i in range(0, 60, 20))
    assert kit.read(operation(lines), "utf-8").message == {"top": "甲"}


def test_json_numbers_keep_their_digits_and_other_leaves_become_text(kit: Dialect) -> None:
    made = dialect([{"move": {"from": "data", "to": "data"}}])
    call = made.read(
        operation('{"data":{"data":{"amt":1.10,"name":true,"memo":null,"gend":12345678901234567890}}}'), "utf-8"
    )
    assert call.message == {"data": {"amt": "1.10", "name": "true", "memo": "", "gend": "12345678901234567890"}}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("", "GW-1016"),
        ("   ", "GW-1016"),
        ("!!!", "GW-1016"),
        ("abc", "GW-1016"),
        ("<a><b></a>", "GW-1001"),
        ("<a/><b/>", "GW-1001"),
        ("<a>&x;</a>", "GW-1001"),
        ("<", "GW-1001"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "GW-1002"),
        ('<?xml version="1.0"?><!-- x --><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "GW-1002"),
        ("<a>" * 3000, "GW-1007"),
        ("<a>" * 3000 + "</a>" * 3000, "GW-1007"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "GW-1003"),
        (b64("<a>\u4e2d</a>", "gbk")[:-4] + "////", "GW-1003"),
        (base64.b64encode(b"<a>\xff\xff</a>").decode(), "GW-1003"),
        (base64.b64encode(b'<?xml version="1.0" encoding="utf-8"?><a>\xd6\xd0\xff</a>').decode(), "GW-1003"),
        ("{", "GW-1008"),
        ('{"a":1,"a":2}', "GW-1008"),
        ('{"a":NaN}', "GW-1008"),
        ('{"a":"\\ud800"}', "GW-1008"),
        ("[1]", "GW-1008"),
        ('{"a":' * 5000, "GW-1007"),
        ('{"a":' * 200 + "1" + "}" * 200, "GW-1007"),
    ],
)
def test_unreadable_payloads_are_refused_and_the_answer_is_in_the_dialects_form(
    kit: Dialect, payload: str, code: str
) -> None:
    error = refused(kit, operation(payload))
    assert error.fault.code == code
    reply = GoldenReply("-1", err_msg=error.text, code=code)
    answer = kit.write(error.call, reply)
    assert answer.tag == "{urn:kit}DoResponse"
    assert answer.findtext("{urn:kit}code") == "-1"


@pytest.mark.parametrize("number", ["", "T2", "6204", "  ", "T1\x7f" * 50])
def test_unknown_numbers(kit: Dialect, number: str) -> None:
    error = refused(kit, operation('{"data":{}}', number))
    assert error.fault.code == "GW-1005"
    assert error.call is not None
    assert error.call.form == "json"


def test_an_unknown_operation_has_no_call(kit: Dialect) -> None:
    error = refused(kit, etree.Element("Undo"))
    assert (error.fault.code, error.call) == ("GW-1005", None)


@pytest.mark.parametrize("name", ["arg0", "param1", "c-gensym3", "in0"])
def test_positional_names_are_refused_where_the_wsdl_has_others(kit: Dialect, name: str) -> None:
    element = etree.Element("Do")
    etree.SubElement(element, name).text = "T1"
    error = refused(kit, element)
    assert error.fault.code == "GW-1012"
    assert name in error.text


def test_missing_and_doubled_parameters(kit: Dialect) -> None:
    assert refused(kit, etree.fromstring("<Do><no>T1</no></Do>")).fault.code == "GW-1016"
    assert refused(kit, etree.fromstring("<Do/>")).fault.code == "GW-1016"
    twice = etree.fromstring("<Do><no>T1</no><no>T1</no><xml>{}</xml></Do>")
    assert refused(kit, twice).fault.code == "GW-1012"


def test_an_extra_parameter_is_unknown(kit: Dialect) -> None:
    element = operation("<in/>")
    etree.SubElement(element, "extra").text = "1"
    assert kit.read(element, "utf-8").unknown == ("extra",)


def test_without_a_charset_the_envelopes_counts() -> None:
    document = header(payload={"forms": ["xml"], "packings": ["plain"]})
    made = build_dialect(document, {"t": {"infno": "9100", "his": "T1"}}, CONTRACT, "v")
    assert made.read(operation("<in/>"), "GB18030").charset == "gb18030"
    assert refused(made, operation("<in/>"), "klingon").fault.code == "GW-1003"


def test_an_operation_can_stand_for_one_transaction() -> None:
    document = header()
    request = document["operations"][0]["request"]
    del request["transaction"]
    request["fixed"] = "T1"
    request["body"] = "xml"
    made = build_dialect(document, {"t": {"infno": "9100", "his": "T1", "request": STEPS}}, CONTRACT, "v")
    assert made.read(operation("<in><t>1</t></in>", "whatever"), "utf-8").message == {"top": "1"}
    request["fixed"] = "T9"
    with pytest.raises(DialectFlawed, match="T9"):
        build_dialect(document, {"t": {"infno": "9100", "his": "T1", "request": STEPS}}, CONTRACT, "v")


def test_others_are_taken_under_their_national_names_but_callbacks_never() -> None:
    made = build_dialect(header(others="national"), {}, CONTRACT, "v")
    data = "<in><data><data><name>x</name></data><rows><sn>1</sn></rows><odd>2</odd></data></in>"
    call = made.read(operation(data, "9100"), "utf-8")
    assert call.message == {"data": {"name": "x"}, "rows": [{"sn": "1"}], "odd": "2"}
    assert refused(made, operation("<in/>", "6204")).fault.code == "GW-1005"


def test_one_number_cannot_mean_two_things() -> None:
    files = {"a": {"infno": "9100", "his": ["T1", "T2"]}, "b": {"infno": "9200", "his": "T2"}}
    with pytest.raises(DialectFlawed, match="“T2”已用于 a"):
        build_dialect(header(), files, CONTRACT, "v")


# ----------------------------------------------------------------------- answers


def answered(kit: Dialect, payload: str, reply: GoldenReply) -> str:
    return payload_of(kit.write(kit.read(operation(payload), "utf-8"), reply))


def test_characters_outside_the_charset_become_references(kit: Dialect) -> None:
    text = answered(kit, "<in/>", GoldenReply("0", output={"top": "龘𠮷€ &<"}))
    assert "<t>龘&#134071;&#8364; &amp;&lt;</t>" in text
    text.encode("gbk")


def test_json_outside_the_charset_is_escaped(kit: Dialect) -> None:
    text = answered(kit, "{}", GoldenReply("0", output={"top": "𠮷"}))
    text.encode("gbk")
    assert json.loads(text)["data"]["t"] == "𠮷"


@pytest.mark.parametrize("payload", ["<in/>", "{}"])
def test_control_characters_are_removed(kit: Dialect, payload: str) -> None:
    text = answered(kit, payload, GoldenReply("0", warn_msg="a\x00b\x0bc\ufffe\ud800d", output={"top": "x\x1fy"}))
    assert "abcd" in text
    assert "xy" in text


def test_leaves_of_every_type(kit: Dialect) -> None:
    made = dialect((), [{"move": {"from": "data", "to": "d"}}])
    output = {
        "data": {"amt": Decimal("1E+2"), "name": None, "gend": 2**70, "memo": "x", "1 odd:name": "y", "l": [1, "2"]}
    }
    text = answered(made, "<in/>", GoldenReply("0", output=output))
    root = etree.fromstring(text.partition("?>")[2])
    d = root.find("data/d")
    assert d is not None
    assert [(e.tag, e.text) for e in d] == [
        ("amt", "100"),
        ("name", None),
        ("gend", str(2**70)),
        ("memo", "x"),
        ("_1_odd_name", "y"),
        ("l", "1"),
        ("l", "2"),
    ]
    shown = json.loads(answered(made, "{}", GoldenReply("0", output=output)), parse_float=Decimal)["data"]["d"]
    assert shown == output["data"]


@pytest.mark.parametrize("output", [None, {}, [], "text", {"data": "x"}, {"data": [{"amt": 1}]}, [[]]])
def test_an_odd_output_still_gets_an_answer(kit: Dialect, output: Any) -> None:
    assert "<data" in answered(kit, "<in/>", GoldenReply("0", output=output))


def test_a_failure_has_no_body_and_is_never_taken_for_success(kit: Dialect) -> None:
    for infcode in ("-1", "999", "", "00"):
        element = kit.write(None, GoldenReply(infcode, err_msg="坏", output={"top": "x"}))
        assert element.findtext("{urn:kit}code") == "-1"
        assert "<data" not in payload_of(element)


def test_what_the_check_finds_is_told_by_the_hospitals_own_path() -> None:
    document = header()
    document["operations"][0]["answer"]["failure"] = [
        {"rename": {"fields": {"problem_text": "out/msg"}}},
        {
            "each": {
                "from": "problems",
                "to": "out/p",
                "steps": [{"rename": {"fields": {"his_path": "wo", "text": "was"}}}],
            }
        },
    ]
    made = build_dialect(document, {"t": {"infno": "9100", "his": "T1", "request": STEPS}}, CONTRACT, "v")
    call = made.read(operation("<in/>"), "utf-8")
    problem = Problem("rows", "2", "amt", "金额", "x", "precision", "位数过多")
    reply = GoldenReply("-1", err_msg="不符", problems=(problem, Problem("", "", "zz", "", "", "required", "必填")))
    root = etree.fromstring(payload_of(made.write(call, reply)).partition("?>")[2])
    assert root.findtext("msg") == "院内字段 m/je：位数过多；必填"
    assert [(p.findtext("wo"), p.findtext("was")) for p in root.iter("p")] == [
        ("m/je", "院内字段 m/je：位数过多"),
        ("", "必填"),
    ]


def test_unqualified_parts_have_no_namespace() -> None:
    made = build_dialect(header(qualified=False), {"t": {"infno": "9100", "his": "T1"}}, CONTRACT, "v")
    element = made.write(None, GoldenReply("0"))
    assert [child.tag for child in element] == ["out", "code"]
    assert element.tag == "{urn:kit}DoResponse"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transaction": "nope"}, "路径须以参数名开头"),
        ({"body": "nope/x"}, "路径须以参数名开头"),
        ({"head": [{"rename": {"fields": {"no": "optr"}}}]}, "是否为 opter"),
        ({"head": [{"rename": {"fields": {"no": "infno"}}}]}, "infno 不在国家接口中"),
    ],
)
def test_flaws_of_operations(change: dict[str, Any], said: str) -> None:
    document = header()
    document["operations"][0]["request"].update(change)
    with pytest.raises(DialectFlawed, match=said):
        build_dialect(document, {}, CONTRACT, "v")


def test_answer_steps_write_into_parts_only() -> None:
    document = header()
    document["operations"][0]["answer"]["success"] = [{"rename": {"fields": {"err_msg": "msg"}}}]
    with pytest.raises(DialectFlawed, match="to 须以返回参数名开头"):
        build_dialect(document, {}, CONTRACT, "v")


# -------------------------------------------------------------------- properties


def _hostile() -> st.SearchStrategy[str]:
    pieces = st.sampled_from(
        ["<in>", "</in>", "<data>", "</data>", "<m>", "</m>", "<je>", "</je>", "<t a='1'>", "</t>", "<![CDATA[", "]]>", "<!--",
         "-->", "<!DOCTYPE x>", "<?xml version='1.0' encoding='gbk'?>", "&amp;", "&#0;", "&#x1F600;", "{", "}", "[", "]", ":",
         '"data"', '"m"', '"je"', ",", "1", "1e999999999", "null", "PGE+", "====", "\ufeff", "甲", "\x7f"]
    )  # fmt: skip
    text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
    return st.lists(st.one_of(pieces, text), max_size=12).map("".join)


KIT = dialect(STEPS, ANSWER)


def survives(element: etree._Element) -> None:
    call: DialectCall | None
    try:
        call, refusal = KIT.read(element, "utf-8"), None
    except DialectRefused as error:
        call, refusal = error.call, error
    if refusal is not None:
        assert refusal.fault.code.startswith("GW-10")
        assert len(refusal.detail.splitlines()) <= 1
    KIT.write(call, GoldenReply("-1", err_msg="x"))
    KIT.write(call, GoldenReply("0", output={"top": "x"}))


@given(_hostile(), st.sampled_from(["T1", "T2", ""]))
@example('{"data": {"m": [{"je": 1e999999999}, [], null, {"je": {"x": 1}}, [[{"je": 2}]]]}}', "T1")
def test_whatever_the_payload_only_refused_leaves(payload: str, number: str) -> None:
    survives(operation(payload, number))


@given(st.binary(max_size=60))
def test_whatever_the_bytes_only_refused_leaves(raw: bytes) -> None:
    survives(operation(base64.b64encode(raw).decode()))
    survives(operation(base64.b64encode(b"<in><data>" + raw + b"</data></in>").decode()))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["data", "m", "je", "t", "rq", "#text", "@x", ""]), inner),
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_the_json_only_refused_leaves(value: Any) -> None:
    survives(operation(json.dumps({"data": value})))
