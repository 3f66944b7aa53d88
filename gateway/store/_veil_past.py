"""What was kept about stays before there were keys, and with older ones."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select, update

from gateway.protect import Sealing
from gateway.protect.guard import version_of
from gateway.store._veil import NAMES, PLACE, SEALED
from gateway.store.fee_tables import fee_work
from gateway.store.his_tables import his_mark
from gateway.store.job_tables import job_run
from gateway.store.recon_statements import SEAL_TOLD, TOLD_IN_PLAIN
from gateway.store.recon_tables import recon_case, recon_day
from gateway.store.remark_tables import review_remark
from gateway.store.stay_tables import (
    adoption,
    alignment_work,
    episode_time,
    fee_approval,
    fee_extraction,
    hospital_record,
    stay_change,
    stay_fact,
    stay_version,
    ward_event,
)
from gateway.store.stays import packed
from gateway.store.voucher_tables import voucher

WORDS: Final = "told"
"""Under which the platform's words about a day stand in ``recon_day.packed``."""
_WORDS_MAX: Final = 400
_ALL: Final = (
    stay_fact, ward_event, hospital_record, adoption, fee_approval, fee_extraction, stay_version, stay_change,
    episode_time, alignment_work, voucher, job_run, recon_case, recon_day, fee_work, his_mark,
    review_remark,
)  # fmt: skip


def veil_everything(connection: Connection, sealing: Sealing) -> int:
    """Bring every row under its first keys, in the transaction that puts these to use: a name in two forms is two stays.

    Returns:
        how many rows there were.
    """
    return sum(_veil_table(connection, sealing, table) for table in _ALL) + seal_told(connection, sealing)


def packed_words(told: str) -> bytes | None:
    """The platform's words about a day as they are kept, still in plain; None for none."""
    return packed({WORDS: told[:_WORDS_MAX]}) if told else None


def seal_told(connection: Connection, sealing: Sealing) -> int:
    """Put words about days that an older program has kept in plain where they are sealed; how many there were."""
    rows = connection.execute(TOLD_IN_PLAIN).all()
    for row in rows:
        words = sealing.seal(PLACE, packed({WORDS: row.told}))
        connection.execute(SEAL_TOLD, {"of_id": row.id, "new_packed": words})
    return len(rows)


def _veil_table(connection: Connection, sealing: Sealing, table: Table) -> int:
    columns = [column for column in table.columns if column.name in NAMES or column.name in (SEALED, "content")]
    changing = _update(table, [column.name for column in columns])
    rows = connection.execute(select(table)).mappings().all()
    veiled = [
        _values(table, row, {one.name: _veiled(sealing, one.name, row[one.name]) for one in columns}) for row in rows
    ]
    if veiled:
        connection.execute(changing, veiled)
    return len(veiled)


def reseal_stays(connection: Connection, sealing: Sealing, ids: list[int], after: int, last: int | None) -> int:
    """Bring sealed rows to the data key in use: facts of the exchanges ``ids``, records and vouchers numbered from ``after`` to ``last``.

    Returns:
        how many rows were changed.
    """
    changed = _reseal(connection, sealing, stay_fact, stay_fact.c.exchange_id.in_(ids))
    if last is None:
        changed += seal_told(connection, sealing)
    for table in (
        hospital_record,
        adoption,
        voucher,
        job_run,
        recon_case,
        recon_day,
        fee_work,
        his_mark,
        review_remark,
    ):
        within = table.c.id > after if last is None else table.c.id.between(after + 1, last)
        changed += _reseal(connection, sealing, table, within)
    return changed


def _reseal(connection: Connection, sealing: Sealing, table: Table, which: Any) -> int:
    changing = _update(table, [SEALED])
    primary = list(table.primary_key)
    older = [
        _values(table, row, {SEALED: sealing.seal(PLACE, sealing.open(PLACE, row[SEALED], version_of(row[SEALED])))})
        for row in connection.execute(select(*primary, table.c.packed).where(which)).mappings().all()
        if row[SEALED] is not None and version_of(row[SEALED]) != sealing.data_version
    ]
    if older:
        connection.execute(changing, older)
    return len(older)


def _update(table: Table, names: list[str]) -> Any:
    changing = update(table).values({name: bindparam(f"new_{name}") for name in names})
    for column in table.primary_key:
        changing = changing.where(column == bindparam(f"of_{column.name}"))
    return changing


def _values(table: Table, row: Any, new: dict[str, Any]) -> dict[str, Any]:
    of = {f"of_{column.name}": row[column.name] for column in table.primary_key}
    return of | {f"new_{name}": value for name, value in new.items()}


def _veiled(sealing: Sealing, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == SEALED:
        return sealing.seal(PLACE, value)
    return sealing.fence(value) if name == "content" else sealing.token(value)
