"""The journal that ``make bench-search`` builds, small: every search goes by an index and finds what it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.search.ask import Times, ask, plans, writing
from bench.search.fill import BATCH, fill
from bench.search.questions import questions
from bench.search.rows import Past, person
from gateway.exchange.ports import Query
from gateway.protect import Cipher, KeyFile, new_file
from gateway.store import open_store
from tests.pg import PgServer

PAST = Past(20_000)
QUESTIONS = questions(PAST)
_NOWHERE = {"key unknown"}


@pytest.fixture(scope="module")
def built(pg_server: PgServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, KeyFile]:
    url = pg_server.fresh()
    keys = new_file(tmp_path_factory.mktemp("search") / "keys.toml", Cipher.AES)
    with pytest.raises(InterruptedError):
        fill(url, keys, PAST, _interrupted)
    store = open_store(url, node="n1", keys=keys)
    assert [row.id for row in store.journal.search(Query(limit=1))] == [BATCH]
    store.close()
    fill(url, keys, PAST)
    return url, keys


def _interrupted(done: int) -> None:
    raise InterruptedError(done)


def test_no_search_reads_the_whole_journal(built: tuple[str, KeyFile]) -> None:
    for name, plan in plans(*built, QUESTIONS, analyze=False).items():
        assert "Seq Scan" not in plan, f"{name}\n{plan}"


def test_what_is_asked_for_is_found_and_opens(built: tuple[str, KeyFile]) -> None:
    url, keys = built
    store = open_store(url, node="n1", keys=keys)
    for name in (name for name in QUESTIONS if name.startswith(("key ", "msgid", "popular certno"))):
        asked = QUESTIONS[name](1)
        found = store.journal.search(asked)
        assert bool(found) is (name not in _NOWHERE), name
        assert all(set(asked.keys) <= set(row.keys) for row in found), name
    store.close()


def test_a_popular_patient_has_many_rows_and_the_number_of_rows_is_right(built: tuple[str, KeyFile]) -> None:
    url, keys = built
    store = open_store(url, node="n1", keys=keys)
    assert len(store.journal.search(Query(keys=[("psn_no", person("psn_no", 0))], limit=1000))) > 150
    assert [row.id for row in store.journal.search(Query(limit=1))] == [PAST.rows]
    store.close()


def test_it_is_measured_while_another_process_writes(built: tuple[str, KeyFile], tmp_path: Path) -> None:
    url, keys = built
    (key_file := tmp_path / "keys.toml").write_text(keys.read().text(), encoding="utf-8")
    key_file.chmod(0o600)
    times, asked = Times(), {"popular psn_no": QUESTIONS["popular psn_no"]}
    with writing(url, key_file, 50, times):
        ask(url, keys, asked, range(3), times, lambda: None)
    assert len(times.of["popular psn_no"]) == 3
    assert times.written > 0
