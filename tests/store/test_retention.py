"""What is kept for how long: nothing young, unresolved or not archived is ever removed, whatever breaks off the work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, text

from gateway.exchange.ports import Bodies, BodiesAway, JournalUnavailable, Proof, ProofKind, Query, State
from gateway.protect import Cipher
from gateway.store import Store, StoreError, open_store
from gateway.store.archive import Archive
from gateway.store.backup import Copy
from gateway.store.marks import set_mark
from gateway.store.retention import Limits
from tests.pg import PgServer
from tests.protect.keys import MemoryKeys
from tests.store.samples import NOW, intent, outcome

LIMITS = Limits(reads_days=180, in_store_days=365, archive_years=15, log_days=184)
LATER = NOW + timedelta(days=400)
Opening = Callable[..., Store]


@pytest.fixture(scope="module")
def migrated(pg_server: PgServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty store of each kind, to be copied: bringing the tables about takes longer than most tests."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('migrated') / 'j.db'}", "postgresql": pg_server.fresh()}
    for url in urls.values():
        store = open_store(url, node="n1")
        store.upgrade()
        store.close()
    return urls


def _copy_of(url: str, pg_server: PgServer, folder: Path) -> str:
    database = make_url(url).database
    assert database is not None
    if not url.startswith("sqlite"):
        return pg_server.fresh(template=database)
    shutil.copy(database, folder / "j.db")
    return f"sqlite:///{folder / 'j.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def opening(
    request: pytest.FixtureRequest, migrated: dict[str, str], pg_server: PgServer, tmp_path: Path
) -> Iterator[Opening]:
    url = _copy_of(migrated[request.param], pg_server, tmp_path)
    stores: list[Store] = []

    def open_(keys: MemoryKeys | None = None, *, archive: Path | None = tmp_path / "archive") -> Store:
        if stores:
            stores.pop().close()
        stores.append(open_store(url, node="n1", keys=keys, archive=archive))
        stores[-1].upgrade()
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


ON_SQLITE = pytest.mark.parametrize("opening", ["sqlite"], indirect=True)
"""Where no statement is another one on a server."""


@pytest.fixture
def store(opening: Opening) -> Store:
    return opening(MemoryKeys())


def made(
    store: Store, number: int, state: State = State.CONFIRMED, *, at: datetime = NOW, safety: str = "money"
) -> int:
    keys = (("mdtrt_id", f"M{number}"), ("psn_name", "张三"))
    values = {"received_at": at, "safety": safety, "keys": keys, "request_id": f"r{number}"}
    row = store.journal.intend(intent(**values))
    if state is not State.INTENDED:
        store.journal.finish(row.id, outcome(state, finished_at=at + timedelta(seconds=1)))
    return row.id


def in_tables(store: Store) -> set[int]:
    found = store._backend.read(
        lambda connection: connection.execute(text("SELECT DISTINCT exchange_id FROM exchange_body")).scalars().all()
    )
    return set(found)


def sound(store: Store) -> bool:
    """The samples number their messages themselves, which is all that may be said of the store."""
    return all("msgid 会重复" in sentence for sentence in store.check())


def bodies_of(store: Store, ids: list[int]) -> list[Bodies | None]:
    return [store.journal.bodies(number) for number in ids]


@pytest.mark.parametrize("keys", [None, MemoryKeys(), MemoryKeys(Cipher.SM4)], ids=["plain", "aes", "sm4"])
def test_money_moves_into_an_archive_and_is_read_from_there(
    opening: Opening, keys: MemoryKeys | None, tmp_path: Path
) -> None:
    store = opening(keys)
    old = [made(store, number) for number in range(1, 4)]
    store.journal.add_proof(old[0], Proof(ProofKind.QUERY, NOW, "在院"))
    young = made(store, 9, at=LATER - timedelta(days=364))
    rows, before, young_before = store.journal.search(Query()), bodies_of(store, old), store.journal.bodies(young)
    assert store.retention.plan(LIMITS, LATER).archived == 3
    assert in_tables(store) == {*old, young}

    done = store.retention.run(LIMITS, LATER, "张三")
    assert (done.archived, done.files, done.reads, done.held) == (3, 1, 0, 0)
    assert in_tables(store) == {young}
    assert bodies_of(store, old) == before
    assert store.journal.bodies(young) == young_before
    assert store.journal.search(Query()) == rows
    assert [one.detail for one in store.journal.proofs(old[0])] == ["在院"]
    assert sound(store)
    (path,) = (tmp_path / "archive").glob("*.zip")
    assert path.stat().st_mode & 0o777 == 0o600
    if os.name == "posix":
        subprocess.run(
            ["sha256sum", "--check", f"{path.name}.sha256"], cwd=path.parent, check=True, capture_output=True
        )
    if keys is not None:
        assert "张三".encode("gb18030") not in path.read_bytes()
        keys.grow()
        store.resealing.rotate(data=True, hashes=True)
        assert bodies_of(store, old) == before
    acts = [(one.operator, one.act, one.detail[:2]) for one in store.operator_log.entries(limit=2)]
    assert acts == [("张三", "db.retain", "结束"), ("张三", "db.retain", "开始")]
    assert store.retention.run(LIMITS, LATER, "张三").archived == 0


def test_what_is_found_by_its_request_id_answers_from_the_archive(store: Store) -> None:
    number = made(store, 1)
    store.retention.run(LIMITS, LATER, "张三")
    found = store.journal.find_request("his", "r1")
    assert found is not None
    assert found.id == number
    kept = store.journal.bodies(found.id)
    assert kept is not None
    assert kept.platform_answer == b'{"infcode":0}'


def test_reads_lose_their_bytes_and_what_tells_of_a_person(store: Store) -> None:
    old, young = made(store, 1, safety="read"), made(store, 2, safety="read", at=LATER - timedelta(days=179))
    done = store.retention.run(LIMITS, LATER, "张三")
    assert (done.reads, done.archived) == (1, 0)
    row, kept = store.journal.get(old), store.journal.bodies(old)
    assert row is not None
    assert kept is not None
    assert row.keys == ()
    assert (row.msgid, row.content_hash) != ("", "")
    assert row.content_hash == "c" * 64
    assert kept.gone
    assert kept.platform_answer is None
    assert store.journal.find_request("his", "r1") == row
    assert [found.id for found in store.journal.search(Query(keys=[("psn_name", "张三")]))] == [young]
    assert sound(store)


@ON_SQLITE
def test_without_a_folder_money_stays_and_it_is_said(opening: Opening) -> None:
    store = opening(archive=None)
    number = made(store, 1)
    done = store.retention.run(LIMITS, LATER, "张三")
    assert in_tables(store) == {number}
    assert "归档文件夹" in done.warnings[0]


@pytest.mark.parametrize("state", [State.INTENDED, State.IN_DOUBT])
@pytest.mark.parametrize("safety", ["money", "read"])
def test_what_is_open_and_what_it_refers_to_stays(store: Store, state: State, safety: str) -> None:
    about_the_same = made(store, 1, safety=safety)
    open_one = _open(store, state)
    other = made(store, 2, safety=safety)
    done = store.retention.run(LIMITS, LATER, "张三")
    assert in_tables(store) == {about_the_same, open_one}
    assert done.held == 1
    assert bool(store.journal.bodies(other))


def _open(store: Store, state: State) -> int:
    row = store.journal.intend(intent(infno="2305", keys=(("mdtrt_id", "M1"), ("psn_name", "张三"))))
    if state is not State.INTENDED:
        store.journal.finish(row.id, outcome(state))
    return row.id


@ON_SQLITE
def test_a_missing_or_damaged_file_is_named(opening: Opening, tmp_path: Path) -> None:
    keys = MemoryKeys()
    store = opening(keys)
    number = made(store, 1)
    store.retention.run(LIMITS, LATER, "张三")
    (path,) = (tmp_path / "archive").glob("*.zip")
    content = path.read_bytes()
    at = content.index(b"PK\x03\x04") + 60
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(BodiesAway, match="已损坏"):
        store.journal.bodies(number)
    path.unlink()
    with pytest.raises(BodiesAway, match=path.name):
        store.journal.bodies(number)
    assert "缺少 1 个文件" in store.retention.plan(LIMITS, LATER).warnings[0]
    with pytest.raises(BodiesAway, match="没有写明"):
        opening(keys, archive=None).journal.bodies(number)
    path.write_bytes(content)
    assert opening(keys).journal.bodies(number) is not None


def test_an_archive_goes_at_the_end_of_its_time(store: Store, tmp_path: Path) -> None:
    number = made(store, 1)
    store.retention.run(LIMITS, LATER, "张三")
    end = NOW + timedelta(days=15 * 365.25)
    assert store.retention.run(LIMITS, end - timedelta(days=1), "张三").files_removed == 0
    assert store.retention.run(LIMITS, end + timedelta(days=1), "张三").files_removed == 1
    assert not list((tmp_path / "archive").iterdir())
    kept = store.journal.bodies(number)
    assert kept is not None
    assert "保存期" in kept.gone
    assert sound(store)


@ON_SQLITE
def test_nothing_is_removed_when_what_was_written_cannot_be_read_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = made(store, 1)
    before = store.journal.bodies(number)
    rename = Path.rename

    def spoil(path: Path, target: Path) -> Path:
        content = path.read_bytes()
        path.write_bytes(content[:45] + bytes([content[45] ^ 1]) + content[46:])
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", spoil)
        with pytest.raises(StoreError, match="读"):
            store.retention.run(LIMITS, LATER, "张三")
    assert in_tables(store) == {number}
    # what it left is taken away when it is certain that nobody writes it any more
    again = store.retention.run(LIMITS, LATER + timedelta(hours=2), "张三")
    assert again.archived == 1
    assert len(list((tmp_path / "archive").glob("*.zip"))) == 1
    assert store.journal.bodies(number) == before


@ON_SQLITE
def test_a_folder_that_cannot_be_written_removes_nothing(opening: Opening, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = opening(MemoryKeys(), archive=tmp_path / "file" / "archive")
    number = made(store, 1)
    with pytest.raises(StoreError, match="无法写入"):
        store.retention.run(LIMITS, LATER, "张三")
    assert in_tables(store) == {number}


@ON_SQLITE
def test_not_while_a_restore_is_unaccounted_for(store: Store) -> None:
    made(store, 1)
    for name in ("gap_since", "gap_until"):
        store._backend.write(lambda connection, name=name: set_mark(connection, name, "1"))  # type: ignore[misc]
    for act in (lambda: store.retention.plan(LIMITS, LATER), lambda: store.retention.run(LIMITS, LATER, "张三")):
        with pytest.raises(StoreError, match="reconcile"):
            act()


@ON_SQLITE
def test_a_backup_names_the_folder_it_does_not_contain(store: Store, tmp_path: Path) -> None:
    made(store, 1)
    store.retention.run(LIMITS, LATER, "张三")
    store.backup(tmp_path / "copy.zip", LATER)
    manifest = Copy(tmp_path / "copy.zip").manifest
    assert (manifest.archive, manifest.archive_files) == (str(tmp_path / "archive"), 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from datetime import timedelta
from gateway.protect import KeyFile
from gateway.store import open_store, retention
from tests.store.samples import NOW
url, folder, keys, boundary = sys.argv[1:]

def die(*_given, **_named):
    os.kill(os.getpid(), signal.SIGKILL)

points = retention._point
def half(connection, archive_id, sizes):
    done = points(connection, archive_id, sizes)
    die()
    return done

store = open_store(url, node="n1", keys=KeyFile(Path(keys)), archive=Path(folder))
if boundary == "after_file":
    retention.Archive.write, write = None, retention.Archive.write
    def written(self, *given):
        write(self, *given)
        die()
    retention.Archive.write = written
elif boundary == "before_removal":
    retention._point = die
else:
    retention._point = half
store.retention.run(retention.Limits(), NOW + timedelta(days=400), "张三")
"""


