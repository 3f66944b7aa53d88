"""Putting a copy in the place of a store, and saying what nobody knows any more.

The journal of before the copy is back; what happened after it is not. So after a restore

* no ``msgid`` is used that the lost journal may have used: the high-water mark goes ahead of the clock;
* what was open in the copy is ESCALATED: it may have been settled, told to the HIS and undone since, so that neither a
  query nor a reversal of ours may decide it;
* the gap (``Gap``) is marked, and ``Exchange`` sends nothing but queries until a person has closed it
  (``gateway/store/aftermath.py``, ``docs/operating/databases/README.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, bindparam, func, insert, inspect, select, text, update

from gateway.exchange import entries
from gateway.exchange.ports import Journal, Outcome, Proof, ProofKind, Query, State
from gateway.faults import ESCALATED, IN_DOUBT
from gateway.store import statements as sql
from gateway.store._backend import Backend, StoreError
from gateway.store._migrate import head, migrate, revision
from gateway.store.backup import Copy, Manifest, Told
from gateway.store.marks import read_mark, set_mark
from gateway.store.tables import exchange, metadata, msgid_high

GAP_SINCE, GAP_UNTIL = "gap_since", "gap_until"
RESTORED_EVER = "restored_at"
"""Never removed: from then on there may be exchanges taken in from the platform's list."""
AHEAD_S: Final = 120
"""Seconds that the first msgid after a restore runs ahead of the clock: more than 60 raises an alarm in ordinary service."""
PAGE: Final = 100
ID_LEAP: Final = 1_000_000
"""Row numbers left out: those given after the copy stand in logs and on paper and must not come to mean something else."""

OPEN_COUNT = (
    select(func.count()).select_from(exchange).where(exchange.c.state.in_([State.INTENDED.value, State.IN_DOUBT.value]))
)
LAST_ID = select(func.coalesce(func.max(exchange.c.id), 0))
INSTITUTIONS = select(exchange.c.institution).where(exchange.c.institution.is_not(None)).distinct()
HIGH = select(msgid_high.c.institution, msgid_high.c.next_slot)
SET_HIGH = (
    update(msgid_high)
    .where(msgid_high.c.institution == bindparam("of_institution"))
    .values(next_slot=bindparam("raised"))
)


