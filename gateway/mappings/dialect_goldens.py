"""Golden envelopes of a dialect: what a hospital sends and gets, written by hand, compared after normalising.

This file packs and unpacks payloads with the standard library, so that a mistake in the dialect's own code cannot
hide on both sides.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from gateway.contract import xml
from gateway.contract.dialect import Dialect, DialectCall, DialectRefused
from gateway.contract.model import Contract, Field, Node, Problem, Side
from gateway.faults import Unreadable

_SOAP = ("{http://schemas.xmlsoap.org/soap/envelope/}", "{http://www.w3.org/2003/05/soap-envelope}")
_PAYLOAD = "{payload}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a dialect does not do what its golden says.

    ``golden`` is the file, ``where`` the side and path (``national message/mdtrtinfo/begntime``); an absent value is None.
    """

    golden: str
    where: str
    expected: str | None
    actual: str | None


class SampleError(ValueError):
    """A sample or golden that is no SOAP envelope; the text is Chinese."""


@dataclass(frozen=True, slots=True)
class GoldenReply:
    """The outcome a golden states, in the shape the exchange gives."""

    infcode: str
    msgid: str = ""
    inf_refmsgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    code: str = ""
    retry: str = ""
    output: Any = None
    problems: tuple[Problem, ...] = ()


def soap_operation(raw: bytes) -> tuple[etree._Element, str]:
    """The operation element of an envelope and the charset of the envelope.

    Raises:
        SampleError: no XML, no envelope, no operation.
    """
    try:
        root, codec = xml.parse(raw)
    except Unreadable as error:
        raise SampleError(f"不是可读的 XML：{error.text}") from None
    for namespace in _SOAP:
        body = root.find(f"{namespace}Body")
        if root.tag == f"{namespace}Envelope" and body is not None and len(body):
            return body[0], codec
    raise SampleError("不是 SOAP 信封，或 Body 中没有操作。")


def run_golden(dialect: Dialect, file: str, golden: Mapping[str, Any], contract: Contract) -> list[Difference]:
    """Everything in which the dialect differs from one golden; empty when nothing does.

    Args:
        dialect: compiled.
        file: name for the differences.
        golden: the document (``$defs/golden`` of ``dialect.schema.json``).
        contract: gives the leaves of the reply their types.
    """
    try:
        found = list(_run(dialect, golden, contract))
    except SampleError as error:
        return [Difference(file, "envelope", None, str(error))]
    return [Difference(file, where, expected, actual) for where, expected, actual in found]


def _run(
    dialect: Dialect, golden: Mapping[str, Any], contract: Contract
) -> Iterator[tuple[str, str | None, str | None]]:
    operation, charset = soap_operation(_envelope(golden, "request"))
    call: DialectCall | None
    try:
        call, refused = dialect.read(operation, charset), ""
    except DialectRefused as error:
        call, refused = error.call, error.fault.code
    yield from _compare("refused", golden.get("refused", ""), refused)
    if "national" in golden and call is not None:
        yield from _compare_national(golden["national"], call)
    if "reply" in golden:
        reply = _reply(golden["reply"], call.infno if call else "", contract)
        expected, _ = soap_operation(_envelope(golden, "response"))
        yield from _compare("response", _normal(expected), _normal(dialect.write(call, reply)))


def _compare_national(expected: Mapping[str, Any], call: DialectCall) -> Iterator[tuple[str, str | None, str | None]]:
    yield from _compare("national infno", expected["infno"], call.infno)
    if "his_transaction" in expected:
        yield from _compare("national his_transaction", expected["his_transaction"], call.his_transaction)
    if "head" in expected:
        yield from _compare("national head", expected["head"], call.head)
    yield from _compare("national message", expected["message"], call.message)
    problems = [_named(problem) for problem in call.problems]
    wanted = expected.get("problems", [])
    if len(wanted) == len(problems):
        problems = [_as_asked(ask, given) for ask, given in zip(wanted, problems, strict=True)]
    yield from _compare("national problems", wanted, problems)
    yield from _compare("national unknown", expected.get("unknown", []), list(call.unknown))


def _named(problem: Problem) -> dict[str, str]:
    return {
        "node": problem.node,
        "row": problem.row,
        "field": problem.field,
        "rule": problem.rule,
        "his": problem.text,
    }


def _as_asked(ask: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Only the parts the golden speaks of; ``his`` is the hospital's path the sentence must name."""
    shown = {name: given[name] for name in ask}
    if "his" in ask and f"院内字段 {ask['his']}（" in given["his"]:
        shown["his"] = str(ask["his"])
    return shown


def _compare(side: str, expected: Any, actual: Any) -> Iterator[tuple[str, str | None, str | None]]:
    left, right = dict(flatten(expected)), dict(flatten(actual))
    for path in dict.fromkeys([*left, *right]):
        if left.get(path) != right.get(path):
            where = f"{side}{path}" if path.startswith("[") else f"{side} {path}".rstrip()
            yield where, left.get(path), right.get(path)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a tree with its path; rows are counted from 1 (``feedetail[2]/cnt``). What is empty stays visible."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from flatten(item, f"{path}/{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value, 1):
            yield from flatten(item, f"{path}[{number}]")
    elif isinstance(value, Mapping | list):
        yield path, "{}" if isinstance(value, Mapping) else "[]"
    else:
        yield path, "" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value)


