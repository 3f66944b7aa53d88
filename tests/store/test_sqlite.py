"""SQLite: one writing process, commits that are on the disk, failures that leave nothing behind."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, create_engine, event, text

from gateway.exchange.ports import Exchange, Journal, JournalUnavailable, Query, State
from gateway.store import Store, StoreError, open_store
from gateway.store import _sqlite as sqlite_backend
from gateway.store import journal as journal_tables
from gateway.store._writer import GroupWriter
from tests.store.samples import INSTITUTION, NOW, intent, outcome

ROOT = Path(__file__).parents[2]


def opened(path: Path, *, read_only: bool = False) -> Store:
    return open_store(f"sqlite:///{quote(str(path))}", node="n1", read_only=read_only)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "院 #1?%20" / "j.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = opened(path)
    store.upgrade()
    yield store
    store.close()


def child(path: Path, body: str) -> subprocess.Popen[str]:
    """Another process that has the store open; it prints what it is told to."""
    script = (
        "import sys, threading\n"
        "from urllib.parse import quote\n"
        "from gateway.store import open_store\n"
        "from gateway.exchange.ports import *\n"
        "from tests.store.samples import intent, outcome\n"
        f"store = open_store('sqlite:///' + quote(sys.argv[1]), node='child')\n{body}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ---------------------------------------------------------------- who may open it


def test_the_file_is_the_owners_alone(store: Store, path: Path) -> None:
    store.journal.intend(intent())
    for name in ("j.db", "j.db-wal"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600


def test_a_commit_is_on_the_disk(store: Store) -> None:
    backend = store._backend
    read = ("journal_mode", "synchronous", "foreign_keys")
    found = backend.write(lambda connection: [connection.execute(text(f"PRAGMA {name}")).scalar() for name in read])
    assert found == ["wal", 2, 1]


def test_one_process_writes(path: Path, store: Store) -> None:
    with pytest.raises(StoreError, match=r"正被另一个进程使用（进程 .*，节点 n1）"):
        opened(path)
    done = child(path, "")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 1
    assert "正被另一个进程使用" in errors


def test_a_killed_process_holds_nothing(path: Path) -> None:
    with child(path, "store.upgrade(); print('open', flush=True); sys.stdin.read()") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match="节点 child"):
            opened(path)
        other.kill()
    opened(path).close()


def test_others_read_while_one_writes(path: Path, store: Store) -> None:
    reader = opened(path, read_only=True)
    row = store.journal.intend(intent())
    store.journal.next_msgids(INSTITUTION, NOW, 10_000)
    assert reader.journal.get(row.id) == row
    assert reader.check() == []
    with pytest.raises(JournalUnavailable, match="reading only"):
        reader.journal.intend(intent())
    assert not reader.journal.ready()
    reader.close()


def test_reading_what_nobody_writes(path: Path, store: Store) -> None:
    row = store.journal.intend(intent())
    store.close()
    reader = opened(path, read_only=True)
    assert reader.journal.search(Query()) == [row]
    reader.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "应指明文件"),
        ("sqlite:///:memory:", "应指明文件"),
        ("sqlite:///a?b/j.db", "不带参数"),
        ("mysql://u:secret@h/x", "不支持的数据库 mysql"),
        ("no url, but a secret", "数据库地址格式错误"),
    ],
)
def test_urls_that_are_not_understood(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        open_store(url, node="n1")
    assert "secret" not in str(caught.value)


def test_a_missing_file_cannot_be_read(path: Path) -> None:
    with pytest.raises(StoreError, match="不存在"):
        opened(path, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_database(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("病区交班记录" * 1000)
    with pytest.raises(StoreError, match="无法打开数据库文件"):
        opened(path, read_only=read_only)
    assert path.read_text().startswith("病区交班记录")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="无法打开数据库文件"):
        opened(tmp_path)


# ---------------------------------------------------------------- group commit


@pytest.fixture
def commits(store: Store) -> list[object]:
    counted: list[object] = []
    event.listen(store._backend._writer._engine, "commit", counted.append)  # type: ignore[attr-defined]
    return counted


def _held(journal: Journal, jobs: list[Callable[[Connection], object]]) -> list[object]:
    """What the jobs give that all wait while the writer is busy, so that the next commit has all of them."""
    writer: GroupWriter = journal._backend._writer  # type: ignore[attr-defined]
    begun, go_on = threading.Event(), threading.Event()

    def busy(_: Connection) -> None:
        begun.set()
        assert go_on.wait(30)

    def run(job: Callable[[Connection], object]) -> object:
        try:
            return writer.run(job)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(jobs) + 1) as pool:
        first = pool.submit(writer.run, busy)
        assert begun.wait(30)
        waiting = [pool.submit(run, job) for job in jobs]
        with writer._changed:
            assert writer._changed.wait_for(lambda: len(writer._tasks) == len(jobs), 30)
        go_on.set()
        first.result(30)
        return [future.result(30) for future in waiting]


def _put(number: int) -> Callable[[Connection], int]:
    def job(connection: Connection) -> int:
        values = {"institution": f"I{number}", "slot": number}
        connection.execute(text("INSERT INTO msgid_high (institution, next_slot) VALUES (:institution, :slot)"), values)
        return number

    return job


def _institutions(store: Store) -> set[str]:
    found = store._backend.read(lambda connection: connection.execute(text("SELECT institution FROM msgid_high")).all())
    return {row[0] for row in found}


def test_many_writes_share_a_commit(store: Store, commits: list[object]) -> None:
    assert _held(store.journal, [_put(number) for number in range(20)]) == list(range(20))
    assert len(commits) == 2
    assert len(_institutions(store)) == 20


def test_a_failing_write_fails_alone(store: Store, commits: list[object]) -> None:
    def fails(connection: Connection) -> None:
        _put(100)(connection)
        raise KeyError("of its own")

    results = _held(store.journal, [_put(1), fails, _put(1), _put(2)])
    assert [type(result) for result in results] == [int, KeyError, JournalUnavailable, int]
    assert "UNIQUE" in str(results[2])
    assert len(commits) == 2
    assert _institutions(store) == {"I1", "I2"}


def test_a_transaction_lost_fails_all(store: Store) -> None:
    def loses(connection: Connection) -> None:
        _put(100)(connection)
        # what SQLite does by itself when the disk is full or the file is broken
        connection.exec_driver_sql("ROLLBACK")
        raise OSError("lost")

    results = _held(store.journal, [_put(1), loses, _put(2)])
    assert [type(result) for result in results] == [JournalUnavailable] * 3
    # the cause, not that the savepoint went with it
    assert [str(result) for result in results] == ["OSError: lost"] * 3
    assert _institutions(store) == set()
    assert store.journal.ready()


def test_a_failing_commit_fails_all(store: Store) -> None:
    engine = store._backend._writer._engine  # type: ignore[attr-defined]
    results = _held(store.journal, [_put(1), _failing_commit, _put(2)])
    assert [type(result) for result in results] == [JournalUnavailable] * 3
    assert _institutions(store) == set()
    assert engine.pool.checkedout() == 0, "the next one begins with a connection of its own"
    assert _held(store.journal, [_put(3)]) == [3]
    assert engine.pool.checkedout() == 1


def _failing_commit(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    connection.exec_driver_sql("INSERT INTO request_key VALUES ('his', 'R1', 4711)")


def test_a_write_is_withdrawn_when_it_waits_too_long(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'j.db'}", connect_args={"check_same_thread": False})
    writer = GroupWriter(engine, queue_max=1, wait_s=0.05)
    begun, go_on, ran = threading.Event(), threading.Event(), threading.Event()

    def busy(_: Connection) -> str:
        begun.set()
        assert go_on.wait(30)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(writer.run, busy)
        assert begun.wait(30)
        with pytest.raises(JournalUnavailable, match="has not begun"):
            writer.run(lambda _: ran.set())
        # what was withdrawn leaves its place to the next
        with pytest.raises(JournalUnavailable, match="has not begun"):
            writer.run(lambda _: ran.set())
        go_on.set()
        # begun in time: its answer is waited for, however long it takes
        assert first.result(30) == "done"
    writer.close()
    full = GroupWriter(engine, queue_max=0, wait_s=0.05)
    with pytest.raises(JournalUnavailable, match="already waiting"):
        full.run(lambda _: ran.set())
    full.close()
    assert not ran.is_set()
    engine.dispose()


def test_close_finishes_what_was_accepted(store: Store, path: Path) -> None:
    writer = store._backend._writer  # type: ignore[attr-defined]
    begun, go_on = threading.Event(), threading.Event()

    def busy(_: Connection) -> None:
        begun.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(12) as pool:
        pool.submit(writer.run, busy)
        assert begun.wait(30)
        accepted = [pool.submit(store.journal.intend, intent()) for _ in range(10)]
        with writer._changed:
            assert writer._changed.wait_for(lambda: len(writer._tasks) == 10, 30)
        closing = pool.submit(store.close)
        with writer._changed:
            assert writer._changed.wait_for(lambda: writer._closing, 30)
        with pytest.raises(JournalUnavailable, match="closed"):
            store.journal.intend(intent())
        go_on.set()
        closing.result(30)
        ids = {future.result(30).id for future in accepted}
    again = opened(path)
    assert {row.id for row in again.journal.search(Query())} == ids
    again.close()


# ---------------------------------------------------------------- kills, full disks, damage

WRITES = """
import itertools, os, uuid
store.upgrade()
numbers, run = itertools.count(), uuid.uuid4().hex[:8]
def work(number):
    while True:
        row = store.journal.intend(intent(msgid=f"{number}-{next(numbers)}"))
        os.write(1, f"{row.id}\\n".encode())
