"""The published files are the ones the mappings give, and spyne describes the same operations and messages."""

from __future__ import annotations

import gateway.soap  # noqa: F401  # isort: skip  # before spyne, which it makes loadable

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import zeep
from lxml import etree
from spyne import Application
from suds.client import Client as SudsClient

from gateway import mappings
from gateway.contract import hospital
from gateway.contract.model import Contract
from gateway.contract.published import NAMESPACE, groups, operations
from gateway.published import wsdl_files
from gateway.soap.operations import build_application, build_service, build_string_application

ROOT = mappings.data_root()
XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP11 = "{http://schemas.xmlsoap.org/wsdl/soap/}"

Tree = tuple[str, bool, tuple["Tree", ...] | None]
"""Name, whether it repeats, and its elements in order (None for text)."""


@cache
def contracts() -> list[Contract]:
    return wsdl_files.contracts(ROOT)


def published(group: str) -> etree._Element:
    return etree.fromstring(wsdl_files.published(ROOT, f"{group}.wsdl"))


def described(application: Application) -> etree._Element:
    """What spyne itself would publish."""
    application.transport = "http://schemas.xmlsoap.org/soap/http"
    application.interface.docs.wsdl11.build_interface_document("http://127.0.0.1/")
    return etree.fromstring(application.interface.docs.wsdl11.get_interface_document())


def one(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path)
    assert len(found) == 1, f"{path}: {len(found)}"
    return found[0]


def text(element: etree._Element, attribute: str) -> str:
    return str(element.get(attribute))


def actions(wsdl: etree._Element) -> dict[str, str]:
    """Operation -> SOAPAction of the SOAP 1.1 binding; spyne's has no namespace in front."""
    binding = one(wsdl, f"{WSDL}binding/{SOAP11}binding/..")
    return {
        text(found, "name"): text(one(found, f"{SOAP11}operation"), "soapAction").removeprefix(f"{NAMESPACE}/")
        for found in binding.iter(f"{WSDL}operation")
    }


def port_messages(wsdl: etree._Element) -> dict[str, tuple[str, str]]:
    return {
        text(found, "name"): (
            text(one(found, f"{WSDL}input"), "message"),
            text(one(found, f"{WSDL}output"), "message"),
        )
        for found in one(wsdl, f"{WSDL}portType").iter(f"{WSDL}operation")
    }


def parts(wsdl: etree._Element) -> dict[str, list[tuple[str, str]]]:
    return {
        text(message, "name"): [(text(part, "name"), text(part, "element")) for part in message]
        for message in wsdl.iter(f"{WSDL}message")
    }


def wrappers(wsdl: etree._Element) -> dict[str, Tree]:
    """Every message's element as a tree, with named types (spyne's) put in their place."""
    schema = one(wsdl, f".//{XS}schema[@targetNamespace='{NAMESPACE}']")
    types = {text(found, "name"): found for found in schema.iterchildren(f"{XS}complexType")}
    wanted = {element.partition(":")[2] for found in parts(wsdl).values() for _, element in found}
    tops = {text(found, "name"): found for found in schema.iterchildren(f"{XS}element")}
    return {name: tree(tops[name], types) for name in wanted}


def tree(element: etree._Element, types: dict[str, etree._Element]) -> Tree:
    assert element.get("nillable") in (None, "false")
    kind = element.get("type", "")
    body = types.get(kind.partition(":")[2]) if kind else one(element, f"{XS}complexType")
    inner = None if kind == "xs:string" else tuple(tree(child, types) for child in members(body))
    return text(element, "name"), element.get("maxOccurs") == "unbounded", inner


def members(body: etree._Element | None) -> Iterator[etree._Element]:
    assert body is not None
    yield from body.iterfind(f"{XS}sequence/{XS}element")


def nothing(ctx: object, name: str, given: tuple[object, ...]) -> None:
    return None


def test_the_published_files_are_what_the_mappings_give() -> None:
    assert wsdl_files.check(ROOT) == [], "run: yibao wsdl build"


def assert_same(own: etree._Element, ours: etree._Element) -> None:
    assert own.get("targetNamespace") == ours.get("targetNamespace") == NAMESPACE
    assert [found.get("name") for found in own.iter(f"{WSDL}service")] == [
        found.get("name") for found in ours.iter(f"{WSDL}service")
    ]
    assert actions(own) == actions(ours)
    assert port_messages(own) == port_messages(ours)
    assert parts(own) == parts(ours)
    assert wrappers(own) == wrappers(ours)


def test_spyne_describes_every_typed_service_as_published() -> None:
    found = groups(contracts())
    assert len(found) > 20
    for group in found:
        assert_same(described(build_application(group, operations(contracts(), group), nothing)), published(group))


def test_spyne_describes_the_string_service_as_published() -> None:
    assert_same(described(build_string_application(nothing)), published("exchange"))


def test_spyne_describes_the_hospital_service_as_published() -> None:
    found = hospital.service_operations(contracts())
    assert_same(described(build_service(hospital.GROUP, NAMESPACE, found, nothing)), published(hospital.GROUP))


def test_every_callable_transaction_is_published_once() -> None:
    names = [name for group in groups(contracts()) for name in actions(published(group))]
    expected = {
        f"Txn{transaction.infno}"
        for contract in contracts()
        for transaction in contract.transactions.values()
        if not transaction.callback
    }
    assert sorted(names) == sorted(expected)
    assert not {"Txn6204", "Txn6302", "Txn7108", "Txn7109"} & set(names)


def test_zeep_reads_every_published_wsdl() -> None:
    for path in sorted((ROOT / "wsdl").glob("*.wsdl")):
        client = zeep.Client(str(path))
        (service,) = client.wsdl.services.values()
        older, newer = service.ports.values()
        names = set(actions(etree.fromstring(path.read_bytes())))
        assert set(older.binding._operations) == set(newer.binding._operations) == names


@pytest.mark.parametrize("group", ["inpatient", "outpatient", "exchange"])
def test_suds_reads_the_published_wsdl(group: str) -> None:
    client = SudsClient((ROOT / "wsdl" / f"{group}.wsdl").as_uri(), cache=None)
    older = client.sd[0].ports[0]
    assert {method for method, _ in older[1]} == set(actions(published(group)))


def test_every_xsd_compiles() -> None:
    paths = sorted(Path(ROOT / "wsdl" / "xsd").glob("*.xsd"))
    assert {path.stem for path in paths} == {operation.infno for operation in operations(contracts())}
    for path in paths:
        etree.XMLSchema(etree.parse(path))


def test_the_openapi_document_refers_to_what_it_holds() -> None:
    content = wsdl_files.published(ROOT, "openapi.json").decode()
    schemas = set(json.loads(content)["components"]["schemas"])
    assert set(re.findall(r'"#/components/schemas/([^"]*)"', content)) <= schemas
    assert [name for name in schemas if not re.fullmatch(r"[A-Za-z0-9._-]+", name)] == []
