"""A catalog from the platform into the store: what goes right, every way in which a file can be wrong, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.catalogs import service
from gateway.catalogs.service import CannotUpdate, Policy, infnos_of
from gateway.store.catalogs import Version
from tests.catalogs.kit import CATALOGS, Library, counts, lenient

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path)
    yield opened
    opened.close()


class Stop(Exception):
    """Stands for whatever ends a run from outside."""


def stopping_at(text: str, after: int = 0) -> service.Told:
    def told(what: str, done: int, _total: int) -> None:
        if what.endswith(text) and done >= after:
            raise Stop

    return told


def test_every_catalog_of_the_tables_is_taken_in(library: Library) -> None:
    for infno in CATALOGS:
        (version,) = library.update(infno).versions
        assert counts(version) == (12, 0, 0, 0), infno
        assert version.notes == ()
    assert len(library.store.catalogs.held()) == len(CATALOGS) == 28
    asked = {entry.infno for entry in library.store.journal.search(service_query())}
    assert asked == {*CATALOGS, "9102"}, "everything went through the exchange"


def service_query() -> object:
    from gateway.exchange.ports import Query

    return Query(client=service.OURSELVES.name, limit=1000)


@pytest.mark.parametrize("infno", ["1301", "1312"])
def test_a_new_edition_adds_changes_and_withdraws(library: Library, infno: str) -> None:
    library.update(infno)
    before = library.names(infno)
    told = library.publish(infno)
    (version,) = library.update(infno).versions
    assert counts(version)[:3] == (2, 1, 1)
    found = {now.key: (now.change, was) for now, was in library.store.catalogs.changes(version)}
    assert {key: change for key, (change, _) in found.items()} == {
        told["changed"]: "changed",
        told["withdrawn"]: "withdrawn",
        f"{infno}-00000013": "added",
        f"{infno}-00000014": "added",
    }
    was = found[told["changed"]][1]
    assert was is not None
    assert was.name in before - library.names(infno)
    assert library.update(infno).versions == (), "asked again, there is nothing newer"
    held = library.store.catalogs.one(infno)
    assert held is not None
    assert (held.told, held.failed) == ("没有更新", False)


def test_it_asks_on_until_there_is_nothing_newer(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform may give one edition at a time."""
    from gateway.simulator.catalogs import Book

    library.publish("1305")
    library.publish("1305")
    since = Book.since

    def one_at_a_time(book: Book, ver: str) -> dict[str, dict[str, str]]:
        newer = since(book, ver)
        first = min((row["ver"] for row in newer.values()), default="")
        return {rid: row for rid, row in newer.items() if row["ver"] == first}

    monkeypatch.setattr(Book, "since", one_at_a_time)
    done = library.update("1305")
    assert [version.ver for version in done.versions] == ["F001_20260105_A", "F002_20260204_A", "F003_20260306_A"]
    assert [version.based_on for version in done.versions] == ["0", *[one.ver for one in done.versions[:2]]]


