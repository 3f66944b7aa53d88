"""目录: versions of every catalog, what the last one changed, imports that run, looking up by code, name or pinyin."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.visit import Visit
from gateway.store.catalogs import KINDS, Entry, Version

KIND_NAMES: Final = {"added": "新增", "changed": "变更", "withdrawn": "撤销"}
CHIPS: Final = {"added": "ok", "changed": "run", "withdrawn": "warn"}
SHOWN_MAX: Final = 50
VERSIONS_MAX: Final = 30
TEXT_MAX: Final = 100
ID_MAX: Final = 2**62


def catalogs(visit: Visit) -> Response:
    """Every catalog that is held, and imports that run."""
    return visit.show("catalogs/catalogs.html", **_held(visit))


def part(visit: Visit) -> Response:
    """The part that refreshes itself."""
    return visit.show("catalogs/table.html", **_held(visit))


def catalog(visit: Visit) -> Response:
    """One catalog: its versions, and what is looked for in it."""
    held = visit.parts.store.catalogs
    one = held.one(visit.path["infno"])
    if one is None:
        return visit.show("templates/told.html", 404, title="没有这个目录", text="没有下载过这个编号的目录。")
    text = visit.query.get("q", "").strip()[:TEXT_MAX]
    usable = visit.query.get("usable") == "1"
    today = visit.parts.clock().date()
    found = held.search(one.infno, text, today if usable else None, limit=SHOWN_MAX + 1) if text else []
    return visit.show(
        "catalogs/catalog.html",
        held=one,
        versions=held.versions(one.infno, limit=VERSIONS_MAX),
        text=text,
        usable=usable,
        found=found[:SHOWN_MAX],
        more=len(found) > SHOWN_MAX,
        today=today,
    )


def changes(visit: Visit) -> Response:
    """What one version added, changed and withdrew."""
    held, infno = visit.parts.store.catalogs, visit.path["infno"]
    wanted = _number(visit.path["version"])
    version = next((one for one in held.versions(infno, limit=1000) if one.id == wanted), None)
    if version is None:
        return visit.show("templates/told.html", 404, title="没有这个版本", text="这个目录没有这个版号。")
    kind = visit.query.get("kind", "")
    chosen = [kind] if kind in KINDS else list(KINDS)
    after = _number(visit.query.get("after", ""))
    rows = held.changes(version, chosen, after_id=after, limit=SHOWN_MAX + 1)
    return visit.show(
        "catalogs/changes.html",
        version=version,
        kind=kind if kind in KINDS else "",
        kinds=KIND_NAMES,
        chips=CHIPS,
        rows=[(now, _differences(version, now, before)) for now, before in rows[:SHOWN_MAX]],
        more=rows[SHOWN_MAX - 1][0].id if len(rows) > SHOWN_MAX else 0,
    )


def record(visit: Visit) -> Response:
    """One record with all of its columns."""
    held, infno = visit.parts.store.catalogs, visit.path["infno"]
    found = held.by_code(infno, visit.query.get("code", "")[:TEXT_MAX])
    if not found:
        return visit.show("templates/told.html", 404, title="没有这个编码", text="在用的版本中没有这个编码。")
    labels = {one.id: dict(one.columns) for one in held.versions(infno, limit=1000)}
    return visit.show(
        "catalogs/record.html",
        infno=infno,
        found=[
            (
                one,
                [
                    (labels[one.version_id][name], value, _meaning(visit, name, value))
                    for name, value in one.values.items()
                ],
            )
            for one in found
        ],
        today=visit.parts.clock().date(),
    )


def _meaning(visit: Visit, column: str, value: str) -> str:
    """What a coded value says, where the column is a field with a list of codes."""
    codes = visit.parts.interface.contract.codes.get(column)
    return codes.values.get(value, "") if codes is not None else ""


def _held(visit: Visit) -> dict[str, Any]:
    store = visit.parts.store.catalogs
    return {"held": store.held(), "importing": store.unfinished()}


def _differences(version: Version, now: Entry, before: Entry | None) -> list[tuple[str, str, str]]:
    """Label, what it was, what it is; of a new record nothing."""
    if before is None:
        return []
    labels = dict(version.columns)
    names = [name for name in {**before.values, **now.values} if before.values.get(name) != now.values.get(name)]
    return [(labels.get(name, name), before.values.get(name, ""), now.values.get(name, "")) for name in names]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:20]) < ID_MAX else 0


AREA: Final = Area(
    name="catalogs",
    pages=(
        Page("GET", "/catalogs", "catalog.see", catalogs),
        Page("GET", "/catalogs/list", "catalog.see", part, quiet=True),
        Page("GET", "/catalogs/{infno}", "catalog.see", catalog),
        Page("GET", "/catalogs/{infno}/record", "catalog.see", record),
        Page("GET", "/catalogs/{infno}/versions/{version}", "catalog.see", changes),
    ),
    menu=(MenuItem("/catalogs", "目录", "catalog.see"),),
    rights={"catalog.see": "看到目录、版本与变化"},
)
