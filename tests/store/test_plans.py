"""A search reads what it finds, not the whole journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import ClauseElement, Connection, create_engine, make_url, text

from gateway.exchange import entries
from gateway.exchange.ports import Query, State
from gateway.store import open_store, statements
from gateway.store.journal import place_of
from tests.store.samples import NOW

COUNT = 20_000
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO exchange (infno, state, client, msgid, request_id, code, received_at, elapsed_ms)
SELECT CASE WHEN i % 997 = 0 THEN '2304' ELSE '2301' END, CASE WHEN i % 1999 = 0 THEN 'IN_DOUBT' ELSE 'CONFIRMED' END,
       CASE WHEN i % 1499 = 0 THEN 'pacs' ELSE 'his' END, 'm' || i, 'r' || i,
       CASE WHEN i % 1999 = 0 THEN 'GW-4101' END, :now + i * 1000, 0 FROM n
"""
KEYS = (
    "INSERT INTO exchange_key (exchange_id, kind, value, received_at, infno)"
    " SELECT id, 'psn_no', 'P' || (id % 500), received_at, infno FROM exchange"
)
MORE_KEYS = "INSERT INTO exchange_key (exchange_id, kind, value) SELECT id, 'mdtrt_id', 'M' || (id % 700) FROM exchange"
LOG = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO operator_log (seq, at, operator, act, subject, hash)
SELECT i, :now + i * 1000, 'staff' || (i % 40), CASE WHEN i % 1999 = 0 THEN 'keys.rotate' ELSE 'console.names' END,
       'stay ZY' || (i % 700), '0' FROM n
"""

QUERIES = {
    "key": Query(keys=[("psn_no", "P7")]),
    "two keys": Query(keys=[("psn_no", "P7"), ("mdtrt_id", "M7")]),
    "key and more": Query(keys=[("psn_no", "P7")], infno="2301", states=[State.CONFIRMED], before_id=9000),
    "msgid": Query(msgid="m77"),
    "request_id": Query(request_id="r77"),
    "infno": Query(infno="2304"),
    "client": Query(client="pacs"),
    "state": Query(states=[State.IN_DOUBT]),
    "code": Query(code="GW-4101"),
    "time": Query(since=NOW, until=NOW + timedelta(minutes=5)),
    "newest": Query(),
}
_LONG_AGO = {"since": NOW + timedelta(minutes=30), "until": NOW + timedelta(minutes=60)}
WINDOWS = {
    "infno": Query(infno="2301", **_LONG_AGO),
    "client": Query(client="his", **_LONG_AGO),
    "state": Query(states=[State.CONFIRMED], **_LONG_AGO),
    "all": Query(**_LONG_AGO),
    "next page": Query(infno="2301", before_id=3000),
}
"""What most rows meet, in a time far back: the rows since then are none of its business."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    path: Path = tmp_path_factory.mktemp("plans") / "j.db"
    url = f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("pg_server").fresh()
    store = open_store(url, node="n1")
    store.upgrade()
    store.close()
    engine = create_engine(make_url(url).set(drivername={"sqlite": "sqlite"}.get(request.param, "postgresql+psycopg")))
    with engine.connect() as connection:
        connection.execute(text(FILL), {"count": COUNT, "now": entries.to_ms(NOW)})
        connection.execute(text(KEYS))
        connection.execute(text(MORE_KEYS))
        connection.execute(text(LOG), {"count": COUNT, "now": entries.to_ms(NOW)})
        connection.commit()
        if request.param == "postgresql":
            # without its statistics PostgreSQL guesses; autovacuum gathers them in use
            connection.execute(text("ANALYZE"))
        yield connection
    engine.dispose()


