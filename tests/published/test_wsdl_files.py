"""Files under ``wsdl/``: written once, drift seen, nothing taken away, only the address changed when served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway import mappings
from gateway.contract.model import Node, Side
from gateway.contract.openapi import openapi
from gateway.contract.wsdl import exchange_wsdl, typed_wsdl
from gateway.published import wsdl_files
from gateway.published.wsdl_files import ContractShrinksError, check_growth, published, with_address
from tests.contract.shapes import ADMISSION, contract, field, transaction

TABLES = [ADMISSION, transaction("1101", Side(root=(field("certno"), field("card_sn"))), group="person")]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose mappings are :data:`TABLES`; the real ones are compared in ``soap/test_drift.py``."""
    monkeypatch.setattr(wsdl_files, "contracts", lambda root: [contract(TABLES)])
    return tmp_path


def test_the_national_contract_comes_first() -> None:
    found = [contract.province for contract in wsdl_files.contracts(mappings.data_root())]
    assert found[0] == "national"
    assert sorted(found) == mappings.provinces()


def test_build_writes_once_and_check_names_what_differs(root: Path) -> None:
    written = wsdl_files.build(root)
    assert written == [
        *(
            "inpatient.wsdl",
            "person.wsdl",
            "exchange.wsdl",
            "hospital.wsdl",
            "xsd/1101.xsd",
            "xsd/2401.xsd",
            "openapi.json",
        )
    ]
    assert wsdl_files.build(root) == wsdl_files.check(root) == []
    (root / "wsdl" / "exchange.wsdl").write_bytes(exchange_wsdl() + b"\n")
    (root / "wsdl" / "person.wsdl").unlink()
    (root / "wsdl" / "strange.wsdl").write_bytes(exchange_wsdl())
    (root / "wsdl" / "legacy").mkdir()
    (root / "wsdl" / "legacy" / "old.wsdl").write_bytes(b"untouched")
    assert wsdl_files.check(root) == ["exchange.wsdl", "person.wsdl", "strange.wsdl"]


def test_build_refuses_to_take_a_field_away_and_writes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wsdl_files.build(root)
    before = published(root, "person.wsdl")
    less = [ADMISSION, transaction("1101", Side(root=(field("certno"), field("more"))), group="person")]
    monkeypatch.setattr(wsdl_files, "contracts", lambda root: [contract(less)])
    with pytest.raises(ContractShrinksError, match="只增不减") as caught:
        wsdl_files.build(root)
    assert caught.value.removed == {
        "openapi.json": ["/Txn1101/input/card_sn leaf"],
        "person.wsdl": ["/Txn1101/card_sn leaf"],
        "xsd/1101.xsd": ["/request/input/card_sn leaf"],
    }
    assert published(root, "person.wsdl") == before


def test_build_refuses_to_drop_a_published_file(root: Path) -> None:
    wsdl_files.build(root)
    (root / "wsdl" / "gone.wsdl").write_bytes(exchange_wsdl())
    with pytest.raises(ContractShrinksError) as caught:
        wsdl_files.build(root)
    assert caught.value.removed == {"gone.wsdl": ["整个文件"]}


@pytest.mark.parametrize("name", ["../pyproject.toml", "nothing.wsdl", "", "xsd", "/etc/passwd", "a\0b", "xsd/../../x"])
def test_only_published_files_are_given_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "wsdl" / "xsd").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("secret")
    with pytest.raises(KeyError):
        published(tmp_path, name)


# ---------------------------------------------------------------- v1 only grows

OLD = Side(
    root=(field("a"),),
    nodes=(Node("rows", "行", True, fields=(field("b"),)), Node("n", "节点", False, fields=(field("c"),))),
)
SHRUNK = {
    "a field": (Side(nodes=OLD.nodes), "/a leaf", "/a leaf"),
    "a node": (Side(OLD.root, OLD.nodes[:1]), "/n node", "/n node"),
    "a list": (
        Side(OLD.root, (Node("rows", "行", False, fields=(field("b"),)), OLD.nodes[1])),
        "/rows list",
        "/rows list",
    ),
    "a leaf's kind": (
        Side(nodes=(*OLD.nodes, Node("a", "节点", False, fields=(field("d"),)))),
        "/a leaf",
        "/a leaf",
    ),
}


