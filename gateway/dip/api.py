"""``GET /api/v1/dip/events?after=&limit=``: the feed as JSON, for clients that may call ``DipEvents``."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

import structlog

from gateway.contract.jsontext import dumps
from gateway.dip.events import shown
from gateway.dip.feed import PAGE, PAGE_MAX, DipFeed
from gateway.exchange.exchange import refusal_reply
from gateway.exchange.ports import JournalUnavailable
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

PREFIX: Final = "/api/v1/dip/"
EVENTS: Final = PREFIX + "events"
OPERATION: Final = "DipEvents"
_JSON: Final = "application/json; charset=utf-8"
_DIGITS_MAX: Final = 18


class DipApi:
    """A WSGI application for the addresses below :data:`PREFIX`."""

    def __init__(self, reception: Reception, feed: DipFeed) -> None:
        self._reception = reception
        self._feed = feed

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            return respond(start_response, 200, _JSON, dumps(self._page(environ)))
        except GatewayFault as fault:
            return _failed(fault, start_response)
        except JournalUnavailable:
            return _failed(Refused(STORE_UNAVAILABLE), start_response)
        except Exception:
            log.exception("dip_failed", path=environ["PATH_INFO"])
            return _failed(Unreadable(INTERNAL), start_response)

    def _page(self, environ: Environ) -> dict[str, Any]:
        if environ["PATH_INFO"] != EVENTS:
            raise Unreadable(ADDRESS_UNKNOWN)
        if environ["REQUEST_METHOD"] != "GET":
            raise Unreadable(METHOD_WRONG)
        client = self._reception.client(environ)
        if not client.may_call(OPERATION):
            raise Unreadable(TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {OPERATION}")
        given = parse_qs(str(environ.get("QUERY_STRING") or ""), keep_blank_values=True)
        if strange := sorted(set(given) - {"after", "limit"}):
            raise Unreadable(PARAMETERS_WRONG, f"没有参数 {'、'.join(strange)[:100]}")
        page = self._feed.page(_number(given, "after", 0, None), _number(given, "limit", PAGE, PAGE_MAX))
        return {"infcode": 0, "events": [shown(one) for one in page.events], "next": page.next, "more": page.more}


def _number(given: dict[str, list[str]], name: str, default: int, largest: int | None) -> int:
    """Raises ``Unreadable`` GW-1012."""
    text = given.get(name, [str(default)])
    if len(text) != 1 or not (text[0].isascii() and text[0].isdigit()) or len(text[0]) > _DIGITS_MAX:
        raise Unreadable(PARAMETERS_WRONG, f"{name} 应为一个非负整数")
    number = int(text[0])
    if largest is not None and not 1 <= number <= largest:
        raise Unreadable(PARAMETERS_WRONG, f"{name} 应在 1 到 {largest} 之间")
    return number


def _failed(fault: GatewayFault, start_response: StartResponse) -> list[bytes]:
    reply = refusal_reply(fault)
    status = fault.fault.http_status
    headers = [("WWW-Authenticate", 'Basic realm="yibao", charset="UTF-8"')] if status == 401 else []
    headers += [("Allow", "GET")] if status == 405 else []
    told = {"infcode": -1, "code": reply.code, "err_msg": reply.err_msg, "retry": reply.retry}
    return respond(start_response, status, _JSON, dumps(told), headers)
