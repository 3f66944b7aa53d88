"""Two versions of the program on one store: what a migration may do, what it keeps, and whom it keeps waiting."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import Engine

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Query, State
from gateway.store import Store, StoreError, _migrate, _server, open_store
from gateway.store._migrate import head, migrate, migrations_config, revision
from tests.store.samples import intent, outcome

NEXT = Path(__file__).with_name("next_version") / "versions"
NOW = datetime(2026, 11, 22, tzinfo=SHANGHAI)
BEFORE_THE_RULES = ("0001", "0002")
"""No gateway ever served the tables of 0001 beside those of 0002."""


def _chain() -> list[str]:
    scripts = ScriptDirectory.from_config(migrations_config())
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The program of the next version, in this process."""
    monkeypatch.setattr(_migrate, "VERSIONS", [*_migrate.VERSIONS, NEXT])
    head.cache_clear()
    yield
    head.cache_clear()


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = open_store(url, node="n1")
    try:
        yield store
    finally:
        store.close()


# ---------------------------------------------------------------- the rules

_ADDS = (
    r"create table (?P<made>\w+)",
    r"create (unique )?index concurrently .*",
    r"create (unique )?index \w+ on (?P<on>\w+)",
    r"alter table \w+ add column (?!.* not null(?!.*default)).*",
    r"alter table \w+ alter column \w+ type varchar\(\d+\)$",  # see widths()
    r"alter table \w+ drop constraint ck_\w+",
    r"alter table \w+ add constraint \w+ .* not valid",
    r"create (or replace )?function .*",
    r"create trigger \w+ .* on (?P<on2>\w+)\b",
    r"insert into (?P<into>\w+)",
    r"(insert into|update|delete from) (alembic_version|store_mark)\b",
    r"(select|set|drop index concurrently)\b",
)
"""What a migration may say; a table it names by ``on`` or ``into`` must be its own."""

REVIEWED = {
    "create trigger tr_operator_log_delete before delete on operator_log"
    " for each row execute function operator_log_keeps_from_anchor()": "no program before it removes rows of that table",
}
"""Statements outside the rules that shut nobody out, each with the reason."""


def breaks_the_rules(statements: list[str]) -> list[str]:
    made = {"alembic_version", "store_mark"}
    wrong = []
    for statement in statements:
        one = " ".join(statement.lower().split())
        if one in REVIEWED:
            continue
        found = next((match for form in reversed(_ADDS) if (match := re.match(form, one))), None)
        names = found.groupdict() if found else {}
        made |= {names["made"]} if names.get("made") else set()
        touched = {names[name] for name in ("on", "on2", "into") if names.get(name)}
        if found is None or touched - made:
            wrong.append(one)
    return wrong


@contextmanager
def said() -> Iterator[list[str]]:
    """Every statement that is executed meanwhile."""
    statements: list[str] = []

    def listen(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        # a store of another test may still be at work in this process
        if connection.dialect.name == "postgresql":
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def test_every_migration_only_adds(pg_url: str, next_version: None) -> None:
    with opened(pg_url) as store:
        for step in _chain():
            before = widths(pg_url)
            with said() as statements:
                store._backend.migrate(lambda connection, step=step: migrate(connection, step))
            if step not in BEFORE_THE_RULES:
                assert breaks_the_rules(statements) == [], f"{step}: see docs/inside/migrations.md"
            after = widths(pg_url)
            assert {name: (was, after.get(name)) for name, was in before.items() if after.get(name, 0) < was} == {}


def widths(url: str) -> dict[tuple[str, str], int]:
    """Characters that each text column holds: more of them is a note in PostgreSQL's catalogue, fewer shuts somebody out."""
    question = (
        "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = 'public' AND character_maximum_length IS NOT NULL"
    )
    with psycopg.connect(url) as connection:
        return {(table, column): width for table, column, width in connection.execute(question)}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE exchange DROP COLUMN opter",
        "ALTER TABLE exchange ALTER COLUMN opter TYPE INTEGER",
        "ALTER TABLE exchange ALTER COLUMN opter SET NOT NULL",
        "ALTER TABLE exchange ADD COLUMN more INTEGER NOT NULL",
        "ALTER TABLE exchange RENAME TO exchanges",
        "CREATE INDEX ix_more ON exchange (opter)",
        "UPDATE exchange SET opter = '1'",
        "INSERT INTO exchange (id) VALUES (1)",
        "CREATE TRIGGER tr_other BEFORE DELETE ON operator_log FOR EACH ROW EXECUTE FUNCTION f()",
        "DROP TABLE busy",
        "ALTER TABLE exchange ADD CONSTRAINT ck_x CHECK (state IN ('A'))",
        "TRUNCATE busy",
    ],
)
def test_what_breaks_the_rules_is_seen(statement: str) -> None:
    assert breaks_the_rules([statement]) != []
    assert breaks_the_rules(["CREATE TABLE more (id INTEGER)", "CREATE INDEX ix_more ON more (id)"]) == []


def test_versions_are_four_digits_in_one_line() -> None:
    chain = _chain()
    assert chain == [f"{number:04d}" for number in range(1, len(chain) + 1)]


# ---------------------------------------------------------------- from every former version

