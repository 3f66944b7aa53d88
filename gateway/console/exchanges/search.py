"""A search as people write it: one box that takes any number, and a few filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from gateway.console.days import span
from gateway.console.shown import KEYS
from gateway.contract.model import Contract
from gateway.exchange.ports import Exchange, Journal, Query, State

PAGE_ROWS: Final = 50
TEXT_CHARS_MAX: Final = 128
FIELDS: Final = ("q", "infno", "state", "client", "since", "until")
GROUPS: Final[Mapping[str, tuple[State, ...]]] = {
    "failed": (State.REFUSED, State.DECLINED, State.NOT_SENT),
    "doubt": (State.IN_DOUBT, State.ESCALATED),
}
"""Filters that name several states."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, as it stands in the address; ``problems`` are sentences about what cannot be read."""

    q: str = ""
    infno: str = ""
    state: str = ""
    client: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None
    problems: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The filters as the end of an address, without the place in the list."""
        return urlencode({name: value for name in FIELDS if (value := getattr(self, name))})

    @property
    def any(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.address)


def read_wish(query: Mapping[str, str]) -> Wish:
    """What the address asks for; a filter that cannot be read is left out and named."""
    given = {name: query.get(name, "").strip()[:TEXT_CHARS_MAX] for name in FIELDS}
    problems = [*span(given).problems]
    if given["state"] and given["state"] not in GROUPS and given["state"] not in set(State):
        problems.append("没有这个状态")
        given["state"] = ""
    before = query.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    return Wish(**given, before=number, problems=tuple(problems))


def find(journal: Journal, contract: Contract, wish: Wish, rows: int = PAGE_ROWS) -> list[Exchange]:
    """The page after ``wish.before``, newest first, one row more than asked for if there are more."""
    base = _base(wish, rows + 1)
    meanings = _meanings(contract, base, wish.q) if wish.q else [base]
    if len(meanings) == 1:
        return journal.search(meanings[0])
    # several are those by keys and numbers, each in the order of writing (Query.by_time)
    found = {row.id: row for query in meanings for row in journal.search(query)}
    return [found[number] for number in sorted(found, reverse=True)][: rows + 1]


def _base(wish: Wish, limit: int) -> Query:
    when = span({"since": wish.since, "until": wish.until})
    states = GROUPS.get(wish.state) or ((State(wish.state),) if wish.state else ())
    return Query(
        infno=wish.infno or None,
        states=states,
        client=wish.client or None,
        since=when.since,
        until=when.until,
        before_id=wish.before,
        limit=limit,
    )


def _meanings(contract: Contract, base: Query, text: str) -> list[Query]:
    """Everything that the text may be: each is a search along an index of its own."""
    if text in contract.transactions and not base.infno:
        return [replace(base, infno=text)]
    if text.upper().startswith(("GW-", "ET")):
        return [replace(base, code=text.upper())]
    return [
        *(replace(base, keys=((kind, text),)) for kind in KEYS),
        replace(base, msgid=text),
        replace(base, request_id=text),
    ]
