"""spyne hosts every operation: it is found by its wrapper's name, called with what the lane parsed, and described."""

from __future__ import annotations

import gateway.soap  # noqa: F401  # isort: skip  # before spyne, which it makes loadable

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree
from spyne.server.wsgi import WsgiApplication
from spyne.util.appreg import applications

from gateway.contract.model import Contract, Node, Side
from gateway.contract.published import NAMESPACE, operations
from gateway.faults import XML_MALFORMED, Refused
from gateway.soap.operations import (
    build_application,
    build_legacy_application,
    build_string_application,
    dispatch,
    find,
)
from tests.contract.shapes import ADMISSION, contract, contracts, field, transaction

INPATIENT = operations([contract([ADMISSION, transaction("2402")])])


def echo(ctx: Any, name: str, parts: tuple[Any, ...]) -> Any:
    return ctx.descriptor.name, name, parts


def call(server: WsgiApplication, name: str, *parts: Any) -> Any:
    descriptor = find(server.app, name)
    assert descriptor is not None
    return dispatch(server, descriptor, *parts)


def test_a_typed_operation_gets_whatever_the_lane_parsed() -> None:
    server = WsgiApplication(build_application("inpatient", INPATIENT, echo))
    body = etree.fromstring(f'<Txn2401 xmlns="{NAMESPACE}"/>')
    assert call(server, "Txn2401", body) == ("Txn2401", "Txn2401", (body,))
    assert call(server, "Txn2402", body, {"a": 1}) == ("Txn2402", "Txn2402", (body, {"a": 1}))


def test_the_string_service_has_one_operation_and_its_result_comes_back_bare() -> None:
    server = WsgiApplication(build_string_application(echo))
    assert call(server, "Call", "1101", "<request/>") == ("Call", "Call", ("1101", "<request/>"))


def test_a_taken_over_service_keeps_its_names_and_namespace() -> None:
    shapes = [("TransService", ["TransNo", "Inxml"], ["TransServiceResult"]), ("Bytes", ["in"], ["out", "code"])]
    server = WsgiApplication(build_legacy_application("transservice", "http://tempuri.org/", shapes, echo))
    assert server.app.tns == "http://tempuri.org/"
    assert call(server, "TransService", 1) == ("TransService", "TransService", (1,))
    assert call(server, "Bytes", 1) == ("Bytes", "Bytes", (1,))


@pytest.mark.parametrize("name", ["initialize", "call_wrapper", "get_context", "public_methods", "op_x", "mro", "名"])
def test_a_taken_over_operation_may_have_any_name(name: str) -> None:
    application = build_legacy_application("old", "urn:old", [(name, ["a"], ["b"]), ("Other", [], [])], echo)
    server = WsgiApplication(application)
    assert call(server, name, 1) == (name, name, (1,))
    assert call(server, "Other") == ("Other", "Other", ())


@settings(max_examples=30, deadline=None)
@given(contracts)
def test_any_tables_can_be_hosted(found: Contract) -> None:
    application = build_application("inpatient", operations([found]), echo)
    assert all(find(application, f"Txn{infno}") for infno in found.transactions)


@pytest.mark.parametrize("name", ["Txn9999", "txn2401", "", "}Txn2401", "{x}Txn2401", "Txn2401Response"])
def test_an_unknown_operation_is_not_found(name: str) -> None:
    assert find(build_application("inpatient", INPATIENT, echo), name) is None


@pytest.mark.parametrize("failure", [Refused(XML_MALFORMED), KeyError("x"), ZeroDivisionError()])
def test_what_the_handler_raises_comes_out_itself(failure: Exception) -> None:
    def fail(ctx: Any, name: str, parts: tuple[Any, ...]) -> Any:
        raise failure

    server = WsgiApplication(build_application("inpatient", INPATIENT, fail))
    with pytest.raises(type(failure)) as caught:
        call(server, "Txn2401", None)
    assert caught.value is failure


def test_none_is_an_answer() -> None:
    server = WsgiApplication(build_application("inpatient", INPATIENT, lambda ctx, name, parts: None))
    assert call(server, "Txn2401", 1) is None


def test_nodes_of_one_name_do_not_collide_in_the_host() -> None:
    inner = Node("detail", "子", True, fields=(field("b"),))
    outer = Node("detail", "父", True, fields=(field("a"),), children=(inner,))
    side = Side(nodes=(outer, Node("other", "父", False, children=(Node("detail", "子", False),))))
    found = operations([contract([transaction("1", side, side), transaction("2", side, side)])])
    assert find(build_application("inpatient", found, echo), "Txn2") is not None


def test_an_application_that_a_reload_dropped_is_freed() -> None:
    application = build_application("inpatient", INPATIENT, echo)
    assert not [key for key in applications if key[0] == NAMESPACE]
    gone = weakref.ref(application)
    del application
    gc.collect()
    assert gone() is None
