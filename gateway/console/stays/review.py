"""医保审核 (ET-05): operations with their codes, 入科时间, 出科时间, the difference and remarks; filters, and the same as a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.exports import exported
from gateway.console.shown import free_text, key_value
from gateway.console.stays.listing import (
    EXPORT_PAGE,
    FIELDS,
    NO_WARD_IN,
    PAGE_ROWS,
    Wish,
    meanings,
    read_wish,
)
from gateway.console.stays.people import names_shown
from gateway.console.stays.words import ALIGNMENT, PRESENCE, SETTLEMENT
from gateway.console.visit import Visit
from gateway.reviews import Review, Reviews
from gateway.rules.times import MISSING
from gateway.stays.discharge import OperationRow
from gateway.stays.ports import StayRef
from gateway.store.remarks import Remark

HOURS: Final = ("hours_from", "hours_to")
_HOURS_MAX: Final = Decimal(1_000_000)
COLUMNS: Final = (
    "住院号", "就诊 ID", "人员编号", "病区编码", "病区", "在院状态", "主手术代码", "主手术名称", "其他手术代码", "其他手术名称",
    "入科时间", "出科时间", "差值", "差值（小时）", "住院天数", "医保入院时间", "时间一致", "结算", "备注", "备注人", "备注时间", "备注条数",
)  # fmt: skip
_BETWEEN: Final = "；"


def review(visit: Visit) -> Response:
    """One page."""
    wish, hours = read_wish(visit.query), _hours(visit.query)
    rows = _find(visit, wish, hours, PAGE_ROWS + 1, (wish.page - 1) * PAGE_ROWS)
    given = {name: visit.query.get(name, "").strip()[:12] for name in HOURS}
    psn_nos = [row.episode.psn_no for row in rows[:PAGE_ROWS]]
    told = f"{_address(wish, given) or '全部'}，第 {wish.page} 页，{len(psn_nos)} 人"
    return visit.show(
        "stays/review.html",
        people=names_shown(visit, psn_nos, "review", told),
        wish=wish,
        given=given,
        address=_address(wish, given),
        problems=[*wish.problems, *_problems(given, hours)],
        rows=rows[:PAGE_ROWS],
        remarks=remarks_of(visit, rows[:PAGE_ROWS]),
        back=_back(visit.query),
        more=len(rows) > PAGE_ROWS,
        first=(wish.page - 1) * PAGE_ROWS + 1,
        presence=PRESENCE,
        narrowed=wish.narrowed or any(given.values()),
    )


def export(visit: Visit) -> Response:
    """The same as a file."""
    wish, hours = read_wish(visit.query), _hours(visit.query)
    return exported(visit, "review", wish.address, COLUMNS, _lines(visit, wish, hours))


def reviews_of(visit: Visit) -> Reviews:
    """Reads the list."""
    parts = visit.parts
    return Reviews(parts.store.stay_feed, parts.store.journal.stays, parts.stays.policy, parts.clock)


def _find(visit: Visit, wish: Wish, hours: Sequence[Decimal | None], limit: int, skip: int) -> list[Review]:
    reviews = reviews_of(visit)
    return next((rows for one in meanings(wish, limit, skip) if (rows := reviews.page(one, *hours))), [])


def _hours(query: Mapping[str, str]) -> list[Decimal | None]:
    return [_number(query.get(name, "")) for name in HOURS]


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found <= _HOURS_MAX else None


def _problems(given: Mapping[str, str], hours: Sequence[Decimal | None]) -> Iterator[str]:
    for name, found in zip(HOURS, hours, strict=True):
        if given[name] and found is None:
            yield f"差值“{given[name]}”应为小时数，如 48 或 36.5"


def _address(wish: Wish, given: Mapping[str, str]) -> str:
    return "&".join(filter(None, (wish.address, urlencode({name: value for name, value in given.items() if value}))))


def _lines(visit: Visit, wish: Wish, hours: Sequence[Decimal | None]) -> Iterator[list[object]]:
    plain = visit.may("exchange.body")
    for skip in itertools.count(0, EXPORT_PAGE):
        rows = _find(visit, wish, hours, EXPORT_PAGE, skip)
        remarks = remarks_of(visit, rows)
        yield from (values(row, remarks.get(row.episode.key, ()), plain=plain) for row in rows)
        if len(rows) < EXPORT_PAGE:
            return


def remarks_of(visit: Visit, rows: Sequence[Review]) -> dict[str, tuple[Remark, ...]]:
    """Remarks by the key of the stay, the newest first: a number of statements that does not grow with the page."""
    refs = {StayRef(row.episode.ipt_no, row.episode.mdtrt_id): row.episode.key for row in rows}
    return {refs[ref]: told for ref, told in visit.parts.store.remarks.of(list(refs)).items()}


def _back(query: Mapping[str, str]) -> str:
    """The list as it stands, for the way back from a case."""
    return urlencode({name: query[name][:64] for name in (*FIELDS, *HOURS, "page") if query.get(name)})


def values(row: Review, remarks: Sequence[Remark], *, plain: bool) -> list[object]:
    """A line of the file; of several remarks the newest."""
    one = row.episode
    last = remarks[0] if remarks else None
    remarked = [free_text(last.text, plain=plain), last.operator, f"{last.at:%Y-%m-%d %H:%M}"] if last else ["", "", ""]
    return [
        one.ipt_no, one.mdtrt_id, key_value(one.psn_no, "psn_no", plain=plain), one.ward_code, one.ward_name,
        PRESENCE[one.presence][0], *_named(row.mains, plain=plain), *_named(row.others, plain=plain), one.t_ward or NO_WARD_IN,
        one.t_wout or MISSING, row.difference, MISSING if row.hours is None else row.hours,
        MISSING if row.days is None else row.days, one.t_ins, ALIGNMENT[one.alignment][0], SETTLEMENT[one.settlement][0],
        *remarked, len(remarks) or "",
    ]  # fmt: skip


def _named(rows: Sequence[OperationRow], *, plain: bool) -> tuple[str, str]:
    """Codes and names, in the same order."""
    return _BETWEEN.join(row.code for row in rows), _BETWEEN.join(free_text(row.name, plain=plain) for row in rows)
