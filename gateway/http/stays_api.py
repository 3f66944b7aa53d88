"""``GET /api/v1/stays/...``: what the pages 出院办理, 医保审核 and 费用上传 show, as JSON for the hospital's own pages.

``discharge?ipt_no=`` (or ``mdtrt_id=``) is ET-04, ``review`` ET-05, ``list`` ET-06; a client is allowed them by the names in
:data:`OPERATIONS`. Nothing is sent to the platform, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.contract.interface import Interface
from gateway.faults import (
    PARAMETERS_WRONG,
    STAY_UNKNOWN,
    Refused,
    Unreadable,
)
from gateway.http.get_api import Address, GetApi, Given, number
from gateway.http.reception import READ, Reception
from gateway.reviews import Reviews
from gateway.stays.desk import StayDesk, is_known
from gateway.stays.discharge import discharge_sheet
from gateway.stays.messages import discharge_message
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import EpisodeQuery, StayFeed

PREFIX: Final = "/api/v1/stays/"
OPERATIONS: Final = {"discharge": "StayDischarge", "review": "StayReview", "list": "StayList"}
LIMIT: Final = 200
LIMIT_MAX: Final = 5000
_NARROWING: Final = ("ipt_no", "mdtrt_id", "psn_no", "ward_code", "ward_from", "ward_before")
_FACTS: Final = ("presence", "alignment", "settlement")
_ORDERS: Final = ("t_ward", "t_reg", "t_dsc", "t_set", "ward_code", "mdtrt_id")
_PAGED: Final = (*_NARROWING, *_FACTS, "order", "limit", "skip")


class StayPages:
    """The lists, page by page.

    Args:
        feed: the rows of the list.
        reviews: the same with operations and differences.
    """

    def __init__(self, feed: StayFeed, reviews: Reviews) -> None:
        self._feed = feed
        self._reviews = reviews
        self.answers: Mapping[str, Callable[[Given], dict[str, Any]]] = {"review": self._review, "list": self._list}
        """By the name of the address."""

    def _review(self, given: Given) -> dict[str, Any]:
        query = _query(given)
        rows = self._reviews.page(replace(query, limit=query.limit + 1), *_hours_of(given))
        return _page([row.as_json() for row in rows], query)

    def _list(self, given: Given) -> dict[str, Any]:
        query = _query(given)
        return _page([asdict(row) for row in self._feed.episodes(replace(query, limit=query.limit + 1))], query)


class StaysApi:
    """What the addresses below :data:`PREFIX` answer.

    Args:
        desk: knows each stay.
        pages: of the lists.
        interface: in force now.
        long: answers by a process of its own what takes long, by name and parameters; None: everything is answered here.
    """

    def __init__(
        self,
        desk: StayDesk,
        pages: StayPages,
        interface: Callable[[], Interface],
        long: Callable[[str, Given], bytes] | None = None,
    ) -> None:
        self._desk = desk
        self._pages = pages
        self._interface = interface
        self._long = long

    def served(self, reception: Reception) -> GetApi:
        """The addresses, each for the clients that are allowed it."""
        addresses = {
            "discharge": Address(OPERATIONS["discharge"], ("ipt_no", "mdtrt_id"), self._discharge),
            "review": Address(OPERATIONS["review"], (*_PAGED, "hours_from", "hours_to"), self._listed("review")),
            "list": Address(OPERATIONS["list"], _PAGED, self._listed("list")),
        }
        return GetApi(reception, PREFIX, addresses)

    def _discharge(self, given: Given) -> dict[str, Any]:
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

    def _listed(self, name: str) -> Callable[[Given], Mapping[str, Any] | bytes]:
        def answer(given: Given) -> Mapping[str, Any] | bytes:
            if self._long is None or not _takes_long(given):
                return self._pages.answers[name](given)
            READ.get()()  # whoever waits for a report keeps nobody from being read
            return self._long(name, given)

        return answer


def _takes_long(given: Given) -> bool:
    """Whether it is more than a page on a screen, or every stay is calculated. Raises ``Unreadable`` GW-1012."""
    hours = [one for one in _hours_of(given) if one is not None]
    return _query(given).limit > LIMIT or bool(hours)


def _hours_of(given: Given) -> list[Decimal | None]:
    return [_hours(given, name) for name in ("hours_from", "hours_to")]


def _page(rows: list[dict[str, Any]], query: EpisodeQuery) -> dict[str, Any]:
    return {"stays": rows[: query.limit], "more": len(rows) > query.limit}


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
        limit=number(given, "limit", LIMIT, range(1, LIMIT_MAX + 1)),
        skip=number(given, "skip", 0, range(10_000_000)),
    )


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
