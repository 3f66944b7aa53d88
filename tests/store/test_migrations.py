"""A journal of the version before is taken up as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from gateway.exchange.ports import JournalUnavailable, Query, State
from gateway.store import open_store
from gateway.store._migrate import head, migrate, migrations_config
from tests.store.samples import LATER, NOW, intent, outcome

OLD_ROW = """
INSERT INTO exchange (id, infno, state, safety, client, msgid, received_at, finished_at, elapsed_ms)
VALUES (:id, '2304', :state, 'money', 'his', :msgid, :at, :at, 5)
"""
OLD_BODY = (
    "INSERT INTO exchange_body (exchange_id, kind, packed, raw_size) VALUES (:id, 'platform_request', :packed, 0)"
)
OLD_STATES = ("REFUSED", "INTENDED", "CONFIRMED", "DECLINED", "NOT_SENT", "IN_DOUBT")


def _old_journal(connection: Connection) -> None:
    migrate(connection, "0001")
    at = int(NOW.timestamp() * 1000)
    for number, state in enumerate(OLD_STATES, 1):
        connection.execute(text(OLD_ROW), {"id": number, "state": state, "msgid": f"m{number}", "at": at})
        connection.execute(text(OLD_BODY), {"id": number, "packed": b"x\x9c\x03\x00\x00\x00\x00\x01"})


def test_the_newest_file_is_where_the_migrations_lead() -> None:
    assert ScriptDirectory.from_config(migrations_config()).get_heads() == [head()]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'j.db'}"
    given: str = request.getfixturevalue("pg_server").fresh()
    return given


def test_a_journal_of_the_first_version_is_taken_up(url: str) -> None:
    store = open_store(url, node="n1")
    store._backend.write(_old_journal)
    store.upgrade()
    assert store.check() == []
    rows = {row.state.value: row for row in store.journal.search(Query())}
    assert set(rows) == set(OLD_STATES)
    assert {(row.tries, row.undone_by, row.next_try_at, row.business_key) for row in rows.values()} == {
        (0, None, None, "")
    }
    # what was answered before nobody marked replies is not on the work list
    assert store.journal.untold(NOW, LATER) == []
    bodies = store.journal.bodies(rows["CONFIRMED"].id)
    assert bodies is not None
    assert bodies.platform_request == b""
    doubt = rows["IN_DOUBT"]
    assert [row.id for row in store.journal.doubts(NOW)] == [doubt.id]
    assert store.journal.resolve(doubt.id, outcome(State.ESCALATED)).state is State.ESCALATED
    with pytest.raises(JournalUnavailable, match=r"(?i)check"):
        store._backend.write(lambda one: one.execute(text("UPDATE exchange SET state = 'PERHAPS'")))
    if url.startswith("postgresql"):
        store._backend.write(
            lambda one: one.execute(text("SELECT setval(pg_get_serial_sequence('exchange','id'), 100)"))
        )
    assert store.journal.intend(intent(business_key="k")).id > doubt.id
    store.close()
