"""The JSON API as an OpenAPI 3.1 document (contract.md, "Listeners": ``/api/v1/transactions/<infno>``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.contract import hospital
from gateway.contract.model import CodeList, Contract
from gateway.contract.published import HEAD, PROBLEM, STATUS, Element, Operation, description, operations
from gateway.contract.wsdl import ServiceOperation

Schema = dict[str, Any]

_NUMBER_TYPES: Mapping[str, Schema] = {
    "decimal": {"type": ["number", "string"]},
    "integer": {"type": ["integer", "string"]},
}
_INFCODE: Schema = {"infcode": {"description": "0 成功，其他均为失败", "type": ["integer", "string"]}}
_FLAG: Schema = {**_INFCODE, "allowed": {"description": "是否允许", "type": "boolean"}}
_NUMBERS_AND_FLAGS: Mapping[str, Schema] = {
    "Outcome": {**_INFCODE, "output": {"description": "交易输出", "type": ["object", "array"]}},
    **dict.fromkeys(("Recall", "RecallAllowed", "FeeChangeAllowed"), _FLAG),
}
"""What the answers of the hospital's operations say in JSON otherwise than in XML."""
_NO_EXCHANGE = {
    "400": "请求无法读取，未发生交易",
    "401": "未认证，未发生交易",
    "403": "无权调用此交易，未发生交易",
    "404": "未知交易，未发生交易",
    "413": "请求过大，未发生交易",
    "429": "超过该调用方的并发或频率上限，未发生交易",
}


def openapi(contracts: Sequence[Contract]) -> bytes:
    """The document for every transaction, UTF-8, in a fixed order.

    Codes are described, never enforced by the schema: provinces add their own.

    Args:
        contracts: the national contract first, then the provinces.
    """
    found = operations(contracts)
    told = hospital.service_operations(contracts)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "医保接口", "version": "1", "description": "与 SOAP 服务相同的交易，JSON 形式。"},
        "servers": [{"url": "/api/v1"}],
        "paths": {
            **{f"/transactions/{operation.infno}": _path(operation) for operation in found},
            **{f"/hospital/{operation.name}": _hospital_path(operation) for operation in told},
        },
        "components": {"schemas": _components(found, told, _codes(contracts))},
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _codes(contracts: Sequence[Contract]) -> dict[str, CodeList]:
    merged: dict[str, CodeList] = {}
    for contract in contracts:
        for name, codes in contract.codes.items():
            known = merged.get(name)
            values = codes.values if known is None else {**codes.values, **known.values}
            merged[name] = CodeList(name, codes.label if known is None else known.label, values)
    return merged


def _path(operation: Operation) -> Schema:
    answer = {"application/json": {"schema": _ref(f"{operation.name}Response")}}
    refusal = {"application/json": {"schema": _ref("Refusal")}}
    return {
        "post": {
            "operationId": operation.name,
            "summary": f"{operation.infno} {operation.label}",
            "tags": [operation.group],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(operation.name)}}},
            "responses": {
                "200": {"description": "交易应答；infcode 为 0 才是成功", "content": answer},
                **{status: {"description": text, "content": refusal} for status, text in _NO_EXCHANGE.items()},
            },
        }
    }


def _hospital_path(operation: ServiceOperation) -> Schema:
    answer = {"application/json": {"schema": _ref(operation.response_name)}}
    refusal = {"application/json": {"schema": _ref("Refusal")}}
    return {
        "post": {
            "operationId": operation.name,
            "summary": operation.label,
            "tags": [hospital.GROUP],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(operation.name)}}},
            "responses": {
                "200": {"description": "应答；infcode 为 0 才是成功", "content": answer},
                **{status: {"description": text, "content": refusal} for status, text in _NO_EXCHANGE.items()},
            },
        }
    }


def _components(found: Iterable[Operation], told: Iterable[ServiceOperation], codes: Mapping[str, CodeList]) -> Schema:
    schemas: Schema = {
        "Head": _element(HEAD, codes),
        "Problem": _object(PROBLEM.label, PROBLEM.children or (), codes),
        "Refusal": _answer("未发生交易的应答", {}),
    }
    for operation in found:
        title = f"{operation.infno} {operation.label}"
        schemas[operation.name] = {
            "description": f"{title} 请求",
            "type": "object",
            "properties": {"head": _ref("Head"), "input": _side(operation.input, "交易输入", codes)},
            "additionalProperties": False,
        }
        output = {"output": _output(_side(operation.output, "交易输出", codes))}
        schemas[f"{operation.name}Response"] = _answer(f"{title} 应答", output)
    for one in told:
        schemas[one.name] = _object(f"{one.label} 请求", one.request, codes) | {"additionalProperties": False}
        schemas[one.response_name] = _object(f"{one.label} 应答", one.response, codes)
        schemas[one.response_name]["properties"] |= _NUMBERS_AND_FLAGS.get(one.name, _INFCODE)
    return schemas | {f"code.{name}": _code_list(codes[name]) for name in sorted(codes)}


def _answer(label: str, output: Schema) -> Schema:
    properties = {element.name: _element(element, {}) for element in STATUS}
    # a number, as on the platform's line; text only where a platform answers with text
    properties["infcode"]["type"] = ["integer", "string"]
    problems = {"problem": {"type": "array", "items": _ref("Problem")}}
    return {"description": label, "type": "object", "properties": {**properties, **output, **problems}}


def _output(side: Schema) -> Schema:
    """A failure answers with an empty object, also where a success answers with an array."""
    nothing = {"description": "交易失败时为空", "type": "object", "maxProperties": 0}
    return {"anyOf": [side, nothing]} if "items" in side else side


def _side(content: tuple[Element, ...], label: str, codes: Mapping[str, CodeList]) -> Schema:
    """In JSON a repeated root is the array itself, not an object with ``row`` (contract.model)."""
    rows = [_element(element, codes) for element in content if element.root_row]
    rest = [element for element in content if not element.root_row]
    if not rows:
        return _object(label, rest, codes)
    return {"anyOf": [*rows, _object(label, rest, codes)]} if rest else rows[0]


def _element(element: Element, codes: Mapping[str, CodeList]) -> Schema:
    single = _leaf(element, codes) if element.children is None else _node(element, codes)
    return {"type": "array", "items": single} if element.repeat else single


def _node(element: Element, codes: Mapping[str, CodeList]) -> Schema:
    return _object(description(element), element.children or (), codes)


def _object(label: str, children: Iterable[Element], codes: Mapping[str, CodeList]) -> Schema:
    properties = {child.name: _element(child, codes) for child in children}
    return {"description": label, "type": "object", "properties": properties}


def _leaf(element: Element, codes: Mapping[str, CodeList]) -> Schema:
    field = element.field
    if field is None:
        return {"description": element.label, "type": "string"}
    if field.codes in codes:
        return {"description": description(element), **_ref(f"code.{field.codes}")}
    return {"description": description(element), **_NUMBER_TYPES.get(field.type, {"type": "string"})}


def _code_list(codes: CodeList) -> Schema:
    values = "；".join(f"{code} {meaning}" for code, meaning in codes.values.items())
    return {"description": f"{codes.label}：{values}", "type": "string"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
