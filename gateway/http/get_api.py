"""Addresses that are only read: who may, which parameters there are, and JSON for whatever comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import structlog

from gateway.contract.jsontext import dumps
from gateway.exchange.ports import JournalUnavailable
from gateway.exchange.replies import refusal_reply
from gateway.faults import (
    ADDRESS_UNKNOWN,
    INTERNAL,
    METHOD_WRONG,
    PARAMETERS_WRONG,
    STORE_UNAVAILABLE,
    TRANSACTION_FORBIDDEN,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.http.reception import Environ, Reception, StartResponse, respond

log = structlog.get_logger(__name__)

Given = Mapping[str, str]
"""Parameters by name, each given once, without blanks around."""
_JSON: Final = "application/json; charset=utf-8"
_CHARS_MAX: Final = 200
_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class Address:
    """What stands behind one name.

    Args:
        operation: by which a client is allowed it.
        parameters: those it takes.
        answer: may raise any ``GatewayFault``; bytes are :func:`written` already.
    """

    operation: str
    parameters: tuple[str, ...]
    answer: Callable[[Given], Mapping[str, Any] | bytes]


class GetApi:
    """A WSGI application for the addresses below ``prefix``."""

    def __init__(self, reception: Reception, prefix: str, addresses: Mapping[str, Address]) -> None:
        self._reception = reception
        self._prefix = prefix
        self._addresses = addresses

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            answer = self._answer(environ)
            return respond(start_response, 200, _JSON, answer if isinstance(answer, bytes) else written(answer))
        except GatewayFault as fault:
            return _failed(fault, start_response)
        except JournalUnavailable:
            return _failed(Refused(STORE_UNAVAILABLE), start_response)
        except Exception:
            log.exception("get_failed", path=environ["PATH_INFO"])
            return _failed(Unreadable(INTERNAL), start_response)

    def _answer(self, environ: Environ) -> Mapping[str, Any] | bytes:
        address = self._addresses.get(str(environ["PATH_INFO"]).removeprefix(self._prefix))
        if address is None:
            raise Unreadable(ADDRESS_UNKNOWN)
        if environ["REQUEST_METHOD"] != "GET":
            raise Unreadable(METHOD_WRONG)
        client = self._reception.client(environ)
        if not client.may_call(address.operation):
            raise Unreadable(TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {address.operation}")
        return address.answer(_given(str(environ.get("QUERY_STRING") or ""), address.parameters))


def written(answer: Mapping[str, Any]) -> bytes:
    """A good answer as it goes out."""
    return dumps({"infcode": 0, **answer})


def _given(query: str, names: tuple[str, ...]) -> Given:
    """Raises ``Unreadable`` GW-1012 for a parameter of another name, one given twice, or one too long."""
    given = parse_qs(query, keep_blank_values=True)
    if strange := sorted(set(given) - set(names)):
        raise Unreadable(PARAMETERS_WRONG, f"没有参数 {'、'.join(strange)[:100]}；可用：{'、'.join(names)}")
    for name, values in given.items():
        if len(values) > 1:
            raise Unreadable(PARAMETERS_WRONG, f"{name} 只能给出一次")
        if len(values[0]) > _CHARS_MAX:
            raise Unreadable(PARAMETERS_WRONG, f"{name} 超过 {_CHARS_MAX} 个字符")
    return {name: values[0].strip() for name, values in given.items()}


def number(given: Given, name: str, default: int, allowed: range) -> int:
    """A whole number within ``allowed``. Raises ``Unreadable`` GW-1012."""
    text = given.get(name, str(default))
    right = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    if not right or int(text) not in allowed:
        raise Unreadable(PARAMETERS_WRONG, f"{name} 应为 {allowed.start} 到 {allowed.stop - 1} 的整数")
    return int(text)


def _failed(fault: GatewayFault, start_response: StartResponse) -> list[bytes]:
    reply = refusal_reply(fault)
    status = fault.fault.http_status
    headers = [("WWW-Authenticate", 'Basic realm="yibao", charset="UTF-8"')] if status == 401 else []
    headers += [("Allow", "GET")] if status == 405 else []
    told = {"infcode": -1, "code": reply.code, "err_msg": reply.err_msg, "retry": reply.retry}
    return respond(start_response, status, _JSON, dumps(told), headers)
