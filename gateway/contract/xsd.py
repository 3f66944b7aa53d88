"""Schema text: elements as XSD lines, and the schema of the string service's documents.

Leaves are ``xs:string``, optional and never nillable: the national date-time is no ``xs:dateTime`` and empty numbers
break .NET; the contract does the checking (contract.md, "The string service").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from gateway.contract.published import (
    Element,
    Operation,
    description,
    request_elements,
    response_elements,
)

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_STEP = "  "


def string_schema(operation: Operation) -> bytes:
    """The XSD of ``<request>`` and ``<response>`` of one transaction in the string service, in no namespace.

    One file per transaction: every document is called ``request``, so only the number tells what may stand in it.
    """
    head, *content = request_elements(operation)
    request = (head, Element("input", "交易输入", children=tuple(content)))
    lines = [
        DECLARATION,
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="unqualified">',
        *global_element("request", f"{operation.infno} {operation.label} 请求", request, 1),
        *global_element("response", f"{operation.infno} {operation.label} 应答", response_elements(operation), 1),
        "</xs:schema>",
        "",
    ]
    return "\n".join(lines).encode()


def global_element(name: str, label: str, content: Iterable[Element], depth: int) -> Iterator[str]:
    """A top-level element with its inline anonymous type."""
    pad = _STEP * depth
    yield f"{pad}<xs:element name={quoteattr(name)}>{documentation(label)}"
    yield from _complex_type(content, depth + 1)
    yield f"{pad}</xs:element>"


def documentation(text: str) -> str:
    return f"<xs:annotation><xs:documentation>{escape(text)}</xs:documentation></xs:annotation>"


def _complex_type(content: Iterable[Element], depth: int) -> Iterator[str]:
    pad = _STEP * depth
    yield f"{pad}<xs:complexType>"
    yield f"{pad}{_STEP}<xs:sequence>"
    for element in content:
        yield from _local_element(element, depth + 2)
    yield f"{pad}{_STEP}</xs:sequence>"
    yield f"{pad}</xs:complexType>"


def _local_element(element: Element, depth: int) -> Iterator[str]:
    pad = _STEP * depth
    occurs = ' minOccurs="0" maxOccurs="unbounded"' if element.repeat else ' minOccurs="0"'
    opening = f"{pad}<xs:element name={quoteattr(element.name)}"
    note = documentation(description(element))
    if element.children is None:
        yield f'{opening} type="xs:string"{occurs}>{note}</xs:element>'
        return
    yield f"{opening}{occurs}>{note}"
    yield from _complex_type(element.children, depth + 1)
    yield f"{pad}</xs:element>"
