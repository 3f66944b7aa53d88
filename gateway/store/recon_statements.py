"""Every statement about reconciliation, built once so that each is compiled once."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, insert, select, update

from gateway.store.recon_tables import recon_case, recon_day

DROP_PARTS = delete(recon_day).where(recon_day.c.day == bindparam("of_day"))
INSERT_PART = insert(recon_day)
PARTS = (
    select(recon_day)
    .where(recon_day.c.day.between(bindparam("first"), bindparam("last")))
    .order_by(recon_day.c.day, recon_day.c.kind.desc(), recon_day.c.clr_type, recon_day.c.insutype, recon_day.c.id)
)
TOLD_IN_PLAIN = select(recon_day.c.id, recon_day.c.told).where(recon_day.c.told.is_not(None))
SEAL_TOLD = (
    update(recon_day).where(recon_day.c.id == bindparam("of_id")).values(told=None, packed=bindparam("new_packed"))
)
CASES_OF = select(recon_case).where(recon_case.c.day == bindparam("of_day")).order_by(recon_case.c.id).with_for_update()
CASES = (
    select(recon_case)
    .where(
        recon_case.c.day.between(bindparam("first"), bindparam("last")),
        recon_case.c.state.in_(bindparam("states", expanding=True)),
    )
    .order_by(recon_case.c.day, recon_case.c.id)
    .limit(bindparam("count"))
    .offset(bindparam("skip"))
)
NEWEST_CASES = (
    select(recon_case)
    .where(recon_case.c.state.in_(bindparam("states", expanding=True)))
    .order_by(recon_case.c.day.desc(), recon_case.c.id.desc())
    .limit(bindparam("count"))
    .offset(bindparam("skip"))
)
OPEN_CASES = select(func.count()).select_from(
    select(recon_case.c.id)
    .where(recon_case.c.state == "open")
    .order_by(recon_case.c.day)
    .limit(bindparam("most"))
    .subquery()
)
CASE = select(recon_case).where(recon_case.c.id == bindparam("case_id"))
COUNT_CASES = (
    select(recon_case.c.day, recon_case.c.state, func.count().label("rows_counted"))
    .where(recon_case.c.day.between(bindparam("first"), bindparam("last")))
    .group_by(recon_case.c.day, recon_case.c.state)
)
INSERT_CASE = insert(recon_case)
SEEN = (
    update(recon_case)
    .where(recon_case.c.id == bindparam("case_id"))
    .values(
        kind=bindparam("new_kind"),
        state=bindparam("new_state"),
        exchange_id=bindparam("new_exchange_id"),
        packed=bindparam("packed"),
        seen_at=bindparam("new_seen_at"),
        closed_at=bindparam("new_closed_at"),
    )
)
OPEN_DAYS = select(recon_case.c.day).where(recon_case.c.state == "open").distinct()
UNFINISHED_DAYS = select(recon_day.c.day).where(recon_day.c.state != "even").distinct()