@pytest.mark.parametrize(("new", "wsdl_end", "json_end"), SHRUNK.values(), ids=SHRUNK.keys())
def test_each_kind_of_removal_is_named(new: Side, wsdl_end: str, json_end: str) -> None:
    old_contract, new_contract = (contract([transaction("1", side)]) for side in (OLD, new))
    removed = check_growth(typed_wsdl([old_contract], "inpatient"), typed_wsdl([new_contract], "inpatient"))
    assert f"/Txn1{wsdl_end}" in removed
    removed = check_growth(openapi([old_contract]), openapi([new_contract]))
    assert f"/Txn1/input{json_end}" in removed


def test_a_removed_operation_is_named_in_both_bindings() -> None:
    two = contract([transaction("1", OLD), transaction("2", OLD)])
    one = contract([transaction("1", OLD)])
    removed = check_growth(typed_wsdl([two], "inpatient"), typed_wsdl([one], "inpatient"))
    assert "binding InpatientSoap Txn2 urn:yibao:gateway:v1/Txn2" in removed
    assert "binding InpatientSoap12 Txn2 urn:yibao:gateway:v1/Txn2" in removed
    assert check_growth(typed_wsdl([one], "inpatient"), typed_wsdl([two], "inpatient")) == []
    assert "path /transactions/2" in check_growth(openapi([two]), openapi([one]))


def test_a_field_of_repeated_rows_is_named_when_it_goes() -> None:
    old, new = (
        openapi([contract([transaction("1", answered=Side(root=fields, root_repeat=True))])])
        for fields in ((field("a"), field("b")), (field("a"),))
    )
    assert check_growth(old, new) == ["/Txn1Response/output[]/b leaf"]


def test_a_removed_port_or_changed_action_is_named() -> None:
    old = exchange_wsdl()
    text = old.decode()
    begin, end = text.index('    <wsdl:port name="ExchangeSoap12"'), text.index("  </wsdl:service>")
    assert check_growth(old, (text[:begin] + text[end:]).encode()) == ["port Exchange/ExchangeSoap12"]
    changed = old.replace(b"v1/Call", b"v1/Other")
    assert len(check_growth(old, changed)) == 2


# ---------------------------------------------------------------- the address


def locations(content: bytes) -> list[str]:
    return [str(found.get("location")) for found in etree.fromstring(content).iter("{*}address")]


def test_only_the_addresses_change() -> None:
    old = exchange_wsdl()
    new = with_address(old, "https://yb.example.cn/soap/exchange")
    assert locations(new) == ["https://yb.example.cn/soap/exchange"] * 2
    assert new.replace(b"https://yb.example.cn/", b"http://127.0.0.1:8080/") == old


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
def test_any_address_stays_one_attribute(tail: str) -> None:
    allowed = "".join(char for char in tail if char not in "\ufffe\uffff")
    assert locations(with_address(exchange_wsdl(), f"http://h/{allowed}")) == [f"http://h/{allowed}"] * 2


OTHERS = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/'
 xmlns:soap="urn:not-soap" xmlns:http="http://schemas.xmlsoap.org/wsdl/http/">
<!-- <s:address location="in a comment"/> -->
<documentation><![CDATA[<s:address location="in text"/>]]>张</documentation>
<service><port><s:address
   note="x" location = 'http://old/1' /></port>
<port><http:address location="http://old/2"/></port>
<port><soap:address location="http://old/3"/></port>
<port><address xmlns="http://schemas.xmlsoap.org/wsdl/soap12/" location="http://old/4"></address></port>
</service></definitions>"""


def encoded() -> Iterator[tuple[str, bytes]]:
    for name in ("utf-8", "gbk", "gb18030"):
        yield name, f'<?xml version="1.0" encoding="{name}"?>{OTHERS}'.encode(name)
    for name, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        yield name, mark + f'<?xml version="1.0" encoding="utf-16"?>{OTHERS}'.encode(name)


@pytest.mark.parametrize(("name", "content"), list(encoded()), ids=[name for name, _ in encoded()])
def test_taken_over_wsdls_in_any_charset_and_dress(name: str, content: bytes) -> None:
    served = with_address(content, "http://new/")
    assert locations(served) == ["http://new/", "http://old/2", "http://old/3", "http://new/"]
    text = served.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").decode(name)
    assert text.partition("?>")[2] == OTHERS.replace("http://old/1", "http://new/").replace(
        "http://old/4", "http://new/"
    )


def test_the_openapi_document_is_json_with_chinese_as_written() -> None:
    content = openapi([contract([transaction("1", OLD)])])
    assert "交易1" in content.decode()
    assert json.loads(content)["openapi"] == "3.1.0"
