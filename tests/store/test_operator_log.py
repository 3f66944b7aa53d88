"""The operator log: what was written stays, and whoever changes it is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import Plain
from gateway.store import Store, open_store, operator_log
from tests.protect.keys import MemoryKeys
from tests.store.samples import NOW

UNLOCK = {
    "sqlite": ["DROP TRIGGER tr_operator_log_UPDATE", "DROP TRIGGER tr_operator_log_DELETE"],
    "postgresql": [
        "DROP TRIGGER tr_operator_log ON operator_log",
        "DROP TRIGGER tr_operator_log_delete ON operator_log",
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'j.db'}" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    opened = open_store(url, node="n1")
    opened.upgrade()
    yield opened
    opened.close()


def _tamper(store: Store, *statements: str) -> None:
    """As somebody who owns the database can."""

    def job(connection: object) -> None:
        for statement in [*UNLOCK[connection.dialect.name], *statements]:  # type: ignore[attr-defined]
            connection.execute(text(statement))  # type: ignore[attr-defined]

    store._backend.write(job)


def _fill(store: Store, count: int = 5) -> None:
    for number in range(1, count + 1):
        assert store.operator_log.append("张三", "journal.show", f"exchange {number}", "bodies") == number


def test_what_is_appended_is_read_back_newest_first(store: Store) -> None:
    _fill(store)
    store.operator_log.append(" 李四 ", "doubts.resolve", "exchange 2")
    found = store.operator_log.entries(limit=2)
    assert [(one.seq, one.operator, one.act, one.subject, one.detail) for one in found] == [
        (6, "李四", "doubts.resolve", "exchange 2", ""),
        (5, "张三", "journal.show", "exchange 5", "bodies"),
    ]
    assert [one.seq for one in store.operator_log.entries(before=3)] == [2, 1]
    assert [one.seq for one in store.operator_log.entries(subject="exchange 2")] == [6, 2]
    assert [one.seq for one in store.operator_log.entries(operator="李四")] == [6]
    assert [one.seq for one in store.operator_log.entries(acts=("doubts.resolve", "no.such"))] == [6]
    assert [one.seq for one in store.operator_log.entries(acts=("journal.show",), before=3)] == [2, 1]
    last = found[0].at
    assert [one.seq for one in store.operator_log.entries(since=last + timedelta(milliseconds=1))] == []
    assert len(store.operator_log.entries(until=last + timedelta(milliseconds=1))) == 6
    assert {one.seq for one in store.operator_log.entries(since=last)} >= {6}
    assert 6 not in {one.seq for one in store.operator_log.entries(until=last)}
    assert store.operator_log.verify() is None
    assert store.operator_log.head() == (6, found[0].hash)


def test_between_two_times_the_order_is_that_of_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was set back after the third row; page by page every row is met once."""
    log, minutes = store.operator_log, (0, 10, 20, 5, 15, 5)
    for number, minute in enumerate(minutes):
        monkeypatch.setattr(log, "_clock", lambda minute=minute: NOW + timedelta(minutes=minute))
        log.append("张三", "journal.show", f"exchange {number}")
    met, before = [], None
    while page := log.entries(since=NOW, until=NOW + timedelta(minutes=20), before=before, limit=2):
        met += [one.seq for one in page]
        before = page[-1].seq
    assert met == [5, 2, 6, 4, 1]
    assert [one.seq for one in log.entries(limit=3)] == [6, 5, 4], "else the order is that of writing"
    assert log.entries(since=NOW, before=99) == log.entries(since=NOW), "a number that was never given"


def test_an_empty_log_holds(store: Store) -> None:
    assert store.operator_log.verify() is None
    assert store.operator_log.head() == (0, "")


def test_an_entry_needs_a_person_and_an_act(store: Store) -> None:
    for operator, act in (("", "look"), ("  ", "look"), ("张三", "")):
        with pytest.raises(ValueError, match="何人"):
            store.operator_log.append(operator, act, "exchange 1")


def test_personal_data_is_masked(store: Store) -> None:
    store.operator_log.append("张三", "journal.search", "certno=440102198001010013", "tel 13812345678")
    (found,) = store.operator_log.entries()
    assert "198001010013" not in found.subject
    assert "13812345678" not in found.detail