WRONG = {
    "bad-row": "第 4 行有 72 列，而文件首行有 71 列",
    "bad-flag": r"第 4 行 第 68 列 vali_flag（有效标志）应为 1 或 0，现为 '有效'",
    "shifted": "可能错列",
    "columns": "文件每行 35 列，应为 71 列",
    "cut-zip": "压缩文件已损坏或不完整",
    "gbk": "第 1 行不是 UTF-8",
    "fewer": "文件有 4 行，平台说有 9 行",
    "empty": "文件有 0 行，平台说有 4 行",
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_file_is_told_and_leaves_the_old_version_in_force(library: Library, how: str) -> None:
    library.update("1306")
    old, names = library.in_force("1306"), library.names("1306")
    library.publish("1306")
    library.break_next("1306", how)
    with pytest.raises(CannotUpdate, match=WRONG[how]):
        library.update("1306")
    assert (library.in_force("1306"), library.names("1306")) == (old, names)
    held = library.store.catalogs.one("1306")
    assert held is not None
    assert held.failed
    assert library.store.catalogs.unfinished() == []
    assert counts(library.update("1306").versions[0]) == (2, 1, 1, 0), "the next, whole file is taken"


def test_wrong_records_may_be_left_out_and_are_told(tmp_path: Path) -> None:
    library = Library(tmp_path, lenient(1))
    library.update("1306")
    library.publish("1306")
    library.break_next("1306", "bad-row")
    (version,) = library.update("1306").versions
    assert sum(counts(version)) == 3
    assert "略去 1 行：第 4 行有 72 列" in version.notes[0]
    library.close()


def test_columns_at_the_end_are_told_or_refused(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.break_next("1307", "extra")
    (version,) = library.update("1307").versions
    assert version.notes == ("文件每行 26 列，比所知的 24 列多 2 列：末尾多出的没有保存",)
    assert len(version.columns) == 24
    library.close()
    strict = Library(tmp_path, Policy(service.Tolerance(other_columns="refuse")))
    strict.publish("1308")
    strict.break_next("1308", "extra")
    with pytest.raises(CannotUpdate, match=r"文件每行 26 列，应为 24 列.*provinces"):
        strict.update("1308")
    strict.close()


@pytest.mark.parametrize("place", ["询问平台", "下载", "检查文件", "启用"])
def test_a_run_that_is_stopped_anywhere_shows_nothing_and_the_next_goes_on(library: Library, place: str) -> None:
    library.update("1301")
    old = library.in_force("1301")
    library.publish("1301")
    with pytest.raises(Stop):
        library.update("1301", stopping_at(place))
    assert library.in_force("1301") == old
    assert library.names("1301") == {one.name for one in library.store.catalogs.search("1301", "", limit=99)}
    (version,) = library.update("1301").versions
    assert counts(version) == (2, 1, 1, 0)
    assert library.store.catalogs.unfinished() == []


def test_it_goes_on_where_it_stopped_from_the_same_file(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 5)
    library.publish("1302", rows=20)
    with pytest.raises(Stop):
        library.update("1302", stopping_at("导入", after=10))
    (begun,) = library.store.catalogs.unfinished()
    assert begun.lines_done == 10
    assert library.in_force("1302") is None
    sent = library.hospital.line.count("9102")
    done = library.update("1302")
    assert library.hospital.line.count("9102") == sent, "the file on the shelf was enough"
    assert (counts(done.versions[0]), done.versions[0].id) == ((34, 0, 0, 0), begun.id)


def test_without_its_file_what_was_begun_is_taken_back(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 1)
    library.update("1302")
    library.publish("1302")
    with pytest.raises(Stop):
        library.update("1302", stopping_at("导入", after=3))
    (begun,) = library.store.catalogs.unfinished()
    path = library.shelf.find(begun.sha256)
    assert path is not None
    path.unlink()
    (version,) = library.update("1302").versions
    assert counts(version) == (2, 1, 1, 0)
    assert {one.ver for one in library.store.catalogs.versions("1302")} == {"F001_20260105_A", "F002_20260204_A"}


def test_a_killed_process_leaves_the_old_version_and_the_next_goes_on(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from gateway.catalogs import service
from tests.catalogs.kit import Library
service.BATCH = 4
library = Library(Path({str(tmp_path)!r}))
library.update("1301")
library.publish("1301", rows=10)
def told(what, done, total):
    if what.endswith("导入") and done >= 8:
        os.kill(os.getpid(), signal.SIGKILL)
library.update("1301", told)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": "."},
        timeout=100,
        capture_output=True,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    library = Library(tmp_path)
    old = library.in_force("1301")
    assert old is not None
    assert (old.ver, len(library.names("1301"))) == ("F001_20260105_A", 12)
    (begun,) = library.store.catalogs.unfinished()
    assert begun.lines_done == 8
    library.publish("1301", rows=10)  # this simulator is a new one
    version = library.update("1301").versions[0]
    assert (version.id, counts(version)) == (begun.id, (12, 1, 1, 0))
    assert library.store.check() == []
    library.close()


def test_a_whole_catalog_withdraws_what_it_does_not_name(library: Library) -> None:
    library.update("1307")
    book = library.simulator._ledger.catalogs["1307"]
    gone = book.editions[0].rows.popitem()[0]
    assert library.update("1307").versions == ()
    (version,) = library.update("1307", whole=True).versions
    assert (version.whole, counts(version)) == (True, (0, 0, 1, 11))
    ((now, was),) = library.store.catalogs.changes(version)
    assert (now.key, now.change, now.valid, was is not None and was.valid) == (gone, "withdrawn", False, True)
    book.editions[0].rows[gone] = dict(now.values) | {"vali_flag": "1"}
    (again,) = library.update("1307", whole=True).versions
    assert counts(again)[:3] == (0, 1, 0), "what comes back is in force again"


def test_a_part_of_a_catalog_does_not_pass_for_the_whole(library: Library) -> None:
    library.update("1307")
    rows = library.simulator._ledger.catalogs["1307"].editions[0].rows
    for rid in list(rows)[:4]:
        del rows[rid]
    with pytest.raises(CannotUpdate, match=r"没有的有 4 条，占现有 12 条的 33%"):
        library.update("1307", whole=True)
    assert len(library.names("1307")) == 12
    assert library.store.catalogs.unfinished() == []


def test_a_query_is_read_page_by_page(tmp_path: Path) -> None:
    library = Library(tmp_path, c1312={"page_size": 5})
    library.publish("1312", rows=11)
    sent = library.hospital.line.count("1312")
    (version,) = library.update("1312").versions
    assert (version.added, version.ver) == (25, "2026-02-04")
    assert library.hospital.line.count("1312") - sent == 5
    library.close()


def test_pages_that_do_not_fit_together_are_not_taken(tmp_path: Path) -> None:
    library = Library(tmp_path, c1317={"page_size": 5})
    library.update("1317")
    library.publish("1317")

    def meanwhile(request: object) -> None:
        rows = library.simulator._ledger.catalogs["1317"].editions[0].rows
        if getattr(request, "infno", "") == "1317" and len(rows) > 6:
            rows.popitem()

    library.hospital.line.meanwhile = meanwhile
    with pytest.raises(CannotUpdate, match="翻页期间平台的数据变了"):
        library.update("1317", whole=True)
    library.close()


def test_what_the_platform_says_is_told(library: Library) -> None:
    library.hospital.line.faults["1303"] = ["lose-request"] * 9
    with pytest.raises(CannotUpdate, match="1303 没有办成"):
        library.update("1303")
    held = library.store.catalogs.one("1303")
    assert held is not None
    assert (held.version, held.failed) == (None, True)
    with pytest.raises(CannotUpdate, match="没有目录 9999；可用：1301"):
        library.update("9999")


def test_old_versions_are_pruned_and_say_so(tmp_path: Path) -> None:
    library = Library(tmp_path, Policy(versions_kept=2))
    versions: list[Version] = []
    for _ in range(4):
        versions += library.update("1301").versions
        library.publish("1301")
    kept = library.store.catalogs.versions("1301")
    assert [one.pruned for one in kept] == [False, False, True, True]
    first = library.store.catalogs.search("1301", "", version=kept[1], limit=99)
    assert len(first) == kept[1].total == 16
    assert {one.key for one, _ in library.store.catalogs.changes(kept[0], ["changed"])}
    library.close()


def test_which_catalogs_are_kept() -> None:
    assert infnos_of(("1301",), CATALOGS, ["1302"]) == ["1301"]
    assert infnos_of((), CATALOGS, ["1302"]) == ["1302"]
    fallback = infnos_of((), CATALOGS, None)
    assert "1306" in fallback
    assert not {"1312", "1306A", "1321"} & set(fallback)
