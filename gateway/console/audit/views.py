"""审计: what people did and looked at, and whether the log of it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.audit.words import ACTS, acts_called, subject_called, subject_meant
from gateway.console.days import span
from gateway.console.exports import exported
from gateway.console.shown import exactly
from gateway.console.visit import Visit
from gateway.store.operator_log import OperatorEntry

PAGE_ROWS: Final = 100
EXPORT_PAGE: Final = 1000
FIELDS: Final = ("operator", "subject", "act", "since", "until")
TEXT_CHARS_MAX: Final = 200
_COLUMNS: Final = ("序号", "时间", "何人", "何事", "操作代号", "对象", "对象代号", "说明", "校验值")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the list is narrowed to, as it stands in the address; ``act`` is a title, ``subject`` as the list shows it."""

    operator: str = ""
    subject: str = ""
    act: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None
    problems: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The filters as the end of an address, without the place in the list."""
        return urlencode({name: value for name in FIELDS if (value := getattr(self, name))})


def read_wish(query: Mapping[str, str]) -> Wish:
    """What the address asks for; what cannot be read is left out and named."""
    given = {name: query.get(name, "").strip()[:TEXT_CHARS_MAX] for name in FIELDS}
    problems = [*span(given).problems]
    if given["act"] and not acts_called(given["act"]):
        problems.append(f"没有“{given['act']}”这种操作")
        given["act"] = ""
    before = query.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    return Wish(**given, before=number, problems=tuple(problems))


def audit(visit: Visit) -> Response:
    """The log, newest first."""
    wish = read_wish(visit.query)
    found = _find(visit, wish, wish.before, PAGE_ROWS + 1)
    rows = found[:PAGE_ROWS]
    return visit.show(
        "audit/audit.html",
        wish=wish,
        rows=rows,
        more=rows[-1].seq if len(found) > PAGE_ROWS else None,
        acts=ACTS,
        called=subject_called,
        titles=sorted(set(ACTS.values())),
    )


def _find(visit: Visit, wish: Wish, before: int | None, limit: int) -> list[OperatorEntry]:
    when = span({"since": wish.since, "until": wish.until})
    return visit.parts.store.operator_log.entries(
        operator=wish.operator,
        subject=subject_meant(wish.subject),
        acts=acts_called(wish.act),
        since=when.since,
        until=when.until,
        before=before,
        limit=limit,
    )


def export(visit: Visit) -> Response:
    """The same as a file; that it was taken is an entry too."""
    wish = read_wish(visit.query)
    return exported(visit, "audit", wish.address, _COLUMNS, _lines(visit, wish))


def _lines(visit: Visit, wish: Wish) -> Iterator[list[object]]:
    before = None
    while rows := _find(visit, wish, before, EXPORT_PAGE):
        for row in rows:
            called, what = ACTS.get(row.act, row.act), subject_called(row.act, row.subject)
            yield [row.seq, exactly(row.at), row.operator, called, row.act, what, row.subject, row.detail, row.hash]
        before = rows[-1].seq


def verify(visit: Visit) -> Response:
    """Walk the whole chain; that it was asked for is an entry too."""
    broken = visit.parts.store.operator_log.verify()
    seq, digest = visit.parts.store.operator_log.head()
    visit.note(
        "console.audit_verify", "operator_log", "完整" if broken is None else f"第 {broken.seq} 条：{broken.reason}"
    )
    return visit.show("audit/verified.html", broken=broken, seq=seq, digest=digest)


AREA: Final = Area(
    name="audit",
    pages=(
        Page("GET", "/audit", "audit.see", audit),
        Page("GET", "/audit/export.csv", "audit.see", export),
        Page("POST", "/audit/verify", "audit.see", verify),
    ),
    menu=(MenuItem("/audit", "审计", "audit.see"),),
    rights={"audit.see": "看到操作日志"},
)
