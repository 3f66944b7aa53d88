"""A copy of a store that is being written, and what a restore makes of it."""

from __future__ import annotations

import base64
import stat
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.msgid import MsgidSequence, slot_of
from gateway.exchange.ports import Proof, ProofKind, Query, State
from gateway.faults import Refused
from gateway.protect import Cipher
from gateway.store import Store, StoreError, open_store
from gateway.store._migrate import head, migrate
from gateway.store.aftermath import Listed
from gateway.store.backup import Copy
from gateway.store.restore import AHEAD_S, ID_LEAP
from gateway.store.tables import metadata
from tests.protect.keys import MemoryKeys
from tests.store.samples import INSTITUTION, LATER, NOW, intent, outcome

KINDS = ["sqlite", "postgresql"]
TAKEN = datetime(2026, 11, 21, 9, 0, tzinfo=SHANGHAI)
RESTORED = TAKEN + timedelta(hours=2)


def _opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    url = f"sqlite:///{folder / 'j.db'}" if kind == "sqlite" else request.getfixturevalue("pg_server").fresh()
    store = open_store(url, node="n1")
    store.upgrade()
    return store


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = _opened(kind, request, tmp_path / "from")
    yield opened
    opened.close()


@pytest.fixture
def other(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of the other database: a copy is the same for all."""
    opened = _opened(*(one for one in KINDS if one != kind), request, tmp_path / "to")
    yield opened
    opened.close()


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    def read(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }

    return store._backend.read(read)


def filled(store: Store) -> None:
    """Every state, with bodies of any bytes, keys, evidence and numbers."""
    journal = store.journal
    for number, state in enumerate(State):
        if state in (State.RECEIVED, State.REFUSED):
            continue
        row = journal.intend(
            intent(business_key=f"k{number}", platform_request=bytes(range(256)) * number, request_id=f"R{number}")
        )
        if state in (State.CONFIRMED, State.DECLINED, State.NOT_SENT):
            journal.finish(row.id, outcome(state, err_msg="参数\t“错误”\n"))
        elif state is not State.INTENDED:
            journal.finish(row.id, outcome(State.IN_DOUBT, platform_answer=None))
            if state is not State.IN_DOUBT:
                journal.resolve(
                    row.id, outcome(state), [Proof(ProofKind.QUERY, LATER, "查", "5201", "m", b"q", b"\0\xff")]
                )
    journal.next_msgids(INSTITUTION, NOW, 10)


def test_a_copy_is_restored_as_it_was(store: Store, other: Store, tmp_path: Path) -> None:
    filled(store)
    before = content(store)
    manifest = store.backup(tmp_path / "copy", TAKEN)
    assert manifest.revision == head()
    assert {table.name for table in manifest.tables} == set(metadata.tables)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    done = other.restore(tmp_path / "copy", RESTORED)
    assert (done.gap.since, done.gap.until, done.escalated) == (TAKEN, RESTORED, 2)
    after = content(other)
    changed = {"exchange", "proof", "msgid_high", "store_mark", "operator_log", "operator_log_head"}
    assert [one.act for one in other.operator_log.entries()] == ["db.restore"]
    assert {name: rows for name, rows in after.items() if name not in changed} == {
        name: rows for name, rows in before.items() if name not in changed
    }
    settled = [row for row in before["exchange"] if row[2] not in ("INTENDED", "IN_DOUBT")]
    assert [row for row in settled if row not in after["exchange"]] == []
    assert other.check() == [f"数据库由备份恢复后尚未核对（{done.gap}），网关只办理查询：见 yibao db reconcile"]


def test_what_was_open_is_a_persons_to_settle(store: Store, other: Store, tmp_path: Path) -> None:
    filled(store)
    opened = store.journal.search(Query(states=(State.INTENDED, State.IN_DOUBT)))
    assert len(opened) == 2
    store.backup(tmp_path / "copy", TAKEN)
    other.restore(tmp_path / "copy", RESTORED)
    for before in opened:
        row = other.journal.get(before.id)
        assert row is not None
        assert (row.state, row.code, row.keys) == (State.ESCALATED, "GW-4120", before.keys)
        assert "由备份恢复" in other.journal.proofs(row.id)[-1].detail
        holder = other.journal.find_busy(before.business_key)
        assert holder is not None
        assert holder.id == before.id
    assert other.journal.doubts(RESTORED + timedelta(days=9)) == []


def test_no_number_is_used_again(store: Store, other: Store, tmp_path: Path) -> None:
    first = MsgidSequence(store.journal, INSTITUTION, lambda: TAKEN)
    used = [store.journal.intend(intent(msgid=first.next()))]
    store.backup(tmp_path / "copy", TAKEN)
    later = MsgidSequence(store.journal, INSTITUTION, lambda: RESTORED)
    numbers = [later.next() for _ in range(700)]
    used += [store.journal.intend(intent(msgid=numbers[-1]))]
    other.restore(tmp_path / "copy", RESTORED)
    again = MsgidSequence(other.journal, INSTITUTION, lambda: RESTORED - timedelta(hours=1))
    fresh = other.journal.intend(intent(msgid=again.next()))
    assert (fresh.msgid or "") > max(row.msgid or "" for row in used)
    assert (slot_of(fresh.msgid or "") or 0) // 10_000 == int(RESTORED.timestamp()) + AHEAD_S
    assert fresh.id > used[0].id + ID_LEAP


def test_a_copy_shows_one_moment(store: Store, other: Store, tmp_path: Path) -> None:
    """Writers go on: each row of the copy is whole, and those acknowledged before it began are there."""
    stop = threading.Event()
    moved = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        while not stop.is_set():
            row = store.journal.intend(intent(business_key=f"b{len(acknowledged)}"))
            store.journal.finish(row.id, outcome())
            acknowledged.append(row.id)
            moved.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = set(acknowledged)
            moved.clear()
            store.backup(tmp_path / f"copy{number}", TAKEN)
            copy = Copy(tmp_path / f"copy{number}")
            copy.verify(lambda _done, _total: None)
            rows = {table.name: [row for block in copy.rows(table) for row in block] for table in copy.manifest.tables}
            ids = {row["id"] for row in rows["exchange"]}
            assert before <= ids
            bodies = [row["exchange_id"] for row in rows["exchange_body"]]
            open_ids = {row["id"] for row in rows["exchange"] if row["state"] == "INTENDED"}
            assert sorted(bodies) == sorted([*ids, *ids, *(ids - open_ids)])
            assert {row["exchange_id"] for row in rows["busy"]} == open_ids
            assert moved.wait(30)
    finally:
        stop.set()
        writer.join(30)
    assert len(acknowledged) >= 5
    other.restore(tmp_path / "copy4", RESTORED)
    assert len(other.check()) == 1


def test_a_store_in_use_or_not_empty_is_not_replaced_by_mistake(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = _opened(kind, request, tmp_path)
    store.journal.record(intent(), outcome())
    store.backup(tmp_path / "copy", TAKEN)
    kept = store.journal.record(intent(), outcome())
    with pytest.raises(StoreError, match="不是空的（已有 2 笔交易）"):
        store.restore(tmp_path / "copy", RESTORED)
    assert store.journal.get(kept.id) == kept
    if kind == "postgresql":
        neighbour = open_store(store._backend._engine.url.render_as_string(False), node="n2")
        assert neighbour.journal.get(kept.id) == kept
        with pytest.raises(StoreError, match="还有网关或命令连着这个数据库（yibao n2）"):
            store.restore(tmp_path / "copy", RESTORED, replace=True)
        neighbour.close()
    store.restore(tmp_path / "copy", RESTORED, replace=True)
    assert store.journal.get(kept.id) is None
    assert len(store.journal.search(Query())) == 2
    store.close()


def test_a_file_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("something else")
    with pytest.raises(StoreError, match="已存在"):
        store.backup(tmp_path / "copy", TAKEN)
    with pytest.raises(StoreError, match=r"无法写入：.*目录|无法写入：No such"):
        store.backup(tmp_path / "no folder" / "copy", TAKEN)
    assert (tmp_path / "copy").read_text() == "something else"


def test_a_copy_of_an_older_version_is_brought_up_to_date(store: Store, other: Store, tmp_path: Path) -> None:
    """Taken by a program of today from tables of before."""

    def old_tables(connection: Connection) -> None:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        migrate(connection, "0002")
        columns = "id, infno, state, safety, client, msgid, received_at, finished_at, elapsed_ms"
        connection.execute(
            text(f"INSERT INTO exchange ({columns}) VALUES (7, '2304', 'CONFIRMED', 'money', 'his', 'm7', 1, 2, 3)")
        )

    store._backend.rewrite(old_tables)
    assert store.backup(tmp_path / "copy", TAKEN).revision == "0002"
    other.restore(tmp_path / "copy", RESTORED)
    row = other.journal.get(7)
    assert row is not None
    assert (row.infno, row.in_force, row.msgid) == ("2304", True, "m7")
    assert "有 1 笔已发送的交易缺少请求原文" in other.check()


def test_newer_than_the_program(store: Store, other: Store, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy", TAKEN)
    newer = "UPDATE alembic_version SET version_num = '9999'"
    store._backend.write(lambda connection: connection.execute(text(newer)) and None)
    with pytest.raises(StoreError, match="比程序新"):
        store.backup(tmp_path / "copy2", TAKEN)
    with pytest.raises(StoreError, match="比程序新"):
        store.restore(tmp_path / "copy", TAKEN, replace=True)
    with zipfile.ZipFile(tmp_path / "copy") as good, zipfile.ZipFile(tmp_path / "new", "w") as changed:
        for name in good.namelist():
            changed.writestr(name, good.read(name).replace(f'"{head()}"'.encode(), b'"9999"'))
    with pytest.raises(StoreError, match="比程序新"):
        other.restore(tmp_path / "new", TAKEN)


def test_restored_twice_the_gap_keeps_its_beginning(store: Store, other: Store, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy", TAKEN)
    store.restore(tmp_path / "copy", RESTORED, replace=True)
    store.backup(tmp_path / "copy2", RESTORED + timedelta(hours=1))
    other.restore(tmp_path / "copy2", RESTORED + timedelta(hours=2))
    gap = other.gap()
    assert gap is not None
    assert (gap.since, gap.until) == (TAKEN, RESTORED + timedelta(hours=2))


@pytest.fixture(scope="module")
def good_copy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    store = open_store(f"sqlite:///{folder / 'j.db'}", node="n1")
    store.upgrade()
    filled(store)
    store.backup(folder / "copy", TAKEN)
    store.close()
    return (folder / "copy").read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_copy_is_refused_or_means_the_same(data: st.DataObject, good_copy: bytes, tmp_path: Path) -> None:
    spoilt = bytearray(good_copy)
    if data.draw(st.booleans()):
        spoilt = spoilt[: data.draw(st.integers(0, len(spoilt) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "good").write_bytes(good_copy)
    (tmp_path / "spoilt").write_bytes(bytes(spoilt))
    try:
        copy = Copy(tmp_path / "spoilt")
        read = {table.name: list(copy.rows(table)) for table in copy.manifest.tables}
    except StoreError as error:
        assert str(tmp_path) in str(error)
        return
    good = Copy(tmp_path / "good")
    assert read == {table.name: list(good.rows(table)) for table in good.manifest.tables}


def test_a_copy_of_a_protected_store_holds_neither_keys_nor_what_they_protect(tmp_path: Path) -> None:
    keys = MemoryKeys()
    store = open_store(f"sqlite:///{tmp_path}/from.db", node="n1", keys=keys)
    store.upgrade()
    row = store.journal.intend(intent(keys=[("psn_name", "欧阳建国")], caller_request="欧阳建国".encode()))
    store.backup(tmp_path / "copy", TAKEN)
    store.close()
    with zipfile.ZipFile(tmp_path / "copy") as copy:
        raw = b"".join(copy.read(name) for name in copy.namelist())
    ring = keys.keyring
    for key in (*ring.data.values(), *ring.hash.values(), ring.fence, ring.audit):
        for form in (key.secret, key.secret.hex().encode(), base64.b64encode(key.secret)):
            assert form not in raw
    assert "欧阳建国".encode() not in raw
    assert base64.b64encode("欧阳建国".encode()) not in raw
    again = open_store(f"sqlite:///{tmp_path}/to.db", node="n1", keys=keys)
    again.upgrade()
    again.restore(tmp_path / "copy", RESTORED, replace=True)
    bodies = again.journal.bodies(row.id)
    assert bodies is not None
    assert bodies.caller_request == "欧阳建国".encode()
    again.close()


@pytest.mark.parametrize("cipher", list(Cipher))
def test_a_protected_store_comes_back_with_its_keys_only(cipher: Cipher, tmp_path: Path) -> None:
    """The copy holds what the store holds: sealed rows, and no key. What a restore writes is sealed like the rest."""
    keys = MemoryKeys(cipher)
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}", node="n1", keys=keys)
    store.upgrade()
    opened = store.journal.intend(intent(business_key="mdtrt_id:M1", keys=(("psn_no", "P-known-7"),)))
    settled = store.journal.intend(intent(business_key="mdtrt_id:M2", request_id="R2"))
    store.journal.finish(settled.id, outcome(err_msg="张三的答复"))
    store.backup(tmp_path / "copy", TAKEN)
    store.close()
    with zipfile.ZipFile(tmp_path / "copy") as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    keyring = keys.read()
    for secret in (
        b"P-known-7",
        "张三".encode(),
        *(key.secret for key in (*keyring.data.values(), *keyring.hash.values())),
    ):
        assert secret not in held

    other = open_store(f"sqlite:///{tmp_path / 'b.db'}", node="n1", keys=keys)
    other.restore(tmp_path / "copy", RESTORED)
    row = other.journal.get(opened.id)
    assert row is not None
    assert (row.state, row.keys, "由备份恢复" in row.err_msg) == (State.ESCALATED, (("psn_no", "P-known-7"),), True)
    assert [found.id for found in other.journal.search(Query(keys=[("psn_no", "P-known-7")]))] == [opened.id]
    line = Listed(f"{INSTITUTION}202611210930000001", "2304", (("mdtrt_id", "M3"),), "1.00", False)
    (taken,) = other.take_over(other.reconcile([line]), RESTORED, "张三")
    holder = other.journal.find_busy("mdtrt_id:M3")
    assert holder is not None
    assert holder.id == taken
    other.close_gap()
    other.journal.resolve(taken, outcome(State.CONFIRMED, platform_answer=None, proof_answer=b"{}"))
    with pytest.raises(Refused, match="平台已有这一笔"):
        other.after_restore("2304", ["mdtrt_id:M3"])
    other.close()

    stranger = open_store(f"sqlite:///{tmp_path / 'c.db'}", node="n1", keys=MemoryKeys(cipher))
    with pytest.raises(StoreError, match="不是加密此数据库的那一把"):
        stranger.restore(tmp_path / "copy", RESTORED)
    stranger.close()