for number in range(4):
    threading.Thread(target=work, args=(f"{run}-{number}",)).start()
"""


def test_what_was_acknowledged_outlives_a_kill(path: Path) -> None:
    acknowledged: set[int] = set()
    for _ in range(5):
        with child(path, WRITES) as process:
            assert process.stdout is not None
            acknowledged |= {int(process.stdout.readline()) for _ in range(40)}
            process.send_signal(signal.SIGKILL)
            # a line cut by the kill was not acknowledged
            acknowledged |= {int(line) for line in process.stdout if line.endswith("\n")}
    store = opened(path)
    assert store.check() == []
    assert len(acknowledged) >= 200
    for exchange_id in acknowledged:
        _assert_complete(store.journal, exchange_id)
    store.close()


def _assert_complete(journal: Journal, exchange_id: int) -> None:
    row, bodies, sample = journal.get(exchange_id), journal.bodies(exchange_id), intent()
    assert row is not None
    assert bodies is not None
    assert (row.state, row.keys) == (State.INTENDED, (("mdtrt_id", "M1"), ("psn_no", "P1")))
    assert (bodies.caller_request, bodies.platform_request) == (sample.caller_request, sample.platform_request)


FULL = """
import os, resource
store.upgrade()
size = max(os.path.getsize(sys.argv[1] + end) for end in ("", "-wal"))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, resource.RLIM_INFINITY))
row = store.journal.intend(intent(request_id="before"))
print(row.id, flush=True)
body = os.urandom(20_000)
while True:
    try:
        row = store.journal.intend(intent(platform_request=body))
    except JournalUnavailable:
        break
    print(row.id, flush=True)
