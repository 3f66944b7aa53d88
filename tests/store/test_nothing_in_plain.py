"""Whoever carries off the files of a protected store reads no name and no number in them."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.alerts import rules
from gateway.exchange.content import business_keys
from gateway.exchange.ports import JournalUnavailable, NodeFacts, Outcome, Proof, ProofKind, Query, State
from gateway.protect import Cipher, Guard, InUse, Keyring
from gateway.settings import AlertSettings
from gateway.stays.history import Adopted, Approved, Record, WardEvent
from gateway.stays.ports import StayFact, StayRef
from gateway.store import Store, open_store
from gateway.store.fees import FeeWork
from gateway.store.jobs import Ended, RunOutcome
from gateway.store.recon import Compared, NewCase, Part
from gateway.store.stay_feed import Episode, EpisodeQuery, WorkEntry
from gateway.store.tables import metadata
from gateway.store.vouchers import NewVoucher, Printed
from tests.pg import PgServer
from tests.protect.keys import MemoryKeys
from tests.store.samples import NOW, intent, outcome, refusal

PERSONAL = {
    "psn_name": "欧阳建国",
    "certno": "440102198001010013",
    "psn_no": "44000000001234567890",
    "mdtrt_cert_no": "A98765432",
    "card_sn": "SN-55667788",
    "mdtrt_id": "MDTRT-4711-0815",
    "ipt_no": "ZY-2026-000777",
    "setl_id": "SETL-31415926",
    "tel": "13812345678",
}
SAID = f"{PERSONAL['psn_name']}（{PERSONAL['certno']}，{PERSONAL['tel']}）与公安信息不一致"
"""As a platform answers."""


def _fill(store: Store) -> int:
    journal = store.journal
    keys = business_keys(PERSONAL)
    body = repr(PERSONAL)
    fact = StayFact(
        PERSONAL["mdtrt_id"], PERSONAL["ipt_no"], PERSONAL["psn_no"], PERSONAL["setl_id"], {"who": PERSONAL["psn_name"]}
    )
    row = journal.intend(
        intent(
            keys=keys,
            caller_request=body.encode("gb18030"),
            platform_request=body.encode(),
            business_key=f"mdtrt_id:{PERSONAL['mdtrt_id']}",
            content_hash="0123456789abcdef" * 4,
            stay=[fact],
            evidence=[Proof(ProofKind.RULES, NOW, PERSONAL["psn_name"])],
        )
    )
    told = {"err_msg": f"{PERSONAL['psn_name']}已停保", "warn_msg": PERSONAL["tel"], "platform_answer": body.encode()}
    journal.finish(row.id, outcome(State.IN_DOUBT, **told))
    query = Proof(ProofKind.QUERY, NOW, PERSONAL["psn_name"], "5201", "m", body.encode(), body.encode())
    journal.add_proof(row.id, query)
    journal.resolve(row.id, outcome(**told, keys=keys, stay=[fact], proof_answer=body.encode()), [query])
    journal.record(intent(msgid=None, platform_request=None, keys=keys, caller_request=body.encode()), refusal(**told))
    journal.intend(intent(keys=keys, business_key=f"new:{PERSONAL['psn_no']}:{PERSONAL['ipt_no']}"))
    event = WardEvent("E1", "ward_in", NOW, event_time="2026-03-01 10:05:40", reason=PERSONAL["psn_name"])
    journal.stays.tell(PERSONAL["ipt_no"], PERSONAL["mdtrt_id"], event, "his")
    journal.stays.keep(PERSONAL["ipt_no"], Record("diagnoses", 1, NOW, rows=(dict(PERSONAL),)), "his")
    ref = StayRef(PERSONAL["ipt_no"], PERSONAL["mdtrt_id"])
    journal.stays.adopt(ref, PERSONAL["psn_no"], Adopted("query", NOW, "5201", {"who": PERSONAL["psn_name"]}))
    journal.stays.approve(PERSONAL["ipt_no"], Approved("2026-03-01", NOW, "医保办"), {})
    store.his_marks.keep("ward_events", {"left": dict(PERSONAL)}, NOW)
    store.operator_log.append("张工", "journal.search", f"certno={PERSONAL['certno']}", f"tel={PERSONAL['tel']}")
    _fill_work(store, row.id)
    return row.id


def _fill_work(store: Store, exchange_id: int) -> None:
    """What is kept beside exchanges and stays: papers, fees that could not go, runs of jobs, differences, lists, alerts."""
    ipt_no, mdtrt_id, setl_id = PERSONAL["ipt_no"], PERSONAL["mdtrt_id"], PERSONAL["setl_id"]
    paper = NewVoucher(
        f"receipt:{setl_id}", "receipt", ipt_no, mdtrt_id, setl_id, "2026-03-01 08:00:00", dict(PERSONAL)
    )
    kept = store.vouchers.keep(paper, Printed(NOW, "收费员", "his", "html"), None)
    assert kept is not None
    store.vouchers.void(kept.number, NOW, "内容已变更，已另行打印")
    work = FeeWork(mdtrt_id, ipt_no, waiting=1, bad=1, left=[{"row": dict(PERSONAL), "why": SAID}], note=SAID)
    store.fees.keep(work, NOW)
    store.remarks.add(StayRef(ipt_no, mdtrt_id), SAID, "李敏（li）", NOW)
    store.fees.choose([StayRef(ipt_no, mdtrt_id)], "upload", NOW)
    claimed = store.nodes.claim("n", None, NodeFacts(), NOW, Outcome(State.IN_DOUBT, NOW))
    assert claimed is not None
    begun = store.jobs.begin("fee_upload", claimed[0], NOW, begun_by="schedule")
    assert begun is not None
    store.jobs.finish(begun, Ended(RunOutcome.FAILED, {"失败": 1}, SAID, {"left": [dict(PERSONAL)]}), NOW)
    store.jobs.note("fee_upload", "n", RunOutcome.MISSED, NOW, SAID)
    case = NewCase("amount", "440800", "11", "", exchange_id, f"setl:{setl_id}", {"cause": SAID, **PERSONAL})
    store.recon.keep(Compared("2026-03-01", [_failed("2026-03-01")], [case], lambda _: False), NOW)
    store.callbacks.add("f" * 64, "6302", exchange_id, NOW)
    episode = Episode(ipt_no, mdtrt_id, PERSONAL["psn_no"], "registered", "differs", "none", setl_id=setl_id)
    store.stay_feed.begin("episodes", 1, "", [episode])
    store.stay_feed.set_work(WorkEntry(mdtrt_id, ipt_no, PERSONAL["psn_no"], "", "", "GW-3000", SAID, "", 1, NOW))
    # an alert is made of counts and titles; the sentence of the job that failed stays with its run
    found = [
        *rules.of_jobs([("fee_upload", "住院费用上传", SAID)]),
        *rules.of_doubts(AlertSettings(), 1, 90, 1),
        *rules.of_dip(3),
    ]
    assert len(store.alerts.settle(found, set(rules.RULES), "n", NOW).raised) == 5


def _shown(store: Store) -> list[object]:
    journal = store.journal
    rows = journal.search(Query())
    found: list[object] = [*rows, *(journal.bodies(row.id) for row in rows), *(journal.proofs(row.id) for row in rows)]
    known = journal.stays.known(StayRef(PERSONAL["ipt_no"]))
    found.append(store.his_marks.find("ward_events"))
    found += store.recon.parts("2026-03-01", "2026-03-01") + store.recon.cases("2026-03-01", "2026-03-01")
    found += [
        store.jobs.history(),
        store.fees.of([PERSONAL["mdtrt_id"]]),
        store.remarks.of([StayRef(PERSONAL["ipt_no"], PERSONAL["mdtrt_id"])]),
        store.vouchers.of_stay([PERSONAL["ipt_no"]], ""),
    ]
    found += [
        store.stay_feed.episodes(EpisodeQuery(ipt_no=PERSONAL["ipt_no"])),
        store.stay_feed.work(),
        store.alerts.open(),
    ]
    return [*found, dataclasses.asdict(known.history), known.versions]


def _bytes_in(folder: Path) -> bytes:
    found = b""
    for path in sorted(folder.iterdir()):
        # a server that looks after itself renames a file now and then while it is looked at
        with suppress(FileNotFoundError):
            found += path.read_bytes() if path.is_file() and "lock" not in path.name else b""
    return found


def _readable(folder: Path) -> set[str]:
    """What of the person stands in any file, in any charset."""
    raw = _bytes_in(folder)
    return {
        value
        for value in [*PERSONAL.values(), "0123456789abcdef" * 2, "与公安信息不一致"]
        for charset in ("utf-8", "gb18030", "utf-16-le")
        if value.encode(charset) in raw
    }


@pytest.mark.parametrize("suite", list(Cipher))
def test_the_files_hold_nothing_in_plain(tmp_path: Path, suite: Cipher) -> None:
    store = open_store(f"sqlite:///{tmp_path}/j.db", node="n", keys=MemoryKeys(suite))
    store.upgrade()
    _fill(store)
    assert (tmp_path / "j.db-wal").stat().st_size > 0
    assert _readable(tmp_path) == set()
    for kind, value in business_keys(PERSONAL):
        assert len(store.journal.search(Query(keys=[(kind, value)]))) == 3, kind
    store.close()
    assert _readable(tmp_path) == set()


def test_the_files_of_postgresql_hold_nothing_in_plain(pg_server: PgServer) -> None:
    url = pg_server.fresh()
    store = open_store(url, node="n", keys=MemoryKeys())
    store.upgrade()
    _fill(store)
    before = _shown(store)
    store.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        found = connection.execute(
            "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
        )
        data, number = found.fetchone() or ("", 0)
    folder = Path(data) / "base" / str(number)
    assert b"fee_upload" in _bytes_in(folder), "the rows are in the files"
    assert _readable(folder) == set()
    assert SAID in repr(before)


def test_without_keys_they_would(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/j.db", node="n")
    store.upgrade()
    _fill(store)
    store.close()
    assert _readable(tmp_path) >= {PERSONAL[name] for name in ("psn_name", "certno", "mdtrt_id", "ipt_no", "card_sn")}


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_what_is_known_of_stays_comes_under_keys_with_the_rest(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/j.db" if name == "sqlite" else request.getfixturevalue("pg_url")
    plain = open_store(url, node="n")
    plain.upgrade()
    _fill(plain)
    before = _shown(plain)
    plain.close()
    keys = MemoryKeys()
    store = open_store(url, node="n", keys=keys)
    store.upgrade()
    assert _shown(store) == before
    store.resealing.nobody_else_writes()
    while store.resealing.step() is not None:
        pass
    assert _shown(store) == before
    keys.grow()
    store.resealing.rotate(data=True, hashes=True)
    while store.resealing.step() is not None:
        pass
    assert _shown(store) == before
    tables = sorted(set(metadata.tables) - {"operator_log"})  # what was written in plain there stays as it is chained
    raw = store._backend.read(
        lambda connection: repr([connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables])
    )
    assert [value for value in [*PERSONAL.values(), SAID] if value in raw] == []
    versions = store._backend.read(
        lambda connection: [
            bytes(row[0])[:3]
            for table in tables
            if "packed" in metadata.tables[table].columns and table != "exchange_body"
            for row in connection.execute(text(f"SELECT packed FROM {table} WHERE packed IS NOT NULL"))
        ]
    )
    assert set(versions) == {b"\x01\x00\x02"}
    store.close()


@pytest.mark.parametrize("by", ["the next run", "new keys"])
def test_words_about_a_day_that_an_older_program_kept_in_plain_are_sealed(tmp_path: Path, by: str) -> None:
    keys = MemoryKeys()
    store = open_store(f"sqlite:///{tmp_path}/j.db", node="n", keys=keys)
    store.upgrade()
    store.recon.keep(Compared("2026-03-01", [_failed("2026-03-01")], [], lambda _: False), NOW)
    older = "UPDATE recon_day SET told = :told, packed = NULL"
    store._backend.write(lambda connection: connection.execute(text(older), {"told": SAID}))
    (before,) = store.recon.parts("2026-03-01", "2026-03-01")
    if by == "the next run":
        store.recon.keep(Compared("2026-03-02", [_failed("2026-03-02")], [], lambda _: False), NOW)
    else:
        keys.grow()
        store.resealing.nobody_else_writes()
        store.resealing.rotate(data=True, hashes=False)
        while store.resealing.step() is not None:
            pass
    kept = store._backend.read(lambda connection: connection.execute(text("SELECT told, packed FROM recon_day")).all())
    assert {row.told for row in kept} == {None}
    assert {bytes(row.packed)[:1] for row in kept} == {b"\x01"}
    assert store.recon.parts("2026-03-01", "2026-03-01") == [before]
    assert before.told == SAID
    store.close()


def _failed(day: str) -> Part:
    return Part(day, "total", "440800", "310", "11", "failed", 1, 1, 1, 0, 0, SAID, None, NOW)


def test_bodies_cannot_be_swapped(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/j.db", node="n", keys=MemoryKeys())
    store.upgrade()
    first, second = (store.journal.intend(intent(caller_request=b"x" * 20)).id for _ in range(2))
    store.close()
    with closing(sqlite3.connect(tmp_path / "j.db")) as raw, raw:
        swap = "UPDATE exchange_body SET packed = (SELECT packed FROM exchange_body WHERE exchange_id = ? AND kind = ?)"
        raw.execute(f"{swap} WHERE exchange_id = ? AND kind = ?", (first, "caller_request", second, "caller_request"))
    again = open_store(f"sqlite:///{tmp_path}/j.db", node="n", keys=store._keys.source)
    assert again.journal.bodies(first) is not None
    with pytest.raises(JournalUnavailable, match="被调换"):
        again.journal.bodies(second)
    again.close()


RINGS = {suite: Guard(Keyring.new(suite), InUse(1, 1, (1,))) for suite in Cipher}


@given(st.sampled_from(list(Cipher)), st.text(max_size=64))
def test_a_token_is_the_same_for_the_same_text_and_opens(suite: Cipher, plain: str) -> None:
    guard = RINGS[suite]
    token = guard.token(plain)
    assert token == guard.token(plain)
    assert guard.untoken(token) == plain
    assert len(plain) < 4 or plain not in token
    assert guard.untoken(plain) == plain
    assert len(guard.token("x" * 64)) <= 400
