"""``GET /api/v1/stays/...``: what the pages 出院办理, 医保审核 and 费用上传 show, as JSON for the hospital's own pages.

``discharge?ipt_no=`` (or ``mdtrt_id=``) is ET-04, ``review`` ET-05, ``list`` ET-06; a client is allowed them by the names in
:data:`OPERATIONS`. Nothing is sent to the platform, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qs

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.exchange.exchange import refusal_reply
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import (
    ADDRESS_UNKNOWN,
    INTERNAL,
    METHOD_WRONG,
    PARAMETERS_WRONG,
    STAY_UNKNOWN,
    STORE_UNAVAILABLE,
    TRANSACTION_FORBIDDEN,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.http.reception import Environ, Reception, StartResponse, respond
from gateway.reviews import Reviews
from gateway.stays.desk import StayDesk, is_known
from gateway.stays.discharge import discharge_sheet
from gateway.stays.messages import discharge_message
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import EpisodeQuery, StayFeed

log = structlog.get_logger(__name__)

Given = Mapping[str, str]

PREFIX: Final = "/api/v1/stays/"
OPERATIONS: Final = {"discharge": "StayDischarge", "review": "StayReview", "list": "StayList"}
LIMIT: Final = 200
LIMIT_MAX: Final = 5000
_JSON: Final = "application/json; charset=utf-8"
_CHARS_MAX: Final = 64
_NARROWING: Final = ("ipt_no", "mdtrt_id", "psn_no", "ward_code", "ward_from", "ward_before")
_FACTS: Final = ("presence", "alignment", "settlement")
_ORDERS: Final = ("t_ward", "t_reg", "t_dsc", "t_set", "ward_code", "mdtrt_id")
_PAGED: Final = (*_NARROWING, *_FACTS, "order", "limit", "skip")


class StaysApi:
    """A WSGI application for the addresses below :data:`PREFIX`.

    Args:
        desk: knows each stay.
        feed: the rows of the list.
        reviews: the same with operations and differences.
        interface: in force now.
    """

    def __init__(
        self,
        reception: Reception,
        desk: StayDesk,
        feed: StayFeed,
        reviews: Reviews,
        interface: Callable[[], Interface],
    ) -> None:
        self._reception = reception
        self._desk = desk
        self._feed = feed
        self._reviews = reviews
        self._interface = interface
        self._answers: Mapping[str, Callable[[Given], dict[str, Any]]] = {
            "discharge": self._discharge,
            "review": self._review,
            "list": self._list,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            return respond(start_response, 200, _JSON, dumps({"infcode": 0, **self._answer(environ)}))
        except GatewayFault as fault:
            return _failed(fault, start_response)
        except JournalUnavailable:
            return _failed(Refused(STORE_UNAVAILABLE), start_response)
        except Exception:
            log.exception("stays_api_failed", path=environ["PATH_INFO"])
            return _failed(Unreadable(INTERNAL), start_response)

    def _answer(self, environ: Environ) -> dict[str, Any]:
        name = str(environ["PATH_INFO"]).removeprefix(PREFIX)
        if name not in self._answers:
            raise Unreadable(ADDRESS_UNKNOWN)
        if environ["REQUEST_METHOD"] != "GET":
            raise Unreadable(METHOD_WRONG)
        client = self._reception.client(environ)
        if not client.may_call(OPERATIONS[name]):
            raise Unreadable(TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {OPERATIONS[name]}")
        given = parse_qs(str(environ.get("QUERY_STRING") or ""), keep_blank_values=True)
        return self._answers[name]({key: values[-1].strip()[:_CHARS_MAX] for key, values in given.items()})

    def _discharge(self, given: Given) -> dict[str, Any]:
        _only(given, ("ipt_no", "mdtrt_id"))
        ref = StayRef(given.get("ipt_no", ""), given.get("mdtrt_id", ""))
        if not str(ref):
            raise Unreadable(PARAMETERS_WRONG, "须给出 ipt_no 或 mdtrt_id")
        judged = self._desk.judged(ref)
        if not is_known(judged.history):
            raise Refused(STAY_UNKNOWN, str(ref))
        interface = self._interface()
        message = discharge_message(judged.stay, judged.history, interface.operation("2402"), {})
        sheet = discharge_sheet(judged.stay, message, self._desk.clock(), self._desk.policy, interface.contract.rules)
        return {"ipt_no": judged.stay.ipt_no, "mdtrt_id": judged.stay.mdtrt_id, **sheet.as_json()}

    def _review(self, given: Given) -> dict[str, Any]:
        _only(given, (*_PAGED, "hours_from", "hours_to"))
        query = _query(given)
        hours = [_hours(given, name) for name in ("hours_from", "hours_to")]
        rows = self._reviews.page(replace(query, limit=query.limit + 1), *hours)
        return _page([row.as_json() for row in rows], query)

    def _list(self, given: Given) -> dict[str, Any]:
        _only(given, _PAGED)
        query = _query(given)
        return _page([asdict(row) for row in self._feed.episodes(replace(query, limit=query.limit + 1))], query)


def _page(rows: list[dict[str, Any]], query: EpisodeQuery) -> dict[str, Any]:
    return {"stays": rows[: query.limit], "more": len(rows) > query.limit}


def _only(given: Given, names: tuple[str, ...]) -> None:
    """Raises ``Unreadable`` GW-1012 for a parameter of another name."""
    if strange := sorted(set(given) - set(names)):
        raise Unreadable(PARAMETERS_WRONG, f"没有参数 {'、'.join(strange)[:100]}；可用：{'、'.join(names)}")


def _query(given: Given) -> EpisodeQuery:
    """``order`` is a column, with ``-`` before it for the latest first. Raises ``Unreadable`` GW-1012."""
    order = given.get("order") or "-t_ward"
    if order.lstrip("-") not in _ORDERS:
        raise Unreadable(PARAMETERS_WRONG, f"order 应为 {'、'.join(_ORDERS)} 之一，前加 - 为倒序")
    narrowing: dict[str, Any] = {name: given[name] for name in _NARROWING if given.get(name)}
    narrowing |= {name: tuple(filter(None, given[name].split(","))) for name in _FACTS if given.get(name)}
    return EpisodeQuery(
        **narrowing,
        order=order.lstrip("-"),
        descending=order.startswith("-"),
        limit=_number(given, "limit", LIMIT, range(1, LIMIT_MAX + 1)),
        skip=_number(given, "skip", 0, range(10_000_000)),
    )


def _number(given: Given, name: str, default: int, allowed: range) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) in allowed):
        raise Unreadable(PARAMETERS_WRONG, f"{name} 应为 {allowed.start} 到 {allowed.stop - 1} 的整数")
    return int(text)


def _hours(given: Given, name: str) -> Decimal | None:
    if not given.get(name):
        return None
    try:
        found = Decimal(given[name])
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise Unreadable(PARAMETERS_WRONG, f"{name} 应为小时数")
    return found


def _failed(fault: GatewayFault, start_response: StartResponse) -> list[bytes]:
    reply = refusal_reply(fault)
    status = fault.fault.http_status
    headers = [("WWW-Authenticate", 'Basic realm="yibao", charset="UTF-8"')] if status == 401 else []
    headers += [("Allow", "GET")] if status == 405 else []
    told = {"infcode": -1, "code": reply.code, "err_msg": reply.err_msg, "retry": reply.retry}
    return respond(start_response, status, _JSON, dumps(told), headers)