def test_the_database_refuses_changes(store: Store) -> None:
    _fill(store)
    for statement in ("UPDATE operator_log SET operator = 'x'", "DELETE FROM operator_log"):
        with pytest.raises(JournalUnavailable, match="append-only"):
            store._backend.write(lambda connection, made=statement: connection.execute(text(made)))
    assert len(store.operator_log.entries()) == 5


@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        (["UPDATE operator_log SET detail = 'nothing' WHERE seq = 3"], 3),
        (["UPDATE operator_log SET operator = '李四' WHERE seq = 1"], 1),
        (["UPDATE operator_log SET at = at + 1 WHERE seq = 5"], 5),
        (["UPDATE operator_log SET subject = NULL WHERE seq = 2"], 2),
        (["DELETE FROM operator_log WHERE seq = 1"], 1),
        (["DELETE FROM operator_log WHERE seq = 4"], 4),
        (["DELETE FROM operator_log WHERE seq = 5"], 5),
        (["DELETE FROM operator_log WHERE seq > 2"], 5),
        (["DELETE FROM operator_log"], 5),
        (
            [
                "UPDATE operator_log SET seq = 99 WHERE seq = 2",
                "UPDATE operator_log SET seq = 2 WHERE seq = 3",
                "UPDATE operator_log SET seq = 3 WHERE seq = 99",
            ],
            2,
        ),
        (["DELETE FROM operator_log_head"], 0),
        (["UPDATE operator_log_head SET seq = 4"], 4),
    ],
)
def test_tampering_is_found(store: Store, statements: list[str], seq: int) -> None:
    _fill(store)
    _tamper(store, *statements)
    broken = store.operator_log.verify()
    assert broken is not None
    assert broken.seq == seq
    assert broken.reason


def test_many_at_once_make_one_chain(store: Store) -> None:
    def work(name: str) -> None:
        for number in range(10):
            store.operator_log.append(name, "look", f"exchange {number}")

    threads = [threading.Thread(target=work, args=(f"op{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.seq for one in store.operator_log.entries()] == list(range(60, 0, -1))
    assert store.operator_log.verify() is None


def test_verify_goes_through_many_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.operator_log._PAGE_ROWS", 2)
    _fill(store)
    told: list[int] = []
    assert store.operator_log.verify(told.append) is None
    assert told == [2, 4]


# --------------------------------------------------------------------- with keys


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Store]:
    plain = open_store(f"sqlite:///{tmp_path / 'j.db'}", node="n1")
    plain.upgrade()
    _fill(plain, 2)
    plain.close()
    opened = open_store(f"sqlite:///{tmp_path / 'j.db'}", node="n1", keys=MemoryKeys())
    opened.upgrade()
    opened.operator_log.append("张三", "journal.show", "exchange 7")
    yield opened
    opened.close()


def _forged(store: Store, first: int) -> None:
    """Every digest from ``first`` on made anew, as somebody can who owns the database and not the key."""
    rows = store._backend.read(
        lambda connection: connection.execute(text("SELECT * FROM operator_log ORDER BY seq")).mappings().all()
    )
    last, statements = "", []
    for row in rows:
        if row["seq"] >= first:
            made = {**row, "key_version": None, "operator": "李四"}
            last = operator_log._digest(Plain(), made, last)
            statements.append(
                f"UPDATE operator_log SET operator = '李四', key_version = NULL, hash = '{last}' WHERE seq = {row['seq']}"
            )
        else:
            last = row["hash"]
    _tamper(store, *statements, f"UPDATE operator_log_head SET hash = '{last}'")


def test_keys_bind_what_is_written_from_then_on(keyed: Store) -> None:
    assert [one.act for one in keyed.operator_log.entries()] == ["journal.show", "keys.begin", *["journal.show"] * 2]
    assert keyed.operator_log.verify() is None


@pytest.mark.parametrize(("first", "seq"), [(4, 4), (3, 4), (1, 4)])
def test_a_chain_forged_without_the_key_is_found(keyed: Store, first: int, seq: int) -> None:
    _forged(keyed, first)
    broken = keyed.operator_log.verify()
    assert broken is not None
    assert broken.seq == seq


def test_a_row_forged_with_a_key_of_another_is_found(keyed: Store) -> None:
    _tamper(keyed, f"UPDATE operator_log SET operator = '李四', hash = '{'0' * 64}' WHERE seq = 4")
    broken = keyed.operator_log.verify()
    assert broken is not None
    assert broken.seq == 4
