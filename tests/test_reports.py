"""The process of long reports: it says what the gateway itself would, gives way, and is begun again when it dies."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.commands.serve import own_command
from gateway.exchange.ports import JournalUnavailable
from gateway.http.get_api import written
from gateway.http.stays_api import StayPages
from gateway.reports import Reports
from gateway.reviews import Reviews
from gateway.rules.policy import Policy
from gateway.store import Store, open_store
from gateway.store.stay_feed import Episode
from tests.running import house
from tests.sqlite import new_sqlite

CONFIG = """\
production = false
[institution]
code = "H44080000001"
name = "演示医院"
area = "440800"
[platform]
province = "national"
url = "http://127.0.0.1:1"
[store]
url = "{url}"
[console]
nice = 7
[log]
file = "{folder}/reports.log"
[[clients]]
name = "his"
open = true
"""
MONTH = {"ward_from": "2026-10-01", "ward_before": "2026-11-01", "hours_from": "1", "limit": "5000"}
STAYS = [
    Episode(f"Z{n}", f"M{n}", f"P{n}", "left", "same", "settled", t_ward=f"2026-10-0{n} 10:05", t_wout="2026-10-20 18:30")
    for n in range(1, 9)
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    url = new_sqlite(folder / "yibao.db")
    (folder / "gateway.toml").write_text(CONFIG.format(url=url, folder=folder), encoding="utf-8")
    store = open_store(url, node="n1")
    store.upgrade()
    store.stay_feed.begin("episode_time", 0, "mark", STAYS)
    yield store
    store.close()


@pytest.fixture(scope="module")
def reports(folder: Path, store: Store) -> Iterator[Reports]:
    assert store.current()
    reports = Reports(own_command("reports", folder / "gateway.toml"))
    yield reports
    reports.close()


def test_it_says_what_this_process_would(store: Store, reports: Reports) -> None:
    reviews = Reviews(store.stay_feed, store.journal.stays, Policy(), clock.now)
    pages = StayPages(store.stay_feed, reviews)
    for name, given in (("review", MONTH), ("list", {"limit": "3", "order": "t_ward"})):
        assert reports.answer(name, given) == written(pages.answers[name](given))
    assert len(json.loads(reports.answer("review", MONTH))["stays"]) == len(STAYS)


def test_it_gives_way(reports: Reports) -> None:
    reports.answer("list", {})
    assert reports._process is not None
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, reports._process.pid) == min(mine + 7, 19)


def test_one_that_dies_or_fails_is_told_and_the_next_question_answered(reports: Reports) -> None:
    with pytest.raises(JournalUnavailable, match="KeyError"):
        reports.answer("no such report", {})
    before = reports._process
    assert before is not None
    before.kill()
    before.wait(30)
    assert json.loads(reports.answer("list", {}))["infcode"] == 0
    assert reports._process is not before


def test_a_report_that_takes_too_long_is_given_up() -> None:
    silent = Reports([sys.executable, "-c", "import sys; sys.stdin.read()"], answer_s_max=0.2)
    with pytest.raises(JournalUnavailable, match="did not answer"):
        silent.answer("list", {})
    silent.close()


def test_a_month_goes_to_it_and_a_page_does_not(tmp_path: Path) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def long(name: str, given: dict[str, str]) -> bytes:
        asked.append((name, given))
        return b'{"infcode":0,"stays":[]}'

    with house(tmp_path) as running:
        running.gateway.reports = Reports(["no-such-program"])
        running.gateway.reports.answer = long  # type: ignore[method-assign]  # what it is asked, nothing else
        for query in ("review?limit=200", "review?hours_from=1", "list?limit=201", "list"):
            assert running.http(f"/api/v1/stays/{query}", REQUEST_METHOD="GET").status == 200
        assert running.http("/api/v1/stays/list?limit=many", REQUEST_METHOD="GET").status == 400
    assert asked == [("review", {"hours_from": "1"}), ("list", {"limit": "201"})]
