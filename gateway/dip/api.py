"""``GET /api/v1/dip/events?after=&limit=``: the feed as JSON, for clients that may call ``DipEvents``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dip.events import shown
from gateway.dip.feed import PAGE, PAGE_MAX, DipFeed
from gateway.http.get_api import Address, GetApi, Given, number
from gateway.http.reception import Reception

PREFIX: Final = "/api/v1/dip/"
_AFTER: Final = range(10**18)


def dip_api(reception: Reception, feed: DipFeed) -> GetApi:
    """The addresses below :data:`PREFIX`."""

    def events(given: Given) -> Mapping[str, Any]:
        limit = number(given, "limit", PAGE, range(1, PAGE_MAX + 1))
        page = feed.page(number(given, "after", 0, _AFTER), limit)
        return {"events": [shown(one) for one in page.events], "next": page.next, "more": page.more}

    return GetApi(reception, PREFIX, {"events": Address("DipEvents", ("after", "limit"), events)})