@pytest.mark.parametrize("boundary", ["after_file", "before_removal", "before_commit"])
def test_killed_between_archive_and_removal_nothing_is_lost(
    migrated: dict[str, str], pg_server: PgServer, tmp_path: Path, boundary: str
) -> None:
    from gateway.protect import KeyFile, new_file

    new_file(tmp_path / "keys.toml", Cipher.AES)
    url = _copy_of(migrated["sqlite"], pg_server, tmp_path)
    folder, keys = tmp_path / "archive", KeyFile(tmp_path / "keys.toml")
    store = open_store(url, node="n1", keys=keys, archive=folder)
    store.upgrade()
    ids = [made(store, number) for number in range(1, 6)]
    before = bodies_of(store, ids)
    store.close()
    arguments = [sys.executable, "-c", textwrap.dedent(KILLED), url, str(folder), str(tmp_path / "keys.toml"), boundary]
    ended = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()

    store = open_store(url, node="n1", keys=keys, archive=folder)
    try:
        assert len(list(folder.glob("*.zip"))) == 1
        assert in_tables(store) == set(ids)
        assert bodies_of(store, ids) == before
        store.retention.run(LIMITS, LATER + timedelta(hours=2), "张三")
        assert in_tables(store) == set()
        assert bodies_of(store, ids) == before
    finally:
        store.close()


