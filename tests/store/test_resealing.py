"""A store comes under keys, and from key to key, while it serves: nothing is lost from sight at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.exchange.ports import Busy, InForce, JournalUnavailable, Proof, ProofKind, Query, State
from gateway.protect import Cipher
from gateway.store import Store, StoreError, open_store
from gateway.store.resealing import Resealing
from tests.protect.keys import MemoryKeys
from tests.store.samples import LATER, NOW, intent, outcome

PERSON = "440102198001010013"
NAME = "欧阳建国"
BUSY = "mdtrt_id:M-4711"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'j.db'}"
    given: str = request.getfixturevalue("pg_url")
    return given


Opening = Callable[[MemoryKeys | None], Store]


@pytest.fixture
def opening(url: str) -> Iterator[Opening]:
    stores: list[Store] = []

    def open_(keys: MemoryKeys | None) -> Store:
        if stores and url.startswith("sqlite"):
            stores.pop().close()
        stores.append(open_store(url, node=f"n{len(stores)}", keys=keys))
        stores[-1].upgrade()
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def finish(store: Store) -> Resealing:
    """Do all of it, without waiting for writers that do not exist."""
    work = Resealing(store.resealing._backend, store._keys, grace_s=0)
    for _ in range(500):
        if work.step() is None:
            return work
    raise AssertionError(work.progress())


def confirmed(store: Store, number: int) -> int:
    keys = [("certno", PERSON), ("psn_name", NAME), ("mdtrt_id", f"M{number}")]
    row = store.journal.intend(
        intent(keys=keys, caller_request=f"<r>{NAME}{PERSON}</r>".encode(), business_key=f"mdtrt_id:M{number}")
    )
    store.journal.finish(row.id, outcome(err_msg=f"{NAME}的卡", keys=[("setl_id", f"S{number}")]))
    return row.id


def doubtful(store: Store) -> int:
    row = store.journal.intend(intent(business_key=BUSY, content_hash="d" * 64))
    store.journal.finish(row.id, outcome(State.IN_DOUBT))
    store.journal.add_proof(row.id, Proof(ProofKind.QUERY, NOW, f"{NAME} 在院", "5201", "m", b"{}", NAME.encode()))
    return row.id


def everything(store: Store) -> list[object]:
    rows = store.journal.search(Query(limit=1000))
    found: list[object] = [replace(row, tries=0) for row in rows]
    for row in rows:
        found += [store.journal.bodies(row.id), store.journal.proofs(row.id)]
    return found


def contents(store: Store) -> str:
    """Every value of every table, as whoever opens the database sees them."""

    def job(connection: object) -> str:
        tables = ("exchange", "exchange_body", "exchange_key", "busy", "proof", "request_key")
        return repr([connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables])  # type: ignore[attr-defined]

    return store._backend.read(job)


def test_what_was_written_in_plain_comes_under_keys(opening: Opening) -> None:
    plain = opening(None)
    ids = [confirmed(plain, number) for number in range(1, 4)]
    doubt = doubtful(plain)
    before = everything(plain)
    assert PERSON in contents(plain)

    store = opening(MemoryKeys())
    # both forms at once
    assert everything(store) == before
    ids.append(confirmed(store, 4))
    found = [row.id for row in store.journal.search(Query(keys=[("certno", PERSON)]))]
    assert found == ids[::-1]
    with pytest.raises(Busy):
        store.journal.intend(intent(business_key=BUSY, content_hash="e" * 64))
    before = everything(store)

    work = finish(store)
    progress = work.progress()
    assert progress is not None
    assert progress.finished
    assert everything(store) == before
    shown = contents(store)
    assert not [secret for secret in (PERSON, NAME, BUSY, "M-4711", "c" * 64) if secret in shown]
    assert [row.id for row in store.journal.search(Query(keys=[("certno", PERSON)]))] == ids[::-1]
    assert {row.state for row in store._keys.stored() if row.version == 0} == {"gone"}
    holder = store.journal.find_busy(BUSY)
    assert holder is not None
    assert holder.id == doubt
    with pytest.raises(Busy):
        store.journal.intend(intent(business_key=BUSY, content_hash="e" * 64))
    store.journal.resolve(doubt, outcome(), [Proof(ProofKind.DECISION, LATER, "查明")])
    assert store.journal.find_busy(BUSY) is None


def test_a_process_without_keys_does_not_write_beside_one_with(opening: Opening, url: str) -> None:
    plain = opening(None)
    if url.startswith("sqlite"):
        opening(MemoryKeys())
        with pytest.raises(StoreError, match=r"\[protect\] keys"):
            opening(None)
        return
    opening(MemoryKeys())
    with pytest.raises(JournalUnavailable, match="没有密钥"):
        plain.journal.intend(intent())


def test_keys_rotate_while_others_write_and_search(opening: Opening, url: str) -> None:
    keys = MemoryKeys(Cipher.SM4)
    store = opening(keys)
    first = [confirmed(store, number) for number in range(150)]
    before = [(store.journal.get(number), store.journal.bodies(number)) for number in first]
    other = store if url.startswith("sqlite") else open_store(url, node="other", keys=keys)
    stop, written, failed = threading.Event(), list(first), []

    def write() -> None:
        number = 1000
        while not stop.is_set():
            number += 1
            written.append(confirmed(other, number))

    def search() -> None:
        while not stop.is_set():
            known = set(written)
            for at in (store, other):
                found = {row.id for row in at.journal.search(Query(keys=[("certno", PERSON)], limit=1000))}
                if not known <= found:
                    failed.append(known - found)

    threads = [threading.Thread(target=work) for work in (write, search)]
    for thread in threads:
        thread.start()
    try:
        keys.grow()
        store.resealing.rotate(data=True, hashes=True)
        work = finish_while_writing(store)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    work = finish(store)
    assert work.progress().finished  # type: ignore[union-attr]
    found = {row.id for row in store.journal.search(Query(keys=[("certno", PERSON)], limit=1000))}
    assert found == set(written)
    kept = [(store.journal.get(number), store.journal.bodies(number)) for number in first]
    assert kept == before
    versions = store._backend.read(
        lambda connection: connection.execute(
            text(
                "SELECT key_version, 0 FROM exchange UNION SELECT key_version, 1 FROM exchange_body"
                " UNION SELECT hash_version, 2 FROM exchange_key"
            )
        ).all()
    )
    assert sorted(tuple(row) for row in versions) == [(2, 0), (2, 1), (2, 2)]
    assert {(row.purpose, row.version): row.state for row in store._keys.stored()} == {
        ("audit", 1): "written", ("data", 1): "gone", ("data", 2): "written", ("fence", 1): "written",
        ("hash", 0): "gone", ("hash", 1): "gone", ("hash", 2): "written",
    }  # fmt: skip
    if other is not store:
        other.close()


def finish_while_writing(store: Store) -> Resealing:
    """Some passes: while others write with keys they took up before, there is always something left."""
    work = Resealing(store.resealing._backend, store._keys, grace_s=0)
    for _ in range(20):
        if work.step() is None:
            break
    return work


def test_it_goes_on_where_another_process_stopped(opening: Opening) -> None:
    keys = MemoryKeys()
    store = opening(keys)
    for number in range(250):
        confirmed(store, number)
    before = everything(store)
    finish(store)
    keys.grow(hashes=False)
    store.resealing.rotate(data=True, hashes=False)
    work = Resealing(store.resealing._backend, store._keys, grace_s=0)
    for _ in range(3):
        assert work.step() == 0
    half = work.progress()
    assert half is not None
    assert (half.done, half.total, half.finished) == (200, 250, False)
    again = opening(keys)
    seen = again.resealing.progress()
    assert seen is not None
    assert seen.done == 200
    assert finish(again).progress().finished  # type: ignore[union-attr]
    assert everything(again) == before


def test_older_keys_stay_in_use_until_no_writer_can_have_them(opening: Opening) -> None:
    keys, now = MemoryKeys(), [1000.0]
    store = opening(keys)
    confirmed(store, 1)
    finish(store)
    keys.grow()
    store.resealing.rotate(data=True, hashes=True)
    work = Resealing(store.resealing._backend, store._keys, lambda: now[0], grace_s=180)
    while (due := work.step()) == 0:
        pass
    assert due == 5.0
    assert ("hash", 1, "read") in [(row.purpose, row.version, row.state) for row in store._keys.stored()]
    now[0] += 181
    while (due := work.step()) is not None:
        assert due == 0
    assert ("hash", 1, "gone") in [(row.purpose, row.version, row.state) for row in store._keys.stored()]


def test_rotation_needs_a_newer_key(opening: Opening) -> None:
    store = opening(MemoryKeys())
    with pytest.raises(StoreError, match="keys add"):
        store.resealing.rotate(data=True, hashes=True)


def test_a_store_without_keys_has_nothing_to_do(opening: Opening) -> None:
    store = opening(None)
    assert store.resealing.progress() is None
    assert store.resealing.step() is None
    with pytest.raises(StoreError, match=r"\[protect\] keys"):
        store.resealing.rotate(data=True, hashes=True)


def test_a_process_that_lacks_the_new_keys_says_so_instead_of_missing_rows(opening: Opening, url: str) -> None:
    keys = MemoryKeys()
    store = opening(keys)
    confirmed(store, 1)
    behind = MemoryKeys()
    behind.keyring = keys.keyring
    other = open_store(url, node="behind", keys=behind, read_only=True)
    keys.grow()
    store.resealing.rotate(data=True, hashes=True)
    confirmed(store, 2)
    for ask in (
        lambda: other.journal.search(Query(keys=[("certno", PERSON)])),
        lambda: other.journal.search(Query()),
    ):
        with pytest.raises(JournalUnavailable, match="版本 2"):
            ask()
    behind.keyring = keys.keyring
    assert len(other.journal.search(Query(keys=[("certno", PERSON)]))) == 2
    other.close()


def test_the_same_is_found_in_force_in_both_forms(opening: Opening) -> None:
    plain = opening(None)
    row = plain.journal.intend(intent(business_key="mdtrt_id:M7", once=True))
    plain.journal.finish(row.id, outcome())
    store = opening(MemoryKeys())
    for _ in range(2):
        found = store.journal.find_same("2304", "mdtrt_id:M7", "c" * 64)
        assert found is not None
        assert found.id == row.id
        with pytest.raises(InForce):
            store.journal.intend(intent(business_key="mdtrt_id:M7", once=True))
        finish(store)
