"""Every search the program offers, with values that the large journal has; the same question asks for others every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bench.search.rows import (
    CODES,
    OPEN_EVERY,
    RARE_CLIENT,
    RARE_CODE,
    RARE_EVERY,
    RARE_INFNO,
    UNTIL,
    Past,
    mix,
    msgid,
    person,
    request_id,
)
from gateway.exchange.ports import Query, State

Ask = Callable[[int], Query]
"""The query of the n-th time."""
_DAY: Final = timedelta(days=1)
_PERSONAL: Final = ("psn_no", "certno", "psn_name", "card")


def questions(past: Past) -> dict[str, Ask]:
    """Name of a question -> its queries."""
    return {**_by_key(past), **_by_many_rows(past), **_by_column(past), **_by_time()}


def _by_key(past: Past) -> dict[str, Ask]:
    def of(kind: str) -> Ask:
        return lambda n: Query(keys=[(kind, _value(past, kind, n))])

    kinds = (*_PERSONAL, "mdtrt_id", "setl_id", "ipt_no", "ipt_otp_no", "omsgid")
    return {
        **{f"key {kind}": of(kind) for kind in kinds},
        "key unknown": lambda n: Query(keys=[("psn_no", f"none{n}")]),
    }


def _by_many_rows(past: Past) -> dict[str, Ask]:
    def of(kind: str) -> Ask:
        return lambda n: Query(keys=[(kind, person(kind, n % past.popular))])

    psn = of("psn_no")
    asked = {f"popular {kind}": of(kind) for kind in _PERSONAL}
    return {
        **asked,
        "popular psn_no, next page": lambda n: replace(psn(n), before_id=_some(past, n)),
        "popular psn_no + infno": lambda n: replace(psn(n), infno="2304"),
        "popular psn_no + rare state": lambda n: replace(psn(n), states=(State.ESCALATED,)),
        "popular psn_no + day": lambda n: _within(psn(n), n, 1),
        "popular psn_no + infno + state + month": lambda n: _within(
            replace(psn(n), infno="2301", states=(State.CONFIRMED,)), n, 30
        ),
        "popular psn_no + mdtrt_id": lambda n: Query(keys=[*psn(n).keys, ("mdtrt_id", _value(past, "mdtrt_id", n))]),
        "popular psn_no + popular psn_name": lambda n: Query(
            keys=[*psn(n).keys, ("psn_name", person("psn_name", n % past.popular))]
        ),
        "popular psn_no + other psn_name": lambda n: Query(
            keys=[*psn(n).keys, ("psn_name", person("psn_name", past.popular + n))]
        ),
    }


def _by_column(past: Past) -> dict[str, Ask]:
    common: dict[str, Query] = {
        "infno": Query(infno="2301"),
        "infno rare": Query(infno=RARE_INFNO),
        "infno + state": Query(infno="2301", states=(State.DECLINED,)),
        "infno + rare state": Query(infno="2301", states=(State.ESCALATED,)),
        "infno rare + client rare": Query(infno=RARE_INFNO, client=RARE_CLIENT),
        "client": Query(client="his"),
        "client rare": Query(client=RARE_CLIENT),
        "client rare + infno": Query(client=RARE_CLIENT, infno="2304"),
        "client rare + state": Query(client=RARE_CLIENT, states=(State.NOT_DONE,)),
        "state": Query(states=(State.CONFIRMED,)),
        "state rare": Query(states=(State.ESCALATED,)),
        "states, none there": Query(states=(State.IN_DOUBT, State.REVERSED)),
        "code": Query(code=CODES[0]),
        "code rare": Query(code=RARE_CODE),
        "code + infno": Query(code=CODES[0], infno=RARE_INFNO),
        "newest": Query(),
    }
    first = {name: _always(query) for name, query in common.items()}
    return {
        "msgid": lambda n: Query(msgid=msgid(_some(past, n))),
        "request_id": lambda n: Query(request_id=request_id(_some(past, n))),
        **first,
        **{
            f"{name}, next page": _paged(past, common[name])
            for name in ("infno", "client rare", "state", "code", "newest")
        },
    }


def _by_time() -> dict[str, Ask]:
    bases = {
        "": Query(),
        "infno + ": Query(infno="2301"),
        "infno rare + ": Query(infno=RARE_INFNO),
        "state + ": Query(states=(State.DECLINED,)),
        "state rare + ": Query(states=(State.ESCALATED,)),
        "client rare + ": Query(client=RARE_CLIENT),
        "code + ": Query(code=CODES[0]),
        "infno + state + ": Query(infno="2301", states=(State.DECLINED,)),
    }

    def of(query: Query, days: int) -> Ask:
        return lambda n: _within(query, n, days)

    return {
        f"{name}{length}": of(query, days)
        for name, query in bases.items()
        for length, days in (("day", 1), ("month", 30), ("year", 365))
    }


def _always(query: Query) -> Ask:
    return lambda _n: query


def _paged(past: Past, query: Query) -> Ask:
    return lambda n: replace(query, before_id=_some(past, n))


def _some(past: Past, n: int) -> int:
    """The number of some row, not among the newest tenth."""
    return 1 + mix(n, 5) % (past.rows * 9 // 10)


def _value(past: Past, kind: str, n: int) -> str:
    """The value of a row that has a key of this kind."""
    start = _some(past, n)
    if kind == "omsgid":
        start -= start % RARE_EVERY - RARE_EVERY
    steps = range(start, start + OPEN_EVERY) if kind != "omsgid" else [start]
    return next(value for number in steps for name, value in past.keys(number) if name == kind)


def _within(query: Query, n: int, days: int) -> Query:
    """``query`` over some days in the past: at the earliest two years ago, so that a year fits in."""
    since = UNTIL - _DAY * (days + mix(n, 6) % (730 - days))
    return replace(query, since=since, until=since + _DAY * days)