OLD_ROWS = (
    "INSERT INTO exchange (id, infno, state, safety, client, msgid, received_at, finished_at, elapsed_ms)"
    " VALUES (1, '2304', 'CONFIRMED', 'money', 'his', 'm1', 5, 6, 7)",
    "INSERT INTO exchange_key (exchange_id, kind, value) VALUES (1, 'psn_no', 'P1')",
    "INSERT INTO request_key (client, request_id, exchange_id) VALUES ('his', 'R1', 1)",
    "INSERT INTO msgid_high (institution, next_slot) VALUES ('H44080000001', 17000000000000)",
)
OLD_BODY = "INSERT INTO exchange_body (exchange_id, kind, packed, raw_size) VALUES (1, 'platform_request', :packed, 0)"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("since", _chain())
def test_rows_of_a_former_version_are_kept(
    since: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path, next_version: None
) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}" if kind == "sqlite" else request.getfixturevalue("pg_server").fresh()

    def fill(connection: Connection) -> None:
        for statement in OLD_ROWS:
            connection.execute(text(statement))
        connection.execute(text(OLD_BODY), {"packed": b"x\x9c\x03\x00\x00\x00\x00\x01"})

    with opened(url) as store:
        store._backend.migrate(lambda connection: migrate(connection, since))
        store._backend.write(fill)
        store.upgrade()
        assert store.check() == []
        row = store.journal.find_request("his", "R1")
        assert row is not None
        assert (row.id, row.state, row.in_force, row.keys) == (1, State.CONFIRMED, True, (("psn_no", "P1"),))
        about = Query(keys=[("psn_no", "P1")])
        long_ago = {"since": datetime(1970, 1, 1, tzinfo=SHANGHAI), "until": datetime(1971, 1, 1, tzinfo=SHANGHAI)}
        for query in (about, replace(about, infno="2304", **long_ago), Query(infno="2304", **long_ago)):
            assert [found.id for found in store.journal.search(query)] == [1]
        assert store.journal.search(replace(about, infno="2305")) == []
        assert store.journal.next_msgids("H44080000001", datetime(1990, 1, 1, tzinfo=SHANGHAI), 1).first == 17 * 10**12


# ---------------------------------------------------------------- a newer store


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_program_serves_a_store_that_was_only_expanded(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}" if kind == "sqlite" else request.getfixturevalue("pg_url")
    with monkeypatch.context() as newer:
        newer.setattr(_migrate, "VERSIONS", [*_migrate.VERSIONS, NEXT])
        head.cache_clear()
        with opened(url) as store:
            store.upgrade()
    head.cache_clear()
    with opened(url) as store:
        store.upgrade()
        assert store._backend.read(revision) == "9002"
        assert store.current()
        row = store.journal.intend(intent(request_id="R1"))
        assert store.journal.finish(row.id, outcome()).state is State.CONFIRMED
        with pytest.raises(StoreError, match="请用新版本的程序备份"):
            store.backup(tmp_path / "copy", NOW)
        contract = "UPDATE store_mark SET mark = '9002' WHERE name = 'compatible_from'"
        store._backend.write(lambda connection: connection.execute(text(contract)).rowcount)
        assert not store.current()
        with pytest.raises(StoreError, match=f"版本 9002 比程序新（程序为 {head()}，至少要 9002）"):
            store.upgrade()


# ---------------------------------------------------------------- who waits for whom


def test_a_migration_keeps_nobody_waiting_for_long(pg_url: str, next_version: None) -> None:
    """A long reader holds up the ALTER TABLE; the calls behind it go on, and it is done when the reader ends."""
    with opened(pg_url) as store, psycopg.connect(pg_url) as reader:
        store._backend.migrate(lambda connection: migrate(connection, _chain()[-3]))
        row = store.journal.intend(intent())
        reader.execute("SELECT count(*) FROM exchange")
        upgrading = threading.Thread(target=store.upgrade)
        upgrading.start()
        _until_waiting(pg_url)
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert store.journal.get(row.id) == row
            store.journal.intend(intent())
            slowest = max(slowest, time.monotonic() - began)
        assert upgrading.is_alive()
        reader.rollback()
        upgrading.join(60)
        assert store._backend.read(revision) == head() == "9002"
    assert slowest < 5


def _until_waiting(pg_url: str) -> None:
    question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 30
    with psycopg.connect(pg_url, autocommit=True) as connection:
        while connection.execute(question).fetchone() == (0,):
            assert time.monotonic() < deadline


def test_a_broken_index_is_built_anew(pg_url: str, next_version: None) -> None:
    with opened(pg_url) as store, psycopg.connect(pg_url, autocommit=True) as other:
        store._backend.migrate(lambda connection: migrate(connection, "9001"))
        other.execute("CREATE INDEX ix_exchange_next ON exchange (next_note, id)")
        other.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_exchange_next'::regclass")
        store.upgrade()
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_exchange_next'::regclass"
        assert other.execute(valid).fetchone() == (True,)


def test_a_backup_and_an_upgrade_wait_for_each_other(
    pg_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server, "LOOK_EVERY_S", 0.01)
    with opened(pg_url) as store, opened(pg_url) as other:
        store.upgrade()
        other._backend._alone_s_max = 0.1
        refused: list[str] = []

        def told(_done: int, _total: int) -> None:
            if not refused:
                with pytest.raises(StoreError, match="另一个节点正在升级、备份或恢复") as caught:
                    other.upgrade()
                refused.append(str(caught.value))

        store.journal.record(intent(), outcome())
        store.backup(tmp_path / "copy", NOW, told)
        assert refused
        tried: list[str] = []

        def migrating(_connection: Connection) -> None:
            with pytest.raises(StoreError, match="正在升级或恢复，稍后再备份") as caught:
                other.backup(tmp_path / "copy2", NOW)
            tried.append(str(caught.value))

        store._backend.migrate(migrating)
        assert tried
        other.upgrade()
