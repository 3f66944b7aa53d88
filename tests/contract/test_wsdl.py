"""The published WSDL and XSD: their shape, merging of provinces, and what real clients make of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zeep
from hypothesis import given, settings
from lxml import etree
from suds.client import Client as SudsClient

from gateway.contract.model import Contract, Node, Side
from gateway.contract.published import NAMESPACE, PublishError, groups, operations
from gateway.contract.wsdl import exchange_wsdl, typed_wsdl
from gateway.contract.xsd import string_schema
from gateway.published.wsdl_files import check_growth
from tests.contract.shapes import ADMISSION, contract, contracts, field, transaction

XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP11 = "{http://schemas.xmlsoap.org/wsdl/soap/}"
SOAP12 = "{http://schemas.xmlsoap.org/wsdl/soap12/}"

NATIONAL = contract([ADMISSION])


def parsed(*given: Contract, group: str = "inpatient") -> etree._Element:
    return etree.fromstring(typed_wsdl(given, group))


def schema_of(wsdl: etree._Element) -> etree.XMLSchema:
    found = wsdl.find(f".//{XS}schema")
    assert found is not None
    return etree.XMLSchema(etree.fromstring(etree.tostring(found)))


def element(wsdl: etree._Element, path: str) -> etree._Element:
    """The declaration at ``Txn2401/mdtrtinfo/psn_no``."""
    found: etree._Element | None = wsdl.find(f".//{XS}schema")
    for name in path.split("/"):
        assert found is not None, path
        steps = (f"{XS}element", f"{XS}complexType/{XS}sequence/{XS}element")
        matches = [match for step in steps for match in found.findall(f"{step}[@name='{name}']")]
        assert len(matches) == 1, f"{name} in {path}: {len(matches)}"
        found = matches[0]
    assert found is not None
    return found


def children(wsdl: etree._Element, path: str) -> list[str]:
    found = element(wsdl, path).findall(f"{XS}complexType/{XS}sequence/{XS}element")
    return [str(child.get("name")) for child in found]


def note(wsdl: etree._Element, path: str) -> str:
    return element(wsdl, path).findtext(f"{XS}annotation/{XS}documentation") or ""


# ---------------------------------------------------------------- shape


def test_wrappers_hold_head_and_nodes_and_the_answer() -> None:
    wsdl = parsed(NATIONAL)
    assert children(wsdl, "Txn2401") == ["head", "mdtrtinfo", "diseinfo"]
    assert children(wsdl, "Txn2401Response") == [
        *("infcode", "inf_refmsgid", "err_msg", "warn_msg", "msgid", "code", "retry", "output", "problem")
    ]
    assert children(wsdl, "Txn2401Response/output/result") == ["mdtrt_id"]
    assert children(wsdl, "Txn2401Response/problem") == ["node", "row", "field", "label", "value", "rule", "text"]
    assert {"opter", "request_id", "insuplc_admdvs", "mac", "ip", "dev_no"} <= set(children(wsdl, "Txn2401/head"))


def test_every_inner_element_is_optional_text_never_nillable_and_inline() -> None:
    wsdl = parsed(NATIONAL)
    assert wsdl.findall(f".//{XS}schema/{XS}complexType") == []
    assert [found for found in wsdl.iter(f"{XS}element") if found.get("nillable")] == []
    inner = wsdl.findall(f".//{XS}sequence/{XS}element")
    assert {found.get("minOccurs") for found in inner} == {"0"}
    leaves = [found for found in inner if found.find(f"{XS}complexType") is None]
    assert {found.get("type") for found in leaves} == {"xs:string"}


def test_lists_are_unbounded_and_the_rest_single() -> None:
    wsdl = parsed(NATIONAL)
    unbounded = {found.get("name") for found in wsdl.iter(f"{XS}element") if found.get("maxOccurs")}
    assert unbounded == {"diseinfo", "problem"}


def test_one_service_with_the_older_port_first_and_one_url() -> None:
    wsdl = parsed(NATIONAL)
    services = wsdl.findall(f"{WSDL}service")
    assert [service.get("name") for service in services] == ["Inpatient"]
    addresses = [port[0] for port in services[0].findall(f"{WSDL}port")]
    assert [address.tag for address in addresses] == [f"{SOAP11}address", f"{SOAP12}address"]
    assert {address.get("location") for address in addresses} == {"http://127.0.0.1:8080/soap/inpatient"}


def test_both_bindings_are_document_literal_with_the_action() -> None:
    wsdl = parsed(NATIONAL)
    for soap in (SOAP11, SOAP12):
        (binding,) = (found for found in wsdl.findall(f"{WSDL}binding") if found.find(f"{soap}binding") is not None)
        (operation,) = binding.findall(f"{WSDL}operation")
        assert operation.find(f"{soap}operation").get("soapAction") == f"{NAMESPACE}/Txn2401"  # type: ignore[union-attr]
        assert {body.get("use") for body in binding.iter(f"{soap}body")} == {"literal"}


def test_messages_have_one_part_named_parameters() -> None:
    wsdl = parsed(NATIONAL)
    parts = wsdl.findall(f"{WSDL}message/{WSDL}part")
    assert [(part.get("name"), part.get("element")) for part in parts] == [
        ("parameters", "tns:Txn2401"),
        ("parameters", "tns:Txn2401Response"),
    ]


def test_documentation_tells_label_type_length_and_requirement() -> None:
    facts = (
        field("psn_no", "人员编号", length=30, required=True, codes="psn"),
        field("fee", "金额", "decimal", precision=16, scale=2),
        field("whole", "数", "decimal", precision=4),
        field("when", "时间", "datetime"),
    )
    wsdl = parsed(contract([transaction("1", Side(root=facts))]))
    assert note(wsdl, "Txn1/psn_no") == "人员编号，字符(30)，必填，值域 psn"
    assert note(wsdl, "Txn1/fee") == "金额，数值(16,2)，可空"
    assert note(wsdl, "Txn1/whole") == "数，数值(4,0)，可空"
    assert note(wsdl, "Txn1/when") == "时间，日期时间 yyyy-MM-dd HH:mm:ss，可空"


def test_markup_in_labels_and_names_stays_text() -> None:
    label = 'a<b & "c" ]]> --> 张'
    txn = transaction("1", Side(root=(field("drug_used-idose", label),)), group="x-y")
    wsdl = parsed(contract([txn]), group="x-y")
    assert note(wsdl, "Txn1/drug_used-idose").startswith(label)


def test_root_fields_stand_in_the_wrapper_and_repeated_roots_become_rows() -> None:
    given_side = Side(root=(field("a"),), nodes=(Node("n", "节点", False),))
    answered = Side(root=(field("docId"),), nodes=(Node("docsuspt", "疑点", True),), root_repeat=True)
    wsdl = parsed(contract([transaction("3702", given_side, answered)]))
    assert children(wsdl, "Txn3702") == ["head", "a", "n"]
    assert children(wsdl, "Txn3702Response/output") == ["row"]
    assert children(wsdl, "Txn3702Response/output/row") == ["docId", "docsuspt"]
    assert element(wsdl, "Txn3702Response/output/row").get("maxOccurs") == "unbounded"


def test_a_transaction_without_tables_still_has_head_and_output() -> None:
    wsdl = parsed(contract([transaction("9002")]))
    assert children(wsdl, "Txn9002") == ["head"]
    assert children(wsdl, "Txn9002Response/output") == []


def test_nodes_of_one_name_under_different_parents_keep_their_own_fields() -> None:
    def parent(name: str, inner: str) -> Node:
        return Node(name, "父", False, children=(Node("detail", "子", True, fields=(field(inner),)),))

    wsdl = parsed(contract([transaction("1", Side(nodes=(parent("left", "a"), parent("right", "b"))))]))
    assert children(wsdl, "Txn1/left/detail") == ["a"]
    assert children(wsdl, "Txn1/right/detail") == ["b"]


def test_a_field_may_be_called_like_what_the_answer_carries() -> None:
    """4262 answers with a root field ``code``, 3508 with a node ``output``: they stand inside ``output``."""
    answered = Side(
        root=(field("code"), field("infcode")), nodes=(Node("output", "节点", False, fields=(field("a"),)),)
    )
    wsdl = parsed(contract([transaction("1", Side(nodes=(Node("input", "节点", False),)), answered)]))
    assert children(wsdl, "Txn1Response/output") == ["code", "infcode", "output"]
    assert children(wsdl, "Txn1") == ["head", "input"]
    schema_of(wsdl)


# ---------------------------------------------------------------- what cannot be published

CLASHES = {
    "root field like a node": Side(root=(field("x"),), nodes=(Node("x", "节点", False),)),
    "field like a child node": Side(
        nodes=(Node("n", "节点", False, fields=(field("x"),), children=(Node("x", "子", False),)),)
    ),
    "two fields": Side(root=(field("x"), field("x"))),
}


@pytest.mark.parametrize("side", CLASHES.values(), ids=CLASHES.keys())
def test_two_elements_of_one_name_in_one_place_are_refused_by_name(side: Side) -> None:
    with pytest.raises(PublishError, match=r"2401 output.*多个元素名为 x"):
        typed_wsdl([contract([transaction("2401", answered=side)])], "inpatient")


@pytest.mark.parametrize("side", [Side(root=(field("head"),)), Side(nodes=(Node("head", "节点", False),))])
def test_an_input_element_called_head_is_refused(side: Side) -> None:
    with pytest.raises(PublishError, match=r"2401.*head"):
        typed_wsdl([contract([transaction("2401", side)])], "inpatient")


@pytest.mark.parametrize("name", ["1st", "a b", "", "a:b", "-a", "a<"])
def test_a_name_xml_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(PublishError, match="不是合法的 XML 元素名"):
        typed_wsdl([contract([transaction("2401", Side(root=(field(name),)))])], "inpatient")


def test_field_in_one_province_and_node_in_another_is_refused_with_the_province() -> None:
    other = contract([transaction("2401", Side(nodes=(Node("x", "节点", False),)))], "hunan")
    with pytest.raises(PublishError, match=r"2401 input/x.*hunan"):
        typed_wsdl([contract([transaction("2401", Side(root=(field("x"),)))]), other], "inpatient")


def test_a_group_without_operations_is_unknown() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        typed_wsdl([NATIONAL], "nowhere")


# ---------------------------------------------------------------- one for all provinces


def test_a_province_adds_at_the_end_and_takes_nothing_away() -> None:
    info = Node("mdtrtinfo", "入院信息", True, fields=(field("serv_code", "服务商"),))
    wsdl = parsed(NATIONAL, contract([transaction("2401", Side(nodes=(info,)))], "jiangsu"))
    assert children(wsdl, "Txn2401/mdtrtinfo") == ["psn_no", "serv_code"]
    assert children(wsdl, "Txn2401") == ["head", "mdtrtinfo", "diseinfo"]
    assert element(wsdl, "Txn2401/mdtrtinfo").get("maxOccurs") == "unbounded"
    assert note(wsdl, "Txn2401/mdtrtinfo/serv_code").endswith("仅 jiangsu")
    assert note(wsdl, "Txn2401/mdtrtinfo/psn_no") == "人员编号，字符(30)，必填"


def test_a_transaction_of_one_province_is_published_in_its_group() -> None:
    letter = contract([transaction("2206A", group="outpatient"), transaction("2401", group="outpatient")], "guangdong")
    assert groups([NATIONAL, letter]) == ["inpatient", "outpatient"]
    assert [found.infno for found in operations([NATIONAL, letter], "outpatient")] == ["2206A"]
    assert [found.infno for found in operations([NATIONAL, letter])] == ["2206A", "2401"]


def test_callbacks_are_no_operations() -> None:
    callback = transaction("6204", callback=True)
    assert [found.infno for found in operations([contract([ADMISSION, callback])])] == ["2401"]


def test_a_single_root_that_a_province_repeats_offers_both_forms() -> None:
    once = contract([transaction("5204", answered=Side(root=(field("a"),)))])
    rows = contract([transaction("5204", answered=Side(root=(field("a"),), root_repeat=True))], "hunan")
    assert children(parsed(once, rows), "Txn5204Response/output") == ["a", "row"]


@settings(max_examples=60, deadline=None)
@given(contracts, contracts)
def test_any_tables_give_a_valid_schema_and_a_province_only_adds(first: Contract, second: Contract) -> None:
    alone = typed_wsdl([first], "inpatient")
    both = typed_wsdl([first, second], "inpatient")
    schema_of(etree.fromstring(both))
    assert check_growth(alone, both) == []
    for operation in operations([first, second]):
        etree.XMLSchema(etree.fromstring(string_schema(operation)))


@given(contracts)
def test_equal_tables_give_equal_bytes(found: Contract) -> None:
    reordered = contract(list(reversed(list(found.transactions.values()))))
    assert typed_wsdl([found], "inpatient") == typed_wsdl([reordered], "inpatient")
    assert typed_wsdl([found, found], "inpatient") == typed_wsdl([found], "inpatient")


# ---------------------------------------------------------------- real clients


@pytest.fixture
def wsdl_file(tmp_path: Path) -> Path:
    path = tmp_path / "inpatient.wsdl"
    path.write_bytes(typed_wsdl([NATIONAL], "inpatient"))
    return path


def assert_admission(envelope: etree._Element, wsdl_file: Path) -> None:
    body = envelope.find("{*}Body")
    assert body is not None
    schema_of(etree.parse(wsdl_file).getroot()).assertValid(etree.fromstring(etree.tostring(body[0])))
    texts = {re.sub(r"^\{.*\}", "", str(found.tag)): found.text for found in body[0].iter()}
    assert texts["psn_no"] == "张三"
    assert [found.text for found in body.iter(f"{{{NAMESPACE}}}diag_code")] == ["A01", "B02"]


@pytest.mark.parametrize("port", ["InpatientSoap", "InpatientSoap12"])
def test_zeep_writes_a_valid_request_on_both_ports(wsdl_file: Path, port: str) -> None:
    client = zeep.Client(str(wsdl_file))
    service = client.bind("Inpatient", port)
    envelope = client.create_message(
        service,
        "Txn2401",
        head={"request_id": "1"},
        mdtrtinfo={"psn_no": "张三"},
        diseinfo=[{"diag_code": "A01"}, {"diag_code": "B02"}],
    )
    assert_admission(envelope, wsdl_file)


def test_suds_writes_a_valid_request(wsdl_file: Path) -> None:
    client = SudsClient(wsdl_file.as_uri(), cache=None, nosend=True)
    sent = client.service.Txn2401({"request_id": "1"}, {"psn_no": "张三"}, [{"diag_code": "A01"}, {"diag_code": "B02"}])
    assert_admission(etree.fromstring(sent.envelope), wsdl_file)


def test_the_string_service_takes_and_gives_text(tmp_path: Path) -> None:
    path = tmp_path / "exchange.wsdl"
    path.write_bytes(exchange_wsdl())
    client = zeep.Client(str(path))
    envelope = client.create_message(client.service, "Call", infno="1101", request="<request/>")
    body = envelope.find("{*}Body")
    assert body is not None
    schema_of(etree.parse(path).getroot()).assertValid(etree.fromstring(etree.tostring(body[0])))
    (result,) = client.wsdl.bindings[f"{{{NAMESPACE}}}ExchangeSoap"].get("Call").output.body.type.elements
    assert result[0] == "CallResult"


# ---------------------------------------------------------------- documents of the string service


def string_documents() -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(string_schema(operations([NATIONAL])[0])))


@pytest.mark.parametrize(
    "text",
    [
        "<request><head><opter>0001</opter><request_id>H-1</request_id></head><input><mdtrtinfo><psn_no>1</psn_no>"
        "</mdtrtinfo><diseinfo/><diseinfo><diag_code>A</diag_code></diseinfo></input></request>",
        "<request/>",
        "<response><infcode>0</infcode><inf_refmsgid/><err_msg/><warn_msg/><msgid>m</msgid><code/><retry/>"
        "<output><result><mdtrt_id>1</mdtrt_id></result></output></response>",
        "<response><infcode>-1</infcode><code>GW-1101</code><problem><node>mdtrtinfo</node></problem></response>",
    ],
)
def test_the_xsd_takes_what_the_string_service_takes(text: str) -> None:
    string_documents().assertValid(etree.fromstring(text))


@pytest.mark.parametrize(
    "text",
    [
        "<request><input><unknown/></input></request>",
        "<request><mdtrtinfo/></request>",
        "<request><input><mdtrtinfo/><mdtrtinfo/></input></request>",
        "<response><output><psn_no/></output></response>",
        '<request xmlns="urn:x"/>',
    ],
)
def test_the_xsd_refuses_what_is_in_no_table(text: str) -> None:
    assert not string_documents().validate(etree.fromstring(text))
