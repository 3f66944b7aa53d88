"""The OpenAPI document: valid schemas, every reference there, JSON messages as the contract has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from gateway.contract.model import CodeList, Contract, Node, Side
from gateway.contract.openapi import openapi
from tests.contract.shapes import ADMISSION, contract, contracts, field, transaction

SEX = CodeList("gend", "性别", {"1": "男", "2": "女"})
ROWS = Side(root=(field("a"),), root_repeat=True)


def document(*given_contracts: Contract) -> dict[str, Any]:
    found = json.loads(openapi(given_contracts))
    assert isinstance(found, dict)
    return found


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (target for key, target in value.items() if key == "$ref")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def accepts(found: dict[str, Any], schema: str, message: object) -> bool:
    rooted = {"$ref": f"#/components/schemas/{schema}", "components": found["components"]}
    return jsonschema_rs.validator_for(rooted).is_valid(message)


def test_every_operation_is_a_post_with_request_and_answer() -> None:
    found = document(contract([ADMISSION, transaction("6204", callback=True)]))
    assert [path for path in found["paths"] if path.startswith("/transactions/")] == ["/transactions/2401"]
    post = found["paths"]["/transactions/2401"]["post"]
    assert post["operationId"] == "Txn2401"
    assert post["tags"] == ["inpatient"]
    assert {"200", "400", "401", "403", "413", "429"} <= set(post["responses"])


@pytest.mark.parametrize(
    ("schema", "message", "taken"),
    [
        ("Txn2401", {"head": {"opter": "1"}, "input": {"mdtrtinfo": {"psn_no": "1"}}}, True),
        ("Txn2401", {"input": {"diseinfo": [{"diag_srt_no": 1}, {"diag_srt_no": "2"}]}}, True),
        ("Txn2401", {"input": {"diseinfo": {"diag_srt_no": 1}}}, False),
        ("Txn2401", {"input": {"mdtrtinfo": {"psn_no": 1}}}, False),
        ("Txn2401", {"input": {"diseinfo": [{"diag_srt_no": 1.5}]}}, False),
        ("Txn2401Response", {"infcode": "0", "output": {"result": {"mdtrt_id": "9"}}, "problem": []}, True),
        ("Txn2401Response", {"infcode": 0}, True),
        ("Txn2401Response", {"infcode": None}, False),
        ("Txn2401", {"input": {}, "inptu": {}}, False),
        ("Txn2401Response", {"problem": {"node": "x"}}, False),
        ("Refusal", {"infcode": "-1", "code": "GW-2001", "retry": "no"}, True),
    ],
)
def test_messages_as_the_api_takes_them(schema: str, message: object, taken: bool) -> None:
    assert accepts(document(contract([ADMISSION])), schema, message) is taken


def test_a_decimal_is_a_number_or_its_text() -> None:
    found = document(contract([transaction("1", Side(root=(field("fee", kind="decimal", precision=16, scale=2),)))]))
    assert accepts(found, "Txn1", {"input": {"fee": 12.5}})
    assert accepts(found, "Txn1", {"input": {"fee": "12.50"}})
    assert not accepts(found, "Txn1", {"input": {"fee": True}})


def test_a_repeated_root_is_the_array_itself() -> None:
    found = document(contract([transaction("5204", answered=ROWS)]))
    assert accepts(found, "Txn5204Response", {"output": [{"a": "1"}, {"a": "2"}]})
    assert not accepts(found, "Txn5204Response", {"output": {"a": "1"}})
    assert accepts(found, "Txn5204Response", {"infcode": -1, "output": {}})


def test_a_root_that_one_province_repeats_is_either() -> None:
    once = contract([transaction("5204", answered=Side(root=(field("a"),)))])
    found = document(once, contract([transaction("5204", answered=ROWS)], "hunan"))
    assert accepts(found, "Txn5204Response", {"output": [{"a": "1"}]})
    assert accepts(found, "Txn5204Response", {"output": {"a": "1"}})


def test_a_node_called_row_is_a_node() -> None:
    answered = Side(nodes=(Node("row", "行", True, fields=(field("a"),)),))
    assert accepts(document(contract([transaction("1", answered=answered)])), "Txn1Response", {"output": {"row": []}})


def test_codes_are_told_and_not_enforced() -> None:
    national = contract([transaction("1", Side(root=(field("gend", codes="gend"),)))], codes=[SEX])
    other = CodeList("gend", "性别", {"1": "男性", "9": "未说明"})
    found = document(national, contract([], "hunan", [other]))
    assert found["components"]["schemas"]["code.gend"]["description"] == "性别：1 男；9 未说明；2 女"
    assert accepts(found, "Txn1", {"input": {"gend": "7"}})


@settings(max_examples=50, deadline=None)
@given(contracts, contracts)
def test_any_tables_give_valid_schemas_with_every_reference_there(first: Contract, second: Contract) -> None:
    found = document(first, second)
    schemas = found["components"]["schemas"]
    assert {target.removeprefix("#/components/schemas/") for target in references(found)} <= set(schemas)
    for schema in schemas.values():
        jsonschema_rs.validator_for({**schema, "components": found["components"]})
    assert openapi([first]) == openapi([first, first])