@pytest.mark.parametrize("name", QUERIES)
def test_a_search_uses_an_index(full: Connection, name: str) -> None:
    plan = _plan(full, statements.search(QUERIES[name]))
    assert "Seq Scan" not in plan, plan
    for line in plan.splitlines():
        # "newest" walks the primary key from its end and stops at the limit
        assert name == "newest" or not line.startswith("SCAN"), plan
    if "key" in name:
        assert "ix_exchange_key_found" in plan, plan


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_far_back_is_a_range_of_an_index(full: Connection, name: str) -> None:
    query = WINDOWS[name]
    plan = _plan(full, statements.search(query, place=place_of(full, query)))
    read = next(line for line in plan.splitlines() if "Index Cond" in line or line.startswith("SEARCH"))
    assert "received_at<" in read.replace(" ", ""), plan


NARROWED = {
    "state": Query(states=[State.IN_DOUBT], infno="2301"),
    "client": Query(client="pacs", infno="2301"),
    "code": Query(code="GW-4101", infno="2301"),
}


@pytest.mark.parametrize("name", NARROWED)
def test_of_another_transaction_no_row_is_opened(full: Connection, name: str) -> None:
    plan = _plan(full, statements.search(NARROWED[name]))
    assert f"ix_exchange_{name}_infno" in plan, plan
    if not on_sqlite(full):
        (condition,) = (line for line in plan.splitlines() if "Index Cond" in line)
        assert "infno" in condition, plan
        assert "Filter" not in plan, plan


def test_a_key_of_many_rows_is_looked_up_only_where_time_and_transaction_fit(full: Connection) -> None:
    statement = statements.search(Query(keys=[("psn_no", "P7")], infno="2301", **_LONG_AGO))
    plan = _plan(full, statement)
    assert plan.index("ix_exchange_key_found") < plan.index(
        "SEARCH exchange" if on_sqlite(full) else "exchange_pkey"
    ), plan
    if not on_sqlite(full):
        # four of the 40 rows that the key has
        analyzed = _plan(full, statement, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)")
        assert re.search(r"exchange_pkey on exchange \(actual rows=1.00 loops=4\)", analyzed), analyzed


def on_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def test_the_count_reads_only_its_index(full: Connection) -> None:
    recent = statements.COUNT_BY_STATE.params(since=entries.to_ms(NOW + timedelta(seconds=COUNT - 100)))
    plan = _plan(full, recent)
    assert "ix_exchange_received" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_what_nobody_was_told_of_is_looked_for_in_its_time_alone(full: Connection) -> None:
    since = entries.to_ms(NOW + timedelta(seconds=COUNT - 100))
    asked = statements.UNTOLD.limit(200).params(since=since, before=since + 200_000)
    plan = _plan(full, asked)
    read = next(line for line in plan.splitlines() if "Index Cond" in line or line.startswith("SEARCH"))
    assert "received_at>" in read.replace(" ", ""), plan


_AGO = {"since": entries.to_ms(NOW + timedelta(minutes=30)), "until": entries.to_ms(NOW + timedelta(minutes=35))}
LOOKS = {
    "newest": {},
    "one person": {"operator": "staff7"},
    "one act": {"acts": ("keys.rotate",)},
    "one subject": {"subject": "stay ZY7"},
    "long ago": _AGO,
    "long ago, the next page": {**_AGO, "before": 2000, "place": entries.to_ms(NOW + timedelta(seconds=2000))},
    "one person long ago": {**_AGO, "operator": "staff7"},
    "one act long ago": {**_AGO, "acts": ("console.names",)},
}
"""What 审计 can be narrowed to."""


@pytest.mark.parametrize("name", LOOKS)
def test_the_operator_log_is_read_along_an_index(full: Connection, name: str) -> None:
    nothing = {"operator": "", "subject": "", "acts": (), "since": None, "until": None, "before": None}
    plan = _plan(full, statements.operator_log_page(**{**nothing, "limit": 100, **LOOKS[name]}))  # type: ignore[arg-type]
    assert "Seq Scan" not in plan, plan
    assert name == "newest" or not re.search("^SCAN", plan, re.MULTILINE), plan
    if name in ("long ago", "long ago, the next page"):
        assert "ix_operator_log_at" in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def _plan(connection: Connection, statement: ClauseElement, prefix: str = "") -> str:
    literal = statement.compile(connection, compile_kwargs={"literal_binds": True})
    prefix = prefix or ("EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN")
    return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{prefix} {literal}"))
