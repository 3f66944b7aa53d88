"""Every operation of a service as a spyne ``@rpc``, made from the published shape.

spyne routes and describes; its deserialiser never runs. The lane finds an operation with :func:`find`, puts what it
parsed into the context and lets spyne call the handler (:func:`dispatch`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spyne import Application, ComplexModel, MethodContext, MethodDescriptor, Service, Unicode, rpc
from spyne.model.complex import TypeInfo
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication
from spyne.util.appreg import unregister_application

from gateway.contract.published import HEAD, NAMESPACE, PROBLEM, Element, Operation
from gateway.contract.wsdl import CALL, ServiceOperation, service_name, service_operation

Handler = Callable[[MethodContext, str, tuple[Any, ...]], Any]
"""``(ctx, operation name, parts)``; ``parts`` is what the lane put into the context, the result what it will write."""

_LEAF = Unicode(min_occurs=0, nillable=False)
_SHARED = (HEAD, PROBLEM)
_ROWS_OF_LEAVES = Unicode(min_occurs=0, max_occurs="unbounded", nillable=False)

_STEP = "·"
"""Allowed in an XML name, in no name of a table: a/b_c and a_b/c stay apart."""


class _Once(ComplexModel.Attributes):  # type: ignore[misc]
    min_occurs = 0
    nillable = False
    nullable = False


class _Many(_Once):
    max_occurs = "unbounded"


def build_application(name: str, operations: Iterable[Operation], handler: Handler) -> Application:
    """The typed service of one group: one ``@rpc`` per transaction, all in one service class.

    Args:
        name: group, as in the address (``settlement-list``).
        operations: ``contract.published.operations`` of that group.
        handler: gets the operation's name (``Txn2401``).
    """
    return build_service(name, NAMESPACE, [service_operation(operation) for operation in operations], handler)


def build_string_application(handler: Handler) -> Application:
    """The string service with its one operation ``Call``."""
    return build_service("exchange", NAMESPACE, [CALL], handler)


def build_legacy_application(
    name: str, namespace: str, operations: Iterable[tuple[str, Sequence[str], Sequence[str]]], handler: Handler
) -> Application:
    """A service taken over from an older system.

    Args:
        name: dialect, as in the address.
        namespace: target namespace of the taken-over WSDL.
        operations: ``(operation, names of its parameters, names of its results)``, all text.
        handler: gets the operation's name as the dialect has it.
    """
    found = [
        ServiceOperation(operation, operation, _leaves(parameters), _leaves(results))
        for operation, parameters, results in operations
    ]
    return build_service(name, namespace, found, handler)


def build_service(name: str, namespace: str, operations: Iterable[ServiceOperation], handler: Handler) -> Application:
    """A spyne application with one service class that holds ``operations``.

    It is taken out of spyne's global registry again, so that a reload can drop the old one.
    """
    # the prefix keeps an operation of a taken-over service from being an attribute that Service itself has
    methods = {f"op_{operation.name}": _method(operation, namespace, handler) for operation in operations}
    service = type(Service)(service_name(name), (Service,), methods)
    application = Application([service], namespace, service_name(name), Soap11(), Soap11())
    unregister_application(application)
    return application


def find(application: Application, local_name: str) -> MethodDescriptor | None:
    """The operation whose request wrapper has this local name, whatever its namespace; None when there is none."""
    found = application.interface.service_method_map.get(f"{{{application.tns}}}{local_name}")
    return found[0] if found else None


class _Call(MethodContext):  # type: ignore[misc]  # spyne has no types
    """spyne's context of one call, with what spyne and the operation ask of it: there is no transport and no protocol."""

    outprot_ctx = None
    out_error = None
    __setattr__ = object.__setattr__

    def __init__(self, application: Application, descriptor: MethodDescriptor, parts: tuple[Any, ...]) -> None:
        self.app = application
        self.descriptor = descriptor
        self.in_object = parts

    def fire_event(self, event: str, *args: Any, **kwargs: Any) -> None:
        """As spyne's, where somebody listens."""
        for manager in (self.app.event_manager, *self.descriptor.event_managers):
            if event in manager.handlers:
                manager.fire_event(event, self, *args, **kwargs)


def dispatch(server: WsgiApplication, descriptor: MethodDescriptor, *parts: Any) -> Any:
    """Let spyne call the operation and give back what its handler returned.

    Args:
        server: the ``WsgiApplication`` the request came in by.
        descriptor: as :func:`find` gave it.
        parts: whatever the handler is to get; spyne does not look at it.

    Raises:
        Exception: what the handler raised, itself: spyne would put a fault of its own in its place.
    """
    ctx = _Call(server.app, descriptor, parts)
    server.app.process_request(ctx)
    if ctx.out_error is not None:
        raise ctx.udc
    # spyne wraps the result of an operation with one result in a list, of the others not
    wrapped = len(descriptor.out_message._type_info) <= 1
    return ctx.out_object[0] if wrapped else ctx.out_object


def _leaves(names: Iterable[str]) -> tuple[Element, ...]:
    return tuple(Element(name, name) for name in names)


def _method(operation: ServiceOperation, namespace: str, handler: Handler) -> Any:
    name = operation.name

    def call(ctx: MethodContext, *parts: Any) -> Any:
        try:
            return handler(ctx, name, parts)
        except Exception as failure:
            ctx.udc = failure
            raise

    call.__name__ = name
    call.__doc__ = operation.label
    results = {
        "_returns": [_model(element, operation.response_name, namespace) for element in operation.response],
        "_out_variable_names": [element.name for element in operation.response],
    }
    decorate = rpc(
        *(_model(element, name, namespace) for element in operation.request),
        _operation_name=name,
        _out_message_name=operation.response_name,
        _args=[element.name for element in operation.request],
        _wsdl_part_name="parameters",
        **(results if operation.response else {}),  # spyne refuses an empty list of results
    )
    return decorate(call)


def _model(element: Element, path: str, namespace: str) -> Any:
    """The spyne type of an element; nodes of one name under different parents differ by the path in the type's name."""
    if element.children is None:
        return _ROWS_OF_LEAVES if element.repeat else _LEAF
    if element in _SHARED:
        return _shared(element, namespace)
    return _complex(element, f"{path}{_STEP}{element.name}", namespace)


@functools.cache
def _shared(element: Element, namespace: str) -> Any:
    return _complex(element, element.name, namespace)


def _complex(element: Element, type_name: str, namespace: str) -> Any:
    """Made with its occurrence at once: ``ComplexModel.customize`` would make every class twice."""
    members = [(child.name, _model(child, type_name, namespace)) for child in element.children or ()]
    return type(ComplexModel)(
        type_name,
        (ComplexModel,),
        {
            "__namespace__": namespace,
            "__type_name__": type_name,
            "_type_info": TypeInfo(members),
            "Attributes": _Many if element.repeat else _Once,
        },
    )