try:
    store.journal.finish(row.id, outcome(platform_answer=os.urandom(400_000)))
except JournalUnavailable:
    print("full", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.journal.finish(row.id, outcome()).id, flush=True)
print(store.journal.intend(intent()).id, flush=True)
store.close()
"""


def test_a_full_disk_takes_nothing_half(path: Path) -> None:
    done = child(path, FULL)
    printed, errors = done.communicate(timeout=60)
    assert done.returncode == 0, errors
    lines = printed.split()
    assert lines[-3] == "full"
    store = opened(path)
    store.journal.next_msgids(INSTITUTION, NOW, 10_000)
    assert store.check() == []
    ids = {int(line) for line in lines if line != "full"}
    assert {row.id for row in store.journal.search(Query(limit=1000))} == ids
    finished = store.journal.get(int(lines[-2]))
    assert finished is not None
    assert finished.state is State.CONFIRMED
    store.close()


def test_not_ready_without_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_backend, "ROOM_BYTES_MIN", 1 << 60)
    assert not store.journal.ready()


def _spoil(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def _finished(store: Store) -> Exchange:
    row = store.journal.intend(intent())
    return store.journal.finish(row.id, outcome())


def test_where_a_database_has_no_row_locks_the_compare_and_set_decides(store: Store) -> None:
    first = store.journal.record(intent(request_id="R1"), outcome(State.NOT_SENT))
    second = store.journal.intend(intent(request_id="R1"))
    third = store.journal.intend(intent())
    late = replace(third, request_id="R1")
    with pytest.raises(JournalUnavailable, match="same moment"):
        store._backend.write(lambda connection: journal_tables._take_request(connection, late, first))
    assert store.journal.find_request("his", "R1") == second
    block = store.journal.next_msgids("I1", NOW, 10)
    with pytest.raises(JournalUnavailable, match="same moment"):
        store._backend.write(lambda connection: journal_tables._raise_high(connection, "I1", block.first, block.end))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE exchange_body SET packed = x'0102' WHERE kind = 'platform_answer'", "damaged"),
        ("UPDATE exchange_body SET raw_size = 7 WHERE kind = 'platform_answer'", "incomplete"),
    ],
)
def test_damaged_bytes_are_not_handed_out(store: Store, path: Path, statement: str, words: str) -> None:
    row = _finished(store)
    _spoil(path, statement)
    with pytest.raises(JournalUnavailable, match=words):
        store.journal.bodies(row.id)


def test_check_finds_what_is_missing(store: Store, path: Path) -> None:
    _finished(store)
    store.journal.next_msgids(INSTITUTION, NOW, 10_000)
    _spoil(path, "DELETE FROM exchange_body WHERE kind = 'platform_request'")
    assert store.check() == ["有 1 笔已发送的交易缺少请求原文"]
    _spoil(path, "DELETE FROM exchange")
    assert store.check() == ["有 4 行缺少所属的交易记录"]


def test_a_database_in_trouble_says_nothing_of_the_patient(store: Store, path: Path) -> None:
    _spoil(path, "ALTER TABLE exchange DROP COLUMN elapsed_ms")
    with pytest.raises(JournalUnavailable) as caught:
        store.journal.record(intent(keys=[("psn_no", "440102198001010011")], received_at=NOW), outcome())
    assert "elapsed_ms" in str(caught.value)
    assert "2304" not in str(caught.value)