ROW = st.tuples(
    st.sampled_from(["money", "state", "repeatable", "read"]),
    st.sampled_from([State.CONFIRMED, State.DECLINED, State.NOT_SENT, State.INTENDED, State.IN_DOUBT]),
    st.integers(0, 500),
    st.integers(1, 3),
)


@given(rows=st.lists(ROW, max_size=12), days=st.integers(0, 700))
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_young_unresolved_or_unarchived_is_removed(rows: list[tuple[str, State, int, int]], days: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/j.db", node="n1", keys=MemoryKeys(), archive=Path(folder, "archive"))
        try:
            store.upgrade()
            _property(store, rows, NOW + timedelta(days=days))
        finally:
            store.close()


def _property(store: Store, rows: list[tuple[str, State, int, int]], now: datetime) -> None:
    held = {visit for _, state, _, visit in rows if state in (State.INTENDED, State.IN_DOUBT)}
    before = {}
    for count, (safety, state, day, visit) in enumerate(rows):
        keys = (("mdtrt_id", f"M{visit}"),)
        values = {"received_at": NOW + timedelta(days=day), "keys": keys, "safety": safety, "content_hash": f"{count}"}
        row = store.journal.intend(intent(**values))
        if state is not State.INTENDED:
            store.journal.finish(row.id, outcome(state, finished_at=NOW + timedelta(days=day, seconds=1)))
        before[row.id] = store.journal.bodies(row.id), safety, visit, (now - values["received_at"]) / timedelta(days=1)
    planned = store.retention.plan(LIMITS, now)
    done = store.retention.run(LIMITS, now, "张三")
    assert (planned.reads, planned.archived, planned.held) == (done.reads, done.archived, done.held)
    kept = in_tables(store)
    for number, (bodies, safety, visit, age_days) in before.items():
        if safety != "read" or visit in held or age_days < LIMITS.reads_days:
            assert store.journal.bodies(number) == bodies
        if visit in held or age_days < (LIMITS.reads_days if safety == "read" else LIMITS.in_store_days):
            assert number in kept
    assert sound(store)


# ------------------------------------------------------------ operator log


UNLOCK = {
    "sqlite": ["DROP TRIGGER tr_operator_log_UPDATE", "DROP TRIGGER tr_operator_log_DELETE"],
    "postgresql": [
        "DROP TRIGGER tr_operator_log ON operator_log",
        "DROP TRIGGER tr_operator_log_delete ON operator_log",
    ],
}


def _sql(store: Store, *statements: str, unlock: bool = False) -> None:
    def job(connection: object) -> None:
        first = UNLOCK[connection.dialect.name] if unlock else []  # type: ignore[attr-defined]
        for statement in [*first, *statements]:
            connection.execute(text(statement))  # type: ignore[attr-defined]

    store._backend.write(job)


def _logged(store: Store, count: int, at: datetime) -> None:
    store.operator_log._clock = lambda: at
    for number in range(count):
        store.operator_log.append("张三", "journal.show", f"exchange {number}")


def test_the_oldest_rows_of_the_operator_log_go_and_the_chain_still_holds(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.operator_log.CUT_ROWS", 3)
    store = opening(None)
    _logged(store, 10, NOW - timedelta(days=2))
    _logged(store, 4, NOW)
    limit = NOW - timedelta(days=1)
    assert store.operator_log.due(limit) == store.operator_log.cut(limit) == 10
    assert [one.seq for one in store.operator_log.entries()] == [14, 13, 12, 11]
    assert store.operator_log.verify() is None
    _logged(store, 1, NOW)
    assert store.operator_log.verify() is None
    assert store.operator_log.cut(limit) == 0


@ON_SQLITE
def test_the_newest_row_always_stays(store: Store) -> None:
    _logged(store, 3, NOW)
    store.operator_log.cut(NOW + timedelta(days=9000))
    assert len(store.operator_log.entries()) == 1
    assert store.operator_log.verify() is None


@ON_SQLITE
@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM operator_log WHERE seq = (SELECT min(seq) FROM operator_log)",
        "UPDATE operator_log_anchor SET seq = seq + 1",
        "UPDATE operator_log_anchor SET seq = 1, before_hash = NULL, mac = NULL, key_version = NULL",
        "UPDATE operator_log_anchor SET key_version = NULL",
        "DELETE FROM operator_log_anchor",
        "UPDATE operator_log_anchor SET before_hash = 'x'",
    ],
)
def test_who_moves_the_beginning_is_found(store: Store, tampering: str) -> None:
    _logged(store, 9, NOW)
    _sql(store, unlock=True)
    _cut_to(store, 5)
    assert store.operator_log.verify() is None
    _sql(store, tampering)
    assert store.operator_log.verify() is not None