@dataclass(frozen=True, slots=True)
class Gap:
    """The time of which the journal knows nothing: from the moment of the copy to the restore."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M:%S} 至 {self.until:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    gap: Gap
    escalated: int
    """What was open in the copy."""


def restore(backend: Backend, path: Path, now: datetime, told: Told, *, replace: bool = False) -> Restored:
    """Put the copy in the place of the store, in one transaction where the database allows it (Oracle does not).

    Args:
        backend: the store; nobody else may use it.
        path: of the copy, read whole and verified before anything is changed.
        now: the present time; the msgid go on from after it.
        replace: also when the store is not empty.

    Raises:
        StoreError: the copy is damaged or newer than this program, or the store is not empty or in use.
        JournalUnavailable: the database failed; it is as it was.
    """
    copy = Copy(path)
    if copy.manifest.revision > head():
        raise StoreError(f"备份的数据库结构版本为 {copy.manifest.revision}，比程序新，请用新版本的程序恢复")
    copy.verify(told)

    def job(connection: Connection) -> Restored:
        _must_be_empty(connection, replace=replace)
        _empty(connection)
        migrate(connection, copy.manifest.revision)
        _load(connection, copy, told)
        migrate(connection)
        return _mark(connection, copy.manifest, now)

    return backend.rewrite(job)


def read_gap(connection: Connection) -> Gap | None:
    """The gap that nobody has closed yet."""
    since, until = read_mark(connection, GAP_SINCE), read_mark(connection, GAP_UNTIL)
    if since is None or until is None:
        return None
    return Gap(entries.from_ms(int(since)), entries.from_ms(int(until)))


def _must_be_empty(connection: Connection, *, replace: bool) -> None:
    present = revision(connection)
    if present is not None and present > head():
        raise StoreError(f"数据库结构版本 {present} 比程序新，请用新版本的程序恢复")
    if replace or not inspect(connection).has_table(exchange.name):
        return
    rows = connection.execute(select(func.count()).select_from(exchange)).scalar_one()
    if rows:
        raise StoreError(f"数据库不是空的（已有 {rows} 笔交易）；确要以备份取代，须写明数据库的名字")


def _empty(connection: Connection) -> None:
    metadata.drop_all(connection)
    if inspect(connection).has_table("alembic_version"):
        connection.execute(text("DROP TABLE alembic_version"))


def _load(connection: Connection, copy: Copy, told: Told) -> None:
    done, total = 0, copy.manifest.rows
    for table in copy.manifest.tables:
        target = metadata.tables[table.name]
        if connection.execute(select(func.count()).select_from(target)).scalar_one():
            # what the migrations have put there is in the copy too; a table that only grows is left alone
            connection.execute(target.delete())
        into = insert(target).values({name: bindparam(f"v_{name}") for name in table.columns})
        with _numbered(connection, target):
            for rows in copy.rows(table):
                connection.execute(into, [{f"v_{name}": value for name, value in row.items()} for row in rows])
                done += len(rows)
                told(done, total)


@contextmanager
def _numbered(connection: Connection, table: Table) -> Iterator[None]:
    """Rows that bring their own number; where the database counts apart from the rows it goes on behind them."""
    own = next((column.name for column in table.columns if column.identity is not None), None)
    vendor = connection.dialect.name
    if own and vendor == "mssql":
        connection.execute(text(f"SET IDENTITY_INSERT {table.name} ON"))
    yield
    if own and vendor == "postgresql":
        last = f"SELECT coalesce(max({own}), 0) + 1 FROM {table.name}"  # noqa: S608 - our own table
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', '{own}'), ({last}), false)"))
    elif own and vendor == "mssql":
        connection.execute(text(f"SET IDENTITY_INSERT {table.name} OFF"))
    elif own and vendor == "oracle":
        counting = f"MODIFY {own} GENERATED BY DEFAULT AS IDENTITY (START WITH LIMIT VALUE)"
        connection.execute(text(f"ALTER TABLE {table.name} {counting}"))


# ----------------------------------------------------- what nobody knows any more


def _mark(connection: Connection, manifest: Manifest, now: datetime) -> Restored:
    taken = entries.from_ms(manifest.taken_at)
    # of a store restored once more before its gap was closed, the gap began with the first copy
    earlier = read_gap(connection)
    gap = Gap(min(taken, earlier.since) if earlier else taken, max(now, taken))
    set_mark(connection, GAP_SINCE, str(entries.to_ms(gap.since)))
    set_mark(connection, GAP_UNTIL, str(entries.to_ms(gap.until)))
    set_mark(connection, RESTORED_EVER, str(entries.to_ms(gap.until)))
    _raise_msgids(connection, gap)
    _leap(connection, gap)
    return Restored(manifest, gap, connection.execute(OPEN_COUNT).scalar_one())


def _leap(connection: Connection, gap: Gap) -> None:
    """A line of the journal that tells of the restore; its number leaves out those of the lost journal."""
    row = {
        "id": connection.execute(LAST_ID).scalar_one() + ID_LEAP,
        "state": State.REFUSED.value,
        "safety": "read",
        "client": "yibao db restore",
        "received_at": entries.to_ms(gap.until),
        "finished_at": entries.to_ms(gap.until),
        "elapsed_ms": 0,
        "err_msg": f"数据库由备份恢复：{gap} 的记录已丢失",
    }
    with _numbered(connection, exchange):
        connection.execute(sql.INSERT_EXCHANGE, row)


def _raise_msgids(connection: Connection, gap: Gap) -> None:
    ahead = (entries.to_ms(gap.until) // 1000 + AHEAD_S) * entries.SLOTS_PER_SECOND
    known: Mapping[str, int] = {row.institution: row.next_slot for row in connection.execute(HIGH)}
    seen = set(connection.execute(INSTITUTIONS).scalars())
    for institution in sorted(seen | set(known)):
        if institution not in known:
            connection.execute(sql.INSERT_HIGH, {"institution": institution, "next_slot": ahead})
        elif known[institution] < ahead:
            connection.execute(SET_HIGH, {"of_institution": institution, "raised": ahead})


def escalate_lost(journal: Journal, gap: Gap, now: datetime) -> int:
    """Nothing of ours may decide what the lost journal may have decided already: a person settles what was open.

    Called by the restore and again by whoever begins to serve while the gap is open.

    Args:
        journal: of the restored store.

    Returns:
        How many there were.
    """
    reason = f"数据库由备份恢复，{gap} 的记录已丢失：这一笔此后可能已经了结、告知院内或撤销，须人工核对"
    text = f"{ESCALATED.title}：{reason}"
    count = 0
    for state in (State.INTENDED, State.IN_DOUBT):
        while found := journal.search(Query(states=(state,), limit=PAGE)):
            for row in found:
                if state is State.INTENDED:
                    journal.finish(row.id, Outcome(State.IN_DOUBT, now, err_msg=text, code=IN_DOUBT.code))
                outcome = Outcome(State.ESCALATED, now, infcode="-1", err_msg=text, code=ESCALATED.code)
                proof = Proof(ProofKind.DECISION, now, f"{state.value}：{reason}", row.infno)
                journal.resolve(row.id, outcome, [proof])
                count += 1
    return count
