"""Every statement about catalogs, built once so that each is compiled once."""

from __future__ import annotations

from sqlalchemy import Select, and_, bindparam, delete, func, insert, or_, select, update

from gateway.store.catalog_tables import catalog, catalog_row, catalog_version

IMPORTING, DONE, PRUNED = "importing", "done", "pruned"
ADDED, CHANGED, WITHDRAWN = "a", "c", "w"

# ------------------------------------------------------------------ catalogs and versions

CATALOG = select(catalog).where(catalog.c.infno == bindparam("of_infno"))
CATALOGS = (
    select(catalog, *(column.label(f"v_{column.name}") for column in catalog_version.columns))
    .select_from(catalog.outerjoin(catalog_version, catalog.c.version_id == catalog_version.c.id))
    .order_by(catalog.c.infno)
)
INSERT_CATALOG = insert(catalog)
TELL_CATALOG = (
    update(catalog)
    .where(catalog.c.infno == bindparam("of_infno"))
    .values(
        name=bindparam("new_name"),
        checked_at=bindparam("new_checked_at"),
        told=bindparam("new_told"),
        failed=bindparam("new_failed"),
    )
)
PUT_IN_FORCE = (
    update(catalog).where(catalog.c.infno == bindparam("of_infno")).values(version_id=bindparam("new_version_id"))
)
INSERT_VERSION = insert(catalog_version)
VERSION = select(catalog_version).where(catalog_version.c.id == bindparam("of_id"))
VERSIONS = (
    select(catalog_version)
    .where(catalog_version.c.infno == bindparam("of_infno"), catalog_version.c.state != IMPORTING)
    .order_by(catalog_version.c.id.desc())
    .limit(bindparam("count"))
)
UNFINISHED = select(catalog_version).where(catalog_version.c.state == IMPORTING).order_by(catalog_version.c.id)
ADVANCE = (
    update(catalog_version)
    .where(
        catalog_version.c.id == bindparam("of_id"),
        catalog_version.c.state == IMPORTING,
        catalog_version.c.lines_done == bindparam("lines_before"),
    )
    .values(
        lines_done=bindparam("new_lines_done"),
        rows_added=catalog_version.c.rows_added + bindparam("more_added"),
        rows_changed=catalog_version.c.rows_changed + bindparam("more_changed"),
        rows_withdrawn=catalog_version.c.rows_withdrawn + bindparam("more_withdrawn"),
        rows_same=catalog_version.c.rows_same + bindparam("more_same"),
    )
)
FINISH = (
    update(catalog_version)
    .where(catalog_version.c.id == bindparam("of_id"), catalog_version.c.state == IMPORTING)
    .values(
        state=DONE,
        finished_at=bindparam("new_finished_at"),
        notes=bindparam("new_notes"),
        rows_total=catalog_version.c.rows_added + bindparam("rows_before"),
    )
)
DROP_VERSION = delete(catalog_version).where(catalog_version.c.id == bindparam("of_id"))
MARK_PRUNED = (
    update(catalog_version)
    .where(
        catalog_version.c.infno == bindparam("of_infno"),
        catalog_version.c.state == DONE,
        catalog_version.c.id < bindparam("oldest_kept"),
    )
    .values(state=PRUNED)
)

# ------------------------------------------------------------------ records

INSERT_ROWS = insert(catalog_row)
NEWEST_OF = select(
    catalog_row.c.id,
    catalog_row.c.row_key,
    catalog_row.c.digest,
    catalog_row.c.valid,
    catalog_row.c.from_version,
    catalog_row.c.change_kind,
).where(
    catalog_row.c.infno == bindparam("of_infno"),
    catalog_row.c.until_version.is_(None),
    catalog_row.c.row_key.in_(bindparam("keys", expanding=True)),
)
CLOSE_ROW = (
    update(catalog_row).where(catalog_row.c.id == bindparam("of_id")).values(until_version=bindparam("new_until"))
)
DROP_ROWS = delete(catalog_row).where(catalog_row.c.id.in_(bindparam("ids", expanding=True)))
REOPEN_ROWS = (
    update(catalog_row).where(catalog_row.c.id.in_(bindparam("ids", expanding=True))).values(until_version=None)
)
CLOSED_BY = (
    select(catalog_row.c.id)
    .where(catalog_row.c.until_version == bindparam("version"))
    .order_by(catalog_row.c.id)
    .limit(bindparam("count"))
)
MADE_BY = (
    select(catalog_row.c.id)
    .where(catalog_row.c.from_version == bindparam("version"))
    .order_by(catalog_row.c.id)
    .limit(bindparam("count"))
)
OUTLIVED = (
    select(catalog_row.c.id)
    .where(catalog_row.c.until_version <= bindparam("oldest_kept"), catalog_row.c.infno == bindparam("of_infno"))
    .order_by(catalog_row.c.id)
    .limit(bindparam("count"))
)
WALK = (
    select(catalog_row)
    .where(
        catalog_row.c.infno == bindparam("of_infno"),
        catalog_row.c.until_version.is_(None),
        catalog_row.c.from_version < bindparam("version"),
        catalog_row.c.valid == 1,
        catalog_row.c.id > bindparam("after_id"),
    )
    .order_by(catalog_row.c.id)
    .limit(bindparam("count"))
)
_IN_FORCE = and_(
    catalog_row.c.infno == bindparam("of_infno"),
    catalog_row.c.from_version <= bindparam("version"),
    or_(catalog_row.c.until_version.is_(None), catalog_row.c.until_version > bindparam("version")),
)
COUNT_ROWS = select(func.count(), func.coalesce(func.sum(catalog_row.c.valid), 0)).where(_IN_FORCE)
BY_CODE = (
    select(catalog_row).where(_IN_FORCE, catalog_row.c.code == bindparam("of_code")).order_by(catalog_row.c.id.desc())
)


def _beginning(name: str) -> Select[tuple[object, ...]]:
    column = catalog_row.c[name]
    return (
        select(catalog_row)
        .where(_IN_FORCE, column >= bindparam("first"), column < bindparam("beyond"))
        .order_by(column, catalog_row.c.id)
        .limit(bindparam("count"))
    )


BY_BEGINNING = {name: _beginning(name) for name in ("code", "name", "pinyin")}
CHANGES = (
    select(catalog_row)
    .where(
        catalog_row.c.from_version == bindparam("version"),
        catalog_row.c.change_kind.in_(bindparam("kinds", expanding=True)),
        catalog_row.c.id > bindparam("after_id"),
    )
    .order_by(catalog_row.c.id)
    .limit(bindparam("count"))
)
BEFORE = select(catalog_row).where(
    catalog_row.c.infno == bindparam("of_infno"),
    catalog_row.c.until_version == bindparam("version"),
    catalog_row.c.row_key.in_(bindparam("keys", expanding=True)),
)
