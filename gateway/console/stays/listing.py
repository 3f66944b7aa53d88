"""住院病人: the list, a page at a time, sorted and narrowed by the store, and the same as a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.days import day, day_problems
from gateway.console.exports import exported
from gateway.console.shown import key_value
from gateway.console.stays.people import masked, names_shown
from gateway.console.stays.words import ALIGNMENT, FACTS, PRESENCE, SETTLEMENT
from gateway.console.visit import Visit
from gateway.store.stay_feed import Episode, EpisodeQuery

PAGE_ROWS: Final = 50
EXPORT_PAGE: Final = 1000
TEXT_CHARS_MAX: Final = 64
PAGES_MAX: Final = 100_000
SORTS: Final[Mapping[str, str]] = {"t_ward": "入科时间", "t_reg": "登记时间", "t_dsc": "出院时间", "ward_code": "病区"}
"""Columns that may be sorted by."""
FIELDS: Final = ("q", "presence", "alignment", "settlement", "ward", "since", "until", "sort")
NO_WARD_IN: Final = "未入科"
"""What stands in place of 入科时间 (ET-06)."""
_COLUMNS: Final = (
    "住院号", "姓名", "就诊 ID", "人员编号", "病区编码", "病区", "在院状态", "入院登记时间", "入科时间", "医保入院时间", "时间一致",
    "出科时间", "出院时间", "结算", "结算 ID", "结算快照入院时间",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What the list is narrowed to, as it stands in the address; ``sort`` is a column, with ``-`` for the latest first."""

    q: str = ""
    presence: str = ""
    alignment: str = ""
    settlement: str = ""
    ward: str = ""
    since: str = ""
    until: str = ""
    sort: str = "-t_ward"
    page: int = 1
    problems: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The filters as the end of an address, without the page."""
        given = {name: getattr(self, name) for name in FIELDS}
        return urlencode(
            {name: value for name, value in given.items() if value and (name, value) != ("sort", "-t_ward")}
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything narrows the list."""
        return any(getattr(self, name) for name in FIELDS if name != "sort")

    def sorted_by(self, column: str) -> str:
        """The address of the same list sorted by a column; by the same column again the other way round."""
        return replace(self, sort=column if self.sort == f"-{column}" else f"-{column}").address

    def direction(self, column: str) -> str:
        """``ascending``, ``descending`` or ``none``, as ``aria-sort`` says it."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "none")


def read_wish(query: Mapping[str, str]) -> Wish:
    """What the address asks for; what cannot be read is left out and named."""
    given = {name: query.get(name, "").strip()[:TEXT_CHARS_MAX] for name in FIELDS}
    problems = [*day_problems(given)]
    for name, words in FACTS.items():
        if given[name] and given[name] not in words:
            problems.append(f"没有“{given[name]}”这个状态")
            given[name] = ""
    if given["sort"].lstrip("-") not in SORTS:
        given["sort"] = "-t_ward"
    return Wish(**given, page=page_in(query), problems=tuple(problems))


def page_in(query: Mapping[str, str]) -> int:
    """The page that the address names, 1 where it names none."""
    text = query.get("page", "")
    return min(max(int(text), 1), PAGES_MAX) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def query_of(wish: Wish, limit: int, skip: int = 0) -> EpisodeQuery:
    """The question to the store, without ``q``."""
    since, until = day(wish.since), day(wish.until)
    return EpisodeQuery(
        presence=(wish.presence,) if wish.presence else (),
        alignment=(wish.alignment,) if wish.alignment else (),
        settlement=(wish.settlement,) if wish.settlement else (),
        ward_code=wish.ward,
        ward_from=f"{since:%Y-%m-%d}" if since else "",
        ward_before=f"{until + timedelta(days=1):%Y-%m-%d}" if until else "",
        order=wish.sort.lstrip("-"),
        descending=wish.sort.startswith("-"),
        limit=limit,
        skip=skip,
    )


def find(visit: Visit, wish: Wish, limit: int, skip: int) -> list[Episode]:
    """Stays in the order asked for; a number is looked up as 住院号, then as 就诊 ID, then as 人员编号."""
    feed = visit.parts.store.stay_feed
    return next((rows for one in meanings(wish, limit, skip) if (rows := feed.episodes(one))), [])


def meanings(wish: Wish, limit: int, skip: int) -> tuple[EpisodeQuery, ...]:
    """The questions to ask until one has an answer."""
    query = query_of(wish, limit, skip)
    if not wish.q:
        return (query,)
    return replace(query, ipt_no=wish.q), replace(query, mdtrt_id=wish.q), replace(query, psn_no=wish.q)


def patients(visit: Visit) -> Response:
    """One page of the list."""
    wish = read_wish(visit.query)
    rows = find(visit, wish, PAGE_ROWS + 1, (wish.page - 1) * PAGE_ROWS)
    shown = rows[:PAGE_ROWS]
    asked = "&".join(filter(None, (wish.address, f"page={wish.page}")))
    return visit.show(
        "stays/patients.html",
        wish=wish,
        rows=shown,
        people=names_shown(visit, [one.psn_no for one in shown], "stays", f"{asked}，{len(shown)} 人"),
        more=len(rows) > PAGE_ROWS,
        first=(wish.page - 1) * PAGE_ROWS + 1,
        presence=PRESENCE,
        alignment=ALIGNMENT,
        settlement=SETTLEMENT,
        plain=visit.may("exchange.body"),
    )


def export(visit: Visit) -> Response:
    """The list as a file for a spreadsheet."""
    wish = read_wish(visit.query)
    return exported(visit, "stays", wish.address, _COLUMNS, _lines(visit, wish))


def _lines(visit: Visit, wish: Wish) -> Iterator[list[object]]:
    plain = visit.may("exchange.body")
    for skip in itertools.count(0, EXPORT_PAGE):
        rows = find(visit, wish, EXPORT_PAGE, skip)
        names = visit.parts.store.names.of([row.psn_no for row in rows])
        people = names if plain else masked(names)
        yield from (_values(row, people, plain=plain) for row in rows)
        if len(rows) < EXPORT_PAGE:
            return


def _values(one: Episode, people: Mapping[str, str], *, plain: bool) -> list[object]:
    return [
        one.ipt_no, people.get(one.psn_no, ""), one.mdtrt_id, key_value(one.psn_no, "psn_no", plain=plain), one.ward_code, one.ward_name,
        PRESENCE[one.presence][0], one.t_reg, one.t_ward or NO_WARD_IN, one.t_ins, ALIGNMENT[one.alignment][0],
        one.t_wout, one.t_dsc, SETTLEMENT[one.settlement][0], one.setl_id, one.t_set,
    ]  # fmt: skip