# ------------------------------------------------------------- golden to values


def _envelope(golden: Mapping[str, Any], side: str) -> bytes:
    text = str(golden.get(side, ""))
    if _PAYLOAD in text:
        payload = str(golden.get(f"{side}_payload", "")).strip()
        if golden.get("packing") == "base64":
            payload = base64.b64encode(payload.encode(golden.get("charset", "utf-8"))).decode("ascii")
        text = text.replace(_PAYLOAD, escape(payload))
    return text.strip().encode("utf-8")


def _reply(document: Mapping[str, Any], infno: str, contract: Contract) -> GoldenReply:
    values = {name: str(value) for name, value in document.items() if name not in ("output", "problems")}
    transaction = contract.transactions.get(infno)
    output = document.get("output")
    if transaction is not None and output is not None:
        output = _typed_side(output, transaction.output)
    problems = tuple(
        Problem(**{name: str(row.get(name, "")) for name in ("node", "row", "field", "label", "value", "rule", "text")})
        for row in document.get("problems", ())
    )
    return GoldenReply(output=output, problems=problems, **values)


def _typed_side(value: Any, side: Side) -> Any:
    if isinstance(value, list):
        return [_typed(row, side.root, side.nodes) for row in value]
    return _typed(value, side.root, side.nodes)


def _typed(value: Any, fields: tuple[Field, ...], nodes: tuple[Node, ...]) -> Any:
    """A reply as the exchange hands it over: decimals as Decimal, whole numbers as int."""
    if not isinstance(value, dict):
        return value
    numbers = {spec.name: spec.type for spec in fields if spec.type in ("decimal", "integer")}
    below = {node.name: node for node in nodes}
    return {name: _typed_item(item, numbers.get(name), below.get(name)) for name, item in value.items()}


def _typed_item(item: Any, number: str | None, node: Node | None) -> Any:
    if node is not None:
        rows = item if isinstance(item, list) else [item]
        typed = [_typed(row, node.fields, node.children) for row in rows]
        return typed if isinstance(item, list) else typed[0]
    if number is None or str(item) == "":
        return str(item) if isinstance(item, int) else item
    try:
        return int(str(item)) if number == "integer" else Decimal(str(item))
    except (ValueError, InvalidOperation):
        raise SampleError(f"reply 中的“{item}”不是数字。") from None


# ------------------------------------------------------------------ normalising


def _normal(element: etree._Element) -> dict[str, Any]:
    """An answer element without prefixes, with its payloads opened."""
    parts = {str(child.tag): _normal_part(child) for child in element}
    return {str(element.tag): parts or "{}"}


def _normal_part(element: etree._Element) -> Any:
    if len(element):
        return _tree(element)
    text = (element.text or "").strip()
    if text.startswith(("<", "{")):
        return _opened(text, "plain")
    try:
        raw = base64.b64decode(text, validate=True) if len(text) >= 16 else b""
    except ValueError:
        return text
    if not raw.startswith((b"<", b"{")):
        return text
    return _opened(_decoded(raw), "base64")


def _decoded(raw: bytes) -> str:
    declared = re.match(rb'<\?xml[^>]*encoding="([A-Za-z0-9-]+)"', raw)
    return raw.decode(declared.group(1).decode("ascii") if declared else "utf-8")


def _opened(text: str, packing: str) -> dict[str, Any]:
    if text.startswith("{"):
        return {"(packing)": packing, "(json)": _json_leaves(json.loads(text, parse_float=Decimal, parse_int=Decimal))}
    declaration = re.match(r"<\?xml[^>]*\?>", text)
    body = text[declaration.end() :] if declaration else text
    return {
        "(packing)": packing,
        "(declaration)": declaration.group() if declaration else "",
        "(xml)": {"root": etree.fromstring(body.strip()).tag, "content": _tree(etree.fromstring(body.strip()))},
    }


def _json_leaves(value: Any) -> Any:
    """Texts in quotes, numbers without: whether a hospital gets 1 or "1" is a difference."""
    if isinstance(value, dict):
        return {name: _json_leaves(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_leaves(item) for item in value]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else value


def _tree(element: etree._Element) -> Any:
    tree: dict[str, Any] = {f"@{name!s}": value for name, value in element.attrib.items()}
    for child in element:
        name, value = str(child.tag), _tree(child)
        tree.setdefault(name, []).append(value)
    if not len(element):
        text = element.text or ""
        return {**tree, "#text": text} if tree and text else tree or text
    return tree
