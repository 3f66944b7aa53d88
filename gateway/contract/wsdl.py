"""The published WSDLs, as bytes, in the one shape that nine client stacks could call.

Document/literal wrapped, message part ``parameters``, wrapper elements with inline anonymous types, one service with
a SOAP 1.1 port first and a SOAP 1.2 port on the same URL (design, "Speed where it counts").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from gateway.contract.model import Contract
from gateway.contract.published import (
    NAMESPACE,
    Element,
    Operation,
    leaf,
    operations,
    request_elements,
    response_elements,
)
from gateway.contract.xsd import DECLARATION, global_element

BASE_URL = "http://127.0.0.1:8080"
"""Stands in the files; served bytes have the public address instead."""

_SOAP_HTTP = "http://schemas.xmlsoap.org/soap/http"
_PORTS = (("soap", "Soap"), ("soap12", "Soap12"))
"""Prefix and port suffix; 1.1 first, since clients without a choice take the first port."""


@dataclass(frozen=True, slots=True)
class ServiceOperation:
    """One operation of a service with what stands in its two wrappers."""

    name: str
    label: str
    request: tuple[Element, ...]
    response: tuple[Element, ...]

    @property
    def response_name(self) -> str:
        return f"{self.name}Response"

    @property
    def action(self) -> str:
        return f"{NAMESPACE}/{self.name}"


CALL = ServiceOperation(
    "Call",
    "按交易编号调用一笔交易；request 为 XML 或 JSON 文本，应答同一形式",
    (leaf("infno", "交易编号"), leaf("request", "请求文本")),
    (leaf("CallResult", "应答文本"),),
)


def typed_wsdl(contracts: Sequence[Contract], group: str) -> bytes:
    """The WSDL of one group's typed service: the national table plus every overlay's fields, all optional.

    Args:
        contracts: the national contract first, then the provinces.
        group: as in the tables (``settlement-list``).

    Raises:
        PublishError: the tables cannot be written as XML elements.
        KeyError: no transaction is in this group.
    """
    found = operations(contracts, group)
    if not found:
        raise KeyError(group)
    return service_wsdl(group, f"医保接口：{group}", [service_operation(operation) for operation in found])


def exchange_wsdl() -> bytes:
    """The WSDL of the string service ``Call(infno, request) -> CallResult``."""
    return service_wsdl("exchange", "医保接口：文本服务", [CALL])


def service_operation(operation: Operation) -> ServiceOperation:
    """A transaction as the operation of a typed service."""
    label = f"{operation.infno} {operation.label}"
    return ServiceOperation(operation.name, label, request_elements(operation), response_elements(operation))


def service_name(group: str) -> str:
    """``settlement-list`` -> ``SettlementList``."""
    return "".join(part.capitalize() for part in group.split("-"))


def service_wsdl(group: str, label: str, found: Sequence[ServiceOperation]) -> bytes:
    """One WSDL file; ``group`` is the last part of the address.

    Used for services of the gateway's own as well (``hospital``).
    """
    service = service_name(group)
    lines = [
        DECLARATION,
        f"<wsdl:definitions name={quoteattr(service)} targetNamespace={quoteattr(NAMESPACE)}",
        f"    xmlns:tns={quoteattr(NAMESPACE)}",
        '    xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"',
        '    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"',
        '    xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"',
        '    xmlns:xs="http://www.w3.org/2001/XMLSchema">',
        f"  <wsdl:documentation>{escape(label)}</wsdl:documentation>",
        *_types(found),
        *_messages(found),
        *_port_type(service, found),
        *(line for prefix, suffix in _PORTS for line in _binding(service, prefix, suffix, found)),
        *_service(service, f"{BASE_URL}/soap/{group}"),
        "</wsdl:definitions>",
        "",
    ]
    return "\n".join(lines).encode()


def _types(found: Sequence[ServiceOperation]) -> Iterator[str]:
    yield "  <wsdl:types>"
    yield f'    <xs:schema targetNamespace={quoteattr(NAMESPACE)} elementFormDefault="qualified">'
    for operation in found:
        yield from global_element(operation.name, f"{operation.label} 请求", operation.request, 3)
        yield from global_element(operation.response_name, f"{operation.label} 应答", operation.response, 3)
    yield "    </xs:schema>"
    yield "  </wsdl:types>"


def _messages(found: Sequence[ServiceOperation]) -> Iterator[str]:
    for operation in found:
        for name in (operation.name, operation.response_name):
            yield f'  <wsdl:message name="{name}">'
            yield f'    <wsdl:part name="parameters" element="tns:{name}"/>'
            yield "  </wsdl:message>"


def _port_type(service: str, found: Sequence[ServiceOperation]) -> Iterator[str]:
    yield f'  <wsdl:portType name="{service}PortType">'
    for operation in found:
        yield f'    <wsdl:operation name="{operation.name}">'
        yield f"      <wsdl:documentation>{escape(operation.label)}</wsdl:documentation>"
        yield f'      <wsdl:input message="tns:{operation.name}"/>'
        yield f'      <wsdl:output message="tns:{operation.response_name}"/>'
        yield "    </wsdl:operation>"
    yield "  </wsdl:portType>"


def _binding(service: str, prefix: str, suffix: str, found: Sequence[ServiceOperation]) -> Iterator[str]:
    yield f'  <wsdl:binding name="{service}{suffix}" type="tns:{service}PortType">'
    yield f'    <{prefix}:binding style="document" transport="{_SOAP_HTTP}"/>'
    for operation in found:
        yield f'    <wsdl:operation name="{operation.name}">'
        yield f'      <{prefix}:operation soapAction={quoteattr(operation.action)} style="document"/>'
        yield f'      <wsdl:input><{prefix}:body use="literal"/></wsdl:input>'
        yield f'      <wsdl:output><{prefix}:body use="literal"/></wsdl:output>'
        yield "    </wsdl:operation>"
    yield "  </wsdl:binding>"


def _service(service: str, url: str) -> Iterator[str]:
    yield f'  <wsdl:service name="{service}">'
    for prefix, suffix in _PORTS:
        yield f'    <wsdl:port name="{service}{suffix}" binding="tns:{service}{suffix}">'
        yield f"      <{prefix}:address location={quoteattr(url)}/>"
        yield "    </wsdl:port>"
    yield "  </wsdl:service>"
