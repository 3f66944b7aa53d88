"""The peer: the same operations as an ordinary spyne service, as its manual has it, deserialised by spyne itself.

The gateway's own spyne types are made for describing only: spyne cannot read with them, and need not.
"""

from __future__ import annotations

import gateway.soap.lane  # noqa: F401  # isort: skip  # brings the shim that spyne needs before anything of spyne

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spyne import Application, ComplexModel, Service, Unicode, rpc
from spyne.model.complex import TypeInfo
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication
from spyne.util.appreg import unregister_application

from gateway.contract.published import NAMESPACE, Element, Operation, request_elements, response_elements

Handler = Callable[[str, tuple[Any, ...]], Sequence[Any]]
"""Name of the operation and the objects spyne made; the values of the answer in the published order."""


def build(operations: Iterable[Operation], handler: Handler) -> WsgiApplication:
    """A spyne service whose ``handler`` gets what spyne deserialised."""
    methods = {operation.name: _method(operation, handler) for operation in operations}
    service = type(Service)("Peer", (Service,), methods)
    application = Application([service], NAMESPACE, "Peer", Soap11(), Soap11())
    unregister_application(application)
    return WsgiApplication(application)


def _method(operation: Operation, handler: Handler) -> Any:
    def call(_ctx: Any, *parts: Any) -> Any:
        return handler(operation.name, parts)

    call.__name__ = operation.name
    request, response = request_elements(operation), response_elements(operation)
    decorate = rpc(
        *(_model(element, operation.name) for element in request),
        _args=[element.name for element in request],
        _returns=[_model(element, f"{operation.name}Response") for element in response],
        _out_variable_names=[element.name for element in response],
    )
    return decorate(call)


def _model(element: Element, path: str) -> Any:
    occurs = {"min_occurs": 0, "max_occurs": "unbounded" if element.repeat else 1}
    if element.children is None:
        return Unicode(**occurs)
    name = f"{path}_{element.name}"
    members = TypeInfo([(child.name, _model(child, name)) for child in element.children])
    made = type(ComplexModel)(name, (ComplexModel,), {"__namespace__": NAMESPACE, "_type_info": members})
    return made.customize(**occurs)