def _cut_to(store: Store, seq: int) -> None:
    from gateway.store.operator_log import _cut

    store.operator_log._backend.write(lambda connection: _cut(connection, seq))


def test_the_database_still_refuses_to_remove_what_is_kept(store: Store) -> None:
    _logged(store, 9, NOW)
    _cut_to(store, 5)
    with pytest.raises(JournalUnavailable):
        _sql(store, "DELETE FROM operator_log WHERE seq >= 5")
    assert store.operator_log.verify() is None


@ON_SQLITE
def test_a_broken_chain_is_not_cleared_away(store: Store) -> None:
    _logged(store, 3, NOW)
    _sql(store, "UPDATE operator_log SET act = 'x' WHERE seq = 2", unlock=True)
    done = store.retention.run(LIMITS, NOW + timedelta(days=9000), "张三")
    assert done.log_rows == 0
    assert "证据" in done.warnings[-1]
    assert len(store.operator_log.entries()) == 6


@ON_SQLITE
def test_rows_of_before_the_keys_may_go_before_and_after(opening: Opening) -> None:
    store = opening(None)
    _logged(store, 9, NOW)
    _cut_to(store, 4)
    assert store.operator_log.verify() is None
    store = opening(MemoryKeys())
    assert store.operator_log.verify() is None
    _cut_to(store, 6)
    assert store.operator_log.verify() is None


def test_archive_names_are_those_of_files(tmp_path: Path) -> None:
    assert Archive(tmp_path / "none").names() == set()
