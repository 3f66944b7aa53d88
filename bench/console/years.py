"""What three years leave beside the journal: operator log, runs of jobs, reconciled days with cases, a catalog.

All of it grows with the number of patients, so that a small bench is a small house. What is there already stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import create_engine, func, insert, make_url, select, update
from sqlalchemy.engine import Engine

from bench.search.rows import UNTIL, mix
from gateway.contract.catalogs import Record
from gateway.exchange import entries
from gateway.store import Store
from gateway.store.catalogs import NewVersion
from gateway.store.job_tables import job_run
from gateway.store.jobs import RunOutcome
from gateway.store.recon import Compared, NewCase, Part
from gateway.store.tables import operator_log, operator_log_head
from jobs.dip_differences import NAME as DIP
from jobs.standing import TITLES

LOOKS: Final = 40
"""Rows of the operator log for each patient."""
RECORDS: Final = 10
"""Entries of the catalog for each patient."""
PATIENTS_A_DAY: Final = 5
CASES_A_DAY: Final = 3
DAYS: Final = 3 * 365
CATALOG: Final = "1306"
PEOPLE: Final = 40
ACTS: Final = ("console.names", "console.body", "console.export", "stay.2402", "alignment.one", "console.sign_in")
RARE_ACT: Final = "keys.rotate"
RARE_ACT_EVERY: Final = 9973
_BATCH: Final = 5_000
_COLUMNS: Final = (("rid", "唯一记录号"), ("med_list_codg", "医疗目录编码"), ("mcs_name", "耗材名称"), ("vali_flag", "有效标志"))  # fmt: skip


def lived(store: Store, url: str, patients: int) -> None:
    """Bring the store at ``url`` to the years of a house with so many patients in its list."""
    engine = _engine(url)
    try:
        _looked_at(engine, patients * LOOKS)
        _worked(engine, patients)
    finally:
        engine.dispose()
    _reconciled(store, patients // PATIENTS_A_DAY)
    _downloaded(store, patients * RECORDS)


def person(number: int) -> str:
    """Who looked, as the operator log writes it."""
    return f"职员{number:02d}（staff{number:02d}）"


def day(back: int) -> str:
    """``2026-11-20``: so many days before the newest row of the journal."""
    return f"{UNTIL - timedelta(days=back):%Y-%m-%d}"


def looked_at(back: int, patients: int) -> int:
    """The number of the row of the operator log that is so many days old."""
    return max(2, round(patients * LOOKS * (1 - back / DAYS)))


def _engine(url: str) -> Engine:
    found = make_url(url)
    return create_engine(
        found.set(drivername="postgresql+psycopg") if found.get_backend_name() == "postgresql" else found
    )


def _looked_at(engine: Engine, rows: int) -> None:
    """Written past the chain: nobody verifies it here, and a row at a time takes minutes."""
    with engine.begin() as connection:
        done: int = connection.execute(select(operator_log_head.c.seq)).scalar_one()
        for batch in _batches(_look(number, rows) for number in range(done + 1, rows + 1)):
            connection.execute(insert(operator_log), batch)
        if done < rows:
            connection.execute(update(operator_log_head).values(seq=rows, hash="0" * 64))


def _look(number: int, rows: int) -> dict[str, Any]:
    chosen = mix(number, 21)
    return {
        "seq": number,
        "at": _moment(number, rows),
        "operator": person(chosen % PEOPLE),
        "act": RARE_ACT if number % RARE_ACT_EVERY == 0 else ACTS[chosen // PEOPLE % len(ACTS)],
        "subject": f"stay ZY{chosen % max(1, rows // LOOKS):06d}",
        "detail": None,
        "hash": f"{number:064x}",
    }


def _worked(engine: Engine, rows: int) -> None:
    names = sorted({*TITLES} - {DIP})  # what that one has found is a list of its own
    with engine.begin() as connection:
        done: int = connection.execute(select(func.count()).select_from(job_run)).scalar_one()
        for batch in _batches(_run(number, rows, names) for number in range(done, rows)):
            connection.execute(insert(job_run), batch)


def _run(number: int, rows: int, names: list[str]) -> dict[str, Any]:
    began = _moment(number, rows)
    return {
        "job": names[number % len(names)],
        "term": 1,
        "node": "bench",
        "begun_by": "schedule",
        "operator": None,
        "started_at": began,
        "finished_at": began + 1_000,
        "outcome": str(RunOutcome.FAILED if number % 97 == 0 else RunOutcome.DONE),
        "items_done": 1,
        "items_total": 1,
        "packed": None,
    }


def _moment(number: int, rows: int) -> int:
    return entries.to_ms(UNTIL - timedelta(days=DAYS) * (1 - number / max(1, rows)))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _reconciled(store: Store, days: int) -> None:
    known = {part.day for part in store.recon.parts(day(days), day(1))}
    for back in range(1, days + 1):
        if (text := day(back)) not in known:
            store.recon.keep(_compared(text, back), UNTIL)


def _compared(text: str, back: int) -> Compared:
    """A day that was even; every tenth has cases, which stay open."""
    uneven = back % 10 == 0
    parts = [
        Part(text, "total", "440800", insutype, "11", "uneven" if uneven else "even", 400, 10**8, 10**7, 10**6, 10**6, "", None, UNTIL)
        for insutype in ("310", "390")
    ]  # fmt: skip
    amounts = {"medfee_sumamt": "12.30", "fund_pay_sumamt": "10.00", "acct_pay": "2.30"}
    cases = [
        NewCase("only_here", "440800", "11", f"C{back}-{number}", back * 1000 + number, f"K{number}",
                {"cause": "平台没有这一笔", "setl_id": f"S{back}-{number}", "psn_no": f"P{number}", "refund": False, "ours": amounts, "theirs": None})
        for number in range(CASES_A_DAY)
    ]  # fmt: skip
    return Compared(text, parts, cases if uneven else [], lambda _: True)


def _downloaded(store: Store, records: int) -> None:
    if store.catalogs.one(CATALOG) is not None:
        return
    wanted = NewVersion(CATALOG, "0", "V1", True, "0" * 64, None, records, _COLUMNS)
    version = store.catalogs.begin(wanted, "医用耗材", UNTIL)
    for first in range(0, records, _BATCH):
        some = [_record(number) for number in range(first, min(first + _BATCH, records))]
        store.catalogs.add(version, some, lines_before=first, lines_after=first + len(some))
    store.catalogs.put_in_force(version, (), UNTIL)


def _record(number: int) -> Record:
    values = (f"R{number}", f"C{number:06d}", f"一次性使用耗材{number}", "1")
    return Record(values[0], values[1], values[2], "", "2026-01-01", "", True, "V1", values)
